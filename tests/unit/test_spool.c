/*
 * The spool on a real directory: rows, bounds, what former processes have left, whose files are
 * whose. This file stands between the spool and the disk: it counts what is synced, and fails when
 * told to. After each case every span is accounted for, and every block.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "exporter/batch.h"
#include "exporter/handover.h"
#include "exporter/report.h"
#include "exporter/settings.h"
#include "exporter/spool/segment.h"
#include "exporter/spool/spool.h"
#include "tests/unit/unit.h"

enum { BLOCK = 4096, DAY_MS = 86400000, LINES_SIZE = 4096, FILES_MAX = 64 };

/* ---- the disk ---- */

static struct {
	unsigned syncs;
	int write_error;      /* 0: none */
	size_t write_max;     /* bytes taken at once */
	unsigned write_count; /* so many succeed before the error */
} disk;

int fsync(int fd)
{
	(void)fd;
	disk.syncs++;
	return 0;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
	struct iovec part = parts[0].iov_len > 0 ? parts[0] : parts[1];

	if (disk.write_error != 0 && disk.write_count-- == 0) {
		disk.write_count = 0;
		errno = disk.write_error;
		return -1;
	}
	if (disk.write_max == 0)
		return syscall(SYS_writev, fd, parts, count);
	if (part.iov_len > disk.write_max)
		part.iov_len = disk.write_max;
	return syscall(SYS_write, fd, part.iov_base, part.iov_len);
}

/* ---- the spool under test ---- */

static char directory[64], lines[LINES_SIZE];
static struct handover handover;
static struct report report;
static struct exporter_config config;
static struct spool *spool;
static struct spool_time now;

static void on_line(void *arg, enum exporter_level level, const char *line)
{
	size_t used = strlen(lines);

	(void)arg;
	snprintf(lines + used, sizeof lines - used, "%d %s\n", (int)level, line);
}

static void init_counters(void)
{
	ck_assert_int_eq(handover_init(&handover, SIZE_MAX, SIZE_MAX), 0);
	handover.spare_bytes_max = BLOCK;
}

static void setup(void)
{
	memset(&disk, 0, sizeof disk);
	lines[0] = '\0';
	now = (struct spool_time){1000000, 1764499200000};
	snprintf(directory, sizeof directory, "%s/test_spool.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	config = (struct exporter_config){
		.endpoint_shown = "there",
		.spool_directory = directory,
		.spool_bytes_max = 1 << 20,
		.spool_age_max_ms = DAY_MS,
		.spool_sync = EXPORTER_SYNC_BATCH,
		.request_bytes_max = 100000,
		.report = on_line,
	};
	report_init(&report, &config);
	init_counters();
}

static void start(void)
{
	char error[256] = "";

	spool = spool_new(&config, &handover, &report, error, sizeof error);
	ck_assert_msg(spool != NULL, "%s", error);
	spool_recover(spool, &now);
}

static struct exporter_counters balance(void)
{
	struct exporter_counters c;

	handover_counters(&handover, &c);
	ck_assert_uint_eq(c.created,
		c.sent + c.rejected + c.dropped_spool + c.dropped_corrupt + c.spooled + c.pending);
	return c;
}

static void stop(void)
{
	balance();
	spool_free(spool);
	spool = NULL;
	handover_done(&handover);
}

/* As another process that starts when this one is gone. */
static void restart(void)
{
	stop();
	init_counters();
	lines[0] = '\0';
	start();
}

static void path_of(char path[PATH_MAX], const char *name)
{
	snprintf(path, PATH_MAX, "%s/%s", directory, name);
}

/* The names but locks, sorted; the files' blocks. */
static unsigned list(char names[FILES_MAX][SEGMENT_NAME_SIZE], uint64_t *bytes)
{
	struct dirent **entries;
	char path[PATH_MAX];
	struct stat is;
	int found = scandir(directory, &entries, NULL, alphasort), i;
	unsigned count = 0;

	*bytes = 0;
	for (i = 0; i < found; i++) {
		const char *name = entries[i]->d_name;

		if (name[0] != '.' && strstr(name, ".lock") == NULL) {
			path_of(path, name);
			ck_assert_int_eq(lstat(path, &is), 0);
			if (strstr(name, ".segment") != NULL) {
				ck_assert_int_eq(is.st_mode & 0777, 0600);
				*bytes += (uint64_t)(is.st_size + BLOCK - 1) / BLOCK * BLOCK;
			}
			ck_assert_uint_lt(count, FILES_MAX);
			ck_assert_uint_lt(strlen(name), SEGMENT_NAME_SIZE);
			strcpy(names[count++], name);
		}
		unit_free_foreign(entries[i]);
	}
	if (found >= 0)
		unit_free_foreign(entries);
	return count;
}

