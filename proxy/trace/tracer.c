/*
 * What happens to messages. For every request of a client: its parent is found, a context is made
 * and its carrier handed to the pump, the request is kept in flight; the answer, or the lack of
 * one, turns it into a span (request_span.c). What cannot be kept is counted.
 */
#include "proxy/trace/tracer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/list.h"
#include "config/profile/profile.h"
#include "config/value.h"
#include "exporter/exporter.h"
#include "proxy/message/carriers.h"
#include "proxy/trace/follow/claims.h"
#include "proxy/trace/follow/emit.h"
#include "proxy/trace/follow/follower.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/contents.h"
#include "proxy/trace/follow/shares.h"
#include "proxy/trace/names/methods.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/capture.h"
#include "proxy/trace/requests/http_span.h"
#include "proxy/trace/requests/parent.h"
#include "proxy/trace/requests/request.h"
#include "proxy/trace/requests/request_span.h"
#include "proxy/trace/requests/sampler.h"
#include "proxy/trace/survey.h"
#include "w3c/baggage.h"
#include "w3c/ids.h"

#define TRACER_CLOCK_JUMP_NS 100000000ull

struct tracer {
	struct pointers *pointers; /* owned */
	struct methods methods;
	struct captures captures;
	struct attribute_settings attribute_settings;
	struct request_span_settings request_spans;
	struct place_slots places[PLACES_MAX]; /* where a request may have its carrier */
	size_t place_count;                    /* one at least */
	struct parents parents;
	struct sampler sampler;
	struct ids ids;
	struct request_pool requests;
	struct follow_setup setup;
	struct contents contents;
	bool looks_at_body; /* for a request's parent; and at fields of HTTP */
	bool looks_at_fields;
	bool spans_http;           /* also what is no JSON-RPC */
	bool follows;              /* the rules of a lifecycle */
	struct follower *follower; /* owned; of the backend that connections share, or NULL */
	struct wanted wanted;      /* requests that have a span */
	bool takes_all;            /* that is all, and the sampler keeps them all */
	uint8_t flags_forwarded;   /* the others are left out of carriers */
	size_t inflight_max;
	size_t inflight_bytes, inflight_bytes_max;
	struct fullest fullest; /* connections, by the bytes of their requests */
	uint64_t inflight_max_age_ns;
	uint64_t wall_offset_ns; /* unix time = monotonic time + this */
	size_t sharing_count;    /* connections that share the backend and have not ended */
	TAILQ_HEAD(tracer_connections, tracer_connection) connections;
	size_t user_count; /* connections, and exchanges of HTTP, that are not freed */
	struct tail tail;
	struct tracer_counters counters;
	char carrier[CARRIER_TEXT_MAX];
};

struct tracer_connection {
	struct tracer *tracer; /* borrowed */
	TAILQ_ENTRY(tracer_connection) link;
	struct connection_attributes *attributes; /* owned */
	bool own_backend; /* a server process serves this connection alone */
	bool ended;
	uint64_t number;           /* one more than it is called: never 0 */
	struct follower *follower; /* the tracer's; owned if own_backend; NULL: nothing to follow */
	struct inflight inflight;
	struct fullest_member bytes;       /* of its requests */
	struct share *share;               /* of open spans; see shares.h */
	uint32_t exchange;                 /* of HTTP, that messages belong to, */
	uint16_t http_status;              /* ... and what its answer has; 0: there is none */
	const struct carrier_view *fields; /* ... and its request says; borrowed; NULL: nothing */
	struct tracer_promise *promise;    /* ... and was promised of it; borrowed; or NULL */
	/* Notes in envelopes: what the server was told of a request, and what the client was. */
	struct forwarded forwarded;
	struct traceparent told;
};

/* A profile may have no more pointers than there are slots for, beside ours and /jsonrpc. */
_Static_assert(ENVELOPE_SLOTS_FIXED + 1 + (PLACES_MAX - 1) * PLACE_SLOTS + PROFILE_POINTERS_MAX <=
		       POINTERS_SLOTS_MAX,
	"there is one");
_Static_assert(sizeof(struct forwarded) <= ENVELOPE_NOTE_MAX, "it can wait with its envelope");

/* ---- the carrier of a request ---- */

static size_t tracer_format(struct tracer *tracer, const struct traceparent *traceparent,
	struct span_text tracestate, const char **text)
{
	struct trace_context context = {
		.traceparent = *traceparent,
		.tracestate = tracestate.size > 0 ? tracestate.bytes : NULL,
		.tracestate_size = tracestate.size,
	};

	*text = tracer->carrier;
	return carrier_format(tracer->carrier, &context, tracer->flags_forwarded);
}

/* What the rules say about the messages of that method. */
static const struct matcher_method *tracer_rules(const struct tracer *tracer, unsigned number)
{
	return matcher_method(&tracer->setup.matcher, number);
}

/* Whether something of ours may come to hang below a request of that method. */
static bool tracer_begins_work(const struct tracer *tracer, unsigned number)
{
	const struct matcher_method *rules;

	if (!tracer->follows)
		return false;
	rules = tracer_rules(tracer, number);
	return matcher_submits(rules) || matcher_looks(rules, LIFECYCLE_ON_REPLY);
}

/* What the envelope of a request says of it, taken out once; borrowed from there. */
struct tracer_call {
	struct span_text method;
	uint32_t carriers;            /* of the envelope: see envelope_carriers() */
	const struct forwarded *told; /* what the server has been told of it; NULL: nothing yet */
	/* If told is NULL or not true any more, or tracer_wants_views(): what counts, and the
	 * other.
	 */
	struct carrier_view carriers_seen[PARENT_VIEWS_MAX];
};

/*
 * Whether the server is told of the request's parent, as the request is to have no span. One whose
 * carrier is invalid, or not trusted, has a span, as that must be replaced; and so has one whose
 * method is not known yet.
 */
static bool tracer_passes_on(const struct tracer *tracer, const struct forwarded *forwarded,
	const struct tracer_call *call)
{
	if (tracer->wanted.all || forwarded->parent.verdict == CARRIER_INVALID ||
		call->method.size == 0 || parents_restart(&tracer->parents, &forwarded->parent))
		return false;
	return !tracer_begins_work(tracer, forwarded->method_number) &&
	       !wanted_lists(&tracer->wanted, call->method);
}

