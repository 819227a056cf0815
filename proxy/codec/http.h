#ifndef PROXY_CODEC_HTTP_H
#define PROXY_CODEC_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HTTP/1.1 message heads (RFC 9112) and the opening handshake of WebSocket (RFC 6455, section 4).
 * Pure: text in, text out. Bodies are not touched here.
 */
#define HTTP_FIELDS_MAX 512

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_BAD };

struct http_text {
	const char *bytes; /* borrowed from the parsed head */
	size_t size;
};

struct http_field {
	struct http_text name;
	struct http_text value; /* without surrounding OWS (RFC 9110, 5.5) */
	struct http_text line;  /* the whole line as it came, its CRLF included */
};

struct http_head {
	struct http_text start_line;     /* as it came, CRLF included */
	struct http_text method, target; /* request */
	unsigned status;                 /* response; 0 in a request */
	unsigned version_minor;          /* HTTP/1.x */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count;
	size_t size;            /* of the head, its blank line included */
	unsigned bad_status;    /* on HTTP_BAD: what to answer to the client: 400 or 431, 502 for a
				   response */
	const char *bad_reason; /* static text */
};

/*
 * Parses the head at bytes[0..size). HTTP_MORE while the blank line has not come and what is there
 * may be HTTP; head then holds nothing. Every call begins anew. Texts in head point into bytes.
 */
enum http_result http_request_parse(struct http_head *head, const char *bytes, size_t size);
enum http_result http_response_parse(struct http_head *head, const char *bytes, size_t size);

/* First field of that name (case-insensitive), or NULL. */
const struct http_field *http_field_find(const struct http_head *head, const char *name);

/* Whether any field of that name has token among its comma-separated values (case-insensitive). */
bool http_field_has_token(const struct http_head *head, const char *name, const char *token);

/* ---- WebSocket opening handshake ---- */

#define HTTP_WEBSOCKET_KEY_SIZE    24 /* base64 of 16 bytes */
#define HTTP_WEBSOCKET_ACCEPT_SIZE 28 /* base64 of a SHA-1 */

enum http_upgrade {
	HTTP_UPGRADE_NONE, /* an ordinary request */
	HTTP_UPGRADE_OK,   /* a complete WebSocket handshake (RFC 6455, 4.2.1) */
	HTTP_UPGRADE_BAD,  /* wants WebSocket, wrongly: head->bad_status 400 or 426, bad_reason */
};

enum http_upgrade http_upgrade_check(struct http_head *request);

/* RFC 6455, 4.2.2 step 5.4. key_size is HTTP_WEBSOCKET_KEY_SIZE. No terminator. */
void http_websocket_accept(
	char accept[HTTP_WEBSOCKET_ACCEPT_SIZE], const char *key, size_t key_size);
/* Base64 of 16 random bytes. No terminator. */
void http_websocket_key(char key[HTTP_WEBSOCKET_KEY_SIZE], const uint8_t random[16]);

/*
 * Checks a backend's 101 against the request that it answers (RFC 6455, 4.1, last list): Upgrade,
 * Connection, the accept value for key, no extension, a subprotocol only if it was offered
 * (offered: the request head, or NULL for none). Returns NULL, or what is wrong as a static text.
 */
const char *http_upgrade_reply_check(const struct http_head *reply, const char *key,
	size_t key_size, const struct http_head *offered);

/*
 * Copies a head to text (size bytes of room) without the fields whose names are in drop (a
 * NULL-terminated list, case-insensitive), then the lines of add (may be "", each with CRLF), then
 * the blank line. Everything kept is kept byte for byte. Returns the bytes written, or 0 when they
 * do not fit.
 */
size_t http_head_copy(char *text, size_t size, const struct http_head *head,
	const char *const *drop, const char *add);

#endif
