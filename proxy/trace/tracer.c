/*
 * Request spans. For every request of a client: the parent is found (carrier, environment, none),
 * a context is made and its carrier handed to the pump, the request is kept in flight; the answer,
 * or the lack of one, turns it into a span. Which values of a message become attributes stands in
 * the profile's captures; the names of all others stand here.
 */
#include "proxy/trace/tracer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "exporter/exporter.h"
#include "proxy/log.h"
#include "proxy/trace/capture.h"
#include "proxy/trace/inflight.h"
#include "proxy/trace/request.h"
#include "proxy/trace/sampler.h"
#include "w3c/carrier.h"
#include "w3c/ids.h"

#define TRACER_SPAN_NAME_MAX   512
#define TRACER_METHOD_MARK     "{method}"
#define TRACER_ATTRIBUTES_MAX  (PROFILE_CONSTANTS_MAX + CAPTURE_ATTRIBUTES_MAX + 16)
#define TRACER_CLOCK_JUMP_NS   100000000ull
#define TRACER_FLAGS_FORWARDED TRACE_FLAG_SAMPLED /* servers refuse the bits of Level 2 */

enum tracer_name {
	TRACER_SYSTEM,
	TRACER_SERVICE,
	TRACER_METHOD,
	TRACER_TRANSPORT,
	TRACER_REQUEST_ID,
	TRACER_STATUS_CODE,
	TRACER_PROTOCOL_VERSION,
	TRACER_NAMES,
};

/* Attributes that the semantic conventions renamed: before, and as of 1.44 (NULL: not there). */
static const struct {
	const char *legacy;
	const char *current;
} tracer_names[TRACER_NAMES] = {
	[TRACER_SYSTEM] = {"rpc.system", "rpc.system.name"},
	[TRACER_SERVICE] = {"rpc.service", NULL},
	[TRACER_METHOD] = {"rpc.method", "rpc.method"},
	[TRACER_TRANSPORT] = {"rpc.transport", "rpc.transport"},
	[TRACER_REQUEST_ID] = {"rpc.request_id", "jsonrpc.request.id"},
	[TRACER_STATUS_CODE] = {"rpc.response.status_code", "rpc.response.status_code"},
	[TRACER_PROTOCOL_VERSION] = {NULL, "jsonrpc.protocol.version"},
};

/* What each end means: sidespan.end_reason, and for a request without an answer its status. */
static const struct {
	const char *reason;
	const char *message; /* NULL: there was an answer */
} tracer_ends[] = {
	[TRACER_ANSWERED] = {"answered", NULL},
	[TRACER_ERROR] = {"error", NULL},
	[TRACER_CONNECTION_CLOSED] = {"connection_closed", "no answer: the connection was closed"},
	[TRACER_BACKEND_EXITED] = {"backend_exited", "no answer: the backend ended"},
	[TRACER_EXPIRED] = {"expired", "no answer within inflight.max_age"},
	[TRACER_EVICTED] = {"evicted", "no answer yet when inflight.max was reached"},
	[TRACER_ID_REUSED] = {"id_reused", "no answer yet when the id was used again"},
	[TRACER_SHUTDOWN] = {"shutdown", "no answer yet at shutdown"},
};

struct tracer {
	struct exporter *exporter; /* borrowed; may be NULL */
	struct pointers *pointers; /* owned */
	struct captures captures;
	int slot_jsonrpc;
	const struct profile *profile; /* borrowed from the config */
	const char *rpc_service;       /* the same */
	struct span_text name_before;  /* parts of span.name around {method}; the same */
	struct span_text name_after;
	bool name_has_method;
	const char *names[TRACER_NAMES][2]; /* those of the chosen conventions, NULL for none */
	struct sampler sampler;
	size_t inflight_max;
	uint64_t inflight_max_age_ns;
	uint64_t wall_offset_ns; /* unix time = monotonic time + this */
	bool extracts;           /* propagation.extract: parents are looked for at all */
	bool has_environment;    /* a valid TRACEPARENT */
	struct traceparent environment;
	char *environment_tracestate; /* owned */
	uint64_t next_connection;
	struct ids ids;
	struct log_limit invalid_limit;
	struct tracer_counters counters;
	char carrier[CARRIER_TEXT_MAX];
};

