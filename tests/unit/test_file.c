/* JSON files with comments: trees, lines, references to the environment, errors. */
#include "config/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

static char *const file_environment[] = {
	(char[]){"NAME=value"}, (char[]){"EMPTY="}, (char[]){"NAMES=other"}, NULL};

/* Writes a tree as text: {key:value,...}@LINE. */
static void file_show(const struct file_node *node, char *text, size_t size)
{
	static const char marks[] = "{[sntz";
	const struct file_node *child;
	size_t used;

	snprintf(text, size, "%s%s%c%s@%d", node->key == NULL ? "" : node->key,
		node->key == NULL ? "" : "=", marks[node->type],
		node->text == NULL ? "" : node->text, node->line);
	for (child = node->child; child != NULL; child = child->next) {
		ck_assert_ptr_eq(child->parent, node);
		used = strlen(text);
		text[used++] = ' ';
		file_show(child, text + used, size - used);
	}
	if (node->type == FILE_OBJECT || node->type == FILE_ARRAY)
		strcat(text, node->type == FILE_OBJECT ? "}" : "]");
}

static const struct {
	const char *text;
	const char *shown; /* NULL: wrong, */
	const char *error; /* the whole message */
} file_rows[] = {
	{"{}", "{@1}", NULL},
	{"\n\n{\n}\n", "{@3}", NULL},
	{"{\"a\":\n1,\"b\"\n:\"x\"\n}", "{@1 a=n1@2 b=sx@3}", NULL},
	{"// c\n{ /* \"b\": 1,\n */ \"a\": true // }\n}", "{@2 a=ttrue@3}", NULL},
	{"{\"a\":{\"b\":[1,{\"c\":null}]},\n\"d\":-1.5e3}",
		"{@1 a={@1 b=[@1 n1@1 {@1 c=z@1}]} d=n-1.5e3@2}", NULL},
	{"{\"a\":\"\\u00e9\\n\"}", "{@1 a=s\xc3\xa9\n@1}", NULL},
	{"{\"a\":\"${NAME}\"}", "{@1 a=svalue@1}", NULL},
	{"{\"a\":\"x${NAME}y${NAMES}z\"}", "{@1 a=sxvalueyotherz@1}", NULL},
	{"{\"a\":\"${NAME:-d}${NONE:-d}${EMPTY:-e}${NONE:-}\"}", "{@1 a=svaluede@1}", NULL},
	{"{\"a\":\"$$ $${NAME} $ $x 1$\"}", "{@1 a=s$ ${NAME} $ $x 1$@1}", NULL},
	{"{\"${NAME}\":\"\"}", "{@1 ${NAME}=s@1}", NULL},
	{"{\n\"a\":\"${NONE}\"}", NULL,
		"f:2: \"a\": NONE is not set: set it or write ${NONE:-default}"},
	{"{\n\"a\":\"${EMPTY}\"}", NULL,
		"f:2: \"a\": EMPTY is not set: set it or write ${EMPTY:-default}"},
	{"{\"a\\n\":\"${NONE}\"}", NULL,
		"f:1: \"a?\": NONE is not set: set it or write ${NONE:-default}"},
	{"{\"a\":\"${NAME\"}", NULL, "f:1: must be ${NAME} or ${NAME:-default}; a $ itself is $$"},
	{"{\"a\":\"${}\"}", NULL, "f:1: must be ${NAME} or ${NAME:-default}; a $ itself is $$"},
	{"{\"a\":\"${1A}\"}", NULL, "f:1: must be ${NAME} or ${NAME:-default}; a $ itself is $$"},
	{"{\"a\":\"${NAME-d}\"}", NULL,
		"f:1: must be ${NAME} or ${NAME:-default}; a $ itself is $$"},
	{"{\"a\":\"x\\u0000y\"}", NULL, "f:1: a string has a \\u0000"},
	{"{\"a\\u0000\":1}", NULL, "f:1: a name has a \\u0000"},
	{"", NULL, "f:1: not JSON: premature EOF"},
	{"// only a comment\n", NULL, "f:2: not JSON: premature EOF"},
	{"{\n\"a\": 1\n", NULL, "f:3: not JSON: premature EOF"},
	{"[]", NULL, "f:1: must be an object: { ... }"},
	{"\n3", NULL, "f:2: must be an object: { ... }"},
	{"{\n\"a\" 1}", NULL,
		"f:2: not JSON: object key and value must be separated by a colon (':')"},
	{"{\"a\": \n\n}", NULL, "f:3: not JSON: unallowed token at this point in JSON text"},
	{"{} {}", NULL, "f:1: not JSON: trailing garbage"},
	{"{\"a\": \"\xff\"}", NULL, "f:1: not JSON: invalid bytes in UTF8 string."},
	{"{\"a\":[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]}",
		"{@1 a=[@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 [@1 "
		"n1@1]]]]]]]]]]]]]]]}",
		NULL},
	{"{\"a\":[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]}", NULL,
		"f:1: nested too deeply: nothing here has more than 16 levels"},
};

