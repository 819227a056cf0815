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


# As if so much time had gone by.
LATER = "{ const was = performance.now.bind(performance); performance.now = () => was() + %d000; }"


def test_rates_end(browser, lab):
    """Those of the last ten seconds, whether or not something new is told; so is for how long the program is up."""
    link = lab.link("ws", args=[ADMIN, "--exporter=none"])
    opened(browser, Operator.of(lab, link.sidespan), 0)
    for number in range(30):
        link.call({"id": number, "method": "a"}, {"id": number, "result": {}})
    browser.wait("stats.methods.length === 1 && stats.methods[0].count === 30 && running.size === 0")
    browser.eval("draw()")
    row = browser.texts("#methods td")
    assert row[0] == "a" and row[2] == "30" and 0 < float(row[1]) <= 30
    browser.eval(LATER % 60)
    browser.wait("document.querySelector('#methods .number').textContent === '0.0'")
    browser.eval(LATER % 3600)
    browser.wait("document.getElementById('up').textContent.startsWith('up 1h ')")
    assert browser.texts("#methods td")[2] == "30"


def test_rates_are_those_of_ten_seconds(browser, lab):
    """At first, of all the time that the program has run; as of a clock that the test has."""
    opened(browser, Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9"), 0)
    browser.eval("takes.open = takes.stats = () => {}; epoch = 0n; reports.length = 0")
    rates = []
    for second, count in ((100, 100), (105, 150), (109, None), (110, None), (114, None), (115, None), (116, 190)):
        browser.eval(f"performance.now = () => {second}000 - skew")
        if count:
            browser.eval(f"takeStats({{ timeUnixNano: '{second}000000000', uptimeSeconds: {second - 50},"
                         f" methods: [{{ method: 'a', count: {count} }}] }})")
        browser.eval("drawStats()")
        rates.append(browser.texts("#methods td")[1])
    assert rates == ["2.0", "2.7", "2.5", "5.0", "5.0", "0.0", "4.0"]


HELD = """{
    const ask = window.fetch;
    window.fetch = (path, ...more) => path !== "live" ? ask(path, ...more) :
        new Promise(done => { window.go = done; }).then(() => ask(path, ...more));
}"""


def test_nothing_is_missed_before_it_is_live(browser, lab):
    """What has ended since the traces were asked for is told of, at first and when the program is asked anew."""
    link = lab.link("ws", args=[ADMIN])
    operator = Operator.of(lab, link.sidespan)
    browser.open(operator.url + "/", first=HELD)
    browser.wait("window.go !== undefined")
    link.call({"id": 1, "method": "between"}, {"id": 1, "result": {}})
    until(lambda: len(operator.get("/traces").json()["traces"]) == 1, "it has ended")
    browser.eval("go()")
    browser.wait("document.querySelectorAll('.trace').length === 1")
    assert "between" in rows(browser)[0]


def test_what_is_left_out_is_told(browser, lab):
    """Spans that came too fast, beside the number of traces, until all are asked for again."""
    opened(browser, Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9"), 0)
    assert browser.texts("#traces-sums") == ["0"]
    browser.eval("takes.spans({ spans: [], omitted: 1200 }); takes.spans({ spans: [], omitted: 34 }); draw()")
    assert browser.texts("#traces-sums") == ["0, 1 234 spans left out"]
    browser.eval("takes.traces({ seq: 0, traces: [] }); draw()")
    assert browser.texts("#traces-sums") == ["0"]


def test_how_the_exporter_does(browser, lab):
    """Beside its numbers; what an operator should see at once, at the top as well."""
    opened(browser, Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9", "--exporter=none"), 0)
    assert browser.texts("#exporter, #trouble") == [] and browser.texts("#exporter-none") == [
        "Spans are shown here and sent nowhere."]
    for state, lost, said, trouble, name in (
            ("ok", 0, "ok", [], "good"), ("away", 0, "collector away", ["collector away"], "bad"),
            ("away", 2, "collector away", ["collector away · 2 spans lost"], "bad"),
            ("ok", 1, "ok", ["1 span lost"], "bad"), ("console", 0, "console", [], "good"),
            ("none", 0, "no exporter", [], "")):
        browser.eval(f"Object.assign(stats.exporter, {{ created: 3, state: '{state}', dropped: {lost} }}); drawStats()")
        assert browser.texts("#exporter-state") == [said] and browser.texts("#trouble") == trouble
        assert browser.eval("document.getElementById('exporter-state').className.trim()") == f"state {name}".strip()
        assert browser.texts("#exporter dt") == ["created", "sent", "pending", "spooled", "rejected", "dropped"]


def test_a_row_of_what_is_gone(browser, lab):
    """Clicked at before it is taken away."""
    link = lab.link("ws", args=[ADMIN])
    link.call({"id": 1, "method": "a"}, {"id": 1, "result": {}})
    opened(browser, Operator.of(lab, link.sidespan), 1)
    assert browser.eval("{ traces.clear(); document.querySelector('.trace').click(); document.querySelectorAll('.span').length }") == 0
    browser.eval("draw()")
    assert rows(browser) == []


def test_what_becomes_known_of_what_runs(browser, lab):
    """Its thread and its name, in the row that is there."""
    link = lab.link("ws", args=[ADMIN])
    opened(browser, Operator.of(lab, link.sidespan), 0)
    link.client.send({"id": 1, "method": "a"})
    browser.wait("document.querySelectorAll('.run').length === 1")
    before = browser.texts(".run .cut")
    browser.eval("Object.assign(running.values().next().value, { name: '<b>', thread: 'T' }); draw()")
    assert before[0] == "a" and before[1].startswith("connection ") and browser.texts(".run .cut") == ["<b>", "T"]


def test_the_slow_stay_longer(browser, lab):
    """As those with errors do, by admin.keep_slower_than."""
    opened(browser, Operator(lab, "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9",
                             "--admin-keep-slower-than=250ms"), 0)
    browser.eval("""for (let number = 0; number < 400; number++)
        takes.spans({ spans: [{ traceId: "t" + number, spanId: "s" + number, name: "n", status: { code: number === 2 ? 2 : 0 },
            startTimeUnixNano: "1000000000", endTimeUnixNano: number === 1 ? "1300000000" : "1200000000" }] })""")
    assert browser.eval("[...traces.keys()].slice(0, 3)") == ["t1", "t2", "t102"]


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
        window.blocked = [];
        document.addEventListener("securitypolicyviolation", event => {
            blocked.push(event.effectiveDirective);
            if (blocked.length === 4) done();
        });
        const script = document.createElement("script");
        script.textContent = "document.title = 'pwned'";
        const image = document.createElement("div");
        image.innerHTML = "<img src='http://127.0.0.1:9/x' onerror='document.title = 1'><b style='color: red'></b>";
        document.body.append(script, image);
    })""")
    assert sorted(browser.eval("blocked")) == ["img-src", "script-src-attr", "script-src-elem", "style-src-attr"]
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
    assert browser.eval("[...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)")


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
    browser.open("about:blank")  # a refusal is what the browser calls an error


def test_it_says_when_it_is_not_live(browser, demo):
    opened(browser, demo, 6)
    demo.sidespan.stop()
    browser.wait("document.getElementById('state').textContent.startsWith('not live: ')")
    assert len(rows(browser)) == 6
    browser.eval("draw()")
    up = browser.texts("#up")
    browser.eval(LATER % 100 + "draw()")
    assert browser.texts("#up") == up  # what is not told is not known
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
