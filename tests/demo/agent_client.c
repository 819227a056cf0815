/*
 * The demo's client: starts the command given after `--` (an agent server, or a proxy that wraps
 * one), holds a short conversation with it over the command's stdin and stdout, and prints one line
 * per step. It is a program that is traced: each conversation is a span of its own, whose W3C
 * context its requests carry in their `trace` member. With DEMO_REPORT, the base URL of a
 * collector, these spans are reported there at the end.
 *
 * Every step is checked: anything unexpected ends the program with a message and status 1. The end
 * of the conversation is the end of the command's stdin; its exit status is then ours.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <yajl/yajl_tree.h>

#include "tests/demo/json.h"
#include "tests/demo/report.h"

enum { GIVE_UP_S = 30, THOUGHT_MS = 300 };

struct client {
	FILE *to_server;
	FILE *from_server;
	pid_t pid;
	unsigned last_id;
	char *line; /* owned, grown by getline */
	size_t line_size;
	struct report report;
};

/* What one turn is told, and how it should end. */
struct conversation {
	const char *thread; /* parameters of thread/start */
	const char *text;
	const char *status;
	bool interrupted; /* by us, at the first delta */
	const char *name; /* of our span */
};

static const struct conversation conversations[] = {
	{"{\"cwd\":\"/project\"}", "Please run make", "completed", false, "ask for a build"},
	{"{\"cwd\":\"/project\",\"ephemeral\":true}", "Write a story", "interrupted", true,
		"ask for a story"},
	{"{\"cwd\":\"/project\"}", "Fail", "failed", false, "ask too much"},
};

static void client_fail(const char *what, const char *detail)
{
	fprintf(stderr, "agent_client: %s: %s\n", what, detail);
	exit(1);
}

static double client_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void client_child(int to_server[2], int from_server[2], char **command)
{
	dup2(to_server[0], STDIN_FILENO);
	dup2(from_server[1], STDOUT_FILENO);
	close(to_server[0]);
	close(to_server[1]);
	close(from_server[0]);
	close(from_server[1]);
	execvp(command[0], command);
	perror(command[0]);
	_exit(127);
}

static void client_start(struct client *client, char **command)
{
	int to_server[2], from_server[2];

	if (pipe(to_server) || pipe(from_server) || (client->pid = fork()) < 0)
		client_fail("cannot start", command[0]);
	if (!client->pid)
		client_child(to_server, from_server, command);
	close(to_server[0]);
	close(from_server[1]);
	client->to_server = fdopen(to_server[1], "w");
	client->from_server = fdopen(from_server[0], "r");
	if (!client->to_server || !client->from_server)
		client_fail("cannot start", command[0]);
}

static void client_send(struct client *client, const char *line)
{
	if (fprintf(client->to_server, "%s\n", line) < 0 || fflush(client->to_server) == EOF)
		client_fail("the server is gone at", line);
}

/* The next message; the caller frees it. */
static yajl_val client_receive(struct client *client)
{
	char error[256];
	yajl_val message;

	if (getline(&client->line, &client->line_size, client->from_server) < 0)
		client_fail("no answer", "the server closed its output");
	message = yajl_tree_parse(client->line, error, sizeof error);
	if (!message)
		client_fail("not JSON", client->line);
	return message;
}

/* A question of the server: a person thinks about it, then lets it do what it wants. */
static void client_approve(struct client *client, yajl_val question)
{
	const struct timespec thought = {.tv_nsec = THOUGHT_MS * 1000000L};
	char line[128];
	yajl_val id = json_member(question, "id");

	nanosleep(&thought, NULL);
	snprintf(line, sizeof line, "{\"id\":%s,\"result\":{\"decision\":\"accept\"}}",
		YAJL_IS_NUMBER(id) ? YAJL_GET_NUMBER(id) : "null");
	client_send(client, line);
	printf("  %-18s %4d ms  a person says yes to: %s\n", "", THOUGHT_MS,
		json_text(question, "params", "command", "?"));
}

/* The next message named method, others passed over; NULL for method: the next answer. */
static yajl_val client_wait(struct client *client, const char *method)
{
	for (;;) {
		yajl_val message = client_receive(client);
		const char *found = json_text(message, "method", NULL, NULL);

		if (method ? found && !strcmp(found, method) : !found)
			return message;
		if (found && json_member(message, "id"))
			client_approve(client, message);
		yajl_tree_free(message);
	}
}

static bool client_answers(yajl_val answer, unsigned id)
{
	yajl_val found = json_member(answer, "id");

	return YAJL_IS_INTEGER(found) && YAJL_GET_INTEGER(found) == (long long)id;
}

/*
 * Sends a request and returns its answer, which the caller frees. params is JSON text; trace is a
 * carrier, JSON text too, or NULL. error_expected is the text of a JSON-RPC error, or NULL.
 */
static yajl_val client_call(struct client *client, const char *method, const char *params,
	const char *trace, const char *error_expected)
{
	char line[1024];
	double start_ms = client_clock_ms();
	const char *error;
	yajl_val answer;

	snprintf(line, sizeof line, "{\"method\":\"%s\",\"id\":%u,\"params\":%s%s%s}", method,
		++client->last_id, params, trace ? ",\"trace\":" : "", trace ? trace : "");
	client_send(client, line);
	answer = client_wait(client, NULL);
	error = json_text(answer, "error", "message", NULL);
	if (!client_answers(answer, client->last_id))
		client_fail("an answer to something else", client->line);
	if (!error != !error_expected || (error && strcmp(error, error_expected)))
		client_fail("unexpected answer", client->line);
	printf("  %-18s %4.0f ms%s%s\n", method, client_clock_ms() - start_ms,
		error ? "  error: " : "", error ? error : "");
	return answer;
}

