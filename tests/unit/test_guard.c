/*
 * The guard, before every kind of listener and server: whom it admits, and what it says of others.
 */
#include "proxy/guard.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "proxy/address.h"
#include "proxy/side/http.h"
#include "tests/unit/config_case.h"

static struct http_head test_head;

static enum guard_verdict test_check_with(
	const struct guard *guard, const char *local, const char *text, char *note)
{
	struct address address = {.size = sizeof address.storage};
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4501)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct http_scan scan = {0};

	if (inet_pton(AF_INET, local, &in.sin_addr) == 1) {
		memcpy(&address.storage, &in, sizeof in);
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, local, &in6.sin6_addr), 1);
		memcpy(&address.storage, &in6, sizeof in6);
	}
	ck_assert_int_eq(http_request_parse(&test_head, &scan, text, strlen(text)), HTTP_DONE);
	note[0] = '\0';
	return guard_check(guard, &test_head, &address, note);
}

static enum guard_verdict test_check(
	const struct config *config, const char *local, const char *text, char *note)
{
	struct guard guard;

	guard_init(&guard, config);
	return test_check_with(&guard, local, text, note);
}

/* ---- Host and Origin in front of a COMMAND ---- */

#define TEST_GET  "GET / HTTP/1.1\r\n"
#define TEST_HOST TEST_GET "Host: localhost\r\n"

