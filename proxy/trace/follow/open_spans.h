#ifndef PROXY_TRACE_FOLLOW_OPEN_SPANS_H
#define PROXY_TRACE_FOLLOW_OPEN_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/follow/emit.h"
#include "proxy/trace/follow/look.h"
#include "proxy/trace/follow/memory.h"
#include "proxy/trace/follow/open_span.h"
#include "proxy/trace/follow/span_index.h"

/*
 * The work of one backend that is going on: the spans that are open, and a memory of those that
 * were closed not long ago. Opens, finds and ends them; which and when is what actions know.
 */
struct open_spans {
	struct follow_setup *setup; /* borrowed */
	struct span_index by_key;
	struct closed_spans closed;        /* of spans at the top */
	struct closed_spans closed_nested; /* of those below and of requests of the server */
	struct evicted evicted;
	/*
	 * By type, that which was looked up last and is still what is found under its key; or NULL.
	 */
	struct open_span *recent[LIFECYCLE_SPANS_MAX + 1];
	struct memories memories;
	size_t lapsed_count; /* spans that are at rest */
	/*
	 * Before a span ends that no message has ended: what runs in it can be made. NULL: nothing.
	 */
	void (*at_end)(
		struct open_spans *spans, struct open_span *span, const struct span_end *end);
};

struct connection_attributes;

/* Why a span ended: sidespan.end_reason. */
enum end_reason {
	END_CLOSED,            /* a rule said so */
	END_ANSWERED,          /* the client answered the server's request */
	END_REFUSED,           /* with an error */
	END_IDLE,              /* a sign of rest, and its end was not seen */
	END_PARENT_ENDED,      /* its parent ended before it */
	END_SUPERSEDED,        /* the next one of which there is only one began */
	END_CONNECTION_CLOSED, /* the client went away, and the server ended for it */
	END_BACKEND_EXITED,    /* the server or its last connection did */
	END_EXPIRED,           /* lifecycle.max_age went by */
	END_EVICTED,           /* lifecycle.spans_max was reached */
	END_SHUTDOWN,          /* we were told to stop */
};

struct span_opening {
	struct open_span_identity identity;
	struct open_span *parent;   /* it hangs below it and ends with it, or NULL */
	struct traceparent context; /* the span's own */
	bool has_above, above_is_remote;
	uint8_t above[SPAN_ID_SIZE];        /* the span above it in the trace, if it has one */
	const uint8_t *link;                /* a span of its trace that it refers to, or NULL */
	const struct span_attribute *asked; /* what the request that it is for has, */
	size_t asked_count;                 /* if there is one */
	const struct connection_attributes *attributes; /* of the connection; NULL: none */
	uint64_t connection, start_ns, now_ns;
	struct share **share; /* of the connection */
	bool unlisted;        /* it ends with a request, not by itself */
};

/* setup is borrowed for life. */
void open_spans_init(struct open_spans *spans, struct follow_setup *setup);

/* There must be no span left in it. */
void open_spans_done(struct open_spans *spans);

