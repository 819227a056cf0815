/* Envelopes that wait: they come back as they were, in order, and there is a limit to them. */
#include "proxy/message/shelf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/envelope_case.h"

static struct pointers *pointers;
static struct envelope_case reader;
static struct shelf shelf;

static void shelf_setup(void)
{
	pointers = envelope_pointers_new("/trace");
	ck_assert_int_ge(pointers_add(pointers, "/params/text", 70000), 0);
	envelope_case_init(&reader, pointers);
}

static void shelf_teardown(void)
{
	shelf_clear(&shelf);
	envelope_case_done(&reader);
	pointers_free(pointers);
}

static enum shelf_result put(const char *message, const char *note)
{
	struct envelope *envelope = envelope_case_read(&reader, message);

	if (note != NULL)
		envelope_set_note(envelope, note, strlen(note) + 1);
	return shelf_put(&shelf, envelope);
}

/* All slots of an envelope as a text. */
static const char *say(const struct envelope *envelope)
{
	static char text[4][4096];
	static unsigned which;
	char *to = text[which = (which + 1) % 4];
	int slot, used = 0;

	to[0] = '\0';
	for (slot = 0; slot <= ENVELOPE_SLOTS_FIXED; slot++) {
		const struct envelope_value *value = envelope_value(envelope, slot);

		used += snprintf(to + used, sizeof text[0] - (size_t)used, "%d:%d,%d,%zu,%.*s ",
			slot, value->type, value->cut, value->length, (int)value->size,
			value->text);
	}
	return to;
}

START_TEST(test_comes_back)
{
	static const char *const messages[] = {
		"{\"id\":1,\"method\":\"m\"}",
		"{}",
		("{\"id\":\"a\\u00e9\",\"method\":\"m\",\"params\":{\"text\":\"long \\n text\"},"
		 "\"trace\":{\"traceparent\":\"00-a\",\"tracestate\":5}}"),
		"{\"id\":1e5,\"error\":{\"code\":-5,\"message\":null},\"result\":[true]}",
		"{\"id\":\"\",\"result\":\"\"}",
	};
	enum { COUNT = sizeof messages / sizeof messages[0] };
	char *said[COUNT];
	struct envelope_case other;
	size_t i, at = 0;

	for (i = 0; i < COUNT; i++) {
		ck_assert_int_eq(put(messages[i], NULL), SHELF_KEPT);
		said[i] = strdup(say(&reader.envelope));
	}
	envelope_case_init(&other, pointers);
	(void)envelope_case_read(&other, messages[3]); /* nothing of it may be left */
	for (i = 0; i < COUNT; i++) {
		ck_assert(shelf_take(&shelf, &at, &other.envelope));
		ck_assert_str_eq(say(&other.envelope), said[i]);
		free(said[i]);
	}
	ck_assert(!shelf_take(&shelf, &at, &other.envelope));
	envelope_case_done(&other);
}
END_TEST

/* A note stays with its envelope, and is not seen in another one. */
START_TEST(test_notes)
{
	char first[8] = "one";
	size_t at = 0;

	ck_assert_int_eq(put("{\"id\":1}", first), SHELF_KEPT);
	memset(first, '#', sizeof first);
	ck_assert_int_eq(put("{\"id\":\"22\"}", NULL), SHELF_KEPT);
	ck_assert_int_eq(put("{\"id\":3}", "three"), SHELF_KEPT);
	ck_assert(shelf_take(&shelf, &at, &reader.envelope));
	ck_assert_str_eq(envelope_note(&reader.envelope), "one");
	ck_assert(shelf_take(&shelf, &at, &reader.envelope));
	ck_assert_ptr_null(envelope_note(&reader.envelope));
	ck_assert(shelf_take(&shelf, &at, &reader.envelope));
	ck_assert_str_eq(envelope_note(&reader.envelope), "three");
	ck_assert_uint_eq((uintptr_t)envelope_note(&reader.envelope) % _Alignof(max_align_t), 0);
}
END_TEST

START_TEST(test_empty)
{
	size_t at = 0;

	ck_assert(!shelf_take(&shelf, &at, &reader.envelope));
	ck_assert(shelf_has_room(&shelf));
	shelf_clear(&shelf);
	ck_assert_ptr_null(shelf.bytes);
}
END_TEST

/* Puts envelopes with a text of 60,000 bytes until there is no room; how many had some. */
static size_t fill(struct shelf *to)
{
	static char message[60100];
	size_t count = 0;
	enum shelf_result result;

	memset(message, 'x', sizeof message - 1);
	memcpy(message, "{\"params\":{\"text\":\"", 19);
	memcpy(message + 60019, "\"}}", 4);
	while ((result = shelf_put(to, envelope_case_read(&reader, message))) == SHELF_KEPT)
		count++;
	ck_assert_int_eq(result, SHELF_FULL);
	ck_assert(!shelf_has_room(to));
	return count;
}

/* One batch has its limit, and all of them together; what is cleared is there for others. */
START_TEST(test_limits)
{
	enum { SHELVES = SHELVES_BYTES_MAX / SHELF_BYTES_MAX };
	struct shelf shelves[SHELVES + 1];
	size_t i, at = 0, count = SHELF_BYTES_MAX / 60000;

	memset(shelves, 0, sizeof shelves);
	for (i = 0; i < SHELVES; i++) {
		ck_assert(shelf_has_room(&shelves[i]));
		ck_assert_uint_eq(fill(&shelves[i]), count);
		ck_assert_uint_le(shelves[i].size, SHELF_BYTES_MAX);
	}
	ck_assert(!shelf_has_room(&shelves[SHELVES]));
	ck_assert_uint_eq(fill(&shelves[SHELVES]), 0);
	for (i = 0; i < count; i++)
		ck_assert(shelf_take(&shelves[0], &at, &reader.envelope));
	ck_assert_uint_eq(envelope_value(&reader.envelope, ENVELOPE_SLOTS_FIXED)->size, 60000);
	shelf_clear(&shelves[3]);
	ck_assert(shelf_has_room(&shelves[SHELVES]));
	ck_assert_uint_eq(fill(&shelves[SHELVES]), count);
	for (i = 0; i <= SHELVES; i++)
		shelf_clear(&shelves[i]);
	ck_assert(shelf_has_room(&shelf));
}
END_TEST

START_TEST(test_no_memory)
{
	struct envelope *envelope = envelope_case_read(&reader, "{\"id\":1}");
	enum shelf_result result;
	size_t at = 0;

	unit_alloc_fail_after(0);
	result = shelf_put(&shelf, envelope);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, SHELF_NO_MEMORY);
	ck_assert(!shelf_take(&shelf, &at, &reader.envelope));
	ck_assert_int_eq(put("{\"id\":2}", NULL), SHELF_KEPT);
	ck_assert(shelf_take(&shelf, &at, &reader.envelope));
	ck_assert_str_eq(say(&reader.envelope), say(envelope_case_read(&reader, "{\"id\":2}")));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("shelf");

	unit_fixture(shelf_setup, shelf_teardown);
	tcase_add_test(tc, test_comes_back);
	tcase_add_test(tc, test_notes);
	tcase_add_test(tc, test_empty);
	tcase_add_test(tc, test_limits);
	tcase_add_test(tc, test_no_memory);
	return unit_run("shelf", tc);
}
