/*
 * The server for operators. A page is a row of the table: its path and what writes it. Each
 * connection has one answer and is closed; that of /live goes on, by a timer. What a client can
 * take from us is bounded: so many connections, so large a request, so much that it has not read,
 * and how long all of it lasts, not how long it is silent: who moves a byte now and then would keep
 * its connection from others. libevent's own server cannot count its connections.
 */
#include "proxy/admin/admin.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "config/config.h"
#include "config/options.h"
#include "config/value.h"
#include "exporter/exporter.h"
#include "proxy/address.h"
#include "proxy/admin/exposition.h"
#include "proxy/admin/live.h"
#include "proxy/admin/page.h"
#include "proxy/admin/probe.h"
#include "proxy/admin/stats.h"
#include "proxy/admin/views.h"
#include "proxy/counters.h"
#include "proxy/generation.h"
#include "proxy/guard.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/side/http.h"
#include "proxy/sockets.h"

#define ADMIN_VALUE_SIZE   4096
#define ADMIN_LIVE_SECONDS 1       /* between two events of the same name */
#define ADMIN_STILL_MAX    15      /* then somebody who listens is told that we live */
#define ADMIN_SLOW_BYTES   1048576 /* of an answer are taken in handshake.timeout at least */
#define ADMIN_JSON         "application/json"
#define ADMIN_HTML         "text/html; charset=utf-8"
#define ADMIN_PLAIN        "text/plain; charset=utf-8"
#define ADMIN_OPEN_TYPE    "application/openmetrics-text"
#define ADMIN_OPEN_METRICS ADMIN_OPEN_TYPE "; version=1.0.0; charset=utf-8"
#define ADMIN_PROMETHEUS   "text/plain; version=0.0.4; charset=utf-8"

enum admin_state {
	ADMIN_READS,   /* a request */
	ADMIN_ASKS,    /* whether the server can be reached */
	ADMIN_ANSWERS, /* until the client has taken it */
	ADMIN_LIVE,    /* and goes on with it */
	ADMIN_ENDS,    /* until the client has closed, too, so that it has seen all */
};

struct admin_page;

struct admin_client {
	struct admin *admin;
	struct bufferevent *stream; /* owned, with its socket */
	struct event *deadline;     /* owned; of the request, then of the answer */
	struct http_scan scan;
	enum admin_state state;
	const struct admin_page *page; /* that was asked for, and may be seen */
	bool wants_body;               /* not for HEAD */
	bool has_ended;                /* it will say no more */
	struct live_told told;         /* of ADMIN_LIVE */
	unsigned still;                /* so many seconds nothing was */
	TAILQ_ENTRY(admin_client) link;
};

struct admin {
	struct loop *loop; /* that of sources */
	struct admin_sources sources;
	struct sockets sockets;
	struct evconnlistener *listeners[ADDRESS_LIST_MAX]; /* owned */
	size_t listener_count;
	TAILQ_HEAD(admin_clients, admin_client) clients;
	size_t client_count;
	struct guard guard;     /* for pages that tell something */
	struct guard health;    /* for those that everybody may know: no token */
	struct http_head head;  /* scratch */
	struct http_text query; /* in it */
	bool lacks_memory;      /* for the page that is written */
	struct live *live;      /* owned */
	size_t live_count;
	struct event *live_timer; /* owned; runs while somebody listens */
	uint64_t begun_ns;
	struct probe *probe; /* owned; NULL: a COMMAND is the server */
	bool unreached;      /* as probed last */
	bool draining;
};

static bool admin_is_ready(const struct admin *admin)
{
	return !admin->unreached && !admin->draining;
}

/* ---- pages ---- */

static void admin_write_health(struct admin *admin, FILE *out)
{
	(void)admin;
	(void)fputs("{\"status\":\"ok\",\"version\":\"" SIDESPAN_VERSION "\"}\n", out);
}

