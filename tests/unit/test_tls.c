/* TLS between two ends in one process, in pieces of every size. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/stream/tls.h"
#include "proxy/stream/tls_context.h"
#include "tests/unit/tls_files.h"
#include "tests/unit/unit.h"

static char folder[32], own_path[64], key_path[64];

struct ends {
	struct tls_context *contexts[2];
	struct tls *tls[2]; /* server, client */
	int fds[2];
};

static void ends_open(struct ends *ends, bool agree)
{
	struct tls_settings server = {.is_server = true,
		.paths = {[CERTIFICATES_OWN] = own_path,
			[CERTIFICATES_KEY] = key_path,
			[CERTIFICATES_ROOT] = own_path}};
	struct tls_settings client = {.name = "localhost",
		.paths = {[CERTIFICATES_OWN] = own_path,
			[CERTIFICATES_KEY] = key_path,
			[CERTIFICATES_ROOT] = own_path}};
	enum stream_shake how[2] = {STREAM_WANTS_READ, STREAM_WANTS_READ};
	char error[256];
	int i, rounds;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends->fds), 0);
	for (i = 0; i < 2; i++) {
		ends->contexts[i] =
			tls_context_new(i == 0 ? &server : &client, error, sizeof error);
		ck_assert_msg(ends->contexts[i] != NULL, "%s", error);
		ends->tls[i] = tls_new(ends->contexts[i], ends->fds[i]);
		ck_assert_ptr_nonnull(ends->tls[i]);
	}
	for (rounds = 0; agree && (how[0] != STREAM_AGREED || how[1] != STREAM_AGREED); rounds++)
		for (i = 0; i < 2; i++) {
			ck_assert_int_lt(rounds, 20);
			if (how[i] != STREAM_AGREED)
				how[i] = stream_tls.shake(ends->tls[i], ends->fds[i]);
			ck_assert_int_ne(how[i], STREAM_DISAGREED);
		}
}

static void ends_close(struct ends *ends)
{
	int i;

	for (i = 0; i < 2; i++) {
		stream_tls.free(ends->tls[i]);
		tls_context_free(ends->contexts[i]);
		close(ends->fds[i]);
	}
}

static ssize_t tls_give(struct ends *ends, int from, const void *bytes, size_t size)
{
	return stream_tls.write(ends->tls[from], ends->fds[from], bytes, size);
}

static ssize_t tls_take(struct ends *ends, int at, void *bytes, size_t size)
{
	return stream_tls.read(ends->tls[at], ends->fds[at], bytes, size);
}

static uint8_t byte_at(size_t position)
{
	return (uint8_t)(position * 7 + position / 251);
}

