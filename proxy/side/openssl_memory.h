#ifndef PROXY_SIDE_OPENSSL_MEMORY_H
#define PROXY_SIDE_OPENSSL_MEMORY_H

#include <stdbool.h>

/*
 * OpenSSL 3 comes up by allocating some thousand times, and in parts goes on with what it was given
 * without a look. Between these two it is not refused: what memory lacks comes out of a reserve.
 */
void openssl_memory_begin(void);

/* Whether there was memory for all of it. From then on OpenSSL is refused like everybody else. */
bool openssl_memory_end(void);

#endif