START_TEST(test_file_rows)
{
	char error[256] = "";
	char shown[1024];
	const char *text = file_rows[_i].text;
	struct file *file =
		file_parse("f", text, strlen(text), file_environment, error, sizeof error);

	if (file_rows[_i].shown == NULL) {
		ck_assert_ptr_null(file);
		ck_assert_str_eq(error, file_rows[_i].error);
		return;
	}
	ck_assert_msg(file != NULL, "%s", error);
	file_show(file->root, shown, sizeof shown);
	ck_assert_str_eq(shown, file_rows[_i].shown);
	file_free(file);
}
END_TEST

/* Every beginning of every text, right before an unreadable page. */
START_TEST(test_file_beginnings)
{
	const char *text = file_rows[_i].text;
	char error[256];
	uint8_t *copy;
	size_t size;

	for (size = 0; size <= strlen(text); size++) {
		copy = unit_guard_copy(text, size);
		file_free(
			file_parse("f", (char *)copy, size, file_environment, error, sizeof error));
		unit_guard_free(copy, size);
	}
}
END_TEST

START_TEST(test_file_memory)
{
	const char *text = file_rows[_i].text;
	char error[256];
	struct file *file;
	long n = 0;
	int refused;

	do {
		error[0] = '\0';
		unit_alloc_fail_once(n++);
		file = file_parse("f", text, strlen(text), file_environment, error, sizeof error);
		unit_alloc_fail_never();
		refused = unit_alloc_failed();
		if (refused) {
			ck_assert_ptr_null(file);
			ck_assert_ptr_nonnull(strstr(error, "out of memory"));
		}
		file_free(file);
	} while (refused);
}
END_TEST

START_TEST(test_file_read)
{
	char *name = config_case_file("{\"a\": 1}");
	char error[256] = "";
	struct file *file = file_read(name, file_environment, error, sizeof error);

	ck_assert_msg(file != NULL, "%s", error);
	ck_assert_str_eq(file->name, name);
	ck_assert_str_eq(file_member(file->root, "a")->text, "1");
	ck_assert_ptr_null(file_member(file->root, "b"));
	file_free(file);
	config_case_unlink(name);
}
END_TEST

START_TEST(test_file_cannot_be_read)
{
	char error[256] = "";
	char *name;
	int i;

	ck_assert_ptr_null(file_read("/nowhere/x.json", file_environment, error, sizeof error));
	ck_assert_str_eq(error, "/nowhere/x.json: cannot be opened: No such file or directory");
	ck_assert_ptr_null(file_read("/tmp", file_environment, error, sizeof error));
	ck_assert_str_eq(error, "/tmp: cannot be read: Is a directory");
	name = config_case_file("");
	ck_assert_int_eq(truncate(name, FILE_SIZE_MAX + 1), 0);
	ck_assert_ptr_null(file_read(name, file_environment, error, sizeof error));
	ck_assert_ptr_nonnull(strstr(error, ": larger than 1 MiB"));
	config_case_unlink(name);
	name = config_case_file("{}");
	for (i = 0; i < 2; i++) {
		unit_alloc_fail_after(i);
		(void)file_read(name, file_environment, error, sizeof error);
		unit_alloc_fail_never();
		ck_assert_ptr_nonnull(strstr(error, ": out of memory"));
	}
	config_case_unlink(name);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("file");
	const int rows = sizeof file_rows / sizeof *file_rows;

	tcase_add_loop_test(tc, test_file_rows, 0, rows);
	tcase_add_loop_test(tc, test_file_beginnings, 0, rows);
	tcase_add_loop_test(tc, test_file_memory, 0, rows);
	tcase_add_test(tc, test_file_read);
	tcase_add_test(tc, test_file_cannot_be_read);
	return unit_run("file", tc);
}
