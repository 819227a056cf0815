/*
 * Endings; see ending.h. The two halves of a session end on their own; which end closes the whole
 * stands in ending_pump_done().
 */
#include "proxy/ending.h"

#include <string.h>

#include "config/config.h"
#include "proxy/endpoint/child.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/session.h"

#define ENDING_LOOK_MS 10 /* between two looks whether all has been said, at least */

/* A server that has stopped talking is over; a command is so only when it has exited. */
static bool ending_backend_is_over(const struct session *session)
{
	return session->route->command == NULL || session->child_exited ||
	       session->route->client_codec == &codec_websocket;
}

/* Closes the session if its halves leave nothing to wait for. */
static void ending_check_over(struct session *session)
{
	if (session->pumps[PUMP_BACKEND_TO_CLIENT].state != PUMP_DONE ||
		!ending_backend_is_over(session))
		return;
	if (session->client.read_fd == session->client.write_fd)
		session_finish(session, session->reason); /* a socket: see session_discard() */
	else
		session_close(session, session->reason);
}

void ending_pump_done(struct session *session, struct pump *pump)
{
	if (pump->direction == PUMP_CLIENT_TO_BACKEND && session->client_left)
		session_close(session, SESSION_CLIENT_GONE);
	else
		ending_check_over(session);
}

/* Looks again when the backend has had time to say more; not in every turn of the loop. */
static void ending_linger(struct session *session)
{
	int64_t ms = session->loop->config->child_linger_ms;

	(void)session_timer(session, ms > ENDING_LOOK_MS ? ms : ENDING_LOOK_MS);
}

/*
 * Newline JSON ends while answers are still to come, but a WebSocket has no half-close: its close
 * frame waits until the backend has been silent for child.linger.
 */
static bool ending_must_linger(const struct session *session, const struct pump *pump)
{
	return pump->direction == PUMP_CLIENT_TO_BACKEND && session->state == SESSION_OPEN &&
	       session->route->client_codec != &codec_websocket &&
	       session->route->backend_codec == &codec_websocket &&
	       session->pumps[PUMP_BACKEND_TO_CLIENT].state == PUMP_FLOWING;
}

/*
 * A client that is gone for good, as far as that can be seen: its last messages are still
 * delivered, then all ends. A command behind a WebSocket, which has no half-close, is given its
 * grace time.
 */
static void ending_client_ended(struct session *session)
{
	session->client_left = endpoint_has_left(&session->client);
	session->client_end_ns = session->loop->now_ns;
	if (session->route->command != NULL && session->route->client_codec == &codec_websocket)
		child_end(session->loop->children, session);
}

void ending_pump_ended(struct session *session, struct pump *pump)
{
	struct pump *other = &session->pumps[!pump->direction];

	if (other->state != PUMP_ENDED && other->state != PUMP_DONE)
		session->reason =
			pump->direction == PUMP_CLIENT_TO_BACKEND || session->client_closing
				? SESSION_ENDED
				: SESSION_BACKEND_GONE;
	if (pump->direction == PUMP_BACKEND_TO_CLIENT && session->trace != NULL)
		tracer_connection_end(session->trace, session_reason_end(session->reason),
			session->loop->now_ns); /* nothing can be answered any more */
	if (pump->direction == PUMP_CLIENT_TO_BACKEND)
		ending_client_ended(session);
	if (ending_must_linger(session, pump))
		ending_linger(session);
	else
		pump_pass_end(pump);
}

void ending_write_failed(struct session *session, struct pump *pump)
{
	if (session->state == SESSION_CLOSED)
		return;
	if (pump->to->is_ours) {
		session_fail(session, pump->to->error);
		return;
	}
	if (pump->direction == PUMP_BACKEND_TO_CLIENT) {
		session_close(session, SESSION_CLIENT_GONE);
		return;
	}
	log_line(LOG_INFO, "connection %llu: the backend takes no more: %s", session->number,
		strerror(pump->to->error));
	pump_end(pump);
	if (session->state != SESSION_CLOSED)
		endpoint_stop_reading(&session->client);
}

void ending_child_exited(struct session *session)
{
	session->child_exited = true;
	if (session->state == SESSION_OPEN &&
		session->pumps[PUMP_BACKEND_TO_CLIENT].state == PUMP_FLOWING)
		ending_linger(session);
	else if (session->state == SESSION_OPEN)
		ending_check_over(session);
}

/* Whether answers are still worth waiting for, the client having ended: for child.grace at most. */
static bool ending_answers_due(const struct session *session)
{
	uint64_t grace_ns = (uint64_t)session->loop->config->child_grace_ms * 1000000;

	return session->trace != NULL && tracer_connection_waiting(session->trace) > 0 &&
	       session->loop->now_ns - session->client_end_ns < grace_ns;
}

/* Ends the conversation with a WebSocket backend, which has the grace time to answer. */
static void ending_close_websocket(struct session *session, struct pump *requests)
{
	if (session_timer(session, session->loop->config->child_grace_ms) == 0)
		pump_pass_end(requests);
}

/* The command has exited, but something it started may keep its output open: wait no longer. */
void ending_timeout(struct session *session)
{
	struct pump *answers = &session->pumps[PUMP_BACKEND_TO_CLIENT];
	struct pump *requests = &session->pumps[PUMP_CLIENT_TO_BACKEND];
	bool waiting = !session->child_exited && requests->state == PUMP_ENDED &&
		       ending_answers_due(session);
	uint64_t quiet_ns = session->loop->now_ns - session->backend_read_ns;
	uint64_t linger_ns = (uint64_t)session->loop->config->child_linger_ms * 1000000;

	if (waiting || answers->throttled || endpoint_backlog(&session->client) > 0 ||
		quiet_ns < linger_ns)
		ending_linger(session);
	else if (session->child_exited)
		pump_end(answers);
	else if (requests->state == PUMP_ENDED)
		ending_close_websocket(session, requests);
	else
		session_close(session, session->reason); /* the backend did not answer our close */
}
