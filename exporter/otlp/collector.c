/*
 * A collector as a sink: spans as OTLP, JSON or protobuf, a batch compressed once and posted as
 * often as it takes. Memory that is short for compressing costs bytes on the wire, no spans.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "exporter/batch.h"
#include "exporter/exporter.h"
#include "exporter/otlp/gzip.h"
#include "exporter/otlp/judge.h"
#include "exporter/otlp/otlp.h"
#include "exporter/otlp/protobuf.h"
#include "exporter/otlp/sender.h"
#include "exporter/otlp/split.h"
#include "exporter/sink.h"

struct collector {
	struct sender *sender; /* owned */
	bool packs;            /* bodies are compressed */
	struct gzip *gzip;     /* owned; made when it is needed */
	struct text packed;
	const struct text *body; /* what is posted: packed, or the batch's */
	size_t span_count;       /* in it */
	bool protobuf;           /* it is, whatever the settings say: it may be of the spool */
	bool posting;
};

static struct otlp_origin collector_origin(const struct exporter_config *config)
{
	return (struct otlp_origin){
		.resource = config->resource,
		.resource_count = config->resource_count,
		.scope_name = config->scope_name,
		.scope_version = config->scope_version,
		.schema_url = config->schema_url,
	};
}

static void collector_append_prefix(struct text *text, const struct exporter_config *config)
{
	struct otlp_origin origin = collector_origin(config);

	otlp_append_prefix(text, &origin);
}

static void collector_append_binary_prefix(struct text *text, const struct exporter_config *config)
{
	struct otlp_origin origin = collector_origin(config);

	protobuf_append_prefix(text, &origin);
}

static void collector_free(void *sink)
{
	struct collector *collector = sink;

	if (collector == NULL)
		return;
	sender_free(collector->sender);
	gzip_free(collector->gzip);
	text_done(&collector->packed);
	free(collector);
}

static void *collector_make(const struct exporter_config *config, char *error, size_t error_size)
{
	struct collector *collector = calloc(1, sizeof *collector);

	if (collector == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return NULL;
	}
	text_init(&collector->packed, TEXT_UNLIMITED);
	collector->packs = config->gzip;
	collector->sender = sender_new(config, error, error_size);
	if (collector->sender != NULL)
		return collector;
	collector_free(collector);
	return NULL;
}

static void collector_load(void *sink, const struct batch *batch)
{
	struct collector *collector = sink;

	assert(!collector->posting && batch->span_count > 0);
	collector->body = &batch->body;
	collector->span_count = batch->span_count;
	collector->protobuf = batch->encoding == BATCH_PROTOBUF;
	if (collector->packs && collector->gzip == NULL)
		collector->gzip = gzip_new();
	if (collector->gzip != NULL && gzip_pack(collector->gzip, &collector->packed,
					       batch->body.bytes, batch->body.size) == 0)
		collector->body = &collector->packed;
}

static bool collector_deliver(void *sink, struct sink_outcome *outcome)
{
	struct collector *collector = sink;
	const struct text *body = collector->body;
	const struct sender_answer *answer;

	assert(body != NULL); /* one is loaded */
	if (!collector->posting)
		sender_begin(collector->sender,
			&(struct sender_body){body->bytes, body->size, collector->protobuf,
				body == &collector->packed});
	answer = sender_step(collector->sender);
	collector->posting = answer == NULL;
	if (answer != NULL)
		judge_answer(answer, collector->span_count, (int64_t)time(NULL), outcome);
	return answer != NULL;
}

static void collector_cancel(void *sink)
{
	struct collector *collector = sink;

	sender_cancel(collector->sender);
	collector->posting = false;
}

static void collector_wait(void *sink, int64_t wait_ms)
{
	const struct collector *collector = sink;

	sender_wait(collector->sender, wait_ms);
}

static void collector_wake(void *sink)
{
	const struct collector *collector = sink;

	sender_wake(collector->sender);
}

static void collector_rest(void *sink)
{
	struct collector *collector = sink;

	sender_rest(collector->sender);
	text_done(&collector->packed);
	gzip_free(collector->gzip);
	collector->gzip = NULL;
}

#define COLLECTOR_OPS                                                                              \
	.is_collector = true, .make = collector_make, .free = collector_free,                      \
	.load = collector_load, .deliver = collector_deliver, .split = split_batch,                \
	.cancel = collector_cancel, .wait = collector_wait, .wake = collector_wake,                \
	.rest = collector_rest

const struct sink_ops sink_otlp = {
	.append = otlp_append_span,
	.append_shared = otlp_append_attributes,
	.append_prefix = collector_append_prefix,
	.separator = ',',
	.suffix = OTLP_SUFFIX,
	.encoding = BATCH_JSON,
	COLLECTOR_OPS,
};

const struct sink_ops sink_protobuf = {
	.append = protobuf_append_span,
	.append_shared = protobuf_append_attributes,
	.append_prefix = collector_append_binary_prefix,
	.suffix = "",
	.encoding = BATCH_PROTOBUF,
	.seal = protobuf_seal,
	COLLECTOR_OPS,
};
