/*
 * What the pumps of a session tell and ask for: the tracer is shown the messages, troubles are
 * counted and logged once a connection, ends go to ending.c.
 */
#include "proxy/carrying.h"

#include <assert.h>

#include "config/config.h"
#include "config/list.h"
#include "proxy/ending.h"
#include "proxy/explain/recorder.h"
#include "proxy/generation.h"
#include "proxy/log.h"
#include "proxy/message/splice.h"
#include "proxy/session.h"

/* ---- troubles of messages ---- */

static const struct {
	enum splice_trouble trouble;
	size_t counter; /* offset in struct loop_counters */
	const char *text;
} carrying_trouble_rows[] = {
	{SPLICE_NOT_JSON, offsetof(struct loop_counters, messages_not_json), "is not JSON"},
	{SPLICE_TOO_DEEP, offsetof(struct loop_counters, messages_too_deep),
		"is nested too deeply"},
	{SPLICE_UNDECIDED, offsetof(struct loop_counters, messages_undecided),
		"is too long before it is clear what it is"},
	{SPLICE_ENVELOPE_LARGE, offsetof(struct loop_counters, envelopes_large),
		"has too much in its envelope"},
	{SPLICE_NO_MEMORY, offsetof(struct loop_counters, messages_no_memory),
		"did not fit in memory"},
	{SPLICE_NO_PLACE, offsetof(struct loop_counters, requests_unplaced),
		"has no place for a trace context"},
};

void carrying_troubles(struct session *session, bool from_client, unsigned troubles)
{
	size_t i;

	assert(troubles != 0);
	for (i = 0; i < sizeof carrying_trouble_rows / sizeof carrying_trouble_rows[0]; i++) {
		unsigned bit = troubles & carrying_trouble_rows[i].trouble;

		if (bit == 0)
			continue;
		++*(uint64_t *)((char *)&session->pair.loop->counters +
				carrying_trouble_rows[i].counter);
		if ((session->troubles_logged & bit) != 0)
			continue;
		session->troubles_logged |= bit;
		log_line(LOG_WARN,
			"connection %llu: a message of the %s %s; passed on as it is (said once a "
			"connection)",
			session->pair.number, from_client ? "client" : "server",
			carrying_trouble_rows[i].text);
	}
}

static void carrying_pump_troubles(struct pump *pump, unsigned troubles)
{
	carrying_troubles(pump->owner, pump->direction == PUMP_CLIENT_TO_BACKEND, troubles);
}

/* Beside the bits of enum splice_trouble. */
#define CARRYING_UNDELIVERABLE 0x10000u
#define CARRYING_FOREIGN       0x20000u
#define CARRYING_SIZED         0x40000u
#define CARRYING_HTTP2         0x80000u

_Static_assert(CARRYING_UNDELIVERABLE > SPLICE_NO_PLACE, "no bit is used twice");

static void carrying_undeliverable(struct pump *pump)
{
	struct session *session = pump->owner;

	session->pair.loop->counters.messages_undeliverable++;
	if ((session->troubles_logged & CARRYING_UNDELIVERABLE) != 0)
		return;
	session->troubles_logged |= CARRYING_UNDELIVERABLE;
	log_line(LOG_WARN,
		"connection %llu: a message of the %s cannot be sent as %s; dropped (said once a "
		"connection)",
		session->pair.number,
		pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "server",
		pump->encoder.ops->name);
}

static void carrying_not_lines(struct pump *pump, bool sized)
{
	struct session *session = pump->owner;
	unsigned bit = sized ? CARRYING_SIZED : CARRYING_FOREIGN;

	if ((session->troubles_logged & bit) != 0)
		return;
	session->troubles_logged |= bit | SPLICE_NOT_JSON;
	log_line(LOG_WARN, "connection %llu: the %s %s", session->pair.number,
		pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "server",
		sized ? "announces sizes by Content-Length behind lines of JSON; nothing is "
			"changed "
			"on this connection, in either direction"
		      : "does not send JSON in lines; passed on as it comes, and not changed "
			"before there is some");
}

/* ---- what the pumps tell ---- */

static void carrying_broken(struct pump *pump)
{
	struct session *session = pump->owner;
	const struct side_error *error = &pump->decoder.error;
	bool by_client = pump->direction == PUMP_CLIENT_TO_BACKEND;

	if (session->pair.state == PAIR_CLOSED)
		return;
	session->pair.loop->counters.framing_errors++;
	log_line(LOG_WARN, "connection %llu: broken %s framing from the %s at byte %llu: %s",
		session->pair.number, pump->decoder.ops->name, by_client ? "client" : "server",
		(unsigned long long)error->offset, error->reason);
	pump_send_goodbye(&session->pumps[!pump->direction], error->goodbye, error->reason);
	pump_send_goodbye(pump, by_client ? SIDE_GOING : SIDE_BAD_GATEWAY, "");
	if (session->pair.state == PAIR_OPEN)
		session_finish(session, PAIR_FRAMING_ERROR);
}

static void carrying_other(struct pump *pump, const struct side_ops *side)
{
	struct session *session = pump->owner;
	const char *who = pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "server";

	if (side != NULL) {
		log_line(LOG_INFO, "connection %llu: the %s sends %s heads: so it is read",
			session->pair.number, who, side->name);
		return;
	}
	if ((session->troubles_logged & CARRYING_HTTP2) != 0)
		return;
	session->troubles_logged |= CARRYING_HTTP2;
	session->pair.loop->counters.connections_foreign++;
	log_line(LOG_WARN,
		"connection %llu: the %s speaks HTTP/2, which is not understood here; passed on as "
		"it comes",
		session->pair.number, who);
}

