#ifndef PROXY_STREAM_TLS_H
#define PROXY_STREAM_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/stream/stream.h"

/*
 * TLS 1.2 and 1.3 (RFC 5246, 8446) as a stream, by OpenSSL. Each direction ends by its own
 * close_notify (RFC 8446, 6.1); one that ends without was cut off, and is an error.
 */
struct tls;
struct tls_context;

/* One connection over the non-blocking socket fd, which is borrowed. NULL when out of memory. */
struct tls *tls_new(struct tls_context *context, int fd);

/* Its state is a struct tls. */
extern const struct stream_ops stream_tls;

/* Whether a trouble is that the peer has ended without close_notify, and nothing else. */
bool tls_is_cut_off(const char *trouble);

/*
 * Writes the subject (RFC 4514) of the peer's certificate, which was verified. False: it has shown
 * none. May be cut.
 */
bool tls_subject(const struct tls *tls, char *text, size_t size);

#endif
