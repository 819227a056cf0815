/* What the loop keeps for the next messages and connections, and when it gives that back. */
#include <event2/event_struct.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/generation.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/unit.h"

#define SECOND UINT64_C(1000000000)

static const char *const flags[] = {
	"--upstream=tcp://127.0.0.1:7", "--inflight-max-age=100ms", NULL};

/* So often the ticker comes round. */
static long loop_period_us(const struct loop *loop)
{
	struct timeval period = loop->ticker->ev_.ev_io.ev_timeout;

	return period.tv_sec * 1000000 + period.tv_usec;
}

static void loop_fill_pool(struct loop *loop, size_t count)
{
	struct splice *splices[GENERATION_POOL_MAX];
	size_t i;

	for (i = 0; i < count; i++) {
		splices[i] = generation_splice_get(loop->generations->now);
		ck_assert_ptr_nonnull(splices[i]);
	}
	for (i = 0; i < count; i++)
		generation_splice_put(loop->generations->now, splices[i]);
	ck_assert_uint_eq(loop->generations->now->pool_count, count);
}

/* Ten seconds without an event, and once only. */
START_TEST(test_quiet)
{
	struct loop_case setup;
	struct loop *loop = &setup.loop;
	uint64_t now_ns;

	loop_case_open(&setup, flags);
	loop_trim(loop);
	loop_fill_pool(loop, 5);
	now_ns = loop->now_ns + 100 * SECOND;
	loop_tidy(loop, now_ns); /* nothing has happened since the last time */
	ck_assert_uint_eq(loop->generations->now->pool_count, 5);
	loop->active_ns = loop->now_ns = now_ns;
	loop_tidy(loop, now_ns + 10 * SECOND - 1);
	ck_assert_uint_eq(loop->generations->now->pool_count, 5);
	loop_tidy(loop, now_ns + 10 * SECOND);
	ck_assert_uint_eq(loop->generations->now->pool_count, 0);
	loop_case_close(&setup);
}
END_TEST

/* All that it needs is there at first: what it is given, and what the settings ask for. */
START_TEST(test_begin)
{
	const char *const limited[] = {"--upstream=tcp://127.0.0.1:7",
		_i == 0 ? "--connections-max-per-source=0" : "--connections-max-per-source=1",
		NULL};
	struct event_base *base = event_base_new();
	struct loop_case setup;
	struct loop loop;

	loop_case_open(&setup, limited);
	memset(&loop, 0, sizeof loop);
	ck_assert_int_eq(loop_init(&loop, base, setup.load.config, setup.tracer), 0);
	ck_assert_ptr_eq(loop.base, base);
	ck_assert_ptr_eq(loop.config, setup.load.config);
	ck_assert_int_eq(loop.sources != NULL, _i);
	ck_assert_ptr_nonnull(loop.conversations);
	ck_assert_uint_gt(loop.now_ns, 0);
	ck_assert(loop.tracing);
	loop_done(&loop);
	loop_case_close(&setup);
	event_base_free(base);
}
END_TEST

/* What once was a peak is none any more: a second time nothing is given back without another. */
START_TEST(test_drop_once)
{
	struct loop_case setup;
	struct loop *loop = &setup.loop;
	uint64_t now_ns;

	loop_case_open(&setup, flags);
	loop_trim(loop);
	now_ns = loop->now_ns + 10 * SECOND;
	loop->guest_count = 256;
	loop_tidy(loop, now_ns);
	loop->guest_count = 128;
	loop->now_ns = now_ns;
	loop_tidy(loop, now_ns);
	ck_assert_uint_eq(loop->trimmed_ns, now_ns);
	loop_tidy(loop, now_ns + 10 * SECOND);
	loop->guest_count = 65;
	loop->now_ns = now_ns + 20 * SECOND;
	loop_tidy(loop, now_ns + 20 * SECOND);
	ck_assert_uint_eq(loop->trimmed_ns, now_ns);
	loop->guest_count = 0;
	loop_case_close(&setup);
}
END_TEST