static const struct {
	const char *head;
	enum guard_verdict verdict;
	const char *note;
} test_requests[] = {
	{TEST_HOST, GUARD_ADMITTED, ""},
	{TEST_GET "hOST:\tLocalHost:1 \r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: 127.3.2.1:80\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: [::1]:4501\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: x.localhost.\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: 10.1.2.3:9\r\n", GUARD_ADMITTED, ""}, /* what the client has reached */
	{TEST_GET "Host: Listen.Example:9\r\n", GUARD_ADMITTED, ""}, /* listen */
	{TEST_GET "Host: listed.example:9\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: LISTED.example.\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: port.example:8080\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: web.example\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: web.example:80\r\n", GUARD_ADMITTED, ""},
	{TEST_GET "Host: port.example\r\n", GUARD_FOREIGN_HOST,
		"Host \"port.example\" is not ours, nor in listen.allow_host"},
	{TEST_GET "Host: port.example:8081\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: web.example:8080\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: 10.1.2.4\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: 0.0.0.0:4501\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: evil.example:4501\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: localhost.evil.example\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET "Host: sub.listed.example\r\n", GUARD_FOREIGN_HOST, NULL},
	{TEST_GET, GUARD_NO_HOST, "not one Host field"},
	{"GET / HTTP/1.0\r\n", GUARD_NO_HOST, "not one Host field"},
	{TEST_HOST "Host: localhost\r\n", GUARD_NO_HOST, "not one Host field"},
	{TEST_HOST "Host: evil.example\r\n", GUARD_NO_HOST, "not one Host field"},
	{TEST_GET "Host:\r\n", GUARD_NO_HOST, "Host \"\" is none"},
	{TEST_GET "Host: u@localhost\r\n", GUARD_NO_HOST, "Host \"u@localhost\" is none"},
	{TEST_GET "Host: local\x80host\r\n", GUARD_NO_HOST, "Host \"local\\x80host\" is none"},
	/* the target counts, if it says who is meant */
	{"GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n", GUARD_ADMITTED, ""},
	{"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n", GUARD_FOREIGN_HOST, NULL},
	{"GET http://u@localhost/ HTTP/1.1\r\nHost: localhost\r\n", GUARD_NO_HOST, NULL},
	{"GET http://localhost/ HTTP/1.1\r\n", GUARD_NO_HOST, "not one Host field"},
	{"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", GUARD_ADMITTED, ""},
	/* web pages */
	{TEST_HOST "Origin: https://app.example\r\n", GUARD_ADMITTED, ""},
	{TEST_HOST "ORIGIN:  HTTPS://APP.example:443 \r\n", GUARD_ADMITTED, ""},
	{TEST_HOST "Origin: http://[::1]:3000\r\n", GUARD_ADMITTED, ""},
	{TEST_HOST "Origin: https://attacker.example\r\n", GUARD_FOREIGN_ORIGIN,
		"Origin \"https://attacker.example\" is not in listen.allow_origin"},
	{TEST_HOST "Origin: http://app.example\r\n", GUARD_FOREIGN_ORIGIN, NULL},
	{TEST_HOST "Origin: http://localhost\r\n", GUARD_FOREIGN_ORIGIN, NULL},
	{TEST_HOST "Origin: null\r\n", GUARD_FOREIGN_ORIGIN, NULL},
	{TEST_HOST "Origin:\r\n", GUARD_FOREIGN_ORIGIN, NULL},
	{TEST_HOST "Origin: https://app.example, https://attacker.example\r\n",
		GUARD_FOREIGN_ORIGIN, NULL},
	{TEST_HOST "Origin: https://app.example\r\nOrigin: https://app.example\r\n",
		GUARD_FOREIGN_ORIGIN, "several Origin fields"},
	{TEST_GET "Host: evil.example\r\nOrigin: https://app.example\r\n", GUARD_FOREIGN_HOST,
		NULL},
	/* with a WebSocket comes an Origin, and what else comes gets nothing */
	{TEST_HOST "Sec-Fetch-Site: cross-site\r\n", GUARD_ADMITTED, ""},
};

START_TEST(test_guard)
{
	static const char *const flags[] = {"--listen=ws://listen.example:0", "--allow-remote",
		"--listen-allow-host=listed.example, port.example:8080",
		"--listen-allow-host=web.example:80",
		"--listen-allow-origin=https://app.example,http://[0::1]:3000", "--", "cat", NULL};
	static const char *const nothing[] = {NULL};
	char text[512], note[GUARD_NOTE_SIZE];
	struct config_case load;

	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	snprintf(text, sizeof text, "%s\r\n", test_requests[_i].head);
	ck_assert_int_eq(
		test_check(load.config, "10.1.2.3", text, note), test_requests[_i].verdict);
	if (test_requests[_i].note != NULL)
		ck_assert_str_eq(note, test_requests[_i].note);
	config_case_done(&load);
}
END_TEST

/* An address that was reached is ours by its number, however it is written. */
START_TEST(test_guard_addresses)
{
	static const char *const flags[] = {
		"--listen=ws://[::]:0", "--allow-remote", "--upstream=tcp://a:1", NULL};
	static const char *const nothing[] = {NULL};
	static const struct {
		const char *local, *host;
		enum guard_verdict verdict;
	} rows[] = {
		{"2001:db8::5", "[2001:db8:0::5]:1", GUARD_ADMITTED},
		{"2001:db8::5", "[2001:db8::6]", GUARD_FOREIGN_HOST},
		{"::ffff:10.0.0.1", "10.0.0.1", GUARD_ADMITTED},
		{"10.0.0.1", "[::ffff:10.0.0.1]", GUARD_ADMITTED},
		{"10.0.0.1", "[::10.0.0.1]", GUARD_FOREIGN_HOST},
		{"10.0.0.1", "[::]", GUARD_ADMITTED}, /* as it stands in listen */
	};
	char text[512], note[GUARD_NOTE_SIZE];
	struct config_case load;
	size_t i;

	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		snprintf(text, sizeof text, TEST_GET "Host: %s\r\n\r\n", rows[i].host);
		ck_assert_int_eq(
			test_check(load.config, rows[i].local, text, note), rows[i].verdict);
	}
	config_case_done(&load);
}
END_TEST

