"""Trees of spans as text, one line a span, so that a test can say what it expects.

    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn

A line has the name, the status if it is set, sidespan.end_reason, the attributes of SHOWN, `(root)`
if what is no request has no parent, `+NAME` for each event but that of an end, `-> NAME` for each link, but of turns that hang somewhere. Of what codex
exports are shown its requests and TASKS, below the nearest span that is shown. Left out are requests
that ended well with nothing of ours below them. Siblings stand in the order of their starts.
"""

import textwrap

STATUS = {0: "", 1: "OK", 2: "ERROR"}
SHOWN = {
    "turn.kind": "kind",
    "turn.status": "status",
    "error.type": "type",
    "item.status": "status",
    "process.executable.name": "command",
    "process.exit.code": "exit",
    "approval.decision": "decision",
}
TASKS = (
    "session_task.turn",
    "session_task.review",
    "session_task.compact",
    "session_task.user_shell",
)
"""codex's spans of work that outlives its request."""



def is_ours(span):
    return span.scope.get("name") == "sidespan"


def is_request(span):
    return is_ours(span) and span.name.startswith("app_server.request ")


def is_call(span):
    """A call of the model: of these checks.py tells, as their times are inferred."""
    return is_ours(span) and span.name.startswith("chat")


def is_shown(span):
    return (
        is_ours(span) and not is_call(span)
        or span.attributes.get("rpc.system") == "jsonrpc"
        or span.name in TASKS
    )


def line(span, spans):
    if not is_ours(span):
        return "codex " + span.name
    words = [span.name, STATUS[span.status], span.attributes.get("sidespan.end_reason", "")]
    given = span.attributes
    words += ["%s=%s" % (SHOWN[name], given[name]) for name in SHOWN if name in given]
    words += ["(root)"] if span.parent_id is None and not is_request(span) else []
    words += ["+" + name for name in span.events if name != given.get("turn.status")]
    if span.name != "app_server.turn" or span.parent_id is None:  # a turn has one to that before
        words += ["-> " + spans[link].name for link in span.links]
    return " ".join(word for word in words if word)


def shown_parent(span, spans):
    """The nearest span above that is shown; None: there is none."""
    parent = spans.get(span.parent_id)
    while parent is not None and not is_shown(parent):
        parent = spans.get(parent.parent_id)
    return parent


def began(span):
    """Which was begun first; of those that one read has begun, what codex tells no end of, then what ended first."""
    given = span.attributes
    return span.start_ns, given.get("sidespan.end_reason") != "parent_ended", span.end_ns


def children(spans):
    """Spans by the id of their shown parent; by None those at the top."""
    found = {}
    for span in sorted(spans.values(), key=began):
        parent = shown_parent(span, spans) if is_shown(span) else None
        if parent or is_ours(span) and not is_call(span):
            found.setdefault(parent.span_id if parent else None, []).append(span)
    return found


def is_plain(span, below):
    """A request of which nothing is to be told."""
    return (
        is_request(span)
        and span.attributes["sidespan.end_reason"] == "answered"
        and not any(is_ours(child) for child in below.get(span.span_id, []))
    )


def draw(spans):
    """The lines of the trees of all spans."""
    spans = {span.span_id: span for span in spans}
    below, lines = children(spans), []

    def add(span, depth):
        lines.append("  " * depth + line(span, spans))
        for child in below.get(span.span_id, []):
            add(child, depth + 1)

    for span in below.get(None, []):
        if not is_plain(span, below):
            add(span, 0)
    return lines


def is_codex_line(text):
    return text.lstrip().startswith("codex ")


def expected(text, codex):
    """The lines of a tree that a test has written down; without those of codex unless wanted."""
    lines = textwrap.dedent(text).strip().split("\n")
    return lines if codex else [each for each in lines if not is_codex_line(each)]


def tasks(lines):
    """The names of codex's tasks in a tree, sorted."""
    names = [each.strip()[len("codex ") :] for each in lines if is_codex_line(each)]
    return sorted(name for name in names if name in TASKS)
