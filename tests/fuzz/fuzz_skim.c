/*
 * skim and envelope against yajl: the same verdict on every input, and the same values at the
 * wanted pointers. Where the two differ on purpose:
 *
 * - yajl takes vertical tab and form feed for white space; RFC 8259, section 2, does not.
 * - yajl does not see a string that is begun after the end of the text and never ended.
 * - Nesting beyond SPLICE_DEPTH_MAX is ours to refuse.
 * - A lone surrogate becomes U+FFFD here; yajl makes invalid UTF-8 or a question mark of it. Such
 *   inputs are compared by their verdict only.
 *
 * yajl's check of UTF-8 is off: that is the side's business.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "proxy/message/pointers.h"
#include "proxy/message/place.h"
#include "proxy/message/splice.h"

#define FUZZ_VALUES_MAX 512
#define FUZZ_TEXT_MAX   64 /* of a wanted value */

static const char *const fuzz_wanted[] = {"/a", "/a/b", "/a/0", "/a/1/c", "/params/threadId"};

#define FUZZ_WANTED (sizeof(fuzz_wanted) / sizeof(*fuzz_wanted))

/* One value at one pointer, as text to compare. */
struct fuzz_value {
	int wanted;
	int type;
	size_t size;
	size_t length; /* as spelt; yajl tells it of texts without escapes */
	char text[FUZZ_TEXT_MAX];
};

/* The values of the envelope as yajl tells them. */
struct fuzz_side {
	struct fuzz_value values[FUZZ_WANTED];
	size_t envelopes;
	uint64_t hash;    /* of all envelopes' values, in order */
	uint64_t lengths; /* of their lengths */
};

static void fuzz_hash(struct fuzz_side *side, const void *bytes, size_t size)
{
	const uint8_t *at = bytes;
	size_t i;

	for (i = 0; i < size; i++)
		side->hash = (side->hash ^ at[i]) * UINT64_C(0x100000001b3);
}

static void fuzz_envelope_hash(struct fuzz_side *side)
{
	size_t i;

	for (i = 0; i < FUZZ_WANTED; i++) {
		fuzz_hash(side, &side->values[i].type, sizeof(side->values[i].type));
		fuzz_hash(side, side->values[i].text, side->values[i].size);
		fuzz_hash(side, "|", 1);
		side->lengths = side->lengths * UINT64_C(0x100000001b3) + side->values[i].length;
	}
	side->envelopes++;
}