static void admin_write_numbers(struct admin *admin, FILE *out, enum exposition_format format)
{
	struct counter list[COUNTERS_COUNT];
	struct tracer_open open[TRACER_OPEN_MAX];
	const uint64_t seconds = admin->loop->config_unix_ns / 1000000000;
	struct exporter_counters at = {.created = 0};

	if (admin->sources.exporter != NULL)
		exporter_counters_read(admin->sources.exporter, &at);
	counters_read(list, admin->loop, &at);
	(void)fputs("# HELP sidespan_build_info The version, as a label.\n"
		    "# TYPE sidespan_build_info gauge\n"
		    "sidespan_build_info{version=\"" SIDESPAN_VERSION "\"} 1\n",
		out);
	exposition_counters(out, format, list, COUNTERS_COUNT);
	exposition_metrics(out, format, admin->sources.metrics);
	exposition_single(out, format, "sidespan_connections_open", EXPOSITION_GAUGE,
		"Clients that are served now.", (double)admin->loop->guest_count);
	exposition_open(out, open, generations_count_open(admin->loop->generations, open),
		admin->loop->now_ns);
	exposition_single(out, format, "sidespan_config_generation", EXPOSITION_GAUGE,
		"Which settings are in force; the first are 1.",
		(double)admin->loop->config_number);
	exposition_single(out, format, "sidespan_config_last_reload_successful", EXPOSITION_GAUGE,
		"0 when settings were read again since, and were of no use.",
		admin->loop->config_failed ? 0 : 1);
	exposition_single(out, format, "sidespan_config_last_reload_success_timestamp_seconds",
		EXPOSITION_GAUGE, "When the settings were read that are in force.",
		(double)seconds);
	exposition_process(out, format);
	exposition_end(out, format);
}

static void admin_write_metrics(struct admin *admin, FILE *out)
{
	admin_write_numbers(admin, out, EXPOSITION_TEXT);
}

static void admin_write_open_metrics(struct admin *admin, FILE *out)
{
	admin_write_numbers(admin, out, EXPOSITION_OPEN_METRICS);
}

static void admin_write_string(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++)
		if (*text == '"' || *text == '\\')
			(void)fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			(void)fprintf(out, "\\u%04x", (unsigned)*text);
		else
			(void)fputc(*text, out);
	(void)fputc('"', out);
}

/* Which settings these are, and all of them. Secrets are *** in it. */
static void admin_write_config(struct admin *admin, FILE *out)
{
	char value[ADMIN_VALUE_SIZE];
	size_t i;

	(void)fprintf(out, "{\n\t\"generation\": \"%llu\"",
		(unsigned long long)admin->loop->config_number);
	for (i = 0; i < OPTION_COUNT; i++) {
		(void)fputs(",\n\t", out);
		admin_write_string(out, option_at(i)->name);
		(void)fputs(": ", out);
		value_print(option_at(i), admin->loop->config, value, sizeof value);
		admin_write_string(out, value);
	}
	(void)fputs("\n}\n", out);
}

static void admin_write_open(struct admin *admin, FILE *out)
{
	views_write_open(out, admin->loop);
}

static const struct ring *admin_ring(const struct admin *admin)
{
	return admin->sources.exporter != NULL ? exporter_ring(admin->sources.exporter) : NULL;
}

/* A number of digits alone; 0: there is none. */
static uint64_t admin_number(struct http_text text)
{
	uint64_t number = 0;
	size_t i;

	for (i = 0; i < text.size && text.bytes[i] >= '0' && text.bytes[i] <= '9'; i++)
		number = number * 10 + (uint64_t)(text.bytes[i] - '0');
	return i == text.size && i < 20 ? number : 0; /* of 64 bits nearly all */
}

/* ?since=N: what ended after that one. */
static void admin_write_traces(struct admin *admin, FILE *out)
{
	static const struct http_text since = {"?since=", 7};
	struct http_text query = admin->query;

	if (query.size > since.size && memcmp(query.bytes, since.bytes, since.size) == 0)
		query = (struct http_text){query.bytes + since.size, query.size - since.size};
	admin->lacks_memory = !views_write_traces(out, admin_ring(admin), admin_number(query));
}

static void admin_write_stats(struct admin *admin, FILE *out)
{
	admin->lacks_memory = !stats_write(out, &admin->sources, admin->begun_ns);
}

static void admin_write_page(struct admin *admin, FILE *out)
{
	(void)admin;
	(void)fwrite(page_text, 1, page_size, out);
}

/* Telemetry that does not get through is told, but is no reason to keep clients away. */
static void admin_write_ready(struct admin *admin, FILE *out)
{
	const char *server = "reachable";

	if (admin->draining)
		server = "we end";
	else if (admin->unreached)
		server = "unreachable";
	(void)fprintf(out, "{\"ready\":%s,\"server\":\"%s\",",
		admin_is_ready(admin) ? "true" : "false", server);
	stats_write_exporter(out, &admin->sources);
	(void)fputs("}\n", out);
}

