/*
 * The life of sessions: every event of an endpoint comes in through life_on_event() and goes, by
 * the session's state, to the handshake, to a pump, or nowhere. What the end of one half means for
 * the other stands in ending.c.
 */
#include "proxy/life.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/carrying.h"
#include "proxy/dial.h"
#include "proxy/ending.h"
#include "proxy/endpoint/child.h"
#include "proxy/exchange.h"
#include "proxy/exchange_request.h"
#include "proxy/gateway.h"
#include "proxy/generation.h"
#include "proxy/greeting.h"
#include "proxy/log.h"
#include "proxy/side/http.h"
#include "proxy/sources.h"
#include "proxy/stream/tls.h"
#include "proxy/tracing.h"
#include "proxy/upgrade.h"

#define LIFE_START_MS 1000 /* for a first byte, before a command is started without */

static int life_connect(struct session *session);
static int life_begin_messages(struct session *session);
static void life_on_event(void *arg, struct endpoint *endpoint, enum endpoint_event event);

/* The way to the backend does not exist: the client is told as its protocol allows. */
static void life_unreachable(struct session *session, const char *why)
{
	session->pair.loop->counters.connections_refused++;
	log_line(LOG_ERROR, "connection %llu: cannot %s %s: %s", session->pair.number,
		session->pair.route->command != NULL ? "start" : "reach",
		session->pair.route->upstream, why);
	if (session->exchange != NULL)
		exchange_request_unreachable(session->exchange);
	else
		session_close(session, PAIR_BACKEND_UNREACHABLE);
}

/* It was there, but cannot be agreed with. */
static void life_backend_failed(struct session *session)
{
	struct endpoint *backend = &session->pair.backend;
	const char *trouble = backend->shaking ? session_tls_trouble(session, backend) : NULL;

	life_unreachable(session, trouble != NULL ? trouble : strerror(backend->error));
}

/* Reads and throws away, so that closing does not reset the connection under the last word. */
static void life_discard(struct session *session)
{
	ssize_t n = endpoint_read(
		&session->pair.client, session->pair.loop->read_bytes, LOOP_READ_SIZE);

	assert(session->pair.state == PAIR_FINISHING);
	if (n > 0 || (n < 0 && errno == EAGAIN))
		return;
	if (endpoint_backlog(&session->pair.client) == 0)
		session_close(session, session->pair.reason);
	else
		endpoint_pause(&session->pair.client);
}

/* ---- the timer ---- */

/* A slow peer, to which something was written since the last look, is not idle. */
static void life_note_written(struct session *session)
{
	size_t backlogs =
		endpoint_backlog(&session->pair.client) + endpoint_backlog(&session->pair.backend);

	if (backlogs != session->backlogs)
		session->active_ns = session->pair.loop->now_ns;
	session->backlogs = backlogs;
}

/* Whether the command is not even being started: its client has said nothing so far. */
static bool life_waits_to_start(const struct session *session)
{
	return session->pair.route->command != NULL && session->greeting != NULL &&
	       session->pair.backend.state == ENDPOINT_CLOSED;
}

static void life_on_timer(int fd, short what, void *arg)
{
	struct session *session = arg;

	(void)fd;
	(void)what;
	loop_clock(session->pair.loop);
	switch (session->pair.state) {
	case PAIR_OPENING:
		if (life_waits_to_start(session))
			(void)life_connect(session); /* it tells of its failure */
		else if (session->upgrade != NULL)
			upgrade_timeout(session->upgrade);
		else
			life_unreachable(session, strerror(ETIMEDOUT));
		break;
	case PAIR_OPEN:
		life_note_written(session);
		ending_timeout(session);
		break;
	case PAIR_FINISHING:
		session_close(session, session->pair.reason);
		break;
	case PAIR_EXCHANGE:
		gateway_timeout(session->exchange);
		break;
	case PAIR_CLOSED:
		break;
	}
}

/*
 * Closes a client's connection that has been idle for too long, from its first moment on or later.
 */
