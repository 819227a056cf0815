/*
 * The opening handshake of WebSocket, both ends of it. Looks at heads that were parsed before,
 * whose fields are borrowed. Nothing here allocates or fails.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* see handshake_sha1() */

#include "proxy/side/handshake.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "proxy/side/http.h"
#include "proxy/side/http_body.h"
#include "w3c/ids.h"

#define HANDSHAKE_FIELDS "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define HANDSHAKE_GUID   "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, 1.3 */

static bool handshake_is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Base64 of 16 bytes: 22 digits and two pads. */
static bool handshake_key_valid(struct http_text key)
{
	size_t i;

	if (key.size != HANDSHAKE_KEY_SIZE || memcmp(key.bytes + 22, "==", 2) != 0)
		return false;
	for (i = 0; i < 22; i++)
		if (!handshake_is_alphanumeric(key.bytes[i]) && key.bytes[i] != '+' &&
			key.bytes[i] != '/')
			return false;
	return true;
}

static enum handshake handshake_fail(struct http_head *request, unsigned status, const char *reason)
{
	request->bad_status = status;
	request->bad_reason = reason;
	return HANDSHAKE_BAD;
}

static enum handshake handshake_check(struct http_head *request)
{
	struct http_body body;
	const struct http_field *version = http_field_find(request, "Sec-WebSocket-Version");
	const struct http_field *key = http_field_find(request, "Sec-WebSocket-Key");

	if (!http_field_has_token(request, "Upgrade", "websocket"))
		return HANDSHAKE_NONE;
	if (!http_text_is_exactly(request->method, HTTP_TEXT("GET")))
		return handshake_fail(request, 400, "WebSocket handshake is not a GET");
	if (request->version_minor < 1)
		return handshake_fail(request, 400, "WebSocket handshake in HTTP/1.0");
	if (http_field_count(request, "Host") != 1)
		return handshake_fail(request, 400, "not one Host field");
	if (!http_field_has_token(request, "Connection", "upgrade"))
		return handshake_fail(request, 400, "Connection field without upgrade");
	if (http_field_count(request, "Sec-WebSocket-Version") != 1 ||
		!http_text_is_exactly(version->value, HTTP_TEXT("13")))
		return handshake_fail(request, 426, "Sec-WebSocket-Version is not 13");
	if (http_field_count(request, "Sec-WebSocket-Key") != 1 || !handshake_key_valid(key->value))
		return handshake_fail(request, 400, "bad Sec-WebSocket-Key");
	if (http_body_of_request(&body, request) != HTTP_DONE || body.state != HTTP_BODY_DONE)
		return handshake_fail(request, 400, "WebSocket handshake with a body");
	return HANDSHAKE_OK;
}

/*
 * SHA-1 secures nothing here: it shows that a server has read the request (RFC 6455, 1.3).
 * OpenSSL's newer ways to it bring up that whole library, which takes 2 MB, a tenth of the start
 * and 4,000 instructions a handshake, and fail without memory or where FIPS allows none. These
 * cannot.
 */
static void handshake_sha1(uint8_t digest[SHA_DIGEST_LENGTH], const uint8_t *bytes, size_t size)
{
	SHA_CTX state;

	(void)SHA1_Init(&state);
	(void)SHA1_Update(&state, bytes, size);
	(void)SHA1_Final(digest, &state);
}

void handshake_accept(char accept[HANDSHAKE_ACCEPT_SIZE], const char *key, size_t key_size)
{
	struct http_text guid = HTTP_TEXT(HANDSHAKE_GUID);
	uint8_t text[HANDSHAKE_KEY_SIZE + sizeof HANDSHAKE_GUID];
	uint8_t digest[SHA_DIGEST_LENGTH];
	uint8_t encoded[HANDSHAKE_ACCEPT_SIZE + 1]; /* terminated by EVP_EncodeBlock */

	assert(key_size == HANDSHAKE_KEY_SIZE);
	memcpy(text, key, key_size);
	memcpy(text + key_size, guid.bytes, guid.size);
	handshake_sha1(digest, text, key_size + guid.size);
	(void)EVP_EncodeBlock(encoded, digest, sizeof digest); /* cannot fail: size is fixed */
	memcpy(accept, encoded, HANDSHAKE_ACCEPT_SIZE);
}