/* In reads of every size, with what no event would tell of said by pending(). */
START_TEST(test_reads)
{
	static const size_t sizes[] = {1, 2, 3, 100, 16383, 16384, 16385, 65536};
	size_t size = sizes[_i % 8], got, total = 40000, given = 0, i;
	uint8_t *bytes = malloc(total), *back = malloc(65536);
	struct ends ends;
	int from = _i / 8;
	ssize_t n;

	for (i = 0; i < total; i++)
		bytes[i] = byte_at(i);
	ends_open(&ends, true);
	while (given < total) {
		n = tls_give(&ends, from, bytes + given, total - given);
		ck_assert(n > 0 && n <= 16384);
		given += (size_t)n;
	}
	for (got = 0; got < total; got += (size_t)n) {
		n = tls_take(&ends, 1 - from, back, size);
		ck_assert_int_gt(n, 0);
		ck_assert_uint_le((size_t)n, size);
		ck_assert_int_eq(memcmp(back, bytes + got, (size_t)n), 0);
		if ((got + (size_t)n) % 16384 != 0 && got + (size_t)n < total)
			ck_assert(stream_tls.pending(ends.tls[1 - from]));
	}
	ck_assert(!stream_tls.pending(ends.tls[1 - from]));
	ck_assert_int_eq(tls_take(&ends, 1 - from, back, size), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_ptr_null(stream_tls.trouble(ends.tls[1 - from]));
	ends_close(&ends);
	free(bytes);
	free(back);
}
END_TEST

/* A write that was refused goes on with the same bytes, elsewhere and with more behind them. */
START_TEST(test_refused_write)
{
	enum { TOTAL = 4 << 20 };
	uint8_t *bytes = malloc(TOTAL), *copy = malloc(TOTAL), *back = malloc(65536);
	size_t given = 0, got = 0, i;
	int refused = 0;
	struct ends ends;
	ssize_t n;

	for (i = 0; i < TOTAL; i++)
		bytes[i] = byte_at(i);
	ends_open(&ends, true);
	while (got < TOTAL) {
		memcpy(copy, bytes + given, TOTAL - given);
		n = given < TOTAL ? tls_give(&ends, 0, copy, TOTAL - given) : 0;
		if (n > 0) {
			given += (size_t)n;
			continue;
		}
		refused += n < 0;
		ck_assert(n == 0 || errno == EAGAIN);
		n = tls_take(&ends, 1, back, 65536);
		ck_assert_int_gt(n, 0);
		ck_assert_int_eq(memcmp(back, bytes + got, (size_t)n), 0);
		got += (size_t)n;
	}
	ck_assert_int_gt(refused, 2);
	ends_close(&ends);
	free(bytes);
	free(copy);
	free(back);
}
END_TEST

/* Behind bytes, so that no event is left for the end: pending() says that there is one. */
START_TEST(test_ends)
{
	bool cut = _i % 2 == 1;
	int from = _i / 2;
	struct ends ends;
	char bytes[16];

	ends_open(&ends, true);
	ck_assert_int_eq(tls_give(&ends, from, "last", 4), 4);
	if (cut)
		shutdown(ends.fds[from], SHUT_WR);
	else
		ck_assert_int_eq(stream_tls.shut(ends.tls[from], ends.fds[from]), 0);
	ck_assert_int_eq(stream_tls.peek(ends.tls[1 - from], bytes, 2), 2);
	ck_assert_int_eq(memcmp(bytes, "la", 2), 0);
	ck_assert_int_eq(tls_take(&ends, 1 - from, bytes, sizeof bytes), 4);
	ck_assert_int_eq(memcmp(bytes, "last", 4), 0);
	ck_assert(stream_tls.pending(ends.tls[1 - from]));
	ck_assert_int_eq(tls_take(&ends, 1 - from, bytes, sizeof bytes), cut ? -1 : 0);
	ck_assert(!stream_tls.pending(ends.tls[1 - from]));
	if (cut) {
		ck_assert_int_ne(errno, EAGAIN);
		ck_assert_str_eq(stream_tls.trouble(ends.tls[1 - from]),
			"it was cut off, without close_notify");
	}
	ck_assert_ptr_null(stream_tls.trouble(ends.tls[1 - from])); /* once */
	if (!cut) {                                                 /* the other way goes on */
		ck_assert_int_eq(tls_give(&ends, 1 - from, "more", 4), 4);
		ck_assert_int_eq(tls_take(&ends, from, bytes, sizeof bytes), 4);
	}
	ends_close(&ends);
}
END_TEST

START_TEST(test_subject)
{
	struct ends ends;
	char text[64], short_text[5];

	ends_open(&ends, true);
	ck_assert(tls_subject(ends.tls[0], text, sizeof text));
	ck_assert_str_eq(text, "CN=localhost");
	ck_assert(tls_subject(ends.tls[0], short_text, sizeof short_text));
	ck_assert_str_eq(short_text, "CN=l");
	ends_close(&ends);
}
END_TEST

/* What is not TLS, cut at every byte: refused or waited for, never a crash. */
START_TEST(test_no_tls)
{
	static const uint8_t said[] = "\x16\x03\x01\x00\x05hello, this is no handshake at all";
	enum stream_shake how;
	struct ends ends;

	ends_open(&ends, false);
	ck_assert_int_eq(write(ends.fds[1], said, (size_t)_i), _i);
	how = stream_tls.shake(ends.tls[0], ends.fds[0]);
	if (_i < 6)
		ck_assert_int_eq(how, STREAM_WANTS_READ);
	shutdown(ends.fds[1], SHUT_WR);
	how = stream_tls.shake(ends.tls[0], ends.fds[0]);
	ck_assert_int_eq(how, STREAM_DISAGREED);
	ck_assert_ptr_nonnull(stream_tls.trouble(ends.tls[0]));
	ends_close(&ends);
}
END_TEST

START_TEST(test_renewal)
{
	struct tls_settings settings = {.is_server = true,
		.paths = {[CERTIFICATES_OWN] = own_path, [CERTIFICATES_KEY] = key_path}};
	char error[256], kept[] = "/tmp/sidespan_tls_key_XXXXXX";
	struct tls_context *context = tls_context_new(&settings, error, sizeof error);
	int fd = mkstemp(kept);

	ck_assert_ptr_nonnull(context);
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), 0);
	tls_files_write(own_path, key_path);
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), 1);
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), 0);
	ck_assert_int_eq(rename(key_path, kept), 0); /* for a moment, as renewals do */
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), 0);
	ck_assert_int_eq(rename(kept, key_path), 0);
	ck_assert_int_eq(truncate(own_path, 10), 0);
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), -1);
	ck_assert_ptr_nonnull(strstr(error, own_path));
	ck_assert_int_eq(tls_context_renew(context, error, sizeof error), 0); /* told once */
	tls_context_free(context);
	close(fd);
	tls_files_write(own_path, key_path);
}
END_TEST

static void set_up(void)
{
	(void)snprintf(folder, sizeof folder, "/tmp/sidespan_tls_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	(void)snprintf(own_path, sizeof own_path, "%s/own.pem", folder);
	(void)snprintf(key_path, sizeof key_path, "%s/own.key", folder);
	tls_files_write(own_path, key_path);
}

static void tear_down(void)
{
	(void)unlink(own_path);
	(void)unlink(key_path);
	(void)rmdir(folder);
}

int main(void)
{
	TCase *tc = tcase_create("tls");

	unit_fixture(set_up, tear_down);
	tcase_add_loop_test(tc, test_reads, 0, 16);
	tcase_add_test(tc, test_refused_write);
	tcase_add_loop_test(tc, test_ends, 0, 4);
	tcase_add_test(tc, test_subject);
	tcase_add_loop_test(tc, test_no_tls, 0, 39);
	tcase_add_test(tc, test_renewal);
	return unit_run("tls", tc);
}