static const struct admin_page {
	const char *path;
	const char *type;
	void (*write)(struct admin *admin, FILE *out); /* NULL: it has no end */
	bool is_health;                                /* everybody may know */
	bool asks; /* whether the server can be reached, first */
} admin_pages[] = {
	{"/", ADMIN_HTML, admin_write_page, true, false},
	{"/healthz", ADMIN_JSON, admin_write_health, true, false},
	{"/readyz", ADMIN_JSON, admin_write_ready, true, true},
	{"/metrics", ADMIN_OPEN_METRICS, admin_write_open_metrics, false, false},
	{"/metrics", ADMIN_PROMETHEUS, admin_write_metrics, false, false},
	{"/config", ADMIN_JSON, admin_write_config, false, false},
	{"/open", ADMIN_JSON, admin_write_open, false, false},
	{"/traces", ADMIN_JSON, admin_write_traces, false, false},
	{"/stats", ADMIN_JSON, admin_write_stats, false, false},
	{"/live", "text/event-stream", NULL, false, false},
};

#define ADMIN_PAGES (sizeof admin_pages / sizeof *admin_pages)

/* Whether one of the types that the client takes is the page's, when it has to be asked for. */
static bool admin_is_wanted(const struct admin_page *page, const struct http_head *head)
{
	struct http_cursor at = {.field = 0};
	const size_t size = strlen(ADMIN_OPEN_TYPE);
	struct http_text item;

	if (strncmp(page->type, ADMIN_OPEN_TYPE, size) != 0)
		return true;
	while (http_list_next(head, "Accept", &at, &item))
		if (item.size >= size && strncmp(item.bytes, ADMIN_OPEN_TYPE, size) == 0)
			return true;
	return false;
}

/* *query: what stands behind the path. */
static const struct admin_page *admin_find(const struct http_head *head, struct http_text *query)
{
	struct http_text authority, path;
	size_t i, size;

	http_target_split(head->target, &authority, &path);
	for (size = 0; size < path.size && path.bytes[size] != '?'; size++)
		;
	*query = (struct http_text){path.bytes + size, path.size - size};
	for (i = 0; i < ADMIN_PAGES; i++)
		if (strlen(admin_pages[i].path) == size &&
			memcmp(admin_pages[i].path, path.bytes, size) == 0 &&
			admin_is_wanted(&admin_pages[i], head))
			return &admin_pages[i];
	return NULL;
}

/* ---- their end ---- */

static void admin_set_listening(struct admin *admin, bool on)
{
	size_t i;

	for (i = 0; i < admin->listener_count; i++)
		if (on) /* they were, so that this needs no memory */
			(void)evconnlistener_enable(admin->listeners[i]);
		else
			(void)evconnlistener_disable(admin->listeners[i]);
}

static void admin_drop(struct admin_client *client)
{
	struct admin *admin = client->admin;

	TAILQ_REMOVE(&admin->clients, client, link);
	if (client->state == ADMIN_LIVE && --admin->live_count == 0)
		(void)event_del(admin->live_timer); /* it was added: cannot fail */
	if (client->deadline != NULL)
		event_free(client->deadline);
	bufferevent_free(client->stream);
	free(client);
	if (admin->client_count-- == (size_t)admin->loop->config->admin_connections_max)
		admin_set_listening(admin, true);
}

/* ---- answers ---- */

/* How long a client may take for so many bytes of an answer; 0: for its request. */
static struct timeval admin_wait(const struct admin *admin, size_t bytes)
{
	int64_t ms = admin->loop->config->handshake_timeout_ms;

