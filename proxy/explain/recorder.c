/*
 * Recording; see recorder.h. A message that lies in the input as a whole goes straight to its line;
 * of one that comes in pieces they are gathered first. The text of a message is made as it stands
 * between quotes, with long runs of x as [character, count], and then gets its head.
 */
#include "proxy/explain/recorder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "exporter/escape.h"
#include "exporter/text.h"
#include "proxy/explain/redact.h"
#include "proxy/log.h"

#define RECORDER_RUN_MIN  64 /* x that are written as a count */
#define RECORDER_HEAD_MAX 256
#define RECORDER_KEPT_MAX (1024 * 1024)

struct recorder {
	int fd;
	const char *name;                /* borrowed, as are the pointers */
	const struct pointers *pointers; /* NULL: contents are recorded, too */
	uint64_t wall_ns;                /* unix time = monotonic time + this */
	uint64_t size, size_max;         /* of the file */
	size_t gathered;                 /* bytes of messages that have not ended */
	struct text message;             /* as it stands between quotes */
	struct text line;
	bool has_runs; /* in message */
	bool over;
	bool told; /* that one was left out */
	struct recorder_counters counters;
};

struct recorder_connection {
	struct recorder *recorder; /* borrowed */
	uint64_t number;
	const char *transport; /* borrowed */
	bool own_server;
	bool begun; /* the file knows about it */
	bool over;
	bool lost[2];            /* by enum recording_side: the message was too long */
	struct text gathered[2]; /* the same: what there is of a message */
};

/* ---- the file ---- */

static void recorder_stop(struct recorder *recorder, const char *why)
{
	recorder->over = true;
	log_line(LOG_WARN, "record.file: %s; the recording ends here, after %llu messages", why,
		(unsigned long long)recorder->counters.messages_recorded);
}

/* Whether the line is in the file now: all of it, or nothing. */
static bool recorder_write(struct recorder *recorder)
{
	const struct text *line = &recorder->line;
	size_t used = 0;
	ssize_t n;

	if (line->size > recorder->size_max - recorder->size) {
		recorder_stop(recorder, "record.bytes_max is reached");
		return false;
	}
	while (used < line->size) {
		n = write(recorder->fd, line->bytes + used, line->size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			recorder_stop(recorder, n < 0 ? strerror(errno) : "nothing is taken");
			if (ftruncate(recorder->fd, (off_t)recorder->size) != 0)
				log_line(LOG_WARN, "record.file: its last line is cut short");
			return false;
		}
		used += (size_t)n;
	}
	recorder->size += line->size;
	return true;
}

static void recorder_leave_out(struct recorder *recorder, const char *why)
{
	recorder->counters.messages_not_recorded++;
	if (recorder->told || recorder->over)
		return;
	recorder->told = true;
	log_line(LOG_WARN, "record.file: a message was left out: %s (said once)", why);
}

/* ---- lines ---- */

/* The members that say when and where. */
static void recorder_begin_line(struct recorder_connection *connection, uint64_t now_ns)
{
	struct recorder *recorder = connection->recorder;
	unsigned long long us = (recorder->wall_ns + now_ns) / 1000;
	char head[RECORDER_HEAD_MAX];
	int size = snprintf(head, sizeof head, "{\"t\":%llu.%06llu,\"conn\":%llu", us / 1000000,
		us % 1000000, (unsigned long long)connection->number); /* fits */

	text_rewind(&recorder->line, 0);
	text_append(&recorder->line, head, (size_t)size);
	if (connection->begun)
		return;
	size = snprintf(head, sizeof head, ",\"transport\":\"%s\",\"server\":\"%s\"",
		connection->transport, connection->own_server ? "own" : "shared"); /* fits */
	text_append(&recorder->line, head, (size_t)size);
}

/* As a redact_put: the recorder's message grows. */
static void recorder_put(void *arg, const char *bytes, size_t size)
{
	struct recorder *recorder = arg;
	struct text *message = &recorder->message;
	char run[48], *room;
	int run_size;

	if (bytes != NULL) {
		escape_append(message, bytes, size);
	} else if (size < RECORDER_RUN_MIN) {
		room = text_room(message, size);
		if (room == NULL)
			return;
		memset(room, 'x', size);
		text_end(message, room + size);
	} else {
		run_size = snprintf(run, sizeof run, "\",[\"x\",%zu],\"", size); /* fits */
		text_append(message, run, (size_t)run_size);
		recorder->has_runs = true;
	}
}

