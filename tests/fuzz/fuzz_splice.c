/*
 * splice against itself and against yajl's trees: however the input is cut, output, hook calls and
 * troubles are the same; broken input comes out as it went in, unless it had already begun to flow,
 * and none of its envelopes is told of; good input comes out as JSON that is equal to the input but
 * for the carriers; and of those a request has exactly one, or a call none when they are stripped.
 *
 * The input's first byte chooses mode and cuts. To reach the hold with small inputs, the bytes 1 to
 * 4, which no JSON has, stand for long white space and for a long member.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>
#include <yajl/yajl_tree.h>

#include "proxy/message/pointers.h"
#include "proxy/message/splice.h"

#define FUZZ_CARRIER "{\"ours\":1}"

struct fuzz_buffer {
	uint8_t *bytes;
	size_t used, size;
};

static void fuzz_append(struct fuzz_buffer *buffer, const void *bytes, size_t size)
{
	if (buffer->size < buffer->used + size) {
		buffer->size = 2 * (buffer->used + size);
		buffer->bytes = realloc(buffer->bytes, buffer->size);
		if (buffer->bytes == NULL)
			abort();
	}
	if (size > 0)
		memcpy(buffer->bytes + buffer->used, bytes, size);
	buffer->used += size;
}

static void fuzz_append_many(struct fuzz_buffer *buffer, char byte, size_t count)
{
	while (count-- > 0)
		fuzz_append(buffer, &byte, 1);
}

static void fuzz_expand(struct fuzz_buffer *buffer, const uint8_t *bytes, size_t size)
{
	size_t i, longs = 0;

	buffer->used = 0;
	for (i = 0; i < size; i++) {
		if (bytes[i] == 0 || bytes[i] > 4 || longs++ >= 8) {
			fuzz_append(buffer, bytes + i, 1);
			continue;
		}
		if (bytes[i] > 2)
			fuzz_append(buffer, "\"long\":\"", 8);
		fuzz_append_many(buffer, bytes[i] > 2 ? 'x' : ' ',
			bytes[i] % 2 == 1 ? SPLICE_HOLD_MAX - 100 : 3000);
		if (bytes[i] > 2)
			fuzz_append(buffer, "\",", 2);
	}
}

/* What one run gives. */
struct fuzz_run {
	struct fuzz_buffer output, calls;
	unsigned troubles;
	size_t envelopes;
	bool refuse;
};

static void fuzz_log(struct fuzz_run *run, char what, const struct envelope *envelope)
{
	static const int slots[] = {ENVELOPE_ID, ENVELOPE_METHOD, ENVELOPE_CARRIER,
		ENVELOPE_TRACEPARENT, ENVELOPE_TRACESTATE_POS};
	size_t i;
	uint8_t kind = (uint8_t)envelope_kind(envelope);
	char key[ENVELOPE_KEY_MAX];

	fuzz_append(&run->calls, &what, 1);
	fuzz_append(&run->calls, &kind, 1);
	for (i = 0; i < sizeof(slots) / sizeof(*slots); i++) {
		const struct envelope_value *value = envelope_value(envelope, slots[i]);

		fuzz_append(&run->calls, &value->type, sizeof(value->type));
		fuzz_append(&run->calls, value->text, value->size);
		fuzz_append(&run->calls, "|", 1);
	}
	fuzz_append(&run->calls, key, envelope_id_key(envelope, key));
}

static size_t fuzz_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct fuzz_run *run = arg;

	fuzz_log(run, 'C', envelope);
	*text = FUZZ_CARRIER;
	return run->refuse ? 0 : sizeof(FUZZ_CARRIER) - 1;
}

static void fuzz_on_envelope(void *arg, const struct envelope *envelope)
{
	struct fuzz_run *run = arg;

	run->envelopes++;
	fuzz_log(run, 'E', envelope);
}

static const struct splice_hooks fuzz_hooks = {
	.carrier = fuzz_on_carrier, .envelope = fuzz_on_envelope};

/* Feeds copies, so that what is borrowed too long is found; cuts of 0: whole. */
static void fuzz_run(struct splice *splice, struct fuzz_run *run, enum splice_mode mode,
	const struct fuzz_buffer *input, unsigned cuts)
{
	const struct splice_piece *pieces;
	size_t at = 0, size, i, count, total, sum;
	uint8_t *copy;

	run->output.used = 0;
	run->calls.used = 0;
	run->envelopes = 0;
	splice_begin(splice, mode, &fuzz_hooks, run);
	do {
		size = input->used - at;
		if (cuts > 0) {
			cuts = cuts * 1103515245u + 12345u;
			i = cuts >> 16 & 7 ? cuts >> 16 & 15 : cuts >> 16 & 8191;
			size = i < size ? i : size;
		}
		copy = malloc(size + 1);
		if (copy == NULL)
			abort();
		memcpy(copy, input->bytes + at, size);
		at += size;
		splice_feed(splice, copy, size, at == input->used);
		pieces = splice_pieces(splice, &count, &total);
		for (i = 0, sum = 0; i < count; sum += pieces[i++].size)
			fuzz_append(&run->output, pieces[i].bytes, pieces[i].size);
		if (sum != total)
			abort();
		free(copy);
	} while (at < input->used);
	run->troubles = splice_troubles(splice);
}

