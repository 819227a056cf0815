/*
 * Closing sessions; see session.h. What is told to whom at an end, and what is given back when.
 */
#include "proxy/session.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/conversations.h"
#include "proxy/dial.h"
#include "proxy/exchange.h"
#include "proxy/explain/recorder.h"
#include "proxy/generation.h"
#include "proxy/greeting.h"
#include "proxy/log.h"
#include "proxy/sources.h"
#include "proxy/stream/tls.h"
#include "proxy/upgrade.h"

#define SESSION_FINISH_MS 1000 /* for a last word to be read by the client */

static const struct {
	const char *text;
	enum tracer_end end;
} session_reasons[] = {
	[PAIR_ENDED] = {"both sides ended", TRACER_CONNECTION_CLOSED},
	[PAIR_CLIENT_GONE] = {"the client went away", TRACER_CONNECTION_CLOSED},
	[PAIR_BACKEND_GONE] = {"the server ended", TRACER_BACKEND_EXITED},
	[PAIR_BACKEND_UNREACHABLE] = {"the server is not reachable", TRACER_BACKEND_EXITED},
	[PAIR_FRAMING_ERROR] = {"broken framing", TRACER_CONNECTION_CLOSED},
	[PAIR_HANDSHAKE_FAILED] = {"no upgrade", TRACER_CONNECTION_CLOSED},
	[PAIR_HTTP] = {"an HTTP request where no HTTP is spoken", TRACER_CONNECTION_CLOSED},
	[PAIR_SILENT] = {"nobody said anything within first_byte.timeout",
		TRACER_CONNECTION_CLOSED},
	[PAIR_IDLE] = {"idle for idle.timeout", TRACER_CONNECTION_CLOSED},
	[PAIR_NO_RESOURCES] = {"out of resources", TRACER_CONNECTION_CLOSED},
	[PAIR_SHUTDOWN] = {"shutdown", TRACER_SHUTDOWN},
};

enum tracer_end session_reason_end(enum pair_reason reason)
{
	return session_reasons[reason].end;
}

/* ---- closing ---- */

void session_timer_stop(struct session *session)
{
	if (session->timer != NULL)
		(void)event_del(session->timer); /* it was set up, so this cannot fail */
}

/* How loud the end is told. */
static enum log_level session_end_level(const struct session *session)
{
	if (session->pair.reason == PAIR_HTTP)
		return LOG_WARN; /* the only line about it */
	return session->opened || session->pair.reason == PAIR_SILENT ? LOG_INFO : LOG_DEBUG;
}

void session_drop_trace(struct session *session, enum tracer_end reason)
{
	uint64_t now_ns = session->pair.loop->now_ns;

	if (session->conversation != NULL && session->holds_conversation)
		conversation_end(session->conversation, now_ns);
	if (session->conversation != NULL)
		conversation_leave(session->conversation, now_ns);
	else
		tracer_connection_free(session->trace, reason, now_ns);
	session->conversation = NULL;
	session->trace = NULL;
	session->pair.generation = session->generation;
}

/* All that is still in flight gets its span now. */
static void session_end_trace(struct session *session)
{
	tracer_http_end(session->pair.generation->tracer, session->http_span, session->spoke_rpc,
		session->http_status, session->pair.loop->now_ns);
	session->http_span = NULL;
	session_drop_trace(session, session_reason_end(session->pair.reason));
	recorder_end(session->recorded, session_reason_end(session->pair.reason),
		session->pair.loop->now_ns);
}

/* The backend is not wanted any more, wherever it is. */
static void session_drop_backend(struct session *session)
{
	dial_cancel(session->dial);
	session->dial = NULL;
	endpoint_close(&session->pair.backend);
}

/*
 * Clients of HTTP go without close_notify; between requests nothing is lost by it (RFC 9112, 9.8).
 */
static bool session_loses_nothing(
	const struct session *session, const struct endpoint *endpoint, const char *trouble)
{
	return endpoint == &session->pair.client && session->exchange != NULL &&
	       exchange_has_whole_requests(session->exchange) && tls_is_cut_off(trouble);
}

const char *session_tls_trouble(struct session *session, struct endpoint *endpoint)
{
	struct loop_counters *counters = &session->pair.loop->counters;
	const char *trouble = endpoint_trouble(endpoint);

	if (trouble == NULL && endpoint->shaking && endpoint->error == ETIMEDOUT) {
		trouble = "no handshake within handshake.timeout";
		endpoint->error = EPROTO; /* told once, as a stream's own troubles are */
	}
	if (trouble != NULL && session_loses_nothing(session, endpoint, trouble))
		trouble = NULL;
	if (trouble != NULL && endpoint->shaking)
		counters->tls_failed++;
	else if (trouble != NULL)
		counters->tls_broken++;
	return trouble;
}

