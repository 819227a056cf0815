/*
 * UTF-8 validation against a reference that decodes one character at a time and compares numbers,
 * sharing nothing with the state machine.
 */
#include <stdbool.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "w3c/json.h"
#include "w3c/utf8.h"

typedef size_t test_check(uint8_t *state, const uint8_t *bytes, size_t size);

static test_check *const test_checks[] = {utf8_check, utf8_check_plain};
#define TEST_CHECKS (sizeof test_checks / sizeof *test_checks)

/* Bytes where the grammar of RFC 3629 changes, with their neighbours. */
static const uint8_t test_edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0,
	0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf7,
	0xf8, 0xff};
#define TEST_EDGES sizeof test_edges

static const struct {
	unsigned size, bits;
	uint32_t least;
} test_forms[] = {{1, 7, 0}, {2, 11, 0x80}, {3, 16, 0x800}, {4, 21, 0x10000}};

/* A character of size bytes whose first `have` are given may still become a legal one. */
static bool test_can_become(const uint8_t *bytes, size_t have, size_t size)
{
	uint32_t low = bytes[0] & (size == 1 ? 0x7fu : (1u << (7 - size)) - 1), high;
	size_t i;

	for (i = 1; i < have; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
		low = low << 6 | (bytes[i] & 0x3f);
	}
	high = low;
	for (; i < size; i++) {
		low <<= 6;
		high = high << 6 | 0x3f;
	}
	if (high < test_forms[size - 1].least || low > 0x10ffff)
		return false;
	return !(low >= 0xd800 && high <= 0xdfff);
}

static size_t test_form_size(uint8_t lead)
{
	return lead < 0x80   ? 1
	       : lead < 0xc0 ? 0
	       : lead < 0xe0 ? 2
	       : lead < 0xf0 ? 3
	       : lead < 0xf8 ? 4
			     : 0;
}

/* Index of the first byte that cannot be, or size; *complete: no character is open at the end. */
static size_t test_reference(const uint8_t *bytes, size_t size, bool *complete)
{
	size_t i = 0, have, form;

	*complete = true;
	while (i < size) {
		form = test_form_size(bytes[i]);
		if (form == 0)
			return i;
		for (have = 1; have <= form && i + have <= size; have++)
			if (!test_can_become(bytes + i, have, form))
				return i + have - 1;
		*complete = i + form <= size;
		i = *complete ? i + form : size;
	}
	return size;
}

static void test_compare(const uint8_t *bytes, size_t size)
{
	bool complete;
	size_t good = test_reference(bytes, size, &complete), n;

	for (n = 0; n < TEST_CHECKS; n++) {
		uint8_t state = UTF8_COMPLETE;

		if (test_checks[n](&state, bytes, size) != good)
			ck_abort_msg("bytes %02x %02x %02x %02x: not %zu", bytes[0], bytes[1],
				bytes[2], bytes[3], good);
		if (good == size)
			ck_assert_int_eq(state == UTF8_COMPLETE, complete);
	}
}

START_TEST(test_edge_sequences)
{
	uint8_t bytes[4];
	size_t a, b, c, d, size;

	for (a = 0; a < TEST_EDGES; a++)
		for (b = 0; b < TEST_EDGES; b++)
			for (c = 0; c < TEST_EDGES; c++)
				for (d = 0; d < TEST_EDGES; d++) {
					bytes[0] = test_edges[a];
					bytes[1] = test_edges[b];
					bytes[2] = test_edges[c];
					bytes[3] = test_edges[d];
					for (size = 1; size <= sizeof bytes; size++)
						test_compare(bytes, size);
				}
}
END_TEST

START_TEST(test_all_pairs)
{
	uint8_t bytes[4] = {0, 0, 0x80, 0x80};
	unsigned a, b;

	for (a = 0; a < 256; a++)
		for (b = 0; b < 256; b++) {
			bytes[0] = (uint8_t)a;
			bytes[1] = (uint8_t)b;
			test_compare(bytes, 1);
			test_compare(bytes, 2);
			test_compare(bytes, 4);
		}
}
END_TEST

/* A character at every place around the steps of 16 and 64, good and broken, at a guard page. */
START_TEST(test_places)
{
	static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
		"\xff", "\xc3", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"};
	uint8_t text[200];
	size_t size, place, n, i;

	for (n = 0; n < sizeof characters / sizeof *characters; n++)
		for (size = 8; size < 150; size++)
			for (place = 0; place + 4 <= size; place++) {
				size_t length = strlen(characters[n]), good;
				bool complete;
				uint8_t *guarded;

				memset(text, 'a', sizeof text);
				memcpy(text + place, characters[n], length);
				good = test_reference(text, size, &complete);
				if (place % 8 != 0 && size % 8 != 0) {
					test_compare(text, size);
					continue;
				}
				guarded = unit_guard_copy(text, size);
				for (i = 0; i < TEST_CHECKS; i++) {
					uint8_t state = UTF8_COMPLETE;

					ck_assert_uint_eq(
						test_checks[i](&state, guarded, size), good);
				}
				unit_guard_free(guarded, size);
			}
}
END_TEST

