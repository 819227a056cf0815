/*
 * The demo's agent server: newline JSON on stdin and stdout in the manner of `codex app-server`.
 * What it says, and when, stands in scripts.h; this plays it. It knows nothing of tracing; a
 * `trace` member is one of the unknown members that it ignores.
 *
 * A request starts a play: the first script that fits its method and the user's text. A timer says
 * one step after the other; a step can also wait for the client's answer to a question of ours.
 * Many plays run side by side. turn/interrupt stops the play of its turn. The end of stdin ends the
 * program, with whatever was still to be said.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <yajl/yajl_tree.h>

#include "tests/demo/json.h"
#include "tests/demo/scripts.h"

struct play {
	LIST_ENTRY(play) entry;
	struct server *server;
	const struct script *script;
	const struct step *step; /* the next one */
	struct event *timer;     /* owned */
	char id[128];            /* of the request, as JSON text */
	char thread_id[64];
	char turn_id[64];
	char text[512]; /* of the user, as JSON text */
	int64_t began_ms;
	int64_t item_ms;   /* when the last item started */
	unsigned question; /* our own request to the client */
	bool asking;       /* the step waits for its answer */
};

struct server {
	struct event_base *base; /* owned */
	struct evbuffer *input;  /* owned */
	LIST_HEAD(, play) plays;
	unsigned thread_count;
	unsigned turn_count;
	unsigned question_count; /* their ids count from 0, as codex does */
};

static void server_check(const void *memory)
{
	if (!memory) {
		fputs("agent_server: out of memory\n", stderr);
		exit(1);
	}
}

static int64_t server_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void server_thread_id(char id[64], unsigned number)
{
	snprintf(id, 64, "0199a000-0000-7000-8000-%012u", number);
}

static void server_turn_id(char id[64], unsigned number)
{
	snprintf(id, 64, "0199b000-0000-7000-8000-%012u", number);
}

static bool server_has_thread(const struct server *server, const char *thread_id)
{
	char id[64];

	for (unsigned number = 1; number <= server->thread_count; number++) {
		server_thread_id(id, number);
		if (!strcmp(id, thread_id))
			return true;
	}
	return false;
}

/* Prints the value that a name of scripts.h stands for; returns the length of the name. */
static size_t play_put_value(struct play *play, const char *name)
{
	int64_t now_ms = server_clock_ms();
	const struct {
		const char *name;
		const char *text;
		int64_t number; /* where text is NULL */
	} values[] = {
		{"id", play->id, 0},
		{"thread", play->thread_id, 0},
		{"turn", play->turn_id, 0},
		{"text", play->text, 0},
		{"ask", NULL, play->question},
		{"now", NULL, now_ms},
		{"second", NULL, now_ms / 1000},
		{"start", NULL, now_ms},
		{"since", NULL, play->item_ms},
		{"began", NULL, play->began_ms / 1000},
		{"took", NULL, now_ms - play->began_ms},
	};
	size_t i = 0;

	for (; strncmp(name, values[i].name, strlen(values[i].name)); i++)
		assert(i + 1 < sizeof values / sizeof *values);
	if (!strcmp(values[i].name, "start"))
		play->item_ms = now_ms;
	if (values[i].text)
		fputs(values[i].text, stdout);
	else
		printf("%" PRId64, values[i].number);
	return strlen(values[i].name);
}

static void play_say(struct play *play, const char *message)
{
	for (; *message; message++) {
		if (*message == '$')
			message += play_put_value(play, message + 1);
		else
			putchar(*message == '\'' ? '"' : *message);
	}
	putchar('\n');
	if (fflush(stdout) == EOF)
		exit(1); /* nobody reads any more */
}

static void play_free(struct play *play)
{
	LIST_REMOVE(play, entry);
	event_free(play->timer);
	free(play);
}

static void play_wait(struct play *play, int delay_ms)
{
	struct timeval delay = {delay_ms / 1000, delay_ms % 1000 * 1000};

	if (event_add(play->timer, &delay))
		server_check(NULL);
}

/* Says a step and prepares for the next one. */
static void play_step(evutil_socket_t fd, short what, void *arg)
{
	struct play *play = arg;
	const struct step *step = play->step++;

	(void)fd;
	(void)what;
	play->asking = play->step->delay_ms == ON_ANSWER;
	if (play->asking)
		play->question = play->server->question_count++;
	play_say(play, step->message);
	if (!play->step->message)
		play_free(play);
	else if (!play->asking)
		play_wait(play, play->step->delay_ms);
}

static struct play *play_new(struct server *server)
{
	struct play *play = calloc(1, sizeof *play);