static size_t carrying_carrier(void *arg, struct envelope *envelope, const char **text)
{
	const struct pump *pump = arg;
	const struct session *session = pump->owner;

	if (pump->lines == PUMP_LINES_SIZED)
		return 0; /* known since this message began */
	if (pump->direction == PUMP_BACKEND_TO_CLIENT)
		return tracer_server_carrier(
			session->trace, envelope, session->pair.loop->now_ns, text);
	return tracer_carrier(session->trace, envelope, text);
}

void carrying_message(struct session *session, bool from_client, const struct envelope *envelope,
	uint64_t start_ns)
{
	uint64_t now_ns = session->pair.loop->now_ns;

	if (session->trace == NULL)
		return;
	if (from_client)
		tracer_client_message(session->trace, envelope, start_ns, now_ns);
	else
		tracer_backend_message(session->trace, envelope, now_ns);
}

static void carrying_envelope(void *arg, const struct envelope *envelope)
{
	const struct pump *pump = arg;

	carrying_message(pump->owner, pump->direction == PUMP_CLIENT_TO_BACKEND, envelope,
		pump->message_start_ns);
}

void carrying_record(struct session *session, bool from_client, const uint8_t *bytes, size_t size,
	bool first, bool last)
{
	if (session->recorded != NULL)
		recorder_take(session->recorded, from_client ? RECORDING_CLIENT : RECORDING_BACKEND,
			bytes, size, first, last, session->pair.loop->now_ns);
}

static void carrying_text(struct pump *pump, const struct side_chunk *chunk)
{
	carrying_record(pump->owner, pump->direction == PUMP_CLIENT_TO_BACKEND, chunk->bytes,
		chunk->size, chunk->first, chunk->last);
}

static void carrying_ended(struct pump *pump)
{
	ending_pump_ended(pump->owner, pump);
}

static void carrying_done(struct pump *pump)
{
	ending_pump_done(pump->owner, pump);
}

static void carrying_write_failed(struct pump *pump)
{
	ending_write_failed(pump->owner, pump);
}

static void carrying_read_failed(struct pump *pump, int error)
{
	session_fail(pump->owner, error);
}

static void carrying_closing(struct pump *pump)
{
	struct session *session = pump->owner;

	if (pump->direction == PUMP_CLIENT_TO_BACKEND && pump->back->output != PUMP_OUTPUT_CLOSED)
		session->client_closing = true;
}

static const struct pump_hooks carrying_hooks = {
	.message = {.carrier = carrying_carrier, .envelope = carrying_envelope},
	.text = carrying_text,
	.troubles = carrying_pump_troubles,
	.undeliverable = carrying_undeliverable,
	.not_lines = carrying_not_lines,
	.other = carrying_other,
	.closing = carrying_closing,
	.broken = carrying_broken,
	.ended = carrying_ended,
	.done = carrying_done,
	.write_failed = carrying_write_failed,
	.failed = carrying_read_failed,
};

/* What is done to the messages of one direction. */
static enum pump_task carrying_task(const struct session *session, enum pump_direction direction)
{
	const struct config *config = session->pair.generation->config;
	bool from_client = direction == PUMP_CLIENT_TO_BACKEND;
	bool injects = session->trace != NULL && list_place(&config->propagation_inject) != NULL &&
		       (from_client || config->propagation_inject_server_requests);

	if (from_client && tracer_strips(config))
		return injects ? PUMP_TASK_REPLACE : PUMP_TASK_STRIP;
	if (injects)
		return PUMP_TASK_INJECT;
	return session->trace != NULL ? PUMP_TASK_WATCH : PUMP_TASK_NONE;
}

void carrying_init(struct session *session)
{
	pump_init_pair(session->pumps, session->pair.loop, session->generation, &carrying_hooks,
		session, &session->pair.client, &session->pair.backend);
}

/* What is said from now on is recorded. */
static void carrying_open_record(struct session *session, const char *transport)
{
	const struct pair *pair = &session->pair;

	if (pair->loop->recorder == NULL || session->recorded != NULL)
		return;
	session->recorded = recorder_open(
		pair->loop->recorder, pair->number, transport, pair->route->command != NULL);
	if (session->recorded == NULL)
		log_line(LOG_WARN, "connection %llu: out of memory: not recorded", pair->number);
}

bool carrying_mode(struct session *session, enum splice_mode *mode)
{
	static const enum splice_mode modes[] = {
		[PUMP_TASK_NONE] = SPLICE_WATCH,
		[PUMP_TASK_WATCH] = SPLICE_WATCH,
		[PUMP_TASK_HOLD] = SPLICE_WATCH,
		[PUMP_TASK_STRIP] = SPLICE_STRIP,
		[PUMP_TASK_INJECT] = SPLICE_INJECT,
		[PUMP_TASK_REPLACE] = SPLICE_REPLACE,
	};
	enum pump_task task = carrying_task(session, PUMP_CLIENT_TO_BACKEND);

	carrying_open_record(session, "http");
	*mode = modes[task];
	return task != PUMP_TASK_NONE || session->recorded != NULL;
}

void carrying_open(struct session *session)
{
	const struct route *route = session->pair.route;

	assert(session->pair.state == PAIR_OPEN);
	pump_open(&session->pumps[PUMP_CLIENT_TO_BACKEND], route->client_side, route->backend_side,
		carrying_task(session, PUMP_CLIENT_TO_BACKEND));
	pump_open(&session->pumps[PUMP_BACKEND_TO_CLIENT], route->backend_side, route->client_side,
		carrying_task(session, PUMP_BACKEND_TO_CLIENT));
	carrying_open_record(session, route->transport);
	session->pumps[PUMP_CLIENT_TO_BACKEND].tells_text = session->recorded != NULL;
	session->pumps[PUMP_BACKEND_TO_CLIENT].tells_text = session->recorded != NULL;
}
