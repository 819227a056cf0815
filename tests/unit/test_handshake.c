/* The opening handshake of WebSocket, both ways. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/side/handshake.h"
#include "proxy/side/http.h"
#include "tests/unit/unit.h"
#include "w3c/ids.h"

#define TEST_KEY "dGhlIHNhbXBsZSBub25jZQ=="

static struct http_head test_head;

#define TEST_HOST    "Host: a\r\n"
#define TEST_UPGRADE "Upgrade: websocket\r\n"
#define TEST_CONNECT "Connection: Upgrade\r\n"
#define TEST_VERSION "Sec-WebSocket-Version: 13\r\n"
#define TEST_KEYED   "Sec-WebSocket-Key: " TEST_KEY "\r\n"
#define TEST_GET     "GET / HTTP/1.1\r\n"
#define TEST_ALL     TEST_HOST TEST_UPGRADE TEST_CONNECT TEST_VERSION TEST_KEYED

static const struct {
	const char *head;
	enum handshake upgrade;
	unsigned status;
	const char *reason;
} test_upgrades[] = {
	{TEST_GET TEST_ALL, HANDSHAKE_OK, 0, NULL},
	{TEST_GET TEST_HOST TEST_KEYED TEST_VERSION
		"upgrade: h2c, WebSocket\r\nconnection: keep-alive, UPGRADE\r\n",
		HANDSHAKE_OK, 0, NULL},
	{TEST_GET TEST_ALL "Content-Length: 0\r\n", HANDSHAKE_OK, 0, NULL},
	{TEST_GET TEST_HOST, HANDSHAKE_NONE, 0, NULL},
	{TEST_GET TEST_HOST TEST_CONNECT TEST_VERSION TEST_KEYED, HANDSHAKE_NONE, 0, NULL},
	{TEST_GET TEST_HOST TEST_CONNECT "Upgrade: h2c\r\n", HANDSHAKE_NONE, 0, NULL},
	{"POST / HTTP/1.1\r\n" TEST_ALL, HANDSHAKE_BAD, 400, "WebSocket handshake is not a GET"},
	{"get / HTTP/1.1\r\n" TEST_ALL, HANDSHAKE_BAD, 400, "WebSocket handshake is not a GET"},
	{"GET / HTTP/1.0\r\n" TEST_ALL, HANDSHAKE_BAD, 400, "WebSocket handshake in HTTP/1.0"},
	{TEST_GET TEST_UPGRADE TEST_CONNECT TEST_VERSION TEST_KEYED, HANDSHAKE_BAD, 400,
		"not one Host field"},
	{TEST_GET TEST_ALL TEST_HOST, HANDSHAKE_BAD, 400, "not one Host field"},
	{TEST_GET TEST_HOST TEST_UPGRADE TEST_VERSION TEST_KEYED, HANDSHAKE_BAD, 400,
		"Connection field without upgrade"},
	{TEST_GET TEST_HOST TEST_UPGRADE TEST_CONNECT TEST_KEYED "Sec-WebSocket-Version: 8\r\n",
		HANDSHAKE_BAD, 426, "Sec-WebSocket-Version is not 13"},
	{TEST_GET TEST_HOST TEST_UPGRADE TEST_CONNECT TEST_KEYED, HANDSHAKE_BAD, 426,
		"Sec-WebSocket-Version is not 13"},
	{TEST_GET TEST_ALL TEST_VERSION, HANDSHAKE_BAD, 426, "Sec-WebSocket-Version is not 13"},
	{TEST_GET TEST_HOST TEST_UPGRADE TEST_CONNECT TEST_VERSION, HANDSHAKE_BAD, 400,
		"bad Sec-WebSocket-Key"},
	{TEST_GET TEST_ALL TEST_KEYED, HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
#define TEST_WITH_KEY(key)                                                                         \
	TEST_GET TEST_HOST TEST_UPGRADE TEST_CONNECT TEST_VERSION "Sec-WebSocket-Key: " key "\r\n"
	{TEST_WITH_KEY("+/hlIHNhbXBsZSBub25jZQ=="), HANDSHAKE_OK, 0, NULL},
	{TEST_WITH_KEY(""), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhlIHNhbXBsZSBub25jZQ="), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhlIHNhbXBsZSBub25jZQAA"), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhlIHNhbXBsZSBub25jZQA="), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhlIHNhbXBsZSBub25jZ*=="), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhl-HNhbXBsZSBub25jZQ=="), HANDSHAKE_BAD, 400, "bad Sec-WebSocket-Key"},
	{TEST_WITH_KEY("dGhlIHNhbXBsZSBub25jZQ==AAAA"), HANDSHAKE_BAD, 400,
		"bad Sec-WebSocket-Key"},
	{TEST_GET TEST_ALL "Content-Length: 5\r\n", HANDSHAKE_BAD, 400,
		"WebSocket handshake with a body"},
	{TEST_GET TEST_ALL "Transfer-Encoding: chunked\r\n", HANDSHAKE_BAD, 400,
		"WebSocket handshake with a body"},
};

static void test_parse(struct http_head *head, bool request, char text[1024], const char *lines)
{
	struct http_scan scan = {0};
	int size = snprintf(text, 1024, "%s\r\n", lines);

	memset(head, 0xa5, sizeof *head); /* whatever was there before */
	ck_assert_int_lt(size, 1024);
	ck_assert_int_eq(request ? http_request_parse(head, &scan, text, (size_t)size)
				 : http_response_parse(head, &scan, text, (size_t)size),
		HTTP_DONE);
}