static bool fuzz_same(const struct fuzz_buffer *a, const struct fuzz_buffer *b)
{
	return a->used == b->used && (a->used == 0 || memcmp(a->bytes, b->bytes, a->used) == 0);
}

static yajl_val fuzz_tree(const struct fuzz_buffer *buffer)
{
	struct fuzz_buffer copy = {.bytes = NULL};
	char error[64];
	yajl_val tree;

	fuzz_append(&copy, buffer->bytes, buffer->used);
	fuzz_append(&copy, "", 1);
	tree = yajl_tree_parse((const char *)copy.bytes, error, sizeof(error));
	free(copy.bytes);
	return tree;
}

static size_t fuzz_carriers(yajl_val value)
{
	size_t i, count = 0;

	for (i = 0; i < value->u.object.len; i++)
		count += strcmp(value->u.object.keys[i], "trace") == 0;
	return count;
}

static yajl_val fuzz_first_carrier(yajl_val value)
{
	size_t i;

	for (i = 0; i < value->u.object.len; i++)
		if (strcmp(value->u.object.keys[i], "trace") == 0)
			return value->u.object.values[i];
	return NULL;
}

static bool fuzz_equal(yajl_val a, yajl_val b);

/*
 * Whether a carrier is ours, made of what was there before (NULL: nothing): where that is an
 * object, our member stands in place of the first traceparent or tracestate, or at the beginning,
 * and all other members follow each other as before.
 */
static bool fuzz_is_ours(yajl_val before, yajl_val after)
{
	size_t count = YAJL_IS_OBJECT(before) ? before->u.object.len : 0, i, at = 0, place = 0;
	bool placed = false;

	if (!YAJL_IS_OBJECT(after))
		return false;
	for (i = 0; i < count; i++) {
		const char *key = before->u.object.keys[i];

		if (strcmp(key, "traceparent") == 0 || strcmp(key, "tracestate") == 0) {
			place = placed ? place : at;
			placed = true;
			continue;
		}
		at++;
	}
	if (after->u.object.len != at + 1 || strcmp(after->u.object.keys[place], "ours") != 0)
		return false;
	for (i = 0, at = 0; i < count; i++) {
		const char *key = before->u.object.keys[i];

		if (strcmp(key, "traceparent") == 0 || strcmp(key, "tracestate") == 0)
			continue;
		at += at == place;
		if (strcmp(after->u.object.keys[at], key) != 0 ||
			!fuzz_equal(before->u.object.values[i], after->u.object.values[at]))
			return false;
		at++;
	}
	return true;
}

/* All members but carriers, in order. */
static bool fuzz_equal_members(yajl_val a, yajl_val b, bool but_carriers)
{
	size_t i = 0, j = 0;

	for (;;) {
		while (but_carriers && i < a->u.object.len &&
			strcmp(a->u.object.keys[i], "trace") == 0)
			i++;
		while (but_carriers && j < b->u.object.len &&
			strcmp(b->u.object.keys[j], "trace") == 0)
			j++;
		if (i == a->u.object.len || j == b->u.object.len)
			return i == a->u.object.len && j == b->u.object.len;
		if (strcmp(a->u.object.keys[i], b->u.object.keys[j]) != 0 ||
			!fuzz_equal(a->u.object.values[i], b->u.object.values[j]))
			return false;
		i++;
		j++;
	}
}

static bool fuzz_equal(yajl_val a, yajl_val b)
{
	size_t i;

	if (a->type != b->type)
		return false;
	if (YAJL_IS_STRING(a))
		return strcmp(a->u.string, b->u.string) == 0;
	if (YAJL_IS_NUMBER(a))
		return strcmp(a->u.number.r, b->u.number.r) == 0;
	if (YAJL_IS_OBJECT(a))
		return fuzz_equal_members(a, b, false);
	if (!YAJL_IS_ARRAY(a))
		return true;
	for (i = 0; i < a->u.array.len && i < b->u.array.len; i++)
		if (!fuzz_equal(a->u.array.values[i], b->u.array.values[i]))
			return false;
	return a->u.array.len == b->u.array.len;
}

/*
 * Whether carriers are edited, by the last id and method: of requests, when they are stripped of
 * all calls. An id too long is not checked here.
 */
static bool fuzz_concerns(yajl_val value, enum splice_mode mode)
{
	yajl_val id = NULL, method = NULL;
	size_t i;

	for (i = 0; i < value->u.object.len; i++) {
		if (strcmp(value->u.object.keys[i], "id") == 0)
			id = value->u.object.values[i];
		if (strcmp(value->u.object.keys[i], "method") == 0)
			method = value->u.object.values[i];
	}
	if (method == NULL || !YAJL_IS_STRING(method))
		return false;
	if (mode == SPLICE_STRIP)
		return true;
	if (id == NULL)
		return false;
	return (YAJL_IS_STRING(id) && strlen(id->u.string) <= ENVELOPE_ID_MAX) ||
	       (YAJL_IS_NUMBER(id) && strlen(id->u.number.r) <= ENVELOPE_ID_MAX);
}