/* Tells who listens what a rule (NULL: none) did to a span (NULL: none). */
void open_spans_note(const struct open_spans *spans, const struct matcher_rule *rule,
	const struct open_span *span, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether anybody does, for those who are called for every message. */
static inline bool open_spans_is_noted(const struct open_spans *spans)
{
	return spans->setup->note != NULL;
}

const struct lifecycle_span *open_spans_row(const struct open_spans *spans, size_t type);

/* Whether spans of that type hang under no other. */
bool open_spans_is_top(const struct open_spans *spans, size_t type);

/* The context of a span of that type that was closed not long ago; NULL: it is not known. */
const struct traceparent *open_spans_recall(const struct open_spans *spans,
	enum span_index_role role, size_t type, struct span_text text);

/* The same of a request of the server: the key of its id, and the span's. */
const struct traceparent *open_spans_recall_call(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key);

/* Whether a span of that type and key, or a request of the server, was open: it opens no more. */
bool open_spans_was_open(const struct open_spans *spans, size_t type, const struct key *key);
bool open_spans_call_was_open(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key);

/* The context of a span below parent, or of a new trace (NULL). */
struct traceparent open_spans_new_context(
	const struct open_spans *spans, const struct traceparent *parent);

/* The tracestate of a trace that begins with that context; borrowed for life. */
struct span_text open_spans_root_state(
	const struct open_spans *spans, const struct traceparent *context);

/* Says what is above the span: nothing has been said before. */
void open_spans_set_above(struct span_opening *opening, const struct traceparent *above);

/* NULL, counted: no memory. open_spans_make_room() comes first. */
struct open_span *open_spans_open(struct open_spans *spans, const struct span_opening *opening);

/* The span of a request goes on by itself from now on; false, counted: no memory. */
bool open_spans_keep(
	struct open_spans *spans, struct open_span *span, struct share **share, uint64_t now_ns);

/*
 * Gives up spans when there are lifecycle.spans_max, of whoever has most: others are gone then.
 * above: the one that the next is to hang below, of a tree that is alive so; NULL: none. It may go
 * nevertheless.
 */
void open_spans_make_room(struct open_spans *spans, struct open_span *above, uint64_t now_ns);

/* Sets the values of a rule's set. */
void open_spans_set(struct open_spans *spans, struct open_span *span,
	const struct matcher_rule *rule, const struct matcher_set *set, const struct look *look);

/* The same for values that are no span's yet. */
void open_spans_set_values(struct open_spans *spans, struct open_span_values *values,
	const struct matcher_rule *rule, const struct matcher_set *set, const struct look *look);

/* The rule's status, and what it says of an error; *type has room for what that is taken from. */
struct span_end open_spans_judge(const struct matcher_rule *rule, const struct look *look,
	struct look_value *message, struct look_value *type);

/* The connection sees the span. */
void open_spans_watch(struct open_span *span, uint64_t connection);

/* Somebody talks of a span: it is not at rest, and the connection sees it. */
void open_spans_touch(
	struct open_spans *spans, struct open_span *span, uint64_t connection, uint64_t now_ns);

/* A sign of rest, and that it is none. */
void open_spans_lapse(struct open_spans *spans, struct open_span *span, uint64_t now_ns);
void open_spans_wake(struct open_spans *spans, struct open_span *span);

/*
 * The next one began, of which there is only one. What tells of the end of this one may still come,
 * as when the answer that opens the next one overtakes it.
 */
void open_spans_supersede(struct open_spans *spans, struct open_span *span, uint64_t now_ns);

/*
 * Only one connection is listened to about what goes on in a span: the first that tells something,
 * until then that which opened it; and when that is gone the next one. Whether it is this one.
 */
bool open_spans_leads(struct open_span *span, uint64_t connection);

/* The same for one that tells something. */
bool open_spans_tells(struct open_span *span, uint64_t connection);

/*
 * The open request of the server with that id whose key begins with what is known of it: a copy for
 * another connection has the same, another server's request with that id has not. NULL: none.
 */
struct open_span *open_spans_find_call(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key);

/* The open span under which one of that type and key belongs, or NULL. */
struct open_span *open_spans_find_parent(
	const struct open_spans *spans, size_t type, const struct key *key);

struct span_end open_spans_make_end(enum end_reason reason, uint64_t now_ns);

/*
 * Keeps the memory of a span that may end, until open_spans_release(): its context and key can be
 * read, nothing else. One may be held once.
 */
void open_spans_hold(struct open_span *span);

/* NULL is allowed. */
void open_spans_release(struct open_spans *spans, struct open_span *span);

/* Ends all that is below a span, for that reason. */
void open_spans_end_below(
	struct open_spans *spans, struct open_span *span, enum end_reason reason, uint64_t now_ns);

/* Takes a span, which has none below it any more, out of everything and frees it. */
void open_spans_drop(struct open_spans *spans, struct open_span *span);

/* Emits and frees a span, after all that is below it; these for the reason below. */
void open_spans_end(struct open_spans *spans, struct open_span *span, const struct span_end *end,
	enum end_reason below);

/*
 * The end was told by a connection that is not listened to: the one that is may still have more to
 * say, for lifecycle.grace. The first to tell counts.
 */
void open_spans_learn_end(
	struct open_spans *spans, struct open_span *span, const struct span_end *end);

/* Ends a span: as it was told, or at its last sign of rest; else for that reason. */
void open_spans_give_up(
	struct open_spans *spans, struct open_span *span, enum end_reason reason, uint64_t now_ns);

#endif