struct tracer_parent {
	bool present;
	struct traceparent traceparent;
	struct span_text tracestate; /* borrowed from the envelope or the environment */
};

/* What tracer_carrier() has told the server of the request being forwarded. */
struct tracer_promise {
	bool made;
	bool has_parent;
	struct traceparent context;
	struct traceparent parent;
};

struct tracer_value {
	size_t size;
	char bytes[];
};

struct tracer_connection {
	struct tracer *tracer; /* borrowed */
	const char *transport;
	char number[24];
	struct span_shared *shared; /* owned */
	struct inflight inflight;
	struct tracer_promise promise;
	struct tracer_value *values[]; /* owned; of each captured attribute, NULL until kept */
};

/* ---- attributes ---- */

struct tracer_attributes {
	struct span_attribute list[TRACER_ATTRIBUTES_MAX];
	size_t count;
};

static void tracer_put(struct tracer_attributes *attributes, const char *key, struct span_text text)
{
	assert(attributes->count < TRACER_ATTRIBUTES_MAX);
	attributes->list[attributes->count++] = (struct span_attribute){
		.key = key,
		.type = SPAN_VALUE_STRING,
		.value.string = text,
	};
}

static struct span_text tracer_text(const char *text)
{
	return (struct span_text){.bytes = text, .size = strlen(text)};
}

static struct span_text tracer_kept(const struct tracer_value *value)
{
	return (struct span_text){.bytes = value->bytes, .size = value->size};
}

/* Puts an attribute under the name, or both names, that the chosen conventions give it. */
static void tracer_put_named(const struct tracer *tracer, struct tracer_attributes *attributes,
	enum tracer_name name, struct span_text text)
{
	if (tracer->names[name][0] != NULL)
		tracer_put(attributes, tracer->names[name][0], text);
	if (tracer->names[name][1] != NULL)
		tracer_put(attributes, tracer->names[name][1], text);
}

static void tracer_choose_names(struct tracer *tracer, enum config_semconv semconv)
{
	size_t i;

	for (i = 0; i < TRACER_NAMES; i++) {
		const char *legacy = tracer_names[i].legacy;
		const char *current = tracer_names[i].current;

		if (semconv == CONFIG_SEMCONV_RPC)
			legacy = NULL;
		if (semconv == CONFIG_SEMCONV_LEGACY ||
			(legacy != NULL && current != NULL && strcmp(legacy, current) == 0))
			current = NULL;
		tracer->names[i][0] = legacy;
		tracer->names[i][1] = current;
	}
}

/* What all spans of the connection have in common, but for its captured values. */
static void tracer_put_common(
	const struct tracer_connection *connection, struct tracer_attributes *attributes)
{
	const struct tracer *tracer = connection->tracer;
	size_t i;

	tracer_put_named(tracer, attributes, TRACER_SYSTEM, tracer_text("jsonrpc"));
	tracer_put_named(tracer, attributes, TRACER_SERVICE, tracer_text(tracer->rpc_service));
	tracer_put_named(tracer, attributes, TRACER_TRANSPORT, tracer_text(connection->transport));
	tracer_put(attributes, "app_server.connection_id", tracer_text(connection->number));
	for (i = 0; i < tracer->profile->constant_count; i++)
		tracer_put(attributes, tracer->profile->constants[i].attribute,
			tracer_text(tracer->profile->constants[i].value));
}

/* Renders all that is common, captured values too; an older rendering is replaced. */
static void tracer_share(struct tracer_connection *connection)
{
	const struct captures *captures = &connection->tracer->captures;
	struct tracer_attributes attributes;
	struct span_shared *shared;
	size_t i;

	attributes.count = 0; /* the list itself is not worth clearing */
	tracer_put_common(connection, &attributes);
	for (i = 0; i < captures->attribute_count; i++)
		if (connection->values[i] != NULL)
			tracer_put(&attributes, captures->attributes[i],
				tracer_kept(connection->values[i]));
	shared = span_shared_new(attributes.list, attributes.count);
	if (shared == NULL)
		return; /* the older rendering, or none: spans go without */
	span_shared_free(connection->shared);
	connection->shared = shared;
}

