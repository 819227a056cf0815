#ifndef PROXY_TRACE_FOLLOW_LIVE_H
#define PROXY_TRACE_FOLLOW_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "proxy/trace/follow/key.h"
#include "proxy/trace/follow/matcher.h"

/*
 * A span that follows rules, while it is open: what it is known by, its place among others, and
 * what has been learnt about it so far.
 */
#define LIVE_VALUES_MAX       32
#define LIVE_EVENTS_MAX       32
#define LIVE_EVENT_VALUES_MAX 4
#define LIVE_STREAMS_MAX      2
#define LIVE_ALIASES_MAX      4
#define LIVE_WATCHERS_MAX     8
#define LIVE_BYTES_MAX        (64u << 20) /* of all values and events of all spans of a follower */

/* By what a span is found. */
enum registry_role {
	REGISTRY_KEY,   /* its whole key */
	REGISTRY_ALIAS, /* another key of the same size */
	REGISTRY_GROUP, /* the key's first part: many spans may have it */
	REGISTRY_ID,    /* the key's last part: the same */
	REGISTRY_CALL,  /* the id of the server's request that it is */
};

struct live;

struct registry_entry {
	struct registry_entry *next; /* in its bucket */
	struct registry_entry **at;  /* what points to it there */
	struct live *live;           /* borrowed */
	uint64_t hash;
	const char *bytes; /* borrowed from the live span */
	uint16_t size;
	uint8_t role, type;
};

struct live_alias {
	struct registry_entry entry;
	char bytes[];
};

struct live_value {
	uint8_t attribute;
	uint8_t type; /* enum span_value_type; no doubles */
	uint16_t size;
	union {
		int64_t integer; /* of a boolean too */
		char *text;      /* owned */
	} is;
};

struct live_event {
	const char *name; /* borrowed from the profile */
	uint64_t time_ns;
	uint8_t value_count;
	struct live_value values[LIVE_EVENT_VALUES_MAX];
};

/* The end of a span that is told by another connection than the one that is listened to. */
struct live_told {
	uint64_t now_ns;
	enum span_status status;
	const char *reason;             /* static */
	struct span_text message, type; /* inside this piece of memory */
};

struct live_stream {
	const struct matcher_rule *rule; /* NULL: unused */
	uint64_t count, bytes, first_ns;
};

/* What all spans together may keep, and what was refused for want of it. */
struct live_room {
	size_t bytes;
	uint64_t values_dropped, events_dropped;
};

struct live {
	TAILQ_ENTRY(live) age;
	LIST_ENTRY(live) sibling;
	LIST_HEAD(, live) children;
	struct live *parent;              /* borrowed; NULL: at the top */
	const struct lifecycle_span *row; /* borrowed from the profile */
	uint8_t type;
	bool recorded, announced, has_parent, linked, crowded;
	bool held, ended; /* its memory is kept beyond its end: see work_hold() */
	struct traceparent context;
	uint8_t parent_span_id[SPAN_ID_SIZE];
	struct span_link link;
	uint64_t start_ns;
	uint64_t lapse_ns;      /* a sign of rest was seen then; 0: none */
	struct live_told *told; /* owned; NULL: its end is not known yet */
	uint64_t leader;        /* the connection that is listened to; 0: the next one */
	uint64_t watchers[LIVE_WATCHERS_MAX];
	size_t watcher_count;                /* crowded: and there are more */
	const struct matcher_method *method; /* of the server's request that it is, or NULL */
	struct span_text method_name, request_id, tracestate; /* inside this piece of memory */
	struct registry_entry by_key, by_group, by_id, by_call;
	struct live_alias *aliases[LIVE_ALIASES_MAX]; /* owned */
	size_t alias_count;
	size_t key_count;
	uint16_t key_ends[LIFECYCLE_KEY_MAX];
	char *key;                 /* bytes, inside this piece of memory */
	struct live_value *values; /* owned */
	size_t value_count;
	struct live_event *events; /* owned */
	size_t event_count;
	uint32_t events_dropped;
	struct live_stream streams[LIVE_STREAMS_MAX];
};

/* A part of the key with its size in front; its text alone; the whole key. */
static inline struct span_text live_key_piece(const struct live *live, size_t part)
{
	return key_piece_of(live->key, live->key_ends, part);
}

static inline struct span_text live_key_part(const struct live *live, size_t part)
{
	return key_part_of(live->key, live->key_ends, part);
}

static inline struct span_text live_key(const struct live *live)
{
	return (struct span_text){
		.bytes = live->key,
		.size = live->key_count > 0 ? live->key_ends[live->key_count - 1] : 0,
	};
}

/* Whether that is the span's key or the first parts of it. */
static inline bool live_key_begins(const struct live *live, const struct key *key)
{
	size_t size = key_size(key);

	return key->count == 0 ||
	       (key->count <= live->key_count && live->key_ends[key->count - 1] == size &&
		       memcmp(live->key, key->bytes, size) == 0);
}

struct live_identity {
	uint8_t type;
	const struct lifecycle_span *row;
	const struct key *key;
	const struct matcher_method *method; /* these four only for a request of the server */
	struct span_text method_name, request_id, call;
	struct span_text tracestate;
};

/* All texts are copied. NULL when out of memory. */
struct live *live_new(const struct live_identity *identity);

/* The span must be in no table or list any more. */
void live_free(struct live *live, struct live_room *room);

/* Sets, replaces or adds up a value, or counts it as dropped. */
void live_set(struct live *live, struct live_room *room, uint8_t attribute,
	const struct matcher_value *value);

/* Adds an event with the values of the rule's settings. */
void live_happen(struct live *live, struct live_room *room, const struct matcher_rule *rule,
	const struct envelope *envelope, uint64_t now_ns);

/* Counts a piece of a stream. */
void live_count(struct live *live, const struct matcher_rule *rule, const struct envelope *envelope,
	uint64_t now_ns);

/* Notes that the connection sees this span's messages. */
void live_watch(struct live *live, uint64_t connection);

/* The connection sees no more, and last: no other is left. Whether nobody sees the span now. */
bool live_unwatch(struct live *live, uint64_t connection, bool last);

/* Whether the connection is one of those that see it. */
bool live_is_watched(const struct live *live, uint64_t connection);

/* The key as texts, for people: "thread-1/turn-1". */
const char *live_describe(const struct live *live, char *text, size_t size);

#endif