static size_t fuzz_trim(const char *text, size_t size)
{
	size_t back = 0;
	uint8_t lead;

	while (back < 3 && back < size && ((uint8_t)text[size - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back == size)
		return size;
	lead = (uint8_t)text[size - 1 - back];
	return lead >= 0xc0 && back < (size_t)(lead < 0xe0   ? 1
					       : lead < 0xf0 ? 2
							     : 3)
		       ? size - 1 - back
		       : size;
}

/* The path of yajl's position: one token per container, in decoded form. */
#define FUZZ_DEPTH_MAX 2000

struct fuzz_yajl {
	struct fuzz_side side;
	bool array[FUZZ_DEPTH_MAX];
	uint32_t index[FUZZ_DEPTH_MAX];
	char path[FUZZ_DEPTH_MAX][32]; /* the current key; longer ones match nothing */
	size_t depth;
	bool top_array;
	size_t deepest;
};

static size_t fuzz_base(const struct fuzz_yajl *y)
{
	return y->top_array ? 2 : 1;
}

/* Whether the value that comes now stands at pointer, or below it (deeper). */
static bool fuzz_at(const struct fuzz_yajl *y, const char *pointer, bool *exact)
{
	size_t level;

	if (y->depth < fuzz_base(y) || (y->top_array && y->array[1]))
		return false;
	for (level = fuzz_base(y) - 1; level < y->depth; level++) {
		char token[32];
		size_t size;

		if (*pointer != '/') {
			return false;
		}
		pointer++;
		size = strcspn(pointer, "/");
		if (y->array[level])
			(void)snprintf(token, sizeof(token), "%u", y->index[level]);
		else
			memcpy(token, y->path[level], sizeof(token));
		if (strlen(token) != size || memcmp(token, pointer, size) != 0)
			return false;
		pointer += size;
	}
	*exact = *pointer == '\0';
	return true;
}

/* A value of this type and text. */
static void fuzz_take(struct fuzz_yajl *y, int type, const void *text, size_t size)
{
	size_t i;
	bool exact;

	for (i = 0; i < FUZZ_WANTED; i++) {
		struct fuzz_value *value = &y->side.values[i];

		if (!fuzz_at(y, fuzz_wanted[i], &exact))
			continue;
		memset(value, 0, sizeof(*value)); /* what was below is void, too */
		if (!exact)
			continue;
		value->type = type;
		value->size = size;
		value->length = size;
		if (size > sizeof(value->text))
			value->size = fuzz_trim(text, sizeof(value->text));
		if (size > 0)
			memcpy(value->text, text, value->size);
	}
}

static void fuzz_next(struct fuzz_yajl *y)
{
	if (y->depth > 0 && y->array[y->depth - 1])
		y->index[y->depth - 1]++;
}

static int fuzz_scalar(struct fuzz_yajl *y, int type, const void *text, size_t size)
{
	fuzz_take(y, type, text, size);
	fuzz_next(y);
	return 1;
}

static int fuzz_null(void *arg)
{
	return fuzz_scalar(arg, JSON_NULL, NULL, 0);
}

static int fuzz_boolean(void *arg, int truth)
{
	return fuzz_scalar(arg, truth ? JSON_TRUE : JSON_FALSE, NULL, 0);
}

static int fuzz_number(void *arg, const char *text, size_t size)
{
	return fuzz_scalar(arg, JSON_NUMBER, text, size);
}

static int fuzz_string(void *arg, const unsigned char *text, size_t size)
{
	return fuzz_scalar(arg, JSON_STRING, text, size);
}

static int fuzz_open(struct fuzz_yajl *y, bool array)
{
	bool envelope = !array && y->depth + 1 == fuzz_base(y);

	if (y->depth == FUZZ_DEPTH_MAX - 1)
		return 0;
	fuzz_take(y, array ? JSON_ARRAY : JSON_OBJECT, NULL, 0);
	if (y->depth == 0 && array)
		y->top_array = true;
	else if (envelope)
		memset(y->side.values, 0, sizeof(y->side.values));
	y->array[y->depth] = array;
	y->index[y->depth] = 0;
	y->path[y->depth][0] = '\0';
	y->depth++;
	y->deepest = y->depth > y->deepest ? y->depth : y->deepest;
	return 1;
}

static int fuzz_start_map(void *arg)
{
	return fuzz_open(arg, false);
}

static int fuzz_start_array(void *arg)
{
	return fuzz_open(arg, true);
}

static int fuzz_key(void *arg, const unsigned char *key, size_t size)
{
	struct fuzz_yajl *y = arg;
	char *path = y->path[y->depth - 1];

	memset(path, 0, sizeof(y->path[0]));
	if (size >= sizeof(y->path[0]) || memchr(key, 0, size) != NULL)
		strcpy(path, "\x01");
	else if (size > 0)
		memcpy(path, key, size);
	return 1;
}

static int fuzz_end(void *arg)
{
	struct fuzz_yajl *y = arg;

	y->depth--;
	if (y->depth + 1 == fuzz_base(y) && !y->array[y->depth])
		fuzz_envelope_hash(&y->side);
	fuzz_next(y);
	return 1;
}

static const yajl_callbacks fuzz_callbacks = {
	.yajl_null = fuzz_null,
	.yajl_boolean = fuzz_boolean,
	.yajl_number = fuzz_number,
	.yajl_string = fuzz_string,
	.yajl_start_map = fuzz_start_map,
	.yajl_map_key = fuzz_key,
	.yajl_end_map = fuzz_end,
	.yajl_start_array = fuzz_start_array,
	.yajl_end_array = fuzz_end,
};

static struct fuzz_yajl fuzz_yajl;

static bool fuzz_parse_yajl(const uint8_t *bytes, size_t size)
{
	yajl_handle handle;
	bool good;

	memset(&fuzz_yajl, 0, sizeof(fuzz_yajl));
	handle = yajl_alloc(&fuzz_callbacks, NULL, &fuzz_yajl);
	if (handle == NULL)
		abort();
	yajl_config(handle, yajl_dont_validate_strings, 1);
	good = yajl_parse(handle, bytes, size) == yajl_status_ok &&
	       yajl_complete_parse(handle) == yajl_status_ok;
	yajl_free(handle);
	return good;
}

struct fuzz_ours {
	struct fuzz_side side;
	int slots[FUZZ_WANTED];
};

static void fuzz_on_envelope(void *arg, const struct envelope *envelope)
{
	struct fuzz_ours *ours = arg;
	size_t i;

	for (i = 0; i < FUZZ_WANTED; i++) {
		const struct envelope_value *value = envelope_value(envelope, ours->slots[i]);

		ours->side.values[i].type = (int)value->type;
		ours->side.values[i].size = value->size;
		ours->side.values[i].length = value->length;
		if (value->size > FUZZ_TEXT_MAX)
			abort();
		memcpy(ours->side.values[i].text, value->text, value->size);
	}
	fuzz_envelope_hash(&ours->side);
}

static const struct splice_hooks fuzz_hooks = {.envelope = fuzz_on_envelope};

/* Reads the input in pieces of step bytes; returns the troubles. */
static unsigned fuzz_parse_ours(struct splice *splice, struct fuzz_ours *ours, const uint8_t *bytes,
	size_t size, size_t step)
{
	size_t at = 0, piece;

	memset(&ours->side, 0, sizeof(ours->side));
	splice_begin(splice, SPLICE_WATCH, &fuzz_hooks, ours);
	do {
		piece = size - at < step ? size - at : step;
		splice_feed(splice, bytes + at, piece, at + piece == size);
		at += piece;
	} while (at < size);
	return splice_troubles(splice);
}

/* The first difference of the list above. */
static bool fuzz_has_odd_blank(const uint8_t *bytes, size_t size)
{
	return memchr(bytes, '\v', size) != NULL || memchr(bytes, '\f', size) != NULL;
}

static bool fuzz_has_surrogate(const uint8_t *bytes, size_t size)
{
	size_t i;

	for (i = 0; i + 3 < size; i++)
		if (bytes[i] == '\\' && bytes[i + 1] == 'u' && (bytes[i + 2] | 0x20) == 'd')
			return true;
	return false;
}

/* The second one: yajl alone is content, and more so when the string is ended. */
static bool fuzz_open_string(const uint8_t *bytes, size_t size)
{
	uint8_t *closed = malloc(size + 2);
	bool good;

	if (closed == NULL)
		abort();
	memcpy(closed, bytes, size);
	closed[size] = 'a'; /* whatever escape was open */
	closed[size + 1] = '"';
	good = fuzz_parse_yajl(closed, size + 1) && !fuzz_parse_yajl(closed, size + 2);
	free(closed);
	return good;
}

static void fuzz_compare(const struct fuzz_ours *ours, unsigned troubles, bool good,
	const uint8_t *bytes, size_t size)
{
	if ((troubles & (SPLICE_NOT_JSON | SPLICE_TOO_DEEP)) != 0 && ours->side.envelopes > 0)
		abort(); /* no envelope of a broken message counts */
	if ((troubles & SPLICE_TOO_DEEP) != 0) {
		if (fuzz_yajl.deepest <= SPLICE_DEPTH_MAX)
			abort();
		return;
	}
	if (good != ((troubles & SPLICE_NOT_JSON) == 0)) {
		if (!good || !(fuzz_has_odd_blank(bytes, size) || fuzz_open_string(bytes, size)))
			abort();
		return;
	}
	if (good && !fuzz_has_surrogate(bytes, size) &&
		(ours->side.envelopes != fuzz_yajl.side.envelopes ||
			ours->side.hash != fuzz_yajl.side.hash))
		abort();
	if (good && memchr(bytes, '\\', size) == NULL &&
		ours->side.lengths != fuzz_yajl.side.lengths)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct splice *splice;
	static struct fuzz_ours ours, again;
	static struct pointers *pointers;
	unsigned troubles;
	size_t i;
	bool good;

	if (splice == NULL) {
		pointers = envelope_pointers_new("/trace");
		for (i = 0; i < FUZZ_WANTED; i++)
			ours.slots[i] = pointers_add(pointers, fuzz_wanted[i], FUZZ_TEXT_MAX);
		splice = splice_new(
			pointers, &(struct place_rules){.place = "/trace", .strips_trace = true});
		again = ours;
	}
	good = fuzz_parse_yajl(bytes, size);
	troubles = fuzz_parse_ours(splice, &ours, bytes, size, size + 1);
	fuzz_compare(&ours, troubles, good, bytes, size);
	if (fuzz_parse_ours(splice, &again, bytes, size, 1 + size % 7) != troubles ||
		again.side.hash != ours.side.hash || again.side.lengths != ours.side.lengths)
		abort();
	return 0;
}
