/*
 * Endings; see ending.h. The two halves of a session end on their own; which end closes the whole
 * stands in ending_pump_done(). Whoever is left behind by a peer that is gone, or half gone, is
 * waited for, but as long as somebody takes or says something: the times below are of silence.
 *
 *	client ended, and             towards a command               else
 *	is gone for good              its last messages: child.grace  the same
 *	is a WebSocket                child.grace                     child.grace
 *	may be there (TCP, Unix)      child.grace, then SIGTERM       idle.timeout, keepalive
 *	is whoever we were started by until it is gone                the same
 */
#include "proxy/ending.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "proxy/endpoint/child.h"
#include "proxy/explain/recorder.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/session.h"

#define ENDING_LOOK_MS 10 /* between two looks whether all has been said, at least */

/* Whether a peer may have ended and still read. */
static bool ending_half_closes(const struct side_ops *side)
{
	return side_has(side, SIDE_HALF_CLOSES);
}

/* Whether the client is on our own standard input and output. */
static bool ending_is_stdio(const struct session *session)
{
	return session->pair.loop->config->listen_url.scheme == URL_NONE;
}

/* A server that has stopped talking is over; a command is so only when it has exited. */
static bool ending_backend_is_over(const struct session *session)
{
	return session->pair.route->command == NULL || session->child_exited ||
	       !ending_half_closes(session->pair.route->client_side);
}

/* Closes the session if its halves leave nothing to wait for. */
static void ending_check_over(struct session *session)
{
	if (session->pumps[PUMP_BACKEND_TO_CLIENT].state != PUMP_DONE)
		return;
	if (!ending_backend_is_over(session) &&
		session->pumps[PUMP_CLIENT_TO_BACKEND].state != PUMP_DONE)
		return;
	if (ending_is_stdio(session))
		session_close(session, session->pair.reason);
	else
		session_finish(session, session->pair.reason); /* a socket: see life_discard() */
}

void ending_pump_done(struct session *session, struct pump *pump)
{
	assert(pump->state == PUMP_DONE);
	if (pump->direction == PUMP_CLIENT_TO_BACKEND && session->client_left)
		session_close(session, PAIR_CLIENT_GONE);
	else
		ending_check_over(session);
}

/* Looks again when the backend has had time to say more; not in every turn of the loop. */
static void ending_linger(struct session *session)
{
	int64_t ms = session->pair.loop->config->child_linger_ms;

	(void)session_timer(session, ms > ENDING_LOOK_MS ? ms : ENDING_LOOK_MS);
}

/*
 * Newline JSON ends while answers are still to come, but a WebSocket has no half-close: its close
 * frame waits until the backend has been silent for child.linger.
 */
static bool ending_must_linger(const struct session *session, const struct pump *pump)
{
	return pump->direction == PUMP_CLIENT_TO_BACKEND && session->pair.state == PAIR_OPEN &&
	       ending_half_closes(session->pair.route->client_side) &&
	       !ending_half_closes(session->pair.route->backend_side) &&
	       pump_flows(&session->pumps[PUMP_BACKEND_TO_CLIENT]);
}

/*
 * How much longer nothing may move, now that the client has ended: nanoseconds, 0 when that was too
 * long, UINT64_MAX when it is not limited.
 */
static uint64_t ending_patience_ns(const struct session *session)
{
	uint64_t grace_ns = (uint64_t)session->pair.loop->config->child_grace_ms * 1000000;
	uint64_t since_ns = session->active_ns > session->client_end_ns ? session->active_ns
									: session->client_end_ns;
	uint64_t quiet_ns = session->pair.loop->now_ns - since_ns;

	if (session->client_end_ns == 0 ||
		(!session->client_left && ending_half_closes(session->pair.route->client_side) &&
			(session->pair.route->command == NULL || ending_is_stdio(session))))
		return UINT64_MAX;
	return quiet_ns < grace_ns ? grace_ns - quiet_ns : 0;
}

/* Waits for something to move, or gives up: the command, or the whole. */
static void ending_wait(struct session *session)
{
	uint64_t patience_ns = ending_patience_ns(session);

	if (patience_ns == UINT64_MAX)
		return;
	if (patience_ns > 0) {
		(void)session_timer(session, (int64_t)(patience_ns / 1000000) + 1);
		return;
	}
	session->pair.loop->counters.connections_overdue++;
	if (session->pair.route->command != NULL)
		child_terminate(session->pair.loop->children, session);
	if (session->client_left || session->child_exited ||
		!ending_half_closes(session->pair.route->client_side))
		session_close(session, PAIR_CLIENT_GONE);
}

/*
 * The client's end has come, or been seen behind what is not read. Its last messages are still
 * delivered. A command behind a WebSocket, which has no half-close, is given its grace time.
 */
static void ending_client_ended(struct session *session)
{
	session->client_left = endpoint_has_left(&session->pair.client);
	session->client_end_ns = session->pair.loop->now_ns;
	if (session->pair.route->command != NULL &&
		!ending_half_closes(session->pair.route->client_side))
		child_end(session->pair.loop->children, session);
	ending_wait(session);
}

