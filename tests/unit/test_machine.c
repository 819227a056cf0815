/* What the doctor asks the machine: limits of control groups, in a folder made for it. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/timex.h>

#include "proxy/doctor/machine.h"
#include "tests/unit/unit.h"

/* Stands before that of the C library: what the kernel says of its clock. */
static int clock_state, clock_status;

int adjtimex(struct timex *state)
{
	ck_assert_uint_eq(state->modes, 0); /* nothing is set */
	state->status = clock_status;
	return clock_state;
}

static char machine_root[] = "/tmp/sidespan-machine-XXXXXX";

/* Writes root/path, whose folders are made. */
static void machine_put(const char *path, const char *text)
{
	char name[512], *slash;
	FILE *file;

	(void)snprintf(name, sizeof name, "%s/%s", machine_root, path);
	for (slash = name + 1; (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		(void)mkdir(name, 0700); /* most are there */
	}
	file = fopen(name, "we");
	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void machine_set_up(void)
{
	ck_assert_ptr_nonnull(mkdtemp(machine_root));
}

static int machine_remove(const char *path, const struct stat *is, int kind, struct FTW *position)
{
	(void)is;
	(void)kind;
	(void)position;
	return remove(path);
}

static void machine_tear_down(void)
{
	ck_assert_int_eq(nftw(machine_root, machine_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
	(void)strcpy(machine_root + strlen(machine_root) - 6, "XXXXXX");
}

/* All groups from ours up to the root count; "max" and what cannot be read are no limit. */
START_TEST(test_groups_of_version_2)
{
	ck_assert_int_eq(machine_memory(machine_root), -1);
	machine_put("proc/self/cgroup", "0::/pod/box\n");
	ck_assert_int_eq(machine_memory(machine_root), -1);
	machine_put("sys/fs/cgroup/pod/box/memory.max", "max\n");
	ck_assert_int_eq(machine_memory(machine_root), -1);
	machine_put("sys/fs/cgroup/pod/memory.max", "134217728\n");
	ck_assert_int_eq(machine_memory(machine_root), 134217728);
	machine_put("sys/fs/cgroup/pod/box/memory.max", "67108864\n");
	ck_assert_int_eq(machine_memory(machine_root), 67108864);
	machine_put("sys/fs/cgroup/memory.max", "0\n");
	ck_assert_int_eq(machine_memory(machine_root), 0);
}
END_TEST

/* As in a container, whose group is the root of what it sees. */
START_TEST(test_group_of_a_container)
{
	machine_put("proc/self/cgroup", "0::/\n");
	machine_put("sys/fs/cgroup/memory.max", "1048576\n");
	ck_assert_int_eq(machine_memory(machine_root), 1048576);
}
END_TEST

START_TEST(test_groups_of_version_1)
{
	machine_put("proc/self/cgroup",
		"12:cpu,cpuacct:/a\n5:memory:/a/b\nnonsense\n1:name=systemd:/a\n0::/\n");
	machine_put("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712\n");
	ck_assert_int_eq(machine_memory(machine_root), -1); /* it is how "no limit" is said */
	machine_put("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", "4096\n");
	ck_assert_int_eq(machine_memory(machine_root), 4096);
}
END_TEST

START_TEST(test_what_is_no_number)
{
	machine_put("proc/self/cgroup", "0::/a\n");
	machine_put("sys/fs/cgroup/a/memory.max", "");
	machine_put("sys/fs/cgroup/memory.max", "-5\n");
	ck_assert_int_eq(machine_memory(machine_root), -1);
	machine_put("sys/fs/cgroup/memory.max", "1152921504606846976\n"); /* as good as none */
	ck_assert_int_eq(machine_memory(machine_root), -1);
	machine_put("sys/fs/cgroup/memory.max", "1152921504606846975\n");
	ck_assert_int_eq(machine_memory(machine_root), 1152921504606846975);
	machine_put("sys/fs/cgroup/memory.max", "0\n");
	ck_assert_int_eq(machine_memory(machine_root), 0);
}
END_TEST

START_TEST(test_clock)
{
	static const struct {
		int state, status;
		enum machine_clock clock;
	} rows[] = {{-1, 0, MACHINE_CLOCK_UNKNOWN}, {-1, STA_UNSYNC, MACHINE_CLOCK_UNKNOWN},
		{TIME_OK, 0, MACHINE_CLOCK_KEPT}, {TIME_OK, ~STA_UNSYNC, MACHINE_CLOCK_KEPT},
		{TIME_INS, 0, MACHINE_CLOCK_KEPT}, {TIME_OK, STA_UNSYNC, MACHINE_CLOCK_ALONE},
		{TIME_ERROR, 0, MACHINE_CLOCK_ALONE},
		{TIME_ERROR, STA_UNSYNC, MACHINE_CLOCK_ALONE}};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		clock_state = rows[i].state;
		clock_status = rows[i].status;
		ck_assert_int_eq(machine_clock(), rows[i].clock);
	}
}
END_TEST

START_TEST(test_descriptors)
{
	size_t before, open, limit = machine_descriptors(&before);
	FILE *file = fopen("/dev/null", "re");

	ck_assert_uint_eq(machine_descriptors(&open), limit);
	ck_assert_uint_eq(open, before + 1);
	ck_assert_uint_gt(limit, open);
	ck_assert_int_eq(fclose(file), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("machine");

	tcase_add_checked_fixture(tc, machine_set_up, machine_tear_down);
	tcase_add_test(tc, test_groups_of_version_2);
	tcase_add_test(tc, test_group_of_a_container);
	tcase_add_test(tc, test_groups_of_version_1);
	tcase_add_test(tc, test_what_is_no_number);
	tcase_add_test(tc, test_clock);
	tcase_add_test(tc, test_descriptors);
	return unit_run("machine", tc);
}
