"""
Sessions that start work of every kind, each with the tree of spans that must come of it (trees.py
says how to read one).
"""

import os
import signal

import wire
from client import Client
from codex import TRANSPORTS, until
from tap import CLIENT_TO_SERVER, SERVER_TO_CLIENT

LISTENING = ("ws", "unix")
APPROVAL = "item/commandExecution/requestApproval"
CARRIER = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=1",
}
TURNS = {}


class Session:
    """.run drives a server, .tree is what comes of it; .exports: with codex's own spans, too."""

    def __init__(self, run, tree, transports, exports):
        self.run, self.tree, self.transports, self.exports = run, tree, transports, exports


def session(tree, transports=TRANSPORTS, exports=True):
    def add(run):
        TURNS[run.__name__] = Session(run, tree, transports, exports)
        return run

    return add


def connect(server, **capabilities):
    """A client whose requests are all part of one span of its own."""
    client = server.connect(init=False)
    client.carrier = lambda: CARRIER
    return client.initialize(**capabilities)


def hold(client, thread):
    """Starts a turn and leaves it in the middle of its first message."""
    since = len(client.messages)
    turn = client.start_turn(thread, "<hold>")
    client.wait_note("item/agentMessage/delta", since)
    return turn


def leave(server, client, politely=False):
    """The client goes away; the server has noticed when this returns."""
    recording = server.recordings()[server.clients.index(client)]
    (client.say_goodbye if politely else client.abort)()
    until(lambda: {CLIENT_TO_SERVER, SERVER_TO_CLIENT} <= set(recording.ended))


# --- turns and how they end


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          reasoning closed
          agentMessage closed
    """
)
def turn(server):
    client = connect(server)
    client.turn(client.start_thread(), "<reason>")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    """
)
def ephemeral(server):
    """turn/started may come before the answer."""
    client = connect(server)
    for _ in range(2):
        client.turn(client.start_thread(ephemeral=True), "hello")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn closed kind=turn status=interrupted
          codex turn/start
            codex session_task.turn
          agentMessage parent_ended
    app_server.request turn/interrupt answered
      app_server.dispatch interrupt
        codex turn/interrupt
    app_server.request turn/interrupt ERROR error type=-32600
      codex turn/interrupt
    """
)
def interrupted(server):
    """The second time there is nothing to interrupt, so nothing is dispatched."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    client.call("turn/interrupt", {"threadId": thread, "turnId": turn})
    client.wait_turn(turn, "interrupted")
    client.call("turn/interrupt", {"threadId": thread, "turnId": turn})


@session(
    "".join(
        """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn ERROR closed kind=turn status=failed type=%s +error
          codex turn/start
            codex session_task.turn"""
        % kind
        for kind in ("internalServerError", "responseTooManyFailedAttempts", "other")
    )
)
def failed(server):
    client = connect(server)
    thread = client.start_thread()
    for text in ("<http 500>", "<http 429>", "<fail>"):
        client.turn(thread, text, "failed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn ERROR closed kind=turn status=failed type=other +retry +error
          codex turn/start
            codex session_task.turn
    """
)
def retried(server):
    """An error that codex means to retry is no end."""
    client = connect(server)
    thread = client.start_thread(config={"model_providers.mock.stream_max_retries": 1})
    client.turn(thread, "<cut>", "failed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn connection_closed kind=turn
          agentMessage connection_closed
    """,
    ("stdio",),
    exports=False,
)
def input_ended(server):
    """codex ends with its standard input, in the middle of the turn."""
    client = connect(server)
    hold(client, client.start_thread())
    client.close()


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn ERROR backend_exited kind=turn type=backend_exited
          agentMessage ERROR backend_exited type=backend_exited
    """,
    exports=False,
)
def server_killed(server):
    client = connect(server)
    hold(client, client.start_thread())
    os.kill(server.codex_pid(), signal.SIGKILL)
    client.wait_end()


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn idle kind=turn
          codex turn/start
            codex session_task.turn
          agentMessage closed
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn idle kind=turn
          codex turn/start
            codex session_task.turn
          agentMessage closed
    """
)
def opted_out(server):
    """Where the ends of turns are hidden, the thread's rest tells of them."""
    client = connect(server, optOutNotificationMethods=["turn/started", "turn/completed"])
    thread = client.start_thread()
    for _ in range(2):
        since = len(client.messages)
        client.start_turn(thread, "hello")
        client.wait_status("idle", since)


