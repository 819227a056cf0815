/*
 * The demo's agent server: newline JSON on stdin and stdout in the manner of `codex app-server`,
 * with a model that is a few fixed scripts. It knows nothing of tracing; a `trace` member is one
 * of the unknown members that it ignores.
 *
 * A request is parsed at once and answered after its method's delay (methods[]). turn/start picks a
 * script (scripts[]) by a word of the user's text; its steps then follow by a timer until
 * turn/completed. turn/interrupt ends a running script early. At most TURNS_MAX turns and
 * THREADS_MAX threads in one run; more are refused with an error. The end of stdin ends the
 * program.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <yajl/yajl_tree.h>

#include "tests/demo/json.h"

enum { THREADS_MAX = 16, TURNS_MAX = 64, LINE_MAX_BYTES = 65536 };

enum step_kind {
	STEP_ITEM_STARTED,
	STEP_DELTA,
	STEP_APPROVAL, /* ask the client; its answer continues the script */
	STEP_ITEM_COMPLETED,
	STEP_ERROR,
	STEP_COMPLETED,
	STEP_FAILED,
};

struct step {
	enum step_kind kind;
	int delay_ms; /* before the step */
	const char *text;
};

struct script {
	const char *word; /* chosen when the user's text has this word; "" fits all */
	const struct step *steps;
};

struct turn {
	struct server *server;
	unsigned number;
	unsigned thread;
	const struct step *step; /* the next one; NULL: the turn has ended */
	struct event *timer;     /* owned */
};

struct server {
	struct event_base *base;
	struct turn turns[TURNS_MAX];
	unsigned turn_count;
	unsigned thread_count;
	unsigned approval_count; /* our own ids, counted from 0 as codex does */
	struct turn *approving;
	char line[LINE_MAX_BYTES];
	size_t line_size;
};

struct method;

/* A request between its arrival and its answer. */
struct request {
	struct server *server;
	const struct method *method;
	char id[128]; /* as JSON text */
	char thread_id[64];
	char turn_id[64];
	char text[256];
};

struct method {
	const char *name;
	int delay_ms;
	void (*answer)(const struct request *request);
};

static const struct step steps_talk[] = {
	{STEP_ITEM_STARTED, 20, "agentMessage"},
	{STEP_DELTA, 40, "The build "},
	{STEP_DELTA, 20, "has one makefile "},
	{STEP_DELTA, 20, "and one object tree per variant."},
	{STEP_ITEM_COMPLETED, 10, "agentMessage"},
	{STEP_COMPLETED, 5, NULL},
};

static const struct step steps_command[] = {
	{STEP_ITEM_STARTED, 20, "commandExecution"},
	{STEP_APPROVAL, 10, "ls -l"},
	{STEP_ITEM_COMPLETED, 60, "commandExecution"},
	{STEP_DELTA, 20, "Three files."},
	{STEP_COMPLETED, 5, NULL},
};

static const struct step steps_fail[] = {
	{STEP_ITEM_STARTED, 20, "agentMessage"},
	{STEP_ERROR, 60, "the model refused: too many requests"},
	{STEP_FAILED, 5, "the model refused: too many requests"},
};

static const struct step steps_long[] = {
	{STEP_ITEM_STARTED, 20, "agentMessage"},
	{STEP_DELTA, 30, "First, "},
	{STEP_DELTA, 2000, "you will not see this."},
	{STEP_COMPLETED, 2000, NULL},
};

static const struct script scripts[] = {
	{"run", steps_command},
	{"fail", steps_fail},
	{"long", steps_long},
	{"", steps_talk},
};

__attribute__((format(printf, 1, 2))) static void server_send(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
	if (fflush(stdout) == EOF)
		exit(1); /* nobody reads any more */
}

static void server_thread_id(char id[64], unsigned number)
{
	snprintf(id, 64, "0199a000-0000-7000-8000-%012u", number);
}

static void server_turn_id(char id[64], unsigned number)
{
	snprintf(id, 64, "0199b000-0000-7000-8000-%012u", number);
}

static struct turn *server_turn_find(struct server *server, const char *turn_id)
{
	char id[64];

	for (unsigned i = 0; i < server->turn_count; i++) {
		server_turn_id(id, i + 1);
		if (!strcmp(id, turn_id))
			return &server->turns[i];
	}
	return NULL;
}

