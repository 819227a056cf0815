/*
 * What the sandbox refuses and what it lets be, each in a process of its own that stays inside; and
 * what it asks of kernels that this machine may not have.
 */
#include "proxy/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
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

#ifdef SIDESPAN_SECCOMP
#include <seccomp.h>
#endif

static char allowed[] = "/tmp/sidespan-sandbox-XXXXXX";
static char other[] = "/tmp/sidespan-sandbox-XXXXXX";

/* ---- a kernel ---- */

enum step {
	STEP_NONE,
	STEP_PIPE,
	STEP_FORK,
	STEP_CREATE,
	STEP_ADD,
	STEP_RESTRICT,
	STEP_FILTER,
	STEP_INIT,
	STEP_RULE,
	STEP_EXPORT
};

/* What stands in for it, when is_faked, and what was asked of it. */
static struct {
	bool is_faked;
	long abi;
	enum step fails;
	uint64_t files, ports; /* that the rules are about */
	size_t size;           /* of the rules */
	int ruleset;
	unsigned added, restricted, filtered;
} kernel;

static unsigned rules_before_failure;

/* Of the filter that came: how much, and a sum over all of it. */
static struct {
	size_t size;
	uint64_t sum;
} got;

/* What is read comes in pieces of so many bytes, each after an interruption; 0: as it comes. */
static size_t read_piece;

static long fake(enum step step)
{
	errno = EINVAL;
	return kernel.fails == step ? -1 : 0;
}

static long fake_create(const uint64_t *rules, size_t size, unsigned flags)
{
	if (flags == LANDLOCK_CREATE_RULESET_VERSION) {
		ck_assert(rules == NULL && size == 0);
		return kernel.abi;
	}
	ck_assert_uint_eq(flags, 0);
	kernel.size = size;
	kernel.files = rules[0];
	kernel.ports = size > sizeof rules[0] ? rules[1] : 0;
	kernel.ruleset = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(kernel.ruleset, 0);
	if (fake(STEP_CREATE) != 0) {
		ck_assert_int_eq(close(kernel.ruleset), 0);
		kernel.ruleset = -1;
	}
	return kernel.ruleset;
}

static long fake_add(int ruleset, unsigned type, const struct landlock_path_beneath_attr *rule)
{
	struct stat named, held;

	ck_assert_int_eq(ruleset, kernel.ruleset);
	ck_assert_uint_eq(type, LANDLOCK_RULE_PATH_BENEATH);
	ck_assert_uint_eq(rule->allowed_access,
		LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
			LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_WRITE_FILE);
	ck_assert_int_eq(stat(kernel.added == 0 ? allowed : other, &named), 0);
	ck_assert_int_eq(fstat(rule->parent_fd, &held), 0);
	ck_assert_uint_eq(held.st_ino, named.st_ino);
	ck_assert_int_eq(fcntl(rule->parent_fd, F_GETFD), FD_CLOEXEC);
	kernel.added++;
	return fake(STEP_ADD);
}

static void fake_filter(const struct sock_fprog *program)
{
	const uint8_t *bytes = (const uint8_t *)program->filter;
	size_t i;

	got.size = program->len * sizeof *program->filter;
	got.sum = 0;
	for (i = 0; i < got.size; i++)
		got.sum = got.sum * 31 + bytes[i];
}

/* These stand before those of the C library. */
ssize_t read(int fd, void *bytes, size_t size)
{
	static bool interrupted;

	if (kernel.is_faked && read_piece > 0) {
		interrupted = !interrupted;
		if (interrupted) {
			errno = EINTR;
			return -1;
		}
		size = size < read_piece ? size : read_piece;
	}
	return (ssize_t)syscall(SYS_read, (long)fd, bytes, size);
}

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
	if (kernel.is_faked && number == SYS_landlock_create_ruleset)
		return fake_create((const uint64_t *)arguments[0], (size_t)arguments[1],
			(unsigned)arguments[2]);
	if (kernel.is_faked && number == SYS_landlock_add_rule) {
		ck_assert_uint_eq((unsigned)arguments[3], 0);
		return fake_add((int)arguments[0], (unsigned)arguments[1],
			(const struct landlock_path_beneath_attr *)arguments[2]);
	}
	if (kernel.is_faked && number == SYS_landlock_restrict_self) {
		ck_assert_int_eq((int)arguments[0], kernel.ruleset);
		ck_assert_uint_eq((unsigned)arguments[1], 0);
		kernel.restricted++;
		return fake(STEP_RESTRICT);
	}
	if (kernel.is_faked && number == SYS_seccomp &&
		(unsigned)arguments[0] == SECCOMP_SET_MODE_FILTER && arguments[2] != 0) {
		ck_assert_uint_eq((unsigned)arguments[1], 0);
		kernel.filtered++;
		fake_filter((const struct sock_fprog *)arguments[2]);
		return fake(STEP_FILTER);
	}
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
}

