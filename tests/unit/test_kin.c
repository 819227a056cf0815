/* Processes below us: a family of our own, which waits for signals. */
#include "proxy/endpoint/kin.h"

#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static int family_pipe[2]; /* each says its pid when it is there */

/*
 * Starts a process that starts another, and so on; the last ones wait for signals, but the first
 * does not if it leaves the others behind.
 */
static pid_t family_start(int generations, bool leaves)
{
	pid_t first = fork(), we;

	ck_assert_int_ge(first, 0);
	if (first != 0)
		return first;
	/* whatever /proc/PID/stat has as a name does not confuse */
	(void)prctl(PR_SET_NAME, ") S 1 (x) R 1");
	while (--generations > 0) {
		if (fork() != 0) {
			if (leaves)
				_exit(0);
			break;
		}
		leaves = false;
	}
	we = getpid();
	if (write(family_pipe[1], &we, sizeof we) != sizeof we)
		_exit(1);
	for (;;)
		pause();
}

static void family_wait(int count)
{
	pid_t pid;

	while (count-- > 0)
		ck_assert_int_eq(read(family_pipe[0], &pid, sizeof pid), sizeof pid);
}

/* Reaps that many of ours, all killed by that signal. */
static void family_reap(int count, int signal_number)
{
	int status;

	while (count-- > 0) {
		ck_assert_int_gt(waitpid(-1, &status, 0), 0);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signal_number);
	}
}

static void family_is_over(void)
{
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert(!kin_exist(0));
	ck_assert_uint_eq(kin_signal(getpid(), SIGKILL, 0, 0), 0);
}

static void family_set_up(void)
{
	ck_assert_int_eq(pipe(family_pipe), 0);
	kin_adopt();
}

static void family_tear_down(void)
{
	close(family_pipe[0]);
	close(family_pipe[1]);
}

START_TEST(test_all_generations)
{
	pid_t first = family_start(5, false);

	family_wait(5);
	ck_assert(kin_exist(0));
	ck_assert(!kin_exist(first));
	ck_assert_uint_eq(kin_signal(first, 0, 0, 0), 4);
	ck_assert_uint_eq(kin_signal(getpid(), 0, first, 0), 0);
	ck_assert_uint_eq(kin_signal(getpid(), SIGUSR1, 0, 0), 5);
	family_reap(5, SIGUSR1); /* those whose parents have ended are ours */
	family_is_over();
}
END_TEST

START_TEST(test_orphans)
{
	pid_t first = family_start(3, true);

	ck_assert_int_eq(waitpid(first, NULL, 0), first);
	family_wait(2);
	ck_assert(kin_exist(0));
	ck_assert_uint_eq(kin_signal(first, SIGKILL, 0, 0), 0);
	ck_assert_uint_eq(kin_signal(getpid(), SIGUSR1, 0, 0), 2);
	family_reap(2, SIGUSR1);
	family_is_over();
}
END_TEST

/*
 * Those in a group that gets its signals otherwise; what is below them is looked at all the same.
 */
START_TEST(test_spared_group)
{
	pid_t first = family_start(1, false), second = family_start(2, false);
	int status;

	family_wait(3);
	ck_assert_int_eq(setpgid(first, first), 0);
	ck_assert_int_eq(setpgid(second, first), 0);
	ck_assert_uint_eq(kin_signal(getpid(), SIGUSR1, 0, first), 3);
	ck_assert_int_eq(kill(-first, SIGUSR2), 0);
	ck_assert_int_eq(waitpid(first, &status, 0), first);
	ck_assert_int_eq(WTERMSIG(status), SIGUSR2);
	ck_assert_int_eq(waitpid(second, &status, 0), second);
	ck_assert_int_eq(WTERMSIG(status), SIGUSR2);
	family_reap(1, SIGUSR1);
	family_is_over();
}
END_TEST

/* Of a crowd those are found that fit; the others the next time. */
START_TEST(test_crowd)
{
	enum { FOUND_MAX = 1024, COUNT = FOUND_MAX + 6 };
	int i;

	for (i = 0; i < COUNT; i++)
		family_start(1, false);
	family_wait(COUNT);
	ck_assert_uint_eq(kin_signal(getpid(), SIGKILL, 0, 0), FOUND_MAX);
	family_reap(FOUND_MAX, SIGKILL);
	ck_assert_uint_eq(kin_signal(getpid(), SIGKILL, 0, 0), COUNT - FOUND_MAX);
	family_reap(COUNT - FOUND_MAX, SIGKILL);
	family_is_over();
}
END_TEST

START_TEST(test_nobody)
{
	family_is_over();
	ck_assert_uint_eq(kin_signal(INT32_MAX, SIGKILL, 0, 0), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("kin");

	tcase_add_checked_fixture(tc, family_set_up, family_tear_down);
	tcase_add_test(tc, test_all_generations);
	tcase_add_test(tc, test_orphans);
	tcase_add_test(tc, test_spared_group);
	tcase_add_test(tc, test_crowd);
	tcase_add_test(tc, test_nobody);
	return unit_run("kin", tc);
}
