/*
 * Answers, until the head of the final one. While the client has not taken an interim answer the
 * backend is not read, and nothing behind it is looked at.
 */
#include "proxy/reply.h"

#include <errno.h>

#include "config/config.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/outlet.h"
#include "proxy/pair.h"

static const char *const reply_dropped_interim[] = {"Content-Length", "Transfer-Encoding", NULL};

static enum reply_result reply_wrong(const char **why, const char *text)
{
	*why = text;
	return REPLY_WRONG;
}

static enum reply_result reply_take_interim(
	struct reply *reply, struct pair *pair, bool to_client, const char **why)
{
	const struct config *config = pair->loop->config;
	const struct http_head *parsed = &pair->loop->head;
	struct http_changes changes = {
		.drop = reply_dropped_interim, .add = "", .via = config->http_via};
	struct outlet outlet;

	reply->interim_count++;
	reply->interim_bytes += parsed->size;
	if (reply->interim_count > (size_t)config->handshake_interim_max ||
		reply->interim_bytes > (size_t)config->handshake_bytes_max) {
		pair->loop->counters.interims_refused++;
		return reply_wrong(why, "the server sends too many interim answers");
	}
	if (to_client) {
		outlet_begin(&outlet, pair->loop, &pair->client);
		outlet_head(&outlet, parsed, &changes);
		if (outlet_end(&outlet) != 0) {
			pair_client_failed(pair);
			return REPLY_OVER;
		}
	}
	head_next(&reply->head, 0);
	reply->waiting = to_client && endpoint_backlog(&pair->client) > 0;
	if (reply->waiting)
		endpoint_pause(&pair->backend);
	return REPLY_MORE;
}

/* Looks at what has been read: interim answers may stand in front of the final one. */
static enum reply_result reply_parse(
	struct reply *reply, struct pair *pair, bool to_client, const char **why)
{
	struct http_head *parsed = &pair->loop->head;
	struct head *head = &reply->head;
	enum reply_result result;

	for (;;) {
		switch (http_response_parse(parsed, &head->scan, head->bytes, head->used)) {
		case HTTP_MORE:
			return REPLY_MORE;
		case HTTP_BAD:
			log_line(LOG_WARN, "connection %llu: the server's answer: %s", pair->number,
				parsed->bad_reason);
			return reply_wrong(why, "the server's answer is not HTTP");
		case HTTP_DONE:
			break;
		}
		*why = http_connection_check(parsed);
		if (*why != NULL) {
			log_line(LOG_WARN, "connection %llu: the server's answer: %s", pair->number,
				*why);
			return reply_wrong(why, "the server's answer is not valid");
		}
		if (parsed->status >= 200 || parsed->status == 101)
			return REPLY_DONE;
		result = reply_take_interim(reply, pair, to_client, why);
		if (result != REPLY_MORE || reply->waiting)
			return result;
	}
}

enum reply_result reply_read(
	struct reply *reply, struct pair *pair, bool to_client, const char **why)
{
	size_t bytes_max = (size_t)pair->loop->config->handshake_bytes_max;

	switch (head_read(&reply->head, &pair->backend, bytes_max)) {
	case HEAD_READ:
		return reply_parse(reply, pair, to_client, why);
	case HEAD_LATER:
		return REPLY_MORE;
	case HEAD_END:
		return reply_wrong(why, "the server closed before it answered");
	case HEAD_FULL:
		return reply_wrong(why, "the server's answer is too large");
	case HEAD_FAILED:
		break;
	}
	pair_fail(pair, errno);
	return REPLY_OVER;
}

enum reply_result reply_drained(
	struct reply *reply, struct pair *pair, bool to_client, const char **why)
{
	enum reply_result result;

	if (!reply->waiting || endpoint_backlog(&pair->client) > 0)
		return REPLY_MORE;
	reply->waiting = false;
	result = reply_parse(reply, pair, to_client, why);
	if (result == REPLY_MORE && !reply->waiting)
		endpoint_resume(&pair->backend);
	return result;
}
