#ifndef EXPORTER_SPAN_H
#define EXPORTER_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "w3c/traceparent.h"

/*
 * A finished span as the exporter takes it (OpenTelemetry trace data model). All pointers are
 * borrowed for the duration of exporter_submit() only.
 */
enum span_kind {
	SPAN_KIND_INTERNAL = 1,
	SPAN_KIND_SERVER = 2,
	SPAN_KIND_CLIENT = 3,
};

enum span_status {
	SPAN_STATUS_UNSET = 0,
	SPAN_STATUS_OK = 1,
	SPAN_STATUS_ERROR = 2,
};

enum span_value_type { SPAN_VALUE_STRING, SPAN_VALUE_INT, SPAN_VALUE_BOOL, SPAN_VALUE_DOUBLE };

/* A text that need not be terminated nor valid UTF-8: the encoder repairs it. */
struct span_text {
	const char *bytes;
	size_t size;
};

/* A terminated text as such; borrowed. */
static inline struct span_text span_text_of(const char *text)
{
	return (struct span_text){.bytes = text, .size = strlen(text)};
}

/*
 * A key that many spans have, rendered once: what the encoder writes up to the value of a string.
 * Without an allocation; a key that is too long for it is rendered each time, as all others are.
 */
#define SPAN_KEY_SIZE 64

struct span_key {
	char bytes[SPAN_KEY_SIZE];
	size_t size; /* 0: too long */
};

void span_key_init(struct span_key *rendered, const char *key);

struct span_attribute {
	const char *key; /* terminated, ours: an ASCII attribute name that needs no escaping */
	enum span_value_type type;
	union {
		struct span_text string;
		int64_t integer;
		double real;
		bool boolean;
	} value;
	const struct span_key *rendered; /* of the key; may be NULL */
};

/* In a list that has each key once: the attribute of that key, or NULL. */
static inline const struct span_attribute *span_attribute_find(
	const struct span_attribute *list, size_t count, const char *key, size_t key_size)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strlen(list[i].key) == key_size && memcmp(list[i].key, key, key_size) == 0)
			return &list[i];
	return NULL;
}

struct span_event {
	const char *name; /* terminated; any bytes, as in texts */
	uint64_t time_unix_ns;
	const struct span_attribute *attributes;
	size_t attribute_count;
};

/* To a span of another trace, or of this one beside the parent. */
struct span_link {
	uint8_t trace_id[TRACE_ID_SIZE];
	uint8_t span_id[SPAN_ID_SIZE];
};

/*
 * Attributes that many spans have in common (those of a connection), rendered once for the exporter
 * that exporter_share() was called with. The encoder copies the rendered text in one go.
 */
struct span_shared;

void span_shared_free(struct span_shared *shared);

struct span {
	struct traceparent context; /* trace id, span id and W3C flags of this span */
	uint8_t parent_span_id[SPAN_ID_SIZE];
	bool has_parent;
	bool parent_is_remote;
	bool begun;                  /* exporter_begin() told of it */
	bool is_open;                /* it goes on, so that it has no end: to be shown, not sent */
	const char *type;            /* what its profile calls it, or "request"; NULL: neither */
	struct span_text tracestate; /* size 0: none */
	struct span_text name;
	enum span_kind kind;
	uint64_t start_unix_ns;
	uint64_t end_unix_ns;             /* made at least start + 1 by the encoder */
	const struct span_shared *shared; /* may be NULL */
	const struct span_attribute *attributes;
	size_t attribute_count;
	const struct span_event *events;
	size_t event_count;
	uint32_t dropped_event_count; /* events there were beyond those */
	const struct span_link *links;
	size_t link_count;
	enum span_status status;
	struct span_text status_message; /* sent with SPAN_STATUS_ERROR only */
};

#endif