/* What the server is told of a request: of its span, or, if it is to have none, of its parent. */
static void tracer_forward(
	struct tracer *tracer, struct forwarded *forwarded, const struct tracer_call *call)
{
	forwarded->carriers = call->carriers;
	forwarded_make(forwarded, &tracer->parents, &tracer->sampler, &tracer->ids,
		&call->carriers_seen[0]);
	if (tracer->takes_all)
		return;
	forwarded->passed_on = tracer_passes_on(tracer, forwarded, call);
	if (!forwarded->passed_on && !forwarded_sample(forwarded, &tracer->sampler))
		tracer->counters.requests_sampled_out++;
}

/*
 * What the message says, or else the fields that came before it. The one that does not count is the
 * second; but for its baggage, where the first has none.
 */
static void tracer_find_carriers(const struct tracer_connection *connection,
	const struct envelope *envelope, struct carrier_view carriers[PARENT_VIEWS_MAX])
{
	const struct tracer *tracer = connection->tracer;

	carriers[0] = carriers[1] = (struct carrier_view){.found = false};
	if (tracer->looks_at_body && envelope != NULL)
		carriers_find(&carriers[0], tracer->places, tracer->place_count, envelope);
	if (connection->fields == NULL)
		return;
	if (carriers[0].found)
		carriers[1] = *connection->fields;
	if (carriers[0].baggage.bytes == NULL) {
		carriers[0].baggage = connection->fields->baggage;
		carriers[0].baggage_cut = connection->fields->baggage_cut;
	}
	if (!carriers[0].found) {
		carriers[0].found = connection->fields->found;
		carriers[0].traceparent = connection->fields->traceparent;
		carriers[0].tracestate = connection->fields->tracestate;
	}
}

/* Whether it is asked what carriers say even if the server has been told what follows of them. */
static bool tracer_wants_views(const struct tracer_connection *connection)
{
	const struct tracer *tracer = connection->tracer;

	return tracer->captures.baggage_count > 0 || connection->fields != NULL ||
	       parents_link(&tracer->parents);
}

/*
 * Brings what the server is told, or was, up to the envelope: the method is found again if it has
 * been repeated since, another carrier is judged.
 */
static void tracer_judge(const struct tracer_connection *connection, struct forwarded *forwarded,
	const struct envelope *envelope, struct tracer_call *call)
{
	struct tracer *tracer = connection->tracer;
	const struct forwarded *told = call->told;
	bool stale = told == NULL || forwarded_is_stale(told, call->carriers, call->method);

	if (told != NULL && told != forwarded)
		*forwarded = *told;
	if (stale || tracer_wants_views(connection))
		tracer_find_carriers(connection, envelope, call->carriers_seen);
	if (!stale)
		return;
	forwarded->method = call->method;
	forwarded->method_number = methods_find(&tracer->methods, call->method);
	if (told == NULL)
		tracer_forward(tracer, forwarded, call);
	else
		forwarded_judge_again(forwarded, &tracer->parents, &call->carriers_seen[0]);
}

/* A request that submits work is forwarded in the name of the span that is to come of it. */
static void tracer_promise_another(struct tracer *tracer, struct forwarded *forwarded)
{
	if (!claims_promises(&tracer->setup, tracer_rules(tracer, forwarded->method_number)))
		return;
	forwarded->for_another = true;
	ids_span_id(&tracer->ids, forwarded->another);
}

/* What the server has been told of a request before it was complete; NULL: nothing. */
static const struct forwarded *tracer_told(
	struct tracer_connection *connection, const struct envelope *envelope)
{
	struct tracer_promise *promise = connection->promise;

	if (envelope_note(envelope) != NULL || promise == NULL || !promise->is_open)
		return envelope_note(envelope);
	promise->is_open = false;
	return (const struct forwarded *)promise->told;
}

/* Brings connection->forwarded up to a request of which the server is told now. */
static void tracer_tell(struct tracer_connection *connection, const struct envelope *envelope,
	struct tracer_call *call)
{
	struct forwarded *forwarded = &connection->forwarded;

	tracer_judge(connection, forwarded, envelope, call);
	if (call->told == NULL && connection->follower != NULL && !forwarded->passed_on)
		tracer_promise_another(connection->tracer, forwarded);
}

/* That context; false: none. */
static bool tracer_context(const struct forwarded *forwarded, struct traceparent *context)
{
	*context = forwarded->passed_on ? forwarded->parent.traceparent : forwarded->context;
	if (forwarded->for_another)
		memcpy(context->span_id, forwarded->another, SPAN_ID_SIZE);
	return !forwarded->passed_on || forwarded->parent.present;
}

size_t tracer_carrier(
	struct tracer_connection *connection, struct envelope *envelope, const char **text)
{
	struct forwarded *forwarded = &connection->forwarded;
	struct tracer_call call;
	struct traceparent told;

	if (envelope_kind(envelope) != ENVELOPE_REQUEST)
		return 0;
	call.method = text_in_slot(envelope, ENVELOPE_METHOD);
	call.carriers = envelope_carriers(envelope);
	call.told = tracer_told(connection, envelope);
	tracer_tell(connection, envelope, &call);
	envelope_set_note(envelope, forwarded, sizeof *forwarded);
	if (!tracer_context(forwarded, &told))
		return 0;
	return tracer_format(connection->tracer, &told, forwarded->parent.tracestate, text);
}

bool tracer_promise(struct tracer_connection *connection, const struct envelope *envelope)
{
	struct tracer_promise *promise = connection->promise;
	struct tracer_call call = {.told = NULL};

	assert(promise != NULL);
	if (envelope != NULL) {
		if (envelope_value(envelope, ENVELOPE_RESULT)->type != JSON_ABSENT ||
			envelope_value(envelope, ENVELOPE_ERROR)->type != JSON_ABSENT)
			return false;
		call.method = text_in_slot(envelope, ENVELOPE_METHOD);
		call.carriers = envelope_carriers(envelope);
	}
	tracer_tell(connection, envelope, &call);
	memcpy(promise->told, &connection->forwarded, sizeof connection->forwarded);
	promise->is_open = true;
	return true;
}

