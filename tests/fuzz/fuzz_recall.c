/*
 * Messages of a stream, one per line, say the same whether their beginnings are recalled from those
 * before or not.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/place.h"
#include "proxy/message/pointers.h"
#include "proxy/message/splice.h"

enum { FUZZ_SIZE_MAX = 4096, FUZZ_TOLD_MAX = 16384 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct pointers *fuzz_pointers;

/* What a message says. */
struct fuzz_told {
	uint8_t bytes[FUZZ_TOLD_MAX];
	size_t size;
	unsigned troubles;
};

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_tell(struct fuzz_told *told, const void *bytes, size_t size)
{
	size = size < sizeof told->bytes - told->size ? size : sizeof told->bytes - told->size;
	if (size > 0)
		memcpy(told->bytes + told->size, bytes, size);
	told->size += size;
}

static void fuzz_on_envelope(void *arg, const struct envelope *envelope)
{
	struct fuzz_told *told = arg;
	uint8_t kind = (uint8_t)envelope_kind(envelope), type, cut;
	size_t slot;

	fuzz_tell(told, &kind, 1);
	for (slot = 0; slot < pointers_count(fuzz_pointers); slot++) {
		const struct envelope_value *value = envelope_value(envelope, (int)slot);

		type = (uint8_t)value->type;
		cut = value->cut;
		fuzz_tell(told, &type, 1);
		fuzz_tell(told, &cut, 1);
		fuzz_tell(told, &value->length, sizeof value->length);
		fuzz_tell(told, &value->size, sizeof value->size);
		fuzz_tell(told, value->text, value->size);
	}
}

static const struct splice_hooks fuzz_hooks = {.envelope = fuzz_on_envelope};

static void fuzz_line(struct splice *warm, struct splice *cold, const uint8_t *line, size_t size)
{
	static struct fuzz_told recalled, read;
	uint8_t *copy = malloc(size + 1); /* each of its own */

	fuzz_require(copy != NULL);
	memcpy(copy, line, size);
	recalled.size = read.size = 0;
	recalled.troubles = splice_watch(warm, &fuzz_hooks, &recalled, copy, size);
	splice_begin(cold, SPLICE_WATCH, &fuzz_hooks, &read);
	splice_feed(cold, copy, size, true);
	read.troubles = splice_troubles(cold);
	fuzz_require(recalled.troubles == read.troubles && recalled.size == read.size &&
		     memcmp(recalled.bytes, read.bytes, read.size) == 0);
	fuzz_require(splice_form(warm) == splice_form(cold));
	free(copy);
}

static struct splice *fuzz_splice(void)
{
	struct splice *splice = splice_new(fuzz_pointers, &(struct place_rules){.place = "/trace"});

	fuzz_require(splice != NULL);
	return splice;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const wanted[] = {"/jsonrpc", "/params/t", "/params/u", "/params/delta",
		"/params/list/1/x", "/params/all/-/x", "/params/a/b/c", "/params/none"};
	const uint8_t *end = bytes + size, *line_end;
	struct splice *warm, *cold;
	size_t i;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	if (fuzz_pointers == NULL) {
		fuzz_pointers = envelope_pointers_new("/trace");
		fuzz_require(fuzz_pointers != NULL);
		for (i = 0; i < sizeof wanted / sizeof *wanted; i++)
			fuzz_require(pointers_add(fuzz_pointers, wanted[i], i == 0 ? 0 : 24) >= 0);
	}
	warm = fuzz_splice();
	cold = fuzz_splice();
	for (; bytes < end; bytes = line_end + (line_end < end)) {
		line_end = memchr(bytes, '\n', (size_t)(end - bytes));
		line_end = line_end == NULL ? end : line_end;
		fuzz_line(warm, cold, bytes, (size_t)(line_end - bytes));
	}
	splice_free(warm);
	splice_free(cold);
	return 0;
}
