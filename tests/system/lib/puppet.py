"""The wrapped command: a process that lends its stdin and stdout to the test and does as told.

Started as `puppet.py CONTROL_SOCKET [ANYTHING...]`. It passes descriptors 0 and 1 over the control
socket, closes its own copies, so that the test alone holds them, and obeys one JSON line after the
other: {"do": "exit", "status": 3}, {"do": "kill", "signal": 15}, {"do": "catch", "signals": [15]}
(report instead of dying), {"do": "stderr", "text": "..."}, {"do": "fork"} (leave a child behind),
{"do": "group"} (into a process group of its own).
"""

import json
import os
import signal
import socket
import sys


def say(control, **what):
    control.sendall(json.dumps(what).encode() + b"\n")


def obey(control, order):
    if order["do"] == "exit":
        os._exit(order["status"])
    elif order["do"] == "kill":
        signal.signal(order["signal"], signal.SIG_DFL) if order["signal"] != signal.SIGKILL else 0
        os.kill(os.getpid(), order["signal"])
    elif order["do"] == "catch":
        for number in order["signals"]:
            signal.signal(number, lambda number, _: say(control, caught=number))
    elif order["do"] == "stderr":
        os.write(2, order["text"].encode())
    elif order["do"] == "group":
        os.setpgrp()
    elif order["do"] == "fork":
        pid = os.fork()
        if pid == 0:
            control.recv(1)  # until the test closes its end
            os._exit(0)
        say(control, done="fork", pid=pid)
        return
    say(control, done=order["do"])


def main():
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    control.connect(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    hello = {"pid": os.getpid(), "parent": os.getppid(), "argv": sys.argv[2:], "cwd": os.getcwd(),
             "env": dict(os.environ), "stderr": os.readlink("/proc/self/fd/2"),
             "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd"))}
    socket.send_fds(control, [b"+"], [0, 1])
    os.close(0)
    os.close(1)
    control.sendall(json.dumps(hello).encode() + b"\n")
    pending = b""
    while True:
        data = control.recv(4096)
        if not data:
            os._exit(0)
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            obey(control, json.loads(line))


main()