static void client_call_and_forget(
	struct client *client, const char *method, const char *params, const char *trace)
{
	yajl_tree_free(client_call(client, method, params, trace, NULL));
}

/* Begins a span as a tracing library would: of a new trace, with the carrier for its requests. */
static struct report_span client_span_begin(char trace[128])
{
	struct report_span span = {.start_unix_ns = report_now_ns()};
	uint64_t random[3];

	if (getrandom(random, sizeof random, 0) != sizeof random)
		client_fail("no random numbers", "getrandom");
	snprintf(span.trace_id, sizeof span.trace_id, "%016" PRIx64 "%016" PRIx64, random[0],
		random[1] | 1);
	snprintf(span.span_id, sizeof span.span_id, "%016" PRIx64, random[2] | 1);
	snprintf(trace, 128, "{\"traceparent\":\"00-%s-%s-01\"}", span.trace_id, span.span_id);
	return span;
}

static void client_span_end(
	struct client *client, const struct report_span *span, const char *name, bool failed)
{
	double ms = (double)(report_now_ns() - span->start_unix_ns) / 1e6;

	report_end(&client->report, span, name, failed);
	printf("  %-18s %4.0f ms  our span %s: %s\n", "", ms, span->span_id, name);
}

static void client_turn_interrupt(
	struct client *client, const char *thread_id, const char *turn_id, const char *trace)
{
	char params[256];

	yajl_tree_free(client_wait(client, "item/agentMessage/delta"));
	snprintf(params, sizeof params, "{\"threadId\":\"%s\",\"turnId\":\"%s\"}", thread_id,
		turn_id);
	client_call_and_forget(client, "turn/interrupt", params, trace);
}

static void client_turn_end(struct client *client, const char *status_expected, double start_ms)
{
	const char *status[] = {"params", "turn", "status", NULL};
	const char *error[] = {"params", "turn", "error", "message", NULL};
	yajl_val completed = client_wait(client, "turn/completed");
	const char *message = json_text_at(completed, error, NULL);

	if (strcmp(json_text_at(completed, status, ""), status_expected))
		client_fail("the turn ended in another way", client->line);
	printf("  %-18s %4.0f ms  turn %s%s%s\n", "", client_clock_ms() - start_ms, status_expected,
		message ? ": " : "", message ? message : "");
	yajl_tree_free(completed);
}

static void client_turn(struct client *client, const char *thread_id,
	const struct conversation *conversation, const char *trace)
{
	const char *path[] = {"result", "turn", "id", NULL};
	double start_ms = client_clock_ms();
	char params[512], quoted[256];
	const char *turn_id;
	yajl_val answer;

	snprintf(params, sizeof params,
		"{\"threadId\":\"%s\",\"input\":[{\"type\":\"text\",\"text\":%s}]}", thread_id,
		json_quote(quoted, sizeof quoted, conversation->text));
	answer = client_call(client, "turn/start", params, trace, NULL);
	turn_id = json_text_at(answer, path, NULL);
	if (!turn_id)
		client_fail("no turn id", client->line);
	if (conversation->interrupted)
		client_turn_interrupt(client, thread_id, turn_id, trace);
	client_turn_end(client, conversation->status, start_ms);
	yajl_tree_free(answer);
}

/* A thread with its turn, all within one trace of the caller. */
static void client_conversation(struct client *client, const struct conversation *conversation)
{
	const char *path[] = {"result", "thread", "id", NULL};
	char trace[128];
	struct report_span span = client_span_begin(trace);
	const char *thread_id;
	yajl_val answer;

	answer = client_call(client, "thread/start", conversation->thread, trace, NULL);
	thread_id = json_text_at(answer, path, NULL);
	if (!thread_id)
		client_fail("no thread id", client->line);
	client_turn(client, thread_id, conversation, trace);
	client_span_end(client, &span, conversation->name, !strcmp(conversation->status, "failed"));
	yajl_tree_free(answer);
}

static void client_session(struct client *client)
{
	client_call_and_forget(client, "initialize",
		"{\"clientInfo\":{\"name\":\"demo_client\",\"title\":\"Demo\",\"version\":\"1.0\"}"
		"}",
		NULL);
	client_send(client, "{\"method\":\"initialized\"}");
	client_call_and_forget(client, "model/list", "{}", NULL);
	for (size_t i = 0; i < sizeof conversations / sizeof *conversations; i++)
		client_conversation(client, &conversations[i]);
	yajl_tree_free(client_call(client, "turn/start",
		"{\"threadId\":\"no-such-thread\",\"input\":[]}", NULL, "thread not found"));
}

/* Our spans go where sidespan's go; if they do not get there, the traces lack their roots. */
static void client_report(struct client *client)
{
	const char *endpoint = getenv("DEMO_REPORT");
	const char *why = endpoint ? report_send(&client->report, endpoint) : NULL;

	if (why)
		fprintf(stderr, "agent_client: our spans did not get to %s: %s\n", endpoint, why);
}

/* Closes the command's stdin, waits for its end, returns its exit status. */
static int client_finish(struct client *client)
{
	int status;

	fclose(client->to_server);
	while (getline(&client->line, &client->line_size, client->from_server) >= 0)
		; /* what may still be said */
	fclose(client->from_server);
	free(client->line);
	if (waitpid(client->pid, &status, 0) < 0 || !WIFEXITED(status))
		return 1;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	struct client client = {0};

	if (argc < 3 || strcmp(argv[1], "--")) {
		fputs("usage: agent_client -- COMMAND [ARG...]\n", stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(GIVE_UP_S);
	client_start(&client, argv + 2);
	client_session(&client);
	client_report(&client);
	return client_finish(&client);
}
