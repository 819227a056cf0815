/*
 * Helpers of the unit tests: running a suite, failing and counted allocations, guard pages, files.
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/util.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Only against a test that hangs: allocation after allocation refused takes time with a sanitizer.
 */
#define UNIT_SECONDS 180

/* Atomic, since a module's own threads allocate, too. */
static atomic_long unit_alloc_left = -1;
static atomic_int unit_alloc_refused;
static atomic_bool unit_alloc_once;
static atomic_long unit_alloc_live;
static long unit_alloc_live_before; /* the test */
static int unit_open_before;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void __real_free(void *old);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void __wrap_free(void *old);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);

static int unit_alloc_refuse(void)
{
	long left = atomic_load(&unit_alloc_left);

	while (left > 0 && !atomic_compare_exchange_weak(&unit_alloc_left, &left, left - 1))
		;
	if (left != 0)
		return 0;
	atomic_store(&unit_alloc_refused, 1);
	if (atomic_load(&unit_alloc_once))
		atomic_store(&unit_alloc_left, -1);
	errno = ENOMEM;
	return 1;
}

static void *unit_alloc_count(void *made)
{
	if (made != NULL)
		atomic_fetch_add(&unit_alloc_live, 1);
	return made;
}

/* The linker sends the modules' allocations here (--wrap), libevent is told to come here, too. */
void *__wrap_malloc(size_t size)
{
	return unit_alloc_refuse() ? NULL : unit_alloc_count(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
	return unit_alloc_refuse() ? NULL : unit_alloc_count(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
	void *made = unit_alloc_refuse() ? NULL : __real_realloc(old, size);

	return old == NULL ? unit_alloc_count(made) : made;
}

void __wrap_free(void *old)
{
	if (old != NULL)
		atomic_fetch_sub(&unit_alloc_live, 1);
	__real_free(old);
}

char *__wrap_strndup(const char *text, size_t size)
{
	size_t length = strnlen(text, size);
	char *copy = __wrap_malloc(length + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}

void unit_alloc_fail_after(long n)
{
	atomic_store(&unit_alloc_refused, 0);
	atomic_store(&unit_alloc_once, false);
	atomic_store(&unit_alloc_left, n);
}

void unit_alloc_fail_once(long n)
{
	unit_alloc_fail_after(n);
	atomic_store(&unit_alloc_once, true);
}

void unit_alloc_fail_never(void)
{
	atomic_store(&unit_alloc_left, -1);
}

int unit_alloc_failed(void)
{
	return atomic_load(&unit_alloc_refused);
}

long unit_alloc_alive(void)
{
	return atomic_load(&unit_alloc_live);
}

void unit_alloc_adopt(void)
{
	atomic_fetch_add(&unit_alloc_live, 1);
}

void unit_free_foreign(void *made)
{
	__real_free(made);
}

static size_t unit_guard_span(size_t size, size_t page)
{
	return (size + page - 1) / page * page + page;
}

uint8_t *unit_guard_copy(const void *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t span = unit_guard_span(size, page);
	uint8_t *base =
		mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(base, MAP_FAILED);
	ck_assert_int_eq(mprotect(base + span - page, page, PROT_NONE), 0);
	if (size > 0)
		memcpy(base + span - page - size, bytes, size);
	return base + span - page - size;
}

void unit_guard_free(uint8_t *copy, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t span = unit_guard_span(size, page);

	ck_assert_int_eq(munmap(copy + size + page - span, span), 0);
}

void unit_hear_stderr(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	ck_assert_int_eq(close(fd), 0);
}

int unit_said(const char *text)
{
	static char said[1 << 20];
	ssize_t size = pread(STDERR_FILENO, said, sizeof said - 1, 0);
	const char *at = said;
	int count = 0;

	ck_assert_int_ge(size, 0);
	said[size] = '\0';
	while ((at = strstr(at, text)) != NULL) {
		at++;
		count++;
	}
	return count;
}

static int64_t unit_ms(const struct timeval *time)
{
	return (int64_t)time->tv_sec * 1000 + time->tv_usec / 1000;
}

int64_t unit_now_ms(void)
{
	struct timeval now;

	ck_assert_int_eq(evutil_gettimeofday(&now, NULL), 0);
	return unit_ms(&now);
}

int64_t unit_due_ms(const struct event *event)
{
	struct timeval due;

	return event_pending(event, EV_TIMEOUT, &due) != 0 ? unit_ms(&due) : -1;
}

static int unit_note_due(const struct event_base *base, const struct event *event, void *arg)
{
	int64_t *last = arg, due = unit_due_ms(event);

	(void)base;
	if (due > *last)
		*last = due;
	return 0;
}

int64_t unit_last_due_ms(struct event_base *base)
{
	int64_t last = -1;

	ck_assert_int_eq(event_base_foreach_event(base, unit_note_due, &last), 0);
	return last;
}

char *unit_read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	char *text;
	long end;

	ck_assert_msg(file != NULL, "cannot open %s", path);
	ck_assert_int_eq(fseek(file, 0, SEEK_END), 0);
	end = ftell(file);
	ck_assert_int_ge(end, 0);
	rewind(file);
	text = malloc((size_t)end + 1);
	ck_assert_ptr_nonnull(text);
	*size = fread(text, 1, (size_t)end, file);
	ck_assert_uint_eq(*size, (size_t)end);
	text[*size] = '\0';
	(void)fclose(file); /* only read */
	return text;
}

static void (*unit_setup)(void), (*unit_teardown)(void);

void unit_fixture(void (*setup)(void), void (*teardown)(void))
{
	unit_setup = setup;
	unit_teardown = teardown;
}

/* How many descriptors are open, of those that a test comes to. */
static int unit_open(void)
{
	int fd, count = 0;

	for (fd = STDERR_FILENO + 1; fd < 64; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void unit_begin(void)
{
	unit_open_before = unit_open();
	unit_alloc_live_before = atomic_load(&unit_alloc_live);
	if (unit_setup != NULL)
		unit_setup();
}

/* Whatever a test and its modules have allocated, they have freed; opened: closed. */
static void unit_end(void)
{
	long live;
	int i;

	if (unit_teardown != NULL)
		unit_teardown();
	live = atomic_load(&unit_alloc_live) - unit_alloc_live_before;
	ck_assert_msg(live == 0, "%ld allocations were not freed", live);
	for (i = 0; i < 200 && unit_open() != unit_open_before; i++)
		(void)poll(NULL, 0, 10); /* a name may still be looked up by another thread */
	ck_assert_msg(unit_open() == unit_open_before, "%d descriptors were open, now %d",
		unit_open_before, unit_open());
}

int unit_run(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	event_set_mem_functions(__wrap_malloc, __wrap_realloc, __wrap_free);
	tcase_add_checked_fixture(tc, unit_begin, unit_end);
	tcase_set_timeout(tc, UNIT_SECONDS);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
