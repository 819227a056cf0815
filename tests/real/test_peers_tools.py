"""HTTP by the tools that everybody has: what they send and get is as direct, to the byte."""

import contextlib
import hashlib
import http.client
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from codex import ROOT, Program
from peers import collecting, ended, environment, free_port, listens, proxied, running

sys.path.insert(0, ROOT + "/tests/system")

from lib.tls import certificates  # pylint: disable=wrong-import-position

SIZES = [0, 1, 16383, 16385, 1 << 20, 100 << 20]
ASKED = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
REPLY = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}'


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Answers(http.server.BaseHTTPRequestHandler):
    """Tells what came: its length and its hash."""

    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # an answer is one write

    def log_message(self, *_):
        pass

    def pieces(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        size = 1
        while size > 0:
            size = int(self.rfile.readline().split(b";")[0], 16)
            yield self.rfile.read(size + 2)[:-2]

    def answer(self):
        size, digest = 0, hashlib.sha256()
        for piece in self.pieces():
            size += len(piece)
            digest.update(piece)
        told = f"{self.command} {self.path} {size} {digest.hexdigest()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer


@contextlib.contextmanager
def answering():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


NGINX = """daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    keepalive_requests 1000000;
    client_max_body_size 0;
    {server}
}}
"""


@contextlib.contextmanager
def nginx(folder, server, port):
    """Waits until it listens on that port."""
    folder.mkdir()
    (folder / "conf").write_text(NGINX.format(folder=folder, server=server), encoding="utf-8")
    with running("nginx", "-p", str(folder), "-c", str(folder / "conf"), "-e", str(folder / "error.log"), port=port):
        yield f"http://127.0.0.1:{port}"


def told(program, *args, data=None):
    """What a program says."""
    ran = subprocess.run([program, *args], input=data, capture_output=True, timeout=90, check=False, env=environment())
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def curl(*args):
    return told("curl", "-sS", "--cacert", certificates().path("ca.pem"), *args)


def within_tls(name="server", **options):
    certificate, key = certificates().pair(name, **options)
    return [f"--tls-certificate={certificate}", f"--tls-key={key}"]


@contextlib.contextmanager
def through(upstream, *args, listen="http"):
    """sidespan with nothing to send."""
    tls = within_tls() if listen == "https" else []
    with proxied(upstream, "--exporter=none", *tls, *args, listen=f"{listen}://127.0.0.1:0", collector=None) as proxy:
        yield proxy


# ---- bodies ----


@pytest.mark.parametrize("listen", ["http", "https"])
def test_curl_sends_bodies(tmp_path, listen):
    """With a length, in chunks, and after 100 Continue, all on one connection."""
    sizes = SIZES if listen == "http" else SIZES[:-1]
    for size in sizes:
        (tmp_path / str(size)).write_bytes(os.urandom(min(size, 1 << 20)) * max(1, size >> 20))

    def send(url):
        args = []
        for size in sizes:
            for fields in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
                args += ["--next", "-sS", "--cacert", certificates().path("ca.pem"), *fields, "-w", "%{num_connects}\n",
                         "--data-binary", f"@{tmp_path / str(size)}", f"{url}/{size}"]
        return curl(*args[1:]).decode().splitlines()

    with answering() as server, through(server, listen=listen) as proxy:
        direct, passed = send(server), send(proxy.url)
    assert passed == direct and len(direct) == 2 * 3 * len(sizes)
    assert [line.split()[2:] for line in direct[::6]] == [
        [str(size), sha256((tmp_path / str(size)).read_bytes())] for size in sizes]
    assert direct[1::2] == ["1"] + ["0"] * (3 * len(sizes) - 1)  # as direct: one connection for all


@pytest.mark.parametrize("listen", ["http", "https"])
def test_curl_gets_files_of_nginx(tmp_path, listen):
    """Of all sizes, parts of them, packed ones, one that is read slowly; nginx sees its connections kept."""
    port, root = free_port(), tmp_path / "root"
    root.mkdir()
    for size in SIZES:
        (root / f"{size}.txt").write_bytes(os.urandom(min(size, 1 << 20)) * max(1, size >> 20))
    urls = [f"{size}.txt" for size in SIZES]
    cases = [[url] for url in urls] + [
        ["-r", "100-70000", urls[4]], ["-I", urls[3]], ["-H", "Accept-Encoding: gzip", urls[4]], ["no.txt"],
        ["-H", "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT", urls[1]], ["--limit-rate", "4M", urls[4]],
        ["--http1.0", urls[3]], ["-H", "Connection: close", urls[1]]]
    server = f"server {{ listen 127.0.0.1:{port}; root {root}; gzip on; gzip_proxied any; }}"
    with nginx(tmp_path / "nginx", server, port) as direct, through(direct, listen=listen) as proxy:
        for case in cases:
            *args, name = case
            got = [curl(*args, "-w", "%{http_code} %{size_download}", f"{url}/{name}") for url in (direct, proxy.url)]
            heads = [re.sub(rb"(Date|Connection): .*\n", b"", text) for text in got]
            assert heads[0] == heads[1], case


def test_python_keeps_its_connection_and_sends_ahead():
    """http.client with one connection; then requests by the dozen before the first answer is read."""
    def lines(url):
        client = http.client.HTTPConnection(*url.removeprefix("http://").split(":"))
        client.connect()
        sock, said = client.sock, []
        for number in range(50):
            client.request(("GET", "POST", "PUT", "DELETE")[number % 4], f"/{number}", b"x" * number * 500)
            said.append(client.getresponse().read())
        assert client.sock is sock
        client.request("POST", "/chunks", iter([b"one", b"", b"two" * 9000]), encode_chunked=True)
        said.append(client.getresponse().read())
        ahead = b"".join(b"POST /%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s" % (n, n, b"y" * n)
                         for n in range(40)) + b"GET /last HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        with socket.create_connection(sock.getpeername()) as raw:
            raw.sendall(ahead)
            answers = b"".join(iter(lambda: raw.recv(65536), b""))
        return said, re.findall(rb"(?:POST|GET) /\w+ .*\n", answers)

    with answering() as server, through(server) as proxy:
        direct, passed = lines(server), lines(proxy.url)
    assert passed == direct and len(direct[1]) == 41


# ---- many requests ----


def replying(folder):
    """nginx with the answer to a request of JSON-RPC."""
    port = free_port()
    return nginx(folder, f"""server {{ listen 127.0.0.1:{port}; location / {{
        default_type application/json; return 200 '{REPLY.decode()}'; }} }}""", port)


def test_ab_loses_nothing(tmp_path):
    """50,000 requests over 64 connections that are kept: each is answered, and each is a span."""
    (tmp_path / "asked").write_text(json.dumps(ASKED), encoding="utf-8")
    sink = Program([os.environ["BENCH_BIN"] + "/otlpsink"], environment(), tmp_path)
    collector = "http://127.0.0.1:" + sink.wait_log(r"listening on \S+:(\d+)")[1]
    with replying(tmp_path / "nginx") as server:
        with proxied(server, "--profile=generic", f"--otlp-endpoint={collector}", collector=None) as proxy:
            said = told("ab", "-q", "-k", "-n", "50000", "-c", "64", "-T", "application/json", "-p", str(tmp_path / "asked"),
                        proxy.url + "/").decode()
    spans = json.loads(curl(collector + "/"))["spans"]
    sink.end()
    numbers = dict(re.findall(r"^([A-Z][\w -]+): +(\d+)", said, re.M))
    assert (numbers["Complete requests"], numbers["Failed requests"]) == ("50000", "0"), said
    assert numbers["Keep-Alive requests"] == "50000" and numbers["HTML transferred"] == str(50000 * len(REPLY)), said
    assert spans == 50000 and "spans: created=50000 sent=50000" in proxy.log[-2] and complaints(proxy) == [], proxy.log


WRK = """wrk.method = "POST"
wrk.body = '%s'
wrk.headers["Content-Type"] = "application/json"
done = function(summary) io.write(string.format("answers %%d errors %%d\\n", summary.requests, summary.errors.connect
  + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout)) end
"""


@pytest.mark.parametrize("listen", ["http", "https"])
def test_wrk_sees_no_error(tmp_path, listen):
    (tmp_path / "post.lua").write_text(WRK % json.dumps(ASKED), encoding="utf-8")
    with replying(tmp_path / "nginx") as server, through(server, "--profile=generic", listen=listen) as proxy:
        said = told("wrk", "-t1", "-c64", "-d1s", "-s", str(tmp_path / "post.lua"), proxy.url).decode()
    answers, errors = map(int, re.search(r"answers (\d+) errors (\d+)", said).groups())
    requests = int(re.search(r"traffic: .*\brequests=(\d+)", "\n".join(proxy.log))[1])
    assert errors == 0 and answers > 0 and answers <= requests <= answers + 64  # those that were under way at the end


# ---- other proxies in front ----

HAPROXY = """defaults
    mode http
    timeout client 10s
    timeout server 10s
    timeout connect 10s
listen front
    bind 127.0.0.1:{port}
    server sidespan {upstream}
"""


@contextlib.contextmanager
def fronted(kind, folder, upstream):
    """A proxy in front of that URL; the URL of the proxy."""
    port = free_port()
    if kind == "haproxy":
        (folder / "haproxy").write_text(HAPROXY.format(port=port, upstream=upstream.removeprefix("http://")), encoding="utf-8")
        with running("haproxy", "-db", "-f", str(folder / "haproxy"), port=port):
            yield f"http://127.0.0.1:{port}"
        return
    certificate, key = certificates().pair("server")
    tls = f"ssl http2; ssl_certificate {certificate}; ssl_certificate_key {key};" if kind == "nginx h2" else ";"
    server = f"""server {{ listen 127.0.0.1:{port} {tls}
        location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_buffering off; }} }}"""
    with nginx(folder / "front", server, port):
        yield f"http{'s' if kind == 'nginx h2' else ''}://127.0.0.1:{port}"


@pytest.mark.parametrize("kind", ["nginx", "nginx h2", "haproxy"])
def test_behind_another_proxy(tmp_path, kind):
    body = tmp_path / "body"
    body.write_bytes(os.urandom(300000))
    version = "2" if kind == "nginx h2" else "1.1"
    with answering() as server, through(server) as proxy, fronted(kind, tmp_path, proxy.url) as front:
        for args in ([], ["--data-binary", f"@{body}"], ["-I"], ["-H", "Transfer-Encoding: chunked", "-T", str(body)]):
            if version == "2" and "-H" in args:
                args = ["-T", str(body)]
            path = "/p" if args else "/"
            said = curl("--http2", *args, "-o", str(tmp_path / "got"), "-w", "%{http_version} %{http_code}", front + path)
            assert said.decode() == f"{version} 200"
            if "-I" not in args:
                assert (tmp_path / "got").read_bytes() == curl(*args, server + path)


# ---- TLS ----


def complaints(proxy):
    """What is said of TLS, and of the server."""
    return [line.split(": ", 2)[2] for line in proxy.log if " warn: " in line or " error: " in line]


def test_openssl_as_a_client():
    with answering() as server, through(server, listen="https") as proxy:
        port = proxy.url.rsplit(":", 1)[1]
        said = {}
        for version in ("-tls1_2", "-tls1_3"):
            said[version] = told("openssl", "s_client", version, "-quiet", "-verify_return_error", "-CAfile",
                                 certificates().path("ca.pem"), "-alpn", "h2,http/1.1", "-connect", f"127.0.0.1:{port}",
                                 data=b"GET /s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        old = subprocess.run(["openssl", "s_client", "-tls1_1", "-connect", f"127.0.0.1:{port}"], input=b"", check=False,
                             capture_output=True, timeout=30)
    assert all(text.startswith(b"HTTP/1.1 200 OK") and b"GET /s 0" in text for text in said.values())
    assert old.returncode != 0 and len(complaints(proxy)) <= 1, proxy.log  # some refuse it by themselves


def test_openssl_as_a_server():
    certificate, key = certificates().pair("server")
    port = free_port()
    with running("openssl", "s_server", "-www", "-accept", str(port), "-cert", certificate, "-key", key, port=port), \
            through(f"https://localhost:{port}", "--tls-upstream-ca=" + certificates().path("ca.pem")) as proxy:
        said = curl(proxy.url + "/")
    assert b"s_server" in said and complaints(proxy) == []


def test_curl_shows_a_certificate():
    """Who has one is let in, and named; who has none, or another's, is told so in one line."""
    authority = certificates().path("ca.pem")
    alice = certificates().pair("alice", subject="/O=Clients/CN=alice", names="DNS:alice")
    with answering() as server, collecting() as collector:
        with proxied(server, "--profile=generic", f"--tls-client-ca={authority}", "--tls-client-subject", *within_tls(),
                     listen="https://127.0.0.1:0", collector=collector) as proxy:
            data = ["--data-binary", json.dumps(ASKED), "-H", "Content-Type: application/json"]
            assert b"POST / " in curl("--cert", alice[0], "--key", alice[1], *data, proxy.url + "/")
            assert complaints(proxy) == []
            none = subprocess.run(["curl", "-sS", "--cacert", authority, proxy.url], capture_output=True, check=False)
            proxy.wait_log("warn: .*TLS with the client: .*")
        span, = ended(collector)
    assert none.returncode != 0 and len(complaints(proxy)) == 1 and "certificate" in complaints(proxy)[0], proxy.log
    assert span.attributes["tls.client.subject"] == "CN=alice,O=Clients"


SERVERS = {
    "expired": (dict(days=-1), "certificate has expired"),
    "another name": (dict(names="DNS:elsewhere.example"), "hostname mismatch"),
    "by itself": (None, "self-signed certificate"),
}


@pytest.mark.parametrize("what", SERVERS)
def test_server_that_is_not_trusted(tmp_path, what):
    """502, and one line that says why."""
    options, reason = SERVERS[what]
    if options is None:
        certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
        told("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate))
    else:
        certificate, key = certificates().pair(what.replace(" ", "-"), **options)
    port = free_port()
    with running("openssl", "s_server", "-www", "-accept", str(port), "-cert", str(certificate), "-key", str(key),
                 port=port), through(f"https://localhost:{port}", "--tls-upstream-ca=" + certificates().path("ca.pem")) as proxy:
        assert curl("-o", os.devnull, "-w", "%{http_code}", proxy.url + "/") == b"502"
    assert len(complaints(proxy)) == 1 and reason in complaints(proxy)[0], proxy.log


def test_answer_that_is_cut_off():
    """By a server whose end comes without close_notify: curl sees an error, the log has a line."""
    certificate, key = certificates().pair("server")
    port = free_port()
    with subprocess.Popen(["openssl", "s_server", "-quiet", "-accept", str(port), "-naccept", "1", "-cert", certificate,
                           "-key", key], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server, \
            through(f"https://localhost:{port}", "--tls-upstream-ca=" + certificates().path("ca.pem")) as proxy:
        while not listening(port):
            assert server.poll() is None
        with subprocess.Popen(["curl", "-sSN", "--max-time", "60", proxy.url + "/"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as client:
            assert server.stdout.readline() == b"GET / HTTP/1.1\r\n"
            server.stdin.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            server.stdin.flush()
            assert client.stdout.read(4) == b"half"
            server.kill()
            assert client.wait(30) == 18  # CURLE_PARTIAL_FILE
        proxy.wait_log("warn: .*TLS with the server: it was cut off, without close_notify")
    assert len(complaints(proxy)) == 1, proxy.log


def listening(port):
    """Without a connection, of which there may be one only."""
    with open("/proc/net/tcp", encoding="ascii") as table, open("/proc/net/tcp6", encoding="ascii") as table6:
        return any(re.search(rf":{port:04X} \S+ 0A ", line) for line in [*table, *table6])
