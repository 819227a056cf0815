#ifndef PROXY_STREAM_TLS_CONTEXT_H
#define PROXY_STREAM_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "config/certificates.h"

/* What the TLS connections of one role share: who they are, whom they trust, tickets. */
struct ssl_st;
struct tls_context;

struct tls_settings {
	bool is_server;
	bool is_http; /* agreed on with ALPN, where both know it */
	const char
		*paths[CERTIFICATES_FILES]; /* borrowed; without _ROOT a server asks nobody for a
					     * certificate, and a client trusts whom the system does
					     */
	const char *name; /* a client's: what the server's certificate must be for; borrowed */
};

/* NULL, with a one-line text in error. */
struct tls_context *tls_context_new(
	const struct tls_settings *settings, char *error, size_t error_size);
void tls_context_free(struct tls_context *context); /* its connections go on */

/*
 * Reads the files again if they have changed, for connections to come. 1: they had; 0: they had
 * not; -1: they had, but cannot be used (error), and what they were before goes on. Each change is
 * told of once.
 */
int tls_context_renew(struct tls_context *context, char *error, size_t error_size);

/*
 * OpenSSL's half of a connection over the non-blocking socket fd, which is borrowed, in the role of
 * the context. The caller frees. NULL when out of memory.
 */
struct ssl_st *tls_context_open(struct tls_context *context, int fd);

#endif
