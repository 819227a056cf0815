#ifndef PROXY_TRACE_FOLLOW_OPEN_SPAN_H
#define PROXY_TRACE_FOLLOW_OPEN_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "exporter/span.h"
#include "proxy/fullest.h"
#include "proxy/trace/follow/look.h"

/*
 * A span that follows rules, while it is open: what it is known by, its place among others, and
 * what has been learnt about it so far.
 */
#define OPEN_SPAN_VALUES_MAX       32
#define OPEN_SPAN_EVENTS_MAX       32
#define OPEN_SPAN_EVENT_VALUES_MAX 4
#define OPEN_SPAN_STREAMS_MAX      2
#define OPEN_SPAN_ALIASES_MAX      4
#define OPEN_SPAN_LINKS_MAX        2 /* to its dispatch, to the one before it */
#define OPEN_SPAN_WATCHERS_MAX     8
#define OPEN_SPAN_BYTES_MAX        (64u << 20) /* of all values and events of all spans of a follower */

/* By what a span is found. */
enum span_index_role {
	SPAN_INDEX_KEY,   /* its whole key */
	SPAN_INDEX_ALIAS, /* another key of the same size */
	SPAN_INDEX_GROUP, /* the key's first part: many spans may have it */
	SPAN_INDEX_ID,    /* the key's last part: the same */
	SPAN_INDEX_CALL,  /* the id of the server's request that it is */
};

struct open_span;

struct span_index_entry {
	struct span_index_entry *next; /* in its bucket */
	struct span_index_entry **at;  /* what points to it there */
	struct open_span *span;        /* borrowed */
	uint64_t hash;
	const char *bytes; /* borrowed from the open span */
	uint16_t size;
	uint8_t role, type;
};

struct request;
struct share;

struct open_span_alias {
	struct span_index_entry entry;
	char bytes[];
};

struct open_span_value {
	uint8_t attribute;
	uint8_t type; /* enum span_value_type */
	uint16_t size;
	union {
		int64_t integer; /* of a boolean too */
		double real;
		char *text; /* owned */
	} is;
};

/* Values of a span or of a memory, each attribute once. */
struct open_span_values {
	struct open_span_value *list; /* owned */
	size_t count;
};

struct open_span_event {
	const char *name; /* borrowed from the profile */
	uint64_t time_ns;
	uint8_t value_count;
	struct open_span_value values[OPEN_SPAN_EVENT_VALUES_MAX];
};

/* The end of a span that is told by another connection than the one that is listened to. */
struct open_span_known_end {
	uint64_t now_ns;
	enum span_status status;
	const char *reason;             /* static */
	struct span_text message, type; /* inside this piece of memory */
};

/* What a rule has said of how it goes, before its end. */
struct open_span_verdict {
	enum span_status status;
	struct span_text message, type; /* inside this piece of memory */
};

/* What those below have added to an attribute. */
struct open_span_sum {
	uint64_t count;
	uint64_t busy_ns;  /* time in which at least one was open, but for those that are now */
	uint64_t since_ns; /* since when */
	uint32_t open;
	bool is_time; /* what is told of it */
};

/* Moments for a type of spans that are made below this one, by the mark's number; 0: none. */
struct open_span_marks {
	uint64_t now_ns[LIFECYCLE_MARKS_MAX];    /* since the last one was made */
	uint64_t former_ns[LIFECYCLE_MARKS_MAX]; /* before that */
	uint64_t former_end_ns;                  /* of that one; 0: there was none */
	struct open_span_values values;          /* for the next one */
};

/* What one connection has told of a stream. */
struct open_span_tally {
	uint64_t connection; /* 0: the next one that tells something */
	uint64_t count, bytes, first_ns;
};

/*
 * Connections tell the same, but some hear of one thing and not of another: of the one that led
 * when the stream began, and of one other, there is a tally each, and the larger one counts.
 */
struct open_span_stream {
	const struct matcher_rule *rule; /* NULL: unused */
	struct open_span_tally tallies[2];
};

/* What all spans together may keep, and what was refused for want of it. */
struct open_span_budget {
	size_t bytes;
#define COUNTER_BUDGET(name, kind, help) uint64_t name;
#include "proxy/counters.def"
};

