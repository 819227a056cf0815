/* The quick readers of escapes against one that goes byte by byte. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/skim_escapes.h"

#define TEXT_MAX  160
#define BLOCK_MAX 32

/* Where plain text and escapes of two bytes end. */
static size_t reference(const uint8_t *text, size_t size, bool *seen)
{
	size_t at = 0;

	*seen = false;
	while (at < size) {
		if (text[at] == '\\') {
			if (at + 1 == size || text[at + 1] == '\0' ||
				strchr("\"\\/bfnrt", text[at + 1]) == NULL)
				break;
			*seen = true;
			at++;
		} else if (text[at] == '"' || text[at] < 0x20) {
			break;
		}
		at++;
	}
	return at;
}

/* A reader may leave what is less than a block, with an escape that is cut by it. */
static void check_text(const uint8_t *text, size_t size)
{
	skim_escapes_pass *const *pass = skim_escapes_all();
	bool seen_due, seen;
	size_t due, at;

	for (; *pass != NULL; pass++) {
		seen = false;
		at = (size_t)((*pass)(text, text + size, &seen) - text);
		due = reference(text, size, &seen_due);
		ck_assert_uint_le(at, due);
		if (at < due)
			ck_assert_uint_le(size - at, BLOCK_MAX);
		due = reference(text, at, &seen_due);
		ck_assert_uint_eq(at, due); /* not inside an escape */
		ck_assert_int_eq(seen, seen_due);
	}
}

START_TEST(test_each_byte_after_a_backslash)
{
	uint8_t *text = malloc(TEXT_MAX); /* its end is one that asan knows */
	size_t at;

	for (at = 0; at < TEXT_MAX; at++) {
		memset(text, 'x', TEXT_MAX);
		text[at] = '\\';
		if (at + 1 < TEXT_MAX)
			text[at + 1] = (uint8_t)_i;
		check_text(text, TEXT_MAX);
		memset(text, '\\', at);
		check_text(text, TEXT_MAX);
	}
	free(text);
}
END_TEST

START_TEST(test_each_byte_alone)
{
	uint8_t *text = malloc(TEXT_MAX);
	size_t at;

	for (at = 0; at < TEXT_MAX; at++) {
		memset(text, 'x', TEXT_MAX);
		text[at] = (uint8_t)_i;
		check_text(text, TEXT_MAX);
		check_text(text + at, TEXT_MAX - at);
	}
	free(text);
}
END_TEST

START_TEST(test_random_texts)
{
	static const uint8_t bytes[] = "\\\\\\\\\\\\\\nt\"/bfrxyz ux\xc3\xa9";
	unsigned state = 1;
	uint8_t *text;
	size_t size, i;
	int n;

	for (n = 0; n < 20000; n++) {
		size = (size_t)rand_r(&state) % TEXT_MAX;
		text = malloc(size + 1);
		for (i = 0; i < size; i++)
			text[i] = bytes[(size_t)rand_r(&state) % (sizeof bytes - 1 - 2 * (n % 2))];
		/* of half of them most are good up to the end */
		for (i = 0; n % 2 == 0 && i + 1 < size; i++)
			if (text[i] == '\\')
				text[++i] = "\"\\/bfnrt"[(size_t)rand_r(&state) % 8];
			else if (text[i] == '"')
				text[i] = 'q';
		check_text(text, size);
		free(text);
	}
}
END_TEST

/* Text that is good is passed but for less than a block, and the escape that this may cut. */
START_TEST(test_good_text_is_passed)
{
	skim_escapes_pass *const *pass;
	char text[] = "\\tif (name != \\\"x\\\") {\\n\\t\\tputs(\\\"\\\\done\\\\\\\");\\n\\t}\\n"
		      "\\tif (name != \\\"x\\\") {\\n\\t\\tputs(\\\"\\\\done\\\\\\\");\\n\\t}\\n";
	const uint8_t *end = (const uint8_t *)text + strlen(text), *at;
	bool seen;

	for (pass = skim_escapes_all(); *pass != NULL; pass++) {
		seen = false;
		at = (*pass)((const uint8_t *)text, end, &seen);
		ck_assert_int_le(end - at, BLOCK_MAX);
		ck_assert(seen);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("skim_escapes");
	TCase *tcase = tcase_create("skim_escapes");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, test_each_byte_after_a_backslash, 0, 256);
	tcase_add_loop_test(tcase, test_each_byte_alone, 0, 256);
	tcase_add_test(tcase, test_random_texts);
	tcase_add_test(tcase, test_good_text_is_passed);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
