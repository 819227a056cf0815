"""A collector that takes metrics, too, and checks every body by the names of opentelemetry-proto."""

import json
import re
import time

from lib.collector import Collector, attributes_of, check_attributes, check_request, need

# by message of metrics.proto: field to the type that it has in JSON
TEXT, NUMBER, LIST = str, (int, float), list
METRIC = {"name": TEXT, "description": TEXT, "unit": TEXT, "gauge": dict, "sum": dict, "histogram": dict}
KINDS = {"gauge": {"dataPoints": LIST},
         "sum": {"dataPoints": LIST, "aggregationTemporality": int, "isMonotonic": bool},
         "histogram": {"dataPoints": LIST, "aggregationTemporality": int}}
POINT = {"attributes": LIST, "startTimeUnixNano": TEXT, "timeUnixNano": TEXT, "asInt": TEXT, "asDouble": NUMBER}
HISTOGRAM = {"attributes": LIST, "startTimeUnixNano": TEXT, "timeUnixNano": TEXT, "count": TEXT, "sum": NUMBER,
             "bucketCounts": LIST, "explicitBounds": LIST, "exemplars": LIST}
EXEMPLAR = {"timeUnixNano": TEXT, "asDouble": NUMBER, "spanId": TEXT, "traceId": TEXT}


def check_fields(message, fields):
    need(set(message) <= set(fields), "unknown field", set(message) - set(fields))
    for name, value in message.items():
        need(isinstance(value, fields[name]), name, value)
        if name.endswith("UnixNano"):
            need(abs(int(value) / 1e9 - time.time()) < 3600, "not our century", message)
        elif fields[name] is TEXT and name in ("asInt", "count"):
            need(re.fullmatch(r"\d+", value), name, value)


def check_histogram(point):
    check_fields(point, HISTOGRAM)
    need(all(isinstance(count, str) and count.isdigit() for count in point["bucketCounts"]), point)
    need(sum(map(int, point["bucketCounts"])) == int(point["count"]), "count", point)
    need(len(point["bucketCounts"]) == len(point["explicitBounds"]) + 1, "buckets", point)
    need(point["explicitBounds"] == sorted(set(point["explicitBounds"])), "bounds", point)
    for exemplar in point.get("exemplars", []):
        check_fields(exemplar, EXEMPLAR)
        need(re.fullmatch("[0-9a-f]{32}", exemplar["traceId"]) and re.fullmatch("[0-9a-f]{16}", exemplar["spanId"]))


class Metric:
    """points: values by the texts of their attributes; of a histogram a value is (count, sum)."""

    def __init__(self, metric):
        check_fields(metric, METRIC)
        self.name, self.unit = metric["name"], metric.get("unit", "")
        self.kind, = set(metric) & set(KINDS)
        data = metric[self.kind]
        check_fields(data, KINDS[self.kind])
        need(data.get("aggregationTemporality", 2) == 2 and data.get("isMonotonic", True), "cumulative", metric)
        need(metric["name"] and metric["description"] and data["dataPoints"], metric)
        self.points, self.exemplars, self.starts = {}, [], set()
        for point in data["dataPoints"]:
            check_attributes(point.get("attributes", []))
            need(("startTimeUnixNano" in point) == (self.kind != "gauge"), "start", point)
            self.starts.add(point.get("startTimeUnixNano"))
            if self.kind == "histogram":
                check_histogram(point)
                value = int(point["count"]), point["sum"]
                self.exemplars += point.get("exemplars", [])
            else:
                check_fields(point, POINT)
                need(("asInt" in point) != ("asDouble" in point), "value", point)
                value = int(point["asInt"]) if "asInt" in point else point["asDouble"]
            key = tuple(sorted(attributes_of(point.get("attributes", [])).items()))
            need(key not in self.points, "twice", key)
            self.points[key] = value

    @property
    def family(self):
        """As Prometheus' translation calls it."""
        unit = {"s": "_seconds", "By": "_bytes"}.get(self.unit, "")
        return self.name.replace(".", "_") + unit + ("_total" if self.kind == "sum" else "")


class Export:
    def __init__(self, handler, raw):
        check_request(handler, raw)
        self.path, self.headers, self.raw = handler.path, handler.headers, raw
        body = json.loads(raw.decode("utf-8"))
        need(set(body) == {"resourceMetrics"}, "top level", body.keys())
        resource_metrics, = body["resourceMetrics"]
        need(set(resource_metrics) <= {"resource", "schemaUrl", "scopeMetrics"}, resource_metrics.keys())
        check_attributes(resource_metrics["resource"]["attributes"])
        self.resource = attributes_of(resource_metrics["resource"]["attributes"])
        scope_metrics, = resource_metrics["scopeMetrics"]
        need(set(scope_metrics) <= {"scope", "schemaUrl", "metrics"}, scope_metrics.keys())
        self.scope = scope_metrics["scope"]
        self.metrics = {}
        for metric in map(Metric, scope_metrics["metrics"]):
            need(metric.name not in self.metrics, "twice", metric.name)
            self.metrics[metric.name] = metric

    def value(self, name, **attributes):
        """Of the one point that has these attributes, with underscores for dots; None: there is none."""
        metric = self.metrics.get(name)
        wanted = {key.replace("_", "."): value for key, value in attributes.items()}
        found = [value for key, value in (metric.points.items() if metric else ()) if wanted.items() <= dict(key).items()]
        assert len(found) <= 1, found
        return found[0] if found else None


class Metered(Collector):
    """exports: what was asked of /v1/metrics, or of the path that is given; spans are taken as ever."""

    def __init__(self, *answers, path="/v1/metrics", **options):
        super().__init__(*answers, **options)
        self.path, self.exports = path, []

    def take(self, handler, raw):
        if handler.path != self.path:
            super().take(handler, raw)
            return
        try:
            export = Export(handler, raw)
        except (ValueError, KeyError, TypeError) as error:
            self.errors.append(f"{error!r} in {raw[:2000]}")
            export = None
        with self.changed:
            self.exports.append(export)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(self, handler, export)

    def accept(self, request):
        if not isinstance(request, Export):
            super().accept(request)

    def wait_export(self, condition):
        """The first that is so."""
        return self.wait(lambda: next((export for export in self.exports if export and condition(export)), None),
                         "an export of metrics")