/* ---- the parent of a request ---- */

/* The carrier's two texts, whether it is an object or, as codex also takes it, an array. */
static enum carrier_verdict tracer_judge_carrier(
	const struct envelope *envelope, struct trace_context *context)
{
	const struct envelope_value *carrier = envelope_value(envelope, ENVELOPE_CARRIER);
	bool list = carrier->type == JSON_ARRAY;
	const struct envelope_value *parent =
		envelope_value(envelope, list ? ENVELOPE_TRACEPARENT_POS : ENVELOPE_TRACEPARENT);
	const struct envelope_value *state =
		envelope_value(envelope, list ? ENVELOPE_TRACESTATE_POS : ENVELOPE_TRACESTATE);
	bool state_usable = state->type == JSON_STRING && !state->cut;
	enum carrier_verdict verdict;

	if (carrier->type == JSON_ABSENT || carrier->type == JSON_NULL)
		return CARRIER_ABSENT;
	if (carrier->type != JSON_OBJECT && carrier->type != JSON_ARRAY)
		return CARRIER_INVALID;
	if (parent->type == JSON_ABSENT || parent->type == JSON_NULL)
		return CARRIER_ABSENT;
	if (parent->type != JSON_STRING)
		return CARRIER_INVALID;
	verdict = carrier_extract(context, parent->text, parent->size,
		state_usable ? state->text : NULL, state->size);
	if (verdict == CARRIER_VALID && !state_usable && state->type > JSON_NULL)
		verdict = CARRIER_VALID_NO_STATE;
	return verdict;
}

static struct tracer_parent tracer_environment_parent(const struct tracer *tracer)
{
	struct tracer_parent parent = {.present = tracer->has_environment};

	parent.traceparent = tracer->environment;
	if (parent.present && tracer->environment_tracestate != NULL)
		parent.tracestate = tracer_text(tracer->environment_tracestate);
	return parent;
}

static void tracer_warn_invalid(
	struct tracer *tracer, const struct envelope *envelope, uint64_t now_ns)
{
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	char method_text[128], id_text[128];
	uint64_t held_back;

	if (!log_limit_pass(&tracer->invalid_limit, now_ns, &held_back))
		return;
	log_line(LOG_WARN,
		"ignoring the invalid trace carrier of request %s, id %s: a new trace begins "
		"(%llu more not logged)",
		log_escape(method_text, sizeof method_text, method->text, method->size),
		log_escape(id_text, sizeof id_text, id->text, id->size),
		(unsigned long long)held_back);
}

/* Carrier, else environment, else none; an invalid carrier means none, not the environment. */
static struct tracer_parent tracer_find_parent(
	const struct tracer *tracer, const struct envelope *envelope, enum carrier_verdict *verdict)
{
	struct tracer_parent parent = {.present = false};
	struct trace_context context;

	*verdict = CARRIER_ABSENT;
	if (!tracer->extracts)
		return parent;
	*verdict = tracer_judge_carrier(envelope, &context);
	switch (*verdict) {
	case CARRIER_ABSENT:
		return tracer_environment_parent(tracer);
	case CARRIER_VALID:
		parent.tracestate.bytes = context.tracestate;
		parent.tracestate.size = context.tracestate != NULL ? context.tracestate_size : 0;
		__attribute__((fallthrough));
	case CARRIER_VALID_NO_STATE:
		parent.present = true;
		parent.traceparent = context.traceparent;
		break;
	case CARRIER_INVALID:
		break;
	}
	return parent;
}

/* The context of a new span under parent, or of a new trace. */
static struct traceparent tracer_new_context(
	struct tracer *tracer, const struct tracer_parent *parent)
{
	struct traceparent context;
	const uint8_t *parent_flags = NULL;

	if (parent->present) {
		memcpy(context.trace_id, parent->traceparent.trace_id, TRACE_ID_SIZE);
		parent_flags = &parent->traceparent.flags;
		context.flags = *parent_flags & TRACE_FLAG_RANDOM;
	} else {
		ids_trace_id(&tracer->ids, context.trace_id);
		context.flags = TRACE_FLAG_RANDOM;
	}
	ids_span_id(&tracer->ids, context.span_id);
	if (sampler_decide(&tracer->sampler, context.trace_id, parent_flags))
		context.flags |= TRACE_FLAG_SAMPLED;
	return context;
}