static void life_check_idle(struct session *session)
{
	const struct config *config = session->pair.loop->config;
	int64_t limit_ms = config->idle_timeout_ms;

	if (session->pair.state != PAIR_OPEN && session->pair.state != PAIR_EXCHANGE)
		return;
	if (!session->spoken && config->first_byte_timeout_ms != 0 &&
		(limit_ms == 0 || config->first_byte_timeout_ms < limit_ms))
		limit_ms = config->first_byte_timeout_ms;
	if (limit_ms == 0 ||
		session->pair.loop->now_ns - session->active_ns < (uint64_t)limit_ms * 1000000)
		return;
	if (session->spoken)
		session->pair.loop->counters.connections_idle++;
	else
		session->pair.loop->counters.connections_silent++;
	session_say_goodbye(session);
	session_finish(session, session->spoken ? PAIR_IDLE : PAIR_SILENT);
}

/* The client is gone, or has ended and wants nothing by that, before the backend is there. */
static void life_check_client(struct session *session)
{
	const struct endpoint *client = &session->pair.client;

	if (!endpoint_has_ended(client) || !endpoint_has_left(client))
		return;
	session->client_left = true;
	session_close(session, PAIR_CLIENT_GONE);
}

void life_tick(struct session *session)
{
	life_note_written(session);
	if (session->pair.loop->config->listen_url.scheme != URL_NONE)
		life_check_idle(session);
	if (session->pair.state == PAIR_OPEN)
		ending_tick(session);
	else if (session->pair.state == PAIR_OPENING)
		life_check_client(session);
	else if (session->pair.state == PAIR_EXCHANGE)
		gateway_tick(session->exchange);
	if (session->pair.state == PAIR_CLOSED)
		return;
	if (session->timer != NULL && event_pending(session->timer, EV_TIMEOUT, NULL) == 0) {
		event_free(session->timer); /* most sessions never need it again */
		session->timer = NULL;
	}
	if (session->trace != NULL)
		tracer_connection_expire(session->trace, session->pair.loop->now_ns);
}

/* ---- opening ---- */

/* On a Unix socket the kernel knows who is at the other end. */
static void life_tell_open(const struct session *session)
{
	enum url_scheme scheme = session->pair.loop->config->listen_url.scheme;
	struct ucred peer;
	socklen_t size = sizeof peer;

	if ((scheme == URL_UNIX || scheme == URL_WS_UNIX) && log_enabled(LOG_INFO) &&
		getsockopt(session->pair.client.read_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) ==
			0)
		log_line(LOG_INFO, "connection %llu: open: process %ld of user %lu",
			session->pair.number, (long)peer.pid, (unsigned long)peer.uid);
	else
		log_line(LOG_INFO, "connection %llu: open", session->pair.number);
}

/* A peer has said something: the connection is not idle. */
static void life_heard(struct session *session)
{
	session->spoken = true;
	session->active_ns = session->pair.loop->now_ns;
}

/* Whether there is any HTTP to be spoken before messages flow. */
static bool life_needs_upgrade(const struct route *route)
{
	return route->client_side->shake != NULL || route->backend_side->shake != NULL;
}

/* Carries what arrived behind a handshake, unless the session has ended meanwhile. */
static void life_carry(
	struct session *session, enum pump_direction direction, uint8_t *bytes, size_t size)
{
	if (size > 0 && session->pair.state == PAIR_OPEN &&
		session->pumps[direction].state == PUMP_FLOWING)
		pump_take(&session->pumps[direction], bytes, size);
}

/*
 * The client's first bytes are settled: they are not HTTP. They flow as soon as the backend is
 * there.
 */
static void life_greeted(struct session *session)
{
	struct greeting *greeting = session->greeting;
	struct pump *pump = &session->pumps[PUMP_CLIENT_TO_BACKEND];

	assert(greeting != NULL && greeting->state != GREETING_ASKED);
	if (session->pair.state == PAIR_OPENING) {
		endpoint_watch(&session->pair.client);
		if (life_waits_to_start(session))
			(void)life_connect(session); /* it tells of its failure */
		return;
	}
	session->greeting = NULL;
	life_heard(session);
	pump->state = PUMP_FLOWING;
	life_carry(session, PUMP_CLIENT_TO_BACKEND, greeting->bytes, greeting->size);
	greeting_free(greeting); /* what there is beyond is told of by the loop */
}

