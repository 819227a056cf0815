/*
 * Questions; see query.h. As HTTP/1.0, so that the answer comes in one piece, which ends with the
 * connection or after its Content-Length. A query is over by an event of its own, so that the hook
 * is never called from within query_new().
 */
#include "proxy/top/query.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/address.h"
#include "proxy/side/http.h"

#define QUERY_SECONDS   5
#define QUERY_BYTES_MAX ((size_t)16 << 20)
#define QUERY_HEAD_MAX  ((size_t)64 << 10)

struct query {
	struct event_base *base;           /* borrowed */
	const struct query_target *target; /* borrowed */
	const char *path;                  /* borrowed */
	query_hook *hook;
	void *arg;
	struct bufferevent *stream; /* owned; NULL: between two addresses */
	struct event *over;         /* owned; after the time, or when it is over earlier */
	size_t next;                /* address */
	struct http_scan scan;
	struct http_head head; /* its size is 0 until it is there; its texts are not kept */
	bool has_length;
	unsigned long long length; /* of the body */
	const char *body;          /* borrowed from the stream, once it is over */
	size_t size;
	char why[QUERY_WHY_SIZE]; /* there is none */
};

/* Nothing more is read from now on. */
static void query_finish(struct query *query)
{
	assert(query->body == NULL || query->head.status == 200);
	if (query->stream != NULL)
		(void)bufferevent_disable(query->stream, EV_READ | EV_WRITE); /* cannot fail */
	event_active(query->over, EV_TIMEOUT, 0);
}

__attribute__((format(printf, 2, 3))) static void query_fail(
	struct query *query, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(query->why, sizeof query->why, format, args); /* may be cut */
	va_end(args);
	query_finish(query);
}

static void query_on_over(int fd, short what, void *arg)
{
	struct query *query = arg;

	(void)fd;
	(void)what;
	(void)event_del(query->over); /* it was set up, so this cannot fail */
	query->hook(query->arg, query->body, query->size, query->why);
}

/* ---- the answer ---- */

static const char *query_advice(unsigned status)
{
	switch (status) {
	case 401:
		return "it asks for the token in listen.token_file: --token-file FILE";
	case 403:
		return "it does not answer to this name";
	case 404:
		return "this is no admin.listen of sidespan, or of an older one";
	case 503:
		return "it has too much to do";
	default:
		return "that is not expected";
	}
}

/* Whether the head is there. */
static bool query_take_head(struct query *query, bool has_ended)
{
	struct evbuffer *in = bufferevent_get_input(query->stream);
	size_t size = evbuffer_get_length(in);
	const char *bytes = (const char *)evbuffer_pullup(in, -1);
	const struct http_field *length;

	assert(query->head.size == 0);
	if (bytes == NULL && size > 0) {
		query_fail(query, "out of memory");
		return false;
	}
	switch (http_response_parse(&query->head, &query->scan, bytes != NULL ? bytes : "",
		size < QUERY_HEAD_MAX ? size : QUERY_HEAD_MAX)) {
	case HTTP_MORE:
		if (size >= QUERY_HEAD_MAX)
			query_fail(query, "the head of its answer is too long");
		else if (has_ended)
			query_fail(query, "it has closed the connection without an answer");
		return false;
	case HTTP_BAD:
		query_fail(query, "it does not speak HTTP");
		return false;
	case HTTP_DONE:
		break;
	}
	length = http_field_find(&query->head, "Content-Length");
	query->has_length = length != NULL;
	if (length != NULL) /* its line ends in the head */
		query->length = strtoull(length->value.bytes, NULL, 10);
	return true;
}

