/* TLS between two ends in one process, in pieces of every size. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
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

static struct tls_settings settings_of(bool is_server)
{
	return (struct tls_settings){.is_server = is_server,
		.name = is_server ? NULL : "localhost",
		.paths = {[CERTIFICATES_OWN] = own_path,
			[CERTIFICATES_KEY] = key_path,
			[CERTIFICATES_ROOT] = own_path}};
}

static void ends_make(
	struct ends *ends, const struct tls_settings *server, const struct tls_settings *client)
{
	char error[256];
	int i;

	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends->fds), 0);
	for (i = 0; i < 2; i++) {
		ends->contexts[i] = tls_context_new(i == 0 ? server : client, error, sizeof error);
		ck_assert_msg(ends->contexts[i] != NULL, "%s", error);
		ends->tls[i] = tls_new(ends->contexts[i], ends->fds[i]);
		ck_assert_ptr_nonnull(ends->tls[i]);
	}
}

/* Until each has come to an end of it: whether both have agreed. */
static bool ends_shake(struct ends *ends)
{
	enum stream_shake how[2] = {STREAM_WANTS_READ, STREAM_WANTS_READ};
	int i, rounds;

	for (rounds = 0; rounds < 20; rounds++)
		for (i = 0; i < 2; i++)
			if (how[i] == STREAM_WANTS_READ || how[i] == STREAM_WANTS_WRITE)
				how[i] = stream_tls.shake(ends->tls[i], ends->fds[i]);
	return how[0] == STREAM_AGREED && how[1] == STREAM_AGREED;
}