void tracer_request_begins(struct tracer_connection *connection)
{
	connection->promise.made = false;
}

size_t tracer_carrier(
	struct tracer_connection *connection, const struct envelope *envelope, const char **text)
{
	struct tracer *tracer = connection->tracer;
	enum carrier_verdict verdict;
	struct tracer_parent parent;
	struct trace_context context;

	connection->promise.made = false;
	if (envelope_kind(envelope) != ENVELOPE_REQUEST)
		return 0;
	parent = tracer_find_parent(tracer, envelope, &verdict);
	connection->promise = (struct tracer_promise){
		.made = true,
		.has_parent = parent.present,
		.context = tracer_new_context(tracer, &parent),
		.parent = parent.traceparent,
	};
	context = (struct trace_context){
		.traceparent = connection->promise.context,
		.tracestate = parent.tracestate.size > 0 ? parent.tracestate.bytes : NULL,
		.tracestate_size = parent.tracestate.size,
	};
	*text = tracer->carrier;
	return carrier_format(tracer->carrier, &context, TRACER_FLAGS_FORWARDED);
}

/* ---- from a request to its span ---- */

/* The name from span.name and the method, in text (TRACER_SPAN_NAME_MAX bytes). */
static struct span_text tracer_span_name(
	const struct tracer *tracer, struct span_text method, char *text)
{
	const struct span_text parts[] = {tracer->name_before, method, tracer->name_after};
	size_t used = 0, i;

	if (!tracer->name_has_method)
		return tracer->name_before;
	for (i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		size_t size = parts[i].size;

		if (size > TRACER_SPAN_NAME_MAX - used)
			size = TRACER_SPAN_NAME_MAX - used;
		memcpy(text + used, parts[i].bytes, size);
		used += size;
	}
	return (struct span_text){.bytes = text, .size = used};
}

struct tracer_values {
	struct span_text list[CAPTURE_ATTRIBUTES_MAX]; /* by attribute; NULL where there is none */
	bool own; /* one of them differs from what the connection remembers */
};

/* Values of the request, then of the answer, which is the better witness; one per attribute. */
static void tracer_find_values(const struct tracer_connection *connection,
	const struct request *request, const struct envelope *reply, struct tracer_values *values)
{
	const struct captures *captures = &connection->tracer->captures;
	const struct capture_list *from_request = &captures->from[PROFILE_FROM_REQUEST];
	const struct capture_list *from_reply = &captures->from[PROFILE_FROM_REPLY];
	size_t i;

	values->own = false;
	memset(values->list, 0, captures->attribute_count * sizeof values->list[0]);
	for (i = 0; i < request->value_count; i++)
		values->list[from_request->rows[request->values[i].capture].attribute] =
			request->values[i].text;
	for (i = 0; reply != NULL && i < from_reply->count; i++)
		if (capture_applies(&from_reply->rows[i], request->method))
			(void)capture_take(&from_reply->rows[i], reply,
				&values->list[from_reply->rows[i].attribute]); /* else as it was */
	for (i = 0; i < captures->attribute_count; i++)
		if (values->list[i].bytes != NULL && connection->values[i] != NULL &&
			(connection->values[i]->size != values->list[i].size ||
				memcmp(connection->values[i]->bytes, values->list[i].bytes,
					values->list[i].size) != 0))
			values->own = true;
}

/*
 * Puts the captured values. They come on top of the rendering that the connection's spans share,
 * which is left out (and false returned) when this request says something else than it.
 */
static bool tracer_put_captured(const struct tracer_connection *connection,
	const struct request *request, const struct envelope *reply,
	struct tracer_attributes *attributes)
{
	const struct captures *captures = &connection->tracer->captures;
	struct tracer_values values;
	size_t i;

