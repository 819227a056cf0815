"""Small conversations with codex app-server, each with the spans that come of all its orders.

Each function gives the conversation and the outline of its spans: names, and below each other what
hangs together; of turns and approvals their ends.
"""

from lib.talk import Talk

THREAD, COMMAND = "thread-1", "item/commandExecution/requestApproval"


def turn(name, status="inProgress", root=None):
    return {"id": name, "rootTurnId": root or name, "status": status, "error": None}


def started(talk, conn, name="turn-1", thread=THREAD, root=None, **order):
    return talk.note(conn, "turn/started", threadId=thread, turn=turn(name, root=root), **order)


def completed(talk, conn, name="turn-1", thread=THREAD, status="completed", root=None, **order):
    return talk.note(conn, "turn/completed", threadId=thread, turn=turn(name, status, root),
                     **order)


def item(talk, conn, verb, name="item-1", kind="agentMessage", of="turn-1", thread=THREAD,
         chain=None, after=(), **members):
    return talk.note(conn, f"item/{verb}", threadId=thread, turnId=of, chain=chain, after=after,
                     item={"type": kind, "id": name, **members})


def delta(talk, conn, **order):
    return talk.note(conn, "item/agentMessage/delta", threadId=THREAD, turnId="turn-1",
                     itemId="item-1", delta="word ", **order)


def usage(talk, conn, **order):
    tokens = {"inputTokens": 100, "cachedInputTokens": 10, "outputTokens": 20,
              "reasoningOutputTokens": 5}
    return talk.note(conn, "thread/tokenUsage/updated", threadId=THREAD, turnId="turn-1",
                     tokenUsage={"total": tokens, "last": tokens}, **order)


def status(talk, conn, kind, **order):
    return talk.note(conn, "thread/status/changed", threadId=THREAD, status={"type": kind}, **order)


def begin(talk, conn="a"):
    """A turn is asked for; the answer and turn/started come in either order."""
    asked = talk.ask(conn, 1, "turn/start", threadId=THREAD,
                     input=[{"type": "text", "text": "hello"}])
    talk.fork(conn, "answer")
    talk.answer(conn, 1, turn=turn("turn-1"), chain="answer")
    started(talk, conn)
    talk.join(conn, "answer")
    return asked


# Conversations, each with the spans which come of every one of its orders.


def plain_turn():
    """The answer comes at any time before the turn's end; there are streams to count."""
    talk = Talk()
    talk.ask("a", 1, "turn/start", threadId=THREAD, input=[])
    talk.fork("a", "answer")
    talk.answer("a", 1, turn=turn("turn-1"), chain="answer")
    status(talk, "a", "active")
    started(talk, "a")
    item(talk, "a", "started")
    delta(talk, "a")
    item(talk, "a", "completed")
    usage(talk, "a")
    status(talk, "a", "idle")
    talk.join("a", "answer")
    completed(talk, "a")
    return talk, """
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
      agentMessage
      chat
"""


def late_answer():
    """No order of answer and notifications is promised: the turn may have ended before it."""
    talk = Talk()
    talk.ask("a", 1, "turn/start", threadId=THREAD, input=[])
    talk.fork("a", "answer")
    talk.answer("a", 1, turn=turn("turn-1"), chain="answer")
    started(talk, "a")
    completed(talk, "a", status="interrupted")
    return talk, """
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn interrupted
"""


def two_subscribers(between, names):
    """The second connection has a copy of each notification, at any time."""
    talk = Talk()
    talk.last["b"] = [begin(talk)]
    started(talk, "b")
    for conn in ("a", "b"):
        between(talk, conn)
        completed(talk, conn)
    return talk, """
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
""" + names


def two_counting():
    return two_subscribers(delta, "")


def two_summing():
    return two_subscribers(usage, "      chat\n")


def two_items():
    return two_subscribers(lambda talk, conn: item(talk, conn, "started"),
                           "      agentMessage\n")


def review():
    """turn/started has an id of its own, and the answer's as its root."""
    talk = Talk()
    talk.ask("a", 1, "review/start", threadId=THREAD, target={"type": "custom"})
    talk.fork("a", "answer")
    talk.answer("a", 1, turn=dict(turn("turn-1"), rootTurnId=None), reviewThreadId=THREAD,
                chain="answer")
    started(talk, "a", "turn-2", root="turn-1")
    item(talk, "a", "started")
    item(talk, "a", "completed")
    talk.join("a", "answer")
    completed(talk, "a")
    return talk, """
app_server.request review/start
  app_server.dispatch review
    app_server.turn completed
      agentMessage
"""


def compact():
    """A compaction ends the running turn, whose item never ends."""
    talk = Talk()
    begin(talk)
    item(talk, "a", "started")
    talk.ask("a", 2, "thread/compact/start", threadId=THREAD)
    talk.fork("a", "answer")
    talk.answer("a", 2, chain="answer")
    status(talk, "a", "idle")
    completed(talk, "a", status="interrupted")
    status(talk, "a", "active")
    started(talk, "a", "turn-2")
    talk.join("a", "answer")
    completed(talk, "a", "turn-2")
    return talk, """
app_server.request thread/compact/start
  app_server.dispatch compact
    app_server.turn completed
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn interrupted
      agentMessage
"""


