/* The lookout: who else got a signal. Each test is in a process group of its own. */
#include "proxy/endpoint/lookout.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static struct event_base *base;
static struct lookout *lookout;
static char told[256]; /* "10 alone 12 group ": signals and whom they were for */

static void on_told(void *arg, int signal_number, bool by_group)
{
	ck_assert_ptr_eq(arg, told);
	snprintf(told + strlen(told), sizeof told - strlen(told), "%d %s ", signal_number,
		by_group ? "group" : "alone");
}

static char *no_arguments[] = {NULL};

/* These stand before those of the C library: a kernel without a call, and none for another process.
 */
static bool lacks_close_range, lacks_fork;

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long arguments[5] = {0}; /* all are in registers: none has more */
	va_list list;
	int i;

	va_start(list, number);
	for (i = 0; i < 5; i++)
		arguments[i] = va_arg(list, long);
	va_end(list);
	if (lacks_close_range && number == SYS_close_range) {
		errno = ENOSYS;
		return -1;
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (lacks_fork) {
		errno = EAGAIN;
		return -1;
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

static void begin(void)
{
	ck_assert_int_eq(setpgid(0, 0), 0);
	ck_assert(signal(SIGUSR1, SIG_IGN) != SIG_ERR);
	ck_assert(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
	told[0] = '\0';
	base = event_base_new();
	lookout = lookout_new(base, no_arguments, on_told, told);
	ck_assert_ptr_nonnull(lookout);
	ck_assert_int_gt(lookout_pid(lookout), 0);
}

static void end(void)
{
	lookout_free(lookout);
	event_base_free(base);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static void is_told(const char *text)
{
	ck_assert_int_ge(event_base_loop(base, 0), 0); /* until nothing is waited for */
	ck_assert_str_eq(told, text);
	told[0] = '\0';
}

START_TEST(test_alone_and_group)
{
	begin();
	lookout_ask(lookout, SIGUSR1);
	ck_assert_str_eq(told, ""); /* not from inside of the call */
	is_told("10 alone ");
	ck_assert_int_eq(kill(0, SIGUSR1), 0);
	lookout_ask(lookout, SIGUSR1);
	is_told("10 group ");
	lookout_ask(lookout, SIGUSR1);
	is_told("10 alone ");
	end();
}
END_TEST

START_TEST(test_several)
{
	begin();
	ck_assert_int_eq(kill(0, SIGUSR2), 0);
	lookout_ask(lookout, SIGUSR1);
	lookout_ask(lookout, SIGUSR2);
	lookout_ask(lookout, SIGUSR1); /* stands for both */
	is_told("10 alone 12 group ");
	ck_assert_int_eq(kill(0, SIGUSR1), 0);
	ck_assert_int_eq(kill(0, SIGUSR2), 0);
	lookout_ask(lookout, SIGUSR2);
	is_told("12 group ");
	lookout_ask(lookout, SIGUSR1); /* it is late: seen long ago */
	is_told("10 group ");
	end();
}
END_TEST

/* Signals that come while a question is under way have one of their own. */
START_TEST(test_meanwhile)
{
	begin();
	lookout_ask(lookout, SIGUSR1);
	while (told[0] == '\0') {
		ck_assert_int_ge(event_base_loop(base, EVLOOP_ONCE), 0);
		ck_assert_int_eq(kill(0, SIGUSR2), 0);
		lookout_ask(lookout, SIGUSR2);
	}
	is_told("10 alone 12 group ");
	end();
}
END_TEST

/* Whoever signals the processes of a service one by one may take a moment. */
START_TEST(test_one_by_one)
{
	begin();
	lookout_ask(lookout, SIGUSR1);
	ck_assert_int_ge(event_base_loop(base, EVLOOP_NONBLOCK), 0);
	ck_assert_int_eq(kill(lookout_pid(lookout), SIGUSR1), 0);
	is_told("10 group ");
	end();
}
END_TEST

static double now(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

START_TEST(test_stopped)
{
	double start;

	begin();
	start = now();
	ck_assert_int_eq(kill(lookout_pid(lookout), SIGSTOP), 0);
	ck_assert_int_eq(kill(0, SIGUSR1), 0);
	lookout_ask(lookout, SIGUSR1);
	is_told("10 alone ");
	ck_assert_double_ge(now() - start, 0.5);
	lookout_ask(lookout, SIGUSR2); /* it is not asked again */
	ck_assert_str_eq(told, "12 alone ");
	end();
}
END_TEST

START_TEST(test_killed)
{
	begin();
	ck_assert_int_eq(kill(lookout_pid(lookout), SIGKILL), 0);
	lookout_ask(lookout, SIGUSR1);
	is_told("10 alone ");
	lookout_ask(lookout, SIGUSR2);
	ck_assert_str_eq(told, "12 alone ");
	end();
}
END_TEST

/* Nothing is forgotten at the end. */
START_TEST(test_free)
{
	begin();
	lookout_ask(lookout, SIGUSR1);
	lookout_free(lookout);
	ck_assert_str_eq(told, "10 alone ");
	lookout = NULL;
	ck_assert_int_eq(lookout_pid(lookout), 0);
	end();
}
END_TEST

/* What it is: of all that we have open it has its end of the socket, and nothing of our words. */
START_TEST(test_process)
{
	static char first[] = "sidespan", second[] = "secret";
	char *arguments[] = {first, second, NULL}, path[64], text[64];
	struct dirent *entry;
	DIR *list;
	ssize_t n;
	FILE *file;
	int memory;

	begin();
	lookout_free(lookout);
	lacks_close_range = _i == 1;
	lookout = lookout_new(base, arguments, on_told, told);
	lacks_close_range = false;
	ck_assert_ptr_nonnull(lookout);
	ck_assert_str_eq(second, "secret"); /* ours stay */
	lookout_ask(lookout, SIGUSR1);
	is_told("10 alone "); /* it has begun */
	snprintf(path, sizeof path, "/proc/%d/fd", lookout_pid(lookout));
	list = opendir(path);
	ck_assert_ptr_nonnull(list);
	while ((entry = readdir(list)) != NULL)
		ck_assert(entry->d_name[0] == '.' || strcmp(entry->d_name, "0") == 0);
	closedir(list);
	snprintf(path, sizeof path, "/proc/%d/cwd", lookout_pid(lookout));
	n = readlink(path, text, sizeof text);
	ck_assert(n == 1 && text[0] == '/');
	snprintf(path, sizeof path, "/proc/%d/mem", lookout_pid(lookout));
	memory = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(memory, 0);
	ck_assert_int_eq(pread(memory, text, sizeof first, (off_t)(uintptr_t)first), sizeof first);
	ck_assert_mem_eq(text, "\0\0\0\0\0\0\0\0", sizeof first);
	ck_assert_int_eq(
		pread(memory, text, sizeof second, (off_t)(uintptr_t)second), sizeof second);
	ck_assert_mem_eq(text, "\0\0\0\0\0\0", sizeof second);
	close(memory);
	snprintf(path, sizeof path, "/proc/%d/comm", lookout_pid(lookout));
	file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
	ck_assert_str_eq(text, "signal-lookout\n");
	fclose(file);
	end();
}
END_TEST

START_TEST(test_no_process)
{
	int next = dup(STDIN_FILENO);

	close(next);
	begin();
	lookout_free(lookout);
	lacks_fork = true;
	lookout = lookout_new(base, no_arguments, on_told, told);
	lacks_fork = false;
	ck_assert_ptr_null(lookout);
	end();
	ck_assert_int_eq(dup(STDIN_FILENO), next);
	close(next);
}
END_TEST

START_TEST(test_no_resources)
{
	struct rlimit limit, lower;
	struct lookout *made;
	int next;

	begin();
	next = dup(STDIN_FILENO);
	close(next);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lower = limit;
	if (_i < 2)
		lower.rlim_cur = (rlim_t)next + (rlim_t)_i;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
	if (_i >= 2)
		unit_alloc_fail_after(_i - 2);
	made = lookout_new(base, no_arguments, on_told, told);
	unit_alloc_fail_never();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_ptr_null(made);
	ck_assert_int_eq(dup(STDIN_FILENO), next); /* nothing stays open */
	close(next);
	end();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("lookout");

	tcase_add_test(tc, test_alone_and_group);
	tcase_add_test(tc, test_several);
	tcase_add_test(tc, test_meanwhile);
	tcase_add_test(tc, test_one_by_one);
	tcase_add_test(tc, test_stopped);
	tcase_add_test(tc, test_killed);
	tcase_add_test(tc, test_free);
	tcase_add_loop_test(tc, test_process, 0, 2);
	tcase_add_test(tc, test_no_process);
	tcase_add_loop_test(tc, test_no_resources, 0, 4);
	return unit_run("lookout", tc);
}
