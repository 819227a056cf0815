/*
 * What happens to messages. For every request of a client: its parent is found, a context is made
 * and its carrier handed to the pump, the request is kept in flight; the answer, or the lack of
 * one, turns it into a span (record.c). What cannot be kept is counted.
 */
#include "proxy/trace/tracer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/trace/capture.h"
#include "proxy/trace/common.h"
#include "proxy/trace/inflight.h"
#include "proxy/trace/methods.h"
#include "proxy/trace/parent.h"
#include "proxy/trace/promise.h"
#include "proxy/trace/record.h"
#include "proxy/trace/request.h"
#include "proxy/trace/sampler.h"
#include "w3c/ids.h"

#define TRACER_CLOCK_JUMP_NS   100000000ull
#define TRACER_FLAGS_FORWARDED TRACE_FLAG_SAMPLED /* servers refuse the bits of Level 2 */

struct tracer {
	struct pointers *pointers; /* owned */
	struct methods methods;
	struct captures captures;
	struct common_settings common;
	struct record_settings record;
	struct parents parents;
	struct sampler sampler;
	struct ids ids;
	struct request_pool requests;
	size_t inflight_max;
	uint64_t inflight_max_age_ns;
	uint64_t wall_offset_ns; /* unix time = monotonic time + this */
	uint64_t next_connection;
	struct tracer_counters counters;
	char carrier[CARRIER_TEXT_MAX];
};

struct tracer_connection {
	struct tracer *tracer; /* borrowed */
	struct common *common; /* owned */
	bool own_backend;      /* a server process serves this connection alone */
	struct inflight inflight;
	struct promise promise; /* what tracer_carrier() told the server of the present request */
};

/* ---- the carrier of a request ---- */

void tracer_request_begins(struct tracer_connection *connection)
{
	connection->promise.made = false;
}

size_t tracer_carrier(
	struct tracer_connection *connection, const struct envelope *envelope, const char **text)
{
	struct tracer *tracer = connection->tracer;
	struct promise *promise = &connection->promise;
	struct trace_context context;

	promise->made = false;
	if (envelope_kind(envelope) != ENVELOPE_REQUEST)
		return 0;
	promise_make(promise, &tracer->parents, &tracer->sampler, &tracer->ids, envelope);
	context = (struct trace_context){
		.traceparent = promise->context,
		.tracestate = promise->parent.tracestate.size > 0 ? promise->parent.tracestate.bytes
								  : NULL,
		.tracestate_size = promise->parent.tracestate.size,
	};
	*text = tracer->carrier;
	return carrier_format(tracer->carrier, &context, TRACER_FLAGS_FORWARDED);
}

/* ---- requests ---- */

/* Takes the request out of flight, makes its span, frees it. */
static void tracer_end_request(struct tracer_connection *connection, struct request *request,
	enum tracer_end end, const struct envelope *reply, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;

	inflight_remove(&connection->inflight, &request->entry);
	if (request->recorded)
		record_request(&tracer->record, connection->common, request, end, reply,
			now_ns - request->entry.start_ns);
	request_free(&tracer->requests, request);
}

