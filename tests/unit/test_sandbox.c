/* What the sandbox refuses and what it lets be, each in a process of its own that stays inside. */
#include "proxy/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char allowed[] = "/tmp/sidespan-sandbox-XXXXXX";
static char other[] = "/tmp/sidespan-sandbox-XXXXXX";

/* Each returns 0 or an errno. */
typedef int attempt_run(void);

static int failure(long result)
{
	return result == -1 ? errno : 0;
}

static int try_exec(void)
{
	static char name[] = "true";
	char *const words[] = {name, NULL};

	return failure(execv("/bin/true", words));
}

static int try_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return failure(pid);
}

static int try_socket(int family, int type)
{
	return failure(socket(family, type, 0));
}

static int try_inet(void)
{
	return try_socket(AF_INET, SOCK_STREAM);
}

static int try_inet6(void)
{
	return try_socket(AF_INET6, SOCK_DGRAM);
}

static int try_unix(void)
{
	return try_socket(AF_UNIX, SOCK_STREAM);
}

static int try_netlink(void)
{
	return try_socket(AF_NETLINK, SOCK_RAW);
}

static int try_packet(void)
{
	return try_socket(AF_PACKET, SOCK_RAW);
}

static int try_vsock(void)
{
	return try_socket(AF_VSOCK, SOCK_STREAM);
}

static int try_no_family(void)
{
	return try_socket(77, SOCK_STREAM);
}

static int try_unshare(void)
{
	return failure(syscall(SYS_unshare, 0));
}

static void *nothing(void *arg)
{
	return arg;
}

static int try_thread(void)
{
	pthread_t thread;
	int failed = pthread_create(&thread, NULL, nothing, NULL);

	return failed != 0 ? failed : pthread_join(thread, NULL);
}

static int try_read(void)
{
	return failure(open("/etc/passwd", O_RDONLY));
}

static int make_in(const char *directory)
{
	char path[sizeof allowed + 8];

	(void)snprintf(path, sizeof path, "%s/file", directory);
	if (open(path, O_WRONLY | O_CREAT, 0600) < 0)
		return errno;
	return failure(unlink(path));
}

static int try_write_allowed(void)
{
	return make_in(allowed);
}

static int try_write_other(void)
{
	return make_in(other);
}

static int try_bind(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return failure(bind(fd, (const struct sockaddr *)&address, sizeof address));
}

static const struct {
	const char *name;
	attempt_run *attempt;
	enum sandbox_part part; /* that refuses it */
	int expected;           /* inside */
} rows[] = {
	{"exec", try_exec, SANDBOX_CALLS, EPERM},
	{"fork", try_fork, SANDBOX_CALLS, EPERM},
	{"unshare", try_unshare, SANDBOX_CALLS, EPERM},
	{"packet socket", try_packet, SANDBOX_CALLS, EAFNOSUPPORT},
	{"vsock", try_vsock, SANDBOX_CALLS, EAFNOSUPPORT},
	{"no such family", try_no_family, SANDBOX_CALLS, EAFNOSUPPORT},
	{"inet", try_inet, 0, 0},
	{"inet6", try_inet6, 0, 0},
	{"unix", try_unix, 0, 0},
	{"netlink", try_netlink, 0, 0},
	{"thread", try_thread, 0, 0},
	{"read", try_read, 0, 0},
	{"write where we may", try_write_allowed, 0, 0},
	{"write elsewhere", try_write_other, SANDBOX_FILES, EACCES},
};

static int open_files(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Runs it in a process of its own, inside; *parts: what held. Returns what it returned. */
static int run_inside(attempt_run *attempt, unsigned *parts)
{
	const char *directories[] = {allowed};
	int result[2], fds[2], status;
	pid_t pid;

	ck_assert_int_eq(pipe(fds), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int before = open_files();

		result[0] = (int)sandbox_enter(directories, 1);
		if (open_files() != before)
			_exit(2); /* it keeps what it made the rules with */
		result[1] = attempt();
		_exit(write(fds[1], result, sizeof result) == sizeof result ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(read(fds[0], result, sizeof result), sizeof result);
	ck_assert_int_eq(close(fds[0]) | close(fds[1]), 0);
	*parts = (unsigned)result[0];
	return result[1];
}

/* The leak sanitizer needs processes at exit: its build lets them be. */
static int is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 1;
#else
	return 0;
#endif
}

START_TEST(test_sandbox_refuses)
{
	unsigned parts;
	int result;

	if (rows[_i].attempt == try_fork && is_sanitized())
		return;
	result = run_inside(rows[_i].attempt, &parts);
	ck_assert_msg((parts & SANDBOX_PRIVILEGES) != 0, "no_new_privs is older than all we know");
	if (rows[_i].part != 0 && (parts & rows[_i].part) == 0)
		return; /* the kernel or the build has no such part: nothing is promised */
	ck_assert_msg(result == rows[_i].expected, "%s: %s", rows[_i].name, strerror(result));
}
END_TEST

/* Landlock knows ports since its ABI 4. */
START_TEST(test_sandbox_refuses_listeners)
{
	unsigned parts;
	int result = run_inside(try_bind, &parts);
	long abi = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	ck_assert_int_eq(result, (parts & SANDBOX_FILES) != 0 && abi >= 4 ? EACCES : 0);
}
END_TEST

static int try_nothing(void)
{
	return 0;
}

/* Where the kernel has both, both must hold: else the rows above prove nothing. */
START_TEST(test_sandbox_holds_what_the_kernel_has)
{
	unsigned parts;
	long abi = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	(void)run_inside(try_nothing, &parts);
	ck_assert_int_eq((parts & SANDBOX_FILES) != 0, abi >= 1);
#ifdef SIDESPAN_SECCOMP
	ck_assert_uint_ne(parts & SANDBOX_CALLS, 0);
#endif
}
END_TEST

START_TEST(test_sandbox_text)
{
	char text[64], tiny[8];

	ck_assert_str_eq(sandbox_text(0, text, sizeof text), "none");
	ck_assert_str_eq(sandbox_text(SANDBOX_PRIVILEGES, text, sizeof text), "privileges");
	ck_assert_str_eq(
		sandbox_text(SANDBOX_PRIVILEGES | SANDBOX_FILES | SANDBOX_CALLS, text, sizeof text),
		"privileges, files, system calls");
	ck_assert_str_eq(
		sandbox_text(SANDBOX_PRIVILEGES | SANDBOX_FILES, tiny, sizeof tiny), "privile");
}
END_TEST

static void make_directories(void)
{
	ck_assert_ptr_nonnull(mkdtemp(allowed));
	ck_assert_ptr_nonnull(mkdtemp(other));
}

static void remove_directories(void)
{
	ck_assert_int_eq(rmdir(allowed) | rmdir(other), 0);
}

int main(void)
{
	TCase *tc = tcase_create("sandbox");

	tcase_add_unchecked_fixture(tc, make_directories, remove_directories);
	tcase_add_loop_test(tc, test_sandbox_refuses, 0, (int)(sizeof rows / sizeof rows[0]));
	tcase_add_test(tc, test_sandbox_refuses_listeners);
	tcase_add_test(tc, test_sandbox_holds_what_the_kernel_has);
	tcase_add_test(tc, test_sandbox_text);
	return unit_run("sandbox", tc);
}