/* What has come, in a buffer that is made one piece twice: for the head, and for the body. */
static void query_take(struct query *query, bool has_ended)
{
	struct evbuffer *in = bufferevent_get_input(query->stream);
	size_t size = evbuffer_get_length(in);

	if (size > QUERY_BYTES_MAX) {
		query_fail(query, "its answer is too long");
		return;
	}
	if (query->head.size == 0 && !query_take_head(query, has_ended))
		return;
	size -= query->head.size;
	if (query->head.status != 200) {
		query_fail(query, "it answers %u: %s", query->head.status,
			query_advice(query->head.status));
	} else if (query->has_length && size < query->length) {
		if (has_ended)
			query_fail(query, "its answer breaks off");
	} else if (query->has_length || has_ended) {
		query->body = (const char *)evbuffer_pullup(in, -1);
		if (query->body == NULL) {
			query_fail(query, "out of memory");
			return;
		}
		query->body += query->head.size;
		query->size = query->has_length ? (size_t)query->length : size;
		query_finish(query);
	}
}

static void query_on_readable(struct bufferevent *stream, void *arg)
{
	(void)stream;
	query_take(arg, false);
}

/* ---- the connection ---- */

static void query_dial(struct query *query, int error);

static void query_on_event(struct bufferevent *stream, short what, void *arg)
{
	int error = EVUTIL_SOCKET_ERROR();
	struct query *query = arg;

	(void)stream;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		return;
	if ((what & BEV_EVENT_EOF) != 0)
		query_take(query, true);
	else if (query->scan.seen == 0)
		query_dial(query, error);
	else
		query_fail(query, "%s", strerror(error));
}

/* With the request, which is sent once it is connected. */
static struct bufferevent *query_make_stream(struct query *query)
{
	const char *token = query->target->token;
	struct bufferevent *stream = bufferevent_socket_new(query->base, -1, BEV_OPT_CLOSE_ON_FREE);

	if (stream == NULL)
		return NULL;
	bufferevent_setcb(stream, query_on_readable, NULL, query_on_event, query);
	if (evbuffer_add_printf(bufferevent_get_output(stream),
		    "GET %s HTTP/1.0\r\nHost: %s\r\n%s%s%s\r\n", query->path, query->target->host,
		    token != NULL ? "Authorization: Bearer " : "", token != NULL ? token : "",
		    token != NULL ? "\r\n" : "") > 0 &&
		bufferevent_enable(stream, EV_READ | EV_WRITE) == 0)
		return stream;
	bufferevent_free(stream);
	return NULL;
}

/* The next address; error: what was wrong with the one before it. */
static void query_dial(struct query *query, int error)
{
	const struct query_target *target = query->target;
	struct sockaddr_storage name;

	for (; query->next < target->address_count; query->next++, error = errno) {
		if (query->stream != NULL)
			bufferevent_free(query->stream);
		query->stream = query_make_stream(query);
		if (query->stream == NULL) {
			query_fail(query, "out of memory");
			return;
		}
		name = target->addresses[query->next].storage;
		if (bufferevent_socket_connect(query->stream, (struct sockaddr *)&name,
			    (int)target->addresses[query->next].size) != 0)
			continue;
		query->next++;
		return;
	}
	query_fail(query, "%s", strerror(error));
}

struct query *query_new(struct event_base *base, const struct query_target *target,
	const char *path, query_hook *hook, void *arg)
{
	const struct timeval wait = {.tv_sec = QUERY_SECONDS};
	struct query *query = calloc(1, sizeof *query);

	if (query == NULL)
		return NULL;
	*query = (struct query){
		.base = base, .target = target, .path = path, .hook = hook, .arg = arg};
	(void)snprintf(
		query->why, sizeof query->why, "no answer in %d s", QUERY_SECONDS); /* fits */
	query->over = evtimer_new(base, query_on_over, query);
	if (query->over == NULL || event_add(query->over, &wait) != 0) {
		query_free(query);
		return NULL;
	}
	query_dial(query, 0);
	return query;
}

void query_free(struct query *query)
{
	if (query == NULL)
		return;
	if (query->stream != NULL)
		bufferevent_free(query->stream);
	if (query->over != NULL)
		event_free(query->over);
	free(query);
}
