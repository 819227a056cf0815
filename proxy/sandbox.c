/*
 * The sandbox; see sandbox.h. Three layers that do not need each other: no_new_privs (which the
 * other two build on), Landlock for files, seccomp for system calls. Each is a list of what is
 * refused, not of what is allowed: libraries that a name or certificate look-up loads make calls
 * nobody here can list, and one that fails in mid-conversation harms more than it protects.
 * Nothing here costs anything per message: the kernel keeps a bitmap of the calls that a filter
 * lets pass whatever their arguments.
 */
#include "proxy/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef SIDESPAN_SECCOMP
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#endif

/* The leak sanitizer looks at the memory from a process that it clones at exit. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_MAY_CLONE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANDBOX_MAY_CLONE 1
#endif
#endif
#ifndef SANDBOX_MAY_CLONE
#define SANDBOX_MAY_CLONE 0
#endif

/* ---- files ---- */

/* Newer than some headers; the numbers are the kernel's (include/uapi/linux/landlock.h). */
#define SANDBOX_FS_TRUNCATE (1ull << 14) /* since ABI 3 */
#define SANDBOX_NET_BIND    (1ull << 0)  /* since ABI 4 */

#define SANDBOX_FS_MAKE                                                                            \
	(LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                            \
		LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_WRITE_FILE)
#define SANDBOX_FS_ABI_1                                                                           \
	(SANDBOX_FS_MAKE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |            \
		LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                       \
		LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_BLOCK |                     \
		LANDLOCK_ACCESS_FS_MAKE_SYM)

/* struct landlock_ruleset_attr of ABI 4: a kernel is told how much of it there is. */
struct sandbox_ruleset {
	uint64_t fs, net;
};

static int sandbox_allow(int ruleset, const char *directory)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = SANDBOX_FS_MAKE};
	int failed;

	beneath.parent_fd = open(directory, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return -1;
	failed = (int)syscall(
		SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	(void)close(beneath.parent_fd); /* it was only a name */
	return failed;
}

static int sandbox_files(const char *const *directories, size_t count)
{
	long abi = syscall(
		SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_CREATE_RULESET_VERSION);
	struct sandbox_ruleset rules = {.fs = SANDBOX_FS_ABI_1};
	int ruleset, failed = 0;
	size_t i;

	if (abi < 1)
		return -1;
	if (abi >= 3)
		rules.fs |= SANDBOX_FS_TRUNCATE;
	if (abi >= 4)
		rules.net = SANDBOX_NET_BIND;
	ruleset = (int)syscall(
		SYS_landlock_create_ruleset, &rules, abi >= 4 ? sizeof rules : sizeof rules.fs, 0);
	if (ruleset < 0)
		return -1;
	for (i = 0; i < count && failed == 0; i++)
		failed = sandbox_allow(ruleset, directories[i]);
	if (failed == 0)
		failed = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	(void)close(ruleset); /* it is the kernel's now, or of no use */
	return failed;
}

/* ---- system calls ---- */

#ifdef SIDESPAN_SECCOMP

/* Other programs, other processes' memory, the machine, other namespaces, rights of others. */
static const int sandbox_refused[] = {SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork),
	SCMP_SYS(vfork),

	SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp), SCMP_SYS(userfaultfd), SCMP_SYS(perf_event_open),

	SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
	SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsmount),
	SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct),
	SCMP_SYS(reboot), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(init_module),
	SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(bpf), SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
	SCMP_SYS(open_by_handle_at), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
	SCMP_SYS(io_uring_register),

	SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(setuid),
	SCMP_SYS(setgid), SCMP_SYS(setreuid), SCMP_SYS(setregid), SCMP_SYS(setresuid),
	SCMP_SYS(setresgid), SCMP_SYS(setgroups), SCMP_SYS(capset), SCMP_SYS(personality)};

#define SANDBOX_FAMILIES 64 /* more than there are: all above are refused at once */

/* What traffic flows over, and what names are looked up with: libraries ask by netlink, too. */
static bool sandbox_is_family(int family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK;
}