/* Less than half is left of many, whatever goes on; but not again and again. */
START_TEST(test_drop)
{
	struct loop_case setup;
	struct loop *loop = &setup.loop;
	uint64_t now_ns;
	size_t peak = _i == 0 ? 256 : 255; /* of so few nothing is given back */

	loop_case_open(&setup, flags);
	loop_trim(loop);
	now_ns = loop->now_ns + 10 * SECOND;
	loop_fill_pool(loop, 5);
	loop->guest_count = peak;
	loop_tidy(loop, now_ns);
	loop->guest_count = peak / 2 + 1;
	loop_tidy(loop, now_ns);
	ck_assert_uint_eq(loop->generations->now->pool_count, 5);
	loop->guest_count = peak / 2;
	loop_tidy(loop, now_ns - 1);
	ck_assert_uint_eq(loop->generations->now->pool_count, 5);
	loop->now_ns = now_ns;
	loop_tidy(loop, now_ns);
	ck_assert_uint_eq(loop->generations->now->pool_count, _i == 0 ? 0 : 5);
	loop->guest_count = 0;
	loop_case_close(&setup);
}
END_TEST

/* How many bytes of it are in memory, but for the pages that it shares with its neighbours. */
static size_t loop_resident(const uint8_t *bytes, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), count = 0, i;
	size_t skip = -(uintptr_t)bytes % page;
	unsigned char in[LOOP_WRITE_SIZE / 4096];

	size = (size - skip) / page * page;
	ck_assert_int_eq(mincore((void *)(uintptr_t)(bytes + skip), size, in), 0);
	for (i = 0; i < size / page; i++)
		count += in[i] & 1;
	return count * page;
}

/* What wake-ups work in is as large as ever, but takes no memory until the next one. */
START_TEST(test_scratch)
{
	const size_t shared = 2 * (size_t)sysconf(_SC_PAGESIZE);
	struct loop_case setup;
	struct loop *loop = &setup.loop;

	loop_case_open(&setup, flags);
	memset(loop->read_bytes, 1, LOOP_READ_SIZE);
	memset(loop->write_bytes, 1, LOOP_WRITE_SIZE);
	ck_assert_uint_ge(loop_resident(loop->read_bytes, LOOP_READ_SIZE), LOOP_READ_SIZE - shared);
	ck_assert_uint_ge(
		loop_resident(loop->write_bytes, LOOP_WRITE_SIZE), LOOP_WRITE_SIZE - shared);
	loop_trim(loop);
	ck_assert_uint_eq(loop_resident(loop->read_bytes, LOOP_READ_SIZE), 0);
	ck_assert_uint_eq(loop_resident(loop->write_bytes, LOOP_WRITE_SIZE), 0);
	memset(loop->read_bytes, 1, LOOP_READ_SIZE);
	memset(loop->write_bytes, 1, LOOP_WRITE_SIZE);
	loop_case_close(&setup);
}
END_TEST

/* The ticker looks after it, and what it does itself is no event. */
START_TEST(test_ticker)
{
	struct loop_case setup;
	struct loop *loop = &setup.loop;

	loop_case_open(&setup, flags);
	loop_case_turn(&setup);
	loop->trimmed_ns = loop->now_ns - 60 * SECOND;
	loop->active_ns = loop->now_ns - 60 * SECOND + 1;
	loop_fill_pool(loop, 5);
	loop_case_turn(&setup);
	ck_assert_uint_eq(loop->generations->now->pool_count, 0);
	ck_assert_uint_lt(loop->active_ns, loop->trimmed_ns);
	loop_clock_idle(loop); /* as timers do */
	loop_case_turn(&setup);
	ck_assert_uint_lt(loop->active_ns, loop->trimmed_ns);
	loop_clock(loop); /* as every event does */
	loop_clock_idle(loop);
	loop_case_turn(&setup);
	ck_assert_uint_gt(loop->active_ns, loop->trimmed_ns);
	loop_case_close(&setup);
}
END_TEST

/* It comes round eight times in inflight.max_age, and at least every second. */
static const struct {
	const char *age;
	long ms;
} periods[] = {
	{"--inflight-max-age=100ms", 12},
	{"--inflight-max-age=104ms", 13},
	{"--inflight-max-age=7s", 875},
	{"--inflight-max-age=8s", 1000},
	{"--inflight-max-age=1h", 1000},
};