/* Two pieces, cut anywhere, fail at the byte where the whole fails. */
START_TEST(test_cuts)
{
	static const char *const texts[] = {
		"plain text that is longer than sixteen bytes, and than sixty-four bytes as well",
		"gr\xc3\xbc\xc3\x9f"
		"e \xe2\x82\xac \xf0\x9f\x98\x80 \xe4\xb8\xad\xe6\x96\x87 \xf4\x8f\xbf\xbf",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80"
		"edited",
		"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80"
		"edited",
		"the last character is not all there \xf0\x9f\x98",
	};
	size_t n, cut, i;

	for (n = 0; n < sizeof texts / sizeof *texts; n++)
		for (cut = 0; cut <= strlen(texts[n]); cut++)
			for (i = 0; i < TEST_CHECKS; i++) {
				const uint8_t *text = (const uint8_t *)texts[n];
				size_t size = strlen(texts[n]), good;
				bool complete;
				uint8_t state = UTF8_COMPLETE;

				good = test_checks[i](&state, text, cut);
				if (good == cut)
					good += test_checks[i](&state, text + cut, size - cut);
				ck_assert_uint_eq(good, test_reference(text, size, &complete));
				if (good == size)
					ck_assert_int_eq(state == UTF8_COMPLETE, complete);
			}
}
END_TEST

START_TEST(test_cut)
{
	static const struct {
		const char *text;
		size_t size;
	} rows[] = {
		{"", 0},
		{"a", 1},
		{"\xc3", 0},
		{"a\xc3", 1},
		{"a\xc3\xa9", 3},
		{"\xe2\x82", 0},
		{"\xe2\x82\xac", 3},
		{"\xf0\x9f\x98", 0},
		{"\xf0\x9f\x98\x80", 4},
		{"\x80", 1}, /* no UTF-8: left as it is */
		{"a\x80\x80\x80\x80", 5},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		ck_assert_uint_eq(utf8_cut(rows[i].text, strlen(rows[i].text)), rows[i].size);
}
END_TEST

/* Every character is written as it is read, and takes as much as it says. */
START_TEST(test_put_and_next)
{
	char bytes[UTF8_SIZE_MAX];
	uint8_t state;
	uint32_t character, read;
	size_t size, cut;

	for (character = 0; character <= 0x10ffff; character++) {
		if (character == 0xd800)
			character = 0xe000;
		size = (size_t)(utf8_put(bytes, character) - bytes);
		state = UTF8_COMPLETE;
		if (utf8_check(&state, (uint8_t *)bytes, size) != size || state != UTF8_COMPLETE ||
			utf8_next(bytes, size, &read) != size || read != character)
			ck_abort_msg("U+%04X", character);
		for (cut = 1; cut < size; cut++)
			if (utf8_next(bytes, cut, &read) != cut || read != UTF8_BROKEN ||
				utf8_cut(bytes, cut) != 0)
				ck_abort_msg("U+%04X, %zu bytes", character, cut);
	}
}
END_TEST

/* What one replacement stands for: as much as could have begun a character, one byte at least. */
START_TEST(test_broken)
{
	static const struct {
		const char *bytes;
		size_t taken;
	} rows[] = {
		{"\x80z", 1},
		{"\xbf\x80", 1},
		{"\xc0\x80", 1},
		{"\xc3z", 1},
		{"\xe0\x80\x80", 1},
		{"\xe2\x82z", 2},
		{"\xed\xa0\x80", 1},
		{"\xf0\x8f\xbf\xbf", 1},
		{"\xf0\x9f\x98z", 3},
		{"\xf4\x90\x80\x80", 1},
		{"\xf5\x80", 1},
		{"\xff", 1},
	};
	uint32_t character;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_uint_eq(
			utf8_next(rows[i].bytes, strlen(rows[i].bytes), &character), rows[i].taken);
		ck_assert_uint_eq(character, UTF8_BROKEN);
	}
}
END_TEST

/* Escapes of JSON are letters where there are any, and pairs of surrogates beyond U+FFFF. */
START_TEST(test_json_escape)
{
	static const struct {
		uint32_t character;
		const char *escape;
	} rows[] = {
		{0, "\\u0000"},
		{'\b', "\\b"},
		{'\t', "\\t"},
		{'\n', "\\n"},
		{0x0b, "\\u000b"},
		{'\f', "\\f"},
		{'\r', "\\r"},
		{0x1b, "\\u001b"},
		{0x1f, "\\u001f"},
		{'"', "\\\""},
		{'\\', "\\\\"},
		{0x7f, "\\u007f"},
		{0x202e, "\\u202e"},
		{0xffff, "\\uffff"},
		{0x10000, "\\ud800\\udc00"},
		{0x1f600, "\\ud83d\\ude00"},
		{0x10ffff, "\\udbff\\udfff"},
	};
	char bytes[JSON_ESCAPE_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		*json_put_escape(bytes, rows[i].character) = '\0';
		ck_assert_str_eq(bytes, rows[i].escape);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("utf8");

	tcase_add_test(tc, test_edge_sequences);
	tcase_add_test(tc, test_all_pairs);
	tcase_add_test(tc, test_places);
	tcase_add_test(tc, test_cuts);
	tcase_add_test(tc, test_cut);
	tcase_add_test(tc, test_put_and_next);
	tcase_add_test(tc, test_broken);
	tcase_add_test(tc, test_json_escape);
	return unit_run("utf8", tc);
}