/* The number of the thread, or 0 when there is none of that id. */
static unsigned server_thread_find(const struct server *server, const char *thread_id)
{
	char id[64];

	for (unsigned number = 1; number <= server->thread_count; number++) {
		server_thread_id(id, number);
		if (!strcmp(id, thread_id))
			return number;
	}
	return 0;
}

static void server_timer_add(struct event *timer, int delay_ms)
{
	struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};

	if (event_add(timer, &delay)) {
		fputs("agent_server: out of memory\n", stderr);
		exit(1);
	}
}

static void turn_end(struct turn *turn, const char *status, const char *message)
{
	char thread_id[64], turn_id[64], quoted[512], error[600] = "null";

	server_thread_id(thread_id, turn->thread);
	server_turn_id(turn_id, turn->number);
	if (message)
		snprintf(error, sizeof error, "{\"message\":%s,\"codexErrorInfo\":\"other\"}",
			json_quote(quoted, sizeof quoted, message));
	server_send("{\"method\":\"turn/completed\",\"params\":{\"threadId\":\"%s\",\"turn\":"
		    "{\"id\":\"%s\",\"status\":\"%s\",\"error\":%s}}}",
		thread_id, turn_id, status, error);
	event_del(turn->timer);
	turn->step = NULL;
}

static void turn_notify_item(const struct turn *turn, const char *method, const char *type)
{
	char thread_id[64], turn_id[64];

	server_thread_id(thread_id, turn->thread);
	server_turn_id(turn_id, turn->number);
	server_send("{\"method\":\"%s\",\"params\":{\"threadId\":\"%s\",\"turnId\":\"%s\",\"item\":"
		    "{\"id\":\"item-%u\",\"type\":\"%s\"}}}",
		method, thread_id, turn_id, turn->number, type);
}

static void turn_notify_delta(const struct turn *turn, const char *text)
{
	char thread_id[64], turn_id[64], quoted[512];

	server_thread_id(thread_id, turn->thread);
	server_turn_id(turn_id, turn->number);
	server_send("{\"method\":\"item/agentMessage/delta\",\"params\":{\"threadId\":\"%s\","
		    "\"turnId\":\"%s\",\"itemId\":\"item-%u\",\"delta\":%s}}",
		thread_id, turn_id, turn->number, json_quote(quoted, sizeof quoted, text));
}

static void turn_notify_error(const struct turn *turn, const char *message)
{
	char thread_id[64], turn_id[64], quoted[512];

	server_thread_id(thread_id, turn->thread);
	server_turn_id(turn_id, turn->number);
	server_send("{\"method\":\"error\",\"params\":{\"threadId\":\"%s\",\"turnId\":\"%s\","
		    "\"willRetry\":false,\"error\":{\"message\":%s}}}",
		thread_id, turn_id, json_quote(quoted, sizeof quoted, message));
}

static void turn_request_approval(struct turn *turn, const char *command)
{
	char thread_id[64], turn_id[64], quoted[512];

	server_thread_id(thread_id, turn->thread);
	server_turn_id(turn_id, turn->number);
	turn->server->approving = turn;
	server_send(
		"{\"method\":\"item/commandExecution/requestApproval\",\"id\":%u,\"params\":"
		"{\"threadId\":\"%s\",\"turnId\":\"%s\",\"itemId\":\"item-%u\",\"command\":%s}}",
		turn->server->approval_count++, thread_id, turn_id, turn->number,
		json_quote(quoted, sizeof quoted, command));
}

static void turn_step(evutil_socket_t fd, short what, void *arg)
{
	struct turn *turn = arg;
	const struct step *step = turn->step++;

	(void)fd;
	(void)what;
	switch (step->kind) {
	case STEP_ITEM_STARTED:
		turn_notify_item(turn, "item/started", step->text);
		break;
	case STEP_DELTA:
		turn_notify_delta(turn, step->text);
		break;
	case STEP_APPROVAL:
		turn_request_approval(turn, step->text);
		return;
	case STEP_ITEM_COMPLETED:
		turn_notify_item(turn, "item/completed", step->text);
		break;
	case STEP_ERROR:
		turn_notify_error(turn, step->text);
		break;
	case STEP_COMPLETED:
		turn_end(turn, "completed", NULL);
		return;
	case STEP_FAILED:
		turn_end(turn, "failed", step->text);
		return;
	}
	server_timer_add(turn->timer, turn->step->delay_ms);
}