/* The client says something, and it is not settled yet what it speaks. */
static void life_greet(struct session *session)
{
	struct loop *loop = session->pair.loop;

	loop_clock(loop);
	switch (greeting_readable(
		session->greeting, &session->pair.client, loop->read_bytes, LOOP_READ_SIZE)) {
	case GREETING_MORE:
		break;
	case GREETING_SETTLED:
		if (session->greeting->state == GREETING_SILENT &&
			(life_waits_to_start(session) || dial_waits(session->dial)))
			session_close(session, PAIR_CLIENT_GONE);
		else
			life_greeted(session);
		break;
	case GREETING_IS_HTTP:
		loop->counters.http_refused++;
		session_close(session, PAIR_HTTP);
		break;
	case GREETING_NO_MEMORY:
		session_fail(session, ENOMEM);
		break;
	}
}

static void life_open(struct session *session, uint8_t *client_bytes, size_t client_size,
	uint8_t *backend_bytes, size_t backend_size)
{
	struct loop *loop = session->pair.loop;
	const struct route *route = session->pair.route;

	session_timer_stop(session);
	session->pair.state = PAIR_OPEN;
	session->opened = true;
	session->active_ns = loop->now_ns;
	session->spoken = life_needs_upgrade(route);
	session_drop_trace(session, TRACER_CONNECTION_CLOSED); /* of the exchanges before */
	tracing_begin(session, route->transport);
	if (session->trace != NULL && session->pair.asked != NULL)
		tracing_tell_asked(session, session->pair.asked);
	carrying_open(session);
	if (session->greeting != NULL)
		session->pumps[PUMP_CLIENT_TO_BACKEND].state = PUMP_IDLE; /* until it is settled */
	life_tell_open(session);
	endpoint_resume(&session->pair.client);
	endpoint_resume(&session->pair.backend);
	if (session->greeting != NULL && session->greeting->state != GREETING_ASKED)
		life_greeted(session);
	life_carry(session, PUMP_CLIENT_TO_BACKEND, client_bytes, client_size);
	life_carry(session, PUMP_BACKEND_TO_CLIENT, backend_bytes, backend_size);
}

/* The backend can be spoken to. */
static void life_connected(struct session *session)
{
	if (session->exchange != NULL) {
		session_timer_stop(session);
		exchange_request_connected(session->exchange);
	} else if (session->upgrade != NULL) {
		if (session_timer(session, session->pair.loop->config->handshake_timeout_ms) == 0)
			upgrade_connected(session->upgrade);
	} else {
		life_open(session, NULL, 0, NULL, 0);
	}
}

/* Takes the socket. 0, or -1: out of memory, and it has been closed. */
static int life_init_peer(
	struct session *session, struct endpoint *endpoint, struct tls_context *context, int fd)
{
	struct loop *loop = session->pair.loop;
	struct tls *tls;

	if (context == NULL) {
		endpoint_init_socket(endpoint, loop->base, fd, life_on_event, session);
		return 0;
	}
	tls = tls_new(context, fd);
	if (tls == NULL) {
		(void)close(fd); /* nothing was sent over it */
		return -1;
	}
	endpoint_init_stream(endpoint, loop->base, &stream_tls, tls, fd,
		loop->config->handshake_timeout_ms, life_on_event, session);
	return 0;
}

/* Its endpoint has been made. 0, or -1: the session has ended. */
static int life_start_backend(struct session *session)
{
	assert(session->pair.backend.state != ENDPOINT_CLOSED);
	session->pair.backend.low_mark = session->pair.client.low_mark;
	session->pair.backend.read_total = &session->pair.loop->counters.server_bytes;
	endpoint_pause(&session->pair.backend); /* until somebody wants to read */
	if (endpoint_start(&session->pair.backend) == 0)
		return 0;
	session_fail(session, session->pair.backend.error);
	return -1;
}