int pipe2(int ends[2], int flags)
{
	if (kernel.is_faked && fake(STEP_PIPE) != 0)
		return -1;
	return (int)syscall(SYS_pipe2, ends, (long)flags);
}

pid_t fork(void)
{
	static pid_t (*real)(void);

	if (kernel.is_faked && fake(STEP_FORK) != 0)
		return -1;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "fork");
	return real();
}

#ifdef SIDESPAN_SECCOMP

scmp_filter_ctx seccomp_init(uint32_t action)
{
	static scmp_filter_ctx (*real)(uint32_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "seccomp_init");
	return fake(STEP_INIT) != 0 ? NULL : real(action);
}

int seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int call, unsigned count, ...)
{
	struct scmp_arg_cmp argument = {0};
	va_list list;

	if (kernel.is_faked && fake(STEP_RULE) != 0 && rules_before_failure-- == 0)
		return -ENOMEM;
	va_start(list, count);
	if (count > 0)
		argument = va_arg(list, struct scmp_arg_cmp);
	va_end(list);
	if (count > 1)
		return -EINVAL; /* none looks at more than one argument */
	return seccomp_rule_add_array(filter, action, call, count, &argument);
}

int seccomp_export_bpf(scmp_filter_ctx filter, int fd)
{
	static int (*real)(scmp_filter_ctx, int);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "seccomp_export_bpf");
	return fake(STEP_EXPORT) != 0 ? -EINVAL : real(filter, fd);
}

#endif

/* ---- what is tried inside ---- */

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

/* A file that is there may be written to, but not cut. */
static int try_truncate(void)
{
	char path[sizeof allowed + 8];
	int failed;

	(void)snprintf(path, sizeof path, "%s/file", allowed);
	failed = open(path, O_WRONLY | O_CREAT, 0600) < 0 ? errno : failure(truncate(path, 0));
	(void)unlink(path); /* the directory is removed at the end */
	return failed;
}

/* From where we may to where we may not. */
static int try_move(void)
{
	char from[sizeof allowed + 8], to[sizeof other + 8];
	int failed;

	(void)snprintf(from, sizeof from, "%s/file", allowed);
	(void)snprintf(to, sizeof to, "%s/file", other);
	failed = open(from, O_WRONLY | O_CREAT, 0600) < 0 ? ENOENT : failure(link(from, to));
	(void)unlink(from); /* the directory is removed at the end */
	return failed;
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
	{"truncate", try_truncate, SANDBOX_FILES, EACCES},
	{"link elsewhere", try_move, SANDBOX_FILES, EACCES},
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
		SYS_landlock_create_ruleset, 0L, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

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
		SYS_landlock_create_ruleset, 0L, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);

	(void)run_inside(try_nothing, &parts);
	ck_assert_int_eq((parts & SANDBOX_FILES) != 0, abi >= 1);
#ifdef SIDESPAN_SECCOMP
	ck_assert_uint_ne(parts & SANDBOX_CALLS, 0);
#endif
}
END_TEST

/* Enters with a kernel that stands in; what holds then. Nothing is left open. */
static unsigned enter(long abi, enum step fails, const char *second)
{
	const char *directories[] = {allowed, second};
	int before = open_files();
	unsigned parts;

	memset(&kernel, 0, sizeof kernel);
	kernel.is_faked = true;
	kernel.abi = abi;
	kernel.fails = fails;
	parts = sandbox_enter(directories, 2);
	kernel.is_faked = false;
	ck_assert_int_eq(open_files(), before);
	return parts;
}