	tracer_find_values(connection, request, reply, &values);
	if (values.own)
		tracer_put_common(connection, attributes);
	for (i = 0; i < captures->attribute_count; i++) {
		if (values.list[i].bytes != NULL && (values.own || connection->values[i] == NULL))
			tracer_put(attributes, captures->attributes[i], values.list[i]);
		else if (values.own && connection->values[i] != NULL)
			tracer_put(attributes, captures->attributes[i],
				tracer_kept(connection->values[i]));
	}
	return !values.own;
}

/* What an error answer says, or why there was none: status, status message, error attributes. */
static void tracer_put_failure(const struct tracer *tracer, struct span *span,
	struct tracer_attributes *attributes, enum tracer_end end, const struct envelope *reply)
{
	const struct envelope_value *code, *message;

	if (end == TRACER_ANSWERED)
		return;
	span->status = SPAN_STATUS_ERROR;
	if (end != TRACER_ERROR) {
		span->status_message = tracer_text(tracer_ends[end].message);
		tracer_put(attributes, "error.type", tracer_text(tracer_ends[end].reason));
		return;
	}
	code = envelope_value(reply, ENVELOPE_ERROR_CODE);
	message = envelope_value(reply, ENVELOPE_ERROR_MESSAGE);
	span->status_message = (struct span_text){.bytes = message->text, .size = message->size};
	if (code->type == JSON_NUMBER || code->type == JSON_STRING) {
		struct span_text text = {.bytes = code->text, .size = code->size};

		tracer_put_named(tracer, attributes, TRACER_STATUS_CODE, text);
		tracer_put(attributes, "error.type", text);
	} else {
		tracer_put(attributes, "error.type", tracer_text("_OTHER"));
	}
}

static void tracer_put_version(const struct tracer *tracer, const struct envelope *reply,
	struct tracer_attributes *attributes)
{
	const struct envelope_value *version;

	if (reply == NULL || tracer->names[TRACER_PROTOCOL_VERSION][1] == NULL)
		return;
	version = envelope_value(reply, tracer->slot_jsonrpc);
	if (version->type == JSON_STRING)
		tracer_put_named(tracer, attributes, TRACER_PROTOCOL_VERSION,
			(struct span_text){.bytes = version->text, .size = version->size});
}

static void tracer_record(const struct tracer_connection *connection, const struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t now_ns)
{
	const struct tracer *tracer = connection->tracer;
	struct tracer_attributes attributes;
	char name[TRACER_SPAN_NAME_MAX];
	struct span span = {
		.context = request->context,
		.has_parent = request->has_parent,
		.parent_is_remote = true,
		.tracestate = request->tracestate,
		.name = tracer_span_name(tracer, request->method, name),
		.kind = SPAN_KIND_SERVER,
		.start_unix_ns = request->start_unix_ns,
		.end_unix_ns = request->start_unix_ns + (now_ns - request->entry.start_ns),
		.status = SPAN_STATUS_UNSET,
	};

	attributes.count = 0; /* the list itself is not worth clearing */
	memcpy(span.parent_span_id, request->parent_span_id, SPAN_ID_SIZE);
	tracer_put_named(tracer, &attributes, TRACER_METHOD, request->method);
	tracer_put_named(tracer, &attributes, TRACER_REQUEST_ID, request->id);
	tracer_put_version(tracer, reply, &attributes);
	if (tracer_put_captured(connection, request, reply, &attributes))
		span.shared = connection->shared;
	tracer_put_failure(tracer, &span, &attributes, end, reply);
	tracer_put(&attributes, "sidespan.end_reason", tracer_text(tracer_ends[end].reason));
	span.attributes = attributes.list;
	span.attribute_count = attributes.count;
	exporter_submit(tracer->exporter, &span);
}

/* Takes the request out of flight, makes its span, frees it. */
static void tracer_end_request(struct tracer_connection *connection, struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t now_ns)
{
	inflight_remove(&connection->inflight, &request->entry);
	if (request->recorded)
		tracer_record(connection, request, end, reply, now_ns);
	free(request);
}

/* ---- what a connection remembers ---- */

static bool tracer_remember(
	struct tracer_connection *connection, const struct capture *capture, struct span_text text)
{
	struct tracer_value **value = &connection->values[capture->attribute];

