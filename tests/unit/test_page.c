/* What a browser may do with the page at /. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/admin/page.h"
#include "tests/unit/unit.h"

/* The hashes are those of CSP's own examples: of "alert('Hello, world.');", and of nothing. */
START_TEST(test_hashes)
{
	char fields[PAGE_FIELDS_MAX];

	ck_assert_int_eq(
		page_fields(fields, "<style></style><script>alert('Hello, world.');</script>"), 0);
	ck_assert_str_eq(fields,
		"Content-Security-Policy: default-src 'none'; "
		"script-src 'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='; "
		"style-src 'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='; "
		"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		"frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n");
}
END_TEST

static const char *const bad_pages[] = {
	"",
	"<style></style>",
	"<script></script>",
	"<style></style><script>",
	"</script><script><style></style>",
};

START_TEST(test_no_page)
{
	char fields[PAGE_FIELDS_MAX];

	ck_assert_int_eq(page_fields(fields, bad_pages[_i]), -1);
}
END_TEST

static size_t count(const char *word)
{
	const char *at = page_text;
	size_t found = 0;

	for (; (at = strstr(at, word)) != NULL; at++)
		found++;
	return found;
}

/* One script and one style, of which the hashes are; nothing that would need another source. */
START_TEST(test_the_page_is_one_file)
{
	static const char *const never[] = {"src=", "href=\"http", "href=\"/", "@import", "url(",
		" style=", "onclick=\"", "innerHTML", "outerHTML", "insertAdjacentHTML",
		"document.write", "eval(", "Function("};
	size_t i;

	ck_assert_uint_eq(strlen(page_text), page_size);
	ck_assert_uint_le(page_size, 40960);
	ck_assert_uint_eq(count("<script"), 1);
	ck_assert_uint_eq(count("<style"), 1);
	ck_assert_uint_eq(count("<script>"), 1);
	ck_assert_uint_eq(count("<style>"), 1);
	for (i = 0; i < sizeof never / sizeof *never; i++)
		ck_assert_msg(count(never[i]) == 0, "%s", never[i]);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("page");

	tcase_add_test(tc, test_hashes);
	tcase_add_loop_test(tc, test_no_page, 0, (int)(sizeof bad_pages / sizeof *bad_pages));
	tcase_add_test(tc, test_the_page_is_one_file);
	return unit_run("page", tc);
}
