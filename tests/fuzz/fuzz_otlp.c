/*
 * Any bytes in any text of a span: the encoding is valid JSON in valid UTF-8, and so are the trees.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "exporter/console/console.h"
#include "exporter/escape.h"
#include "exporter/console/forest.h"
#include "exporter/otlp/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_check(bool fact)
{
	if (!fact)
		abort();
}

/* An independent and simple reader of UTF-8; yajl's own takes some ill-formed text. */
static bool fuzz_is_utf8(const uint8_t *bytes, size_t size)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t point;
	size_t i, length;

	for (; size > 0; bytes += length, size -= length) {
		length = *bytes < 0x80   ? 1
			 : *bytes < 0xc0 ? 0
			 : *bytes < 0xe0 ? 2
			 : *bytes < 0xf0 ? 3
			 : *bytes < 0xf8 ? 4
					 : 0;
		if (length == 0 || length > size)
			return false;
		point = length == 1 ? *bytes : *bytes & (0x7fu >> length);
		for (i = 1; i < length; i++) {
			if (bytes[i] >> 6 != 2)
				return false;
			point = point << 6 | (bytes[i] & 0x3fu);
		}
		if (point < least[length] || point > 0x10ffff || point >> 11 == 0x1b)
			return false;
	}
	return true;
}

/* The next text: a byte of length, then so many bytes. */
static struct span_text fuzz_text(const uint8_t **bytes, size_t *size)
{
	struct span_text text = {NULL, 0};

	if (*size == 0)
		return text;
	text.size = **bytes;
	++*bytes;
	--*size;
	if (text.size > *size)
		text.size = *size;
	text.bytes = (const char *)*bytes;
	*bytes += text.size;
	*size -= text.size;
	return text;
}

static void fuzz_json(const struct text *text)
{
	yajl_handle parser = yajl_alloc(NULL, NULL, NULL);

	fuzz_check(text->error == TEXT_OK);
	fuzz_check(fuzz_is_utf8((const uint8_t *)text->bytes, text->size));
	fuzz_check(yajl_parse(parser, (const uint8_t *)text->bytes, text->size) == yajl_status_ok);
	fuzz_check(yajl_complete_parse(parser) == yajl_status_ok);
	yajl_free(parser);
}

/* The two ways to copy agree. */
static void fuzz_twins(const struct span_text *text)
{
	char *fast = malloc(text->size + 1), *plain = malloc(text->size + 1);
	bool clean = escape_copy(fast, text->bytes, text->size);

	fuzz_check(clean == escape_copy_plain(plain, text->bytes, text->size));
	if (clean && text->size > 0)
		fuzz_check(memcmp(fast, text->bytes, text->size) == 0 &&
			   memcmp(plain, text->bytes, text->size) == 0);
	free(fast);
	free(plain);
}

static void fuzz_console(const struct span *span)
{
	struct text records, trees;

	text_init(&records, SIZE_MAX / 2);
	text_init(&trees, SIZE_MAX / 2);
	console_append_span(&records, span);
	console_append_span(&records, span);
	fuzz_check(forest_format(&trees, &records, 2, (struct forest_style){0}) == 0);
	fuzz_check(fuzz_is_utf8((const uint8_t *)trees.bytes, trees.size));
	fuzz_check(memchr(trees.bytes, '\x1b', trees.size) == NULL);
	text_done(&records);
	text_done(&trees);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct span_attribute attributes[3] = {
		{.key = "string", .type = SPAN_VALUE_STRING},
		{.key = "integer", .type = SPAN_VALUE_INT},
		{.key = "real", .type = SPAN_VALUE_DOUBLE},
	};
	struct span span = {.kind = SPAN_KIND_CLIENT, .attributes = attributes};
	struct text text;

	if (size < 8)
		return 0;
	memcpy(&attributes[1].value.integer, bytes, 8);
	memcpy(&attributes[2].value.real, bytes, 8);
	memcpy(&span.start_unix_ns, bytes, 8);
	bytes += 8;
	size -= 8;
	span.name = fuzz_text(&bytes, &size);
	span.tracestate = fuzz_text(&bytes, &size);
	span.status_message = fuzz_text(&bytes, &size);
	attributes[0].value.string = fuzz_text(&bytes, &size);
	span.attribute_count = 3;
	span.status = SPAN_STATUS_ERROR;
	fuzz_twins(&span.name);
	text_init(&text, SIZE_MAX / 2);
	otlp_append_span(&text, &span);
	fuzz_json(&text);
	text_done(&text);
	fuzz_console(&span);
	return 0;
}