size_t tracer_fields(const struct tracer_connection *connection, char *text)
{
	const struct forwarded *forwarded = &connection->forwarded;
	const struct tracer *tracer = connection->tracer;
	struct trace_context context = {
		.tracestate = forwarded->parent.tracestate.size > 0
				      ? forwarded->parent.tracestate.bytes
				      : NULL,
		.tracestate_size = forwarded->parent.tracestate.size,
	};

	if (!tracer_context(forwarded, &context.traceparent))
		return 0;
	return carrier_format_fields(text, &context, tracer->flags_forwarded);
}

/* ---- requests ---- */

/* A request has so many bytes more, or less. */
static void tracer_charge(struct tracer_connection *connection, size_t bytes)
{
	struct tracer *tracer = connection->tracer;

	tracer->inflight_bytes += bytes;
	fullest_set(&tracer->fullest, &connection->bytes, connection->bytes.weight + bytes);
}

/* Takes the request out of flight, makes its span, frees it. */
static void tracer_end_request(struct tracer_connection *connection, struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;

	inflight_remove(&connection->inflight, &request->entry);
	tracer_charge(connection, -(size_t)request->bytes);
	if (request->claim != NULL || request->span != NULL)
		follower_request_over(connection->follower, request, now_ns);
	if (!request->stays && follow_wants(&tracer->setup, request->recorded))
		request_span_emit(&tracer->request_spans, &tracer->setup, connection->attributes,
			request, end, reply, now_ns - request->entry.start_ns);
	if (request->span != NULL)
		follower_request_forget(connection->follower, request);
	request_free(&tracer->requests, request);
}

/*
 * What requests in flight cost, but for what their spans have learnt, which has a limit of its own.
 */
static size_t tracer_inflight_bytes(const struct tracer *tracer)
{
	return tracer->inflight_bytes + tracer->setup.request_span_count * sizeof(struct open_span);
}

/* Room for so many bytes of a new one: who has most gives up its oldest. */
static void tracer_find_room(struct tracer *tracer, size_t bytes, uint64_t now_ns)
{
	while (tracer_inflight_bytes(tracer) + bytes > tracer->inflight_bytes_max) {
		struct fullest_member *member = fullest_find(&tracer->fullest);
		struct tracer_connection *connection;

		if (member->weight == 0)
			return; /* there is no other */
		connection =
			(struct tracer_connection *)((char *)member -
						     offsetof(struct tracer_connection, bytes));
		tracer->counters.evicted_for_room++;
		tracer_end_request(connection, (struct request *)connection->inflight.oldest,
			TRACER_EVICTED, NULL, now_ns);
	}
}

/* A place in the table for a new request: whoever has its id, or waits longest, ends. */
static void tracer_make_room(
	struct tracer_connection *connection, const struct inflight_entry *entry, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	struct request *same =
		request_find(&connection->inflight, (struct span_text){entry->key, entry->key_size},
			entry->hash, ((const struct request *)entry)->exchange);

	if (same != NULL) {
		tracer->counters.ids_reused++;
		tracer_end_request(connection, same, TRACER_ID_REUSED, NULL, now_ns);
	}
	while (connection->inflight.count >= tracer->inflight_max) {
		tracer->counters.evicted++;
		tracer_end_request(connection, (struct request *)connection->inflight.oldest,
			TRACER_EVICTED, NULL, now_ns);
	}
	tracer_find_room(tracer, ((const struct request *)entry)->bytes, now_ns);
}

/* What the server was told, or would be now that the message is complete; counts what was wrong. */
static const struct forwarded *tracer_take_forwarded(struct tracer_connection *connection,
	const struct envelope *envelope, struct tracer_call *call, struct span_text id)
{
	struct tracer *tracer = connection->tracer;
	struct forwarded *forwarded = &connection->forwarded;

	if (call->told != forwarded || tracer_wants_views(connection) ||
		forwarded_is_stale(forwarded, call->carriers, call->method))
		tracer_judge(connection, forwarded, envelope, call); /* else nothing came since */
	switch (forwarded->parent.verdict) {
	case CARRIER_ABSENT:
		tracer->counters.carriers_absent++;
		break;
	case CARRIER_VALID_NO_STATE:
		tracer->counters.tracestates_dropped++;
		tracer->counters.carriers_accepted++;
		break;
	case CARRIER_VALID:
		tracer->counters.carriers_accepted++;
		break;
	case CARRIER_INVALID:
		tracer->counters.carriers_invalid++;
		parent_warn_invalid(call->method, id);
		break;
	}
	return forwarded;
}

/* Of texts the key and the id are known, and where there is room for values and links. */
static struct request *tracer_make_request(struct tracer_connection *connection,
	const struct envelope *envelope, struct tracer_call *call, struct request_texts *texts,
	uint64_t start_ns)
{
	struct tracer *tracer = connection->tracer;
	const struct forwarded *forwarded =
		tracer_take_forwarded(connection, envelope, call, texts->id);
	const struct capture_set *captures =
		captures_find(&tracer->captures, forwarded->method_number);
	struct request *request;
	bool has_span;

	texts->method = call->method;
	texts->tracestate = forwarded->parent.tracestate;
	texts->link_count =
		parents_find_links(&tracer->parents, &forwarded->parent, call->carriers_seen,
			tracer_wants_views(connection) ? PARENT_VIEWS_MAX : 0, texts->links);
	texts->value_count = captures_take(&tracer->captures, captures, envelope, texts->values);
	if (tracer->captures.baggage_count > 0 &&
		!captures_take_baggage(&tracer->captures, captures, &call->carriers_seen[0],
			texts->values, &texts->value_count))
		tracer->counters.baggages_invalid++;
	request = request_new(&tracer->requests, &connection->inflight, texts);
	if (request == NULL)
		return NULL;
	request->method_number = forwarded->method_number;
	request->captures = captures;
	request->context = forwarded->context;
	request->has_parent = forwarded->parent.present;
	request->parent_is_ours = false;
	memcpy(request->parent_span_id, forwarded->parent.traceparent.span_id, SPAN_ID_SIZE);
	has_span = !forwarded->passed_on || tracer_begins_work(tracer, forwarded->method_number);
	tracer->counters.requests_passed_on += !has_span;
	request->has_span = has_span;
	request->stays = false;
	request->recorded = has_span && tracer->request_spans.exporter != NULL &&
			    (request->context.flags & TRACE_FLAG_SAMPLED) != 0;
	request->exchange = connection->exchange;
	request->http_status = 0;
	request->entry.start_ns = start_ns;
	request->start_unix_ns = start_ns + tracer->wall_offset_ns;
	return request;
}