static void request_refuse(const struct request *request, const char *message)
{
	char quoted[512];

	server_send("{\"error\":{\"code\":-32600,\"message\":%s},\"id\":%s}",
		json_quote(quoted, sizeof quoted, message), request->id);
}

static void answer_initialize(const struct request *request)
{
	server_send("{\"id\":%s,\"result\":{\"userAgent\":\"demo_agent/1.0\",\"platformFamily\":"
		    "\"unix\",\"platformOs\":\"linux\"}}",
		request->id);
}

static void answer_model_list(const struct request *request)
{
	server_send("{\"id\":%s,\"result\":{\"data\":[{\"id\":\"demo-small\"},"
		    "{\"id\":\"demo-large\"}]}}",
		request->id);
}

static void answer_thread_start(const struct request *request)
{
	struct server *server = request->server;
	char thread_id[64];

	if (server->thread_count == THREADS_MAX) {
		request_refuse(request, "too many threads");
		return;
	}
	server_thread_id(thread_id, ++server->thread_count);
	server_send("{\"id\":%s,\"result\":{\"thread\":{\"id\":\"%s\",\"status\":"
		    "{\"type\":\"idle\"}},\"model\":\"demo-small\"}}",
		request->id, thread_id);
	server_send("{\"method\":\"thread/started\",\"params\":{\"thread\":{\"id\":\"%s\"}}}",
		thread_id);
}

static void answer_thread_list(const struct request *request)
{
	char thread_id[64];

	printf("{\"id\":%s,\"result\":{\"data\":[", request->id);
	for (unsigned number = 1; number <= request->server->thread_count; number++) {
		server_thread_id(thread_id, number);
		printf("%s{\"id\":\"%s\"}", number > 1 ? "," : "", thread_id);
	}
	server_send("],\"nextCursor\":null}}");
}

static const struct step *script_choose(const char *text)
{
	const struct script *script = scripts;

	while (!strstr(text, script->word))
		script++;
	return script->steps;
}

static void turn_begin(struct server *server, unsigned thread, const char *text)
{
	struct turn *turn = &server->turns[server->turn_count++];

	turn->server = server;
	turn->number = server->turn_count;
	turn->thread = thread;
	turn->step = script_choose(text);
	turn->timer = evtimer_new(server->base, turn_step, turn);
	if (!turn->timer) {
		fputs("agent_server: out of memory\n", stderr);
		exit(1);
	}
	server_timer_add(turn->timer, turn->step->delay_ms);
}

static void answer_turn_start(const struct request *request)
{
	struct server *server = request->server;
	unsigned thread = server_thread_find(server, request->thread_id);
	char turn_id[64];

	if (!thread) {
		request_refuse(request, "thread not found");
		return;
	}
	if (server->turn_count == TURNS_MAX) {
		request_refuse(request, "too many turns");
		return;
	}
	turn_begin(server, thread, request->text);
	server_turn_id(turn_id, server->turn_count);
	server_send("{\"id\":%s,\"result\":{\"turn\":{\"id\":\"%s\",\"status\":\"inProgress\","
		    "\"error\":null}}}",
		request->id, turn_id);
	server_send("{\"method\":\"turn/started\",\"params\":{\"threadId\":\"%s\",\"turn\":"
		    "{\"id\":\"%s\",\"status\":\"inProgress\",\"error\":null}}}",
		request->thread_id, turn_id);
}

static void answer_turn_interrupt(const struct request *request)
{
	struct turn *turn = server_turn_find(request->server, request->turn_id);

	if (!turn || !turn->step) {
		request_refuse(request, "no active turn to interrupt");
		return;
	}
	server_send("{\"id\":%s,\"result\":{}}", request->id);
	turn_end(turn, "interrupted", NULL);
}

static void answer_unknown(const struct request *request)
{
	request_refuse(request, "Invalid request: unknown method");
}

