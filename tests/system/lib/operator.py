"""An operator: what is asked of a running program at admin.listen."""

import json
import re

from lib.lab import address_of
from lib.peer import read_head
from lib.stream import connect

ADMIN = "--admin-listen=http://127.0.0.1:0"
SAMPLE = re.compile(r'([a-z_]+)(?:\{([^}]*)\})? (\S+)')


class Asked:
    def __init__(self, head, body):
        self.status, self.head, self.body = head.status, head, body.decode()

    def json(self):
        assert self.head.get("Content-Type") == "application/json"
        return json.loads(self.body)


class Operator:
    def __init__(self, lab, *args, admin=ADMIN, **options):
        self.attach(lab, lab.sidespan(admin, *args, **options))

    @classmethod
    def of(cls, lab, sidespan):
        """Of a program that runs already."""
        operator = cls.__new__(cls)
        operator.attach(lab, sidespan)
        return operator

    def attach(self, lab, sidespan):
        self.lab, self.sidespan = lab, sidespan
        self.url = self.sidespan.wait_line(r"health and metrics at (\S+)")[1]

    def connect(self):
        return self.lab.keep(connect(address_of(self.url)))

    def get(self, target, host="localhost", method="GET", more=""):
        client = self.connect()
        client.write(f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        asked = Asked(read_head(client), client.read_all())
        assert asked.head.get("Connection") == "close"
        if method != "HEAD":
            assert asked.head.get("Content-Length") == str(len(asked.body.encode()))
        client.close()
        return asked

    def metrics(self):
        """Every sample by its name and labels; each family is told of once, before its samples."""
        asked = self.get("/metrics")
        assert asked.status == 200 and asked.head.get("Content-Type").startswith("text/plain; version=0.0.4")
        samples, types, helps = {}, {}, set()
        for line in asked.body.splitlines():
            if line.startswith("# HELP "):
                name = line.split()[2]
                assert name not in helps
                helps.add(name)
            elif line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                assert name in helps and name not in types and kind in ("counter", "gauge", "histogram")
                types[name] = kind
            else:
                name, labels, value = SAMPLE.fullmatch(line).groups()
                family = name if name in types else re.sub(r"_(bucket|sum|count)$", "", name)
                assert name.endswith("_total") == (types[family] == "counter")
                assert (name, labels) not in samples
                samples[name, labels] = float(value)
        return samples
