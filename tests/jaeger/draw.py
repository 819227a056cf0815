#!/usr/bin/env python3
"""Draws the demo's first turn as Jaeger's page lays a trace out, from the real Jaeger's API.

    draw.py FOLDER

writes FOLDER/turn.png, where the turn hangs below the client's span (lifecycle.turn_below), and
FOLDER/turn-dispatch.png, where it hangs below its dispatch. It is our own drawing: the page in the Go module is a placeholder. Proportions are those of
Jaeger 2.20 at 1440 pixels: 360 for service and name, which are cut there; the bar of what is on the
critical path, reckoned as the page does, has a black line. Needs chromium; SIDESPAN and DEMO_BIN as
in test_jaeger.py.
"""

import html
import os
import subprocess
import sys
import tempfile

sys.path[:0] = [os.path.dirname(os.path.abspath(__file__)),
                os.path.dirname(os.path.abspath(__file__)) + "/../real"]

from jaeger import Jaeger, Tee  # pylint: disable=wrong-import-position
from path import critical_path  # pylint: disable=wrong-import-position
from test_jaeger import attributes, of_trace, run_demo  # pylint: disable=wrong-import-position

TRACE = "ask for a build"
WIDTH, NAMES, ROW = 1440, 360, 28
COLOURS = ["#17b8be", "#f8dca1", "#b7885e", "#ffcb99", "#f89570", "#829ae3"]
STYLE = """
body { margin: 0; width: %dpx; font: 13px sans-serif; background: #fff; color: #222 }
.row { position: relative; height: %dpx; border-bottom: 1px solid #eee }
.name { position: absolute; top: 6px; width: %dpx; overflow: hidden; white-space: nowrap;
        text-overflow: ellipsis }
.name b { border-left: 4px solid; padding-left: 5px; margin-right: 6px }
.time { position: absolute; left: %dpx; right: 90px; top: 0; bottom: 0; border-left: 1px solid #ccc }
.bar { position: absolute; top: 7px; height: 14px; min-width: 2px; border-radius: 2px }
.path { position: absolute; top: 13px; height: 3px; background: #000 }
.length { position: absolute; top: 6px; padding-left: 6px; color: #777; white-space: nowrap }
.error { color: #c00 }
""" % (WIDTH, ROW, NAMES - 12, NAMES)


def rows(spans):
    """(span, depth), each before what hangs below it, siblings by start."""
    waiting = [(span, 0) for span in spans if not span.get("parentSpanId")]
    while waiting:
        span, depth = waiting.pop(0)
        yield span, depth
        below = [other for other in spans if other.get("parentSpanId") == span["spanId"]]
        below.sort(key=lambda other: int(other["startTimeUnixNano"]))
        waiting[:0] = [(other, depth + 1) for other in below]


def page(spans, services):
    """The picture as HTML, and its height."""
    begin = min(int(span["startTimeUnixNano"]) for span in spans)
    total = max(int(span["endTimeUnixNano"]) for span in spans) - begin
    path, names = critical_path(spans), sorted(set(services.values()))
    lines = []
    for span, depth in rows(spans):
        start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        service = services[span["spanId"]]
        colour = COLOURS[names.index(service) % len(COLOURS)]
        left, width = 100 * (start - begin) / total, 100 * (end - start) / total
        critical = "".join(
            '<div class=path style="left:%.3f%%;width:%.3f%%"></div>'
            % (100 * (first * 1000 - begin) / total, 100 * (last - first) * 1000 / total)
            for name, first, last in path
            if name == span["name"] and first * 1000 >= start - 1000 and last * 1000 <= end + 1000)
        failed = " error" if span.get("status", {}).get("code") in (2, "STATUS_CODE_ERROR") else ""
        lines.append(
            '<div class=row><div class="name%s" style="left:%dpx;max-width:%dpx">'
            '<b style="border-color:%s">%s</b>%s</div><div class=time>'
            '<div class=bar style="left:%.3f%%;width:%.3f%%;background:%s"></div>%s'
            '<div class=length style="left:%.3f%%">%.1f ms</div></div></div>'
            % (failed, 8 + 14 * depth, NAMES - 20 - 14 * depth, colour, html.escape(service),
               html.escape(span["name"]), left, width, colour, critical, left + width,
               (end - start) / 1e6))
    return ("<!DOCTYPE html><meta charset=utf-8><style>%s</style>%s" % (STYLE, "".join(lines)),
            len(lines) * (ROW + 1))


def draw(jaeger, options, path):
    tee = Tee(jaeger.otlp)
    sent = run_demo(tee, *options)
    spans = of_trace(jaeger, sent, TRACE)
    services = {span["spanId"]: attributes(resource["attributes"])["service.name"]["stringValue"]
                for span, resource, _ in sent}
    text, height = page(spans, services)
    tee.close()
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/page.html", "w", encoding="utf8") as file:
            file.write(text)
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
             "--user-data-dir=" + folder, "--window-size=%d,%d" % (WIDTH, height),
             "--screenshot=" + os.path.abspath(path), "file://%s/page.html" % folder],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    jaeger = Jaeger()
    try:
        for word, name in (("client", "turn"), ("dispatch", "turn-dispatch")):
            draw(jaeger, ["--lifecycle-turn-below=" + word], "%s/%s.png" % (sys.argv[1], name))
    finally:
        jaeger.close()


if __name__ == "__main__":
    main()
