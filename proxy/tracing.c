/*
 * Conversations that have a name are found by it, and each has a connection of the tracer's, which
 * its exchanges borrow one by one; others have that of their client's connection.
 */
#include "proxy/tracing.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/list.h"
#include "proxy/carrying.h"
#include "proxy/conversations.h"
#include "proxy/exchange.h"
#include "proxy/generation.h"
#include "proxy/log.h"
#include "proxy/side/http.h"
#include "proxy/stream/tls.h"
#include "proxy/trace/requests/http_span.h"

#define TRACING_SUBJECT_MAX 256 /* of a certificate, with its terminator */

/* What the client asked with may have what spans are to say; but our own token is nobody's. */
static void tracing_tell_fields(struct session *session, const struct http_head *asked)
{
	size_t i;

	if (!tracer_wants_headers(session->pair.generation->tracer))
		return;

	for (i = 0; i < asked->field_count; i++) {
		const struct http_field *field = &asked->fields[i];

		if (session->pair.route->guard.token != NULL &&
			http_text_is(field->name, HTTP_TEXT("Authorization")))
			continue;
		tracer_header(session->trace, field->name.bytes, field->name.size,
			field->value.bytes, field->value.size);
	}
}

/* The carrier that a request has in its fields, if anybody is to look. */
static void tracing_take_fields(struct session *session, const struct http_head *head)
{
	if (tracer_wants_fields(session->pair.generation->tracer))
		fields_take(&session->fields, head);
}

static void tracing_tell_subject(struct session *session)
{
	const struct tls *tls = session->pair.client.stream;
	char subject[TRACING_SUBJECT_MAX];

	if (tls != NULL && tls_subject(tls, subject, sizeof subject))
		tracer_client_subject(session->trace, subject);
}

void tracing_begin(struct session *session, const char *transport)
{
	struct loop *loop = session->pair.loop;

	if (!loop->tracing)
		return;
	session->trace = tracer_connection_new(session->pair.generation->tracer,
		session->pair.number, transport, session->pair.route->command != NULL);
	if (session->trace == NULL)
		log_line(LOG_WARN, "connection %llu: out of memory: not traced",
			session->pair.number);
	else if (session->pair.generation->config->tls_client_subject)
		tracing_tell_subject(session);
}

void tracing_tell_asked(struct session *session, const struct http_head *asked)
{
	tracing_tell_fields(session, asked);
	tracing_take_fields(session, asked);
	if (session->fields.view != NULL)
		tracer_exchange(session->trace, 0, 0, session->fields.view, NULL);
}

/* The conversation whose stream has named what the request is for; NULL: there is none. */
static struct conversation *tracing_find_stream(
	const struct session *session, const struct http_head *head)
{
	struct http_text authority, path;

	if (!http_text_is_exactly(head->method, HTTP_TEXT("POST")))
		return NULL;
	http_target_split(head->target, &authority, &path);
	return conversations_enter(session->pair.loop->conversations, path);
}

/* The conversation that a request names, which may be new to us; NULL: none, or it has no place. */
static struct conversation *tracing_find_conversation(
	struct session *session, const struct http_text name)
{
	struct loop *loop = session->pair.loop;
	struct conversation *found = conversations_enter(loop->conversations, name);
	struct tracer_connection *trace;

	if (found != NULL)
		return found;
	trace = tracer_connection_new(
		session->generation->tracer, session->pair.number, "http", false);
	found = trace != NULL ? conversations_begin(loop->conversations, name, trace, loop->now_ns)
			      : NULL;
	loop->counters.http_sessions += found != NULL;
	if (found == NULL)
		tracer_connection_free(trace, TRACER_CONNECTION_CLOSED, loop->now_ns);
	return found;
}

/* Whom the messages of a request belong to: to a conversation with a name, or to the connection. */
static void tracing_converse(struct session *session, const struct http_head *head)
{
	const struct http_field *name = http_field_find(head, "Mcp-Session-Id");
	struct conversation *found = name != NULL ? tracing_find_conversation(session, name->value)
						  : tracing_find_stream(session, head);

	if (found != NULL)
		session_drop_trace(session, TRACER_CONNECTION_CLOSED);
	session->conversation = found;
	if (found != NULL) {
		session->trace = conversation_trace(found);
		session->pair.generation =
			generation_of(session->pair.loop->generations, session->trace);
	} else if (session->trace == NULL)
		tracing_begin(session, "http");
	session->ends_conversation =
		found != NULL && http_text_is_exactly(head->method, HTTP_TEXT("DELETE"));
	session->holds_conversation = false;
	session->answered_on_stream = found != NULL && name == NULL;
	session->answers_elsewhere = false;
}

/*
 * What is said on the connection is a conversation of that name from now on, if there is room.
 * False: there is one already, as of a server that repeats itself.
 */
static bool tracing_name_conversation(struct session *session, struct http_text name)
{
	struct loop *loop = session->pair.loop;
	struct conversation *other = conversations_enter(loop->conversations, name);

	if (other != NULL) {
		conversation_leave(other, loop->now_ns);
		return false;
	}
	session->conversation =
		conversations_begin(loop->conversations, name, session->trace, loop->now_ns);
	loop->counters.http_sessions += session->conversation != NULL;
	return true;
}