START_TEST(test_upgrade)
{
	char text[1024];

	test_parse(&test_head, true, text, test_upgrades[_i].head);
	ck_assert_int_eq(handshake_websocket.check(&test_head), test_upgrades[_i].upgrade);
	ck_assert_uint_eq(test_head.bad_status, test_upgrades[_i].status);
	ck_assert_pstr_eq(test_head.bad_reason, test_upgrades[_i].reason);
}
END_TEST

/* A digit of base64 is no other byte, wherever it stands. */
START_TEST(test_key_digits)
{
	char lines[1024], text[1024], *key;
	int byte, at;

	for (byte = '!'; byte <= '~'; byte++)
		for (at = 0; at < 22; at++) {
			bool good = isalnum(byte) || byte == '+' || byte == '/';

			(void)snprintf(lines, sizeof lines, "%s", TEST_WITH_KEY(TEST_KEY));
			key = strstr(lines, TEST_KEY);
			ck_assert_ptr_nonnull(key);
			key[at] = (char)byte;
			test_parse(&test_head, true, text, lines);
			ck_assert_int_eq(handshake_websocket.check(&test_head),
				good ? HANDSHAKE_OK : HANDSHAKE_BAD);
		}
}
END_TEST

/* RFC 6455, 1.3. */
START_TEST(test_rfc_example)
{
	char key[HANDSHAKE_KEY_SIZE], accept[HANDSHAKE_ACCEPT_SIZE];

	handshake_key(key, (const uint8_t *)"the sample nonce");
	ck_assert_mem_eq(key, TEST_KEY, sizeof key);
	handshake_accept(accept, key, sizeof key);
	ck_assert_mem_eq(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof accept);
}
END_TEST

#define TEST_101     "HTTP/1.1 101 Switching Protocols\r\n"
#define TEST_ACCEPT  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
#define TEST_REPLIED TEST_101 TEST_UPGRADE TEST_CONNECT TEST_ACCEPT
#define TEST_OFFER                                                                                 \
	TEST_GET TEST_ALL "Sec-WebSocket-Protocol: v1, v2\r\nSec-WebSocket-Protocol: v3\r\n"

static const struct {
	const char *reply, *offered, *fault;
} test_replies[] = {
	{TEST_REPLIED, NULL, NULL},
	{TEST_REPLIED, TEST_OFFER, NULL},
	{TEST_101 "UPGRADE: WebSocket\r\nconnection: a, upgrade\r\n" TEST_ACCEPT, NULL, NULL},
	{"HTTP/1.1 200 OK\r\n" TEST_UPGRADE TEST_CONNECT TEST_ACCEPT, NULL, "status is not 101"},
	{TEST_101 TEST_CONNECT TEST_ACCEPT, NULL, "Upgrade is not websocket"},
	{TEST_101 "Upgrade: h2c\r\n" TEST_CONNECT TEST_ACCEPT, NULL, "Upgrade is not websocket"},
	{TEST_101 TEST_UPGRADE TEST_ACCEPT, NULL, "Connection field without upgrade"},
	{TEST_101 TEST_UPGRADE "Connection: close\r\n" TEST_ACCEPT, NULL,
		"Connection field without upgrade"},
	{TEST_101 TEST_UPGRADE TEST_CONNECT, NULL, "wrong Sec-WebSocket-Accept"},
	{TEST_101 TEST_UPGRADE TEST_CONNECT
		"Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n",
		NULL, "wrong Sec-WebSocket-Accept"},
	{TEST_101 TEST_UPGRADE TEST_CONNECT "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZ\r\n", NULL,
		"wrong Sec-WebSocket-Accept"},
	{TEST_REPLIED TEST_ACCEPT, NULL, "wrong Sec-WebSocket-Accept"},
	{TEST_REPLIED "Sec-WebSocket-Extensions: permessage-deflate\r\n", NULL,
		"extension that was not offered"},
	{TEST_REPLIED "Sec-WebSocket-Protocol: v1\r\n", TEST_OFFER, NULL},
	{TEST_REPLIED "Sec-WebSocket-Protocol: v3\r\n", TEST_OFFER, NULL},
	{TEST_REPLIED "Sec-WebSocket-Protocol: v1\r\n", NULL, "subprotocol that was not offered"},
	{TEST_REPLIED "Sec-WebSocket-Protocol: v1\r\n", TEST_GET TEST_ALL,
		"subprotocol that was not offered"},
	{TEST_REPLIED "Sec-WebSocket-Protocol: V1\r\n", TEST_OFFER,
		"subprotocol that was not offered"},
	{TEST_REPLIED "Sec-WebSocket-Protocol:\r\n", TEST_OFFER,
		"subprotocol that was not offered"},
	{TEST_REPLIED "Sec-WebSocket-Protocol: v1\r\nSec-WebSocket-Protocol: v2\r\n", TEST_OFFER,
		"more than one Sec-WebSocket-Protocol"},
};

