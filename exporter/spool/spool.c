/*
 * Batches on disk: the rows of what is there, in memory, and the bounds. A batch is in one file
 * (segment.h), whose name says its place in the row; what was delivered is removed, so that there
 * is no other state. What can fail is the disk, which then gets no batches for a while, and memory:
 * what a former process has left and there is no memory for stays where it is.
 *
 * Each file counts for the blocks that it takes, so that bytes_max bounds the number of files, too.
 */
#include "exporter/spool/spool.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporter/batch.h"
#include "exporter/handover.h"
#include "exporter/report.h"
#include "exporter/settings.h"
#include "exporter/spool/folder.h"

enum { SPOOL_BLOCK = 4096 };

/* After a failure the disk is left alone for so long. */
static const int64_t spool_retry_ms = 10 * 1000;
static const int64_t spool_sync_ms = 1000;

/* One batch on disk. */
struct spooled {
	struct folder_file file;
	struct spooled *next; /* in a row; owned by it */
	uint32_t span_count;
	uint64_t bytes; /* of its blocks */
	int64_t time_unix_ms;
	bool synced;
	bool blamed; /* it was not taken, when so many others had been: */
	uint64_t blamed_at;
};

struct spool_row {
	struct spooled *oldest, *newest;
};

struct spool {
	struct folder folder;
	struct handover *handover; /* borrowed */
	struct report *report;     /* borrowed */
	uint64_t bytes_max;
	uint64_t bytes;         /* of all files, that of a batch that was taken included */
	size_t batch_bytes_max; /* nothing longer is read back */
	int64_t age_max_ms;
	enum exporter_sync sync;
	struct spool_row backlog, fresh;
	bool recovered; /* before, no name is known to be free */
	uint64_t last_number;
	uint64_t released_count;
	int64_t usable_at_ms; /* after a failure */
	int64_t sync_at_ms;   /* INT64_MAX: all is synced */
};

/* ---- rows ---- */

static void spool_row_push(struct spool_row *row, struct spooled *spooled)
{
	spooled->next = NULL;
	if (row->newest != NULL)
		row->newest->next = spooled;
	else
		row->oldest = spooled;
	row->newest = spooled;
}

/* Before the first that is newer. */
static void spool_row_insert(struct spool_row *row, struct spooled *spooled)
{
	struct spooled **place = &row->oldest;

	while (*place != NULL && (*place)->file.number <= spooled->file.number)
		place = &(*place)->next;
	spooled->next = *place;
	*place = spooled;
	if (spooled->next == NULL)
		row->newest = spooled;
}

static struct spooled *spool_row_pop(struct spool_row *row)
{
	struct spooled *spooled = row->oldest;

	if (spooled == NULL)
		return NULL;
	row->oldest = spooled->next;
	if (row->oldest == NULL)
		row->newest = NULL;
	spooled->next = NULL;
	return spooled;
}

/* ---- making one ---- */

struct spool *spool_new(const struct exporter_config *config, struct handover *handover,
	struct report *report, char *error, size_t error_size)
{
	struct spool *spool = calloc(1, sizeof *spool);

	if (spool == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return NULL;
	}
	if (folder_open(&spool->folder, config->spool_directory) != 0) {
		(void)snprintf(error, error_size, "%s: %m", config->spool_directory);
		free(spool);
		return NULL;
	}
	spool->handover = handover;
	spool->report = report;
	spool->bytes_max = config->spool_bytes_max;
	spool->batch_bytes_max = config->request_bytes_max;
	spool->age_max_ms = config->spool_age_max_ms;
	spool->sync = config->spool_sync;
	spool->usable_at_ms = INT64_MIN;
	spool->sync_at_ms = INT64_MAX;
	return spool;
}

void spool_free(struct spool *spool)
{
	struct spooled *spooled;

	if (spool == NULL)
		return;
	while ((spooled = spool_row_pop(&spool->backlog)) != NULL)
		free(spooled);
	while ((spooled = spool_row_pop(&spool->fresh)) != NULL)
		free(spooled);
	folder_close(&spool->folder);
	free(spool);
}

/* ---- what goes ---- */

/* The file is gone, or is none of ours any more. */
static void spool_forget(struct spool *spool, struct spooled *spooled)
{
	assert(spool->bytes >= spooled->bytes);
	spool->bytes -= spooled->bytes;
	handover_set(spool->handover, &spool->handover->counters.spool_bytes, spool->bytes);
	free(spooled);
}