# --- approvals


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          commandExecution touch closed status=completed command=touch exit=0
            approval commandExecution answered decision=accept
          agentMessage closed
    """
)
def accepted(server):
    client = connect(server)
    client.turn(client.start_thread(), "<run touch a>")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          commandExecution touch closed status=declined command=touch
            approval commandExecution answered decision=decline
          agentMessage closed
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn closed kind=turn status=interrupted
          codex turn/start
            codex session_task.turn
          commandExecution touch closed status=declined command=touch
            approval commandExecution answered decision=cancel
    """
)
def declined(server):
    client = connect(server)
    thread = client.start_thread()
    client.answers[APPROVAL] = {"result": {"decision": "decline"}}
    client.turn(thread, "<run touch a>")
    client.answers[APPROVAL] = {"result": {"decision": "cancel"}}
    client.turn(thread, "<run touch a>", "interrupted")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          commandExecution touch ERROR closed type=_OTHER status=failed command=touch
            approval commandExecution ERROR error type=-1
          agentMessage closed
    """
)
def refused(server):
    client = connect(server)
    client.answers[APPROVAL] = {"error": {"code": -1, "message": "no"}}
    client.turn(client.start_thread(), "<run touch a>")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn closed kind=turn status=interrupted
          codex turn/start
            codex session_task.turn
          commandExecution touch parent_ended command=touch
            approval commandExecution parent_ended
    app_server.request turn/interrupt answered
      app_server.dispatch interrupt
        codex turn/interrupt
    """
)
def unanswered(server):
    """The turn is interrupted while somebody is still to be asked."""
    client = connect(server)
    thread = client.start_thread()
    client.answers[APPROVAL] = None
    turn = client.start_turn(thread, "<run touch a>")
    client.wait_note(APPROVAL)
    client.call("turn/interrupt", {"threadId": thread, "turnId": turn})
    client.wait_turn(turn, "interrupted")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          dynamicToolCall answer closed status=completed
            toolCall answer answered
          agentMessage closed
    """
)
def tool_called(server):
    """The model calls a tool of the client's."""
    client = connect(server)
    schema = {"type": "object", "properties": {}}
    tool = {"type": "function", "name": "answer", "description": "any", "inputSchema": schema}
    client.turn(client.start_thread(dynamicTools=[tool]), "<call answer>")


# --- other ways to submit work


@session(
    """
    app_server.request review/start answered
      app_server.dispatch review
        app_server.turn OK closed kind=review status=completed
          codex review/start
            codex session_task.review
              codex session_task.turn
          agentMessage parent_ended
          agentMessage closed
    """
)
def review(server):
    """codex says nothing of the end of the hidden agent's message."""
    client = connect(server)
    target = {"type": "custom", "instructions": "look at it"}
    reply = client.call("review/start", {"threadId": client.start_thread(), "target": target})
    client.wait_turn(reply["result"]["turn"]["id"], "completed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    app_server.request thread/compact/start answered
      app_server.dispatch compact
        app_server.turn OK closed kind=compact status=completed
          codex thread/compact/start
            codex session_task.compact
          contextCompaction closed
    """
)
def compact(server):
    client = connect(server)
    thread = client.start_thread()
    client.turn(thread, "hello")
    since = len(client.messages)
    client.call("thread/compact/start", {"threadId": thread})
    client.wait_note("turn/completed", since)


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage parent_ended
          agentMessage parent_ended
          agentMessage closed
    app_server.request turn/steer answered
      app_server.dispatch turn_input
        codex turn/steer
    app_server.request turn/steer ERROR error type=-32600
      codex turn/steer
    app_server.request turn/start answered
      app_server.dispatch turn_input -> app_server.turn
        codex turn/start
    """
)
def steered(server):
    """turn/start in a running turn starts none; what was being said is broken off."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    more = [{"type": "text", "text": "more <hold>"}]
    since = len(client.messages)
    client.call("turn/steer", {"threadId": thread, "expectedTurnId": turn, "input": more})
    client.call("turn/steer", {"threadId": thread, "expectedTurnId": "other", "input": more})
    client.wait_note("item/agentMessage/delta", since)
    assert hold(client, thread) == turn
    server.lab.model.release()
    client.wait_turn(turn, "completed")


@session(
    """
    app_server.request thread/shellCommand answered
      app_server.dispatch run_user_shell_command
        app_server.turn OK closed kind=shell status=completed
          codex thread/shellCommand
            codex session_task.user_shell
          commandExecution echo closed status=completed command=echo exit=0
    """
)
def shell(server):
    client = connect(server)
    since = len(client.messages)
    thread = client.start_thread()
    client.call("thread/shellCommand", {"threadId": thread, "command": "echo one"})
    client.wait_note("turn/completed", since)


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
          commandExecution echo closed status=completed command=echo exit=0
          agentMessage closed
    app_server.request thread/shellCommand answered
      app_server.dispatch run_user_shell_command -> app_server.turn
        codex thread/shellCommand
    """
)
def shell_in_turn(server):
    """The command joins the running turn."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    client.call("thread/shellCommand", {"threadId": thread, "command": "echo one"})
    client.wait(
        lambda message: message.has("method")
        and message.json["method"] == "item/completed"
        and message.json["params"]["item"]["type"] == "commandExecution"
    )
    server.lab.model.release()
    client.wait_turn(turn, "completed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn closed kind=turn status=interrupted
          codex turn/start
            codex session_task.turn
          agentMessage parent_ended
    app_server.request thread/compact/start answered
      app_server.dispatch compact
        codex thread/compact/start
          codex session_task.compact
        app_server.turn OK closed kind=compact status=completed
          contextCompaction closed
    """
)
def preempted(server):
    """
    A compaction interrupts the running turn, then has its own, which begins when that is over: what
    codex was told of is the dispatch.
    """
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    client.call("thread/compact/start", {"threadId": thread})
    client.wait_turn(turn, "interrupted")
    client.wait_other_turn(turn)