/* What the follower is told of a message. */
static struct action_message tracer_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns)
{
	return (struct action_message){
		.connection = connection->number,
		.envelope = envelope,
		.now_ns = now_ns,
		.attributes = connection->attributes,
		.requests = &connection->inflight,
		.share = &connection->share,
	};
}

/* Ends the request that a rule has ended. */
static void tracer_end_closed(
	struct tracer_connection *connection, const struct action_message *message)
{
	if (message->ended != NULL)
		tracer_end_request(
			connection, message->ended, TRACER_CLOSED, NULL, message->now_ns);
}

/* No other span will come of it, for want of memory or because its method is another by now. */
static void tracer_keep_promise(const struct tracer_connection *connection, struct request *request)
{
	memcpy(request->context.span_id, connection->forwarded.another, SPAN_ID_SIZE);
}

/* What the rules make of a request that is complete. */
static void tracer_follow_request(struct tracer_connection *connection,
	const struct envelope *envelope, struct request *request, uint64_t now_ns)
{
	struct action_message message = tracer_message(connection, envelope, now_ns);
	const struct forwarded *forwarded = &connection->forwarded;
	size_t extra;

	follower_request(connection->follower, &connection->tracer->captures, &message, request,
		forwarded->for_another ? forwarded->another : NULL);
	extra = (request->claim != NULL ? request->claim->bytes : 0) +
		(request->quotes != NULL ? request->quotes->bytes : 0);
	request->bytes += (uint32_t)extra;
	tracer_charge(connection, extra);
	if (forwarded->for_another && request->claim == NULL)
		tracer_keep_promise(connection, request);
	tracer_end_closed(connection, &message);
}

/* The client may have answered a request of the server, or told of something. */
static void tracer_client_answer(struct tracer_connection *connection,
	const struct envelope *envelope, enum envelope_kind kind, uint64_t now_ns)
{
	struct action_message message = tracer_message(connection, envelope, now_ns);

	if (connection->follower == NULL)
		return;
	if (kind == ENVELOPE_RESULT_REPLY || kind == ENVELOPE_ERROR_REPLY)
		follower_client_reply(connection->follower, &message);
	else if (kind == ENVELOPE_NOTIFICATION)
		follower_notification(
			connection->follower, &message, LIFECYCLE_ON_CLIENT_NOTIFICATION);
	tracer_end_closed(connection, &message);
}

void tracer_client_message(struct tracer_connection *connection, const struct envelope *envelope,
	uint64_t start_ns, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	enum envelope_kind kind = envelope_kind(envelope);
	struct tracer_call call;
	struct request_value values[PROFILE_CAPTURES_MAX + CAPTURE_BAGGAGE_MAX];
	struct span_link links[PARENT_LINKS_MAX];
	struct request_texts texts;
	struct request *request;
	char key[ENVELOPE_KEY_MAX];

	if (kind != ENVELOPE_REQUEST) { /* a call that is none has an id that cannot be matched */
		tracer->counters.ids_unusable +=
			kind == ENVELOPE_OTHER && method->type == JSON_STRING;
		tracer_client_answer(connection, envelope, kind, now_ns);
		return;
	}
	tracer->setup.counters.budget.values_cut += method->cut;
	call.method = (struct span_text){method->text, method->size};
	call.carriers = envelope_carriers(envelope);
	call.told = tracer_told(connection, envelope);
	texts.values = values;
	texts.links = links;
	texts.id = (struct span_text){id->text, id->size};
	texts.key = (struct span_text){key, envelope_value_key(id, key)};
	request = tracer_make_request(connection, envelope, &call, &texts, start_ns);
	if (request == NULL) {
		tracer->counters.requests_no_memory++;
		return;
	}
	tracer_make_room(connection, &request->entry, now_ns);
	if (inflight_add(&connection->inflight, &request->entry) != 0) {
		tracer->counters.requests_no_memory++;
		request_free(&tracer->requests, request);
		return;
	}
	tracer_charge(connection, request->bytes);
	tracer->counters.requests++;
	if (request->recorded)
		exporter_begin(tracer->request_spans.exporter, &request->context);
	connection_attributes_remember_request(connection->attributes, request, CAPTURE_KEEP_SEEN);
	if (connection->follower != NULL && tracer_rules(tracer, request->method_number)->requested)
		tracer_follow_request(connection, envelope, request, now_ns);
	else if (connection->forwarded.for_another)
		tracer_keep_promise(connection, request);
}

/* What a request of the server carries of its own. */
static struct parent tracer_find_own(const struct tracer *tracer, const struct envelope *envelope)
{
	struct carrier_view view;
	struct parent parent;

	carriers_find(&view, tracer->places, tracer->place_count, envelope);
	parent_find_carried(&parent, &tracer->parents, &view);
	return parent;
}

size_t tracer_server_carrier(struct tracer_connection *connection, struct envelope *envelope,
	uint64_t now_ns, const char **text)
{
	struct action_message message = tracer_message(connection, envelope, now_ns);
	struct follower_told told;
	struct parent parent;

	if (connection->follower == NULL || envelope_kind(envelope) != ENVELOPE_REQUEST)
		return 0;
	parent = tracer_find_own(connection->tracer, envelope);
	if (!follower_server_context(connection->follower, &message, &parent, &told))
		return 0;
	if (told.made) {
		connection->told = told.context;
		envelope_set_note(envelope, &connection->told, sizeof connection->told);
	}
	return tracer_format(connection->tracer, &told.context, told.tracestate, text);
}

/* A notification or a request of the server: what the rules make of it. */
static void tracer_backend_call(
	struct tracer_connection *connection, struct action_message *message)
{
	struct parent parent;

	if (connection->follower == NULL)
		return;
	if (envelope_kind(message->envelope) == ENVELOPE_NOTIFICATION) {
		follower_notification(connection->follower, message, LIFECYCLE_ON_NOTIFICATION);
	} else if (envelope_kind(message->envelope) == ENVELOPE_REQUEST) {
		parent = tracer_find_own(connection->tracer, message->envelope);
		follower_server_request(
			connection->follower, message, &parent, envelope_note(message->envelope));
	}
	tracer_end_closed(connection, message);
}