struct open_span {
	TAILQ_ENTRY(open_span) age;
	TAILQ_ENTRY(open_span) sibling;
	TAILQ_HEAD(open_span_children, open_span) children; /* oldest first */
	struct open_span *parent;                           /* borrowed; NULL: at the top */
	struct share *share;        /* at the top: whose the tree is; NULL: none in it counts */
	struct fullest_member tree; /* how many of it do; see shares.h */
	const struct lifecycle_span *row; /* borrowed from the profile */
	struct request *request;          /* borrowed; that it is, or NULL */
	uint8_t type;
	bool recorded, has_parent, parent_is_remote, crowded;
	bool held, ended; /* its memory is kept beyond its end: see open_spans_hold() */
	bool listed;      /* it ends by itself; a request's ends with that */
	bool over;        /* a request's: its end was told before its answer: it does not stay */
	bool adds;        /* to the one at the top */
	struct traceparent context;
	uint8_t parent_span_id[SPAN_ID_SIZE];
	struct span_link links[OPEN_SPAN_LINKS_MAX];
	size_t link_count;
	uint32_t announced; /* how often */
	uint64_t start_ns;
	uint64_t heard_ns;  /* of the last message about it */
	uint64_t latest_ns; /* the latest end of those below */
	uint64_t lapse_ns;  /* a sign of rest was seen then; 0: none */
	bool superseded;    /* that sign is the next one, of which there is one */
	struct open_span_known_end *known_end; /* owned; NULL: its end is not known yet */
	uint64_t opener;                       /* the connection that opened it */
	uint64_t leader; /* the connection that is listened to; 0: the next one */
	bool told;       /* somebody has told what goes on in it */
	uint64_t watchers[OPEN_SPAN_WATCHERS_MAX];
	size_t watcher_count;                /* crowded: and there are more */
	const struct matcher_method *method; /* of the server's request that it is, or NULL */
	struct span_text method_name, request_id, tracestate; /* inside this piece of memory */
	struct span_index_entry by_key, by_group, by_id, by_call;
	struct open_span_alias *aliases[OPEN_SPAN_ALIASES_MAX]; /* owned */
	size_t alias_count;
	uint64_t of_connection; /* whose keys only are the same; 0: any */
	size_t key_count;
	uint16_t key_ends[LIFECYCLE_KEY_MAX];
	char *key; /* bytes, inside this piece of memory */
	struct open_span_values values;
	struct open_span_event *events; /* owned */
	size_t event_count;
	uint32_t events_dropped;
	struct open_span_stream streams[OPEN_SPAN_STREAMS_MAX];
	/* Owned, and NULL until there is something. */
	struct look_quotes *quotes; /* of the server's request, for the rules for its answer */
	struct open_span_verdict *verdict;
	struct open_span_sum *sums; /* by their places at the type */
	struct open_span_marks *marks[LIFECYCLE_MADE_MAX];
};

/* The span above all others that a span is below; itself, if it is at the top. */
static inline struct open_span *open_span_top(struct open_span *span)
{
	while (span->parent != NULL)
		span = span->parent; /* as deep as there are types */
	return span;
}

/* A part of the key with its size in front; its text alone; the whole key. */
static inline struct span_text open_span_key_piece(const struct open_span *span, size_t part)
{
	return key_piece_of(span->key, span->key_ends, part);
}

static inline struct span_text open_span_key_part(const struct open_span *span, size_t part)
{
	return key_part_of(span->key, span->key_ends, part, span->of_connection);
}

static inline struct span_text open_span_key(const struct open_span *span)
{
	return (struct span_text){
		.bytes = span->key,
		.size = span->key_count > 0 ? span->key_ends[span->key_count - 1] : 0,
	};
}

/* Whether that is the span's key or the first parts of it. */
static inline bool open_span_key_begins(const struct open_span *span, const struct key *key)
{
	size_t size = key_size(key);

	return (key->count == 0 && key->connection == span->of_connection) ||
	       (key->count > 0 && key->count <= span->key_count &&
		       span->key_ends[key->count - 1] == size &&
		       memcmp(span->key, key->bytes, size) == 0);
}

struct open_span_identity {
	uint8_t type;
	const struct lifecycle_span *row;
	const struct key *key;
	const struct matcher_method *method; /* these four only for a request of the server */
	struct span_text method_name, request_id, call;
	struct span_text tracestate;
};

/* All texts are copied. NULL when out of memory. */
struct open_span *open_span_new(const struct open_span_identity *identity);

/* Refers to another span; there is room for as many as anybody has reason to. */
void open_span_link(struct open_span *span, const uint8_t trace_id[TRACE_ID_SIZE],
	const uint8_t span_id[SPAN_ID_SIZE]);

/* The span must be in no table or list any more. */
void open_span_free(struct open_span *span, struct open_span_budget *budget);

/* Sets, replaces or adds up a value, or counts it as dropped. */
void open_span_set(struct open_span_values *values, struct open_span_budget *budget,
	uint8_t attribute, const struct look_value *value);

/* The value of an attribute, or NULL. */
struct open_span_value *open_span_find(const struct open_span_values *values, uint8_t attribute);

/* The same as it was when it was set; its text is borrowed. */
struct look_value open_span_look(const struct open_span_value *value);

void open_span_free_values(struct open_span_values *values, struct open_span_budget *budget);

/* Says how it goes: an earlier word is replaced. 0, or -1 when out of memory. */
int open_span_judge(struct open_span *span, enum span_status status, struct span_text message,
	struct span_text type);

/* Adds an event with the values of the rule's settings. */
void open_span_happen(struct open_span *span, struct open_span_budget *budget,
	const struct matcher_rule *rule, const struct look *look, uint64_t now_ns);

/* Counts a piece of a stream that the connection tells. */
void open_span_count(struct open_span *span, const struct matcher_rule *rule,
	const struct look *look, uint64_t connection, uint64_t now_ns);

/* What counts of a stream. */
const struct open_span_tally *open_span_tally(const struct open_span_stream *stream);

/* The connection tells no more of the span: the next one takes its place. */
void open_span_leave(struct open_span *span, uint64_t connection);

/* Notes that the connection sees this span's messages. */
void open_span_watch(struct open_span *span, uint64_t connection);

/* The connection sees no more, and last: no other is left. Whether nobody sees the span now. */
bool open_span_unwatch(struct open_span *span, uint64_t connection, bool last);

/* Whether the connection is one of those that see it. */
bool open_span_is_watched(const struct open_span *span, uint64_t connection);

/* The key as texts, for people: "thread-1/turn-1". */
const char *open_span_describe(const struct open_span *span, char *text, size_t size);

#endif
