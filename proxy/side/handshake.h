#ifndef PROXY_SIDE_HANDSHAKE_H
#define PROXY_SIDE_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is spoken before the first message, in heads that http.h parses: a table for each side that
 * begins so. There is one, the opening handshake of WebSocket (RFC 6455, section 4). Who says it to
 * whom is the business of proxy/upgrade.c.
 */
struct http_head;
struct ids;

#define HANDSHAKE_KEY_SIZE    24 /* base64 of 16 bytes */
#define HANDSHAKE_ACCEPT_SIZE 28 /* base64 of a SHA-1 */
#define HANDSHAKE_ANSWER_MAX  512

enum handshake {
	HANDSHAKE_NONE, /* an ordinary request */
	HANDSHAKE_OK,   /* a complete one (RFC 6455, 4.2.1) */
	HANDSHAKE_BAD,  /* wants it, wrongly: head->bad_status 400 or 426, bad_reason */
};

/* By what an answer proves that it is for that request. */
struct handshake_proof {
	char accept[HANDSHAKE_ACCEPT_SIZE];
};

struct side_shake {
	/* What a request wants. */
	enum handshake (*check)(struct http_head *request);
	/* What its answer must prove. */
	void (*prove)(struct handshake_proof *proof, const struct http_head *request);
	/* Our own request, for a server; returns its size. 0: text is short. */
	size_t (*ask)(char *text, size_t size, struct handshake_proof *proof, struct ids *ids,
		const char *host, const char *path);
	/* Our own answer, to a client; returns its size. */
	size_t (*welcome)(char text[HANDSHAKE_ANSWER_MAX], const struct handshake_proof *proof);
	/*
	 * Checks a server's answer to the request that was proved. offered: the request head, or
	 * NULL when it was ours. NULL, or what is wrong as a static text.
	 */
	const char *(*check_reply)(const struct http_head *reply,
		const struct handshake_proof *proof, const struct http_head *offered);
	/*
	 * In a head that is handed through: fields in place of the neighbours' own, and the names
	 * of those that are negotiated between neighbours, since we take part in none of it.
	 */
	const char *fields;
	const char *const *dropped;
};

extern const struct side_shake handshake_websocket;

/* RFC 6455, 4.2.2 step 5.4. key_size is HANDSHAKE_KEY_SIZE. No terminator. */
void handshake_accept(char accept[HANDSHAKE_ACCEPT_SIZE], const char *key, size_t key_size);
/* Base64 of 16 random bytes. No terminator. */
void handshake_key(char key[HANDSHAKE_KEY_SIZE], const uint8_t random[16]);

#endif