/* The answer names the conversation that its request has begun. */
static void tracing_begin_conversation(struct session *session, const struct http_head *head)
{
	const struct http_field *name = http_field_find(head, "Mcp-Session-Id");

	if (name == NULL || session->conversation != NULL || session->trace == NULL)
		return;
	if (tracing_name_conversation(session, name->value) &&
		tracer_wants_headers(session->pair.generation->tracer))
		tracer_header(session->trace, name->name.bytes, name->name.size, name->value.bytes,
			name->value.size);
}

/* Should it turn out to be no JSON-RPC, the exchange may have a span all the same. */
static void tracing_begin_span(struct session *session, const struct http_head *head)
{
	static const struct carrier_view says_nothing;
	const struct carrier_view *view =
		session->fields.view != NULL ? session->fields.view : &says_nothing;
	struct http_text authority, path;
	const char *query;
	struct http_span_request request = {
		.method = {head->method.bytes, head->method.size},
		.scheme = session->pair.route->client_tls != NULL ? "https" : "http",
	};

	http_target_split(head->target, &authority, &path);
	query = memchr(path.bytes, '?', path.size);
	request.path = (struct span_text){
		path.bytes, query != NULL ? (size_t)(query - path.bytes) : path.size};
	session->spoke_rpc = session->spoke_notification = false;
	session->http_span = tracer_http_begin(
		session->pair.generation->tracer, &request, view, session->pair.loop->now_ns);
}

void tracing_asked(struct session *session, const struct http_head *head)
{
	session->exchange_number = (uint32_t)session->pair.loop->counters.http_exchanges;
	session->has_asked = false;
	session->http_status = 0;
	if (session->promise != NULL)
		session->promise->is_open = false;
	if (session->pair.loop->tracing)
		tracing_converse(session, head);
	assert(session->trace == NULL ||
		tracer_connection_tracer(session->trace) == session->pair.generation->tracer);
	session->pair.tells =
		session->trace != NULL &&
		list_has_header(&session->pair.generation->config->propagation_inject);
	if (session->trace == NULL)
		return;
	tracing_tell_fields(session, head);
	tracing_take_fields(session, head);
	tracing_begin_span(session, head);
}

void tracing_answered(struct session *session, const struct http_head *head)
{
	session->http_status = head->status;
	tracing_begin_conversation(session, head);
	session->answers_elsewhere = session->conversation != NULL &&
				     (head->status == 202 || session->answered_on_stream ||
					     http_type_is(head, "text/event-stream"));
}

/* Copies text behind what is there; size is more than the room when it does not fit. */
static void tracing_append(char room[CONVERSATION_NAME_MAX], size_t *size, struct http_text text)
{
	if (*size <= CONVERSATION_NAME_MAX && text.size <= CONVERSATION_NAME_MAX - *size)
		memcpy(room + *size, text.bytes, text.size);
	*size = *size <= CONVERSATION_NAME_MAX ? *size + text.size : *size;
}

/* What a relative URI stands behind: of the path of the request that is answered so much. */
static void tracing_append_base(
	struct session *session, char room[CONVERSATION_NAME_MAX], size_t *size, bool is_query)
{
	struct http_head *asked = malloc(sizeof *asked); /* loop->head may have the answer */
	struct http_text authority, path;
	const char *query;

	if (asked == NULL) {
		*size = CONVERSATION_NAME_MAX + 1;
		return;
	}
	http_target_split(exchange_asked(session->exchange, asked)->target, &authority, &path);
	query = memchr(path.bytes, '?', path.size);
	path.size = query != NULL ? (size_t)(query - path.bytes) : path.size;
	while (!is_query && path.size > 0 && path.bytes[path.size - 1] != '/')
		path.size--;
	tracing_append(room, size, path);
	free(asked);
}

/* The target of a request that is posted to the URI; returns its size, which may not fit. */
static size_t tracing_resolve(
	struct session *session, char room[CONVERSATION_NAME_MAX], struct http_text uri)
{
	const char *fragment = memchr(uri.bytes, '#', uri.size);
	struct http_text authority, path;
	size_t size = 0;

	uri.size = fragment != NULL ? (size_t)(fragment - uri.bytes) : uri.size;
	http_target_split(uri, &authority, &path);
	if (path.size == 0 || (authority.size > 0 && path.bytes[0] == '?'))
		tracing_append(room, &size, HTTP_TEXT("/"));
	else if (authority.size == 0 && path.bytes[0] != '/')
		tracing_append_base(session, room, &size, path.bytes[0] == '?');
	tracing_append(room, &size, path);
	return size;
}

void tracing_endpoint(struct session *session, const char *uri, size_t size)
{
	char name[CONVERSATION_NAME_MAX];

	if (session->conversation != NULL || session->trace == NULL)
		return;
	size = tracing_resolve(session, name, (struct http_text){uri, size});
	if (size > sizeof name)
		return;
	(void)tracing_name_conversation(session, (struct http_text){name, size}); /* it knows */
	session->holds_conversation = session->conversation != NULL;
}