/* A file that cannot be read is not met again, even if it cannot be renamed. */
static void spool_set_aside(struct spool *spool, struct spooled *spooled,
	const struct spool_time *time, const char *why)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, spooled->file.kind, spooled->file.slot, spooled->file.number);
	(void)folder_rename(&spool->folder, &spooled->file, SEGMENT_BAD);
	handover_lose_spooled(
		spool->handover, &spool->handover->counters.dropped_corrupt, spooled->span_count);
	handover_count(spool->handover, &spool->handover->counters.spool_files_bad, 1);
	report_bad_files(spool->report, time->now_ms, 1, name, why);
	spool_forget(spool, spooled);
}

static void spool_drop(
	struct spool *spool, struct spool_row *row, const struct spool_time *time, const char *why)
{
	struct spooled *spooled = spool_row_pop(row);

	assert(spooled != NULL);
	(void)folder_remove(&spool->folder, &spooled->file); /* or it is gone */
	handover_lose_spooled(
		spool->handover, &spool->handover->counters.dropped_spool, spooled->span_count);
	report_loss(spool->report, REPORT_SPOOL, time->now_ms, spooled->span_count, why);
	spool_forget(spool, spooled);
}

static bool spool_is_old(
	const struct spool *spool, const struct spooled *spooled, const struct spool_time *time)
{
	return time->unix_ms - spooled->time_unix_ms > spool->age_max_ms;
}

/* Makes room for so many bytes, and drops what is too old. 0, or -1: there is no such room. */
static int spool_trim(struct spool *spool, uint64_t room, const struct spool_time *time)
{
	struct spool_row *row = &spool->backlog;

	while (row->oldest != NULL && spool_is_old(spool, row->oldest, time))
		spool_drop(spool, row, time, "older than spool.age_max");
	while (spool->bytes + room > spool->bytes_max) {
		row = spool->backlog.oldest != NULL ? &spool->backlog : &spool->fresh;
		if (row->oldest == NULL)
			return -1;
		spool_drop(spool, row, time, "more than spool.bytes_max");
	}
	return 0;
}

/* ---- what former processes have left ---- */

static uint64_t spool_blocks(uint64_t size)
{
	return (SEGMENT_HEAD_SIZE + size + SPOOL_BLOCK - 1) / SPOOL_BLOCK * SPOOL_BLOCK;
}

/* Opens a file whose head is one; -1 and why it is not. */
static int spool_open(struct spool *spool, const struct folder_file *file,
	struct segment_head *head, const char **why)
{
	enum segment_outcome outcome;
	int fd = folder_read_head(&spool->folder, file, head, &outcome);

	if (fd < 0) {
		*why = "it cannot be opened";
		return -1;
	}
	if (outcome == SEGMENT_WHOLE && head->size <= spool->batch_bytes_max)
		return fd;
	*why = outcome == SEGMENT_WHOLE ? "it is longer than otlp.request_bytes_max"
					: segment_why(outcome);
	(void)close(fd); /* it was only read */
	return -1;
}

/* Of a segment, which is counted from its head; the batch is read when its turn comes. */
static void spool_recover_file(
	struct spool *spool, const struct folder_file *file, const struct spool_time *time)
{
	struct spooled *spooled = calloc(1, sizeof *spooled);
	struct segment_head head;
	const char *why;
	int fd;

	if (spooled == NULL)
		return; /* another process will have more memory */
	spooled->file = *file;
	fd = spool_open(spool, file, &head, &why);
	if (fd < 0) {
		spool_set_aside(spool, spooled, time, why);
		return;
	}
	(void)close(fd); /* it was only read */
	spooled->span_count = head.span_count;
	spooled->bytes = spool_blocks(head.size);
	spooled->time_unix_ms = (int64_t)head.time_unix_ms;
	spooled->synced = true; /* or lost by now */
	spool->bytes += spooled->bytes;
	handover_recover(spool->handover, spooled->span_count);
	handover_set(spool->handover, &spool->handover->counters.spool_bytes, spool->bytes);
	spool_row_push(&spool->backlog, spooled);
}

/* What a process was writing when it ended: all of it, and it counts, or nothing. */
static bool spool_finish_part(struct spool *spool, struct folder_file *file)
{
	enum segment_outcome outcome = SEGMENT_CORRUPT;
	struct segment_head head;
	const char *why;
	char *batch;
	int fd = spool_open(spool, file, &head, &why);

	batch = fd < 0 ? NULL : malloc(head.size);
	if (batch != NULL)
		outcome = folder_read_batch(fd, &head, batch);
	else if (fd >= 0)
		(void)close(fd); /* it was only read */
	free(batch);
	if (outcome == SEGMENT_WHOLE && folder_rename(&spool->folder, file, SEGMENT_FILE) == 0)
		return true;
	(void)folder_remove(&spool->folder, file); /* or it is gone */
	return false;
}