/* Each kernel is asked for what it knows, and for nothing else. */
START_TEST(test_sandbox_kernels)
{
	static const uint64_t files =
		0x1fff & ~(uint64_t)(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR);
	unsigned parts = enter(_i, STEP_NONE, other);

	ck_assert_uint_eq(parts & SANDBOX_FILES, _i >= 1 ? SANDBOX_FILES : 0);
	ck_assert_uint_eq(kernel.size, _i == 0 ? 0 : _i >= 4 ? 16 : 8);
	ck_assert_uint_eq(kernel.files, _i == 0 ? 0 : _i >= 3 ? files | 1 << 14 : files);
	ck_assert_uint_eq(kernel.ports, _i >= 4 ? 1 : 0);
	ck_assert_uint_eq(kernel.added, _i >= 1 ? 2 : 0);
	ck_assert_uint_eq(kernel.restricted, _i >= 1 ? 1 : 0);
	ck_assert_uint_ne(parts & SANDBOX_PRIVILEGES, 0);
}
END_TEST

/* Rules that are not all there are not entered. */
START_TEST(test_sandbox_files_fail)
{
	ck_assert_uint_eq(enter(4, STEP_CREATE, other) & SANDBOX_FILES, 0);
	ck_assert_uint_eq(kernel.added + kernel.restricted, 0);
	ck_assert_uint_eq(enter(4, STEP_ADD, other) & SANDBOX_FILES, 0);
	ck_assert_uint_eq(kernel.added, 1);
	ck_assert_uint_eq(kernel.restricted, 0);
	ck_assert_uint_eq(enter(4, STEP_NONE, "/no/such/directory") & SANDBOX_FILES, 0);
	ck_assert_uint_eq(kernel.restricted, 0);
	ck_assert_uint_eq(enter(4, STEP_RESTRICT, other) & SANDBOX_FILES, 0);
	ck_assert_uint_eq(kernel.restricted, 1);
}
END_TEST

#ifdef SIDESPAN_SECCOMP

START_TEST(test_sandbox_calls_fail)
{
	static const enum step steps[] = {STEP_PIPE, STEP_FORK, STEP_INIT, STEP_EXPORT};
	size_t i, size;
	uint64_t whole;

	ck_assert_uint_eq(enter(4, STEP_NONE, other) & SANDBOX_CALLS, SANDBOX_CALLS);
	ck_assert_uint_eq(kernel.filtered, 1);
	ck_assert_uint_eq(enter(4, STEP_FILTER, other) & SANDBOX_CALLS, 0);
	ck_assert_uint_eq(kernel.filtered, 1);
	whole = got.sum;
	size = got.size;
	ck_assert_uint_gt(size, 100 * sizeof(struct sock_filter));
	for (read_piece = 7; read_piece < 10000; read_piece *= 11) {
		ck_assert_uint_eq(enter(4, STEP_NONE, other) & SANDBOX_CALLS, SANDBOX_CALLS);
		ck_assert(got.size == size && got.sum == whole);
	}
	read_piece = 0;
	for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		ck_assert_uint_eq(enter(4, steps[i], other) & SANDBOX_CALLS, 0);
		ck_assert_uint_eq(kernel.filtered, 0);
	}
	for (i = 0;; i++) {
		rules_before_failure = (unsigned)i;
		if ((enter(4, STEP_RULE, other) & SANDBOX_CALLS) != 0)
			break;
		ck_assert_uint_eq(kernel.filtered, 0);
	}
	ck_assert_uint_gt(i, 100); /* each rule counts */
}
END_TEST

#endif

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
	tcase_add_loop_test(tc, test_sandbox_kernels, 0, 8);
	tcase_add_test(tc, test_sandbox_files_fail);
#ifdef SIDESPAN_SECCOMP
	tcase_add_test(tc, test_sandbox_calls_fail);
#endif
	tcase_add_test(tc, test_sandbox_text);
	return unit_run("sandbox", tc);
}
