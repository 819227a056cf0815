/* Which methods a setting lists. */
#include <stdbool.h>
#include <string.h>

#include "proxy/trace/names/methods.h"
#include "tests/unit/unit.h"

static const struct {
	const char *setting, *method;
	bool listed;
} rows[] = {
	{"work", "turn/start", false},
	{"", "turn/start", false},
	{"all", "turn/start", false},
	{"turn/start", "turn/start", true},
	{"turn/start", "turn/star", false},
	{"turn/start", "turn/startx", false},
	{"turn/start", "", false},
	{"turn/*", "turn/start", true},
	{"turn/*", "turn/", true},
	{"turn/*", "turn", false},
	{"turn/*", "xturn/start", false},
	{"*", "", true},
	{"*", "anything", true},
	{"a,b*,c", "a", true},
	{"a,b*,c", "bb", true},
	{"a,b*,c", "c", true},
	{"a,b*,c", "a,b*,c", false},
	{"a,b*,c", "d", false},
	{"all,x", "all", true},
	{"all,x", "y", false},
	{"work,x", "x", true},
};

START_TEST(test_lists)
{
	const char *method = rows[_i].method;
	char *copy = (char *)unit_guard_copy(method, strlen(method)); /* not terminated */
	char setting[64], *rest = setting, *items[8];
	struct config_list list = {.items = items};
	struct wanted wanted;

	strcpy(setting, rows[_i].setting);
	while ((items[list.count] = strsep(&rest, ",")) != NULL)
		list.count++;
	wanted_init(&wanted, &list);
	ck_assert_int_eq(wanted.all, strncmp(rows[_i].setting, "all", 3) == 0);
	ck_assert_int_eq(
		wanted_lists(&wanted, (struct span_text){copy, strlen(method)}), rows[_i].listed);
	unit_guard_free((uint8_t *)copy, strlen(method));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("wanted");

	tcase_add_loop_test(tc, test_lists, 0, sizeof rows / sizeof *rows);
	return unit_run("wanted", tc);
}
