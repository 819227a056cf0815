"""Messages until the way is full, and out of it again."""

FLOOD = b'{"method":"note","params":"' + b"x" * 1000 + b'"}'


def fill(peer):
    """Writes messages until the way is full; returns (rest of the last one, number of messages)."""
    frame = peer.frame(FLOOD)
    count = 0
    while True:
        count += 50
        sent = peer.stream.send_some(50 * frame, 0.1)
        if sent < 50 * len(frame):
            whole = -(-sent // len(frame))
            return frame[sent % len(frame) or len(frame):], count - 50 + whole


def drain(peer, stuck):
    """Reads the messages that were written whole."""
    rest, count = stuck
    for _ in range(count if not rest else count - 1):
        assert peer.recv() == FLOOD