static void recorder_make_message(struct recorder *recorder, const uint8_t *bytes, size_t size)
{
	text_rewind(&recorder->message, 0);
	recorder->has_runs = false;
	if (recorder->pointers == NULL) {
		escape_append(&recorder->message, (const char *)bytes, size);
	} else if (!redact_message(recorder->pointers, bytes, size, recorder_put, recorder)) {
		text_rewind(&recorder->message, 0);
		recorder_put(recorder, NULL, size); /* a run again, if it had one */
	}
}

/* What one large message has needed is not kept for small ones. */
static void recorder_rest(struct text *text)
{
	if (text->capacity > RECORDER_KEPT_MAX)
		text_done(text);
}

static void recorder_write_message(struct recorder_connection *connection, enum recording_side side,
	const uint8_t *bytes, size_t size, uint64_t now_ns)
{
	struct recorder *recorder = connection->recorder;
	struct text *line = &recorder->line;

	recorder_make_message(recorder, bytes, size);
	recorder_begin_line(connection, now_ns);
	if (side == RECORDING_CLIENT)
		TEXT_APPEND(line, ",\"dir\":\"c2s\"");
	else
		TEXT_APPEND(line, ",\"dir\":\"s2c\"");
	if (recorder->has_runs)
		TEXT_APPEND(line, ",\"raw_parts\":[\"");
	else
		TEXT_APPEND(line, ",\"raw\":\"");
	text_append(line, recorder->message.bytes, recorder->message.size);
	if (recorder->has_runs)
		TEXT_APPEND(line, "\"]}\n");
	else
		TEXT_APPEND(line, "\"}\n");
	if (recorder->message.error != TEXT_OK || line->error != TEXT_OK) {
		recorder_leave_out(recorder,
			recorder->message.error == TEXT_NO_MEMORY || line->error == TEXT_NO_MEMORY
				? "out of memory"
				: "its line is longer than 64 MiB");
	} else if (recorder_write(recorder)) {
		connection->begun = true;
		recorder->counters.messages_recorded++;
	} else {
		recorder->counters.messages_not_recorded++;
	}
	recorder_rest(&recorder->message);
	recorder_rest(line);
}

/* ---- messages in pieces ---- */

static void recorder_drop(struct recorder_connection *connection, enum recording_side side)
{
	struct text *gathered = &connection->gathered[side];

	connection->recorder->gathered -= gathered->size;
	text_done(gathered);
}

static void recorder_gather(struct recorder_connection *connection, enum recording_side side,
	const uint8_t *bytes, size_t size)
{
	struct recorder *recorder = connection->recorder;
	struct text *gathered = &connection->gathered[side];

	if (connection->lost[side])
		return;
	if (size <= RECORDER_MESSAGE_MAX - recorder->gathered) {
		text_append(gathered, (const char *)bytes, size);
		if (gathered->error == TEXT_OK) {
			recorder->gathered += size;
			return;
		}
	}
	connection->lost[side] = true;
	recorder_drop(connection, side);
}

void recorder_take(struct recorder_connection *connection, enum recording_side side,
	const uint8_t *bytes, size_t size, bool first, bool last, uint64_t now_ns)
{
	struct recorder *recorder = connection->recorder;
	struct text *gathered = &connection->gathered[side];

	if (connection->over || (first && last && size == 0))
		return;
	if (recorder->over) {
		recorder->counters.messages_not_recorded += last;
		return;
	}
	if (first) {
		recorder_drop(connection, side); /* one that was never ended */
		connection->lost[side] = false;
	}
	if (first && last) {
		recorder_write_message(connection, side, bytes, size, now_ns);
		return;
	}
	recorder_gather(connection, side, bytes, size);
	if (!last)
		return;
	if (connection->lost[side])
		recorder_leave_out(recorder, "it is longer than 64 MiB, or memory is short");
	else if (gathered->size > 0)
		recorder_write_message(
			connection, side, (const uint8_t *)gathered->bytes, gathered->size, now_ns);
	recorder_drop(connection, side);
}

/* ---- ends ---- */

static void recorder_write_end(
	struct recorder_connection *connection, enum recording_side side, uint64_t now_ns)
{
	struct recorder *recorder = connection->recorder;

