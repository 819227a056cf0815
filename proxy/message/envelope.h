#ifndef PROXY_MESSAGE_ENVELOPE_H
#define PROXY_MESSAGE_ENVELOPE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/pointers.h"
#include "proxy/message/unescape.h"

/*
 * What a JSON-RPC message says about itself: its kind, and the values at the wanted pointers.
 * Filled by skim as the bytes go by. Texts point into the message, or into the envelope's own arena
 * where the message was cut or spells them with escapes. Borrowed for the duration of a hook.
 */

/* Slots that every set of pointers has, in this order: envelope_pointers_new() adds them first. */
enum envelope_slot {
	ENVELOPE_ID,              /* /id */
	ENVELOPE_METHOD,          /* /method */
	ENVELOPE_PARAMS,          /* /params: its type only */
	ENVELOPE_RESULT,          /* /result: its type only */
	ENVELOPE_ERROR,           /* /error: its type only */
	ENVELOPE_ERROR_CODE,      /* /error/code */
	ENVELOPE_ERROR_MESSAGE,   /* /error/message */
	ENVELOPE_CARRIER,         /* the carrier, at its place: /trace; its type only */
	ENVELOPE_TRACEPARENT,     /* /trace/traceparent */
	ENVELOPE_TRACESTATE,      /* /trace/tracestate */
	ENVELOPE_BAGGAGE,         /* /trace/baggage */
	ENVELOPE_TRACEPARENT_POS, /* /trace/0: codex takes ["00-...","a=1"] too */
	ENVELOPE_TRACESTATE_POS,  /* /trace/1 */
	ENVELOPE_SLOTS_FIXED,
};

enum json_type {
	JSON_ABSENT,
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct envelope_value {
	enum json_type type;
	bool cut;         /* longer than the pointer's bytes_max: text is its beginning */
	const char *text; /* string: decoded, on a UTF-8 boundary; number: as spelt; else empty */
	size_t size;
	size_t length; /* as spelt in the message, cut or not: escapes are several bytes */
};

/* How far the texts of an envelope went. */
struct envelope_mark {
	size_t arena_used, texts_size;
};

enum envelope_kind {
	ENVELOPE_OTHER,        /* not JSON-RPC: a scalar, {}, no method and no answer, ... */
	ENVELOPE_REQUEST,      /* method and an id that is a string or a number */
	ENVELOPE_NOTIFICATION, /* method without id, or with the id null */
	ENVELOPE_RESULT_REPLY, /* id and result */
	ENVELOPE_ERROR_REPLY,  /* id and an error that is not null */
};

#define ENVELOPE_NOTE_MAX 128

/*
 * Nothing in it is ever cleared: a slot's value counts while its bit in present is set, and a value
 * that begins takes away the bits of all that its member, met before, held below.
 *
 * For the functions of envelope.h and envelope_fill.h alone.
 */
struct envelope {
	uint64_t present[POINTERS_SLOTS_MAX / 64];
	struct envelope_value *values; /* of each slot, and of -1, that nobody reads; in places */
	struct envelope_value *places; /* owned */
	enum envelope_kind kind;
	const struct pointers *pointers; /* borrowed for life */
	char *arena;                     /* owned; the texts that are not in the message */
	size_t arena_used, arena_size;
	size_t kept_end;   /* up to here are texts that the message had lent */
	size_t texts_size; /* of all texts so far, wherever they are: at most ENVELOPE_ARENA_MAX */
	bool lent;         /* some are in the message's bytes */
	bool large;        /* a text found no room under ENVELOPE_ARENA_MAX */
	bool no_memory;    /* a text found no room at all */
	/* The string that is being read. */
	struct unescape text;
	bool text_lost;     /* there was no room for it */
	size_t text_size;   /* bytes of it at the end of the arena, not yet counted in arena_used */
	size_t text_length; /* bytes of it in the message */
	uint32_t carriers;  /* that began, and that ended: odd while one is being read */
	size_t note_size;
	const void *note; /* borrowed from the carrier hook, or from a shelf; NULL: none */
};

/*
 * A set of pointers that begins with the fixed slots; place is the carrier's (place.h), "/trace",
 * the first one of which carriers are edited. NULL: out of memory, or it is none.
 */
struct pointers *envelope_pointers_new(const char *place);

/* By what has been read when splice called the hook. */
static inline enum envelope_kind envelope_kind(const struct envelope *envelope)
{
	return envelope->kind;
}

/* The value in a slot; a repeated member's last value counts. Never NULL. */
static inline const struct envelope_value *envelope_value(const struct envelope *envelope, int slot)
{
	static const struct envelope_value absent = {.type = JSON_ABSENT, .text = ""};
	unsigned at = (unsigned)slot;

	assert(at < POINTERS_SLOTS_MAX);
	return (envelope->present[at / 64] >> (at % 64) & 1) != 0 ? &envelope->values[at] : &absent;
}

/*
 * How much of carriers has been read, where splice edits them: the same number says that the
 * envelope's carrier is as it was.
 */
static inline uint32_t envelope_carriers(const struct envelope *envelope)
{
	return envelope->carriers;
}

/*
 * Leaves a note in an envelope that is not complete yet, for whoever sees it when it is: size bytes
 * at note, which mean something to their writer alone. They are borrowed until the next envelope
 * begins; should this one have to wait until then, a copy is kept, aligned like any object.
 */
static inline void envelope_set_note(struct envelope *envelope, const void *note, size_t size)
{
	assert(size <= ENVELOPE_NOTE_MAX);
	envelope->note_size = size;
	envelope->note = note;
}

/* NULL when none was left. */
static inline const void *envelope_note(const struct envelope *envelope)
{
	return envelope->note;
}

/*
 * The key under which a value is found again: type and *value* of a string or number, whatever its
 * spelling (1, 1.0 and 10e-1 are one; "1" is another; 9007199254740993 stays exact). Written to key
 * (ENVELOPE_KEY_MAX bytes), size returned; 0 when it is of another type, absent, cut, or longer
 * than ENVELOPE_ID_MAX.
 */
#define ENVELOPE_ID_MAX  256
#define ENVELOPE_KEY_MAX (ENVELOPE_ID_MAX + 8)
size_t envelope_value_key(const struct envelope_value *value, char key[ENVELOPE_KEY_MAX]);

/* The key of the id, under which a reply finds its request. */
size_t envelope_id_key(const struct envelope *envelope, char key[ENVELOPE_KEY_MAX]);

#endif