static void tracer_backend_reply(
	struct tracer_connection *connection, struct action_message *message, bool ok)
{
	char key[ENVELOPE_KEY_MAX];
	size_t key_size = envelope_id_key(message->envelope, key);
	struct request *request =
		request_find(&connection->inflight, (struct span_text){key, key_size},
			inflight_hash(&connection->inflight, key, key_size), connection->exchange);

	if (key_size == 0 || request == NULL) {
		connection->tracer->counters.replies_unmatched++;
		return;
	}
	if (ok)
		connection_attributes_remember_request(
			connection->attributes, request, CAPTURE_KEEP_OK);
	else
		connection->tracer->setup.counters.budget.values_cut +=
			envelope_value(message->envelope, ENVELOPE_ERROR_MESSAGE)->cut;
	connection_attributes_remember_reply(
		connection->attributes, request, message->envelope, ok);
	if (connection->follower != NULL)
		follower_answered(connection->follower, message, request, ok);
	if (message->ended != request)
		tracer_end_closed(connection, message);
	if (request->http_status == 0) /* else its own exchange has been answered before */
		request->http_status = connection->http_status;
	tracer_end_request(connection, request, ok ? TRACER_ANSWERED : TRACER_ERROR,
		message->envelope, message->now_ns);
}

void tracer_backend_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns)
{
	struct action_message message = tracer_message(connection, envelope, now_ns);
	enum envelope_kind kind = envelope_kind(envelope);

	if (kind == ENVELOPE_RESULT_REPLY || kind == ENVELOPE_ERROR_REPLY)
		tracer_backend_reply(connection, &message, kind == ENVELOPE_RESULT_REPLY);
	else
		tracer_backend_call(connection, &message);
}

void tracer_exchange(struct tracer_connection *connection, uint32_t exchange, unsigned status,
	const struct carrier_view *carrier, struct tracer_promise *promise)
{
	connection->fields = carrier;
	connection->promise = promise;
	connection->exchange = exchange;
	connection->http_status = (uint16_t)status;
}

void tracer_exchange_end(struct tracer_connection *connection, uint32_t exchange, unsigned status,
	bool elsewhere, uint64_t now_ns)
{
	struct inflight_entry *entry, *newer;

	for (entry = connection->inflight.oldest; entry != NULL; entry = newer) {
		struct request *request = (struct request *)entry;

		newer = entry->newer;
		if (request->exchange != exchange)
			continue;
		request->http_status = (uint16_t)status;
		if (!elsewhere)
			tracer_end_request(connection, request, TRACER_HTTP, NULL, now_ns);
	}
}

struct http_span *tracer_http_begin(struct tracer *tracer, const struct http_span_request *request,
	const struct carrier_view *carrier, uint64_t now_ns)
{
	struct span_link links[PARENT_LINKS_MAX];
	struct forwarded forwarded;
	struct http_span *http;
	size_t link_count;

	if (!tracer->spans_http || tracer->request_spans.exporter == NULL)
		return NULL;
	forwarded_make(&forwarded, &tracer->parents, &tracer->sampler, &tracer->ids, carrier);
	if ((forwarded.context.flags & TRACE_FLAG_SAMPLED) == 0)
		return NULL;
	if (!forwarded.parent.present)
		forwarded.parent.tracestate =
			sampler_share_state(&tracer->sampler.own, forwarded.context.flags);
	link_count = parents_find_links(&tracer->parents, &forwarded.parent, carrier, 1, links);
	http = http_span_new(
		request, &forwarded, links, link_count, now_ns + tracer->wall_offset_ns);
	tracer->user_count += http != NULL;
	return http;
}

void tracer_http_end(struct tracer *tracer, struct http_span *http, bool is_rpc, unsigned status,
	uint64_t now_ns)
{
	if (http != NULL && !is_rpc)
		http_span_emit(http, tracer->request_spans.exporter, &tracer->attribute_settings,
			status, now_ns + tracer->wall_offset_ns);
	assert(http == NULL || tracer->user_count > 0);
	tracer->user_count -= http != NULL;
	http_span_free(http);
}

bool tracer_says_rpc(const struct tracer *tracer, const struct envelope *envelope)
{
	return envelope_value(envelope, tracer->request_spans.slot_jsonrpc)->type == JSON_STRING;
}

struct tracer *tracer_connection_tracer(const struct tracer_connection *connection)
{
	return connection->tracer;
}

size_t tracer_connection_waiting(const struct tracer_connection *connection)
{
	return connection->inflight.count;
}

/* ---- connections ---- */

struct tracer_connection *tracer_connection_new(
	struct tracer *tracer, uint64_t number, const char *transport, bool own_backend)
{
	struct tracer_connection *connection = calloc(1, sizeof *connection);
	uint64_t seed;

	if (connection == NULL)
		goto no_memory;
	connection->tracer = tracer;
	connection->own_backend = own_backend;
	ids_random(&tracer->ids, (uint8_t *)&seed, sizeof seed);
	inflight_init(&connection->inflight, seed);
	connection->attributes =
		connection_attributes_new(&tracer->attribute_settings, transport, number);
	if (connection->attributes == NULL ||
		fullest_add(&tracer->fullest, &connection->bytes) != 0)
		goto no_memory;
	TAILQ_INSERT_TAIL(&tracer->connections, connection, link);
	connection->number = number + 1;
	tracer->sharing_count += !own_backend;
	tracer->user_count++;
	connection->follower =
		own_backend && tracer->follows ? follower_new(&tracer->setup) : tracer->follower;
	if (tracer->follows && connection->follower == NULL)
		tracer->setup.counters.followed_no_memory++; /* only its requests will have spans */
	return connection;
no_memory:
	tracer->counters.requests_no_memory++;
	if (connection != NULL)
		connection_attributes_free(connection->attributes);
	free(connection);
	return NULL;
}

bool tracer_wants_fields(const struct tracer *tracer)
{
	return tracer->looks_at_fields;
}

bool tracer_wants_headers(const struct tracer *tracer)
{
	return tracer->captures.header_count > 0;
}

void tracer_header(struct tracer_connection *connection, const char *name, size_t name_size,
	const char *value, size_t value_size)
{
	connection_attributes_remember_header(connection->attributes,
		(struct span_text){.bytes = name, .size = name_size},
		(struct span_text){.bytes = value, .size = value_size});
}

