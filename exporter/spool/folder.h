#ifndef EXPORTER_SPOOL_FOLDER_H
#define EXPORTER_SPOOL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "exporter/spool/segment.h"

/*
 * The directory of a spool: whose files are ours, and what is done with one. Each process that uses
 * a directory owns a slot of it, by a lock that ends with the process, and those of processes that
 * are no more. Functions that return -1 leave the reason in errno.
 */
struct folder {
	int fd;
	int locks[SEGMENT_SLOTS]; /* of what we own, else -1 */
	unsigned slot;            /* where we write */
};

/* One file of a slot that is ours. Its name says no more. */
struct folder_file {
	enum segment_kind kind;
	unsigned slot;
	uint64_t number;
};

/* Makes the directory if only its last part is missing. -1: nothing is open. */
int folder_open(struct folder *folder, const char *path);
void folder_close(struct folder *folder);

/*
 * Our files, by number, which the caller frees, and how many others there are, but for directories,
 * hidden files, and what belongs to other slots. -1: nothing is set.
 */
int folder_list(
	struct folder *folder, struct folder_file **files, size_t *count, size_t *foreign_count);

/*
 * Writes a segment into a new file of our slot, under another name until it is whole. syncs: it is
 * on the disk before this returns. -1: there is no such file.
 */
int folder_write(struct folder *folder, struct folder_file *file, uint64_t number,
	const struct segment_head *head, const char *batch, bool syncs);

/* Opens a file and reads its head, for folder_read_batch(), or close(). -1: cannot be opened. */
int folder_read_head(struct folder *folder, const struct folder_file *file,
	struct segment_head *head, enum segment_outcome *outcome);

/* Reads the batch, of head->size bytes, and closes the file. */
enum segment_outcome folder_read_batch(int fd, const struct segment_head *head, char *batch);

/* 0 or -1, of one file and of all names. */
int folder_sync_file(struct folder *folder, const struct folder_file *file);
int folder_sync(struct folder *folder);

/* Renames it to what it is from now on. */
int folder_rename(struct folder *folder, struct folder_file *file, enum segment_kind kind);
int folder_remove(struct folder *folder, const struct folder_file *file);

/* When a file was last written, Unix time in milliseconds; -1: it is not there. */
int64_t folder_time_unix_ms(struct folder *folder, const struct folder_file *file);

#endif