	if (*value != NULL)
		return false; /* the first one stays */
	*value = malloc(sizeof **value + text.size);
	if (*value == NULL)
		return false;
	(*value)->size = text.size;
	memcpy((*value)->bytes, text.bytes, text.size);
	return true;
}

/* Keeps the values of a request of which the profile says so for this moment. */
static void tracer_remember_request(struct tracer_connection *connection,
	const struct request *request, enum capture_keep moment)
{
	const struct capture_list *list = &connection->tracer->captures.from[PROFILE_FROM_REQUEST];
	bool changed = false;
	size_t i;

	for (i = 0; i < request->value_count; i++) {
		const struct capture *capture = &list->rows[request->values[i].capture];

		if (capture->keep == moment)
			changed |= tracer_remember(connection, capture, request->values[i].text);
	}
	if (changed)
		tracer_share(connection);
}

/* The same for its answer. */
static void tracer_remember_reply(struct tracer_connection *connection,
	const struct request *request, const struct envelope *reply, bool ok)
{
	const struct capture_list *list = &connection->tracer->captures.from[PROFILE_FROM_REPLY];
	struct span_text text;
	bool changed = false;
	size_t i;

	for (i = 0; i < list->count; i++) {
		const struct capture *capture = &list->rows[i];

		if ((capture->keep == CAPTURE_KEEP_SEEN ||
			    (capture->keep == CAPTURE_KEEP_OK && ok)) &&
			capture_applies(capture, request->method) &&
			capture_take(capture, reply, &text))
			changed |= tracer_remember(connection, capture, text);
	}
	if (changed)
		tracer_share(connection);
}

/* ---- messages ---- */

static size_t tracer_capture_request(const struct tracer *tracer, const struct envelope *envelope,
	struct span_text method, struct request_value *values)
{
	const struct capture_list *list = &tracer->captures.from[PROFILE_FROM_REQUEST];
	size_t count = 0, i;

	for (i = 0; i < list->count; i++)
		if (capture_applies(&list->rows[i], method) &&
			capture_take(&list->rows[i], envelope, &values[count].text))
			values[count++].capture = (uint8_t)i;
	return count;
}

/* A place in the table for a new request: whoever has its id, or waits longest, ends. */
static void tracer_make_room(
	struct tracer_connection *connection, const char *key, size_t key_size, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	struct inflight_entry *same = inflight_find(&connection->inflight, key, key_size);

	if (same != NULL) {
		tracer->counters.ids_reused++;
		tracer_end_request(
			connection, (struct request *)same, TRACER_ID_REUSED, NULL, now_ns);
	}
	while (connection->inflight.count >= tracer->inflight_max) {
		tracer->counters.evicted++;
		tracer_end_request(connection, (struct request *)connection->inflight.oldest,
			TRACER_EVICTED, NULL, now_ns);
	}
}

/*
 * A long message gets its carrier before its end is seen. Should another carrier have turned up
 * since, the parent is still the one that the server was told of.
 */
static void tracer_keep_promise(const struct tracer_promise *promise, struct tracer_parent *parent)
{
	if (!promise->made || (promise->has_parent == parent->present &&
				      memcmp(&promise->parent, &parent->traceparent,
					      sizeof promise->parent) == 0))
		return;
	parent->present = promise->has_parent;
	parent->traceparent = promise->parent;
	parent->tracestate.size = 0; /* it is gone */
}

static struct request *tracer_make_request(struct tracer_connection *connection,
	const struct envelope *envelope, struct span_text key, uint64_t start_ns)
{
	struct tracer *tracer = connection->tracer;
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	struct span_text method_text = {.bytes = method->text, .size = method->size};
	struct request_value values[PROFILE_CAPTURES_MAX];
	size_t value_count = tracer_capture_request(tracer, envelope, method_text, values);
	enum carrier_verdict verdict;
	struct tracer_parent parent = tracer_find_parent(tracer, envelope, &verdict);
	struct request *request;

	tracer_keep_promise(&connection->promise, &parent);
	request = request_new(key, method_text,
		(struct span_text){.bytes = id->text, .size = id->size}, parent.tracestate, values,
		value_count);
	if (verdict == CARRIER_INVALID) {
		tracer->counters.carriers_invalid++;
		tracer_warn_invalid(tracer, envelope, start_ns);
	}
	if (verdict == CARRIER_VALID_NO_STATE)
		tracer->counters.tracestates_dropped++;
	if (request == NULL)
		return NULL;
	request->context = connection->promise.made ? connection->promise.context
						    : tracer_new_context(tracer, &parent);
	request->has_parent = parent.present;
	if (parent.present)
		memcpy(request->parent_span_id, parent.traceparent.span_id, SPAN_ID_SIZE);
	request->recorded =
		tracer->exporter != NULL && (request->context.flags & TRACE_FLAG_SAMPLED) != 0;
	request->entry.start_ns = start_ns;
	request->start_unix_ns = start_ns + tracer->wall_offset_ns;
	return request;
}