static char names[FILES_MAX][SEGMENT_NAME_SIZE];

/* So many files, whose blocks are what is counted. */
static void files_are(unsigned count)
{
	uint64_t bytes;

	ck_assert_uint_eq(list(names, &bytes), count);
	ck_assert_uint_eq(balance().spool_bytes, bytes);
}

static int remove_one(const char *path, const struct stat *is, int type, struct FTW *at)
{
	(void)is;
	(void)type;
	(void)at;
	return remove(path);
}

static void teardown(void)
{
	if (spool != NULL)
		stop();
	ck_assert_int_eq(nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static struct batch *make(const char *text, size_t size)
{
	struct batch *batch = batch_new();
	size_t i;

	batch->body.limit = SIZE_MAX / 2;
	text_append(&batch->body, text, strlen(text));
	for (i = strlen(text); i < size; i++)
		TEXT_APPEND(&batch->body, ".");
	batch->span_count = 2;
	batch->encoding = BATCH_JSON;
	ck_assert(!handover_put(&handover, batch, false));
	return handover_take(&handover, 0);
}

static int put_sized(const char *text, size_t size)
{
	struct batch *batch = make(text, size);
	int result = spool_put(spool, batch, &now);

	if (result != 0)
		handover_settle(&handover, batch, RETRY_DELIVERED, 0);
	return result;
}

static int put(const char *text)
{
	return put_sized(text, 100);
}

/* The batch begins with it; is delivered. */
static void delivered(struct batch *batch, const char *text)
{
	ck_assert_ptr_nonnull(batch);
	ck_assert_uint_ge(batch->body.size, strlen(text));
	ck_assert_mem_eq(batch->body.bytes, text, strlen(text));
	ck_assert_uint_eq(batch->encoding, BATCH_JSON);
	ck_assert_uint_eq(batch->span_count, 2);
	spool_release(spool, batch);
	handover_settle(&handover, batch, RETRY_DELIVERED, 0);
}

static struct batch *take(void)
{
	return spool_take_backlog(spool, &now, false);
}

/* ---- rows ---- */

START_TEST(test_in_order)
{
	start();
	ck_assert(!spool_has_fresh(spool) && !spool_has_backlog(spool));
	ck_assert_ptr_null(spool_take_fresh(spool, &now));
	ck_assert_ptr_null(take());
	ck_assert_int_eq(put("one"), 0);
	ck_assert_int_eq(put_sized("two", BLOCK - SEGMENT_HEAD_SIZE), 0);
	ck_assert_int_eq(put_sized("three", BLOCK - SEGMENT_HEAD_SIZE + 1), 0);
	files_are(3);
	ck_assert_uint_eq(balance().spool_bytes, 4 * BLOCK);
	ck_assert_uint_eq(balance().spooled, 6);
	ck_assert_uint_eq(balance().spool_batches, 3);
	ck_assert(spool_has_fresh(spool) && !spool_has_backlog(spool));
	delivered(spool_take_fresh(spool, &now), "one");
	files_are(2);
	spool_age(spool);
	ck_assert(!spool_has_fresh(spool) && spool_has_backlog(spool));
	ck_assert_int_eq(put("four"), 0);
	delivered(take(), "two");
	delivered(take(), "three");
	ck_assert_ptr_null(take());
	delivered(spool_take_fresh(spool, &now), "four");
	files_are(0);
	ck_assert_uint_eq(balance().sent, 8);
	ck_assert_str_eq(lines, "");
}
END_TEST

/* What is not taken is the oldest again, whichever of the two oldest it was. */
START_TEST(test_returned)
{
	struct batch *batch;

	start();
	put("one");
	put("two");
	put("three");
	spool_age(spool);
	batch = take();
	ck_assert_uint_eq(balance().spooled, 6);
	spool_return(spool, batch, false);
	batch = spool_take_backlog(spool, &now, true);
	ck_assert_mem_eq(batch->body.bytes, "two", 3);
	spool_return(spool, batch, false);
	files_are(3);
	delivered(take(), "one");
	delivered(spool_take_backlog(spool, &now, true), "three");
	delivered(spool_take_backlog(spool, &now, true), "two");
	ck_assert_ptr_null(spool_take_backlog(spool, &now, true));
}
END_TEST

/* The fault may be the batch's when others are taken: then it lets them pass. */
START_TEST(test_blamed)
{
	unsigned i;

	start();
	put("one");
	put("two");
	put("three");
	put("four");
	spool_age(spool);
	for (i = 0; i < 100; i++)
		spool_return(spool, take(), true); /* nobody is taken at all */
	delivered(spool_take_backlog(spool, &now, true), "two");
	spool_return(spool, take(), false);
	spool_return(spool, take(), true);
	delivered(take(), "three");
	delivered(take(), "four");
	delivered(take(), "one");
}
END_TEST

/* ---- bounds ---- */

START_TEST(test_bytes_max)
{
	config.spool_bytes_max = 3 * BLOCK;
	start();
	put("one");
	put("two");
	spool_age(spool);
	put("three");
	files_are(3);
	put("four");
	files_are(3);
	ck_assert_uint_eq(balance().dropped_spool, 2);
	ck_assert_int_eq(put_sized("five", 2 * BLOCK), 0); /* with its head three blocks */
	files_are(1);
	ck_assert_uint_eq(balance().dropped_spool, 8);
	ck_assert_int_eq(put_sized("six", 3 * BLOCK), -1);
	files_are(0);
	ck_assert_str_eq(lines, "1 2 spans dropped from the spool, the oldest first, waiting for "
				"the collector there: more than spool.bytes_max\n");
}
END_TEST

/* The one that is being sent is not dropped; without room a new one stays in memory. */
START_TEST(test_bytes_max_taken)
{
	struct batch *batch;

	config.spool_bytes_max = BLOCK;
	start();
	put("one");
	batch = spool_take_fresh(spool, &now);
	ck_assert_int_eq(put("two"), -1);
	files_are(1);
	delivered(batch, "one");
	ck_assert_int_eq(put("three"), 0);
	ck_assert_uint_eq(balance().spool_failures, 0);
}
END_TEST

START_TEST(test_age_max)
{
	start();
	put("one");
	now.unix_ms += DAY_MS - 1;
	put("two");
	spool_age(spool);
	now.unix_ms += 1;
	spool_return(spool, take(), false);
	now.unix_ms += 1;
	if (_i == 0)
		delivered(take(), "two");
	else if (_i == 1)
		put("three");
	else
		restart();
	files_are(_i == 1 ? 2 : (unsigned)_i / 2);
	ck_assert_uint_eq(balance().dropped_spool, 2);
	ck_assert_str_eq(lines, "1 2 spans dropped from the spool, the oldest first, waiting for "
				"the collector there: older than spool.age_max\n");
}
END_TEST

/* ---- another start ---- */

START_TEST(test_restart)
{
	start();
	put("one");
	put("two");
	now.unix_ms -= 3600000; /* somebody has set the clock */
	put("three");
	restart();
	files_are(3);
	ck_assert_uint_eq(balance().created, 6);
	ck_assert_uint_eq(balance().spool_recovered, 6);
	ck_assert_uint_eq(balance().spooled, 6);
	put("four");
	restart();
	delivered(take(), "one");
	delivered(take(), "two");
	delivered(take(), "three");
	delivered(take(), "four");
	ck_assert_str_eq(lines, "");
}
END_TEST

/* One that was being sent when its process ended is sent again. */
START_TEST(test_restart_while_taken)
{
	struct batch *batch;

	start();
	put("one");
	batch = spool_take_fresh(spool, &now);
	spool_return(spool, batch, false);
	restart();
	delivered(take(), "one");
}
END_TEST

/* A process that ends while it writes: what is whole counts, what is not is not there. */
START_TEST(test_part)
{
	char before[PATH_MAX], after[PATH_MAX];

	start();
	put("one");
	files_are(1);
	path_of(before, names[0]);
	path_of(after, "sidespan-0-0000000000000007.part");
	ck_assert_int_eq(rename(before, after), 0);
	if (_i > 0)
		ck_assert_int_eq(truncate(after, SEGMENT_HEAD_SIZE + 100 - _i), 0);
	stop();
	init_counters();
	start();
	ck_assert_uint_eq(balance().spool_recovered, _i == 0 ? 2 : 0);
	files_are(_i == 0);
	ck_assert_str_eq(lines, "");
}
END_TEST

/* What was done to a file between two starts, or while its process runs. */
static void harm(const char *path, int how)
{
	int fd = open(path, O_RDWR);

	ck_assert_int_ge(fd, 0);
	switch (how) {
	case 0: /* cut in the head */
		ck_assert_int_eq(ftruncate(fd, 20), 0);
		break;
	case 1: /* cut in the batch */
		ck_assert_int_eq(ftruncate(fd, SEGMENT_HEAD_SIZE + 50), 0);
		break;
	case 2:
		ck_assert_int_eq(ftruncate(fd, 0), 0);
		break;
	case 3: /* longer */
		ck_assert_int_eq(ftruncate(fd, SEGMENT_HEAD_SIZE + 101), 0);
		break;
	case 4: /* a bit of the head */
		ck_assert_int_eq(pwrite(fd, "\x03", 1, 12), 1);
		break;
	case 5: /* a bit of the batch */
		ck_assert_int_eq(pwrite(fd, "!", 1, SEGMENT_HEAD_SIZE + 60), 1);
		break;
	case 6:
		ck_assert_int_eq(pwrite(fd, "#!/bin/sh", 9, 0), 9);
		break;
	case 7: /* a pipe */
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(mkfifo(path, 0600), 0);
		break;
	default: /* a link to a good one */
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_int_eq(symlink("sidespan-0-0000000000000001.segment", path), 0);
		break;
	}
	close(fd);
}

enum { HARMS = 9 };

START_TEST(test_harmed)
{
	bool restarts = _i < HARMS;
	char path[PATH_MAX];

	start();
	put("one");
	put("two");
	put("three");
	files_are(3);
	path_of(path, names[1]);
	spool_age(spool);
	harm(path, _i % HARMS);
	if (restarts)
		restart();
	delivered(take(), "one");
	delivered(take(), "three");
	ck_assert_ptr_null(take());
	ck_assert_uint_eq(balance().spool_files_bad, 1);
	/* known from the head, if that was good when it was read */
	ck_assert_uint_eq(balance().dropped_corrupt, !restarts || _i == 5 ? 2 : 0);
	files_are(1);
	ck_assert_ptr_nonnull(strstr(names[0], ".bad"));
	ck_assert_ptr_nonnull(strstr(lines, "1 1 files of the spool are of no use, such as "
					    "sidespan-0-"));
	restart(); /* not met again, and not for ever */
	ck_assert_str_eq(lines, "");
	files_are(1);
	now.unix_ms += 1000 * (int64_t)DAY_MS;
	restart();
	files_are(0);
}
END_TEST

/* A file that is gone, and one that is longer than a request may be. */
START_TEST(test_gone)
{
	char path[PATH_MAX];

	start();
	put("one");
	put_sized("two", 100001);
	put_sized("three", 100000);
	files_are(3);
	path_of(path, names[0]);
	ck_assert_int_eq(unlink(path), 0);
	delivered(spool_take_fresh(spool, &now), "three");
	ck_assert_uint_eq(balance().dropped_corrupt, 4);
	ck_assert_uint_eq(balance().spool_files_bad, 2);
	ck_assert_ptr_nonnull(strstr(lines, ": it cannot be opened\n"));
}
END_TEST

/* What is not ours stays as it is. */
START_TEST(test_foreign)
{
	char path[PATH_MAX];
	int fd;

	path_of(path, "README");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	path_of(path, "lost+found");
	ck_assert_int_eq(mkdir(path, 0700), 0);
	start();
	ck_assert_uint_eq(balance().spool_files_bad, 1);
	ck_assert_uint_eq(balance().created, 0);
	ck_assert_str_eq(lines, "1 1 files of the spool are of no use, such as one whose name is "
				"none of ours: it stays where it is\n");
	files_are(2);
}
END_TEST

/* ---- two at once ---- */

/* Each has files of its own; who starts when both are gone has those of both, in order. */
START_TEST(test_two)
{
	struct spool *first;

	start();
	first = spool;
	put("one");
	start();
	ck_assert(!spool_has_backlog(spool)); /* it is not the second one's */
	now.unix_ms++;
	put("two");
	spool_free(spool);
	spool = first;
	now.unix_ms++;
	put("three");
	restart();
	ck_assert_uint_eq(balance().spool_recovered, 6);
	files_are(3);
	delivered(take(), "one");
	delivered(take(), "two");
	delivered(take(), "three");
}
END_TEST

/* There are 256 places; who has none does without, and hears of it. */
START_TEST(test_many)
{
	struct spool *all[SEGMENT_SLOTS];
	char error[256], expected[256];
	unsigned i;

	for (i = 0; i < SEGMENT_SLOTS; i++) {
		all[i] = spool_new(&config, &handover, &report, error, sizeof error);
		ck_assert_ptr_nonnull(all[i]);
	}
	ck_assert_ptr_null(spool_new(&config, &handover, &report, error, sizeof error));
	snprintf(expected, sizeof expected, "%s: Too many users", directory);
	ck_assert_str_eq(error, expected);
	spool_free(all[77]);
	start();
	put("one");
	files_are(1);
	ck_assert_ptr_eq(strstr(names[0], "sidespan-77-"), names[0]);
	for (i = 0; i < SEGMENT_SLOTS; i++)
		if (i != 77)
			spool_free(all[i]);
}
END_TEST

/* ---- a disk that takes nothing ---- */

static const int disk_errors[] = {ENOSPC, EROFS, EIO, EDQUOT};

START_TEST(test_disk_full)
{
	unsigned i;

	disk.write_error = disk_errors[_i];
	disk.write_max = 30;
	disk.write_count = 3; /* some of it is written */
	start();
	ck_assert(spool_is_usable(spool, &now));
	ck_assert_int_eq(put("one"), -1);
	files_are(0);
	for (i = 0; i < 20; i++) {
		ck_assert(!spool_is_usable(spool, &now));
		now.now_ms += 10000;
		ck_assert(spool_is_usable(spool, &now));
		ck_assert_int_eq(put("two"), -1);
	}
	ck_assert_uint_eq(balance().spool_failures, 21);
	disk.write_error = 0;
	ck_assert_int_eq(put("three"), 0);
	files_are(1);
	ck_assert(spool_is_usable(spool, &now));
	delivered(spool_take_fresh(spool, &now), "three");
	snprintf(names[0], sizeof names[0], "%s", strerror(disk_errors[_i]));
	ck_assert_ptr_nonnull(strstr(lines, names[0]));
	ck_assert_ptr_nonnull(strstr(lines, "1 the spool takes no batches, they stay in memory: "));
	ck_assert_ptr_nonnull(strstr(lines, "\n2 the spool takes batches again\n"));
	ck_assert_ptr_eq(strstr(lines, "\n2"), strchr(lines, '\n')); /* no other line */
}
END_TEST

/* Written in pieces it is the same. */
START_TEST(test_pieces)
{
	disk.write_max = (size_t)_i;
	start();
	put("one");
	delivered(spool_take_fresh(spool, &now), "one");
}
END_TEST

/* ---- syncing ---- */

START_TEST(test_sync)
{
	config.spool_sync = (enum exporter_sync)_i;
	start();
	ck_assert_int_eq(spool_sync(spool, now.now_ms), INT64_MAX);
	put("one");
	put("two");
	ck_assert_uint_eq(disk.syncs, _i == EXPORTER_SYNC_BATCH ? 4 : 0);
	if (_i != EXPORTER_SYNC_INTERVAL) {
		ck_assert_int_eq(spool_sync(spool, INT64_MAX), INT64_MAX);
		ck_assert_uint_eq(disk.syncs, _i == EXPORTER_SYNC_BATCH ? 4 : 0);
		return;
	}
	ck_assert_int_eq(spool_sync(spool, now.now_ms), now.now_ms + 1000);
	spool_age(spool);
	put("three");
	now.now_ms += 999;
	ck_assert_int_eq(spool_sync(spool, now.now_ms), now.now_ms + 1);
	ck_assert_uint_eq(disk.syncs, 0);
	now.now_ms += 1;
	ck_assert_int_eq(spool_sync(spool, now.now_ms), INT64_MAX);
	ck_assert_uint_eq(disk.syncs, 4);
	put("four");
	ck_assert_int_eq(spool_sync(spool, INT64_MAX), INT64_MAX);
	ck_assert_uint_eq(disk.syncs, 6);
}
END_TEST

/* ---- making one ---- */

static const struct {
	const char *below, *error;
} place_cases[] = {
	{"", NULL},
	{"/new", NULL},
	{"/missing/new", "No such file or directory"},
	{"/README/new", "Not a directory"},
	{"/README", "Not a directory"},
};

START_TEST(test_place)
{
	char path[PATH_MAX], error[PATH_MAX] = "", expected[PATH_MAX + 64];
	int fd;

	path_of(path, "README");
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
	snprintf(path, sizeof path, "%s%s", directory, place_cases[_i].below);
	config.spool_directory = path;
	spool = spool_new(&config, &handover, &report, error, sizeof error);
	if (place_cases[_i].error == NULL) {
		ck_assert_ptr_nonnull(spool);
		return;
	}
	ck_assert_ptr_null(spool);
	snprintf(expected, sizeof expected, "%s: %s", path, place_cases[_i].error);
	ck_assert_str_eq(error, expected);
	handover_done(&handover);
}
END_TEST

/* Each allocation fails once: nothing is lost that is on disk, nor what was to go there. */
START_TEST(test_no_memory)
{
	char error[256];
	struct batch *batch;

	start();
	put("one");
	put("two");
	stop();
	init_counters();
	unit_alloc_fail_once(_i);
	spool = spool_new(&config, &handover, &report, error, sizeof error);
	if (spool == NULL) {
		ck_assert_str_eq(error, "out of memory");
		unit_alloc_fail_never();
		start();
	} else {
		spool_recover(spool, &now);
	}
	batch = take();
	if (batch != NULL)
		spool_return(spool, batch, false);
	unit_alloc_fail_never();
	batch = make("three", 100);
	unit_alloc_fail_once(_i);
	if (!spool_is_usable(spool, &now) || spool_put(spool, batch, &now) != 0)
		handover_settle(&handover, batch, RETRY_DELIVERED, 0);
	unit_alloc_fail_never();
	balance();
	restart();
	ck_assert_uint_ge(balance().spooled, 4);
	delivered(take(), "one");
	delivered(take(), "two");
}
END_TEST

#define ROWS(cases) ((int)(sizeof(cases) / sizeof *(cases)))

int main(void)
{
	TCase *tc = tcase_create("spool");

	unit_fixture(setup, teardown);
	tcase_add_test(tc, test_in_order);
	tcase_add_test(tc, test_returned);
	tcase_add_test(tc, test_blamed);
	tcase_add_test(tc, test_bytes_max);
	tcase_add_test(tc, test_bytes_max_taken);
	tcase_add_loop_test(tc, test_age_max, 0, 3);
	tcase_add_test(tc, test_restart);
	tcase_add_test(tc, test_restart_while_taken);
	tcase_add_loop_test(tc, test_part, 0, 100);
	tcase_add_loop_test(tc, test_harmed, 0, 2 * HARMS);
	tcase_add_test(tc, test_gone);
	tcase_add_test(tc, test_foreign);
	tcase_add_test(tc, test_two);
	tcase_add_test(tc, test_many);
	tcase_add_loop_test(tc, test_disk_full, 0, ROWS(disk_errors));
	tcase_add_loop_test(tc, test_pieces, 1, 41);
	tcase_add_loop_test(tc, test_sync, 0, 3);
	tcase_add_loop_test(tc, test_place, 0, ROWS(place_cases));
	tcase_add_loop_test(tc, test_no_memory, 0, 8);
	return unit_run("spool", tc);
}
