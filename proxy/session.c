/*
 * Sessions: the two peers of a conversation and what becomes of them. Every event of an endpoint
 * comes in through session_on_event() and goes, by the session's state, to the handshake, to a
 * pump, or nowhere. What the end of one half means for the other stands in ending.c.
 */
#include "proxy/session.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/dial.h"
#include "proxy/ending.h"
#include "proxy/endpoint/child.h"
#include "proxy/exchange.h"
#include "proxy/explain/recorder.h"
#include "proxy/greeting.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/message/splice.h"
#include "proxy/sources.h"
#include "proxy/upgrade.h"

#define SESSION_START_MS      1000 /* for a first byte, before a command is started without */
#define SESSION_FINISH_MS     1000 /* for a last word to be read by the client */
#define SESSION_CLOSE_GOING   1001 /* RFC 6455, 7.4.1: going away */
#define SESSION_CLOSE_ERROR   1011 /* the same: what was asked for cannot be done */
#define SESSION_CLOSE_GATEWAY 1014 /* registered for bad gateways */

static const struct {
	const char *text;
	enum tracer_end end;
} session_reasons[] = {
	[SESSION_ENDED] = {"both sides ended", TRACER_CONNECTION_CLOSED},
	[SESSION_CLIENT_GONE] = {"the client went away", TRACER_CONNECTION_CLOSED},
	[SESSION_BACKEND_GONE] = {"the backend ended", TRACER_BACKEND_EXITED},
	[SESSION_BACKEND_UNREACHABLE] = {"the backend is not reachable", TRACER_BACKEND_EXITED},
	[SESSION_FRAMING_ERROR] = {"broken framing", TRACER_CONNECTION_CLOSED},
	[SESSION_HANDSHAKE_FAILED] = {"no upgrade", TRACER_CONNECTION_CLOSED},
	[SESSION_HTTP] = {"an HTTP request where lines of JSON are spoken",
		TRACER_CONNECTION_CLOSED},
	[SESSION_SILENT] = {"nobody said anything within first_byte.timeout",
		TRACER_CONNECTION_CLOSED},
	[SESSION_IDLE] = {"idle for idle.timeout", TRACER_CONNECTION_CLOSED},
	[SESSION_NO_RESOURCES] = {"out of resources", TRACER_CONNECTION_CLOSED},
	[SESSION_SHUTDOWN] = {"shutdown", TRACER_SHUTDOWN},
};

enum tracer_end session_reason_end(enum session_reason reason)
{
	return session_reasons[reason].end;
}

/* ---- closing ---- */

static void session_timer_stop(struct session *session)
{
	if (session->timer != NULL)
		(void)event_del(session->timer); /* it was set up, so this cannot fail */
}

/* How loud the end is told. */
static enum log_level session_end_level(const struct session *session)
{
	if (session->reason == SESSION_HTTP)
		return LOG_WARN; /* the only line about it */
	return session->opened ? LOG_INFO : LOG_DEBUG;
}

/* All that is still in flight gets its span now. */
static void session_end_trace(struct session *session)
{
	tracer_connection_free(
		session->trace, session_reason_end(session->reason), session->loop->now_ns);
	session->trace = NULL;
	recorder_end(session->recorded, session_reason_end(session->reason), session->loop->now_ns);
}

/* The backend is not wanted any more, wherever it is. */
static void session_drop_backend(struct session *session)
{
	dial_cancel(session->dial);
	session->dial = NULL;
	endpoint_close(&session->backend);
}

static void session_silence(struct session *session)
{
	pump_silence(&session->pumps[PUMP_CLIENT_TO_BACKEND]);
	pump_silence(&session->pumps[PUMP_BACKEND_TO_CLIENT]);
}

void session_close(struct session *session, enum session_reason reason)
{
	struct loop *loop = session->loop;

	if (session->state == SESSION_CLOSED)
		return;
	if (session->state != SESSION_FINISHING)
		session->reason = reason;
	session->state = SESSION_CLOSED;
	log_line(session_end_level(session), "connection %llu: closed: %s", session->number,
		session_reasons[session->reason].text);
	endpoint_close(&session->client);
	session_drop_backend(session);
	if (session->source != NULL)
		sources_leave(session->source);
	session->source = NULL;
	if (session->route->command != NULL)
		child_leave(loop->children, session);
	session_timer_stop(session);
	session_end_trace(session);
	session_silence(session);
	loop_leave(loop, &session->guest);
}

