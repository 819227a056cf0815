"""The trees which --explain prints, and the console where lines are wide enough, read back."""

import re

TRACE = re.compile(r"trace \d+(?:  connection (\S+))?$")
CONNECTION = re.compile(r"connection (\S+)  (.*)$")  # what its spans have in common, from here on
SPAN = re.compile(r"((?:│  |   )*)[├└]─ (.*)$")
EVENT = re.compile(r"(?:│  |   )+\s*· (.*)$")
ATTRIBUTE = re.compile(r' ?([^ =]+)=("[^"]*"|\S*)')

# What depends on when a message comes.
CLOCKED = {"turn.time_to_first_token_ms", "gen_ai.response.time_to_first_chunk", "turn.model_ms",
           "turn.tools_ms", "turn.approval_ms"}

ENDS = ["turn.status", "approval.decision"]

# Attributes that a line leaves out where the line above has them.
INHERITED = ["thread.id", "turn.id", "item.id"]


class Span:
    def __init__(self, text, parent):
        self.parent, self.children, self.events, self.links = parent, [], [], []
        self.attributes, self.status, self.error, self.outside = {}, "unset", "", None
        self.name, self.duration, self.kind, *rest = re.split(r" {2,}", text)
        for part in rest:
            self.take(part)
        for name in INHERITED:
            if parent and name in parent.attributes:
                self.attributes.setdefault(name, parent.attributes[name])

    def take(self, part):
        if part.startswith("(parent "):
            self.outside = part[len("(parent "):-1]
        elif part.startswith("(link to "):
            self.links.append(re.sub(r" of trace \d+", "", part[len("(link to "):-1]))
        elif part == "ok":
            self.status = "ok"
        elif part.startswith("ERROR"):
            self.status, self.error = "error", part[len("ERROR "):]
        else:
            self.attributes.update(
                (name, value.strip('"')) for name, value in ATTRIBUTE.findall(part))

    def path(self):
        """Names from the root to here."""
        return (self.parent.path() if self.parent else ()) + (self.name,)

    def normal(self):
        """The same for the same spans, whatever the times and the order of siblings."""
        attributes = sorted(item for item in self.attributes.items() if item[0] not in CLOCKED)
        return (self.name, self.kind, self.status, self.error, self.outside, tuple(attributes),
                tuple(sorted(self.events)), tuple(sorted(self.links)),
                tuple(sorted(child.normal() for child in self.children)))

    def outline(self, depth=0):
        """Lines for a person: names, the ends of turns and approvals, what hangs together."""
        words = [self.name] + [self.attributes[name] for name in ENDS if name in self.attributes]
        below = sorted(child.outline(depth + 1) for child in self.children)
        return "\n".join(["  " * depth + " ".join(words)] + below)


def event_of(text):
    """An event without its time."""
    return re.sub(r"  after [\d.]+ (s|ms|µs|ns)", "", text).strip()


class Forest:
    """All spans that a run of --explain has shown."""

    def __init__(self, text):
        self.spans, self.roots, path = [], [], []
        lines = text.splitlines()
        starts = [at for at, line in enumerate(lines) if TRACE.match(line) or CONNECTION.match(line)]
        common, number = {}, None
        for line in lines[starts[0]:] if starts else []:
            span, event = SPAN.match(line), EVENT.match(line)
            trace, connection = TRACE.match(line), CONNECTION.match(line)
            if connection:
                number = connection[1]
                common[number] = ATTRIBUTE.findall(connection[2])
            elif trace and trace[1]:
                number = trace[1]
            if span:
                depth = len(span[1]) // 3
                path = path[:depth]
                path.append(self.add(span[2], path[-1] if path else None))
                if depth == 0 and path[0].kind == "server":
                    number_of = path[0].attributes.pop("app_server.connection_id", number)
                    path[0].attributes = {**dict(common.get(number_of, ())), **path[0].attributes}
            elif event:
                path[-1].events.append(event_of(event[1]))
            else:
                path = []

    def add(self, text, parent):
        span = Span(text, parent)
        (parent.children if parent else self.roots).append(span)
        self.spans.append(span)
        return span

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def starting(self, prefix):
        return [span for span in self.spans if span.name.startswith(prefix)]

    def having(self, attribute):
        """Those that say so themselves."""
        return [span for span in self.spans if attribute in span.attributes]

    def normal(self):
        return tuple(sorted(root.normal() for root in self.roots))

    def outline(self):
        return "\n".join(sorted(root.outline() for root in self.roots)) + "\n"