static void ends_open(struct ends *ends, bool agree)
{
	struct tls_settings server = settings_of(true), client = settings_of(false);

	ends_make(ends, &server, &client);
	if (agree)
		ck_assert(ends_shake(ends));
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

/* A client without a certificate has no name; a server that nobody verifies has none either. */
START_TEST(test_no_subject)
{
	struct tls_settings server = settings_of(true), client = settings_of(false);
	struct ends ends;
	char text[64] = "x";

	server.paths[CERTIFICATES_ROOT] = NULL; /* asks for none */
	ends_make(&ends, &server, &client);
	ck_assert(ends_shake(&ends));
	ck_assert(!tls_subject(ends.tls[0], text, sizeof text));
	ck_assert_str_eq(text, "");
	ck_assert(tls_subject(ends.tls[1], text, sizeof text));
	ck_assert_str_eq(text, "CN=localhost");
	ends_close(&ends);
}
END_TEST

/* Of whom a client asks: a name or an address that the certificate has, by roots that are known. */
START_TEST(test_wrong_server)
{
	static const struct {
		const char *name;
		bool has_root;
		const char *trouble;
	} rows[] = {{"127.0.0.1", true, "IP address mismatch"},
		{"::1", true, "IP address mismatch"}, {"elsewhere", true, "hostname mismatch"},
		{"localhost", false, "self-signed certificate"}};
	struct tls_settings server = settings_of(true), client = settings_of(false);
	const char *trouble;
	struct ends ends;

	client.name = rows[_i].name;
	if (!rows[_i].has_root)
		client.paths[CERTIFICATES_ROOT] = NULL;
	ends_make(&ends, &server, &client);
	ck_assert(!ends_shake(&ends));
	trouble = stream_tls.trouble(ends.tls[1]);
	ck_assert_ptr_nonnull(trouble);
	ck_assert_msg(strcasestr(trouble, rows[_i].trouble) != NULL, "%s", trouble);
	ends_close(&ends);
}
END_TEST

/* A server of HTTP takes what of it is offered; whoever offers something else only is refused. */
START_TEST(test_protocols)
{
	static const struct {
		const char *offered; /* NULL: nothing */
		const char *chosen;  /* NULL: it is refused; "": nothing is said */
		bool is_http;
	} rows[] = {{"\x08http/1.1", "http/1.1", true}, {"\x08http/1.0", "http/1.0", true},
		{"\x02h2\x08http/1.1", "http/1.1", true},
		{"\x08http/1.0\x08http/1.1", "http/1.1", true}, {"\x02h2", NULL, true},
		{NULL, "", true}, {"\x02h2", "", false}};
	SSL_CTX *offers = SSL_CTX_new(TLS_client_method());
	struct tls_settings server = settings_of(true), client = settings_of(false);
	const unsigned char *chosen;
	bool refused = false;
	struct ends ends;
	unsigned size;
	int rounds;
	SSL *ssl;

	server.paths[CERTIFICATES_ROOT] = NULL;
	server.is_http = rows[_i].is_http;
	ends_make(&ends, &server, &client);
	ck_assert_ptr_nonnull(offers);
	if (rows[_i].offered != NULL)
		ck_assert_int_eq(
			SSL_CTX_set_alpn_protos(offers, (const unsigned char *)rows[_i].offered,
				(unsigned)strlen(rows[_i].offered)),
			0);
	ssl = SSL_new(offers);
	ck_assert_int_eq(SSL_set_fd(ssl, ends.fds[1]), 1);
	for (rounds = 0; rounds < 20; rounds++) {
		(void)SSL_connect(ssl);
		refused |= stream_tls.shake(ends.tls[0], ends.fds[0]) == STREAM_DISAGREED;
	}
	ck_assert_int_eq(refused, rows[_i].chosen == NULL);
	SSL_get0_alpn_selected(ssl, &chosen, &size);
	if (!refused) {
		ck_assert_uint_eq(size, strlen(rows[_i].chosen));
		ck_assert_int_eq(
			memcmp(chosen != NULL ? chosen : (const void *)"", rows[_i].chosen, size),
			0);
	}
	SSL_free(ssl);
	SSL_CTX_free(offers);
	ends_close(&ends);
}
END_TEST

/* A client that will speak HTTP says which. */
START_TEST(test_asks_for_http)
{
	struct tls_settings server = settings_of(true), client = settings_of(false);
	struct tls_context *context;
	const unsigned char *chosen;
	struct ends ends;
	char error[256];
	unsigned size;
	int rounds;
	SSL *ssl;

	server.paths[CERTIFICATES_ROOT] = NULL;
	server.is_http = true;
	client.is_http = true;
	ends_make(&ends, &server, &client);
	context = tls_context_new(&client, error, sizeof error);
	ck_assert_msg(context != NULL, "%s", error);
	ssl = tls_context_open(context, ends.fds[1]);
	ck_assert_ptr_nonnull(ssl);
	for (rounds = 0; rounds < 20; rounds++) {
		(void)SSL_do_handshake(ssl);
		ck_assert_int_ne(stream_tls.shake(ends.tls[0], ends.fds[0]), STREAM_DISAGREED);
	}
	SSL_get0_alpn_selected(ssl, &chosen, &size);
	ck_assert_uint_eq(size, 8);
	ck_assert_mem_eq(chosen, "http/1.1", 8);
	SSL_free(ssl);
	tls_context_free(context);
	ends_close(&ends);
}
END_TEST

/* What was broken stays so, and says why once; nothing more is sent, though the socket is shut. */
START_TEST(test_broken)
{
	static const char noise[] = "this is no record of TLS";
	int from = _i;
	struct ends ends;
	char bytes[64];
	int i;

	ends_open(&ends, true);
	ck_assert_int_gt(write(ends.fds[from], noise, sizeof noise), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(tls_take(&ends, 1 - from, bytes, sizeof bytes), -1);
		ck_assert_int_eq(errno, EPROTO);
		ck_assert_int_eq(stream_tls.trouble(ends.tls[1 - from]) != NULL, i == 0);
		ck_assert_int_eq(tls_give(&ends, 1 - from, "x", 1), -1);
		ck_assert_int_eq(errno, EPROTO);
		ck_assert(!stream_tls.pending(ends.tls[1 - from]));
	}
	ck_assert_int_eq(stream_tls.shut(ends.tls[1 - from], ends.fds[1 - from]), 0);
	for (i = 0; i < 3; i++) { /* an alert came */
		ck_assert_int_eq(tls_take(&ends, from, bytes, sizeof bytes), -1);
		ck_assert_int_eq(errno, EPROTO);
		ck_assert_int_eq(stream_tls.trouble(ends.tls[from]) != NULL, i == 0);
	}
	ck_assert_int_eq(recv(ends.fds[from], bytes, sizeof bytes, 0), 0);
	ends_close(&ends);
}
END_TEST

/* A reset is told by its number; before both have agreed, in words, too. */
START_TEST(test_reset)
{
	bool agreed = _i == 1;
	struct ends ends;
	char bytes[16];
	int i;

	ends_open(&ends, agreed);
	if (!agreed)
		ck_assert_int_eq(stream_tls.shake(ends.tls[1], ends.fds[1]), STREAM_WANTS_READ);
	ck_assert_int_gt(write(ends.fds[1], "unread", 6), 0);
	close(ends.fds[0]); /* with something in it that nobody has read */
	ends.fds[0] = dup(ends.fds[1]);
	for (i = 0; i < 2; i++) {
		if (agreed)
			ck_assert_int_eq(tls_take(&ends, 1, bytes, sizeof bytes), -1);
		else
			ck_assert_int_eq(
				stream_tls.shake(ends.tls[1], ends.fds[1]), STREAM_DISAGREED);
		ck_assert_int_eq(errno, ECONNRESET);
		ck_assert_int_eq(stream_tls.trouble(ends.tls[1]) != NULL, !agreed && i == 0);
	}
	ends_close(&ends);
}
END_TEST

/* Errors that are left from elsewhere are not taken for those of a call. */
START_TEST(test_errors_of_others)
{
	struct ends ends;
	char bytes[16];

	ends_open(&ends, true);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_PACKET);
	ck_assert_int_eq(tls_take(&ends, 0, bytes, sizeof bytes), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_PACKET);
	ck_assert_int_eq(stream_tls.peek(ends.tls[0], bytes, sizeof bytes), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert(!stream_tls.pending(ends.tls[0]));
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_PACKET);
	ck_assert_int_eq(stream_tls.shut(ends.tls[1], ends.fds[1]), 0);
	ERR_raise(ERR_LIB_SSL, SSL_R_BAD_PACKET);
	ck_assert_int_eq(stream_tls.peek(ends.tls[0], bytes, sizeof bytes), 0);
	ck_assert(stream_tls.pending(ends.tls[0])); /* the end */
	ck_assert_int_eq(tls_take(&ends, 0, bytes, sizeof bytes), 0);
	ERR_clear_error();
	ends_close(&ends);
}
END_TEST