/* A call with an id that no answer could be matched to. */
static bool tracer_has_unusable_id(const struct envelope *envelope)
{
	return envelope_kind(envelope) == ENVELOPE_OTHER &&
	       envelope_value(envelope, ENVELOPE_METHOD)->type == JSON_STRING;
}

void tracer_client_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t start_ns)
{
	struct tracer *tracer = connection->tracer;
	char key[ENVELOPE_KEY_MAX];
	struct span_text key_text = {.bytes = key};
	struct request *request;

	if (envelope_kind(envelope) != ENVELOPE_REQUEST) {
		tracer->counters.ids_unusable += tracer_has_unusable_id(envelope);
		connection->promise.made = false;
		return;
	}
	key_text.size = envelope_id_key(envelope, key);
	request = tracer_make_request(connection, envelope, key_text, start_ns);
	connection->promise.made = false;
	if (request == NULL) {
		tracer->counters.no_memory++;
		return;
	}
	tracer_make_room(connection, key, key_text.size, start_ns);
	if (inflight_add(&connection->inflight, &request->entry) != 0) {
		tracer->counters.no_memory++;
		free(request);
		return;
	}
	tracer->counters.requests++;
	tracer_remember_request(connection, request, CAPTURE_KEEP_SEEN);
}

void tracer_backend_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns)
{
	enum envelope_kind kind = envelope_kind(envelope);
	char key[ENVELOPE_KEY_MAX];
	struct request *request;
	size_t key_size;

	if (kind != ENVELOPE_RESULT_REPLY && kind != ENVELOPE_ERROR_REPLY)
		return;
	key_size = envelope_id_key(envelope, key);
	request = (struct request *)inflight_find(&connection->inflight, key, key_size);
	if (key_size == 0 || request == NULL) {
		connection->tracer->counters.replies_unmatched++;
		return;
	}
	if (kind == ENVELOPE_RESULT_REPLY)
		tracer_remember_request(connection, request, CAPTURE_KEEP_OK);
	tracer_remember_reply(connection, request, envelope, kind == ENVELOPE_RESULT_REPLY);
	tracer_end_request(connection, request,
		kind == ENVELOPE_RESULT_REPLY ? TRACER_ANSWERED : TRACER_ERROR, envelope, now_ns);
}

size_t tracer_connection_waiting(const struct tracer_connection *connection)
{
	return connection->inflight.count;
}

/* ---- connections ---- */

struct tracer_connection *tracer_connection_new(struct tracer *tracer, const char *transport)
{
	struct tracer_connection *connection =
		calloc(1, sizeof *connection +
				  tracer->captures.attribute_count * sizeof connection->values[0]);
	uint64_t seed;

	if (connection == NULL)
		return NULL;
	connection->tracer = tracer;
	connection->transport = transport;
	(void)snprintf(connection->number, sizeof connection->number, "%llu",
		(unsigned long long)tracer->next_connection++); /* fits: 20 digits */
	ids_random(&tracer->ids, (uint8_t *)&seed, sizeof seed);
	inflight_init(&connection->inflight, seed);
	tracer_share(connection);
	return connection;
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
}

void tracer_connection_end(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns)
{
	while (connection->inflight.oldest != NULL)
		tracer_end_request(connection, (struct request *)connection->inflight.oldest,
			reason, NULL, now_ns);
}

void tracer_connection_free(
	struct tracer_connection *connection, enum tracer_end reason, uint64_t now_ns)
{
	size_t i;