void tracer_client_subject(struct tracer_connection *connection, const char *subject)
{
	connection_attributes_set_subject(connection->attributes, subject);
}

void tracer_connection_expire(struct tracer_connection *connection, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	struct inflight_entry *oldest;

	while ((oldest = connection->inflight.oldest) != NULL &&
		now_ns - oldest->start_ns >= tracer->inflight_max_age_ns) {
		tracer->counters.expired++;
		tracer_end_request(
			connection, (struct request *)oldest, TRACER_EXPIRED, NULL, now_ns);
	}
	inflight_trim(&connection->inflight);
	if (connection->own_backend && connection->follower != NULL)
		follower_tick(connection->follower, now_ns);
}

/* What the end of its requests means for the work that goes on. */
static enum end_reason tracer_reason(enum tracer_end end)
{
	if (end == TRACER_BACKEND_EXITED)
		return END_BACKEND_EXITED;
	return end == TRACER_SHUTDOWN ? END_SHUTDOWN : END_CONNECTION_CLOSED;
}

void tracer_connection_end(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns)
{
	while (connection->inflight.oldest != NULL)
		tracer_end_request(connection, (struct request *)connection->inflight.oldest,
			reason, NULL, now_ns);
	if (!connection->ended && !connection->own_backend)
		connection->tracer->sharing_count--;
	connection->ended = true;
	if (connection->follower == NULL)
		return;
	if (connection->own_backend)
		follower_end_all(connection->follower, tracer_reason(reason), now_ns);
	else
		follower_connection_gone(connection->follower, connection->number,
			connection->tracer->sharing_count == 0, reason == TRACER_BACKEND_EXITED,
			now_ns);
}

void tracer_connection_free(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns)
{
	if (connection == NULL)
		return;
	tracer_connection_end(connection, reason, now_ns);
	TAILQ_REMOVE(&connection->tracer->connections, connection, link);
	inflight_done(&connection->inflight);
	fullest_remove(&connection->tracer->fullest, &connection->bytes);
	if (connection->own_backend)
		follower_free(connection->follower, tracer_reason(reason), now_ns);
	shares_leave(&connection->tracer->setup.shares, &connection->share);
	assert(connection->tracer->user_count > 0);
	connection->tracer->user_count--;
	connection_attributes_free(connection->attributes);
	free(connection);
}

/* ---- what goes on ---- */

/* Requests of a connection are in the order in which they came. */
static void tracer_survey_requests(
	const struct tracer_connection *connection, struct survey *survey)
{
	const struct inflight_entry *entry = connection->inflight.oldest;

	survey_count(survey, LIFECYCLE_REQUEST, connection->inflight.count,
		entry != NULL ? entry->start_ns : 0);
	survey->shown_count += connection->inflight.count;
	for (; entry != NULL && survey_wants(survey, entry->start_ns); entry = entry->newer) {
		const struct request *request = (const struct request *)entry;
		const struct claim *claim = request->claim;

		survey_place(survey, &(struct survey_item){
					     .start_ns = entry->start_ns,
					     .request = request,
					     .attributes = connection->attributes,
				     });
		if (claim != NULL && claim->dispatched && claim->state == CLAIM_PENDING)
			survey_add_dispatch(
				survey, &(struct survey_item){
						.start_ns = claim->forwarded_ns, .claim = claim});
	}
}

void tracer_survey(const struct tracer *tracer, struct survey *survey)
{
	const struct tracer_connection *connection;

	if (tracer->follower != NULL)
		follower_survey(tracer->follower, survey);
	TAILQ_FOREACH(connection, &tracer->connections, link) {
		tracer_survey_requests(connection, survey);
		if (connection->own_backend && connection->follower != NULL)
			follower_survey(connection->follower, survey);
	}
}

size_t tracer_count_open(const struct tracer *tracer, struct tracer_open list[TRACER_OPEN_MAX])
{
	const struct lifecycle *lifecycle = tracer->setup.matcher.lifecycle;
	struct survey survey;
	size_t count = 0, i;

	(void)survey_init(&survey, 0); /* it needs no memory */
	tracer_survey(tracer, &survey);
	list[count++] = (struct tracer_open){"request", survey.kinds[LIFECYCLE_REQUEST].count,
		survey.kinds[LIFECYCLE_REQUEST].oldest_ns};
	for (i = 0; lifecycle != NULL && i < lifecycle->span_count; i++)
		if (!lifecycle->spans[i].is_memory && !lifecycle->spans[i].is_made)
			list[count++] = (struct tracer_open){lifecycle->spans[i].name,
				survey.kinds[i].count, survey.kinds[i].oldest_ns};
	return count;
}

void tracer_show(const struct survey_item *item, uint64_t now_ns,
	void (*show)(void *arg, const struct span *span), void *arg)
{
	struct tracer *tracer = item->tracer;
	const uint64_t names_cut = tracer->setup.counters.names_cut;

	if (item->request != NULL)
		request_span_show(&tracer->request_spans, &tracer->setup, item->attributes,
			item->request, now_ns, show, arg);
	else if (item->span != NULL)
		emit_show(&tracer->setup, item->span, now_ns, show, arg);
	else
		claim_show(&tracer->setup, item->claim, show, arg);
	tracer->setup.counters.names_cut = names_cut; /* these are made for a look */
}

/* ---- the tracer ---- */

const struct pointers *tracer_pointers(const struct tracer *tracer)
{
	return tracer->pointers;
}

const struct tracer_counters *tracer_counters(const struct tracer *tracer)
{
	return &tracer->counters;
}

const struct follow_counters *tracer_follow_counters(const struct tracer *tracer)
{
	return &tracer->setup.counters;
}

void tracer_measure(struct tracer *tracer, struct metrics *metrics)
{
	const struct lifecycle *lifecycle = tracer->setup.matcher.lifecycle;
	size_t i;

	tracer->setup.metrics = metrics;
	for (i = 0; lifecycle != NULL && i < lifecycle->span_count; i++)
		if (lifecycle->spans[i].is_measured)
			tracer->setup.off[i] = metrics == NULL;
}

const struct metrics *tracer_metrics(const struct tracer *tracer)
{
	return tracer->setup.metrics;
}

void tracer_watch(struct tracer *tracer, void (*note)(void *arg, const char *text), void *note_arg)
{
	tracer->setup.note = note;
	tracer->setup.note_arg = note_arg;
}

