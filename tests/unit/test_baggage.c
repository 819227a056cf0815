/* W3C Baggage: every form of a list, and what comes out of a value. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"
#include "w3c/baggage.h"

static const struct {
	const char *text;
	const char *members; /* "key=value|", ! for a bad one */
} cases[] = {
	{"", ""},
	{" \t ,, ", ""},
	{"a=1", "a=1|"},
	{"a=1,b=2", "a=1|b=2|"},
	{" a\t= 1 , b =2\t", "a=1|b=2|"},
	{"a=1;p;q=2, b=2 ; r", "a=1|b=2|"},
	{"a=", "a=|"},
	{"a=b=c", "a=b=c|"},
	{"a=%20%C3%A9", "a= \xc3\xa9|"},
	{"a=%2c%,b=%4", "a=,%|b=%4|"},
	{"a=%zz", "a=%zz|"},
	{"user.id=ann,a", "user.id=ann|!"},
	{"=1,a=1", "!a=1|"},
	{"a b=1", "!"},
	{"a=1 2", "!"},
	{"a=\"1\"", "!"},
	{"a=\\", "!"},
	{"a=\xc3\xa9", "!"},
	{"a@b=1", "!"},
	{";=", "!"},
};

static void show(const char *text, size_t size, char *shown, size_t shown_size)
{
	uint8_t *copy = unit_guard_copy(text, size);
	const char *at = (const char *)copy, *end = at + size;
	struct baggage_member member;
	enum baggage_result result;
	size_t used = 0;

	shown[0] = '\0';
	while ((result = baggage_next(&at, end, &member)) != BAGGAGE_END) {
		char value[64];
		bool whole = false;
		size_t value_size = result == BAGGAGE_MEMBER
					    ? baggage_decode(&member, value, sizeof value, &whole)
					    : 0;

		ck_assert(result == BAGGAGE_BAD || whole);
		used += (size_t)(result == BAGGAGE_BAD
					 ? snprintf(shown + used, shown_size - used, "!")
					 : snprintf(shown + used, shown_size - used, "%.*s=%.*s|",
						   (int)member.key_size, member.key,
						   (int)value_size, value));
	}
	ck_assert_ptr_eq(at, end);
	unit_guard_free(copy, size);
}

START_TEST(test_case)
{
	char shown[256];

	show(cases[_i].text, strlen(cases[_i].text), shown, sizeof shown);
	ck_assert_str_eq(shown, cases[_i].members);
}
END_TEST

/* Cut anywhere, nothing beyond is looked at. */
START_TEST(test_every_cut)
{
	char shown[256];
	size_t size;

	for (size = 0; size < strlen(cases[_i].text); size++)
		show(cases[_i].text, size, shown, sizeof shown);
}
END_TEST

START_TEST(test_values_that_do_not_fit)
{
	struct baggage_member member = {.value = "ab%20c", .value_size = 6};
	size_t size;
	bool whole;

	for (size = 0; size <= 5; size++) {
		char text[8] = "";

		ck_assert_uint_eq(baggage_decode(&member, text, size, &whole), size < 4 ? size : 4);
		ck_assert_int_eq(whole, size >= 4);
		ck_assert_int_eq(strncmp(text, "ab c", size), 0);
	}
}
END_TEST

START_TEST(test_keys)
{
	ck_assert(baggage_is_key("user.id", 7));
	ck_assert(!baggage_is_key("", 0));
	ck_assert(!baggage_is_key("a b", 3));
	ck_assert(!baggage_is_key("a\0", 2));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("baggage");
	const int count = sizeof cases / sizeof *cases;

	tcase_add_loop_test(tc, test_case, 0, count);
	tcase_add_loop_test(tc, test_every_cut, 0, count);
	tcase_add_test(tc, test_values_that_do_not_fit);
	tcase_add_test(tc, test_keys);
	return unit_run("baggage", tc);
}