	if (connection == NULL)
		return;
	tracer_connection_end(connection, reason, now_ns);
	inflight_done(&connection->inflight);
	for (i = 0; i < connection->tracer->captures.attribute_count; i++)
		free(connection->values[i]);
	span_shared_free(connection->shared);
	free(connection);
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

void tracer_clock(struct tracer *tracer, uint64_t now_ns, uint64_t unix_ns)
{
	uint64_t offset = unix_ns - now_ns;
	uint64_t drift = offset - tracer->wall_offset_ns;

	if (drift + TRACER_CLOCK_JUMP_NS > 2 * TRACER_CLOCK_JUMP_NS)
		tracer->wall_offset_ns = offset;
}

static void tracer_split_name(struct tracer *tracer, const char *template)
{
	const char *mark = strstr(template, TRACER_METHOD_MARK);

	tracer->name_before = tracer_text(template);
	tracer->name_has_method = mark != NULL;
	if (mark == NULL)
		return;
	tracer->name_before.size = (size_t)(mark - template);
	tracer->name_after = tracer_text(mark + strlen(TRACER_METHOD_MARK));
}

static int tracer_take_environment(
	struct tracer *tracer, const char *traceparent, const char *tracestate)
{
	struct trace_context context;
	enum carrier_verdict verdict;

	if (traceparent == NULL || traceparent[0] == '\0')
		return 0; /* an empty variable is as good as none */
	verdict = carrier_extract(&context, traceparent, strlen(traceparent), tracestate,
		tracestate != NULL ? strlen(tracestate) : 0);
	if (verdict == CARRIER_INVALID)
		log_line(LOG_WARN, "ignoring the invalid TRACEPARENT of the environment");
	if (verdict != CARRIER_VALID && verdict != CARRIER_VALID_NO_STATE)
		return 0;
	tracer->has_environment = true;
	tracer->environment = context.traceparent;
	if (verdict == CARRIER_VALID_NO_STATE || context.tracestate == NULL)
		return 0;
	tracer->environment_tracestate = strndup(context.tracestate, context.tracestate_size);
	return tracer->environment_tracestate != NULL ? 0 : -1;
}

/* The member's name in "/trace"; with "none" an incoming `trace` still tells the parent. */
const char *tracer_carrier_name(const struct config *config)
{
	return config->propagation_inject[0] == '/' ? config->propagation_inject + 1 : "trace";
}

static void tracer_take_settings(struct tracer *tracer, const struct config *config)
{
	tracer->profile = config->profile;
	tracer->rpc_service =
		config->rpc_service != NULL ? config->rpc_service : config->service_name;
	tracer_choose_names(tracer, (enum config_semconv)config->semconv);
	sampler_init(&tracer->sampler, (enum config_sampler)config->sampler, config->sampler_arg);
	tracer->inflight_max = (size_t)config->inflight_max;
	tracer->inflight_max_age_ns = (uint64_t)config->inflight_max_age_ms * 1000000;
	tracer->extracts = config->propagation_extract;
	tracer_split_name(tracer, config->span_name);
}

struct tracer *tracer_new(const struct config *config, struct exporter *exporter,
	const char *environment_traceparent, const char *environment_tracestate, char *error,
	size_t error_size)
{
	struct tracer *tracer = calloc(1, sizeof *tracer);

	(void)snprintf(error, error_size, "out of memory");
	if (tracer == NULL)
		return NULL;
	tracer->exporter = exporter;
	ids_init(&tracer->ids);
	tracer_take_settings(tracer, config);
	tracer->pointers = envelope_pointers_new(tracer_carrier_name(config));
	if (tracer->pointers == NULL)
		goto fail;
	tracer->slot_jsonrpc = pointers_add(tracer->pointers, "/jsonrpc", 8);
	if (tracer->slot_jsonrpc < 0 || tracer_take_environment(tracer, environment_traceparent,
						environment_tracestate) != 0)
		goto fail;
	if (captures_init(
		    &tracer->captures, config->profile, tracer->pointers, error, error_size) != 0)
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
	captures_done(&tracer->captures);
	pointers_free(tracer->pointers);
	free(tracer->environment_tracestate);
	free(tracer);
}