/* Opens only when the command runs: see life_child_started(). */
static int life_start_command(struct session *session)
{
	bool wraps = session->pair.client.read_fd != session->pair.client.write_fd;
	int read_fd, write_fd;

	assert(session->pair.route->command != NULL);
	if (child_spawn(session->pair.loop->children, session->pair.route->command, session,
		    &read_fd, &write_fd) != 0) {
		session->start_failure = CHILD_NO_RESOURCES;
		life_unreachable(session, strerror(errno));
		return -1;
	}
	endpoint_init_pipes(&session->pair.backend, session->pair.loop->base, read_fd, write_fd,
		session->pair.client.hook, session);
	if (life_start_backend(session) != 0)
		return -1;
	if (wraps)
		return 0; /* who wraps a command waits for it in any case */
	return session_timer(session, session->pair.loop->config->connect_timeout_ms);
}

void life_child_started(struct session *session, enum child_outcome outcome, int error)
{
	if (session->pair.state != PAIR_OPENING && session->pair.state != PAIR_EXCHANGE)
		return;
	session->start_failure = outcome;
	if (outcome == CHILD_STARTED)
		life_connected(session);
	else
		life_unreachable(session,
			outcome == CHILD_NOT_FOUND ? "command not found" : strerror(error));
}

static void life_on_dial(void *arg, enum dial_event event, int fd, const char *why)
{
	struct session *session = arg;
	bool ended; /* without a word */

	switch (event) {
	case DIAL_WAITS:
		ended = session->greeting != NULL && session->greeting->state == GREETING_SILENT;
		log_line(LOG_WARN, "connection %llu: %s is not there yet: %s; %s",
			session->pair.number, session->pair.route->upstream, why,
			ended ? "its client has ended" : "trying again");
		if (ended)
			session_close(session, PAIR_CLIENT_GONE);
		break;
	case DIAL_FAILED:
		session->dial = NULL;
		life_unreachable(session, why);
		break;
	case DIAL_CONNECTED:
		session->dial = NULL;
		if (life_init_peer(session, &session->pair.backend,
			    session->pair.route->backend_tls, fd) != 0)
			session_fail(session, ENOMEM);
		else if (life_start_backend(session) == 0)
			life_connected(session);
		break;
	}
}