START_TEST(test_period)
{
	const char *const aged[] = {"--upstream=tcp://127.0.0.1:7", periods[_i].age, NULL};
	struct loop_case setup;

	loop_case_open(&setup, aged);
	ck_assert_int_eq(loop_period_us(&setup.loop), periods[_i].ms * 1000);
	loop_case_close(&setup);
}
END_TEST

static struct config *loop_load_age(const char *age)
{
	static const char *const no_variables[] = {NULL};
	const char *const aged[] = {"--upstream=tcp://127.0.0.1:7", age, NULL};
	struct config_case load;
	struct config *config;

	config_case_load(&load, aged, no_variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	config = load.config;
	load.config = NULL;
	config_case_done(&load);
	return config;
}

/* New settings make it faster, never slower: who came before a longer age keeps the shorter. */
START_TEST(test_other_periods)
{
	const char *const aged[] = {"--upstream=tcp://127.0.0.1:7", "--inflight-max-age=1h", NULL};
	static const struct {
		const char *age;
		long ms;
	} ages[] = {{"--inflight-max-age=4s", 500}, {"--inflight-max-age=104ms", 13},
		{"--inflight-max-age=8s", 13}};
	struct loop_case setup;
	char error[256];
	size_t i;

	loop_case_open(&setup, aged);
	for (i = 0; i < 3; i++) {
		struct config *config = loop_load_age(ages[i].age);
		struct tracer *tracer = tracer_new(config, NULL, NULL, NULL, error, sizeof error);

		ck_assert_msg(tracer != NULL, "%s", error);
		loop_renew(&setup.loop, config, generation_new(config, tracer));
		ck_assert_int_eq(loop_period_us(&setup.loop), ages[i].ms * 1000);
	}
	loop_case_turn(&setup); /* and it does come round */
	ck_assert_uint_eq(setup.loop.ticked_ns, setup.loop.now_ns);
	loop_case_close(&setup);
}
END_TEST

/* A guest that notes what is asked of it: tick, wind up, stop, reap. */
struct visitor {
	struct loop_guest guest;
	struct loop *loop;
	bool leaves; /* when it is ticked */
	char told[8];
};

static void visitor_note(struct loop_guest *guest, char what)
{
	struct visitor *visitor = (struct visitor *)guest;

	visitor->told[strlen(visitor->told)] = what;
	if (what == 's' || ((what == 't' || what == 'w') && visitor->leaves))
		loop_leave(visitor->loop, guest);
}

static void visitor_tick(struct loop_guest *guest)
{
	visitor_note(guest, 't');
}

static size_t visitor_waiting(const struct loop_guest *guest)
{
	(void)guest;
	return 300;
}

static void visitor_wind_up(struct loop_guest *guest)
{
	visitor_note(guest, 'w');
}

static void visitor_stop(struct loop_guest *guest)
{
	visitor_note(guest, 's');
}

static void visitor_reap(struct loop_guest *guest)
{
	visitor_note(guest, 'r');
}

static const struct loop_guest_ops visitor_ops = {
	.tick = visitor_tick,
	.waiting = visitor_waiting,
	.wind_up = visitor_wind_up,
	.stop = visitor_stop,
	.reap = visitor_reap,
};

/*
 * Guests are ticked, may leave there, and are reaped once, after the callback; those that stay are
 * stopped with the loop. One that is buried was none.
 */
START_TEST(test_guests)
{
	struct visitor visitors[4];
	struct loop_case setup;
	struct loop *loop = &setup.loop;
	size_t i;

	loop_case_open(&setup, flags);
	for (i = 0; i < 4; i++) {
		visitors[i] = (struct visitor){
			.guest.ops = &visitor_ops, .loop = loop, .leaves = i % 2 == 0};
		if (i < 3)
			loop_enter(loop, &visitors[i].guest);
	}
	ck_assert_uint_eq(loop->guest_count, 3);
	loop_tidy(loop, loop->now_ns);
	ck_assert_uint_eq(loop->load_peak, 3 + 3 * 300);
	loop_bury(loop, &visitors[3].guest);
	ck_assert_str_eq(visitors[3].told, "");
	loop_case_until(&setup, strchr(visitors[0].told, 'r') != NULL);
	ck_assert_str_eq(visitors[0].told, "tr");
	ck_assert_str_eq(visitors[2].told, "tr");
	ck_assert_str_eq(visitors[3].told, "r");
	ck_assert_int_eq(visitors[1].told[0], 't');
	ck_assert_uint_eq(loop->guest_count, 1);
	memset(visitors[1].told, 0, sizeof visitors[1].told);
	loop_case_close(&setup);
	ck_assert_str_eq(visitors[1].told, "sr");
	ck_assert_str_eq(visitors[0].told, "tr");
}
END_TEST

/* Who has only begun leaves when all is to stop, and is asked for nothing more; others stay. */
START_TEST(test_wind_up)
{
	struct visitor visitors[3];
	struct loop_case setup;
	struct loop *loop = &setup.loop;
	size_t i;

	loop_case_open(&setup, flags);
	for (i = 0; i < 3; i++) {
		visitors[i] =
			(struct visitor){.guest.ops = &visitor_ops, .loop = loop, .leaves = i != 1};
		loop_enter(loop, &visitors[i].guest);
	}
	loop_wind_up(loop);
	ck_assert_uint_eq(loop->guest_count, 1);
	loop_case_close(&setup);
	ck_assert_str_eq(visitors[0].told, "wr");
	ck_assert_str_eq(visitors[1].told, "wsr");
	ck_assert_str_eq(visitors[2].told, "wr");
}
END_TEST

/* Sanitizers keep it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_GOES_BACK 0
#else
#define MEMORY_GOES_BACK 1
#endif

/* Bytes of this process that are in memory. */
static size_t resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	char text[128] = "";

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof text, file));
	(void)fclose(file);
	return strtoul(text + strcspn(text, " "), NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* What was freed in small pieces, with one behind it that is not, goes back to the system. */
START_TEST(test_memory_goes_back)
{
	enum { PIECES = 16384, PIECE = 1024 };
	static void *pieces[PIECES];
	struct loop_case setup;
	size_t before, i;

	loop_case_open(&setup, flags);
	for (i = 0; i < PIECES; i++) {
		pieces[i] = malloc(PIECE);
		ck_assert_ptr_nonnull(pieces[i]);
		memset(pieces[i], 1, PIECE);
	}
	before = resident();
	for (i = 0; i < PIECES - 1; i++)
		free(pieces[i]);
	loop_trim(&setup.loop);
	ck_assert_uint_lt(resident() + PIECES * PIECE / 2, before);
	free(pieces[PIECES - 1]);
	loop_case_close(&setup);
}
END_TEST

/* What it says of its settings: which they are, and since when. */
START_TEST(test_settings)
{
	static const char *const other[] = {"--upstream=unix:///nobody", "--disabled", NULL};
	struct loop_case setup, renewed;
	struct timespec now;
	uint64_t before_ns, first_ns;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	before_ns = (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
	loop_case_open(&setup, flags);
	first_ns = setup.loop.config_unix_ns;
	ck_assert_uint_eq(setup.loop.config_number, 1);
	ck_assert_uint_ge(first_ns, before_ns);
	ck_assert(setup.loop.tracing);
	loop_case_open(&renewed, other);
	ck_assert(!renewed.loop.tracing);
	loop_renew(&setup.loop, renewed.load.config, NULL);
	ck_assert_uint_eq(setup.loop.config_number, 2);
	ck_assert_uint_gt(setup.loop.config_unix_ns, first_ns);
	ck_assert_ptr_eq(setup.loop.config, renewed.load.config);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	ck_assert_uint_le(
		setup.loop.config_unix_ns, (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec);
	loop_case_close(&setup);
	loop_case_close(&renewed);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("loop");

	tcase_add_test(tc, test_quiet);
	tcase_add_loop_test(tc, test_begin, 0, 2);
	tcase_add_test(tc, test_drop_once);
	tcase_add_loop_test(tc, test_drop, 0, 2);
	tcase_add_test(tc, test_scratch);
	tcase_add_test(tc, test_ticker);
	tcase_add_loop_test(tc, test_period, 0, sizeof periods / sizeof periods[0]);
	tcase_add_test(tc, test_other_periods);
	tcase_add_test(tc, test_guests);
	tcase_add_test(tc, test_wind_up);
	tcase_add_loop_test(tc, test_memory_goes_back, 0, MEMORY_GOES_BACK);
	tcase_add_test(tc, test_settings);
	return unit_run("loop", tc);
}