void tracer_ask_why(struct tracer *tracer, const char *method)
{
	tracer->setup.why = method;
}

void tracer_tick(struct tracer *tracer, uint64_t now_ns)
{
	if (tracer->follower != NULL)
		follower_tick(tracer->follower, now_ns);
	if (tracer_inflight_bytes(tracer) < tracer->inflight_bytes_max / 2)
		fullest_rest(&tracer->fullest);
	if (tracer->setup.shares.span_count < tracer->setup.spans_max / 2)
		shares_rest(&tracer->setup.shares);
}

void tracer_end(struct tracer *tracer, enum tracer_end reason, uint64_t now_ns)
{
	follower_free(tracer->follower, tracer_reason(reason), now_ns);
	tracer->follower = NULL;
}

bool tracer_is_in_use(const struct tracer *tracer)
{
	return tracer->user_count > 0;
}

void tracer_clock(struct tracer *tracer, uint64_t now_ns, uint64_t unix_ns)
{
	uint64_t offset = unix_ns - now_ns;
	uint64_t drift = offset - tracer->wall_offset_ns;

	if (drift + TRACER_CLOCK_JUMP_NS > 2 * TRACER_CLOCK_JUMP_NS)
		tracer->wall_offset_ns = offset;
}

uint64_t tracer_unix_ns(const struct tracer *tracer, uint64_t now_ns)
{
	return now_ns + tracer->wall_offset_ns;
}

static const char *tracer_place(const struct config *config)
{
	const char *inject = list_place(&config->propagation_inject);
	const char *extract = list_place(&config->propagation_extract);

	return inject != NULL ? inject : extract != NULL ? extract : "/trace";
}

/* Whether carriers in messages are anybody's business, or those in fields alone. */
static bool tracer_has_places(const struct config *config)
{
	return list_place(&config->propagation_inject) != NULL ||
	       list_place(&config->propagation_extract) != NULL ||
	       !list_has_header(&config->propagation_extract);
}

bool tracer_strips(const struct config *config)
{
	return tracer_has_places(config) &&
	       (config->propagation_strip || config->propagation_baggage == CONFIG_BAGGAGE_STRIP);
}

struct place_rules tracer_place_rules(const struct config *config)
{
	return (struct place_rules){
		.place = tracer_place(config),
		.makes_params = config->propagation_create_params,
		.strips_trace = config->propagation_strip,
		.strips_baggage = config->propagation_baggage == CONFIG_BAGGAGE_STRIP,
	};
}

static int tracer_look_at(struct tracer *tracer, const struct config *config, const char *text)
{
	struct place_slots *slots = &tracer->places[tracer->place_count];
	struct place place;

	assert(tracer->place_count < PLACES_MAX); /* options.def */
	if (place_parse(&place, text) != 0 || place_add(slots, tracer->pointers, &place) != 0)
		return -1;
	if (tracer_strips(config))
		place_edit(tracer->pointers, slots, false);
	tracer->place_count++;
	return config->baggage_attributes.count == 0
		       ? 0
		       : place_add_baggage(tracer->pointers, &place, BAGGAGE_TEXT_MAX);
}

/* propagation.extract: places, or one word; then it is where carriers are edited. */
static int tracer_take_places(struct tracer *tracer, const struct config *config)
{
	const struct config_list *extract = &config->propagation_extract;
	size_t i;

	for (i = 0; i < extract->count; i++)
		if (extract->items[i][0] == '/' &&
			tracer_look_at(tracer, config, extract->items[i]) != 0)
			return -1;
	return tracer->place_count > 0 ? 0 : tracer_look_at(tracer, config, tracer_place(config));
}

/* Whether parents are looked for at all. */
static bool tracer_wants_parents(const struct config *config)
{
	const struct config_list *extract = &config->propagation_extract;

	return extract->count > 0 &&
	       (strcasecmp(extract->items[0], "true") == 0 || !list_is_switch(extract->items[0]));
}

/* Where they are looked for. */
static void tracer_take_fields(struct tracer *tracer, const struct config *config)
{
	const struct config_list *extract = &config->propagation_extract;

	tracer->looks_at_fields = list_has_header(extract);
	tracer->looks_at_body = extract->count > (size_t)tracer->looks_at_fields;
	if (extract->count > 0 && strcasecmp(extract->items[0], "true") == 0)
		tracer->looks_at_fields = true;
}

static void tracer_take_settings(
	struct tracer *tracer, const struct config *config, struct exporter *exporter)
{
	tracer->attribute_settings.profile = config->profile;
	tracer->attribute_settings.captures = &tracer->captures;
	tracer->attribute_settings.extra = &config->span_attributes;
	tracer->attribute_settings.rpc_service =
		config->rpc_service != NULL ? config->rpc_service : config->service_name;
	attributes_choose_names(
		&tracer->attribute_settings.names, (enum config_semconv)config->semconv);
	tracer->attribute_settings.exporter = exporter;
	if (url_is_websocket(&config->upstream_url) && config->upstream_url.host[0] != '\0') {
		tracer->attribute_settings.server_address = config->upstream_url.host;
		tracer->attribute_settings.server_port = config->upstream_url.port;
	}
	tracer->request_spans.exporter = exporter;
	tracer->request_spans.attributes = &tracer->attribute_settings;
	request_span_take_name(&tracer->request_spans, config->span_name);
	tracer_take_fields(tracer, config);
	tracer->spans_http = config->http_spans == CONFIG_HTTP_SPANS_ALL;
	tracer->flags_forwarded = config->propagation_flags == CONFIG_FLAGS_LEVEL_2
					  ? TRACE_FLAG_SAMPLED | TRACE_FLAG_RANDOM
					  : TRACE_FLAG_SAMPLED;
	wanted_init(&tracer->wanted, &config->requests_record);
	tracer->takes_all = tracer->wanted.all && sampler_keeps_all(&tracer->sampler);
	tracer->inflight_max = (size_t)config->inflight_max;
	tracer->inflight_bytes_max = (size_t)config->inflight_bytes_max;
	tracer->inflight_max_age_ns = (uint64_t)config->inflight_max_age_ms * 1000000;
}

static void tracer_take_lifecycle(
	struct tracer *tracer, const struct config *config, struct exporter *exporter)
{
	struct follow_setup *setup = &tracer->setup;