static const struct method methods[] = {
	{"initialize", 20, answer_initialize},
	{"model/list", 120, answer_model_list},
	{"thread/start", 60, answer_thread_start},
	{"thread/list", 25, answer_thread_list},
	{"turn/start", 30, answer_turn_start},
	{"turn/interrupt", 20, answer_turn_interrupt},
	{NULL, 0, answer_unknown},
};

static void request_answer(evutil_socket_t fd, short what, void *arg)
{
	struct request *request = arg;

	(void)fd;
	(void)what;
	request->method->answer(request);
	free(request);
}

static void request_id_copy(char id[128], yajl_val value)
{
	if (YAJL_IS_NUMBER(value))
		snprintf(id, 128, "%s", YAJL_GET_NUMBER(value));
	else
		json_quote(id, 128, value->u.string);
}

static const char *request_input_text(yajl_val message)
{
	const char *path[] = {"params", "input", NULL};
	yajl_val input = yajl_tree_get(message, path, yajl_t_array);

	if (!input || !input->u.array.len)
		return "";
	return json_text(input->u.array.values[0], "text", NULL, "");
}

static const struct method *method_find(const char *name)
{
	const struct method *method = methods;

	while (method->name && strcmp(method->name, name))
		method++;
	return method;
}

static void server_request(struct server *server, yajl_val message, yajl_val id, const char *method)
{
	struct request *request = calloc(1, sizeof *request);
	struct timeval delay = {0};

	if (!request)
		exit(1);
	request->server = server;
	request->method = method_find(method);
	request_id_copy(request->id, id);
	snprintf(request->thread_id, sizeof request->thread_id, "%s",
		json_text(message, "params", "threadId", ""));
	snprintf(request->turn_id, sizeof request->turn_id, "%s",
		json_text(message, "params", "turnId", ""));
	snprintf(request->text, sizeof request->text, "%s", request_input_text(message));
	delay.tv_usec = request->method->delay_ms * 1000;
	if (event_base_once(server->base, -1, EV_TIMEOUT, request_answer, request, &delay))
		exit(1);
}

/* The client's answer to our one question: go on with the script that asked. */
static void server_approved(struct server *server)
{
	struct turn *turn = server->approving;

	server->approving = NULL;
	if (turn && turn->step)
		server_timer_add(turn->timer, turn->step->delay_ms);
}

static void server_line(struct server *server, const char *line)
{
	char error[256];
	yajl_val message = yajl_tree_parse(line, error, sizeof error);
	const char *method = message ? json_text(message, "method", NULL, NULL) : NULL;
	yajl_val id = message ? json_member(message, "id") : NULL;

	if (!message)
		fprintf(stderr, "agent_server: not JSON: %s\n", line);
	else if (method && (YAJL_IS_NUMBER(id) || YAJL_IS_STRING(id)))
		server_request(server, message, id, method);
	else if (!method && id)
		server_approved(server);
	yajl_tree_free(message);
}

static void server_lines(struct server *server)
{
	char *start = server->line;
	char *newline;

	while ((newline = memchr(start, '\n', server->line_size))) {
		*newline = '\0';
		server->line_size -= (size_t)(newline + 1 - start);
		server_line(server, start);
		start = newline + 1;
	}
	memmove(server->line, start, server->line_size);
}

static void server_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	size_t room = sizeof server->line - server->line_size;
	ssize_t n = read((int)fd, server->line + server->line_size, room);

	(void)what;
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		if (!room)
			fputs("agent_server: line too long\n", stderr);
		event_base_loopbreak(server->base);
		return;
	}
	server->line_size += (size_t)n;
	server_lines(server);
}

static void server_free(struct server *server)
{
	for (unsigned i = 0; i < server->turn_count; i++)
		event_free(server->turns[i].timer);
	if (server->base)
		event_base_free(server->base);
	free(server);
}

int main(void)
{
	struct server *server = calloc(1, sizeof *server);
	struct event *input;
	int status = 1;

	if (!server || !(server->base = event_base_new()))
		goto out;
	input = event_new(
		server->base, STDIN_FILENO, EV_READ | EV_PERSIST, server_readable, server);
	if (!input)
		goto out;
	if (!event_add(input, NULL) && event_base_dispatch(server->base) == 0)
		status = 0;
	event_free(input);
out:
	if (server)
		server_free(server);
	return status;
}