static void session_reap(struct session *session)
{
	assert(session->state == SESSION_CLOSED);
	if (session->route->reaped != NULL)
		session->route->reaped(session->route->reaped_arg, session);
	pump_done(&session->pumps[PUMP_CLIENT_TO_BACKEND]);
	pump_done(&session->pumps[PUMP_BACKEND_TO_CLIENT]);
	upgrade_free(session->upgrade);
	exchange_free(session->exchange);
	greeting_free(session->greeting);
	recorder_close(session->recorded);
	if (session->timer != NULL)
		event_free(session->timer);
	free(session);
}

static void session_on_timer(int fd, short what, void *arg);

static int session_timer_start(struct session *session, int64_t ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (session->timer == NULL)
		session->timer = evtimer_new(session->loop->base, session_on_timer, session);
	return session->timer != NULL ? event_add(session->timer, &wait) : -1;
}

void session_finish(struct session *session, enum session_reason reason)
{
	if (session->state == SESSION_CLOSED || session->state == SESSION_FINISHING)
		return;
	session->reason = reason;
	session->state = SESSION_FINISHING;
	session_drop_backend(session);
	session_end_trace(session);
	session_silence(session);
	endpoint_resume(&session->client);
	endpoint_shutdown(&session->client);
	if (session_timer_start(session, SESSION_FINISH_MS) != 0)
		session_close(session, reason);
}

void session_fail(struct session *session, int error)
{
	if (session->state == SESSION_FINISHING)
		session_close(session, session->reason);
	if (session->state == SESSION_CLOSED)
		return;
	session->loop->counters.sessions_failed++;
	log_line(LOG_ERROR, "connection %llu: cannot go on: %s", session->number, strerror(error));
	if (session->state == SESSION_OPENING) {
		if (session->upgrade != NULL)
			upgrade_failed(session);
		else
			session_close(session, SESSION_NO_RESOURCES);
		return;
	}
	if (session->state == SESSION_EXCHANGE) {
		exchange_fail(session);
		return;
	}
	if (session->state == SESSION_OPEN) {
		pump_send_close(&session->pumps[PUMP_CLIENT_TO_BACKEND], SESSION_CLOSE_ERROR, "");
		pump_send_close(&session->pumps[PUMP_BACKEND_TO_CLIENT], SESSION_CLOSE_ERROR, "");
	}
	session_finish(session, SESSION_NO_RESOURCES);
}

void session_client_failed(struct session *session)
{
	if (session->client.is_ours)
		session_fail(session, session->client.error);
	else
		session_close(session, SESSION_CLIENT_GONE);
}

/* The way to the backend does not exist: the client is told as its protocol allows. */
static void session_unreachable(struct session *session, const char *why)
{
	session->loop->counters.sessions_refused++;
	log_line(LOG_ERROR, "connection %llu: cannot %s %s: %s", session->number,
		session->route->command != NULL ? "start" : "reach", session->route->upstream, why);
	if (session->upgrade != NULL)
		upgrade_unreachable(session, "the backend is not reachable");
	else
		session_close(session, SESSION_BACKEND_UNREACHABLE);
}

/* Reads and throws away, so that closing does not reset the connection under the last word. */
static void session_discard(struct session *session)
{
	ssize_t n = endpoint_read(&session->client, session->loop->read_bytes, LOOP_READ_SIZE);

	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))
		return;
	if (endpoint_backlog(&session->client) == 0)
		session_close(session, session->reason);
	else
		endpoint_pause(&session->client);
}

void session_say_goodbye(struct session *session)
{
	if (session->state != SESSION_OPEN)
		return;
	pump_send_close(&session->pumps[PUMP_CLIENT_TO_BACKEND], SESSION_CLOSE_GOING, "");
	pump_send_close(&session->pumps[PUMP_BACKEND_TO_CLIENT], SESSION_CLOSE_GOING, "");
}

/* ---- the timer ---- */

/* A slow peer, to which something was written since the last look, is not idle. */
static void session_note_written(struct session *session)
{
	size_t backlogs = endpoint_backlog(&session->client) + endpoint_backlog(&session->backend);

	if (backlogs != session->backlogs)
		session->active_ns = session->loop->now_ns;
	session->backlogs = backlogs;
}