	ms += ms * (int64_t)bytes / ADMIN_SLOW_BYTES;
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* UNTESTED: it is libevent's memory that has failed. No answer, rather than half of one. */
static void admin_give_up(struct admin_client *client)
{
	bufferevent_trigger_event(client->stream, BEV_EVENT_ERROR, BEV_TRIG_DEFER_CALLBACKS);
}

/* length, more: fields; length is nothing where it is not known. */
static bool admin_begin_answer(struct admin_client *client, const char *status, const char *type,
	const char *length, const char *more)
{
	return evbuffer_add_printf(bufferevent_get_output(client->stream),
		       "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s%s"
		       "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
		       "Cross-Origin-Resource-Policy: same-origin\r\n%s"
		       "Connection: close\r\n\r\n",
		       status, type, length, more,
		       strncmp(status, "401", 3) == 0 ? "WWW-Authenticate: Bearer\r\n" : "") >= 0;
}

static void admin_answer(struct admin_client *client, const char *status, const char *type,
	const char *text, size_t size)
{
	const struct timeval wait = admin_wait(client->admin, size);
	char length[64], more[PAGE_FIELDS_MAX] = "";

	(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", size); /* fits */
	client->state = ADMIN_ANSWERS;
	if ((strcmp(type, ADMIN_HTML) == 0 && page_fields(more, text) != 0) ||
		!admin_begin_answer(client, status, type, length, more) ||
		event_add(client->deadline, &wait) != 0 ||
		(client->wants_body &&
			evbuffer_add(bufferevent_get_output(client->stream), text, size) != 0))
		admin_give_up(client);
}

static void admin_refuse(struct admin_client *client, const char *status)
{
	char text[64];
	int size = snprintf(text, sizeof text, "%s\n", status);

	assert(size > 0 && (size_t)size < sizeof text);
	admin_answer(client, status, ADMIN_PLAIN, text, (size_t)size);
}

static void admin_serve(struct admin_client *client)
{
	struct admin *admin = client->admin;
	const struct admin_page *page = client->page;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);

	loop_clock_idle(admin->loop); /* to be looked at is no event of the conversation */
	admin->lacks_memory = out == NULL;
	if (out != NULL)
		page->write(admin, out);
	if (out == NULL || fclose(out) != 0 || admin->lacks_memory)
		admin_refuse(client, "500 Internal Server Error");
	else
		admin_answer(client,
			page->asks && !admin_is_ready(admin) ? "503 Service Unavailable" : "200 OK",
			page->type, text, size);
	free(text);
}

static void admin_on_probed(void *arg, const char *why)
{
	struct admin *admin = arg;
	struct admin_client *client;

	if (why != NULL && !admin->unreached)
		log_line(LOG_WARN, "not ready: the server cannot be reached: %s", why);
	else if (why == NULL && admin->unreached)
		log_line(LOG_INFO, "ready: the server can be reached again");
	admin->unreached = why != NULL;
	TAILQ_FOREACH(client, &admin->clients, link)
	if (client->state == ADMIN_ASKS)
		admin_serve(client);
}

/* ---- events ---- */

/* Tells what is new. False: the client is to be dropped. */
static bool admin_tell(struct admin_client *client)
{
	struct admin *admin = client->admin;
	struct evbuffer *out = bufferevent_get_output(client->stream);
	size_t before = evbuffer_get_length(out);

	if (before > (size_t)admin->loop->config->admin_live_bytes_max) {
		admin->loop->counters.admin_dropped++;
		return false;
	}
	if (!live_tell(admin->live, &client->told, out))
		return false;
	client->still = evbuffer_get_length(out) > before ? 0 : client->still + 1;
	if (client->still < ADMIN_STILL_MAX)
		return true;
	client->still = 0;
	return evbuffer_add(out, ":\n\n", 3) == 0; /* a comment */
}

static void admin_on_live(evutil_socket_t fd, short what, void *arg)
{
	struct admin *admin = arg;
	struct admin_client *client, *next;

	(void)fd;
	(void)what;
	loop_clock_idle(admin->loop);
	live_refresh(admin->live);
	for (client = TAILQ_FIRST(&admin->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->state == ADMIN_LIVE && !admin_tell(client))
			admin_drop(client);
	}
}

/* Who has listened before is told what has ended since; others, what ends from now on. */
static void admin_begin_live(struct admin_client *client)
{
	static const struct timeval period = {.tv_sec = ADMIN_LIVE_SECONDS};
	struct admin *admin = client->admin;
	const struct http_field *last = http_field_find(&admin->head, "Last-Event-ID");
	const struct timeval wait = admin_wait(admin, 0);

	if (2 * (admin->live_count + 1) > (size_t)admin->loop->config->admin_connections_max + 1) {
		admin_refuse(client, "503 Service Unavailable");
		return;
	}
	if (!admin_begin_answer(client, "200 OK", client->page->type, "", "") ||
		bufferevent_set_timeouts(client->stream, NULL, &wait) != 0 ||
		(admin->live_count == 0 && event_add(admin->live_timer, &period) != 0)) {
		client->state = ADMIN_ENDS;
		admin_give_up(client);
		return;
	}
	(void)event_del(client->deadline); /* it was added: cannot fail */
	client->state = ADMIN_LIVE;
	admin->live_count++;
	loop_clock_idle(admin->loop);
	live_refresh(admin->live);
	client->told.span = live_newest(admin->live);
	if (last != NULL && admin_number(last->value) < client->told.span)
		client->told.span = admin_number(last->value);
	if (!admin_tell(client))
		admin_give_up(client);
}

/* ---- requests ---- */

static enum guard_verdict admin_check(
	struct admin_client *client, bool is_health, char note[GUARD_NOTE_SIZE])
{
	struct admin *admin = client->admin;
	struct address local = {.size = sizeof local.storage};