/* The disk did not do what it was asked for; errno says why. */
static void spool_failed(struct spool *spool, const struct spool_time *time)
{
	report_spool(spool->report, time->now_ms, strerror(errno));
	spool->usable_at_ms = time->now_ms + spool_retry_ms;
	handover_count(spool->handover, &spool->handover->counters.spool_failures, 1);
}

void spool_recover(struct spool *spool, const struct spool_time *time)
{
	struct folder_file *files;
	size_t count, foreign_count, i;

	if (spool->recovered || time->now_ms < spool->usable_at_ms)
		return;
	if (folder_list(&spool->folder, &files, &count, &foreign_count) != 0) {
		spool_failed(spool, time);
		return;
	}
	spool->recovered = true;
	for (i = 0; i < count; i++) {
		if (files[i].number > spool->last_number)
			spool->last_number = files[i].number;
		if (files[i].kind == SEGMENT_BAD &&
			time->unix_ms - folder_time_unix_ms(&spool->folder, &files[i]) >
				spool->age_max_ms)
			(void)folder_remove(&spool->folder, &files[i]); /* or it is gone */
		if (files[i].kind == SEGMENT_FILE ||
			(files[i].kind == SEGMENT_PART && spool_finish_part(spool, &files[i])))
			spool_recover_file(spool, &files[i], time);
	}
	free(files);
	handover_count(spool->handover, &spool->handover->counters.spool_files_bad, foreign_count);
	if (foreign_count > 0)
		report_bad_files(spool->report, time->now_ms, foreign_count,
			"one whose name is none of ours", "it stays where it is");
	(void)spool_trim(spool, 0, time); /* with all dropped there is room for nothing */
}

/* ---- in and out ---- */

bool spool_is_usable(const struct spool *spool, const struct spool_time *time)
{
	return spool->recovered && time->now_ms >= spool->usable_at_ms;
}

static int spool_write(struct spool *spool, struct spooled *spooled, const struct batch *batch,
	const struct spool_time *time)
{
	struct segment_head head = {
		.encoding = batch->encoding,
		.span_count = (uint32_t)batch->span_count,
		.time_unix_ms = (uint64_t)time->unix_ms,
		.size = batch->body.size,
		.crc = segment_crc(batch->body.bytes, batch->body.size),
	};
	uint64_t number = (uint64_t)time->unix_ms * 1000;

	/* names are in order even if the calendar is not */
	spool->last_number = number > spool->last_number ? number : spool->last_number + 1;
	*spooled = (struct spooled){
		.span_count = head.span_count,
		.bytes = spool_blocks(head.size),
		.time_unix_ms = time->unix_ms,
		.synced = spool->sync == EXPORTER_SYNC_BATCH,
	};
	return folder_write(&spool->folder, &spooled->file, spool->last_number, &head,
		batch->body.bytes, spooled->synced);
}

int spool_put(struct spool *spool, struct batch *batch, const struct spool_time *time)
{
	struct spooled *spooled;

	assert(spool->recovered && batch->spooled == NULL && batch->span_count > 0);
	if (spool_trim(spool, spool_blocks(batch->body.size), time) != 0)
		return -1;
	spooled = malloc(sizeof *spooled);
	if (spooled == NULL)
		return -1;
	if (spool_write(spool, spooled, batch, time) != 0) {
		spool_failed(spool, time);
		free(spooled);
		return -1;
	}
	spool->usable_at_ms = INT64_MIN;
	report_spool(spool->report, time->now_ms, NULL);
	if (!spooled->synced && spool->sync_at_ms == INT64_MAX)
		spool->sync_at_ms = time->now_ms + spool_sync_ms;
	spool->bytes += spooled->bytes;
	handover_set(spool->handover, &spool->handover->counters.spool_bytes, spool->bytes);
	handover_spool(spool->handover, batch);
	spool_row_push(&spool->fresh, spooled);
	return 0;
}

bool spool_has_fresh(const struct spool *spool)
{
	return spool->fresh.oldest != NULL;
}

bool spool_has_backlog(const struct spool *spool)
{
	return spool->backlog.oldest != NULL;
}

void spool_age(struct spool *spool)
{
	struct spooled *spooled;

	while ((spooled = spool_row_pop(&spool->fresh)) != NULL)
		spool_row_push(&spool->backlog, spooled);
}

