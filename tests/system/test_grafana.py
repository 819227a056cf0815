"""The dashboard of docker/grafana asks for nothing that /metrics does not have."""

import json
import os
import re

from lib.operator import Operator

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# of Prometheus, or of whoever scrapes
FOREIGN = {"job", "instance", "le"}


def dashboard():
    with open(os.path.join(ROOT, "docker/grafana/sidespan.json")) as file:
        return json.load(file)


def queries():
    made = dashboard()
    asked = [target["expr"] for panel in made["panels"] for target in panel.get("targets", ())]
    return asked + [item["definition"] for item in made["templating"]["list"] if item["type"] == "query"]


def told(lab):
    """(names, labels) that there are with the profile that has most of them."""
    text = Operator(lab, "--profile=codex", "--listen=ws://127.0.0.1:0", "--upstream=ws://127.0.0.1:9").get("/metrics").body
    names = set()
    for name, kind in re.findall(r"# TYPE (\S+) (\S+)", text):
        names |= {name + end for end in ("_bucket", "_sum", "_count")} if kind == "histogram" else {name}
    labels = set(re.findall(r'[{,]([a-z_]+)="', text))
    with open(os.path.join(ROOT, "config/profiles/codex.json")) as file:
        for line in re.findall(r'"labels": \[([^]]*)\]|"set": \{("gen_ai.token.type")', file.read()):
            labels |= {label.replace(".", "_") for label in re.findall(r'"([^"]+)"', "".join(line))}
    # those of requests, which are there once there has been one
    return names, labels | {"rpc_method", "error_type"} | FOREIGN


def test_metrics_exist(lab):
    names, labels = told(lab)
    for query in queries():
        asked = re.findall(r"([a-z_]+)\{", query) + re.findall(r"label_values\(([a-z_]+),", query)
        assert asked and set(asked) <= names, (query, set(asked) - names)
        by = [label.strip() for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(",")]
        by += re.findall(r'([a-z_]+)[!=]~?"', query)
        by += re.findall(r"label_values\(.*, ([a-z_]+)\)$", query)
        assert set(by) <= labels, (query, set(by) - labels)


def test_panels_stand_beside_each_other():
    made = dashboard()
    places, numbers = set(), set()
    for panel in made["panels"]:
        assert panel["id"] not in numbers
        numbers.add(panel["id"])
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        for x in range(at["x"], at["x"] + at["w"]):
            for y in range(at["y"], at["y"] + at["h"]):
                assert (x, y) not in places, panel["title"]
                places.add((x, y))
        for target in panel.get("targets", ()):
            assert target["datasource"]["uid"] == "${datasource}"
            assert 'job=~"$job",instance=~"$instance"' in target["expr"]
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                assert re.search(rf"by \([^)]*\b{label}\b", target["expr"]), target
