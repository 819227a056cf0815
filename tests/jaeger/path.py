"""Which spans of a trace are on its critical path, as Jaeger's page reckons.

Backwards from the end of the root: what a span does after its last child has ended is on the path,
then that child, and so on; from the start of a child without children of its own back in its parent,
with the child that ended last before that. Before that, a child is cut to its parent's time, and one
that lies outside of it is dropped, with all that is below. Spans are OTLP JSON, times microseconds.
"""


class Node:
    def __init__(self, span):
        self.name = span["name"]
        self.start = int(span["startTimeUnixNano"]) // 1000
        self.end = self.start + (
            int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) // 1000
        self.parent, self.children = None, []


def tree(spans):
    """The root; what hangs below it is cut to its parent, or left out where it lies outside."""
    found = {span["spanId"]: Node(span) for span in spans}
    for span in spans:
        found[span["spanId"]].parent = found.get(span.get("parentSpanId"))
    root, = [node for node in found.values() if node.parent is None]
    waiting = [root]
    for parent in waiting:
        for node in found.values():
            if node.parent is parent and node.start < parent.end and node.end > parent.start:
                node.start, node.end = max(node.start, parent.start), min(node.end, parent.end)
                parent.children.append(node)
        parent.children.sort(key=lambda node: -node.end)
        waiting += parent.children
    return root


def critical_path(spans):
    """[(name, start, end)] in the order of time, sections of no length left out."""
    node, before, path = tree(spans), None, []
    while node:
        end = node.end if before is None else before
        child = next((each for each in node.children if before is None or each.end < before), None)
        section = (node.name, child.end if child else node.start, end)
        if section[1] != section[2]:
            path.append(section)
        if child:
            node, before = child, None
        else:
            node, before = node.parent, node.start
    return path[::-1]