void handshake_key(char key[HANDSHAKE_KEY_SIZE], const uint8_t random[16])
{
	uint8_t encoded[HANDSHAKE_KEY_SIZE + 1]; /* terminated by EVP_EncodeBlock */

	(void)EVP_EncodeBlock(encoded, random, 16); /* cannot fail: size is fixed */
	memcpy(key, encoded, HANDSHAKE_KEY_SIZE);
}

/* Subprotocol names are compared as they are (RFC 6455, 4.1). */
static const char *handshake_check_subprotocol(
	const struct http_head *reply, const struct http_head *offered)
{
	const struct http_field *chosen = http_field_find(reply, "Sec-WebSocket-Protocol");

	if (chosen == NULL)
		return NULL;
	if (http_field_count(reply, "Sec-WebSocket-Protocol") != 1)
		return "more than one Sec-WebSocket-Protocol";
	if (offered == NULL || chosen->value.size == 0 ||
		!http_field_has_exactly(offered, "Sec-WebSocket-Protocol", chosen->value))
		return "subprotocol that was not offered";
	return NULL;
}

/* RFC 6455, 4.1, last list. */
static const char *handshake_check_reply(const struct http_head *reply,
	const struct handshake_proof *proof, const struct http_head *offered)
{
	const struct http_field *upgrade = http_field_find(reply, "Upgrade");
	const struct http_field *accept = http_field_find(reply, "Sec-WebSocket-Accept");

	if (reply->status != 101)
		return "status is not 101";
	if (upgrade == NULL || !http_text_is(upgrade->value, HTTP_TEXT("websocket")))
		return "Upgrade is not websocket";
	if (!http_field_has_token(reply, "Connection", "upgrade"))
		return "Connection field without upgrade";
	if (http_field_count(reply, "Sec-WebSocket-Accept") != 1 ||
		!http_text_is_exactly(
			accept->value, (struct http_text){proof->accept, HANDSHAKE_ACCEPT_SIZE}))
		return "wrong Sec-WebSocket-Accept";
	if (http_field_find(reply, "Sec-WebSocket-Extensions") != NULL)
		return "extension that was not offered";
	return handshake_check_subprotocol(reply, offered);
}

static void handshake_prove(struct handshake_proof *proof, const struct http_head *request)
{
	const struct http_field *key = http_field_find(request, "Sec-WebSocket-Key");

	handshake_accept(proof->accept, key->value.bytes, key->value.size);
}

static size_t handshake_ask(char *text, size_t size, struct handshake_proof *proof, struct ids *ids,
	const char *host, const char *path)
{
	char key[HANDSHAKE_KEY_SIZE];
	uint8_t random[16];
	int written;

	ids_random(ids, random, sizeof random);
	handshake_key(key, random);
	handshake_accept(proof->accept, key, sizeof key);
	written = snprintf(text, size,
		"GET %s HTTP/1.1\r\nHost: %s\r\n" HANDSHAKE_FIELDS
		"Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		path, host, HANDSHAKE_KEY_SIZE, key);
	return written > 0 && (size_t)written < size ? (size_t)written : 0;
}

static size_t handshake_welcome(
	char text[HANDSHAKE_ANSWER_MAX], const struct handshake_proof *proof)
{
	int size = snprintf(text, HANDSHAKE_ANSWER_MAX,
		"HTTP/1.1 101 Switching Protocols\r\n" HANDSHAKE_FIELDS
		"Sec-WebSocket-Accept: %.*s\r\n\r\n",
		HANDSHAKE_ACCEPT_SIZE, proof->accept);

	assert(size > 0 && size < HANDSHAKE_ANSWER_MAX); /* fixed texts */
	return (size_t)size;
}

static const char *const handshake_dropped[] = {
	"Sec-WebSocket-Extensions",
	"x-codex-app-server-compression", /* codex: turns all later frames into a zstd stream */
	NULL,
};

const struct side_shake handshake_websocket = {
	.check = handshake_check,
	.prove = handshake_prove,
	.ask = handshake_ask,
	.welcome = handshake_welcome,
	.check_reply = handshake_check_reply,
	.fields = HANDSHAKE_FIELDS,
	.dropped = handshake_dropped,
};
