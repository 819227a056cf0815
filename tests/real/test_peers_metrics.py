"""What Prometheus makes of the numbers at admin.listen."""

import contextlib
import json
import os
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from peers import SECONDS, collecting, environment, free_port, needs, running, sidespan_path


def demo(name):
    return os.path.join(os.environ["DEMO_BIN"], name)


def read(url):
    with urllib.request.urlopen(url, timeout=SECONDS) as answer:
        return answer.read().decode()


def asked(port, query):
    """What Prometheus knows: the value of each series by its labels."""
    text = read(f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query}))
    return {frozenset(found["metric"].items()): float(found["value"][1]) for found in json.loads(text)["data"]["result"]}


def scraped(port, query):
    """The same, once it knows something: at its start it says 503."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.HTTPError):
            found = asked(port, query)
            if found:
                return found
        time.sleep(0.1)
    raise AssertionError(query)


def shown():
    """The queries of the dashboard, for everything that there is."""
    with open(os.path.join(os.path.dirname(__file__), "../../docker/grafana/sidespan.json")) as file:
        for panel in json.load(file)["panels"]:
            for target in panel.get("targets", ()):
                yield re.sub(r'"\$\w+"', '".*"', target["expr"].replace("$__rate_interval", "1m"))


@needs("promtool")
@needs("prometheus")
def test_prometheus(tmp_path):
    """It has nothing to say against them, and tells what the demo's conversation was."""
    admin, prometheus, server = free_port(), free_port(), free_port()
    (tmp_path / "prometheus.yml").write_text(json.dumps({
        "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms"},
        "scrape_configs": [{"job_name": "sidespan", "static_configs": [{"targets": [f"127.0.0.1:{admin}"]}]}]}))
    with collecting() as collector, running(
            sidespan_path(), "--profile=codex", f"--admin-listen=http://127.0.0.1:{admin}",
            f"--listen=tcp://127.0.0.1:{server}", "--", demo("agent_server"), port=server, collector=collector):
        subprocess.run([demo("agent_client"), "--", sidespan_path(), "--profile=generic", "--exporter=none",
                        f"--upstream=tcp://127.0.0.1:{server}"], env=environment(), check=True, timeout=SECONDS,
                       stdout=subprocess.DEVNULL)
        for wanted in ("*/*", "application/openmetrics-text"):
            text = read(urllib.request.Request(f"http://127.0.0.1:{admin}/metrics", headers={"Accept": wanted}))
            assert text.endswith("# EOF\n") == (wanted != "*/*")
        checked = subprocess.run(["promtool", "check", "metrics"], capture_output=True, text=True, check=False,
                                 input=read(f"http://127.0.0.1:{admin}/metrics"))
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        with running("prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data",
                     f"--web.listen-address=127.0.0.1:{prometheus}", port=prometheus):
            turns = scraped(prometheus, "sum by (turn_status) (codex_turn_duration_seconds_count)")
            tokens = asked(prometheus, "sum by (gen_ai_token_type) (gen_ai_client_token_usage_sum)")
            spent = asked(prometheus, "sidespan_spans_created_total")
            for query in shown():
                asked(prometheus, query)  # or it is a 400
    assert turns == {frozenset({("turn_status", status)}): 1 for status in ("completed", "interrupted", "failed")}
    assert set(tokens) == {frozenset({("gen_ai_token_type", kind)}) for kind in ("input", "output")}
    assert all(value > 0 for value in tokens.values()) and list(spent.values()) == [len(collector.ours())]
