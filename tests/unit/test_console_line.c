/* Lines of a given width: what goes where, to the column. */
#include <string.h>

#include "exporter/console/line.h"
#include "tests/unit/unit.h"

enum step { PUT, PIECE, WORDS, END };

static const struct {
	const char *about;
	size_t width;
	const char *indent; /* of further lines */
	struct {
		enum step step;
		const char *gap, *text;
	} steps[4];
	const char *lines;
} cases[] = {
	{"to the last column", 10, "", {{PUT, "", "12345678"}, {PIECE, " ", "x"}}, "12345678 x\n"},
	{"and not beyond", 10, "", {{PUT, "", "12345678"}, {PIECE, " ", "xy"}}, "12345678\nxy\n"},
	{"a gap counts", 10, "", {{PUT, "", "12345678"}, {PIECE, "  ", "x"}}, "12345678\nx\n"},
	{"any width", 0, "", {{PUT, "", "12345678"}, {PIECE, "  ", "xyz abc"}},
		"12345678  xyz abc\n"},
	{"no piece at all", 10, "", {{PUT, "", "1"}, {PIECE, " ", ""}, {WORDS, " ", ""}}, "1\n"},
	{"words of one letter", 5, "", {{PUT, "", "123"}, {WORDS, " ", "a b c d"}},
		"123 a\nb c d\n"},
	{"blanks between words are one or two", 9, "",
		{{PUT, "", "123"}, {WORDS, " ", "ab   cd ef gh"}}, "123 ab\ncd ef gh\n"},
	{"a piece that just has a line of its own", 10, "  ",
		{{PUT, "", "12345"}, {PIECE, " ", "abcd fgh"}}, "12345\n  abcd fgh\n"},
	{"a piece that just has not", 10, "  ", {{PUT, "", "12345"}, {PIECE, " ", "abcd fghi"}},
		"12345 abcd\n  fghi\n"},
	{"words need no line of their own", 10, "  ",
		{{PUT, "", "12345"}, {WORDS, " ", "abcd fgh"}}, "12345 abcd\n  fgh\n"},
	{"a word that is too wide is cut", 6, " ", {{PUT, "", "12"}, {WORDS, " ", "abcdefgh"}},
		"12\n abcd\xe2\x80\xa6\n"},
	{"what is just not too wide", 6, " ", {{PUT, "", "12"}, {WORDS, " ", "abcde"}},
		"12\n abcde\n"},
	{"what must stand here is cut", 6, "",
		{{PUT, "", "1234"}, {PUT, "", "56789"}, {PUT, "", "x"}}, "12345\xe2\x80\xa6\n"},
	{"a line after another has no indentation", 6, " ",
		{{PUT, "", "1"}, {END, "", ""}, {PUT, "", "123"}, {PIECE, " ", "456"}},
		"1\n123\n456\n"},
	{"blanks at the beginning", 8, "", {{PUT, "", "1"}, {WORDS, " ", "  a bcdefghi"}},
		"1  a\nbcdefghi\n"},
};

START_TEST(test_lines)
{
	struct text out;
	struct line line;
	size_t i;

	text_init(&out, 1000);
	line_init(&line, &out, cases[_i].width, false);
	text_append(&line.indent, cases[_i].indent, strlen(cases[_i].indent));
	for (i = 0; i < 4 && cases[_i].steps[i].text != NULL; i++) {
		const char *gap = cases[_i].steps[i].gap, *text = cases[_i].steps[i].text;

		switch (cases[_i].steps[i].step) {
		case PUT:
			line_put(&line, LINE_PLAIN, text, strlen(text));
			break;
		case PIECE:
			line_piece(&line, gap, LINE_PLAIN, text, strlen(text));
			break;
		case WORDS:
			line_words(&line, gap, LINE_PLAIN, text, strlen(text));
			break;
		case END:
			line_end(&line);
			break;
		}
	}
	line_end(&line);
	ck_assert(!line.failed);
	TEXT_APPEND(&out, "");
	ck_assert_msg(out.size == strlen(cases[_i].lines) &&
			      memcmp(out.bytes, cases[_i].lines, out.size) == 0,
		"%s: %.*s instead of %s", cases[_i].about, (int)out.size, out.bytes,
		cases[_i].lines);
	line_done(&line);
	text_done(&out);
}
END_TEST

/* A colour goes around what is painted, and nowhere else; it takes no column. */
START_TEST(test_color)
{
	static const char lines[] = "a\x1b[31m bc\x1b[0m\n";
	struct text out;
	struct line line;

	text_init(&out, 1000);
	line_init(&line, &out, 4, true);
	line_put(&line, LINE_PLAIN, "a", 1);
	line_put(&line, LINE_RED, " bc", 3);
	line_put(&line, LINE_RED, "", 0);
	line_end(&line);
	ck_assert_uint_eq(out.size, sizeof lines - 1);
	ck_assert_mem_eq(out.bytes, lines, sizeof lines - 1);
	line_done(&line);
	text_done(&out);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("console line");

	tcase_add_loop_test(tc, test_lines, 0, (int)(sizeof cases / sizeof *cases));
	tcase_add_test(tc, test_color);
	return unit_run("console line", tc);
}