/* What is long is clipped, and does not overflow. */
START_TEST(test_guard_note)
{
	static const char *const flags[] = {"--listen=ws://127.0.0.1:0", "--", "cat", NULL};
	static const char *const nothing[] = {NULL};
	char text[2048], value[1024], note[GUARD_NOTE_SIZE];
	struct config_case load;

	memset(value, '\xff', sizeof value);
	value[sizeof value - 1] = '\0';
	config_case_load(&load, flags, nothing);
	snprintf(text, sizeof text, TEST_HOST "Origin: %s\r\n\r\n", value);
	ck_assert_int_eq(test_check(load.config, "127.0.0.1", text, note), GUARD_FOREIGN_ORIGIN);
	ck_assert_ptr_nonnull(strstr(note, "...\" is not in listen.allow_origin"));
	snprintf(text, sizeof text, TEST_GET "Host: %s\r\n\r\n", value);
	ck_assert_int_eq(test_check(load.config, "127.0.0.1", text, note), GUARD_NO_HOST);
	ck_assert_ptr_nonnull(strstr(note, "...\" is none"));
	config_case_done(&load);
}
END_TEST

/* ---- where it looks ---- */

static const struct {
	const char *flags[5];
	bool checks_host, checks_origin;
} test_places[] = {
	{{"--listen=ws://127.0.0.1:0", "--", "cat"}, true, true},
	{{"--listen=ws://127.0.0.1:0", "--upstream=tcp://a:1"}, true, true},
	{{"--listen=ws://127.0.0.1:0", "--upstream=unix:///x"}, true, true},
	{{"--listen=ws://127.0.0.1:0", "--upstream=ws://a:1"}, false, false},
	{{"--listen=ws://127.0.0.1:0", "--upstream=ws+unix:///x"}, false, false},
	{{"--listen=ws+unix:///y", "--", "cat"}, false, true},
	{{"--listen=ws+unix:///y", "--upstream=ws+unix:///x"}, false, false},
	{{"--listen-check-origin=always", "--listen=ws://127.0.0.1:0", "--upstream=ws://a:1"}, true,
		true},
	{{"--listen-check-origin=always", "--listen=ws+unix:///y", "--upstream=ws://a:1"}, false,
		true},
	{{"--listen-check-origin=never", "--listen=ws://127.0.0.1:0", "--", "cat"}, false, false},
	{{"--listen-check-origin=never", "--listen=ws+unix:///y", "--", "cat"}, false, false},
};

