#ifndef PROXY_MESSAGE_PLACE_H
#define PROXY_MESSAGE_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Where in a message a trace context stands: a JSON pointer (RFC 6901) to the object that holds it,
 * as its members traceparent, tracestate and baggage. "/trace" is a member of the message that is
 * the context and nothing else. A star as last token ("/params/_meta/" and "*") says that others
 * have members there, too; so MCP (SEP-414) and ACP have it.
 */
#define PLACE_NAME_MAX 255
#define PLACES_MAX     3 /* that are looked at in one message */

struct place {
	bool in_params; /* the object is a member of params, else of the message itself */
	bool shared;    /* it is others', too */
	char pointer[2 * PLACE_NAME_MAX + sizeof("/params/")]; /* to the object */
	char name[PLACE_NAME_MAX + 1];                         /* its own, decoded */
};

/* 0, or -1 when text names no place, or a member that JSON-RPC itself has. */
int place_parse(struct place *place, const char *text);

/* What is done to what stands there. */
struct place_rules {
	const char *place; /* borrowed until the object that takes the rules is made */
	bool makes_params; /* a request without params gets some, if the place is in them */
	/* In SPLICE_STRIP and SPLICE_REPLACE, at all places that place_edit() was told of: */
	bool strips_trace; /* traceparent and tracestate, or all that is no one else's */
	bool strips_baggage;
};

/* The numbers of the slots that speak of one place. */
#define PLACE_SLOTS 6

struct place_slots {
	bool shared;
	int object; /* the object itself: its type only */
	int traceparent, tracestate, baggage;
	int traceparent_pos, tracestate_pos; /* of an array: codex takes ["00-...","a=1"] too */
};

struct pointers;

/* Wants the values at a place, of baggage no more than its type. 0, or -1 as pointers_add(). */
int place_add(struct place_slots *slots, struct pointers *pointers, const struct place *place);

/* Wants so many bytes of the baggage, too, which must not be seen elsewhere. */
int place_add_baggage(struct pointers *pointers, const struct place *place, size_t bytes_max);

/*
 * Carriers at a place that was added before are edited: first, where ours goes, or else only by
 * taking away. Of a place that is told of twice, shared and not, the first call counts.
 */
void place_edit(struct pointers *pointers, const struct place_slots *slots, bool first);

#endif