	if (recorder->over)
		return;
	recorder_begin_line(connection, now_ns);
	if (side == RECORDING_CLIENT)
		TEXT_APPEND(&recorder->line, ",\"end\":\"client\"}\n");
	else
		TEXT_APPEND(&recorder->line, ",\"end\":\"server\"}\n");
	if (recorder->line.error == TEXT_OK)
		(void)recorder_write(recorder); /* it tells of its failure */
}

void recorder_end(struct recorder_connection *connection, enum tracer_end reason, uint64_t now_ns)
{
	if (connection == NULL || connection->over)
		return;
	connection->over = true;
	if (!connection->begun || reason == TRACER_SHUTDOWN)
		return; /* a recording that ends is a shutdown, too */
	if (reason != TRACER_BACKEND_EXITED)
		recorder_write_end(connection, RECORDING_CLIENT, now_ns);
	if (reason == TRACER_BACKEND_EXITED || connection->own_server)
		recorder_write_end(connection, RECORDING_BACKEND, now_ns);
}

/* ---- life ---- */

struct recorder_connection *recorder_open(
	struct recorder *recorder, uint64_t number, const char *transport, bool own_server)
{
	struct recorder_connection *connection = calloc(1, sizeof *connection);

	assert(recorder != NULL);
	if (connection == NULL)
		return NULL;
	connection->recorder = recorder;
	connection->number = number;
	connection->transport = transport;
	connection->own_server = own_server;
	text_init(&connection->gathered[RECORDING_CLIENT], RECORDER_MESSAGE_MAX);
	text_init(&connection->gathered[RECORDING_BACKEND], RECORDER_MESSAGE_MAX);
	return connection;
}

void recorder_close(struct recorder_connection *connection)
{
	if (connection == NULL)
		return;
	recorder_drop(connection, RECORDING_CLIENT);
	recorder_drop(connection, RECORDING_BACKEND);
	text_done(&connection->gathered[RECORDING_CLIENT]);
	text_done(&connection->gathered[RECORDING_BACKEND]);
	free(connection);
}

/* Opens the file, which was there or was not; never waits, as a FIFO would have us do. */
static int recorder_open_file(
	struct recorder *recorder, const char *name, char *error, size_t error_size)
{
	const int flags = O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC;
	struct stat is;

	recorder->fd = open(name, flags, S_IRUSR | S_IWUSR);
	if (recorder->fd < 0 && errno != ENXIO && errno != ELOOP && errno != EISDIR) {
		(void)snprintf(error, error_size, "record.file: %s: cannot be opened: %s", name,
			strerror(errno)); /* may be cut */
		return -1;
	}
	if (recorder->fd < 0 || fstat(recorder->fd, &is) != 0 || !S_ISREG(is.st_mode)) {
		(void)snprintf(error, error_size,
			"record.file: %s: must be a regular file, or none yet", name);
		return -1;
	}
	if (fchmod(recorder->fd, S_IRUSR | S_IWUSR) == 0 && ftruncate(recorder->fd, 0) == 0)
		return 0;
	(void)snprintf(error, error_size, "record.file: %s: cannot be made ours: %s", name,
		strerror(errno)); /* may be cut */
	return -1;
}

struct recorder *recorder_new(const struct config *config, const struct pointers *pointers,
	uint64_t now_ns, uint64_t unix_ns, char *error, size_t error_size)
{
	struct recorder *recorder = calloc(1, sizeof *recorder);

	(void)snprintf(error, error_size, "out of memory");
	if (recorder == NULL)
		return NULL;
	recorder->pointers = config->record_contents ? NULL : pointers;
	recorder->wall_ns = unix_ns - now_ns;
	recorder->size_max = (uint64_t)config->record_bytes_max;
	text_init(&recorder->message, RECORDING_LINE_MAX);
	text_init(&recorder->line, RECORDING_LINE_MAX);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit to files is a full disk; cannot fail */
	if (recorder_open_file(recorder, config->record_file, error, error_size) == 0)
		return recorder;
	recorder_free(recorder);
	return NULL;
}

void recorder_free(struct recorder *recorder)
{
	if (recorder == NULL)
		return;
	if (recorder->fd >= 0 && close(recorder->fd) != 0)
		log_line(LOG_WARN, "record.file: %s", strerror(errno));
	text_done(&recorder->message);
	text_done(&recorder->line);
	free(recorder);
}

struct recorder_counters recorder_counters(const struct recorder *recorder)
{
	return recorder != NULL ? recorder->counters : (struct recorder_counters){0};
}
