/*
 * The directory of a spool. Files are found by the directory's descriptor, never by a path: it may
 * be moved. A file of ours is nobody's link and no pipe, whoever made it. All of it can fail, and
 * says so by errno.
 */
#include "exporter/spool/folder.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Closes after a failure, which is what is told. */
static int folder_fail(int fd)
{
	int error = errno;

	(void)close(fd); /* nothing in it counts */
	errno = error;
	return -1;
}

/* ---- whose files are ours ---- */

/* flags: O_CREAT or 0. 0 when the slot is ours now. */
static int folder_lock(struct folder *folder, unsigned slot, int flags)
{
	char name[SEGMENT_NAME_SIZE];
	int fd;

	segment_name(name, SEGMENT_LOCK, slot, 0);
	fd = openat(folder->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return folder_fail(fd);
	folder->locks[slot] = fd;
	return 0;
}

/* Takes what nobody owns any more, else a new slot. */
static int folder_take_slots(struct folder *folder)
{
	unsigned slot;

	folder->slot = SEGMENT_SLOTS;
	for (slot = 0; slot < SEGMENT_SLOTS; slot++)
		if (folder_lock(folder, slot, 0) == 0 && folder->slot == SEGMENT_SLOTS)
			folder->slot = slot;
	for (slot = 0; slot < SEGMENT_SLOTS && folder->slot == SEGMENT_SLOTS; slot++) {
		if (folder_lock(folder, slot, O_CREAT) == 0)
			folder->slot = slot;
		else if (errno != EWOULDBLOCK)
			return -1;
	}
	errno = EUSERS; /* more processes than slots */
	return folder->slot < SEGMENT_SLOTS ? 0 : -1;
}

int folder_open(struct folder *folder, const char *path)
{
	unsigned slot;
	int error;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++)
		folder->locks[slot] = -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	folder->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder->fd < 0)
		return -1;
	if (folder_take_slots(folder) == 0)
		return 0;
	error = errno;
	folder_close(folder);
	errno = error;
	return -1;
}

void folder_close(struct folder *folder)
{
	unsigned slot;

	for (slot = 0; slot < SEGMENT_SLOTS; slot++)
		if (folder->locks[slot] >= 0)
			(void)close(folder->locks[slot]); /* which unlocks it */
	(void)close(folder->fd);                          /* it was only read */
}

/* ---- what is there ---- */

struct folder_listing {
	struct folder_file *files; /* owned */
	size_t count, capacity;
	size_t foreign_count;
};

static int folder_list_name(
	const struct folder *folder, struct folder_listing *listing, const char *name)
{
	struct folder_file file = {.slot = 0}, *longer;
	size_t capacity = listing->capacity > 0 ? 2 * listing->capacity : 64;

	file.kind = segment_name_parse(name, &file.slot, &file.number);
	listing->foreign_count += file.kind == SEGMENT_NO_FILE_OF_OURS;
	if (file.kind >= SEGMENT_LOCK || folder->locks[file.slot] < 0)
		return 0;
	if (listing->count == listing->capacity) {
		longer = realloc(listing->files, capacity * sizeof *longer);
		if (longer == NULL)
			return -1;
		listing->files = longer;
		listing->capacity = capacity;
	}
	listing->files[listing->count++] = file;
	return 0;
}

static int folder_compare(const void *one, const void *other)
{
	const struct folder_file *a = one, *b = other;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return (a->slot > b->slot) - (a->slot < b->slot);
}

int folder_list(
	struct folder *folder, struct folder_file **files, size_t *count, size_t *foreign_count)
{
	int fd = openat(folder->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), failed = 0, error;
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct folder_listing listing = {.files = NULL};
	struct dirent *entry;

	if (stream == NULL)
		return fd < 0 ? -1 : folder_fail(fd);
	for (errno = 0; failed == 0 && (entry = readdir(stream)) != NULL; errno = 0)
		if (entry->d_type != DT_DIR && entry->d_name[0] != '.')
			failed = folder_list_name(folder, &listing, entry->d_name);
	error = failed != 0 ? ENOMEM : errno; /* of readdir() */
	(void)closedir(stream);               /* it was only read */
	errno = error;
	if (error != 0) {
		free(listing.files);
		return -1;
	}
	if (listing.count > 0)
		qsort(listing.files, listing.count, sizeof *listing.files, folder_compare);
	*files = listing.files;
	*count = listing.count;
	*foreign_count = listing.foreign_count;
	return 0;
}

/* ---- writing ---- */

