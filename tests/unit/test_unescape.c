/* Decoding of JSON strings: every row whole, at every split, byte by byte, and into every room. */
#include <string.h>

#include "proxy/message/unescape.h"
#include "tests/unit/unit.h"

#define FFFD "\xef\xbf\xbd"

static const struct text_row {
	const char *json, *text;
	size_t size; /* of text, where it has a NUL; else 0 */
} text_rows[] = {
	{"", "", 0},
	{"plain", "plain", 0},
	{"\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 0},
	{"a\\nb", "a\nb", 0},
	{"\\u0041\\u00e9\\u20ac", "A\xc3\xa9\xe2\x82\xac", 0},
	{"\\u00E9\\u20AC", "\xc3\xa9\xe2\x82\xac", 0},
	{"\\u007f\\u0080\\u07ff\\u0800\\uffff", "\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf", 0},
	{"a\\u0000b", "a\0b", 3},
	{"\\ud83d\\ude00", "\xf0\x9f\x98\x80", 0},
	{"\\uD800\\uDC00\\udbff\\udfff", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 0},
	{"\\ud83d", FFFD, 0},
	{"\\ude00", FFFD, 0},
	{"\\ude00\\ud83d", FFFD FFFD, 0},
	{"\\ud83d\\ud83d\\ude00", FFFD "\xf0\x9f\x98\x80", 0},
	{"\\ud83dx", FFFD "x", 0},
	{"\\ud83d\\n", FFFD "\n", 0},
	{"\\ud83d\\u0041", FFFD "A", 0},
	{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 0},
	{"\\ud83d\xc3\xa9", FFFD "\xc3\xa9", 0},
	{"a\\u00e9b\xe2\x82\xac\\ud83d\\ude00c",
		"a\xc3\xa9"
		"b\xe2\x82\xac\xf0\x9f\x98\x80"
		"c",
		0},
};

#define TEXT_ROWS (sizeof(text_rows) / sizeof(*text_rows))

static size_t text_row_size(const struct text_row *row)
{
	return row->size > 0 ? row->size : strlen(row->text);
}

/* What fits of the expected text: whole characters. */
static size_t text_expect(const struct text_row *row, size_t room)
{
	size_t size = text_row_size(row);

	if (size <= room)
		return size;
	while (room > 0 && ((uint8_t)row->text[room] & 0xc0) == 0x80)
		room--;
	return room;
}

static void text_check(const struct text_row *row, size_t room, size_t first, size_t step)
{
	size_t size = strlen(row->json), at = 0, piece = first, used = 0, expected;
	char to[128];
	struct unescape text;
	uint8_t *copy;

	unescape_init(&text);
	memset(to, '#', sizeof(to));
	while (at < size) {
		if (piece > size - at)
			piece = size - at;
		copy = unit_guard_copy(row->json + at, piece);
		used += unescape_piece(&text, to + used, room - used, copy, piece);
		unit_guard_free(copy, piece);
		at += piece;
		piece = step;
	}
	used = unescape_finish(&text, to, used, room);
	expected = text_expect(row, room);
	ck_assert_msg(used == expected && memcmp(to, row->text, used) == 0,
		"%s room %zu first %zu step %zu: %zu", row->json, room, first, step, used);
	ck_assert_int_eq(text.cut, text_row_size(row) > room);
	ck_assert_int_eq(to[room], '#');
}

START_TEST(test_text)
{
	const struct text_row *row = &text_rows[_i];
	size_t room, first;

	for (room = 0; room <= text_row_size(row) + 1; room++) {
		for (first = 0; first <= strlen(row->json); first++)
			text_check(row, room, first, 128);
		text_check(row, room, 1, 1);
		text_check(row, room, 2, 3);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("unescape");

	tcase_add_loop_test(tc, test_text, 0, (int)TEXT_ROWS);
	return unit_run("unescape", tc);
}
