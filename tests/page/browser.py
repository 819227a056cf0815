"""A real Chromium, played by browser.mjs."""

import json
import os
import shutil
import subprocess
import tempfile

from lib.wait import PATIENCE

HERE = os.path.dirname(os.path.abspath(__file__))


class Failed(AssertionError):
    """The browser could not do it."""


class Browser:
    """Orders are those of browser.mjs: browser.click(selector="#x")."""

    def __init__(self, chromium, modules):
        """modules: a folder with playwright-core in its node_modules, which node looks for from there."""
        self.directory = tempfile.mkdtemp(prefix="ss")
        os.symlink(os.path.abspath(modules), os.path.join(self.directory, "node_modules"))
        script = shutil.copy(os.path.join(HERE, "browser.mjs"), self.directory)
        self.process = subprocess.Popen(
            ["node", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={"PATH": os.environ["PATH"], "HOME": self.directory, "CHROMIUM": chromium, "LANG": "C.UTF-8"})
        self.url = None

    def order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": "the browser has ended"}
        if "error" in answer:
            raise Failed(f"{order}: {answer['error']}")
        return answer["value"]

    def __getattr__(self, name):
        return lambda **order: self.order(do=name, **order)

    def open(self, url, **more):
        self.url = url
        self.order(do="open", url=url, **more)

    def eval(self, script):
        return self.order(do="eval", script=script)

    def wait(self, script):
        self.order(do="wait", script=script, ms=PATIENCE * 1000)

    def texts(self, selector):
        """Of what is seen."""
        return self.eval(f"[...document.querySelectorAll({json.dumps(selector)})].filter(e => e.checkVisibility())"
                         ".map(e => e.innerText.trim())")

    def close(self):
        self.process.stdin.close()
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        shutil.rmtree(self.directory)