# --- turns that no request starts


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
              codex session_task.turn
          agentMessage closed
    app_server.request thread/queue/add answered
      app_server.dispatch turn_input
        codex thread/queue/add
        app_server.turn OK closed kind=turn status=completed
          agentMessage closed
    """
)
def queued(server):
    """codex puts its span for the queued turn below that of the turn before."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    more = [{"type": "text", "text": "more"}]
    client.call("thread/queue/add", {"threadId": thread, "clientUserMessageId": "q", "input": more})
    server.lab.model.release()
    client.wait_turn(turn, "completed")
    client.wait_other_turn(turn)


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
              codex session_task.turn
          collabAgentToolCall spawnAgent closed status=completed
          app_server.turn OK closed kind=subagent status=completed
            agentMessage closed
          agentMessage closed
    """
)
def subagent(server):
    """A sub-agent, which outlives the turn that has started it."""
    client = connect(server)
    thread = client.start_thread()
    turn = client.turn(thread, "<spawn hold>")["params"]["turn"]["id"]
    server.lab.model.release()
    client.wait_other_turn(turn)


# --- several connections


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          commandExecution touch closed status=completed command=touch exit=0
            approval commandExecution answered decision=accept
          agentMessage closed
    """,
    LISTENING,
)
def two_connections(server):
    """Both see the second turn, and are asked; one answers."""
    first, second = connect(server), connect(server)
    thread = first.start_thread()
    first.turn(thread, "hello")
    second.call("thread/resume", {"threadId": thread})
    first.answers[APPROVAL] = None
    turn = first.start_turn(thread, "<run touch a>")
    for client in (first, second):
        client.wait_turn(turn, "completed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    """,
    LISTENING,
)
def client_gone(server):
    """A turn outlives its connection; who comes later sees how it ends."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    leave(server, client)
    later = connect(server)
    later.call("thread/resume", {"threadId": thread})
    server.lab.model.release()
    later.wait_turn(turn, "completed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          codex turn/start
            codex session_task.turn
          agentMessage closed
    """,
    LISTENING,
)
def client_closed(server):
    """The same after a close frame, to which codex replies by ending the connection."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    leave(server, client, politely=True)
    later = connect(server)
    later.call("thread/resume", {"threadId": thread})
    server.lab.model.release()
    later.wait_turn(turn, "completed")


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn shutdown kind=turn
          agentMessage shutdown
    """,
    LISTENING,
    exports=False,
)
def proxy_stopped(server):
    """sidespan is told to stop in the middle of a turn, twice, so that it waits for nobody."""
    client = connect(server)
    hold(client, client.start_thread())
    server.sidespan.process.send_signal(signal.SIGTERM)
    server.sidespan.wait_log("connections to end")
    server.sidespan.end()
    client.wait_end()
    server.lab.model.release()


@session(
    """
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK idle kind=turn status=completed
          agentMessage parent_ended
    app_server.request turn/start answered
      app_server.dispatch turn_input
        app_server.turn OK closed kind=turn status=completed
          agentMessage closed
    """,
    LISTENING,
    exports=False,
)
def end_missed(server):
    """A turn ends while nobody is there who could see it; who comes later finds it at rest."""
    client = connect(server)
    thread = client.start_thread()
    turn = hold(client, thread)
    leave(server, client)
    aside = Client(wire.WebSocket(server.codex_url)).initialize()
    aside.call("thread/resume", {"threadId": thread})
    server.lab.model.release()
    aside.wait_turn(turn, "completed")
    aside.close()
    later = connect(server)
    later.call("thread/resume", {"threadId": thread})
    later.turn(thread, "hello")
