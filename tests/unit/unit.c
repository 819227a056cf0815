/* Helpers of the unit tests: running a suite, failing allocations, guard pages, files. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Atomic, since a module's own threads allocate, too. */
static atomic_long unit_alloc_left = -1;
static atomic_int unit_alloc_refused;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
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
	errno = ENOMEM;
	return 1;
}

/* The linker sends the modules' allocations here (--wrap); those of libraries stay as they are. */
void *__wrap_malloc(size_t size)
{
	return unit_alloc_refuse() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return unit_alloc_refuse() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return unit_alloc_refuse() ? NULL : __real_realloc(old, size);
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
	atomic_store(&unit_alloc_left, n);
}

void unit_alloc_fail_never(void)
{
	atomic_store(&unit_alloc_left, -1);
}

int unit_alloc_failed(void)
{
	return atomic_load(&unit_alloc_refused);
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

int unit_run(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 60);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
