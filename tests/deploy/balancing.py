"""docker/collector/gateway.yaml for a collector without the exporter that spreads traces."""

import os

import yaml

from lib.process import ROOT


def without_balancing(folder):
    """The path of a copy in which another exporter has its place."""
    with open(os.path.join(ROOT, "docker/collector/gateway.yaml"), encoding="utf-8") as file:
        found = yaml.safe_load(file)
    balancing = found["exporters"].pop("loadbalancing")
    assert balancing["routing_key"] == "traceID" and "dns" in balancing["resolver"]
    found["exporters"]["otlp"] = {"endpoint": "sampler:4317", **balancing["protocol"]["otlp"]}
    found["service"]["pipelines"]["traces"]["exporters"] = ["otlp"]
    path = os.path.join(folder, "gateway.yaml")
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(found, file)
    return path
