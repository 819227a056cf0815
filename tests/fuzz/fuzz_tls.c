/*
 * Two ends of TLS over a socket that takes little at once: the input says who writes and reads how
 * much, when each way ends, and whether what arrives is left as it was. What is read is what was
 * written, in order, and an end is told behind all of it; or, where bytes were changed or cut, an
 * error.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/stream/tls.h"
#include "proxy/stream/tls_context.h"
#include "tests/unit/tls_files.h"

enum { STEPS_MAX = 400, SHAKES_MAX = 50 };

struct way {
	size_t written, read;
	bool shutting, shut, ended; /* shutting: its last word waits for room */
};

struct play {
	struct tls *tls[2]; /* server, client */
	int fds[2];
	struct way ways[2]; /* by who writes */
	size_t refused[2];  /* what a write that is to be repeated was given */
	bool broken;
};

static struct tls_context *contexts[2];

static uint8_t byte_at(size_t position)
{
	return (uint8_t)(position * 7 + position / 251);
}

static void make_contexts(void)
{
	char own[] = "/tmp/fuzz_tls_own_XXXXXX", key[] = "/tmp/fuzz_tls_key_XXXXXX", error[256];
	struct tls_settings settings = {.is_server = true,
		.paths = {[CERTIFICATES_OWN] = own,
			[CERTIFICATES_KEY] = key,
			[CERTIFICATES_ROOT] = own}};
	int fds[] = {mkstemp(own), mkstemp(key)};

	(void)signal(SIGPIPE, SIG_IGN);
	tls_files_write(own, key);
	contexts[0] = tls_context_new(&settings, error, sizeof error);
	settings.is_server = false;
	settings.name = "localhost";
	contexts[1] = tls_context_new(&settings, error, sizeof error);
	assert(contexts[0] != NULL && contexts[1] != NULL);
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)unlink(own);
	(void)unlink(key);
}

static void play_open(struct play *play)
{
	enum stream_shake how[2] = {STREAM_WANTS_READ, STREAM_WANTS_READ};
	int i, rounds, small = 4096;

	*play = (struct play){.broken = false};
	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, play->fds) == 0);
	for (i = 0; i < 2; i++) {
		(void)setsockopt(play->fds[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
		play->tls[i] = tls_new(contexts[i], play->fds[i]);
		assert(play->tls[i] != NULL);
	}
	for (rounds = 0; how[0] != STREAM_AGREED || how[1] != STREAM_AGREED; rounds++)
		for (i = 0; i < 2; i++) {
			assert(rounds < SHAKES_MAX);
			if (how[i] != STREAM_AGREED)
				how[i] = stream_tls.shake(play->tls[i], play->fds[i]);
			assert(how[i] != STREAM_DISAGREED);
		}
}

static void play_write(struct play *play, int who, size_t size)
{
	struct way *way = &play->ways[who];
	uint8_t *bytes;
	ssize_t n;
	size_t i;

	if (way->shutting || way->shut)
		return;
	if (size < play->refused[who])
		size = play->refused[who];
	bytes = malloc(size + 1);
	assert(bytes != NULL);
	for (i = 0; i < size; i++)
		bytes[i] = byte_at(way->written + i);
	n = size > 0 ? stream_tls.write(play->tls[who], play->fds[who], bytes, size) : 0;
	assert(n >= 0 || errno == EAGAIN || play->broken || play->ways[1 - who].ended);
	play->refused[who] =
		n < 0 && errno == EAGAIN ? (size < stream_tls.unit ? size : stream_tls.unit) : 0;
	way->written += n > 0 ? (size_t)n : 0;
	free(bytes);
}

static void play_read(struct play *play, int who, size_t size, bool peek)
{
	struct way *way = &play->ways[1 - who];
	uint8_t *bytes = malloc(size);
	ssize_t n, i;

	assert(bytes != NULL);
	n = peek ? stream_tls.peek(play->tls[who], bytes, size)
		 : stream_tls.read(play->tls[who], play->fds[who], bytes, size);
	assert(n <= (ssize_t)size);
	for (i = 0; i < n; i++)
		assert(bytes[i] == byte_at(way->read + (size_t)i));
	/* Of a write that is to be repeated a record may have gone already. */
	assert(n <= 0 || way->read + (size_t)n <= way->written + play->refused[1 - who]);
	assert(n != 0 || (way->shut && way->read == way->written));
	assert(n >= 0 || errno == EAGAIN || play->broken);
	assert(n >= 0 || errno != EAGAIN || !stream_tls.pending(play->tls[who]));
	way->ended |= n == 0;
	if (!peek)
		way->read += n > 0 ? (size_t)n : 0;
	free(bytes);
}

static void play_shut(struct play *play, int who)
{
	struct way *way = &play->ways[who];

	if (way->shut || play->refused[who] != 0)
		return;
	way->shut = stream_tls.shut(play->tls[who], play->fds[who]) == 0;
	way->shutting = !way->shut; /* nothing is written before it is asked again */
}

/* Somebody between the two. */
static void play_break(struct play *play, int who)
{
	uint8_t byte;

	if (recv(play->fds[who], &byte, 1, MSG_DONTWAIT) == 1)
		play->broken = true; /* it is missing */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct play play;
	size_t i;
	int who;

	if (contexts[0] == NULL)
		make_contexts();
	play_open(&play);
	for (i = 0; i + 1 < size && i < 2 * STEPS_MAX; i += 2) {
		who = data[i] & 1;
		switch (data[i] >> 1 & 7) {
		case 0:
		case 1:
			play_write(&play, who, data[i + 1]);
			break;
		case 2:
			play_write(&play, who, (size_t)data[i + 1] * 137);
			break;
		case 3:
			play_read(&play, who, (size_t)data[i + 1] + 1, false);
			break;
		case 4:
			play_read(&play, who, ((size_t)data[i + 1] + 1) * 137, false);
			break;
		case 5:
			play_read(&play, who, (size_t)data[i + 1] + 1, true);
			break;
		case 6:
			play_shut(&play, who);
			break;
		default:
			if (data[i + 1] == 0xff)
				play_break(&play, who);
			break;
		}
	}
	for (who = 0; who < 2; who++) {
		(void)stream_tls.trouble(play.tls[who]);
		stream_tls.free(play.tls[who]);
		(void)close(play.fds[who]);
	}
	return 0;
}
