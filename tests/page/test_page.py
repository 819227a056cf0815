"""The page at admin.listen, in a real Chromium."""

import os
import re
import subprocess

import pytest

from lib.operator import ADMIN, Operator
from lib.process import BINARY, ROOT, is_sanitized
from lib.wait import PATIENCE, until

DEMO = os.environ.get("DEMO_BIN", os.path.join(ROOT, "build/release/tests/demo"))
BENCH = os.environ.get("BENCH_BIN", os.path.join(ROOT, "build/release/tests/bench"))
EVIL = """<img src=x onerror="document.title='pwned';alert(1)">"""
EVIL_THREAD = "</script><script>document.title='pwned'</script>\u202e\x1b"


@pytest.fixture(name="demo")
def make_demo(lab):
    """A program that stays, through which the demo's conversation has gone."""
    path = lab.path("demo")
    operator = Operator(lab, "--profile=codex", f"--listen=unix://{path}", "--service-name=the-demo",
                        "--admin-jaeger-url=http://jaeger.example:16686/", "--", os.path.join(DEMO, "agent_server"))
    subprocess.run([os.path.join(DEMO, "agent_client"), "--", BINARY, "--disabled", f"--upstream=unix://{path}"],
                   stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=3 * PATIENCE,
                   env=lab.environment())
    until(lambda: len(operator.get("/traces").json()["traces"]) == 6, "six traces")
    return operator


def opened(browser, operator, count, **more):
    browser.open(operator.url + "/", **more)
    browser.wait(f"document.querySelectorAll('.trace').length === {count}")
    browser.wait("document.getElementById('state').textContent === 'live'")


def rows(browser):
    return browser.texts(".trace")


def test_a_turn_of_the_demo(browser, demo):
    """Its waterfall, where its time went, a call's attributes, an event, and the way to Jaeger."""
    opened(browser, demo, 6)
    browser.click(selector=".trace:has-text('1 wait')")
    names = browser.texts(".span .name")
    assert names == ["thread/start", "turn/start", "app_server.dispatch turn_input", "app_server.turn", *names[4:]]
    assert sorted(names[4:]) == ["agentMessage", "approval commandExecution", "chat demo-small", "chat demo-small",
                                 "commandExecution make", "reasoning"]
    assert names.index("approval commandExecution") == names.index("commandExecution make") + 1
    legend = browser.texts(".legend > span")
    parts = [float(part) for part in re.findall(r"(\d+) %", " ".join(legend))]
    assert [text.split()[0] for text in legend] == ["model", "tools", "waits", *["else"] * (len(legend) - 5), "2", "100"]
    assert 98 <= sum(parts) <= 102 and legend[-2:] == ["2 000 tokens in", "100 tokens out"]
    widths = browser.eval("[...document.querySelectorAll('.stack i')].map(e => e.getBoundingClientRect().width)")
    assert len(widths) == len(parts) and min(widths) >= 1
    browser.click(selector=".span:has-text('chat demo-small')")
    about = dict(zip(browser.texts(".about dt"), browser.texts(".about dd")))
    assert about["gen_ai.usage.input_tokens"] == "900" and about["app_server.client_name"] == "demo_client"
    browser.click(selector=".trace:has-text('1 wait')")
    assert browser.texts(".span") == []
    browser.click(selector=".trace:has-text('exceeded retry limit')")
    browser.click(selector=".span.turn")
    assert [text.split()[-1] for text in browser.texts(".about > div")] == ["retry", "error", "failed"]
    trace = browser.texts(".body p")[0].split()[1]
    assert browser.eval("document.querySelector('.body a').href") == f"http://jaeger.example:16686/trace/{trace}"
    assert browser.eval("document.getElementById('jaeger').href").endswith("/search?service=the-demo")


def test_numbers(browser, demo):
    opened(browser, demo, 6)
    methods = [text.split("\t") for text in browser.texts("#methods tr")]
    assert [(row[0], row[2], row[3]) for row in methods] == [
        ("turn/start", "4", "1"), ("thread/start", "3", "0"), *[(row[0], "1", "0") for row in methods[2:]]]
    assert all(re.fullmatch(r"[\d.]+ (µs|ms|s)", text) for row in methods for text in row[4:])
    assert "demo-small\tinput\t2 900" in browser.texts("#tokens tr")
    assert browser.texts("#exporter dt") == ["created", "sent", "pending", "spooled", "rejected", "dropped"]
    assert browser.texts("#server")[0].startswith("the-demo · ")


