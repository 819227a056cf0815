#ifndef PROXY_SIDE_HANDSHAKE_H
#define PROXY_SIDE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The opening handshake of WebSocket (RFC 6455, section 4), in heads that http.h parses. */
struct http_head;

#define HANDSHAKE_KEY_SIZE    24 /* base64 of 16 bytes */
#define HANDSHAKE_ACCEPT_SIZE 28 /* base64 of a SHA-1 */

enum handshake {
	HANDSHAKE_NONE, /* an ordinary request */
	HANDSHAKE_OK,   /* a complete WebSocket handshake (RFC 6455, 4.2.1) */
	HANDSHAKE_BAD,  /* wants WebSocket, wrongly: head->bad_status 400 or 426, bad_reason */
};

enum handshake handshake_check(struct http_head *request);

/*
 * Whether SHA-1 is to be had. To be asked once before the first handshake: what OpenSSL loads for
 * it is then there, and only memory can be missing later. 0, or -1 with a text for who starts us.
 */
int handshake_ready(char *error, size_t error_size);

/*
 * RFC 6455, 4.2.2 step 5.4. key_size is HANDSHAKE_KEY_SIZE. No terminator. 0, or -1: out of memory,
 * and accept has nothing.
 */
int handshake_accept(char accept[HANDSHAKE_ACCEPT_SIZE], const char *key, size_t key_size);
/* Base64 of 16 random bytes. No terminator. */
void handshake_key(char key[HANDSHAKE_KEY_SIZE], const uint8_t random[16]);

/*
 * Checks a backend's 101 against the request that it answers (RFC 6455, 4.1, last list): Upgrade,
 * Connection, the accept value that belongs to the key, no extension, a subprotocol only if it was
 * offered (offered: the request head, or NULL for none). Returns NULL, or what is wrong as a static
 * text.
 */
const char *handshake_check_reply(const struct http_head *reply,
	const char expected[HANDSHAKE_ACCEPT_SIZE], const struct http_head *offered);

#endif