static int folder_write_all(int fd, struct iovec parts[2])
{
	ssize_t n;
	unsigned i;

	while (parts[0].iov_len + parts[1].iov_len > 0) {
		n = writev(fd, parts, 2);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		for (i = 0; i < 2; i++) {
			size_t part = (size_t)n < parts[i].iov_len ? (size_t)n : parts[i].iov_len;

			parts[i].iov_base = (char *)parts[i].iov_base + part;
			parts[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	return 0;
}

static int folder_write_part(struct folder *folder, const char *name,
	const struct segment_head *head, const char *batch, bool syncs)
{
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	struct iovec parts[2] = {{bytes, sizeof bytes}, {NULL, head->size}};
	int fd = openat(folder->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	memcpy(&parts[1].iov_base, &batch, sizeof batch); /* it is only read */
	segment_write_head(bytes, head);
	if (folder_write_all(fd, parts) != 0 || (syncs && fsync(fd) != 0))
		return folder_fail(fd);
	return close(fd); /* where some file systems say that the disk is full */
}

int folder_write(struct folder *folder, struct folder_file *file, uint64_t number,
	const struct segment_head *head, const char *batch, bool syncs)
{
	char name[SEGMENT_NAME_SIZE];
	int error;

	assert(folder->slot < SEGMENT_SLOTS && folder->locks[folder->slot] >= 0);
	*file = (struct folder_file){SEGMENT_PART, folder->slot, number};
	segment_name(name, file->kind, file->slot, file->number);
	if (folder_write_part(folder, name, head, batch, syncs) == 0 &&
		folder_rename(folder, file, SEGMENT_FILE) == 0 &&
		(!syncs || folder_sync(folder) == 0))
		return 0;
	error = errno;
	(void)folder_remove(folder, file); /* as far as it got */
	errno = error;
	return -1;
}

/* ---- reading ---- */

/* A pipe must not hang, a link not lead anywhere. */
static int folder_open_file(struct folder *folder, const struct folder_file *file)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, file->kind, file->slot, file->number);
	return openat(folder->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

/* How many bytes came, up to size. */
static size_t folder_read(int fd, void *bytes, size_t size)
{
	size_t used = 0;
	ssize_t n;

	while (used < size) {
		n = read(fd, (char *)bytes + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += (size_t)n;
	}
	return used;
}

int folder_read_head(struct folder *folder, const struct folder_file *file,
	struct segment_head *head, enum segment_outcome *outcome)
{
	uint8_t bytes[SEGMENT_HEAD_SIZE];
	int fd = folder_open_file(folder, file);
	struct stat is;

	if (fd < 0)
		return -1;
	if (fstat(fd, &is) != 0)
		return folder_fail(fd);
	if (!S_ISREG(is.st_mode))
		*outcome = SEGMENT_FOREIGN;
	else
		*outcome = segment_read_head(
			head, bytes, folder_read(fd, bytes, sizeof bytes), (uint64_t)is.st_size);
	return fd;
}

enum segment_outcome folder_read_batch(int fd, const struct segment_head *head, char *batch)
{
	size_t size = folder_read(fd, batch, head->size);

	(void)close(fd); /* it was only read */
	return size < head->size ? SEGMENT_SHORT : segment_check(head, batch);
}

/* ---- what else is done with a file ---- */

int folder_sync_file(struct folder *folder, const struct folder_file *file)
{
	int fd = folder_open_file(folder, file);

	if (fd < 0)
		return -1;
	if (fsync(fd) != 0)
		return folder_fail(fd);
	return close(fd);
}

int folder_sync(struct folder *folder)
{
	return fsync(folder->fd);
}

int folder_rename(struct folder *folder, struct folder_file *file, enum segment_kind kind)
{
	char before[SEGMENT_NAME_SIZE], after[SEGMENT_NAME_SIZE];

	assert(kind != file->kind && file->slot < SEGMENT_SLOTS);
	segment_name(before, file->kind, file->slot, file->number);
	segment_name(after, kind, file->slot, file->number);
	if (renameat(folder->fd, before, folder->fd, after) != 0)
		return -1;
	file->kind = kind;
	return 0;
}

int folder_remove(struct folder *folder, const struct folder_file *file)
{
	char name[SEGMENT_NAME_SIZE];

	segment_name(name, file->kind, file->slot, file->number);
	return unlinkat(folder->fd, name, 0);
}

int64_t folder_time_unix_ms(struct folder *folder, const struct folder_file *file)
{
	char name[SEGMENT_NAME_SIZE];
	struct stat is;

	segment_name(name, file->kind, file->slot, file->number);
	if (fstatat(folder->fd, name, &is, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	return (int64_t)is.st_mtim.tv_sec * 1000 + is.st_mtim.tv_nsec / 1000000;
}
