"""Deadlines. Every wait of the suite ends with an event, or fails when PATIENCE is over."""

import os
import threading
import time

PATIENCE = float(os.environ.get("SIDESPAN_TEST_PATIENCE", "10"))


class TimedOut(AssertionError):
    pass


class Deadline:
    def __init__(self, seconds=None):
        self.seconds = PATIENCE if seconds is None else seconds
        self.end = time.monotonic() + self.seconds

    def left(self):
        return max(0.0, self.end - time.monotonic())

    def passed(self):
        return time.monotonic() >= self.end


def until(condition, what, seconds=None):
    """Waits until condition() gives something true, and returns that."""
    deadline = Deadline(seconds)
    pause = 0.001
    while True:
        value = condition()
        if value:
            return value
        if deadline.passed():
            raise TimedOut(f"waited {deadline.seconds:g} s for {what}")
        time.sleep(pause)
        pause = min(2 * pause, 0.02)


class Background(threading.Thread):
    """Runs a function beside the test; result() waits for it and raises what it raised."""

    def __init__(self, function, *args):
        super().__init__(daemon=True)
        self.function = function
        self.args = args
        self.value = None
        self.error = None
        self.start()

    def run(self):
        try:
            self.value = self.function(*self.args)
        except BaseException as error:
            self.error = error

    def result(self, seconds=None):
        deadline = Deadline(3 * PATIENCE if seconds is None else seconds)
        self.join(deadline.left())
        if self.is_alive():
            raise TimedOut(f"waited {deadline.seconds:g} s for {self.function}")
        if self.error:
            raise self.error
        return self.value
