/*
 * The server for operators; what can be asked for is in pages.c. Each connection has one answer and
 * is closed; that of /live goes on, by a timer. What a client can take from us is bounded: so many
 * connections, so large a request, so much that it has not read, and how long all of it lasts, not
 * how long it is silent: who moves a byte now and then would keep its connection from others.
 * libevent's own server cannot count its connections.
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
#include "proxy/address.h"
#include "proxy/admin/live.h"
#include "proxy/admin/page.h"
#include "proxy/admin/pages.h"
#include "proxy/admin/probe.h"
#include "proxy/guard.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/side/http.h"
#include "proxy/sockets.h"

#define ADMIN_LIVE_SECONDS 1       /* between two events of the same name */
#define ADMIN_STILL_MAX    15      /* then somebody who listens is told that we live */
#define ADMIN_SLOW_BYTES   1048576 /* of an answer are taken in handshake.timeout at least */
#define ADMIN_PLAIN        "text/plain; charset=utf-8"

enum admin_state {
	ADMIN_READS,   /* a request */
	ADMIN_ASKS,    /* whether the server can be reached */
	ADMIN_ANSWERS, /* until the client has taken it */
	ADMIN_LIVE,    /* and goes on with it */
	ADMIN_ENDS,    /* until the client has closed, too, so that it has seen all */
};

struct admin_client {
	struct admin *admin;
	struct bufferevent *stream; /* owned, with its socket */
	struct event *deadline;     /* owned; of the request, then of the answer */
	struct http_scan scan;
	enum admin_state state;
	const struct pages_row *page; /* that was asked for, and may be seen */
	bool wants_body;              /* not for HEAD */
	bool has_ended;               /* it will say no more */
	struct live_told told;        /* of ADMIN_LIVE */
	unsigned still;               /* so many seconds nothing was */
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
	struct guard guard;  /* for pages that tell something */
	struct guard health; /* for those that everybody may know: no token */
	struct pages_subject subject;
	struct http_head head; /* scratch; the subject's query is in it */
	struct live *live;     /* owned */
	size_t live_count;
	struct event *live_timer; /* owned; runs while somebody listens */
	struct probe *probe;      /* owned; NULL: a COMMAND is the server */
};

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

	assert(admin->client_count > 0);
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

/* Of that size; its body, if one is wanted, is added by who calls. */
static bool admin_begin_sized(struct admin_client *client, const char *status, const char *type,
	size_t size, const char *more)
{
	const struct timeval wait = admin_wait(client->admin, size);
	char length[64];

	assert(client->state == ADMIN_READS || client->state == ADMIN_ASKS);
	(void)snprintf(length, sizeof length, "Content-Length: %zu\r\n", size); /* fits */
	client->state = ADMIN_ANSWERS;
	return admin_begin_answer(client, status, type, length, more) &&
	       event_add(client->deadline, &wait) == 0;
}

static void admin_refuse(struct admin_client *client, const char *status)
{
	struct evbuffer *out = bufferevent_get_output(client->stream);

	if (!admin_begin_sized(client, status, ADMIN_PLAIN, strlen(status) + 1, "") ||
		(client->wants_body && evbuffer_add_printf(out, "%s\n", status) < 0))
		admin_give_up(client);
}

/* The page for people stays where it is. */
static void admin_serve_fixed(struct admin_client *client)
{
	struct evbuffer *out = bufferevent_get_output(client->stream);
	char more[PAGE_FIELDS_MAX];

	if (page_fields(more, page_text) != 0 ||
		!admin_begin_sized(client, "200 OK", client->page->type, page_size, more) ||
		(client->wants_body &&
			evbuffer_add_reference(out, page_text, page_size, NULL, NULL) != 0))
		admin_give_up(client);
}

static void admin_release(const void *bytes, size_t size, void *text)
{
	(void)bytes;
	(void)size;
	free(text);
}

/* A text may be large, and is not copied. */
static void admin_serve_text(struct admin_client *client, char *text, size_t size)
{
	const struct pages_subject *subject = &client->admin->subject;
	bool is_no = client->page->kind == PAGES_READY && !pages_is_ready(subject);
	bool has_begun = admin_begin_sized(
		client, is_no ? "503 Service Unavailable" : "200 OK", client->page->type, size, "");

	if (has_begun && client->wants_body &&
		evbuffer_add_reference(bufferevent_get_output(client->stream), text, size,
			admin_release, text) == 0)
		return;
	free(text);
	if (!has_begun || client->wants_body)
		admin_give_up(client);
}

static void admin_serve(struct admin_client *client)
{
	struct admin *admin = client->admin;
	size_t size = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size);
	bool is_whole;

	assert(client->page->write != NULL);
	loop_clock_idle(admin->loop); /* to be looked at is no event of the conversation */
	is_whole = out != NULL && client->page->write(&admin->subject, out);
	if (out != NULL && fclose(out) == 0 && is_whole) {
		admin_serve_text(client, text, size);
		return;
	}
	free(text);
	admin_refuse(client, "500 Internal Server Error");
}

static void admin_on_probed(void *arg, const char *why)
{
	struct admin *admin = arg;
	struct admin_client *client;

	if (why != NULL && !admin->subject.unreached)
		log_line(LOG_WARN, "not ready: the server cannot be reached: %s", why);
	else if (why == NULL && admin->subject.unreached)
		log_line(LOG_INFO, "ready: the server can be reached again");
	admin->subject.unreached = why != NULL;
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

	assert(client->state == ADMIN_READS);
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
	if (last != NULL && pages_number(last->value) < client->told.span)
		client->told.span = pages_number(last->value);
	if (!admin_tell(client))
		admin_give_up(client);
}

/* ---- requests ---- */

static void admin_begin_page(struct admin_client *client)
{
	struct admin *admin = client->admin;

	switch (client->page->kind) {
	case PAGES_FIXED:
		admin_serve_fixed(client);
		return;
	case PAGES_ENDLESS:
		if (client->wants_body)
			admin_begin_live(client);
		else if (!admin_begin_sized(client, "200 OK", client->page->type, 0, ""))
			admin_give_up(client);
		return;
	case PAGES_READY:
		if (admin->probe == NULL || admin->subject.draining)
			break;
		client->state = ADMIN_ASKS;
		probe_ask(admin->probe);
		return;
	case PAGES_WRITTEN:
		break;
	}
	admin_serve(client);
}

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
	const struct pages_row *page = pages_find(head, &admin->subject.query);
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
	} else {
		admin_begin_page(client);
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
	admin->subject.sources = &admin->sources;
	admin->subject.begun_ns = admin->loop->now_ns;
	admin->live = live_new(&admin->sources, admin->subject.begun_ns);
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
	admin->subject.draining = true;
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