	setup->exporter = exporter;
	setup->ids = &tracer->ids;
	setup->sampler = &tracer->sampler;
	setup->tail = &tracer->tail;
	tracer->tail = (struct tail){
		.keeps_errors = config->sampling_keep_errors,
		.slower_than_ns = (uint64_t)config->sampling_keep_slower_than_ms * 1000000,
		/* on the console a span that has begun is waited for */
		.spans_per_second = config->exporter == CONFIG_EXPORTER_CONSOLE
					    ? 0
					    : (uint64_t)config->sampling_spans_per_second,
		.kept = &tracer->counters.spans_kept,
		.capped = &tracer->counters.spans_capped,
	};
	setup->wall_offset_ns = &tracer->wall_offset_ns;
	setup->names = &tracer->attribute_settings.names;
	setup->methods = &tracer->methods;
	setup->dispatch = (enum config_dispatch)config->lifecycle_dispatch;
	setup->below = (enum config_below)config->lifecycle_turn_below;
	setup->events = !value_list_has(config->lifecycle_off, "events");
	setup->streams = !value_list_has(config->lifecycle_off, "deltas");
	setup->announce_after_ns = (uint64_t)config->lifecycle_announce_after_ms * 1000000;
	setup->max_age_ns = (uint64_t)config->lifecycle_max_age_ms * 1000000;
	setup->grace_ns = (uint64_t)config->lifecycle_grace_ms * 1000000;
	setup->spans_max = (size_t)config->lifecycle_spans_max;
	setup->memories_max = (size_t)config->lifecycle_memories_max;
}

/* Types of spans whose switch is off. */
static void tracer_switch_off(struct tracer *tracer, const struct config *config)
{
	const struct lifecycle *lifecycle = config->profile->lifecycle;
	size_t i;

	for (i = 0; i < lifecycle->span_count; i++) {
		const char *switched = lifecycle->spans[i].switched;

		tracer->setup.off[i] =
			lifecycle->spans[i].is_measured || /* until somebody measures */
			(switched != NULL && value_list_has(config->lifecycle_off, switched));
	}
}

/* The rules of the profile's lifecycle, unless a server traces that itself. */
static int tracer_follow(
	struct tracer *tracer, const struct config *config, char *error, size_t error_size)
{
	struct matcher_parts parts = {
		.lifecycle = config->profile->lifecycle,
		.methods = &tracer->methods,
		.pointers = tracer->pointers,
		.captures = &tracer->captures,
		.on = config->lifecycle_on,
		.contents = config->telemetry_contents ? &tracer->contents : NULL,
	};

	if (config->profile->lifecycle == NULL || config->lifecycle == CONFIG_LIFECYCLE_OFF)
		return 0;
	if (config->telemetry_contents &&
		contents_init(&tracer->contents, config,
			lifecycle_contents_count(config->profile->lifecycle)) != 0)
		return -1;
	tracer->contents.cut_count = &tracer->setup.counters.contents_cut;
	if (matcher_init(&tracer->setup.matcher, &parts, error, error_size) != 0)
		return -1;
	tracer_switch_off(tracer, config);
	tracer->follows = true;
	tracer->follower = follower_new(&tracer->setup);
	return tracer->follower != NULL ? 0 : -1;
}

/* Attributes that are no profile's. */
static int tracer_add_attributes(
	struct tracer *tracer, const struct config *config, char *error, size_t error_size)
{
	size_t i;

	for (i = 0; i < config->span_attributes.count; i++)
		captures_add_free(&tracer->captures, config->span_attributes.pairs[i].name);
	return captures_add_baggage(&tracer->captures, config->baggage_attributes.items,
		config->baggage_attributes.count, error, error_size);
}

struct tracer *tracer_new(const struct config *config, struct exporter *exporter,
	const char *environment_traceparent, const char *environment_tracestate, char *error,
	size_t error_size)
{
	struct tracer *tracer = calloc(1, sizeof *tracer);

	(void)snprintf(error, error_size, "out of memory");
	if (tracer == NULL)
		return NULL;
	TAILQ_INIT(&tracer->connections);
	ids_init(&tracer->ids);
	methods_init(&tracer->methods);
	request_pool_init(&tracer->requests);
	sampler_init(&tracer->sampler, (enum config_sampler)config->sampler, config->sampler_arg);
	if (sampler_take_methods(&tracer->sampler, &config->sampling_methods) != 0)
		goto fail;
	tracer_take_settings(tracer, config, exporter);
	tracer_take_lifecycle(tracer, config, exporter);
	tracer->pointers = envelope_pointers_new(tracer_place(config));
	if (tracer->pointers == NULL)
		goto fail;
	tracer->request_spans.slot_jsonrpc = pointers_add(tracer->pointers, "/jsonrpc", 8);
	if (tracer->request_spans.slot_jsonrpc < 0 ||
		parents_init(&tracer->parents, tracer_wants_parents(config),
			(enum config_trust)config->propagation_trust, environment_traceparent,
			environment_tracestate) != 0 ||
		tracer_take_places(tracer, config) != 0)
		goto fail;
	if (config->profile->lifecycle != NULL && matcher_number_methods(config->profile->lifecycle,
							  &tracer->methods, error, error_size) != 0)
		goto fail;
	if (captures_init(&tracer->captures, config->profile, &tracer->methods, tracer->pointers,
		    error, error_size) != 0)
		goto fail;
	tracer->captures.cut_count = &tracer->setup.counters.budget.values_cut;
	if (tracer_add_attributes(tracer, config, error, error_size) != 0)
		goto fail;
	if (tracer_follow(tracer, config, error, error_size) != 0)
		goto fail;
	return tracer;
fail:
	tracer_free(tracer);
	return NULL;
}

void tracer_free(struct tracer *tracer)
{
	if (tracer == NULL)
		return;
	follower_free(tracer->follower, END_SHUTDOWN, 0);
	if (tracer->setup.matcher.lifecycle != NULL)
		matcher_done(&tracer->setup.matcher);
	contents_done(&tracer->contents);
	request_pool_done(&tracer->requests);
	fullest_done(&tracer->fullest);
	captures_done(&tracer->captures);
	methods_done(&tracer->methods);
	sampler_done(&tracer->sampler);
	parents_done(&tracer->parents);
	pointers_free(tracer->pointers);
	free(tracer);
}