void ending_pump_ended(struct session *session, struct pump *pump)
{
	struct pump *other = &session->pumps[!pump->direction];

	assert(pump_is_over(pump));
	if (!pump_is_over(other))
		session->pair.reason =
			pump->direction == PUMP_CLIENT_TO_BACKEND || session->client_closing
				? PAIR_ENDED
				: PAIR_BACKEND_GONE;
	if (pump->direction == PUMP_BACKEND_TO_CLIENT && session->trace != NULL)
		tracer_connection_end(session->trace, session_reason_end(session->pair.reason),
			session->pair.loop->now_ns); /* nothing can be answered any more */
	if (pump->direction == PUMP_BACKEND_TO_CLIENT)
		recorder_end(session->recorded, session_reason_end(session->pair.reason),
			session->pair.loop->now_ns);
	if (pump->direction == PUMP_CLIENT_TO_BACKEND && pump->output != PUMP_OUTPUT_FAILED)
		ending_client_ended(session);
	if (ending_must_linger(session, pump))
		ending_linger(session);
	else
		pump_pass_end(pump);
}

void ending_write_failed(struct session *session, struct pump *pump)
{
	if (session->pair.state == PAIR_CLOSED)
		return;
	if (pump->to->is_ours) {
		session_fail(session, pump->to->error);
		return;
	}
	if (pump->direction == PUMP_BACKEND_TO_CLIENT) {
		session_close(session, PAIR_CLIENT_GONE);
		return;
	}
	log_line(LOG_INFO, "connection %llu: the server takes no more: %s", session->pair.number,
		strerror(pump->to->error));
	pump_end(pump);
	if (session->pair.state == PAIR_CLOSED)
		return;
	if (ending_is_stdio(session))
		endpoint_stop_reading(&session->pair.client); /* a pipe tells its writer */
	else
		endpoint_resume(&session->pair.client); /* see ending_discard() */
}

/* A socket tells nobody that the backend takes no more; but its end is to be seen. */
void ending_discard(struct session *session)
{
	ssize_t n = endpoint_read(
		&session->pair.client, session->pair.loop->read_bytes, LOOP_READ_SIZE);

	assert(session->pumps[PUMP_CLIENT_TO_BACKEND].output == PUMP_OUTPUT_FAILED);
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	loop_clock(session->pair.loop);
	endpoint_pause(&session->pair.client);
	ending_client_ended(session);
	if (session->client_left)
		session_close(session, PAIR_CLIENT_GONE);
}

void ending_child_exited(struct session *session)
{
	session->child_exited = true;
	if (session->pair.state == PAIR_OPEN && pump_flows(&session->pumps[PUMP_BACKEND_TO_CLIENT]))
		ending_linger(session);
	else if (session->pair.state == PAIR_OPEN)
		ending_check_over(session);
}

/* Whether answers are still worth waiting for, the client having ended: for child.grace at most. */
static bool ending_answers_due(const struct session *session)
{
	uint64_t grace_ns = (uint64_t)session->pair.loop->config->child_grace_ms * 1000000;

	return session->trace != NULL && tracer_connection_waiting(session->trace) > 0 &&
	       session->pair.loop->now_ns - session->client_end_ns < grace_ns;
}

/* Ends the conversation with a WebSocket backend, which has the grace time to answer. */
static void ending_close_websocket(struct session *session, struct pump *requests)
{
	assert(requests->state == PUMP_ENDED);
	if (session_timer(session, session->pair.loop->config->child_grace_ms) == 0)
		pump_pass_end(requests);
}

/*
 * The command has exited, but something it started may keep its output open; or lines of JSON have
 * ended towards a WebSocket. Waits no longer than for a silence, and for a client that reads.
 */
static void ending_linger_over(struct session *session)
{
	struct pump *answers = &session->pumps[PUMP_BACKEND_TO_CLIENT];
	struct pump *requests = &session->pumps[PUMP_CLIENT_TO_BACKEND];
	bool waiting = !session->child_exited && requests->state == PUMP_ENDED &&
		       ending_answers_due(session);
	uint64_t quiet_ns = session->pair.loop->now_ns - session->backend_read_ns;
	uint64_t linger_ns = (uint64_t)session->pair.loop->config->child_linger_ms * 1000000;
	bool stuck = endpoint_backlog(&session->pair.client) > 0;

	if (stuck && ending_patience_ns(session) == 0) {
		session->pair.loop->counters.connections_overdue++;
		session_close(session, PAIR_CLIENT_GONE);
	} else if (waiting || stuck || quiet_ns < linger_ns) {
		ending_linger(session);
	} else if (session->child_exited) {
		pump_end(answers);
	} else if (requests->state == PUMP_ENDED) {
		ending_close_websocket(session, requests);
	} else {
		session_close(
			session, session->pair.reason); /* the backend did not answer our close */
	}
}

void ending_timeout(struct session *session)
{
	assert(session->pair.state == PAIR_OPEN);
	if (session->child_exited ||
		(ending_half_closes(session->pair.route->client_side) &&
			!ending_half_closes(session->pair.route->backend_side)))
		ending_linger_over(session);
	else
		ending_wait(session);
}

void ending_tick(struct session *session)
{
	struct pump *requests = &session->pumps[PUMP_CLIENT_TO_BACKEND];
	bool is_paused = requests->state == PUMP_THROTTLED || pump_is_over(requests);

	assert(session->pair.state == PAIR_OPEN);
	if (!is_paused || session->client_left)
		return; /* its end will be read, or is known */
	if (session->client_end_ns != 0 ? endpoint_has_left(&session->pair.client)
					: endpoint_has_ended(&session->pair.client))
		ending_client_ended(session);
	else
		endpoint_probe(&session->pair.client); /* its end may be behind what it sent */
	if (session->client_left && requests->state == PUMP_DONE)
		session_close(session, PAIR_CLIENT_GONE);
}