/* Whether the command is not even being started: its client has said nothing so far. */
static bool session_waits_to_start(const struct session *session)
{
	return session->route->command != NULL && session->greeting != NULL &&
	       session->backend.state == ENDPOINT_CLOSED;
}

static void session_on_timer(int fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	loop_clock(session->loop);
	switch (session->state) {
	case SESSION_OPENING:
		if (session_waits_to_start(session))
			(void)session_connect(session); /* it tells of its failure */
		else if (session->upgrade != NULL)
			upgrade_timeout(session);
		else
			session_unreachable(session, strerror(ETIMEDOUT));
		break;
	case SESSION_OPEN:
		session_note_written(session);
		ending_timeout(session);
		break;
	case SESSION_FINISHING:
		session_close(session, session->reason);
		break;
	case SESSION_EXCHANGE:
		exchange_timeout(session);
		break;
	case SESSION_CLOSED:
		break;
	}
}

int session_timer(struct session *session, int64_t ms)
{
	if (session_timer_start(session, ms) == 0)
		return 0;
	session_fail(session, ENOMEM);
	return -1;
}

/* Closes a client's connection that has been idle for too long, from its first moment on or later.
 */
static void session_check_idle(struct session *session)
{
	const struct config *config = session->loop->config;
	int64_t limit_ms = config->idle_timeout_ms;

	if (session->state != SESSION_OPEN && session->state != SESSION_EXCHANGE)
		return;
	if (!session->spoken && config->first_byte_timeout_ms != 0 &&
		(limit_ms == 0 || config->first_byte_timeout_ms < limit_ms))
		limit_ms = config->first_byte_timeout_ms;
	if (limit_ms == 0 ||
		session->loop->now_ns - session->active_ns < (uint64_t)limit_ms * 1000000)
		return;
	if (session->spoken)
		session->loop->counters.idle++;
	else
		session->loop->counters.silent++;
	session_say_goodbye(session);
	session_finish(session, session->spoken ? SESSION_IDLE : SESSION_SILENT);
}

void session_tick(struct session *session)
{
	session_note_written(session);
	if (session->loop->config->listen_url.scheme != URL_NONE)
		session_check_idle(session);
	if (session->state == SESSION_OPEN)
		ending_tick(session);
	if (session->state == SESSION_CLOSED)
		return;
	if (session->timer != NULL && event_pending(session->timer, EV_TIMEOUT, NULL) == 0) {
		event_free(session->timer); /* most sessions never need it again */
		session->timer = NULL;
	}
	if (session->trace != NULL)
		tracer_connection_expire(session->trace, session->loop->now_ns);
}

/* ---- troubles of messages ---- */

static const struct {
	enum splice_trouble trouble;
	size_t counter; /* offset in struct loop_counters */
	const char *text;
} session_trouble_rows[] = {
	{SPLICE_NOT_JSON, offsetof(struct loop_counters, messages_not_json), "is not JSON"},
	{SPLICE_TOO_DEEP, offsetof(struct loop_counters, messages_too_deep),
		"is nested too deeply"},
	{SPLICE_UNDECIDED, offsetof(struct loop_counters, messages_undecided),
		"is too long before it is clear what it is"},
	{SPLICE_ENVELOPE_LARGE, offsetof(struct loop_counters, envelopes_large),
		"has too much in its envelope"},
	{SPLICE_NO_MEMORY, offsetof(struct loop_counters, messages_no_memory),
		"did not fit in memory"},
};

static void session_troubles(struct pump *pump, unsigned troubles)
{
	struct session *session = pump->owner;
	size_t i;

	for (i = 0; i < sizeof session_trouble_rows / sizeof session_trouble_rows[0]; i++) {
		unsigned bit = troubles & session_trouble_rows[i].trouble;

		if (bit == 0)
			continue;
		++*(uint64_t *)((char *)&session->loop->counters + session_trouble_rows[i].counter);
		if ((session->troubles_logged & bit) != 0)
			continue;
		session->troubles_logged |= bit;
		log_line(LOG_WARN,
			"connection %llu: a message of the %s %s; passed on as it is (said once a "
			"connection)",
			session->number,
			pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "backend",
			session_trouble_rows[i].text);
	}
}

/* Beside the bits of enum splice_trouble. */
#define SESSION_UNDELIVERABLE 0x10000u
#define SESSION_FOREIGN       0x20000u
#define SESSION_SIZED         0x40000u