static size_t tracer_take_values(const struct capture_set *captures,
	const struct envelope *envelope, struct request_value *values)
{
	const struct capture_list *list = &captures->from[PROFILE_FROM_REQUEST];
	size_t count = 0, i;

	for (i = 0; i < list->count; i++)
		if (capture_take(&list->rows[i], envelope, &values[count].text))
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

/* Keeps the promise, or makes it now that the message is complete; counts what was wrong with it.
 */
static const struct promise *tracer_take_promise(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	struct promise *promise = &connection->promise;

	if (promise->made)
		promise_keep(promise, &tracer->parents, envelope);
	else
		promise_make(promise, &tracer->parents, &tracer->sampler, &tracer->ids, envelope);
	promise->made = false;
	if (promise->parent.verdict == CARRIER_INVALID) {
		tracer->counters.carriers_invalid++;
		parent_warn_invalid(&tracer->parents, envelope, now_ns);
	}
	if (promise->parent.verdict == CARRIER_VALID_NO_STATE)
		tracer->counters.tracestates_dropped++;
	return promise;
}

static struct request *tracer_make_request(struct tracer_connection *connection,
	const struct envelope *envelope, struct span_text key, uint64_t start_ns, uint64_t now_ns)
{
	struct tracer *tracer = connection->tracer;
	const struct promise *promise = tracer_take_promise(connection, envelope, now_ns);
	const struct envelope_value *method = envelope_value(envelope, ENVELOPE_METHOD);
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	struct request_value values[PROFILE_CAPTURES_MAX];
	struct request_texts texts = {
		.key = key,
		.method = {.bytes = method->text, .size = method->size},
		.id = {.bytes = id->text, .size = id->size},
		.tracestate = promise->parent.tracestate,
		.values = values,
	};
	unsigned number = methods_find(&tracer->methods, texts.method);
	const struct capture_set *captures = captures_find(&tracer->captures, number);
	struct request *request;

	texts.value_count = tracer_take_values(captures, envelope, values);
	request = request_new(&tracer->requests, &texts);
	if (request == NULL)
		return NULL;
	request->method_number = number;
	request->captures = captures;
	request->context = promise->context;
	request->has_parent = promise->parent.present;
	memcpy(request->parent_span_id, promise->parent.traceparent.span_id, SPAN_ID_SIZE);
	request->recorded = tracer->record.exporter != NULL &&
			    (request->context.flags & TRACE_FLAG_SAMPLED) != 0;
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

void tracer_client_message(struct tracer_connection *connection, const struct envelope *envelope,
	uint64_t start_ns, uint64_t now_ns)
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
	request = tracer_make_request(connection, envelope, key_text, start_ns, now_ns);
	if (request == NULL) {
		tracer->counters.no_memory++;
		return;
	}
	tracer_make_room(connection, key, key_text.size, now_ns);
	if (inflight_add(&connection->inflight, &request->entry) != 0) {
		tracer->counters.no_memory++;
		request_free(&tracer->requests, request);
		return;
	}
	tracer->counters.requests++;
	common_remember_request(connection->common, request, CAPTURE_KEEP_SEEN);
}

void tracer_backend_message(
	struct tracer_connection *connection, const struct envelope *envelope, uint64_t now_ns)
{
	enum envelope_kind kind = envelope_kind(envelope);
	bool ok = kind == ENVELOPE_RESULT_REPLY;
	char key[ENVELOPE_KEY_MAX];
	struct request *request;
	size_t key_size;

	if (!ok && kind != ENVELOPE_ERROR_REPLY)
		return;
	key_size = envelope_id_key(envelope, key);
	request = (struct request *)inflight_find(&connection->inflight, key, key_size);
	if (key_size == 0 || request == NULL) {
		connection->tracer->counters.replies_unmatched++;
		return;
	}
	if (ok)
		common_remember_request(connection->common, request, CAPTURE_KEEP_OK);
	common_remember_reply(connection->common, request, envelope, ok);
	tracer_end_request(
		connection, request, ok ? TRACER_ANSWERED : TRACER_ERROR, envelope, now_ns);
}

size_t tracer_connection_waiting(const struct tracer_connection *connection)
{
	return connection->inflight.count;
}

/* ---- connections ---- */

struct tracer_connection *tracer_connection_new(
	struct tracer *tracer, const char *transport, bool own_backend)
{
	struct tracer_connection *connection = calloc(1, sizeof *connection);
	uint64_t seed;

	if (connection == NULL)
		return NULL;
	connection->tracer = tracer;
	connection->own_backend = own_backend;
	ids_random(&tracer->ids, (uint8_t *)&seed, sizeof seed);
	inflight_init(&connection->inflight, seed);
	connection->common = common_new(&tracer->common, transport, tracer->next_connection);
	if (connection->common == NULL) {
		free(connection);
		return NULL;
	}
	tracer->next_connection++;
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
	if (connection == NULL)
		return;
	tracer_connection_end(connection, reason, now_ns);
	inflight_done(&connection->inflight);
	common_free(connection->common);
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

/* The member's name in "/trace"; with "none" an incoming `trace` still tells the parent. */
const char *tracer_carrier_name(const struct config *config)
{
	return config->propagation_inject[0] == '/' ? config->propagation_inject + 1 : "trace";
}

static void tracer_take_settings(
	struct tracer *tracer, const struct config *config, struct exporter *exporter)
{
	tracer->common.profile = config->profile;
	tracer->common.captures = &tracer->captures;
	tracer->common.rpc_service =
		config->rpc_service != NULL ? config->rpc_service : config->service_name;
	attributes_choose_names(&tracer->common.names, (enum config_semconv)config->semconv);
	tracer->record.exporter = exporter;
	tracer->record.common = &tracer->common;
	record_take_name(&tracer->record, config->span_name);
	sampler_init(&tracer->sampler, (enum config_sampler)config->sampler, config->sampler_arg);
	tracer->inflight_max = (size_t)config->inflight_max;
	tracer->inflight_max_age_ns = (uint64_t)config->inflight_max_age_ms * 1000000;
}

struct tracer *tracer_new(const struct config *config, struct exporter *exporter,
	const char *environment_traceparent, const char *environment_tracestate, char *error,
	size_t error_size)
{
	struct tracer *tracer = calloc(1, sizeof *tracer);

	(void)snprintf(error, error_size, "out of memory");
	if (tracer == NULL)
		return NULL;
	ids_init(&tracer->ids);
	methods_init(&tracer->methods);
	request_pool_init(&tracer->requests);
	tracer_take_settings(tracer, config, exporter);
	tracer->pointers = envelope_pointers_new(tracer_carrier_name(config));
	if (tracer->pointers == NULL)
		goto fail;
	tracer->record.slot_jsonrpc = pointers_add(tracer->pointers, "/jsonrpc", 8);
	if (tracer->record.slot_jsonrpc < 0 ||
		parents_init(&tracer->parents, config->propagation_extract, environment_traceparent,
			environment_tracestate) != 0)
		goto fail;
	if (captures_init(&tracer->captures, config->profile, &tracer->methods, tracer->pointers,
		    error, error_size) != 0)
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
	request_pool_done(&tracer->requests);
	captures_done(&tracer->captures);
	methods_done(&tracer->methods);
	parents_done(&tracer->parents);
	pointers_free(tracer->pointers);
	free(tracer);
}