static void fuzz_check_envelope(yajl_val before, yajl_val after, enum splice_mode mode)
{
	if (!YAJL_IS_OBJECT(before) || !YAJL_IS_OBJECT(after)) {
		if (!fuzz_equal(before, after))
			abort();
		return;
	}
	if (mode == SPLICE_WATCH || !fuzz_concerns(before, mode)) {
		if (!fuzz_equal(before, after))
			abort();
		return;
	}
	if (!fuzz_equal_members(before, after, true) ||
		fuzz_carriers(after) != (mode == SPLICE_INJECT ? 1 : 0))
		abort();
	if (mode == SPLICE_INJECT &&
		!fuzz_is_ours(fuzz_first_carrier(before), fuzz_first_carrier(after)))
		abort();
}

/* Whether a key is there more than once: then a long message can change its mind on the way. */
static bool fuzz_has_repeated(yajl_val value, const char *key)
{
	size_t i, count = 0;

	for (i = 0; YAJL_IS_OBJECT(value) && i < value->u.object.len; i++)
		count += strcmp(value->u.object.keys[i], key) == 0;
	return count > 1;
}

static bool fuzz_mind_may_change(yajl_val tree)
{
	size_t i;

	if (YAJL_IS_ARRAY(tree)) {
		for (i = 0; i < tree->u.array.len; i++)
			if (fuzz_has_repeated(tree->u.array.values[i], "id") ||
				fuzz_has_repeated(tree->u.array.values[i], "method"))
				return true;
		return false;
	}
	return fuzz_has_repeated(tree, "id") || fuzz_has_repeated(tree, "method");
}

static void fuzz_check_trees(yajl_val before, yajl_val after, enum splice_mode mode)
{
	size_t i;

	if (!YAJL_IS_ARRAY(before)) {
		fuzz_check_envelope(before, after, mode);
		return;
	}
	if (!YAJL_IS_ARRAY(after) || after->u.array.len != before->u.array.len)
		abort();
	for (i = 0; i < before->u.array.len; i++)
		fuzz_check_envelope(before->u.array.values[i], after->u.array.values[i], mode);
}

static void fuzz_check(
	const struct fuzz_buffer *input, const struct fuzz_run *run, enum splice_mode mode)
{
	bool bad = (run->troubles & (SPLICE_NOT_JSON | SPLICE_TOO_DEEP)) != 0;
	yajl_val before, after;

	if (bad && (run->envelopes > 0 || (input->used <= SPLICE_HOLD_MAX && run->calls.used > 0)))
		abort();
	if (bad || run->refuse || mode == SPLICE_WATCH) {
		if ((input->used <= SPLICE_HOLD_MAX || !bad) && !fuzz_same(input, &run->output))
			abort();
		return;
	}
	if (memchr(input->bytes, 0, input->used) != NULL ||
		memmem(input->bytes, input->used, "\\u", 2) != NULL)
		return; /* not for yajl_tree's C strings; surrogates */
	before = fuzz_tree(input);
	after = fuzz_tree(&run->output);
	if (before != NULL && after == NULL)
		abort();
	if (before != NULL && (run->troubles & SPLICE_UNDECIDED) == 0 &&
		(input->used <= SPLICE_HOLD_MAX || !fuzz_mind_may_change(before)))
		fuzz_check_trees(before, after, mode);
	yajl_tree_free(before);
	yajl_tree_free(after);
}

/* The short way says the same. */
static void fuzz_watch(
	struct splice *splice, const struct fuzz_run *whole, const struct fuzz_buffer *input)
{
	static struct fuzz_run watched;
	uint8_t *copy = malloc(input->used + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, input->bytes, input->used);
	watched.calls.used = 0;
	watched.troubles = splice_watch(splice, &fuzz_hooks, &watched, copy, input->used);
	if (watched.troubles != whole->troubles || !fuzz_same(&watched.calls, &whole->calls))
		abort();
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct fuzz_run whole, cut;
	static struct fuzz_buffer input;
	static struct splice *splice;
	enum splice_mode mode;
	unsigned cuts;

	if (size < 2)
		return 0;
	if (splice == NULL)
		splice = splice_new(envelope_pointers_new("trace"), "trace");
	mode = (enum splice_mode)(bytes[0] % 3);
	whole.refuse = cut.refuse = bytes[0] % 16 == 15;
	fuzz_expand(&input, bytes + 1, size - 1);
	fuzz_run(splice, &whole, mode, &input, 0);
	fuzz_check(&input, &whole, mode);
	for (cuts = 1; cuts <= 3; cuts++) {
		fuzz_run(splice, &cut, mode, &input, cuts * 77777u + bytes[0]);
		if (cut.troubles != whole.troubles || !fuzz_same(&cut.output, &whole.output) ||
			!fuzz_same(&cut.calls, &whole.calls))
			abort();
	}
	if (mode == SPLICE_WATCH)
		fuzz_watch(splice, &whole, &input);
	return 0;
}
