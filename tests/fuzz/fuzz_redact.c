/*
 * Any bytes as a message: what is JSON keeps its size and stays JSON, and is redacted once for all.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/explain/redact.h"
#include "proxy/message/envelope.h"
#include "proxy/message/pointers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct fuzz_out {
	uint8_t *bytes; /* owned; as many as went in */
	size_t size, room;
};

static void fuzz_check(bool fact)
{
	if (!fact)
		abort();
}

static void fuzz_put(void *arg, const char *bytes, size_t size)
{
	struct fuzz_out *out = arg;

	fuzz_check(size > 0 && size <= out->room - out->size);
	if (bytes != NULL)
		memcpy(out->bytes + out->size, bytes, size);
	else
		memset(out->bytes + out->size, 'x', size);
	out->size += size;
}

static bool fuzz_redact(
	const struct pointers *pointers, const uint8_t *bytes, size_t size, struct fuzz_out *out)
{
	*out = (struct fuzz_out){.bytes = malloc(size + 1), .room = size};
	fuzz_check(out->bytes != NULL);
	return redact_message(pointers, bytes, size, fuzz_put, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct pointers *pointers = envelope_pointers_new("/trace");
	struct fuzz_out once, again;

	fuzz_check(pointers != NULL && pointers_add(pointers, "/params/name", 4) >= 0 &&
		   pointers_add(pointers, "/params/list/1", 9) >= 0 &&
		   pointers_add_word(pointers, "/result/turns/-/id", 9) >= 0);
	if (fuzz_redact(pointers, bytes, size, &once)) {
		fuzz_check(once.size == size);
		fuzz_check(fuzz_redact(pointers, once.bytes, size, &again));
		fuzz_check(again.size == size && memcmp(again.bytes, once.bytes, size) == 0);
		free(again.bytes);
	}
	free(once.bytes);
	pointers_free(pointers);
	return 0;
}