static int sandbox_refuse_families(scmp_filter_ctx filter)
{
	const uint32_t refuse = SCMP_ACT_ERRNO(EAFNOSUPPORT);
	int failed, family;

	failed = seccomp_rule_add(
		filter, refuse, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GE, SANDBOX_FAMILIES, 0));
	for (family = 0; family < SANDBOX_FAMILIES && failed == 0; family++)
		if (!sandbox_is_family(family))
			failed = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
				SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family, 0));
	return failed;
}

/* Threads yes, processes no. clone3 hides its flags: without it the C library falls back. */
static int sandbox_refuse_processes(scmp_filter_ctx filter)
{
	if (SANDBOX_MAY_CLONE)
		return 0;
	if (seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0) != 0 ||
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ptrace), 0) != 0)
		return -1;
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
}

static int sandbox_write_filter(int fd)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int failed = -1;
	size_t i;

	if (filter == NULL)
		return -1;
	for (i = 0; i < sizeof sandbox_refused / sizeof sandbox_refused[0]; i++)
		if (sandbox_refused[i] >= 0 && /* below 0: this machine has no such call */
			seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), sandbox_refused[i], 0) != 0)
			goto out;
	if (sandbox_refuse_families(filter) == 0 && sandbox_refuse_processes(filter) == 0)
		failed = seccomp_export_bpf(filter, fd);
out:
	seccomp_release(filter);
	return failed;
}

/* The size of what comes through fd up to its end, 0 when that is more than there is room for. */
static size_t sandbox_read(int fd, void *bytes, size_t room)
{
	size_t used = 0;
	ssize_t n;

	while (used < room && ((n = read(fd, (char *)bytes + used, room - used)) > 0 ||
				      (n < 0 && errno == EINTR)))
		used += n > 0 ? (size_t)n : 0;
	return used < room ? used : 0;
}

/*
 * libseccomp allocates thousands of times, and in parts goes on with what it was given without a
 * look: the filter is made in a process of its own, which may end as it likes.
 */
static int sandbox_calls(void)
{
	static struct sock_filter rows[BPF_MAXINSNS + 1];
	struct sock_fprog program = {.filter = rows};
	int ends[2], status = -1;
	size_t size;
	pid_t maker;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	maker = fork();
	if (maker == 0)
		_exit(sandbox_write_filter(ends[1]) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
	(void)close(ends[1]); /* nothing was written through it here */
	size = maker > 0 ? sandbox_read(ends[0], rows, sizeof rows) : 0;
	(void)close(ends[0]); /* it was only read */
	while (maker > 0 && waitpid(maker, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0 || size == 0 || size % sizeof rows[0] != 0)
		return -1;
	program.len = (unsigned short)(size / sizeof rows[0]);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

#else

static int sandbox_calls(void)
{
	return -1;
}

#endif

/* ---- entering ---- */

unsigned sandbox_enter(const char *const *directories, size_t count)
{
	unsigned parts = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return 0; /* and the others need it */
	parts |= SANDBOX_PRIVILEGES;
	if (sandbox_files(directories, count) == 0)
		parts |= SANDBOX_FILES;
	if (sandbox_calls() == 0)
		parts |= SANDBOX_CALLS;
	return parts;
}

const char *sandbox_text(unsigned parts, char *text, size_t size)
{
	static const struct {
		enum sandbox_part part;
		const char *word;
	} words[] = {
		{SANDBOX_PRIVILEGES, "privileges"},
		{SANDBOX_FILES, "files"},
		{SANDBOX_CALLS, "system calls"},
	};
	size_t used = 0, i;

	assert(size > 0);
	(void)snprintf(text, size, "none");
	for (i = 0; i < sizeof words / sizeof words[0] && used < size; i++)
		if ((parts & words[i].part) != 0)
			used += (size_t)snprintf(text + used, size - used, "%s%s",
				used > 0 ? ", " : "", words[i].word);
	return text;
}