void session_tell_tls(struct session *session, struct endpoint *endpoint)
{
	const char *who = endpoint == &session->pair.client ? "client" : "server";
	const char *trouble = session_tls_trouble(session, endpoint);

	if (trouble != NULL)
		log_line(LOG_WARN, "connection %llu: TLS with the %s: %s", session->pair.number,
			who, trouble);
}

static void session_silence(struct session *session)
{
	pump_silence(&session->pumps[PUMP_CLIENT_TO_BACKEND]);
	pump_silence(&session->pumps[PUMP_BACKEND_TO_CLIENT]);
}

void session_close(struct session *session, enum pair_reason reason)
{
	struct loop *loop = session->pair.loop;

	if (session->pair.state == PAIR_CLOSED)
		return;
	if (session->pair.state != PAIR_FINISHING)
		session->pair.reason = reason;
	session->pair.state = PAIR_CLOSED;
	session_tell_tls(session, &session->pair.client);
	session_tell_tls(session, &session->pair.backend);
	log_line(session_end_level(session), "connection %llu: closed: %s", session->pair.number,
		session_reasons[session->pair.reason].text);
	endpoint_close(&session->pair.client);
	session_drop_backend(session);
	if (session->source != NULL)
		sources_leave(session->source);
	session->source = NULL;
	if (session->pair.route->command != NULL)
		child_leave(loop->children, session);
	session_timer_stop(session);
	session_end_trace(session);
	session_silence(session);
	loop_leave(loop, &session->guest);
}

void session_reap(struct session *session)
{
	assert(session->pair.state == PAIR_CLOSED);
	if (session->pair.route->reaped != NULL)
		session->pair.route->reaped(session->pair.route->reaped_arg, session);
	pump_done(&session->pumps[PUMP_CLIENT_TO_BACKEND]);
	pump_done(&session->pumps[PUMP_BACKEND_TO_CLIENT]);
	upgrade_free(session->upgrade);
	exchange_free(session->exchange);
	greeting_free(session->greeting);
	recorder_close(session->recorded);
	fields_done(&session->fields);
	free(session->promise);
	free(session->told);
	if (session->timer != NULL)
		event_free(session->timer);
	generation_leave(session->generation);
	free(session);
}

/* ---- ending ---- */

static int session_timer_start(struct session *session, int64_t ms)
{
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	assert(ms >= 0);
	if (session->timer == NULL)
		session->timer = evtimer_new(session->pair.loop->base, session->on_timer, session);
	return session->timer != NULL ? event_add(session->timer, &wait) : -1;
}

void session_finish(struct session *session, enum pair_reason reason)
{
	if (session->pair.state == PAIR_CLOSED || session->pair.state == PAIR_FINISHING)
		return;
	if (endpoint_is_over(&session->pair.client)) {
		session_close(session, reason);
		return;
	}
	session->pair.reason = reason;
	session->pair.state = PAIR_FINISHING;
	session_tell_tls(session, &session->pair.backend);
	session_drop_backend(session);
	session_end_trace(session);
	session_silence(session);
	endpoint_resume(&session->pair.client);
	endpoint_shutdown(&session->pair.client);
	if (session_timer_start(session, SESSION_FINISH_MS) != 0)
		session_close(session, reason);
}

void session_fail(struct session *session, int error)
{
	assert(error != 0);
	if (session->pair.state == PAIR_FINISHING)
		session_close(session, session->pair.reason);
	if (session->pair.state == PAIR_CLOSED)
		return;
	session->pair.loop->counters.connections_failed++;
	log_line(LOG_ERROR, "connection %llu: cannot go on: %s", session->pair.number,
		strerror(error));
	if (session->pair.state == PAIR_OPENING) {
		session_close(session, PAIR_NO_RESOURCES);
		return;
	}
	if (session->pair.state == PAIR_EXCHANGE) {
		exchange_fail(session->exchange);
		return;
	}
	if (session->pair.state == PAIR_OPEN) {
		pump_send_goodbye(&session->pumps[PUMP_CLIENT_TO_BACKEND], SIDE_FAILED, "");
		pump_send_goodbye(&session->pumps[PUMP_BACKEND_TO_CLIENT], SIDE_FAILED, "");
	}
	session_finish(session, PAIR_NO_RESOURCES);
}

int session_timer(struct session *session, int64_t ms)
{
	if (session_timer_start(session, ms) == 0)
		return 0;
	session_fail(session, ENOMEM);
	return -1;
}

void session_say_goodbye(struct session *session)
{
	if (session->pair.state != PAIR_OPEN)
		return;
	pump_send_goodbye(&session->pumps[PUMP_CLIENT_TO_BACKEND], SIDE_GOING, "");
	pump_send_goodbye(&session->pumps[PUMP_BACKEND_TO_CLIENT], SIDE_GOING, "");
}