static void session_undeliverable(struct pump *pump)
{
	struct session *session = pump->owner;

	session->loop->counters.messages_undeliverable++;
	if ((session->troubles_logged & SESSION_UNDELIVERABLE) != 0)
		return;
	session->troubles_logged |= SESSION_UNDELIVERABLE;
	log_line(LOG_WARN,
		"connection %llu: a message of the %s cannot be sent as %s; dropped (said once a "
		"connection)",
		session->number, pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "backend",
		pump->encoder.ops->name);
}

static void session_not_lines(struct pump *pump, bool sized)
{
	struct session *session = pump->owner;
	unsigned bit = sized ? SESSION_SIZED : SESSION_FOREIGN;

	if ((session->troubles_logged & bit) != 0)
		return;
	session->troubles_logged |= bit | SPLICE_NOT_JSON;
	log_line(LOG_WARN, "connection %llu: the %s %s", session->number,
		pump->direction == PUMP_CLIENT_TO_BACKEND ? "client" : "backend",
		sized ? "announces sizes by Content-Length, which is not understood here; nothing "
			"is "
			"changed on this connection, in either direction"
		      : "does not send JSON in lines; passed on as it comes, and not changed "
			"before "
			"there is some");
}

/* ---- what the pumps tell ---- */

static void session_framing_error(struct pump *pump)
{
	struct session *session = pump->owner;
	const struct codec_error *error = &pump->decoder.error;
	bool by_client = pump->direction == PUMP_CLIENT_TO_BACKEND;

	if (session->state == SESSION_CLOSED)
		return;
	session->loop->counters.framing_errors++;
	log_line(LOG_WARN, "connection %llu: broken %s framing from the %s at byte %llu: %s",
		session->number, pump->decoder.ops->name, by_client ? "client" : "backend",
		(unsigned long long)error->offset, error->reason);
	pump_send_close(&session->pumps[!pump->direction], error->close_code, error->reason);
	pump_send_close(pump, by_client ? SESSION_CLOSE_GOING : SESSION_CLOSE_GATEWAY, "");
	if (session->state == SESSION_OPEN)
		session_finish(session, SESSION_FRAMING_ERROR);
}

static size_t session_carrier(void *arg, struct envelope *envelope, const char **text)
{
	const struct pump *pump = arg;
	const struct session *session = pump->owner;

	if (pump->lines == PUMP_LINES_SIZED)
		return 0; /* known since this message began */
	if (pump->direction == PUMP_BACKEND_TO_CLIENT)
		return tracer_server_carrier(session->trace, envelope, session->loop->now_ns, text);
	return tracer_carrier(session->trace, envelope, text);
}

static void session_envelope(void *arg, const struct envelope *envelope)
{
	const struct pump *pump = arg;
	const struct session *session = pump->owner;

	if (session->trace == NULL)
		return;
	if (pump->direction == PUMP_CLIENT_TO_BACKEND)
		tracer_client_message(
			session->trace, envelope, pump->message_start_ns, session->loop->now_ns);
	else
		tracer_backend_message(session->trace, envelope, session->loop->now_ns);
}

static void session_text(struct pump *pump, const struct codec_chunk *chunk)
{
	const struct session *session = pump->owner;

	recorder_take(session->recorded,
		pump->direction == PUMP_CLIENT_TO_BACKEND ? RECORDING_CLIENT : RECORDING_BACKEND,
		chunk->bytes, chunk->size, chunk->first, chunk->last, session->loop->now_ns);
}

static void session_pump_ended(struct pump *pump)
{
	ending_pump_ended(pump->owner, pump);
}

static void session_pump_done(struct pump *pump)
{
	ending_pump_done(pump->owner, pump);
}

static void session_write_failed(struct pump *pump)
{
	ending_write_failed(pump->owner, pump);
}

static void session_read_failed(struct pump *pump, int error)
{
	session_fail(pump->owner, error);
}

static void session_closing(struct pump *pump)
{
	struct session *session = pump->owner;

	if (pump->direction == PUMP_CLIENT_TO_BACKEND && pump->back->output != PUMP_OUTPUT_CLOSED)
		session->client_closing = true;
}

