/* Lines of which it is not known whether they are: what else is told, and nothing kept for long. */
#include "tests/unit/side_case.h"

#define BYTES(text) text, sizeof(text) - 1
#define PREFACE     "PRI * HTTP/2.0\r\n"

static const struct {
	const char *bytes;
	size_t size;
	const char *said;
	size_t passed; /* bytes that were written */
} streams[] = {
	{BYTES(""), "", 0},
	{BYTES("{}\n"), "[{}]", 3},
	{BYTES("\n{}\n"), "[][{}]", 4},
	{BYTES("{}"), "[{}$", 2},
	{BYTES("Content-Length: 5"), "{Content-Length:Content-Length:}", 0},
	{BYTES("content-TYPE:"), "{Content-Length:content-TYPE:}", 0},
	{BYTES("hello\n\nContent-Length:"), "[hello][]{Content-Length:Content-Length:}", 7},
	{BYTES(PREFACE "\r\n"), "{:" PREFACE "}", 0},
	{BYTES("\n" PREFACE), "[][PRI * HTTP/2.0\r]", 17},
	{BYTES("PRI * HTTP/1.1\r\n"), "[PRI * HTTP/1.1\r]", 16},
	{BYTES("Contents\nContent-Length 5\n"), "[Contents][Content-Length 5]", 26},
	{BYTES("Content-\ncontent\nC\n"), "[Content-][content][C]", 19},
	{BYTES("pri * HTTP/2.0\r\n"), "[pri * HTTP/2.0\r]", 16},
	{BYTES("a Content-Length:\n"), "[a Content-Length:]", 18},
	{BYTES("x\nContent-Leng"), "[x][Content-Leng$", 2}, /* what is kept is for the owner */
	{BYTES("PRI"), "[PRI$", 0},
};

START_TEST(test_streams)
{
	char written[64];

	memcpy(written, streams[_i].bytes, streams[_i].passed);
	written[streams[_i].passed] = '\0';
	side_case_check(
		&side_guess, streams[_i].bytes, streams[_i].size, streams[_i].said, written);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("guess");

	tcase_add_loop_test(tc, test_streams, 0, sizeof streams / sizeof streams[0]);
	return unit_run("guess", tc);
}