START_TEST(test_guard_places)
{
	static const char *const nothing[] = {NULL};
	static const char foreign_host[] = TEST_GET "Host: evil.example\r\n\r\n";
	static const char foreign_origin[] = TEST_HOST "Origin: null\r\n\r\n";
	char note[GUARD_NOTE_SIZE];
	struct config_case load;

	config_case_load(&load, test_places[_i].flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_int_eq(test_check(load.config, "127.0.0.1", foreign_host, note),
		test_places[_i].checks_host ? GUARD_FOREIGN_HOST : GUARD_ADMITTED);
	ck_assert_int_eq(test_check(load.config, "127.0.0.1", foreign_origin, note),
		test_places[_i].checks_origin ? GUARD_FOREIGN_ORIGIN : GUARD_ADMITTED);
	config_case_done(&load);
}
END_TEST

/* ---- what a page embeds, where nobody but we serves ---- */

static const struct {
	const char *fields;
	bool embedded;
} test_sites[] = {
	{"", false},
	{"Sec-Fetch-Dest: image\r\n", false}, /* no browser says that alone */
	{"Sec-Fetch-Site: same-origin\r\n", false},
	{"Sec-Fetch-Site: same-origin\r\nSec-Fetch-Dest: empty\r\n", false},
	{"sec-fetch-site: None\r\nSec-Fetch-Dest: image\r\n", false}, /* typed by a person */
	{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: document\r\n", false}, /* a link */
	{"Sec-Fetch-Site: same-site\r\nSec-Fetch-Dest: document\r\n", false},
	{"Sec-Fetch-Site: cross-site\r\nOrigin: https://app.example\r\n", false}, /* listed */
	{"Sec-Fetch-Site: cross-site\r\n", true},
	{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: image\r\n", true},
	{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: script\r\n", true},
	{"Sec-Fetch-Site: cross-site\r\nSec-Fetch-Dest: iframe\r\n", true},
	{"Sec-Fetch-Site: same-site\r\nSec-Fetch-Dest: empty\r\n", true}, /* another port */
	{"Sec-Fetch-Site:\r\n", true},
};

START_TEST(test_guard_sites)
{
	static const char *const flags[] = {"--admin-listen=http://127.0.0.1:9464",
		"--listen-allow-origin=https://app.example", "--listen-check-origin=never", "--",
		"cat", NULL};
	static const char *const nothing[] = {NULL};
	bool embedded = test_sites[_i].embedded;
	char text[512], note[GUARD_NOTE_SIZE];
	struct config_case load;
	struct guard guard;

	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	guard_init_own(&guard, load.config, &load.config->admin_url);
	snprintf(text, sizeof text, TEST_HOST "%s\r\n", test_sites[_i].fields);
	ck_assert_int_eq(test_check_with(&guard, "127.0.0.1", text, note),
		embedded ? GUARD_FOREIGN_ORIGIN : GUARD_ADMITTED);
	ck_assert_int_eq(strstr(note, "\") embeds it") != NULL, embedded);
	config_case_done(&load);
}
END_TEST

/* ---- tokens ---- */

static const struct {
	const char *fields;
	bool admitted;
} test_tokens[] = {
	{"Authorization: Bearer s3cret~\r\n", true},
	{"authorization: bEARER    s3cret~  \r\n", true},
	{"", false},
	{"Authorization:\r\n", false},
	{"Authorization: Bearer\r\n", false},
	{"Authorization: Bearer \r\n", false},
	{"Authorization: s3cret~\r\n", false},
	{"Authorization: Bearers3cret~\r\n", false},
	{"Authorization: Bearer\ts3cret~\r\n", false},
	{"Authorization: Basic s3cret~\r\n", false},
	{"Authorization: Bearer s3cret\r\n", false},
	{"Authorization: Bearer s3cret~~\r\n", false},
	{"Authorization: Bearer S3cret~\r\n", false},
	{"Authorization: Bearer t3cret~\r\n", false},
	{"Authorization: Bearer s3cret~, Bearer s3cret~\r\n", false},
	{"Authorization: Bearer s3cret~\r\nAuthorization: Bearer s3cret~\r\n", false},
	{"Authorization: Bearer x\r\nAuthorization: Bearer s3cret~\r\n", false},
	{"Proxy-Authorization: Bearer s3cret~\r\n", false},
	{"Cookie: Bearer s3cret~\r\n", false},
};

START_TEST(test_guard_token)
{
	static const char *const nothing[] = {NULL};
	static const char *const places[][3] = {
		{"--listen=ws://127.0.0.1:0", "--upstream=ws://a:1", NULL},
		{"--listen=ws+unix:///y", "--upstream=tcp://a:1", "--listen-check-origin=never"},
	};
	char *file = config_case_file(" \n s3cret~\r\n\n");
	const char *flags[] = {"--listen-token-file", file, NULL, NULL, NULL, NULL};
	char text[512], note[GUARD_NOTE_SIZE];
	struct config_case load;
	size_t i;

	for (i = 0; i < 2; i++) {
		memcpy(flags + 2, places[i], sizeof places[i]);
		config_case_load(&load, flags, nothing);
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
		snprintf(text, sizeof text, TEST_HOST "%s\r\n", test_tokens[_i].fields);
		ck_assert_int_eq(test_check(load.config, "127.0.0.1", text, note),
			test_tokens[_i].admitted ? GUARD_ADMITTED : GUARD_NO_TOKEN);
		ck_assert_ptr_null(strstr(note, "cret"));
		config_case_done(&load);
	}
	config_case_unlink(file);
}
END_TEST

#define TEST_COUNT(table) (sizeof(table) / sizeof *(table))

int main(void)
{
	TCase *tc = tcase_create("guard");

	tcase_add_loop_test(tc, test_guard, 0, TEST_COUNT(test_requests));
	tcase_add_test(tc, test_guard_addresses);
	tcase_add_test(tc, test_guard_note);
	tcase_add_loop_test(tc, test_guard_places, 0, TEST_COUNT(test_places));
	tcase_add_loop_test(tc, test_guard_sites, 0, TEST_COUNT(test_sites));
	tcase_add_loop_test(tc, test_guard_token, 0, TEST_COUNT(test_tokens));
	return unit_run("guard", tc);
}