def test_filters(browser, demo):
    opened(browser, demo, 6)
    for selector, text, count in (("#f-method", "model/LIST", 1), ("#f-method", "approval", 1), ("#f-method", "zzz", 0),
                                  ("#f-thread", "000000000002", 1), ("#f-client", "demo_", 6), ("#f-client", "x", 0),
                                  ("#f-least", "1h", 0), ("#f-least", "500ms", 1), ("#f-least", "1us", 6)):
        browser.fill(selector=selector, text=text)
        assert len(rows(browser)) == count, (selector, text)
        browser.fill(selector=selector, text="")
    for status, count in (("error", 2), ("ok", 4), ("open", 0), ("", 6)):
        browser.choose(selector="#f-status", text=status)
        assert len(rows(browser)) == count, status
    browser.fill(selector="#f-method", text="zzz")
    assert browser.texts("#traces-none") == ["No trace fits the filter."]
    browser.click(selector="#clear")
    assert len(rows(browser)) == 6 and browser.texts("#traces-none") == []


def test_what_runs_comes_and_goes(browser, lab):
    """Without a reload; the trace of what runs is one click away."""
    link = lab.link("ws", args=[ADMIN])
    operator = Operator.of(lab, link.sidespan)
    opened(browser, operator, 0)
    assert browser.texts("#runs-none") == ["Nothing runs."]
    link.client.send({"id": 1, "method": "thread/read", "params": {"threadId": "T"}})
    link.server.recv()
    browser.wait("document.querySelectorAll('.run').length === 1")
    assert browser.texts(".run .cut") == ["thread/read", "T"] and browser.texts("#runs-sums") == ["1 request"]
    browser.click(selector=".run")
    assert browser.texts(".span .name") == ["thread/read"] and browser.eval("document.querySelectorAll('.bar.open').length") == 1
    link.server.send({"id": 1, "error": {"code": -1, "message": "no"}})
    browser.wait("document.querySelectorAll('.run').length === 0 && document.querySelectorAll('.bar.error').length === 1")
    assert browser.texts(".span .name") == ["thread/read no"]
    assert browser.texts("#runs-none") == ["Nothing runs."]


def test_what_comes_from_the_wire_does_no_harm(browser, lab):
    link = lab.link("ws", args=[ADMIN])
    operator = Operator.of(lab, link.sidespan)
    for number in (1, 2):
        link.client.send({"id": number, "method": EVIL, "params": {"threadId": EVIL_THREAD}})
        link.server.recv()
    link.server.send({"id": 1, "error": {"code": -1, "message": EVIL}})
    opened(browser, operator, 2)
    assert browser.texts(".run .cut")[0] == EVIL
    for kind in (".trace", ".span"):
        for shown in (1, 2):  # drawn a moment later: a click too soon would take the first one back
            browser.click(selector=f"{kind}[aria-expanded=false]")
            browser.wait(f"document.querySelectorAll('{kind}[aria-expanded=true]').length === {shown}")
    assert browser.texts(".about dd").count(EVIL) == 2
    assert browser.eval("document.querySelectorAll('main img, main script, main iframe, datalist img').length") == 0
    browser.fill(selector="#f-method", text=EVIL)
    assert len(rows(browser)) == 2
    assert "pwned" not in browser.eval("document.title")


def test_the_policy_holds(browser, lab):
    """Had something got in, it would not run, load or ask."""
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9")
    opened(browser, operator, 0)
    browser.eval("""new Promise(done => {
        window.stopped = [];
        document.addEventListener("securitypolicyviolation", event => {
            stopped.push(event.effectiveDirective);
            if (stopped.length === 4) done();
        });
        const script = document.createElement("script");
        script.textContent = "document.title = 'pwned'";
        const image = document.createElement("div");
        image.innerHTML = "<img src='http://127.0.0.1:9/x' onerror='document.title = 1'><b style='color: red'></b>";
        document.body.append(script, image);
    })""")
    assert sorted(browser.eval("stopped")) == ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
    assert browser.eval("document.title").startswith("sidespan")
    browser.open(operator.url + "/")  # what it had to say of that is not what is looked at


def test_by_keyboard(browser, demo):
    opened(browser, demo, 6)
    browser.press(key="/")
    assert browser.eval("document.activeElement.id") == "f-method"
    for key in "model":
        browser.press(key=key)
    assert 0 < len(rows(browser)) < 6
    browser.press(key="Escape")
    assert len(rows(browser)) == 6
    browser.press(key="j")
    browser.press(key="j")
    browser.press(key="k")
    assert browser.eval("document.activeElement === document.querySelector('.trace')")
    browser.press(key="Enter")
    browser.press(key="j")
    browser.press(key="Enter")
    assert len(browser.texts(".about")) == 1
    assert browser.eval("document.activeElement.matches('.span[aria-expanded=true]')")


