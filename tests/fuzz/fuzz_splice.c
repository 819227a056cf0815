/*
 * splice against itself and against yajl's trees: however the input is cut, output, hook calls and
 * troubles are the same; broken input comes out as it went in, unless it had already begun to flow,
 * and none of its envelopes is told of; good input comes out as JSON that is equal to the input but
 * for the carriers, at each kind of place, which are as place_check.h says; and a size that was
 * promised is kept.
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
#include "proxy/message/place.h"
#include "proxy/message/splice.h"
#include "tests/fuzz/place_check.h"

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
	bool refuse, promised;
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
	*text = PLACE_CHECK_OURS;
	return run->refuse ? 0 : sizeof(PLACE_CHECK_OURS) - 1;
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
	if (run->promised)
		splice_promise(splice);
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

static void fuzz_check(
	const struct fuzz_buffer *input, const struct fuzz_run *run, struct place_check *check)
{
	enum splice_mode mode = check->mode;
	bool bad = (run->troubles & (SPLICE_NOT_JSON | SPLICE_TOO_DEEP)) != 0;
	yajl_val before, after;

	if (bad && (run->envelopes > 0 || (input->used <= SPLICE_HOLD_MAX && run->calls.used > 0)))
		abort();
	if (bad || (run->refuse && mode == SPLICE_INJECT) || mode == SPLICE_WATCH) {
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
		(input->used <= SPLICE_HOLD_MAX || !fuzz_mind_may_change(before)) &&
		!place_message(check, before, after))
		abort();
	yajl_tree_free(before);
	yajl_tree_free(after);
}

/* The short ways say the same, and what is edited is written the same. */
static void fuzz_short(struct splice *splice, const struct fuzz_run *whole, enum splice_mode mode,
	const struct fuzz_buffer *input)
{
	static struct fuzz_run run;
	const struct splice_piece *pieces;
	size_t i, count, total;
	uint8_t *copy = malloc(input->used + 1);

	if (copy == NULL)
		abort();
	memcpy(copy, input->bytes, input->used);
	run.refuse = whole->refuse;
	run.calls.used = run.output.used = 0;
	if (mode == SPLICE_WATCH) {
		run.troubles = splice_watch(splice, &fuzz_hooks, &run, copy, input->used);
	} else if (input->used > 0 && input->used <= SPLICE_HOLD_MAX) {
		run.troubles =
			splice_edit_whole(splice, mode, &fuzz_hooks, &run, copy, input->used);
		pieces = splice_pieces(splice, &count, &total);
		for (i = 0; i < count; i++)
			fuzz_append(&run.output, pieces[i].bytes, pieces[i].size);
		if (run.output.used != total || !fuzz_same(&run.output, &whole->output))
			abort();
	} else {
		goto out;
	}
	if (run.troubles != whole->troubles || !fuzz_same(&run.calls, &whole->calls))
		abort();
out:
	free(copy);
}

/*
 * The size that was promised is kept; but for blanks the message is what it is without a promise.
 */
static void fuzz_promise(struct splice *splice, const struct fuzz_run *whole, enum splice_mode mode,
	const struct fuzz_buffer *input)
{
	static struct fuzz_run run;
	yajl_val plain, filled;
	size_t growth;

	run.refuse = whole->refuse;
	run.promised = true;
	fuzz_run(splice, &run, mode, input, 31337);
	growth = splice_growth(splice);
	if (growth > SPLICE_GROWTH || (input->used <= SPLICE_HOLD_MAX && growth > 0))
		abort();
	if (input->used > SPLICE_HOLD_MAX && run.output.used != input->used + growth)
		abort();
	if ((run.troubles & SPLICE_NOT_JSON) != (whole->troubles & SPLICE_NOT_JSON))
		abort();
	if (run.troubles != whole->troubles || run.troubles != 0)
		return;
	plain = fuzz_tree(&whole->output);
	filled = fuzz_tree(&run.output);
	if ((plain == NULL) != (filled == NULL) || (plain != NULL && !place_equal(plain, filled)))
		abort();
	yajl_tree_free(plain);
	yajl_tree_free(filled);
}

static const struct place_set fuzz_sets[] = {
	{.rules = {.place = "/trace", .strips_trace = true}},
	{.rules = {.place = "/trace", .strips_baggage = true}},
	{.rules = {.place = "/params/_meta/*", .makes_params = true, .strips_trace = true}},
	{.rules = {.place = "/params/_meta/*", .strips_trace = true, .strips_baggage = true}},
	{.rules = {.place = "/params/trace", .strips_trace = true}, .further = {"/trace"}},
	{.rules = {.place = "/trace/*", .strips_baggage = true},
		.further = {"/params/trace", "/params/_meta/*"}},
	{.rules = {.place = "/trace", .strips_trace = true},
		.further = {"/params/_meta/*", "/ctx"}},
	{.rules = {.place = "/params/_meta/*", .makes_params = true, .strips_trace = true},
		.further = {"/trace", "/params/trace", "/ctx/*"}},
};

#define FUZZ_PLACES (sizeof(fuzz_sets) / sizeof(*fuzz_sets))

static void fuzz_place(struct splice *splice, struct place_check *check,
	const struct fuzz_buffer *input, uint8_t first)
{
	static struct fuzz_run whole, cut;
	unsigned cuts;

	whole.refuse = cut.refuse = check->refused = first % 16 == 15;
	fuzz_run(splice, &whole, check->mode, input, 0);
	fuzz_check(input, &whole, check);
	for (cuts = 1; cuts <= 3; cuts++) {
		fuzz_run(splice, &cut, check->mode, input, cuts * 77777u + first);
		if (cut.troubles != whole.troubles || !fuzz_same(&cut.output, &whole.output) ||
			!fuzz_same(&cut.calls, &whole.calls))
			abort();
	}
	fuzz_short(splice, &whole, check->mode, input);
	if (check->mode != SPLICE_WATCH)
		fuzz_promise(splice, &whole, check->mode, input);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const enum splice_mode modes[] = {
		SPLICE_WATCH, SPLICE_INJECT, SPLICE_STRIP, SPLICE_REPLACE};
	static struct splice *splices[FUZZ_PLACES];
	static struct fuzz_buffer input;
	struct place_check check;
	size_t i;

	if (size < 2)
		return 0;
	fuzz_expand(&input, bytes + 1, size - 1);
	for (i = 0; i < FUZZ_PLACES; i++) {
		if (splices[i] == NULL)
			splices[i] =
				splice_new(place_set_pointers(&fuzz_sets[i]), &fuzz_sets[i].rules);
		if (splices[i] == NULL ||
			!place_check_init(&check, &fuzz_sets[i], modes[bytes[0] % 4]))
			abort();
		fuzz_place(splices[i], &check, &input, bytes[0]);
	}
	return 0;
}
