#ifndef TESTS_UNIT_UNIT_H
#define TESTS_UNIT_UNIT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What holds costs nothing: check would tell its runner where it is, by system calls, which was
 * most of the time of tests that look at every byte. Of a crash the runner knows the test, not the
 * line.
 */
#define _mark_point(file, line) ((void)0)

/*
 * What the unit tests share. Every tests/unit/test_*.c is a program of its own that ends with
 *
 *	int main(void)
 *	{
 *		TCase *tc = tcase_create("module");
 *		tcase_add_test(tc, test_something);
 *		return unit_run("module", tc);
 *	}
 */
int unit_run(const char *name, TCase *tc);

/* Before unit_run(): what goes around each test, which also must leave no allocation behind. */
void unit_fixture(void (*setup)(void), void (*teardown)(void));

/* How many allocations of the modules there are now. */
long unit_alloc_alive(void);

/* Frees what the C library has allocated, which is not counted: open_memstream()'s text. */
void unit_free_foreign(void *made);

/*
 * The C library has allocated something that is now the modules' to free: open_memstream()'s text.
 */
void unit_alloc_adopt(void);

/* The next n allocations succeed, all later ones fail, until unit_alloc_fail_never(). */
void unit_alloc_fail_after(long n);
void unit_alloc_fail_never(void);
/* The next n allocations succeed, the one behind them fails, and no other. */
void unit_alloc_fail_once(long n);
/* That or, if once, the other: for loops over both, as what fails may go on, or may not clear up.
 */
static inline void unit_alloc_fail(int once, long n)
{
	if (once)
		unit_alloc_fail_once(n);
	else
		unit_alloc_fail_after(n);
}
/* Whether an allocation was refused since unit_alloc_fail_after(). */
int unit_alloc_failed(void);

/*
 * A copy of size bytes that ends right before an unreadable page: reading one byte too many
 * crashes. Writable. Free with unit_guard_free(copy, size).
 */
uint8_t *unit_guard_copy(const void *bytes, size_t size);
void unit_guard_free(uint8_t *copy, size_t size);

/* Keeps what is written to stderr from now on, as the log is; how many times it has that text. */
void unit_hear_stderr(void);
int unit_said(const char *text);

/* By one clock: now, and when the time of an event is over, or the last one of a loop; -1: none. */
struct event;
struct event_base;
int64_t unit_now_ms(void);
int64_t unit_due_ms(const struct event *event);
int64_t unit_last_due_ms(struct event_base *base);
/*
 * That is ms after it was set, which was done between then and now; but for how coarse clocks are.
 */
#define unit_is_due(due_ms, then_ms, ms)                                                           \
	do {                                                                                       \
		ck_assert_int_ge(due_ms, (then_ms) + (ms)-100);                                    \
		ck_assert_int_le(due_ms, unit_now_ms() + (ms) + 100);                              \
	} while (0)

/* Reads a whole file, terminated; the test fails when it cannot. The caller frees. */
char *unit_read_file(const char *path, size_t *size);

#endif
