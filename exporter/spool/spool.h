#ifndef EXPORTER_SPOOL_SPOOL_H
#define EXPORTER_SPOOL_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch;
struct exporter_config;
struct handover;
struct report;
struct spooled;

/*
 * Batches on disk, in two rows: the backlog, of what the collector did not take, and the fresh
 * ones, which were written before they were first sent. The oldest of the backlog goes when there
 * is no more room, or when it is too old. Every change is counted in the handover at once, and what
 * people should know is reported. Belongs to the exporter's thread.
 *
 * When the disk does not take a batch it stays with the caller, and for a while nothing is tried.
 */
struct spool;

/* When things happen: the monotonic clock, and the calendar. */
struct spool_time {
	int64_t now_ms;
	int64_t unix_ms;
};

/*
 * Opens the directory; handover and report are borrowed for life. NULL with a one-line text in
 * error.
 */
struct spool *spool_new(const struct exporter_config *config, struct handover *handover,
	struct report *report, char *error, size_t error_size);

/* The files stay. */
void spool_free(struct spool *spool);

/*
 * Finds what former processes have left, if that has not been done; before it was, the spool is not
 * usable.
 */
void spool_recover(struct spool *spool, const struct spool_time *time);

/* Whether it is worth trying to write. */
bool spool_is_usable(const struct spool *spool, const struct spool_time *time);

/*
 * Writes a batch that is in memory only, as the newest fresh one, and takes its memory. -1: the
 * batch is still the caller's.
 */
int spool_put(struct spool *spool, struct batch *batch, const struct spool_time *time);

bool spool_has_fresh(const struct spool *spool);
bool spool_has_backlog(const struct spool *spool);

/* What is fresh is backlog now. */
void spool_age(struct spool *spool);

/*
 * Reads the oldest batch back, the caller's until one of the two below. NULL: there is none that
 * can be read, or no memory.
 */
struct batch *spool_take_fresh(struct spool *spool, const struct spool_time *time);
/* second: the second-oldest, if there is one. */
struct batch *spool_take_backlog(struct spool *spool, const struct spool_time *time, bool second);

/* The batch need not be on disk any more: removes its file; the batch is in memory only then. */
void spool_release(struct spool *spool, struct batch *batch);

/*
 * The batch was not taken: it is the oldest of the backlog again. blamed: it may be the batch's
 * fault; if others have been taken since it was blamed before, it lets all that wait pass.
 */
void spool_return(struct spool *spool, struct batch *batch, bool blamed);

/*
 * With spool.sync=interval: has all files on the disk when that is due. Returns when it will be;
 * INT64_MAX: nothing is to be done. now_ms INT64_MAX: at once.
 */
int64_t spool_sync(struct spool *spool, int64_t now_ms);

#endif
