"""Another reading of HTTP/1.1: that of h11, which is strict and has nothing of ours."""

import sys

try:
    import h11
except ImportError:  # it is installed for the system's Python, which may be another one
    sys.path.append("/usr/lib/python3/dist-packages")
    import h11


class Refused(Exception):
    """There is something that is not HTTP, or could be read in two ways."""


def read_one(data, asked, ended):
    """
    The first message of data and what follows it; None: it is incomplete. asked: the method of the
    request that it answers, or None: it is a request.
    """
    reader = h11.Connection(h11.CLIENT if asked else h11.SERVER)
    if asked:
        reader.send(h11.Request(method=asked, target="/", headers=[("Host", "h")]))
        reader.send(h11.EndOfMessage())
    start, body = None, b""
    try:
        reader.receive_data(data)
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA and ended:
                ended = False
                reader.receive_data(b"")
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                return None
            elif isinstance(event, h11.Request):
                start = (event.method, event.target)
            elif isinstance(event, h11.Response):
                start = (event.status_code,)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return (*start, body), reader.trailing_data[0]
    except h11.RemoteProtocolError as error:
        if "closed connection" in str(error):  # there is no end
            return None
        raise Refused(str(error)) from None


def read(data, asked=None, ended=False, strict=True):
    """All whole messages of data; not strict: up to what is none."""
    messages = []
    while True:
        if not asked:  # RFC 9112, 2.2
            data = data.lstrip(b"\r\n")
        try:
            found = read_one(data, asked, ended) if data else None
        except Refused:
            if strict:
                raise
            found = None
        if not found:
            return messages
        messages.append(found[0])
        data = found[1]