@pytest.mark.parametrize("width", [1600, 800, 340])
def test_every_width(browser, demo, width):
    opened(browser, demo, 6, width=width)
    browser.click(selector=".trace:has-text('app_server.turn')")
    browser.click(selector=".span >> nth=3")
    assert browser.eval("document.documentElement.scrollWidth") <= width


def test_for_those_who_do_not_see_it(browser, demo):
    """Everything that can be used has a name, every region a heading; what changes is told of."""
    opened(browser, demo, 6)
    browser.click(selector=".trace:has-text('app_server.turn')")
    names = browser.eval("[...document.querySelectorAll('button, input, select')].filter(e => e.checkVisibility())"
                         ".map(e => (e.getAttribute('aria-label') || e.innerText || e.labels?.[0]?.innerText || '').trim())")
    assert len(names) > 15 and "" not in names
    assert any(re.fullmatch(r"turn app_server\.turn, .* ms, \d+ spans.*", name) for name in names)
    assert any(re.fullmatch(r"model chat demo-small, .* ms, after .*", name) for name in names)
    assert browser.eval("[...document.querySelectorAll('section')].every(e => document.getElementById("
                        "e.getAttribute('aria-labelledby')).innerText)")
    assert browser.eval("document.getElementById('state').getAttribute('role')") == "status"


def test_dark(browser, demo):
    colours = []
    for scheme in ("light", "dark"):
        opened(browser, demo, 6, scheme=scheme)
        colours.append(browser.eval("getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, re.findall(r"\d+", colour))) for colour in colours)
    assert light > 700 and dark < 120


def test_the_token_is_asked_for(browser, lab):
    token = lab.write("token", "hush-hush")
    operator = Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9", f"--listen-token-file={token}")
    browser.open(operator.url + "/")
    for said in ("wrong", "hush-hush"):
        browser.wait("document.activeElement.id === 'token'")
        browser.fill(selector="#token", text=said)
        browser.press(key="Enter")
    browser.wait("document.getElementById('state').textContent === 'live'")
    assert browser.texts("#ask") == [] and browser.texts("#runs-none") == ["Nothing runs."]
    assert [error for error in browser.seen()["errors"] if "401" not in error] == []
    assert not [url for url in browser.seen()["asked"] if "hush" in url]
    browser.open(operator.url + "/healthz")  # a refusal is what the browser calls an error


def test_it_says_when_it_is_not_live(browser, demo):
    opened(browser, demo, 6)
    demo.sidespan.stop()
    browser.wait("document.getElementById('state').textContent.startsWith('not live: ')")
    assert len(rows(browser)) == 6
    browser.open("about:blank")


def test_a_hundred_thousand_requests(browser, lab):
    """Neither the page nor the program grows with them."""
    operator = Operator(lab, "--profile=generic", "--listen=tcp://127.0.0.1:0", "--",
                        os.path.join(BENCH, "backend"), "--framing", "lines", "--stdio")
    port = operator.sidespan.url().rsplit(":", 1)[1]

    def load(count):
        """What the browser and the program weigh once all of it is told of."""
        subprocess.run([os.path.join(BENCH, "load"), "--lines", port, "--count", str(count), "--outstanding", "64",
                        "--timeout", "60"], check=True, capture_output=True, timeout=4 * PATIENCE,
                       env=lab.environment())
        total = sum(method["count"] for method in operator.get("/stats").json()["methods"])
        browser.wait(f"stats.methods.reduce((sum, of) => sum + of.count, 0) === {total}")
        browser.eval("draw()")
        weight = browser.weight()
        return weight["JSHeapUsedSize"], weight["Nodes"], int(operator.sidespan.status("VmRSS")) * 1024

    browser.open(operator.url + "/")
    heap, nodes, resident = load(10000)
    heap_after, nodes_after, resident_after = load(100000)
    kept = browser.eval("({spans: spanCount, traces: traces.size, rows: document.querySelectorAll('.trace').length})")
    assert kept["traces"] == 300 and kept["rows"] == 100 and kept["spans"] <= 5000
    assert heap_after < heap + (8 << 20) and nodes_after < nodes + 5000
    if not is_sanitized():
        assert resident_after < resident + (4 << 20)