/* Whether what was said was JSON-RPC; what has no id is, by its answer, or by what it says. */
static bool tracing_is_rpc(const struct session *session, unsigned status)
{
	return session->spoke_rpc ||
	       (session->spoke_notification && (status == 202 || status == 204));
}

void tracing_exchanged(struct session *session, unsigned status)
{
	struct loop *loop = session->pair.loop;
	bool succeeds = status >= 200 && status < 300;

	tracer_http_end(session->pair.generation->tracer, session->http_span,
		tracing_is_rpc(session, status), status, loop->now_ns);
	session->http_span = NULL;
	free(session->told);
	session->told = NULL;
	if (session->trace == NULL)
		return;
	if (session->has_asked)
		tracer_exchange_end(session->trace, session->exchange_number, status,
			session->answers_elsewhere && succeeds, loop->now_ns);
	if (session->conversation == NULL)
		return;
	if (status == 404 || (succeeds && session->ends_conversation))
		conversation_end(session->conversation, loop->now_ns);
	session_drop_trace(session, TRACER_CONNECTION_CLOSED); /* it takes part no more */
}

/*
 * The tracer is shown a message of the exchange. What a server says in one in which nothing was
 * asked, as on the stream of a GET, may answer any request of the conversation.
 */
static void tracing_tell_exchange(struct session *session, bool from_client)
{
	tracer_exchange(session->trace,
		from_client || session->has_asked ? session->exchange_number : 0,
		session->http_status, session->fields.view, session->promise);
}

/* The first request whose context is known is the one that the head speaks of. */
static void tracing_tell_head(struct session *session)
{
	char text[CARRIER_FIELDS_MAX];
	size_t size;

	if (!session->pair.tells || session->told != NULL)
		return;
	size = tracer_fields(session->trace, text);
	if (size == 0)
		return;
	session->told = malloc(size + 1);
	if (session->told == NULL) {
		session->pair.loop->counters.messages_no_memory++;
		return;
	}
	memcpy(session->told, text, size);
	session->told[size] = '\0';
}

void tracing_promise(struct session *session, const struct envelope *envelope)
{
	if (session->told != NULL)
		return; /* by an earlier request of a batch */
	if (session->promise == NULL)
		session->promise = calloc(1, sizeof *session->promise);
	if (session->promise == NULL) {
		session->pair.loop->counters.messages_no_memory++;
		return;
	}
	tracing_tell_exchange(session, true);
	if (tracer_promise(session->trace, envelope))
		tracing_tell_head(session);
}

/* Whether carriers in fields are looked at or written. */
static bool tracing_has_fields(const struct config *config, const struct tracer *tracer)
{
	return list_has_header(&config->propagation_inject) || tracer_wants_fields(tracer);
}

const char *tracing_fields(struct session *session, const char *const **dropped)
{
	static const char *const lists[2][2][4] = {
		{{NULL}, {"baggage", NULL}},
		{{"traceparent", "tracestate", NULL},
			{"traceparent", "tracestate", "baggage", NULL}},
	};
	const struct config *config = session->pair.generation->config;
	bool edits = tracing_has_fields(config, session->pair.generation->tracer);
	bool strips = edits && (config->propagation_strip ||
				       (list_has_header(&config->propagation_inject) &&
					       config->propagation_trust != CONFIG_TRUST_CONTINUE));

	*dropped = lists[strips || session->told != NULL]
			[edits && config->propagation_baggage == CONFIG_BAGGAGE_STRIP];
	return session->told;
}

size_t tracing_carrier(struct session *session, struct envelope *envelope, const char **text)
{
	size_t size;

	tracing_tell_exchange(session, true);
	size = tracer_carrier(session->trace, envelope, text);
	if (envelope_kind(envelope) == ENVELOPE_REQUEST)
		tracing_tell_head(session);
	return size;
}

/* What a message says of its exchange. */
static void tracing_note(struct session *session, const struct envelope *envelope)
{
	enum envelope_kind kind = envelope_kind(envelope);

	session->spoke_notification |= kind == ENVELOPE_NOTIFICATION;
	session->spoke_rpc |= kind == ENVELOPE_REQUEST || kind == ENVELOPE_RESULT_REPLY ||
			      kind == ENVELOPE_ERROR_REPLY ||
			      tracer_says_rpc(session->pair.generation->tracer, envelope);
}

void tracing_envelope(struct session *session, bool from_client, const struct envelope *envelope,
	uint64_t start_ns)
{
	bool asks = from_client && envelope_kind(envelope) == ENVELOPE_REQUEST;

	session->has_asked |= asks;
	if (session->http_span != NULL)
		tracing_note(session, envelope);
	if (session->trace != NULL)
		tracing_tell_exchange(session, from_client);
	carrying_message(session, from_client, envelope, start_ns);
	if (session->trace != NULL && asks)
		tracing_tell_head(session);
}