	if (getsockname(bufferevent_getfd(client->stream), (struct sockaddr *)&local.storage,
		    &local.size) != 0)
		local = (struct address){.size = 0}; /* it is nobody's host */
	return guard_check(is_health ? &admin->health : &admin->guard, &admin->head, &local, note);
}

/* Answers what is in admin->head, or has it wait. */
static void admin_take(struct admin_client *client)
{
	struct admin *admin = client->admin;
	const struct http_head *head = &admin->head;
	const struct admin_page *page = admin_find(head, &admin->query);
	bool is_get = http_text_is_exactly(head->method, HTTP_TEXT("GET"));
	char note[GUARD_NOTE_SIZE];
	enum guard_verdict verdict = admin_check(client, page != NULL && page->is_health, note);

	client->wants_body = !http_text_is_exactly(head->method, HTTP_TEXT("HEAD"));
	client->page = page;
	if (verdict == GUARD_NO_TOKEN) {
		admin->loop->counters.admin_refused++;
		admin_refuse(client, "401 Unauthorized");
	} else if (verdict != GUARD_ADMITTED) {
		admin->loop->counters.admin_refused++;
		log_line(LOG_WARN, "admin: a request is refused: %s", note);
		admin_refuse(client, "403 Forbidden");
	} else if (page == NULL) {
		admin_refuse(client, "404 Not Found");
	} else if (client->wants_body && !is_get) {
		admin_refuse(client, "405 Method Not Allowed");
	} else if (page->write == NULL && client->wants_body) {
		admin_begin_live(client);
	} else if (page->write == NULL) {
		admin_answer(client, "200 OK", page->type, "", 0);
	} else if (page->asks && admin->probe != NULL && !admin->draining) {
		client->state = ADMIN_ASKS;
		probe_ask(admin->probe);
	} else {
		admin_serve(client);
	}
}

static size_t admin_head_max(const struct admin *admin)
{
	return (size_t)admin->loop->config->handshake_bytes_max;
}

static void admin_read(struct admin_client *client)
{
	struct evbuffer *in = bufferevent_get_input(client->stream);
	struct http_head *head = &client->admin->head;
	const char *bytes = (const char *)evbuffer_pullup(in, -1);

	client->wants_body = true; /* as long as nothing else is known */
	switch (http_request_parse(
		head, &client->scan, bytes, bytes != NULL ? evbuffer_get_length(in) : 0)) {
	case HTTP_MORE:
		if (evbuffer_get_length(in) >= admin_head_max(client->admin))
			admin_refuse(client, "431 Request Header Fields Too Large");
		break;
	case HTTP_BAD:
		admin_refuse(client, "400 Bad Request");
		break;
	case HTTP_DONE:
		admin_take(client);
		break;
	}
}

/* ---- connections ---- */

static void admin_on_readable(struct bufferevent *stream, void *arg)
{
	struct admin_client *client = arg;
	struct evbuffer *in = bufferevent_get_input(stream);

	if (client->state == ADMIN_READS)
		admin_read(client);
	if (client->state != ADMIN_READS)
		(void)evbuffer_drain(in, evbuffer_get_length(in)); /* there is no second request */
}

static void admin_on_written(struct bufferevent *stream, void *arg)
{
	struct admin_client *client = arg;

	if (client->state != ADMIN_ANSWERS)
		return;
	if (client->has_ended) { /* nobody would tell so once more */
		admin_drop(client);
		return;
	}
	client->state = ADMIN_ENDS;
	(void)shutdown(bufferevent_getfd(stream), SHUT_WR); /* it may have left */
}

/* Also a client that has said all: as everywhere, its answer still comes. */
static void admin_on_event(struct bufferevent *stream, short what, void *arg)
{
	struct admin_client *client = arg;

	(void)stream;
	if (client->state == ADMIN_LIVE && (what & BEV_EVENT_TIMEOUT) != 0)
		client->admin->loop->counters.admin_dropped++;
	if ((what & BEV_EVENT_EOF) != 0 &&
		(client->state == ADMIN_ASKS || client->state == ADMIN_ANSWERS)) {
		client->has_ended = true;
		return;
	}
	admin_drop(client);
}

/* Its time is over. Who has not said anything has not been cut off. */
static void admin_on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct admin_client *client = arg;

