/*
 * One TLS connection; see tls.h. OpenSSL reads no further than one record, so that what it has not
 * decrypted yet lies in the socket, and events tell of it; what it has is given out as long as
 * there is room for it.
 */
#include "proxy/stream/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/stream/tls_context.h"

enum { TLS_RECORD = 16384 }; /* payload of the largest (RFC 8446, 5.1) */

static const char tls_cut_off[] = "it was cut off, without close_notify";
static const char tls_cut_early[] = "it was cut off in the handshake";

struct tls {
	SSL *ssl;            /* owned */
	bool has_agreed;     /* the handshake is over */
	bool has_end;        /* it has been seen, but not been told yet */
	bool is_broken;      /* OpenSSL wants to hear no more of it, */
	int error;           /* ... nor tells why once more: an errno */
	const char *trouble; /* static, or OpenSSL's; until it has been told */
};

struct tls *tls_new(struct tls_context *context, int fd)
{
	struct tls *tls = calloc(1, sizeof *tls);

	if (tls == NULL)
		return NULL;
	tls->ssl = tls_context_open(context, fd);
	if (tls->ssl != NULL)
		return tls;
	free(tls);
	return NULL;
}

static void tls_free(void *state)
{
	struct tls *tls = state;

	SSL_free(tls->ssl);
	free(tls);
}

/* ---- errors ---- */

/* In OpenSSL's words, but for what they hide. */
static const char *tls_describe(const struct tls *tls, unsigned long error)
{
	long verified = SSL_get_verify_result(tls->ssl);
	int reason = ERR_GET_REASON(error);
	const char *text;

	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && verified != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return tls->has_agreed ? tls_cut_off : tls_cut_early;
	text = ERR_reason_error_string(error);
	return text != NULL ? text : "something is wrong with it";
}

/* What a call has come to that gave no bytes: 0 for the end, or -1 with errno. */
static ssize_t tls_outcome(struct tls *tls, int result)
{
	int saved_errno = errno;
	unsigned long error;

	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		errno = tls->error;
		return tls->is_broken ? -1 : 0; /* OpenSSL takes an alert for the end, next time */
	case SSL_ERROR_SYSCALL: /* also what is said of one that was broken before */
		if (tls->is_broken)
			break;
		tls->error = saved_errno != 0 ? saved_errno : ECONNRESET;
		if (!tls->has_agreed)
			tls->trouble = tls_cut_early; /* by a reset; later ones tell by errno */
		break;
	default:
		if (tls->is_broken)
			break;
		error = ERR_peek_error();
		tls->error = ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE ? ENOMEM : EPROTO;
		tls->trouble = tls_describe(tls, error);
		break;
	}
	tls->is_broken = true;
	errno = tls->error;
	return -1;
}

static void tls_call(void)
{
	ERR_clear_error(); /* another connection's may be left */
	errno = 0;
}

/* OpenSSL's strings live as long as the program. */
static const char *tls_trouble(void *state)
{
	struct tls *tls = state;
	const char *trouble = tls->trouble;

	tls->trouble = NULL;
	return trouble;
}

/* ---- the stream ---- */

static enum stream_shake tls_shake(void *state, int fd)
{
	struct tls *tls = state;
	int result;

	(void)fd; /* OpenSSL has it */
	tls_call();
	result = SSL_do_handshake(tls->ssl);
	tls->has_agreed = result == 1;
	if (tls->has_agreed)
		return STREAM_AGREED;
	if (tls_outcome(tls, result) < 0 && errno == EAGAIN)
		return SSL_want_write(tls->ssl) ? STREAM_WANTS_WRITE : STREAM_WANTS_READ;
	return STREAM_DISAGREED;
}

static int tls_int(size_t size)
{
	return size < TLS_RECORD ? (int)size : TLS_RECORD;
}

static ssize_t tls_read(void *state, int fd, void *bytes, size_t size)
{
	struct tls *tls = state;
	ssize_t outcome;
	size_t got = 0;
	int n;

	(void)fd;
	do {
		tls_call();
		n = SSL_read(tls->ssl, (char *)bytes + got, tls_int(size - got));
		got += n > 0 ? (size_t)n : 0;
	} while (n > 0 && got < size);
	outcome = n > 0 ? n : tls_outcome(tls, n);
	tls->has_end = got > 0 && !(outcome > 0 || (outcome < 0 && errno == EAGAIN));
	return got > 0 ? (ssize_t)got : outcome;
}

static ssize_t tls_peek(void *state, void *bytes, size_t size)
{
	struct tls *tls = state;
	ssize_t outcome;
	int n;

	tls_call();
	n = SSL_peek(tls->ssl, bytes, tls_int(size));
	outcome = n > 0 ? n : tls_outcome(tls, n);
	tls->has_end = !(outcome > 0 || (outcome < 0 && errno == EAGAIN));
	return outcome;
}

static bool tls_pending(const void *state)
{
	const struct tls *tls = state;

	return tls->has_end || SSL_pending(tls->ssl) > 0;
}

static ssize_t tls_write(void *state, int fd, const void *bytes, size_t size)
{
	struct tls *tls = state;
	int n;

	(void)fd;
	tls_call();
	n = SSL_write(tls->ssl, bytes, tls_int(size));
	if (n > 0 || tls_outcome(tls, n) < 0)
		return n > 0 ? n : -1;
	errno = EPIPE;
	return -1;
}

static int tls_shut(void *state, int fd)
{
	struct tls *tls = state;
	int result;

	if (!tls->is_broken) {
		tls_call();
		result = SSL_shutdown(tls->ssl);
		if (result < 0 && tls_outcome(tls, result) < 0 && errno == EAGAIN &&
			SSL_want_write(tls->ssl))
			return -1;
	}
	(void)shutdown(fd, SHUT_WR); /* an error: the peer has gone already */
	return 0;
}

const struct stream_ops stream_tls = {
	.read = tls_read,
	.write = tls_write,
	.shut = tls_shut,
	.shake = tls_shake,
	.peek = tls_peek,
	.pending = tls_pending,
	.trouble = tls_trouble,
	.free = tls_free,
	.unit = TLS_RECORD,
};

bool tls_is_cut_off(const char *trouble)
{
	return strcmp(trouble, tls_cut_off) == 0;
}

bool tls_subject(const struct tls *tls, char *text, size_t size)
{
	X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
	BIO *out;
	int n = 0;

	assert(size > 0);
	text[0] = '\0';
	if (certificate == NULL || SSL_get_verify_mode(tls->ssl) == SSL_VERIFY_NONE)
		return false;
	out = BIO_new(BIO_s_mem());
	if (out == NULL)
		return false;
	if (X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
		    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0)
		n = BIO_read(out, text, (int)size - 1);
	text[n > 0 ? n : 0] = '\0';
	(void)BIO_free(out); /* of memory: cannot fail */
	return n > 0;
}
