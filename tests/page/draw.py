#!/usr/bin/env python3
"""Draws the page at admin.listen as it is while a turn of the demo waits for an approval.

    draw.py FILE

Needs chromium, and playwright-core in PLAYWRIGHT; SIDESPAN and DEMO_BIN as in test_page.py.
"""

import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, HERE + "/../system"]

from browser import Browser  # pylint: disable=wrong-import-position
from lib.lab import Lab, address_of  # pylint: disable=wrong-import-position
from lib.operator import Operator  # pylint: disable=wrong-import-position
from lib.peer import Lines  # pylint: disable=wrong-import-position
from lib.process import BINARY  # pylint: disable=wrong-import-position
from lib.stream import connect  # pylint: disable=wrong-import-position


def ask(client, number, method, **params):
    client.send({"id": number, "method": method, "params": params})
    while (said := client.recv_json()).get("id") != number or "method" in said:
        pass
    return said["result"]


def main(path):
    lab, demo = Lab(), os.environ["DEMO_BIN"]
    browser = Browser(shutil.which("chromium"), os.environ["PLAYWRIGHT"])
    try:
        url = "unix://" + lab.path("demo")
        operator = Operator(lab, "--profile=codex", "--listen=" + url, "--service-name=sidespan-demo", "--",
                            os.path.join(demo, "agent_server"))
        for _ in range(2):
            subprocess.run([os.path.join(demo, "agent_client"), "--", BINARY, "--disabled", "--upstream=" + url],
                           stdin=subprocess.DEVNULL, capture_output=True, check=True, env=lab.environment())
        client = Lines(lab.keep(connect(address_of(url))))
        ask(client, 1, "initialize", clientInfo={"name": "demo_client", "title": "demo", "version": "1.0"})
        thread = ask(client, 2, "thread/start")["thread"]["id"]
        ask(client, 3, "turn/start", threadId=thread, input=[{"type": "text", "text": "Please run make"}])
        while "requestApproval" not in client.recv_json().get("method", ""):
            pass
        browser.open(operator.url + "/", width=1360, height=940)
        browser.wait("document.querySelectorAll('.run').length >= 3 && nowMs() - running.values().next().value.start > 4000")
        browser.click(selector=".trace:has-text('1 wait'):not(:has-text('running'))")
        browser.eval("document.activeElement.blur()")
        browser.shot(path=os.path.abspath(path))
        print(json.dumps(browser.texts(".run")))
    finally:
        browser.close()
        lab.close()


if __name__ == "__main__":
    main(sys.argv[1])