/* An empty batch with room for so many bytes; NULL when memory is short. */
static struct batch *spool_make_batch(struct spool *spool, size_t size)
{
	struct batch *batch = handover_spare(spool->handover);

	if (batch == NULL)
		batch = batch_new();
	if (batch == NULL)
		return NULL;
	batch->body.limit = spool->batch_bytes_max;
	if (text_room(&batch->body, size) != NULL)
		return batch;
	batch_free(batch);
	return NULL;
}

/*
 * Reads one that is in no row. NULL: it is set aside, or, with *in_vain, in the row again for want
 * of memory.
 */
static struct batch *spool_read(struct spool *spool, struct spool_row *row, struct spooled *spooled,
	const struct spool_time *time, bool *in_vain)
{
	enum segment_outcome outcome;
	struct segment_head head;
	struct batch *batch;
	const char *why;
	int fd = spool_open(spool, &spooled->file, &head, &why);

	if (fd < 0) {
		spool_set_aside(spool, spooled, time, why);
		return NULL;
	}
	batch = spool_make_batch(spool, head.size);
	if (batch == NULL) {
		(void)close(fd); /* it was only read */
		spool_row_insert(row, spooled);
		*in_vain = true;
		return NULL;
	}
	outcome = folder_read_batch(fd, &head, batch->body.bytes);
	if (outcome != SEGMENT_WHOLE || head.span_count != spooled->span_count) {
		spool_set_aside(spool, spooled, time, segment_why(SEGMENT_CORRUPT));
		batch_free(batch);
		return NULL;
	}
	batch->body.size = head.size;
	batch->encoding = head.encoding;
	batch->span_count = spooled->span_count;
	batch->spooled = spooled;
	return batch;
}

static struct batch *spool_take(
	struct spool *spool, struct spool_row *row, const struct spool_time *time)
{
	struct batch *batch = NULL;
	bool in_vain = false;

	while (batch == NULL && !in_vain && row->oldest != NULL) {
		if (spool_is_old(spool, row->oldest, time))
			spool_drop(spool, row, time, "older than spool.age_max");
		else
			batch = spool_read(spool, row, spool_row_pop(row), time, &in_vain);
	}
	return batch;
}

struct batch *spool_take_fresh(struct spool *spool, const struct spool_time *time)
{
	return spool_take(spool, &spool->fresh, time);
}

struct batch *spool_take_backlog(struct spool *spool, const struct spool_time *time, bool second)
{
	struct spooled *first = second ? spool_row_pop(&spool->backlog) : NULL;
	struct batch *batch = spool_take(spool, &spool->backlog, time);

	if (first != NULL)
		spool_row_insert(&spool->backlog, first);
	return batch != NULL || first == NULL ? batch : spool_take(spool, &spool->backlog, time);
}

void spool_release(struct spool *spool, struct batch *batch)
{
	struct spooled *spooled = batch->spooled;

	assert(spooled != NULL);
	batch->spooled = NULL;
	(void)folder_remove(&spool->folder, &spooled->file); /* or it is gone */
	spool->released_count++;
	handover_unspool(spool->handover, batch->span_count);
	spool_forget(spool, spooled);
}

void spool_return(struct spool *spool, struct batch *batch, bool blamed)
{
	struct spooled *spooled = batch->spooled;

	assert(spooled != NULL);
	batch->spooled = NULL;
	handover_recycle(spool->handover, batch);
	if (blamed && spooled->blamed && spooled->blamed_at != spool->released_count) {
		spooled->blamed = false;
		spool_row_push(&spool->backlog, spooled);
		return;
	}
	if (blamed) {
		spooled->blamed = true;
		spooled->blamed_at = spool->released_count;
	}
	spool_row_insert(&spool->backlog, spooled);
}

static void spool_sync_row(struct spool *spool, struct spool_row *row)
{
	struct spooled *spooled;

	for (spooled = row->oldest; spooled != NULL; spooled = spooled->next) {
		if (!spooled->synced)
			(void)folder_sync_file(&spool->folder, &spooled->file); /* or later */
		spooled->synced = true;
	}
}

int64_t spool_sync(struct spool *spool, int64_t now_ms)
{
	if (spool->sync != EXPORTER_SYNC_INTERVAL || now_ms < spool->sync_at_ms)
		return spool->sync == EXPORTER_SYNC_INTERVAL ? spool->sync_at_ms : INT64_MAX;
	spool_sync_row(spool, &spool->backlog);
	spool_sync_row(spool, &spool->fresh);
	(void)folder_sync(&spool->folder); /* the files are there as they are */
	spool->sync_at_ms = INT64_MAX;
	return INT64_MAX;
}