/* The last word waits for room, and then it is said. */
START_TEST(test_shut_waits)
{
	static char junk[65536];
	struct ends ends;

	ends_open(&ends, true);
	while (send(ends.fds[0], junk, sizeof junk, MSG_DONTWAIT) > 0)
		; /* until there is no room */
	while (send(ends.fds[0], junk, 1, MSG_DONTWAIT) > 0)
		;
	ck_assert_int_eq(stream_tls.shut(ends.tls[0], ends.fds[0]), -1);
	ck_assert_int_eq(errno, EAGAIN);
	while (recv(ends.fds[1], junk, sizeof junk, MSG_DONTWAIT) > 0)
		; /* and no end has come */
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(stream_tls.shut(ends.tls[0], ends.fds[0]), 0);
	ck_assert_int_gt(recv(ends.fds[1], junk, sizeof junk, 0), 0); /* close_notify */
	ck_assert_int_eq(recv(ends.fds[1], junk, sizeof junk, 0), 0);
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
	tcase_add_test(tc, test_no_subject);
	tcase_add_loop_test(tc, test_wrong_server, 0, 4);
	tcase_add_loop_test(tc, test_protocols, 0, 7);
	tcase_add_test(tc, test_asks_for_http);
	tcase_add_loop_test(tc, test_broken, 0, 2);
	tcase_add_loop_test(tc, test_reset, 0, 2);
	tcase_add_test(tc, test_errors_of_others);
	tcase_add_test(tc, test_shut_waits);
	tcase_add_loop_test(tc, test_no_tls, 0, 39);
	tcase_add_test(tc, test_renewal);
	return unit_run("tls", tc);
}
