/* Any answer of a collector: no crash, a terminated message that may be shown, a sensible count. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/otlp/reply.h"
#include "exporter/retry.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_reply(const uint8_t *bytes, size_t size)
{
	struct reply reply;
	const char *p;
	int result = reply_parse(&reply, (const char *)bytes, size);

	if (memchr(reply.message, '\0', sizeof reply.message) == NULL)
		abort();
	if (result != 0 && (reply.rejected_spans != 0 || reply.message[0] != '\0'))
		abort();
	for (p = reply.message; *p != '\0'; p++)
		if ((uint8_t)*p < 0x20)
			abort();
}

/* The same bytes as a Retry-After. */
static void fuzz_retry_after(const uint8_t *bytes, size_t size)
{
	char text[SENDER_RETRY_AFTER_SIZE];
	int64_t pause_ms;

	if (size >= sizeof text)
		return;
	memcpy(text, bytes, size);
	text[size] = '\0';
	pause_ms = retry_after_parse(text, 784111777);
	if (pause_ms < -1 || pause_ms > 86400000)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	fuzz_reply(bytes, size);
	fuzz_retry_after(bytes, size);
	return 0;
}
