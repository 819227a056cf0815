"""Refuses allocations of the program under test, the Nth and those behind it: tests/oom/refuse.c."""

import mmap
import os
import re
import struct
import subprocess

from lib.process import BINARY, ROOT

LIBRARY = os.path.join(os.path.dirname(BINARY), "tests/oom/refuse.so")
SITES = 65536
COUNT, FIRST, LAST, REFUSED, SITE = 0, 8, 16, 24, 32


class Refusal:
    def __init__(self, directory):
        self.path = os.path.join(directory, "refuse")
        self.trace = os.path.join(directory, "refused")
        with open(self.path, "wb") as file:
            file.truncate(SITE + 8 * SITES)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), SITE + 8 * SITES)

    def environment(self):
        return {"LD_PRELOAD": LIBRARY, "REFUSE_FILE": self.path, "REFUSE_TRACE": self.trace}

    def get(self, place):
        return struct.unpack_from("=Q", self.memory, place)[0]

    def put(self, place, value):
        struct.pack_into("=Q", self.memory, place, value)

    def arm(self, number, count=1):
        """From now on the allocation of that number is refused, and count - 1 behind it."""
        self.put(LAST, 0)
        self.put(COUNT, 0)
        self.put(FIRST, number)
        self.put(LAST, number + count - 1)

    def disarm(self):
        self.put(LAST, 0)

    @property
    def count(self):
        return self.get(COUNT)

    @property
    def refused(self):
        return self.get(REFUSED)

    def places(self):
        """The first number of each place in the program that allocated."""
        found = {}
        for number in range(1, min(self.count, SITES - 1) + 1):
            found.setdefault(self.get(SITE + 8 * number), number)
        return sorted(found.values())

    def where(self):
        """The functions below which the refused allocation was asked for, innermost first."""
        if not os.path.exists(self.trace):
            return "nowhere"
        with open(self.trace) as file:
            frames = [re.match(r"(.*?)\((.*?)\+(0x\w+)\)", line) for line in file]
        names = []
        for frame in frames:
            if not frame:
                continue
            name = frame[2]
            if not name:
                name = subprocess.run(["addr2line", "-f", "-e", frame[1], frame[3]],
                                      capture_output=True, text=True).stdout.split("\n")[0]
            names.append(name or frame[3])
        return " < ".join(names)

    def close(self):
        self.memory.close()