	(void)fd;
	(void)what;
	if (client->state == ADMIN_ANSWERS ||
		evbuffer_get_length(bufferevent_get_input(client->stream)) > 0)
		client->admin->loop->counters.admin_dropped++;
	admin_drop(client);
}

static void admin_on_accepted(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *peer, int peer_size, void *arg)
{
	struct admin *admin = arg;
	const struct timeval wait = admin_wait(admin, 0);
	struct admin_client *client = calloc(1, sizeof *client);

	(void)listener;
	(void)peer;
	(void)peer_size;
	if (client != NULL)
		client->stream =
			bufferevent_socket_new(admin->loop->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (client == NULL || client->stream == NULL) {
		free(client);
		(void)evutil_closesocket(fd); /* nothing was sent over it */
		return;
	}
	client->admin = admin;
	TAILQ_INSERT_TAIL(&admin->clients, client, link);
	if (++admin->client_count == (size_t)admin->loop->config->admin_connections_max)
		admin_set_listening(admin, false);
	bufferevent_setcb(
		client->stream, admin_on_readable, admin_on_written, admin_on_event, client);
	bufferevent_setwatermark(client->stream, EV_READ, 0, admin_head_max(admin));
	client->deadline = evtimer_new(admin->loop->base, admin_on_deadline, client);
	if (client->deadline == NULL || event_add(client->deadline, &wait) != 0 ||
		bufferevent_enable(client->stream, EV_READ | EV_WRITE) != 0)
		admin_drop(client);
}

/* ---- its life ---- */

static int admin_listen(struct admin *admin)
{
	size_t i;

	for (i = 0; i < admin->sockets.count; i++) {
		admin->listeners[i] = evconnlistener_new(admin->loop->base, admin_on_accepted,
			admin, LEV_OPT_CLOSE_ON_EXEC, 0, admin->sockets.fds[i]);
		if (admin->listeners[i] == NULL)
			return -1;
		admin->listener_count++;
	}
	return 0;
}

void admin_renew(struct admin *admin)
{
	const struct config *config = admin->loop->config;

	guard_init_own(&admin->guard, config, &config->admin_url);
	admin->health = admin->guard;
	admin->health.token = NULL;
}

struct admin *admin_new(const struct admin_sources *sources, char *error, size_t error_size)
{
	const struct config *config = sources->loop->config;
	struct admin *admin = calloc(1, sizeof *admin);

	(void)snprintf(error, error_size, "admin.listen: out of memory");
	if (admin == NULL)
		return NULL;
	TAILQ_INIT(&admin->clients);
	admin->loop = sources->loop;
	admin->sources = *sources;
	admin->begun_ns = admin->loop->now_ns;
	admin->live = live_new(&admin->sources, admin->begun_ns);
	admin->live_timer = event_new(admin->loop->base, -1, EV_PERSIST, admin_on_live, admin);
	if (admin->live == NULL || admin->live_timer == NULL)
		goto fail;
	admin_renew(admin);
	if (sources->resolver != NULL && (admin->probe = probe_new(admin->loop, sources->resolver,
						  admin_on_probed, admin)) == NULL)
		goto fail;
	if (sockets_open(&admin->sockets, &config->admin_url, "admin.listen", config->allow_remote,
		    error, error_size) != 0)
		goto fail;
	if (admin_listen(admin) == 0)
		return admin;
	(void)snprintf(error, error_size, "admin.listen: out of memory");
fail:
	admin_free(admin);
	return NULL;
}

void admin_describe(const struct admin *admin, char *text, size_t size)
{
	sockets_describe(&admin->sockets, text, size);
}

void admin_drain(struct admin *admin)
{
	admin->draining = true;
}

void admin_free(struct admin *admin)
{
	struct admin_client *client, *next;
	size_t i;

	if (admin == NULL)
		return;
	for (client = TAILQ_FIRST(&admin->clients); client != NULL; client = next) {
		next = TAILQ_NEXT(client, link);
		admin_drop(client);
	}
	for (i = 0; i < admin->listener_count; i++)
		evconnlistener_free(admin->listeners[i]);
	if (admin->live_timer != NULL)
		event_free(admin->live_timer);
	live_free(admin->live);
	probe_free(admin->probe);
	sockets_close(&admin->sockets);
	free(admin);
}