static int life_connect(struct session *session)
{
	session_timer_stop(session); /* what comes next has limits of its own */
	if (session->pair.route->command != NULL)
		return life_start_command(session);
	session->dial =
		dial_new(session->pair.loop, session->pair.route->resolver, life_on_dial, session);
	if (session->dial == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	dial_start(session->dial);
	return session->pair.state == PAIR_CLOSED ? -1 : 0;
}

/* ---- events ---- */

static void life_readable(struct session *session, struct endpoint *endpoint)
{
	bool from_client = endpoint == &session->pair.client;
	struct pump *pump =
		&session->pumps[from_client ? PUMP_CLIENT_TO_BACKEND : PUMP_BACKEND_TO_CLIENT];

	switch (pump->state) {
	case PUMP_FLOWING:
	case PUMP_THROTTLED:
		pump_readable(pump); /* looks at the clock */
		life_heard(session);
		if (!from_client)
			session->backend_read_ns = session->pair.loop->now_ns;
		break;
	case PUMP_IDLE: /* open but for the client's first bytes */
		life_greet(session);
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

static void life_write_failed(struct session *session, struct endpoint *endpoint)
{
	if (session->pair.state == PAIR_EXCHANGE)
		exchange_failed(session->exchange, endpoint);
	else
		pump_write_failed(&session->pumps[endpoint == &session->pair.client
							  ? PUMP_BACKEND_TO_CLIENT
							  : PUMP_CLIENT_TO_BACKEND]);
}

static void life_failed(struct session *session, struct endpoint *endpoint)
{
	loop_clock(session->pair.loop);
	if (endpoint->is_ours) {
		session_fail(session, endpoint->error);
	} else if (session->pair.state == PAIR_FINISHING) {
		session_close(session, session->pair.reason);
	} else if (session->pair.state != PAIR_OPENING && !endpoint->shaking) {
		life_write_failed(session, endpoint);
	} else if (endpoint == &session->pair.backend) {
		life_backend_failed(session);
	} else {
		session_close(session, PAIR_CLIENT_GONE);
	}
}

static void life_drained(struct session *session, struct endpoint *endpoint)
{
	if (session->pair.state == PAIR_EXCHANGE)
		gateway_drained(session->exchange, endpoint);
	else
		pump_drained(&session->pumps[endpoint == &session->pair.client
						     ? PUMP_BACKEND_TO_CLIENT
						     : PUMP_CLIENT_TO_BACKEND]);
}

static void life_on_readable(struct session *session, struct endpoint *endpoint)
{
	switch (session->pair.state) {
	case PAIR_OPENING:
		loop_clock(session->pair.loop);
		if (session->greeting != NULL && endpoint == &session->pair.client)
			life_greet(session);
		else
			upgrade_readable(session->upgrade);
		break;
	case PAIR_EXCHANGE:
		loop_clock(session->pair.loop);
		life_heard(session);
		gateway_readable(session->exchange, endpoint);
		break;
	case PAIR_OPEN:
		life_readable(session, endpoint);
		break;
	case PAIR_FINISHING:
		loop_clock(session->pair.loop);
		life_discard(session);
		break;
	case PAIR_CLOSED:
		break;
	}
}

static void life_shut(struct session *session, struct endpoint *endpoint)
{
	if (session->pair.state == PAIR_FINISHING)
		endpoint_resume(&session->pair.client); /* its end may have come before */
	else
		pump_ended(&session->pumps[endpoint == &session->pair.client
						   ? PUMP_BACKEND_TO_CLIENT
						   : PUMP_CLIENT_TO_BACKEND]);
}

/* The client is one that may come in: until it was, nothing was asked of the backend. */
static void life_agreed(struct session *session, const struct endpoint *endpoint)
{
	if (endpoint != &session->pair.client || session->pair.state != PAIR_OPENING)
		return;
	loop_clock(session->pair.loop);
	(void)life_begin_messages(session); /* failing, it has ended */
}

static void life_on_event(void *arg, struct endpoint *endpoint, enum endpoint_event event)
{
	struct session *session = arg;

	if (session->pair.state == PAIR_CLOSED)
		return;
	switch (event) {
	case ENDPOINT_READABLE:
		life_on_readable(session, endpoint);
		break;
	case ENDPOINT_DRAINED:
		life_drained(session, endpoint);
		break;
	case ENDPOINT_SHUT:
		life_shut(session, endpoint);
		break;
	case ENDPOINT_FAILED:
		life_failed(session, endpoint);
		break;
	case ENDPOINT_AGREED:
		life_agreed(session, endpoint);
		break;
	case ENDPOINT_ENDED:
		loop_clock(session->pair.loop);
		if (session->pair.state == PAIR_OPENING)
			life_check_client(session);
		else if (session->pair.state == PAIR_EXCHANGE)
			gateway_ended(session->exchange);
		break;
	}
}

/* ---- what the phases before messages ask for ---- */

static struct session *life_of_pair(struct pair *pair)
{
	return (struct session *)((char *)pair - offsetof(struct session, pair));
}

static int life_pair_connect(struct pair *pair)
{
	return life_connect(life_of_pair(pair));
}

static void life_pair_upgraded(struct pair *pair)
{
	life_of_pair(pair)->upgrade = NULL;
	life_of_pair(pair)->exchange = NULL;
}

static void life_pair_open(struct pair *pair, uint8_t *client_bytes, size_t client_size,
	uint8_t *backend_bytes, size_t backend_size)
{
	life_open(life_of_pair(pair), client_bytes, client_size, backend_bytes, backend_size);
}

static bool life_pair_asked(struct pair *pair, const struct http_head *head, enum splice_mode *mode)
{
	struct session *session = life_of_pair(pair);

	life_heard(session);
	tracing_asked(session, head);
	return carrying_mode(session, mode);
}

static void life_pair_answered(struct pair *pair, const struct http_head *head)
{
	tracing_answered(life_of_pair(pair), head);
}

static void life_pair_exchanged(struct pair *pair, unsigned status)
{
	tracing_exchanged(life_of_pair(pair), status);
}

static void life_pair_endpoint(struct pair *pair, const char *uri, size_t size)
{
	tracing_endpoint(life_of_pair(pair), uri, size);
}

static void life_pair_promise(struct pair *pair, const struct envelope *envelope)
{
	tracing_promise(life_of_pair(pair), envelope);
}

static const char *life_pair_fields(struct pair *pair, const char *const **dropped)
{
	return tracing_fields(life_of_pair(pair), dropped);
}

static size_t life_pair_carrier(struct pair *pair, struct envelope *envelope, const char **text)
{
	return tracing_carrier(life_of_pair(pair), envelope, text);
}

static void life_pair_envelope(
	struct pair *pair, bool from_client, const struct envelope *envelope, uint64_t start_ns)
{
	tracing_envelope(life_of_pair(pair), from_client, envelope, start_ns);
}

static void life_pair_text(struct pair *pair, bool from_client, const uint8_t *bytes, size_t size,
	bool first, bool last)
{
	carrying_record(life_of_pair(pair), from_client, bytes, size, first, last);
}

static void life_pair_troubles(struct pair *pair, bool from_client, unsigned troubles)
{
	carrying_troubles(life_of_pair(pair), from_client, troubles);
}

static int life_pair_timer(struct pair *pair, int64_t ms)
{
	return session_timer(life_of_pair(pair), ms);
}

static void life_pair_finish(struct pair *pair, enum pair_reason reason)
{
	session_finish(life_of_pair(pair), reason);
}

static void life_pair_close(struct pair *pair, enum pair_reason reason)
{
	session_close(life_of_pair(pair), reason);
}

static void life_pair_broken(struct pair *pair, struct endpoint *endpoint)
{
	session_tell_tls(life_of_pair(pair), endpoint);
}

static void life_pair_fail(struct pair *pair, int error)
{
	session_fail(life_of_pair(pair), error);
}

static const struct pair_hooks life_pair_hooks = {
	.connect = life_pair_connect,
	.upgraded = life_pair_upgraded,
	.open = life_pair_open,
	.asked = life_pair_asked,
	.answered = life_pair_answered,
	.exchanged = life_pair_exchanged,
	.endpoint = life_pair_endpoint,
	.promise = life_pair_promise,
	.fields = life_pair_fields,
	.carrier = life_pair_carrier,
	.envelope = life_pair_envelope,
	.text = life_pair_text,
	.troubles = life_pair_troubles,
	.timer = life_pair_timer,
	.finish = life_pair_finish,
	.close = life_pair_close,
	.broken = life_pair_broken,
	.fail = life_pair_fail,
};

/* ---- life ---- */

/* The session that a guest of the loop's is. */
static struct session *life_of(struct loop_guest *guest)
{
	_Static_assert(offsetof(struct session, guest) == 0, "one is cast to the other");
	return (struct session *)guest;
}

static void life_guest_tick(struct loop_guest *guest)
{
	life_tick(life_of(guest));
}

static size_t life_guest_waiting(const struct loop_guest *guest)
{
	const struct session *session = (const struct session *)guest;

	return session->trace != NULL ? tracer_connection_waiting(session->trace) : 0;
}

/* Who has asked nothing of the backend so far leaves. */
static void life_guest_wind_up(struct loop_guest *guest)
{
	struct session *session = life_of(guest);

	if (session->pair.state == PAIR_EXCHANGE)
		gateway_wind_up(session->exchange);
	else if (session->pair.state == PAIR_OPENING)
		session_close(session, PAIR_SHUTDOWN);
}

static void life_guest_stop(struct loop_guest *guest)
{
	session_say_goodbye(life_of(guest));
	session_close(life_of(guest), PAIR_SHUTDOWN);
}

static void life_guest_reap(struct loop_guest *guest)
{
	session_reap(life_of(guest));
}

static const struct loop_guest_ops life_guest_ops = {
	.tick = life_guest_tick,
	.waiting = life_guest_waiting,
	.wind_up = life_guest_wind_up,
	.stop = life_guest_stop,
	.reap = life_guest_reap,
};

static struct session *life_new(struct loop *loop, const struct route *route)
{
	struct session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return NULL;
	session->guest.ops = &life_guest_ops;
	session->on_timer = life_on_timer;
	session->pair.hooks = &life_pair_hooks;
	session->pair.loop = loop;
	session->pair.route = route;
	session->generation = session->pair.generation = generation_hold(loop->generations);
	session->pair.number = loop->counters.connections++;
	session->pair.state = PAIR_OPENING;
	endpoint_init_closed(&session->pair.client);
	endpoint_init_closed(&session->pair.backend);
	carrying_init(session);
	loop_enter(loop, &session->guest);
	return session;
}

/* The client is there, and speaks HTTP: its request is waited for. */
static int life_begin_exchange(struct session *session)
{
	session->exchange = exchange_new(&session->pair);
	if (session->exchange == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	session->pair.state = PAIR_EXCHANGE;
	session->active_ns = session->pair.loop->now_ns;
	return 0;
}

/* The client speaks lines, or the like: goes to the backend, or waits for a first byte. */
static int life_begin_messages(struct session *session)
{
	const struct route *route = session->pair.route;

	if (route->backend_side->shake != NULL) {
		session->upgrade = upgrade_new(&session->pair);
		if (session->upgrade == NULL) {
			session_fail(session, ENOMEM);
			return -1;
		}
	}
	if (life_waits_to_start(session))
		return session_timer(session, LIFE_START_MS);
	return life_connect(session);
}

static int life_begin(struct session *session)
{
	const struct config *config = session->pair.loop->config;
	bool http = session->pair.route->client_side->shake != NULL;
	bool socket = session->pair.client.read_fd == session->pair.client.write_fd;

	assert(session->pair.state == PAIR_OPENING);
	session->pair.client.low_mark = (size_t)config->backlog_bytes_max / 4;
	if (!http && !socket)
		endpoint_pause(&session->pair.client); /* until the backend is there */
	if (!http && socket &&
		(session->greeting = greeting_new(
			 session->pair.route->client_side == &side_guess)) == NULL) {
		session_fail(session, ENOMEM);
		return -1;
	}
	session->pair.client.read_total = &session->pair.loop->counters.client_bytes;
	if (endpoint_start(&session->pair.client) != 0) {
		session_fail(session, session->pair.client.error);
		return -1;
	}
	if (http)
		return life_begin_exchange(session);
	return session->pair.client.shaking ? 0 : life_begin_messages(session);
}

/* Why a connection is not even begun. */
static void life_refuse(struct loop *loop, int fd, int error)
{
	char text[SOURCES_TEXT_MAX];

	if (error == EUSERS) {
		loop->counters.connections_over_source++;
		log_line(LOG_WARN,
			"connections.max_per_source is reached: a connection of %s was refused",
			sources_text(fd, text));
	} else {
		loop->counters.connections_refused++;
		log_line(LOG_ERROR, "out of memory: a connection was refused");
	}
	(void)close(fd); /* nothing was sent over it */
}

struct session *life_accept(struct loop *loop, const struct route *route, int fd)
{
	struct source *source = NULL;
	struct session *session;

	if (loop->sources != NULL) {
		source = sources_enter(loop->sources, fd);
		if (source == NULL) {
			life_refuse(loop, fd, errno);
			return NULL;
		}
	}
	session = life_new(loop, route);
	if (session == NULL) {
		if (source != NULL)
			sources_leave(source);
		life_refuse(loop, fd, ENOMEM);
		return NULL;
	}
	session->source = source;
	if (life_init_peer(session, &session->pair.client, route->client_tls, fd) != 0)
		session_fail(session, ENOMEM);
	else
		(void)life_begin(session); /* failing, it has ended */
	return session;
}

struct session *life_stdio(struct loop *loop, const struct route *route)
{
	struct session *session = life_new(loop, route);

	if (session == NULL || endpoint_init_stdio(&session->pair.client, loop->base, life_on_event,
				       session) != 0) {
		log_line(LOG_ERROR, "cannot use stdin and stdout: %s", strerror(errno));
		if (session != NULL)
			session_close(session, PAIR_NO_RESOURCES);
		return NULL;
	}
	if (life_begin(session) != 0) {
		session_close(session, PAIR_NO_RESOURCES); /* keeps an earlier reason */
		return NULL;
	}
	return session;
}