START_TEST(test_upgrade_reply)
{
	static struct http_head offered;
	char reply_text[1024], offered_text[1024];
	bool offers = test_replies[_i].offered != NULL;
	struct handshake_proof proof;

	test_parse(&test_head, false, reply_text, test_replies[_i].reply);
	if (offers)
		test_parse(&offered, true, offered_text, test_replies[_i].offered);
	memcpy(proof.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", sizeof proof.accept);
	ck_assert_pstr_eq(
		handshake_websocket.check_reply(&test_head, &proof, offers ? &offered : NULL),
		test_replies[_i].fault);
}
END_TEST

#define TEST_FIELDS "Connection: Upgrade\r\nUpgrade: websocket\r\n"

/* What we say as a client, with a key of each time, and as a server. */
START_TEST(test_own_words)
{
	char text[512], again[1024], expected[512], answer[HANDSHAKE_ANSWER_MAX + 1];
	char accept[HANDSHAKE_ACCEPT_SIZE];
	struct handshake_proof proof, other;
	struct ids ids;
	const char *key;
	size_t size;

	ids_init(&ids);
	size = handshake_websocket.ask(text, sizeof text, &proof, &ids, "h:1", "/p?q");
	ck_assert_uint_eq(size, strlen(text));
	key = strstr(text, "Sec-WebSocket-Key: ");
	ck_assert_ptr_nonnull(key);
	key += strlen("Sec-WebSocket-Key: ");
	snprintf(expected, sizeof expected,
		"GET /p?q HTTP/1.1\r\nHost: h:1\r\n" TEST_FIELDS
		"Sec-WebSocket-Key: %.24s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		key);
	ck_assert_str_eq(text, expected);
	handshake_accept(accept, key, HANDSHAKE_KEY_SIZE);
	ck_assert_mem_eq(proof.accept, accept, sizeof accept);
	ck_assert_uint_eq(
		handshake_websocket.ask(again, sizeof again, &other, &ids, "h:1", "/p?q"), size);
	ck_assert_str_ne(again, text);
	ck_assert_uint_eq(
		handshake_websocket.ask(again, size + 1, &other, &ids, "h:1", "/p?q"), size);
	ck_assert_uint_eq(handshake_websocket.ask(again, size, &other, &ids, "h:1", "/p?q"), 0);
	test_parse(&test_head, true, again, TEST_GET TEST_ALL);
	handshake_websocket.prove(&proof, &test_head);
	size = handshake_websocket.welcome(answer, &proof);
	answer[size] = '\0';
	ck_assert_str_eq(answer, "HTTP/1.1 101 Switching Protocols\r\n" TEST_FIELDS
				 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
}
END_TEST

#define TEST_COUNT(table) (sizeof(table) / sizeof *(table))

int main(void)
{
	TCase *tc = tcase_create("handshake");

	tcase_add_loop_test(tc, test_upgrade, 0, TEST_COUNT(test_upgrades));
	tcase_add_test(tc, test_key_digits);
	tcase_add_test(tc, test_rfc_example);
	tcase_add_loop_test(tc, test_upgrade_reply, 0, TEST_COUNT(test_replies));
	tcase_add_test(tc, test_own_words);
	return unit_run("handshake", tc);
}