static const struct pump_hooks session_pump_hooks = {
	.message = {.carrier = session_carrier, .envelope = session_envelope},
	.text = session_text,
	.troubles = session_troubles,
	.undeliverable = session_undeliverable,
	.not_lines = session_not_lines,
	.closing = session_closing,
	.broken = session_framing_error,
	.ended = session_pump_ended,
	.done = session_pump_done,
	.write_failed = session_write_failed,
	.failed = session_read_failed,
};

/* What is done to the messages of one direction. */
static enum pump_task session_task(const struct session *session, enum pump_direction direction)
{
	const struct config *config = session->loop->config;
	bool from_client = direction == PUMP_CLIENT_TO_BACKEND;

	if (session->trace != NULL && config->propagation_inject[0] == '/' &&
		(from_client || config->propagation_inject_server_requests))
		return PUMP_TASK_INJECT;
	if (from_client && config->propagation_strip)
		return PUMP_TASK_STRIP;
	return session->trace != NULL ? PUMP_TASK_WATCH : PUMP_TASK_NONE;
}

/* ---- opening ---- */

/* On a Unix socket the kernel knows who is at the other end. */
static void session_tell_open(const struct session *session)
{
	enum url_scheme scheme = session->loop->config->listen_url.scheme;
	struct ucred peer;
	socklen_t size = sizeof peer;

	if ((scheme == URL_UNIX || scheme == URL_WS_UNIX) && log_enabled(LOG_INFO) &&
		getsockopt(session->client.read_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		log_line(LOG_INFO, "connection %llu: open: process %ld of user %lu",
			session->number, (long)peer.pid, (unsigned long)peer.uid);
	else
		log_line(LOG_INFO, "connection %llu: open", session->number);
}

/* A peer has said something: the connection is not idle. */
static void session_heard(struct session *session)
{
	session->spoken = true;
	session->active_ns = session->loop->now_ns;
}

/* Whether there is any HTTP to be spoken before messages flow. */
static bool session_needs_upgrade(const struct session_route *route)
{
	return route->client_codec == &codec_websocket || route->backend_codec == &codec_websocket;
}

/* Carries what arrived behind a handshake, unless the session has ended meanwhile. */
static void session_carry(
	struct session *session, enum pump_direction direction, uint8_t *bytes, size_t size)
{
	if (size > 0 && session->state == SESSION_OPEN &&
		session->pumps[direction].state == PUMP_FLOWING)
		pump_take(&session->pumps[direction], bytes, size);
}

/*
 * The client's first bytes are settled: they are not HTTP. They flow as soon as the backend is
 * there.
 */
static void session_greeted(struct session *session)
{
	struct greeting *greeting = session->greeting;
	struct pump *pump = &session->pumps[PUMP_CLIENT_TO_BACKEND];

	if (session->state == SESSION_OPENING) {
		endpoint_pause(&session->client);
		if (session_waits_to_start(session))
			(void)session_connect(session); /* it tells of its failure */
		return;
	}
	session->greeting = NULL;
	session_heard(session);
	pump->state = PUMP_FLOWING;
	session_carry(session, PUMP_CLIENT_TO_BACKEND, greeting->bytes, greeting->size);
	greeting_free(greeting);
	if (session->state == SESSION_OPEN && pump->state == PUMP_FLOWING)
		pump_readable(pump);
}

/* The client says something, and it is not settled yet what it speaks. */
static void session_greet(struct session *session)
{
	struct loop *loop = session->loop;

	loop_clock(loop);
	switch (greeting_readable(
		session->greeting, &session->client, loop->read_bytes, LOOP_READ_SIZE)) {
	case GREETING_MORE:
		break;
	case GREETING_SETTLED:
		if (session->greeting->silent && session_waits_to_start(session))
			session_close(session, SESSION_CLIENT_GONE);
		else
			session_greeted(session);
		break;
	case GREETING_IS_HTTP:
		loop->counters.http_refused++;
		session_close(session, SESSION_HTTP);
		break;
	case GREETING_NO_MEMORY:
		session_fail(session, ENOMEM);
		break;
	}
}

/* What goes through the pumps from now on is recorded. */
static void session_record(struct session *session)
{
	session->recorded = recorder_open(session->loop->recorder, session->number,
		session->route->transport, session->route->command != NULL);
	if (session->recorded == NULL) {
		log_line(LOG_WARN, "connection %llu: out of memory: not recorded", session->number);
		return;
	}
	session->pumps[PUMP_CLIENT_TO_BACKEND].tells_text = true;
	session->pumps[PUMP_BACKEND_TO_CLIENT].tells_text = true;
}

void session_open(struct session *session, uint8_t *client_bytes, size_t client_size,
	uint8_t *backend_bytes, size_t backend_size)
{
	struct loop *loop = session->loop;
	const struct session_route *route = session->route;

	session_timer_stop(session);
	session->state = SESSION_OPEN;
	session->opened = true;
	session->active_ns = loop->now_ns;
	session->spoken = session_needs_upgrade(route);
	if (loop->tracing) {
		session->trace = tracer_connection_new(
			loop->tracer, session->number, route->transport, route->command != NULL);
		if (session->trace == NULL)
			log_line(LOG_WARN, "connection %llu: out of memory: not traced",
				session->number);
	}
	pump_open(&session->pumps[PUMP_CLIENT_TO_BACKEND], route->client_codec,
		route->backend_codec, session_task(session, PUMP_CLIENT_TO_BACKEND));
	pump_open(&session->pumps[PUMP_BACKEND_TO_CLIENT], route->backend_codec,
		route->client_codec, session_task(session, PUMP_BACKEND_TO_CLIENT));
	if (loop->recorder != NULL)
		session_record(session);
	if (session->greeting != NULL)
		session->pumps[PUMP_CLIENT_TO_BACKEND].state = PUMP_IDLE; /* until it is settled */
	session_tell_open(session);
	endpoint_resume(&session->client);
	endpoint_resume(&session->backend);
	if (session->greeting != NULL && session->greeting->settled)
		session_greeted(session);
	session_carry(session, PUMP_CLIENT_TO_BACKEND, client_bytes, client_size);
	session_carry(session, PUMP_BACKEND_TO_CLIENT, backend_bytes, backend_size);
}

void session_exchange(struct session *session, struct exchange *exchange)
{
	session->state = SESSION_EXCHANGE;
	session->exchange = exchange;
	session_heard(session);
}

/* The backend can be spoken to. */
static void session_connected(struct session *session)
{
	if (session->upgrade != NULL) {
		if (session_timer(session, session->loop->config->handshake_timeout_ms) == 0)
			upgrade_connected(session);
	} else {
		session_open(session, NULL, 0, NULL, 0);
	}
}

/* Its endpoint has been made. 0, or -1: the session has ended. */
static int session_start_backend(struct session *session)
{
	session->backend.low_mark = session->client.low_mark;
	endpoint_pause(&session->backend); /* until somebody wants to read */
	if (endpoint_start(&session->backend) == 0)
		return 0;
	session_fail(session, session->backend.error);
	return -1;
}

/* Opens only when the command runs: see session_child_started(). */
static int session_start_command(struct session *session)
{
	bool wraps = session->client.read_fd != session->client.write_fd;
	int read_fd, write_fd;

	if (child_spawn(session->loop->children, session->route->command, session, &read_fd,
		    &write_fd) != 0) {
		session->start_failure = CHILD_NO_RESOURCES;
		session_unreachable(session, strerror(errno));
		return -1;
	}
	endpoint_init_pipes(&session->backend, session->loop->base, read_fd, write_fd,
		session->client.hook, session);
	if (session_start_backend(session) != 0)
		return -1;
	if (wraps)
		return 0; /* who wraps a command waits for it in any case */
	return session_timer(session, session->loop->config->connect_timeout_ms);
}

void session_child_started(struct session *session, enum child_outcome outcome, int error)
{
	if (session->state != SESSION_OPENING)
		return;
	session->start_failure = outcome;
	if (outcome == CHILD_STARTED)
		session_connected(session);
	else
		session_unreachable(session,
			outcome == CHILD_NOT_FOUND ? "command not found" : strerror(error));
}

static void session_on_dial(void *arg, enum dial_event event, int fd, const char *why)
{
	struct session *session = arg;

	switch (event) {
	case DIAL_WAITS:
		log_line(LOG_WARN, "connection %llu: %s is not there yet: %s; trying again",
			session->number, session->route->upstream, why);
		break;
	case DIAL_FAILED:
		session->dial = NULL;
		session_unreachable(session, why);
		break;
	case DIAL_CONNECTED:
		session->dial = NULL;
		endpoint_init_socket(
			&session->backend, session->loop->base, fd, session->client.hook, session);
		if (session_start_backend(session) == 0)
			session_connected(session);
		break;
	}
}

int session_connect(struct session *session)
{
	session_timer_stop(session); /* what comes next has limits of its own */
	if (session->route->command != NULL)
		return session_start_command(session);
	session->dial = dial_new(session->loop, session->route->resolver, session_on_dial, session);
	if (session->dial == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	dial_start(session->dial);
	return session->state == SESSION_CLOSED ? -1 : 0;
}

/* ---- events ---- */

static void session_readable(struct session *session, struct endpoint *endpoint)
{
	bool from_client = endpoint == &session->client;
	struct pump *pump =
		&session->pumps[from_client ? PUMP_CLIENT_TO_BACKEND : PUMP_BACKEND_TO_CLIENT];

	switch (pump->state) {
	case PUMP_FLOWING:
	case PUMP_THROTTLED:
		pump_readable(pump); /* looks at the clock */
		session_heard(session);
		if (!from_client)
			session->backend_read_ns = session->loop->now_ns;
		break;
	case PUMP_IDLE: /* open but for the client's first bytes */
		session_greet(session);
		break;
	case PUMP_ENDED:
	case PUMP_DONE:
		if (from_client && pump->output == PUMP_OUTPUT_FAILED)
			ending_discard(session);
		else
			endpoint_pause(endpoint);
		break;
	}
}

static void session_failed(struct session *session, struct endpoint *endpoint)
{
	struct pump *pump = &session->pumps[endpoint == &session->client ? PUMP_BACKEND_TO_CLIENT
									 : PUMP_CLIENT_TO_BACKEND];

	loop_clock(session->loop);
	if (endpoint->is_ours) {
		session_fail(session, endpoint->error);
	} else if (session->state == SESSION_FINISHING) {
		session_close(session, session->reason);
	} else if (session->state == SESSION_OPENING && endpoint == &session->backend) {
		session_unreachable(session, strerror(endpoint->error));
	} else if (session->state == SESSION_EXCHANGE) {
		exchange_failed(session, endpoint);
	} else {
		pump_write_failed(pump);
	}
}

static void session_drained(struct session *session, struct endpoint *endpoint)
{
	if (session->state == SESSION_EXCHANGE)
		exchange_drained(session, endpoint);
	else if (session->state == SESSION_OPENING && session->upgrade != NULL)
		upgrade_drained(session);
	else
		pump_drained(
			&session->pumps[endpoint == &session->client ? PUMP_BACKEND_TO_CLIENT
								     : PUMP_CLIENT_TO_BACKEND]);
}

static void session_on_readable(struct session *session, struct endpoint *endpoint)
{
	switch (session->state) {
	case SESSION_OPENING:
		loop_clock(session->loop);
		if (session->greeting != NULL && endpoint == &session->client)
			session_greet(session);
		else
			upgrade_readable(session, endpoint);
		break;
	case SESSION_EXCHANGE:
		loop_clock(session->loop);
		session_heard(session);
		exchange_readable(session, endpoint);
		break;
	case SESSION_OPEN:
		session_readable(session, endpoint);
		break;
	case SESSION_FINISHING:
		loop_clock(session->loop);
		session_discard(session);
		break;
	case SESSION_CLOSED:
		break;
	}
}

static void session_shut(struct session *session, struct endpoint *endpoint)
{
	if (session->state == SESSION_FINISHING)
		endpoint_resume(&session->client); /* its end may have come before */
	else
		pump_ended(&session->pumps[endpoint == &session->client ? PUMP_BACKEND_TO_CLIENT
									: PUMP_CLIENT_TO_BACKEND]);
}

static void session_on_event(void *arg, struct endpoint *endpoint, enum endpoint_event event)
{
	struct session *session = arg;

	if (session->state == SESSION_CLOSED)
		return;
	switch (event) {
	case ENDPOINT_READABLE:
		session_on_readable(session, endpoint);
		break;
	case ENDPOINT_DRAINED:
		session_drained(session, endpoint);
		break;
	case ENDPOINT_SHUT:
		session_shut(session, endpoint);
		break;
	case ENDPOINT_FAILED:
		session_failed(session, endpoint);
		break;
	}
}

/* ---- life ---- */

/* The session that a guest of the loop's is. */
static struct session *session_of(struct loop_guest *guest)
{
	_Static_assert(offsetof(struct session, guest) == 0, "one is cast to the other");
	return (struct session *)guest;
}

static void session_guest_tick(struct loop_guest *guest)
{
	session_tick(session_of(guest));
}

static size_t session_guest_waiting(const struct loop_guest *guest)
{
	const struct session *session = (const struct session *)guest;

	return session->trace != NULL ? tracer_connection_waiting(session->trace) : 0;
}

static void session_guest_stop(struct loop_guest *guest)
{
	session_say_goodbye(session_of(guest));
	session_close(session_of(guest), SESSION_SHUTDOWN);
}

static void session_guest_reap(struct loop_guest *guest)
{
	session_reap(session_of(guest));
}

static const struct loop_guest_ops session_guest_ops = {
	.tick = session_guest_tick,
	.waiting = session_guest_waiting,
	.stop = session_guest_stop,
	.reap = session_guest_reap,
};

static struct session *session_new(struct loop *loop, const struct session_route *route)
{
	struct session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return NULL;
	session->guest.ops = &session_guest_ops;
	session->loop = loop;
	session->route = route;
	session->number = loop->counters.sessions++;
	session->state = SESSION_OPENING;
	endpoint_init_closed(&session->client);
	endpoint_init_closed(&session->backend);
	pump_init_pair(session->pumps, loop, &session_pump_hooks, session, &session->client,
		&session->backend);
	loop_enter(loop, &session->guest);
	return session;
}

/*
 * The client is there: begins to wait for its request, or its first byte, or goes to the backend at
 * once.
 */
static int session_begin(struct session *session)
{
	const struct config *config = session->loop->config;
	bool upgrade = session_needs_upgrade(session->route);
	bool lines = session->route->client_codec != &codec_websocket;
	bool socket = session->client.read_fd == session->client.write_fd;

	session->client.low_mark = (size_t)config->backlog_bytes_max / 4;
	if (lines && !socket)
		endpoint_pause(&session->client); /* until the backend is there */
	if (lines && socket && (session->greeting = greeting_new()) == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	if (upgrade && session_timer(session, config->handshake_timeout_ms) != 0)
		return -1;
	if (endpoint_start(&session->client) != 0) {
		session_fail(session, session->client.error);
		return -1;
	}
	if (upgrade)
		return upgrade_begin(session);
	if (session_waits_to_start(session))
		return session_timer(session, SESSION_START_MS);
	return session_connect(session);
}

/* Why a connection is not even begun. */
static void session_refuse(struct loop *loop, int fd, int error)
{
	char text[SOURCES_TEXT_MAX];

	if (error == EUSERS) {
		loop->counters.over_source++;
		log_line(LOG_WARN,
			"connections.max_per_source is reached: a connection of %s was refused",
			sources_text(fd, text));
	} else {
		loop->counters.sessions_refused++;
		log_line(LOG_ERROR, "out of memory: a connection was refused");
	}
	(void)close(fd); /* nothing was sent over it */
}

struct session *session_accept(struct loop *loop, const struct session_route *route, int fd)
{
	struct source *source = NULL;
	struct session *session;

	if (loop->sources != NULL) {
		source = sources_enter(loop->sources, fd);
		if (source == NULL) {
			session_refuse(loop, fd, errno);
			return NULL;
		}
	}
	session = session_new(loop, route);
	if (session == NULL) {
		if (source != NULL)
			sources_leave(source);
		session_refuse(loop, fd, ENOMEM);
		return NULL;
	}
	session->source = source;
	endpoint_init_socket(&session->client, loop->base, fd, session_on_event, session);
	(void)session_begin(session); /* failing, it has ended */
	return session;
}

struct session *session_stdio(struct loop *loop, const struct session_route *route)
{
	struct session *session = session_new(loop, route);

	if (session == NULL ||
		endpoint_init_stdio(&session->client, loop->base, session_on_event, session) != 0) {
		log_line(LOG_ERROR, "cannot use stdin and stdout: %s", strerror(errno));
		if (session != NULL)
			session_close(session, SESSION_NO_RESOURCES);
		return NULL;
	}
	if (session_begin(session) != 0) {
		session_close(session, SESSION_NO_RESOURCES); /* keeps an earlier reason */
		return NULL;
	}
	return session;
}
