#ifndef PROXY_SIDE_SHA1_H
#define PROXY_SIDE_SHA1_H

#include <stddef.h>
#include <stdint.h>

/*
 * SHA-1 (RFC 3174), by which WebSocket shows that a server has read the request (RFC 6455, 1.3).
 * Nothing is secured by it. OpenSSL's brings up that whole library, for 2 MB, a tenth of the start
 * and 4,000 instructions a handshake, can fail, and is missing where FIPS allows none.
 */
#define SHA1_SIZE 20

void sha1(uint8_t digest[SHA1_SIZE], const uint8_t *bytes, size_t size);

#endif
