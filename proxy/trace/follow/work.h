#ifndef PROXY_TRACE_FOLLOW_WORK_H
#define PROXY_TRACE_FOLLOW_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/trace/follow/emitter.h"
#include "proxy/trace/follow/history.h"
#include "proxy/trace/follow/live.h"
#include "proxy/trace/follow/matcher.h"
#include "proxy/trace/follow/registry.h"
#include "proxy/trace/follow/work_common.h"

/*
 * The work of one backend that is going on: the spans that are open, and a memory of those that
 * were closed not long ago. Opens, finds and ends them; which and when is what actions know.
 */
struct work {
	struct work_common *common; /* borrowed */
	struct registry registry;
	struct history closed;                    /* of spans at the top */
	struct history closed_nested;             /* of those below and of requests of the server */
	struct live *recent[LIFECYCLE_SPANS_MAX]; /* looked up last, by type; or NULL */
	size_t lapsed_count;                      /* spans that are at rest */
};

/* Why a span ended: sidespan.end_reason. */
enum work_reason {
	WORK_CLOSED,            /* a rule said so */
	WORK_ANSWERED,          /* the client answered the server's request */
	WORK_REFUSED,           /* with an error */
	WORK_IDLE,              /* a sign of rest, and its end was not seen */
	WORK_PARENT_ENDED,      /* its parent ended before it */
	WORK_CONNECTION_CLOSED, /* the client went away, and the server ended for it */
	WORK_BACKEND_EXITED,    /* the server or its last connection did */
	WORK_EXPIRED,           /* lifecycle.max_age went by */
	WORK_EVICTED,           /* lifecycle.spans_max was reached */
	WORK_SHUTDOWN,          /* we were told to stop */
};

struct work_opening {
	struct live_identity identity;
	struct live *parent;        /* it hangs below it and ends with it, or NULL */
	struct traceparent context; /* the span's own */
	bool has_above;
	uint8_t above[SPAN_ID_SIZE]; /* the span above it in the trace, if it has one */
	uint64_t connection, now_ns;
};

/* common is borrowed for life. */
void work_init(struct work *work, struct work_common *common);

/* There must be no span left in it. */
void work_done(struct work *work);

/* Tells who listens what a rule (NULL: none) did to a span (NULL: none). */
void work_note(const struct work *work, const struct matcher_rule *rule, const struct live *live,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Whether anybody does, for those who are called for every message. */
static inline bool work_is_noted(const struct work *work)
{
	return work->common->note != NULL;
}

const struct lifecycle_span *work_row(const struct work *work, size_t type);

/* Whether spans of that type hang under no other. */
bool work_is_top(const struct work *work, size_t type);

/* The context of a span of that type that was closed not long ago; NULL: it is not known. */
const struct traceparent *work_recall(
	const struct work *work, enum registry_role role, size_t type, struct span_text text);

/* The same of a request of the server: the key of its id, and the span's. */
const struct traceparent *work_recall_call(
	const struct work *work, size_t type, struct span_text call, const struct key *key);

/* The context of a span below parent, or of a new trace (NULL). */
struct traceparent work_new_context(const struct work *work, const struct traceparent *parent);

/* Says what is above the span: nothing has been said before. */
void work_set_above(struct work_opening *opening, const struct traceparent *above);

/* NULL, counted: no memory. work_make_room() comes first. */
struct live *work_open(struct work *work, const struct work_opening *opening);

/* Gives up the oldest spans when there are lifecycle.spans_max: others are gone then. */
void work_make_room(struct work *work, uint64_t now_ns);

/* Sets the values of the rule's settings. */
void work_set(struct work *work, struct live *live, const struct matcher_rule *rule,
	const struct envelope *envelope);

/* The connection sees the span. */
void work_watch(struct live *live, uint64_t connection);

/* Somebody talks of a span: it is not at rest, and the connection sees it. */
void work_touch(struct work *work, struct live *live, uint64_t connection);

/* A sign of rest, and that it is none. */
void work_lapse(struct work *work, struct live *live, uint64_t now_ns);
void work_wake(struct work *work, struct live *live);

/*
 * Only one connection is listened to about what goes on in a span: that which opened it, and when
 * that is gone the next one.
 */
bool work_leads(struct live *live, uint64_t connection);

/*
 * The open request of the server with that id whose key begins with what is known of it: a copy for
 * another connection has the same, another server's request with that id has not. NULL: none.
 */
struct live *work_find_call(
	const struct work *work, size_t type, struct span_text call, const struct key *key);

/* The open span under which one of that type and key belongs, or NULL. */
struct live *work_find_parent(const struct work *work, size_t type, const struct key *key);

struct emitter_end work_make_end(enum work_reason reason, uint64_t now_ns);

/*
 * Keeps the memory of a span that may end, until work_release(): its context and key can be read,
 * nothing else. One may be held once.
 */
void work_hold(struct live *live);

/* NULL is allowed. */
void work_release(struct work *work, struct live *live);

/* Emits and frees a span, after all that is below it; these for the reason below. */
void work_end(struct work *work, struct live *live, const struct emitter_end *end,
	enum work_reason below);

/*
 * The end was told by a connection that is not listened to: the one that is may still have more to
 * say, for lifecycle.grace. The first to tell counts.
 */
void work_tell_end(struct work *work, struct live *live, const struct emitter_end *end);

/* Ends a span: as it was told, or at its last sign of rest; else for that reason. */
void work_give_up(struct work *work, struct live *live, enum work_reason reason, uint64_t now_ns);

#endif