def shell_alone():
    """A shell command is a turn of its own, whose id is not in the answer."""
    talk = Talk()
    talk.ask("a", 1, "thread/shellCommand", threadId=THREAD, command="ls")
    talk.fork("a", "answer")
    talk.answer("a", 1, chain="answer")
    started(talk, "a")
    item(talk, "a", "started", kind="commandExecution", command="ls")
    talk.join("a", "answer")
    item(talk, "a", "completed", kind="commandExecution", command="ls", exitCode=0)
    completed(talk, "a")
    return talk, """
app_server.request thread/shellCommand
  app_server.dispatch run_user_shell_command
    app_server.turn completed
      commandExecution ls
"""


def shell_joins():
    """In a running turn it is an item of that."""
    talk = Talk()
    begin(talk)
    talk.ask("a", 2, "thread/shellCommand", threadId=THREAD, command="ls")
    talk.fork("a", "answer")
    talk.answer("a", 2, chain="answer")
    item(talk, "a", "started", kind="commandExecution", command="ls")
    item(talk, "a", "completed", kind="commandExecution", command="ls", exitCode=0)
    talk.join("a", "answer")
    completed(talk, "a")
    return talk, """
app_server.request thread/shellCommand
  app_server.dispatch run_user_shell_command
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
      commandExecution ls
"""


def pipelined():
    """Two requests, one turn: the second one steers."""
    talk = Talk()
    for number in (1, 2):
        talk.ask("a", number, "turn/start", threadId=THREAD, input=[])
    talk.fork("a", "answer")
    for number in (1, 2):
        talk.answer("a", number, turn=turn("turn-1"), chain="answer")
    started(talk, "a")
    item(talk, "a", "started")
    item(talk, "a", "completed")
    talk.join("a", "answer")
    completed(talk, "a")
    return talk, """
app_server.request turn/start
  app_server.dispatch turn_input
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
      agentMessage
"""


def sub_agent():
    """A turn for a turn: it ends before its parent, or after it."""
    talk = Talk()
    begin(talk)
    tool = {"kind": "collabAgentToolCall", "tool": "spawnAgent", "senderThreadId": THREAD}
    item(talk, "a", "started", receiverThreadIds=[], **tool)
    talk.fork("a", "child")
    child = {"thread": "thread-2", "root": "turn-1", "chain": "child"}
    first = started(talk, "a", "turn-2", **child)
    item(talk, "a", "started", "item-2", of="turn-2", thread="thread-2", chain="child")
    completed(talk, "a", "turn-2", **child)
    item(talk, "a", "completed", receiverThreadIds=["thread-2"], **tool)
    completed(talk, "a", after=[first])
    return talk, """
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
      app_server.turn completed
        agentMessage
      collabAgentToolCall spawnAgent
"""


def approval(decision):
    """One of two subscribers answers; the other one's answer is too late."""
    talk = Talk()
    begin(talk)
    what = {"kind": "commandExecution", "command": "ls"}
    asked = {"threadId": THREAD, "turnId": "turn-1", "itemId": "item-1"}
    item(talk, "a", "started", **what)
    talk.fork("a", "b")
    talk.demand("a", 0, COMMAND, **asked)
    copy = talk.demand("b", 0, COMMAND, **asked)
    told = talk.reply("a", 0, decision=decision)
    talk.note("a", "serverRequest/resolved", threadId=THREAD, requestId=0)
    talk.note("b", "serverRequest/resolved", threadId=THREAD, requestId=0, after=[told])
    talk.reply("b", 0, decision="cancel", chain="late", after=[copy, told])
    item(talk, "a", "completed", status="completed", **what)
    completed(talk, "a")
    return talk, f"""
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn completed
      commandExecution ls
        approval commandExecution {decision}
"""


def approval_accepted():
    return approval("accept")


def approval_declined():
    return approval("decline")


def approval_voided():
    """The turn is interrupted while the approval waits; the answer comes too late."""
    talk = Talk()
    begin(talk)
    item(talk, "a", "started", kind="commandExecution", command="ls")
    talk.demand("a", 0, COMMAND, threadId=THREAD, turnId="turn-1", itemId="item-1")
    talk.ask("a", 2, "turn/interrupt", threadId=THREAD, turnId="turn-1")
    talk.fork("a", "answer")
    talk.answer("a", 2, chain="answer")
    status(talk, "a", "idle")
    completed(talk, "a", status="interrupted")
    talk.note("a", "serverRequest/resolved", threadId=THREAD, requestId=0)
    talk.reply("a", 0, decision="accept")
    return talk, f"""
app_server.request turn/interrupt
  app_server.dispatch interrupt
app_server.request turn/start
  app_server.dispatch turn_input
    app_server.turn interrupted
      commandExecution ls
        approval commandExecution
"""


TALKS = [plain_turn, late_answer, two_counting, two_summing, two_items, review, compact,
         shell_alone, shell_joins, pipelined, sub_agent, approval_accepted, approval_declined,
         approval_voided]