	server_check(play);
	play->server = server;
	play->began_ms = server_clock_ms();
	play->timer = evtimer_new(server->base, play_step, play);
	server_check(play->timer);
	return play;
}

static struct play *server_find_turn(const struct server *server, const char *turn_id)
{
	struct play *play;

	LIST_FOREACH(play, &server->plays, entry)
		if (play->script->deed == DEED_TURN_NEW && !strcmp(play->turn_id, turn_id))
			return play;
	return NULL;
}

/* Does what the script says; false: it cannot be done, so the script does not fit. */
static bool play_do(struct play *play)
{
	struct server *server = play->server;
	struct play *ended;

	switch (play->script->deed) {
	case DEED_THREAD_NEW:
		server_thread_id(play->thread_id, ++server->thread_count);
		return true;
	case DEED_TURN_NEW:
		if (!server_has_thread(server, play->thread_id))
			return false;
		server_turn_id(play->turn_id, ++server->turn_count);
		return true;
	case DEED_TURN_END:
		ended = server_find_turn(server, play->turn_id);
		if (!ended)
			return false;
		play->began_ms = ended->began_ms;
		play_free(ended);
		return true;
	case DEED_NONE:
		return true;
	}
	return false;
}

static bool play_fits(struct play *play, const char *method)
{
	const struct script *script = play->script;

	return (!*script->method || !strcmp(script->method, method)) &&
	       strstr(play->text, script->word) && play_do(play);
}

static void play_begin(struct play *play, const char *method)
{
	play->script = scripts;
	while (!play_fits(play, method))
		play->script++;
	play->step = play->script->steps;
	LIST_INSERT_HEAD(&play->server->plays, play, entry);
	play_wait(play, play->step->delay_ms);
}

static const char *request_text(yajl_val message)
{
	const char *path[] = {"params", "input", NULL};
	yajl_val input = yajl_tree_get(message, path, yajl_t_array);

	if (!input || !input->u.array.len)
		return "";
	return json_text(input->u.array.values[0], "text", NULL, "");
}

static void server_request(struct server *server, yajl_val message, yajl_val id, const char *method)
{
	struct play *play = play_new(server);

	if (YAJL_IS_NUMBER(id))
		snprintf(play->id, sizeof play->id, "%s", YAJL_GET_NUMBER(id));
	else
		json_quote(play->id, sizeof play->id, id->u.string);
	snprintf(play->thread_id, sizeof play->thread_id, "%s",
		json_text(message, "params", "threadId", ""));
	snprintf(play->turn_id, sizeof play->turn_id, "%s",
		json_text(message, "params", "turnId", ""));
	json_quote(play->text, sizeof play->text, request_text(message));
	play_begin(play, method);
}

/* The client's answer to a question of ours: the play that asked goes on. */
static void server_answer(struct server *server, yajl_val id)
{
	struct play *play;

	LIST_FOREACH(play, &server->plays, entry) {
		if (play->asking && YAJL_IS_INTEGER(id) && YAJL_GET_INTEGER(id) == play->question) {
			play_wait(play, 0);
			return;
		}
	}
}

static void server_line(struct server *server, const char *line)
{
	char error[256];
	yajl_val message = yajl_tree_parse(line, error, sizeof error);
	const char *method = message ? json_text(message, "method", NULL, NULL) : NULL;
	yajl_val id = message ? json_member(message, "id") : NULL;

	if (!message)
		fprintf(stderr, "agent_server: not JSON: %s\n", line);
	else if (!method)
		server_answer(server, id);
	else if (YAJL_IS_NUMBER(id) || YAJL_IS_STRING(id))
		server_request(server, message, id, method);
	yajl_tree_free(message);
}

static void server_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	char *line;

	(void)what;
	if (evbuffer_read(server->input, fd, -1) <= 0)
		event_base_loopbreak(server->base);
	while ((line = evbuffer_readln(server->input, NULL, EVBUFFER_EOL_LF))) {
		server_line(server, line);
		free(line);
	}
}

static void server_done(struct server *server)
{
	struct play *next;

	for (struct play *play = LIST_FIRST(&server->plays); play; play = next) {
		next = LIST_NEXT(play, entry);
		play_free(play);
	}
	evbuffer_free(server->input);
	event_base_free(server->base);
}

int main(void)
{
	struct server server = {.base = event_base_new(), .input = evbuffer_new()};
	struct event *readable;
	int status;

	server_check(server.base);
	server_check(server.input);
	readable = event_new(
		server.base, STDIN_FILENO, EV_READ | EV_PERSIST, server_readable, &server);
	server_check(readable);
	status = event_add(readable, NULL) || event_base_dispatch(server.base) < 0;
	event_free(readable);
	server_done(&server);
	return status;
}
