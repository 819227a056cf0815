/* traceparent: what the vectors cannot say: every byte value in every place, every length. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "w3c/traceparent.h"

#define GOOD   "00-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-01"
#define FUTURE "cc-7c3a9e51d04f42b8a6150b2ce8f7d913-5e91c0a7342bd86f-01-later"

static const struct traceparent good = {
	.trace_id = {0x7c, 0x3a, 0x9e, 0x51, 0xd0, 0x4f, 0x42, 0xb8, 0xa6, 0x15, 0x0b, 0x2c, 0xe8,
		0xf7, 0xd9, 0x13},
	.span_id = {0x5e, 0x91, 0xc0, 0xa7, 0x34, 0x2b, 0xd8, 0x6f},
	.flags = TRACE_FLAG_SAMPLED,
};

/* Parses a copy that ends at an unreadable page; a refused text must leave the value alone. */
static int parse_guarded(struct traceparent *traceparent, const char *text, size_t size)
{
	uint8_t *copy = unit_guard_copy(text, size);
	struct traceparent before = *traceparent;
	int status = traceparent_parse(traceparent, (const char *)copy, size);

	if (status != 0)
		ck_assert_mem_eq(traceparent, &before, sizeof before);
	unit_guard_free(copy, size);
	return status;
}

START_TEST(test_traceparent_value)
{
	struct traceparent parsed = {.flags = 0};

	ck_assert_int_eq(parse_guarded(&parsed, GOOD, strlen(GOOD)), 0);
	ck_assert_mem_eq(&parsed, &good, sizeof good);
}
END_TEST

START_TEST(test_traceparent_every_length)
{
	struct traceparent parsed = {.flags = 0};
	size_t size;

	for (size = 0; size <= strlen(GOOD); size++)
		ck_assert_int_eq(
			parse_guarded(&parsed, GOOD, size), size == TRACEPARENT_SIZE ? 0 : -1);
	for (size = 0; size <= strlen(FUTURE); size++)
		ck_assert_int_eq(
			parse_guarded(&parsed, FUTURE, size), size >= TRACEPARENT_SIZE ? 0 : -1);
}
END_TEST

/* Whether the good text stays good with that byte in that place. */
static int byte_fits(size_t place, int byte)
{
	if (GOOD[place] == '-')
		return byte == '-';
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
}

START_TEST(test_traceparent_every_byte)
{
	char text[] = GOOD;
	struct traceparent parsed;
	size_t place;
	int byte;

	for (place = 2; place < TRACEPARENT_SIZE; place++) {
		for (byte = 0; byte < 256; byte++) {
			int status;

			text[place] = (char)byte;
			status = traceparent_parse(&parsed, text, TRACEPARENT_SIZE);
			ck_assert_msg(status == (byte_fits(place, byte) ? 0 : -1),
				"byte %d at %zu: %d", byte, place, status);
		}
		text[place] = GOOD[place];
	}
}
END_TEST

START_TEST(test_traceparent_every_version)
{
	char text[] = GOOD;
	struct traceparent parsed;
	int version;

	for (version = 0; version < 256; version++) {
		text[0] = "0123456789abcdef"[version >> 4];
		text[1] = "0123456789abcdef"[version & 15];
		ck_assert_int_eq(traceparent_parse(&parsed, text, TRACEPARENT_SIZE),
			version == 0xff ? -1 : 0);
	}
}
END_TEST

START_TEST(test_traceparent_every_flag)
{
	char text[] = GOOD, out[TRACEPARENT_SIZE];
	struct traceparent parsed;
	int flags;

	for (flags = 0; flags < 256; flags++) {
		text[53] = "0123456789abcdef"[flags >> 4];
		text[54] = "0123456789abcdef"[flags & 15];
		ck_assert_int_eq(traceparent_parse(&parsed, text, TRACEPARENT_SIZE), 0);
		ck_assert_uint_eq(parsed.flags, flags & 3);
		traceparent_format(out, &parsed);
		ck_assert_mem_eq(out, GOOD, 53);
		ck_assert_int_eq(out[53], '0');
		ck_assert_int_eq(out[54], '0' + (flags & 3));
	}
}
END_TEST

START_TEST(test_traceparent_format_every_byte)
{
	struct traceparent value = good, parsed;
	uint8_t *text = unit_guard_copy(GOOD, TRACEPARENT_SIZE);
	int byte;

	for (byte = 0; byte < 256; byte++) {
		memset(value.trace_id, byte, sizeof value.trace_id);
		value.span_id[7] = (uint8_t)byte;
		traceparent_format((char *)text, &value);
		if (byte > 0) {
			ck_assert_int_eq(
				traceparent_parse(&parsed, (char *)text, TRACEPARENT_SIZE), 0);
			ck_assert_mem_eq(&parsed, &value, sizeof value);
		}
	}
	unit_guard_free(text, TRACEPARENT_SIZE);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("traceparent");

	tcase_add_test(tc, test_traceparent_value);
	tcase_add_test(tc, test_traceparent_every_length);
	tcase_add_test(tc, test_traceparent_every_byte);
	tcase_add_test(tc, test_traceparent_every_version);
	tcase_add_test(tc, test_traceparent_every_flag);
	tcase_add_test(tc, test_traceparent_format_every_byte);
	return unit_run("traceparent", tc);
}
