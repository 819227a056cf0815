"""What a client may do with codex. Each is run with sidespan and without, over every transport."""

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def requests(server):
    """Requests that start nothing, some refused, ids of both types."""
    client = server.connect(init=False)
    client.call("thread/list")
    client.initialize()
    client.call("initialize", {"clientInfo": {"name": "another", "version": "9"}})
    for method in ("model/list", "thread/list", "config/read", "thread/loaded/list"):
        assert "result" in client.call(method), method
    for request_id in ("abc", "5", '\u00e9"\\x', -3, 9223372036854775807):
        client.send({"id": request_id, "method": "thread/loaded/list", "params": {}})
        assert "result" in client.wait_reply(request_id)
    client.send(
        ' { "params" : { } ,\t"method" : "thread\\/loaded/list" , "jsonrpc":"2.0", "\\u0069d":77 }  '
    )
    assert "result" in client.wait_reply(77)


def errors(server):
    """Requests that codex refuses: unknown, malformed, about nothing."""
    client = server.connect()
    thread = client.start_thread()
    for method, params in (
        ("no/such", {}),
        ("turn/start", {"threadId": 5}),
        ("turn/start", {"threadId": "nope", "input": []}),
        ("thread/read", {"threadId": "01a202ac-0000-7622-a6e1-816d836a4ab1"}),
        ("turn/interrupt", {"threadId": thread, "turnId": "nope"}),
        ("model/list", {"limit": "all"}),
    ):
        assert "error" in client.call(method, params), method


def turns(server):
    """Two turns of a thread, which is then read, forked and resumed."""
    client = server.connect()
    thread = client.start_thread()
    client.turn(thread, "hello")
    client.turn(thread, "think <reason>")
    for method in ("thread/read", "thread/turns/list", "thread/resume", "thread/fork"):
        assert "result" in client.call(method, {"threadId": thread}), method


def interrupt(server):
    client = server.connect()
    thread = client.start_thread()
    turn = client.start_turn(thread, "<hold>")
    client.wait_note("item/agentMessage/delta")
    assert client.call("turn/interrupt", {"threadId": thread, "turnId": turn})["result"] == {}
    client.wait_turn(turn, "interrupted")
    assert "error" in client.call("turn/interrupt", {"threadId": thread, "turnId": turn})


def approvals(server):
    """codex asks before a command runs; its ids for that count from 0, as ours do from 1."""
    client = server.connect()
    thread = client.start_thread()
    for decision, status in (
        ("accept", "completed"),
        ("decline", "completed"),
        ("cancel", "interrupted"),
    ):
        client.answers["item/commandExecution/requestApproval"] = {"result": {"decision": decision}}
        since = len(client.messages)
        client.turn(thread, "<run touch %s>" % decision, status)
        client.wait_note("item/commandExecution/requestApproval", since)


def failing(server):
    """Turns that fail, each in its own way."""
    client = server.connect()
    thread = client.start_thread()
    for text in ("<http 500>", "<http 400>", "<fail>"):
        ended = client.turn(thread, text, "failed")
        assert ended["params"]["turn"]["error"]["message"]


def submissions(server):
    """The other ways to give codex work: steering, review, compaction, a shell command."""
    client = server.connect()
    thread = client.start_thread()
    turn = client.start_turn(thread, "<hold>")
    client.wait_note("item/agentMessage/delta")
    since = len(client.messages)
    more = [{"type": "text", "text": "more <hold>"}]
    steer = {"threadId": thread, "expectedTurnId": turn, "input": more}
    assert client.call("turn/steer", steer)["result"]["turnId"] == turn
    client.wait_note("item/agentMessage/delta", since)
    since = len(client.messages)
    assert client.start_turn(thread, "and more <hold>") == turn
    client.wait_note("item/agentMessage/delta", since)
    server.lab.model.release()
    client.wait_turn(turn, "completed")
    target = {"type": "custom", "instructions": "look at it"}
    reply = client.call("review/start", {"threadId": thread, "target": target})
    client.wait_turn(reply["result"]["turn"]["id"], "completed")
    work = {"thread/compact/start": {}, "thread/shellCommand": {"command": "echo one"}}
    for method, params in work.items():
        since = len(client.messages)
        assert client.call(method, {"threadId": thread, **params})["result"] == {}
        client.wait_note("turn/completed", since)


def traced(server):
    """A client that sends a carrier with every request, the first without a tracestate."""
    client = server.connect(init=False)
    numbers = iter(range(1, 1000))

    def carrier():
        number = next(numbers)
        state = {"tracestate": "vendor=%d,other=x" % number} if number > 1 else {}
        return {"traceparent": "00-%s-%016x-01" % (TRACE_ID, number), **state}

    client.carrier = carrier
    client.initialize()
    thread = client.start_thread()
    client.turn(thread, "hello")
    client.send(
        '{"trace" : {"tracestate":null,"traceparent":"00-%s-00000000000000ff-01","more":[1,{}]} ,'
        '"id":"first","method":"model/list","params":{}}' % TRACE_ID
    )
    assert "result" in client.wait_reply("first")


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (requests, errors, turns, interrupt, approvals, failing, submissions, traced)
}
