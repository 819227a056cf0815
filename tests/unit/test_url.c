/* URLs of the two sides and of the collector. */
#include "config/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tests/unit/unit.h"

static const struct {
	const char *text;
	enum url_scheme scheme;
	const char *host;
	int port;
	const char *path;
	bool local;
	enum url_framing framing;
} url_good[] = {
	{"ws://127.0.0.1:4500", URL_WS, "127.0.0.1", 4500, "", true, URL_LINES},
	{"WS://127.255.1.2:1/", URL_WS, "127.255.1.2", 1, "", true, URL_LINES},
	{"ws://localhost:0/a/b?c=d", URL_WS, "localhost", 0, "/a/b?c=d", true, URL_LINES},
	{"ws://[::1]:65535", URL_WS, "::1", 65535, "", true, URL_LINES},
	{"ws://[fe80::1]:80", URL_WS, "fe80::1", 80, "", false, URL_LINES},
	{"ws://0.0.0.0:80", URL_WS, "0.0.0.0", 80, "", false, URL_LINES},
	{"ws://[::]:80", URL_WS, "::", 80, "", false, URL_LINES},
	{"tcp://a-b.example.:1", URL_TCP, "a-b.example.", 1, "", false, URL_LINES},
	{"tcp://127.0.0.1.example:1/", URL_TCP, "127.0.0.1.example", 1, "", false, URL_LINES},
	{"unix:///run/a b.sock", URL_UNIX, "", 0, "/run/a b.sock", true, URL_LINES},
	{"ws+unix:///run/a", URL_WS_UNIX, "", 0, "/run/a", true, URL_LINES},
	{"http://127.0.0.1:7/mcp", URL_WS, "127.0.0.1", 7, "/mcp", true, URL_HTTP},
	{"HTTP+UNIX:///run/a", URL_WS_UNIX, "", 0, "/run/a", true, URL_HTTP},
	{"lsp+tcp://127.0.0.1:7", URL_TCP, "127.0.0.1", 7, "", true, URL_LENGTH},
	{"LSP+unix:///run/a", URL_UNIX, "", 0, "/run/a", true, URL_LENGTH},
	{"json+tcp://[::1]:7/", URL_TCP, "::1", 7, "", true, URL_CONCAT},
	{"json+unix:///run/a", URL_UNIX, "", 0, "/run/a", true, URL_CONCAT},
	{"wss://a:443/b", URL_WS, "a", 443, "/b", false, URL_LINES},
	{"HTTPS://127.0.0.1:7", URL_WS, "127.0.0.1", 7, "", true, URL_HTTP},
	{"tls+tcp://[::1]:7", URL_TCP, "::1", 7, "", true, URL_LINES},
};

START_TEST(test_url_good)
{
	const char *reason = NULL;
	struct url url;

	ck_assert_int_eq(url_parse(&url, url_good[_i].text, &reason), 0);
	ck_assert_int_eq(url.scheme, url_good[_i].scheme);
	ck_assert_int_eq(url.framing, url_good[_i].framing);
	ck_assert_int_eq(url.tls, strcmp(url_prefix(&url), "wss://") == 0 ||
					  strcmp(url_prefix(&url), "https://") == 0 ||
					  strcmp(url_prefix(&url), "tls+tcp://") == 0);
	ck_assert_int_eq(
		strncasecmp(url_prefix(&url), url_good[_i].text, strlen(url_prefix(&url))), 0);
	ck_assert_str_eq(url.host, url_good[_i].host);
	ck_assert_int_eq(url.port, url_good[_i].port);
	ck_assert_str_eq(url.path, url_good[_i].path);
	ck_assert_int_eq(url_is_local(&url), url_good[_i].local);
	ck_assert_int_eq(url_is_websocket(&url), url.scheme == URL_WS || url.scheme == URL_WS_UNIX);
}
END_TEST

static const struct {
	const char *text;
	const char *reason;
} url_bad[] = {
	{"", "scheme"},
	{"localhost:80", "scheme"},
	{"ftp://a:1", "scheme"},
	{"lsp+ws://a:1", "scheme"},
	{"json+tcp://a:1/b", "nothing may follow"},
	{"lsp+unix://run", "three slashes"},
	{"tls+unix:///a", "scheme"},
	{"tls+tcp://a", "port is missing"},
	{"wss+unix:///a", "scheme"},
	{"http://a", "port is missing"},
	{"http+unix://a", "three slashes"},
	{"ws://", "host is missing"},
	{"ws://:80", "host is missing"},
	{"ws://a_b!:80", "not a name"},
	{"ws://user@a:80", "not a name"},
	{"ws://a", "port is missing"},
	{"ws://a/b", "port is missing"},
	{"ws://a:", "not a number"},
	{"ws://a:x", "not a number"},
	{"ws://a:-1", "not a number"},
	{"ws://a:65536", "not a number"},
	{"ws://a:000080", "not a number"},
	{"ws://::1:80", "host is missing"},
	{"ws://fe80::1:80", "brackets"},
	{"ws://1:2:3", "brackets"},
	{"ws://[::1", "no end"},
	{"ws://[::1]", "port is missing"},
	{"ws://[x]:1", "not an IPv6"},
	{"ws://[1.2.3.4]:1", "not an IPv6"},
	{"ws://[]:1", "not an IPv6"},
	{"ws://a:1b", "not followed by a path"},
	{"ws://a:1?b", "not followed by a path"},
	{"ws://a:1/b c", "percent-encoded"},
	{"ws://a:1/b#c", "percent-encoded"},
	{"ws://a:1/b\n", "percent-encoded"},
	{"tcp://a:1/b", "nothing may follow"},
	{"unix://", "absolute"},
	{"unix://run/a", "absolute"},
	{"unix:///", "absolute"},
	{"unix:///run/", "folder"},
	{"unix:/run/a", "scheme"},
};

START_TEST(test_url_bad)
{
	const char *reason = NULL;
	struct url url;

	ck_assert_int_eq(url_parse(&url, url_bad[_i].text, &reason), -1);
	ck_assert_msg(
		strstr(reason, url_bad[_i].reason) != NULL, "%s: %s", url_bad[_i].text, reason);
	ck_assert_int_eq(url.scheme, URL_NONE);
}
END_TEST

/* The longest that fits and one more, for each part. */
START_TEST(test_url_lengths)
{
	static const struct {
		const char *head, *tail;
		size_t most;
	} rows[] = {{"ws://", ":1", URL_HOST_MAX}, {"unix:///", "", URL_UNIX_MAX - 1},
		{"ws://a:1/", "", URL_PATH_MAX - 1}};
	const char *reason;
	struct url url;
	char text[2048];
	size_t i, more;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		for (more = 0; more < 2; more++) {
			memset(text, 'a', sizeof text);
			memcpy(text, rows[i].head, strlen(rows[i].head));
			strcpy(text + strlen(rows[i].head) + rows[i].most + more, rows[i].tail);
			ck_assert_int_eq(url_parse(&url, text, &reason), more == 0 ? 0 : -1);
		}
	}
}
END_TEST

/* Every beginning of every text, right before an unreadable page. */
START_TEST(test_url_reads_nothing_behind)
{
	const int good = sizeof url_good / sizeof *url_good;
	const char *text = _i < good ? url_good[_i].text : url_bad[_i - good].text;
	const char *reason;
	struct url url;
	uint8_t *copy;
	size_t size;

	for (size = 0; size <= strlen(text); size++) {
		char part[64] = "";

		memcpy(part, text, size);
		copy = unit_guard_copy(part, size + 1);
		(void)url_parse(&url, (char *)copy, &reason);
		(void)url_check_http((char *)copy, &reason);
		unit_guard_free(copy, size + 1);
	}
}
END_TEST

START_TEST(test_url_equals)
{
	static const struct {
		const char *one, *other;
		bool equal;
	} rows[] = {
		{"ws://a:1", "ws://A:1", true},
		{"ws://a:1", "tcp://a:1", true},
		{"ws://a:1", "ws://a:2", false},
		{"ws://a:0", "ws://a:0", false},
		{"ws://a:1", "unix:///a", false},
		{"unix:///a", "ws+unix:///a", true},
		{"unix:///a", "unix:///b", false},
	};
	struct url one, other;
	const char *reason;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		ck_assert_int_eq(url_parse(&one, rows[i].one, &reason), 0);
		ck_assert_int_eq(url_parse(&other, rows[i].other, &reason), 0);
		ck_assert_msg(url_equals(&one, &other) == rows[i].equal, "%s", rows[i].one);
	}
	memset(&one, 0, sizeof one);
	ck_assert(!url_equals(&one, &one));
}
END_TEST

static const struct {
	const char *text;
	const char *more;
	const char *joined; /* NULL: the text is refused, for the reason in more */
} url_http[] = {
	{"http://localhost:4318", "v1/traces", "http://localhost:4318/v1/traces"},
	{"http://localhost:4318/", "v1/traces", "http://localhost:4318/v1/traces"},
	{"http://localhost:4318//", "v1/traces", "http://localhost:4318/v1/traces"},
	{"HTTPS://a/base/", "v1/traces", "HTTPS://a/base/v1/traces"},
	{"https://a/base", "v1/traces", "https://a/base/v1/traces"},
	{"https://[::1]:1", NULL, "https://[::1]:1/"},
	{"https://a/", NULL, "https://a/"},
	{"https://a/x/", NULL, "https://a/x/"},
	{"https://a/x", NULL, "https://a/x"},
	{"https://a?k=v/w", NULL, "https://a/?k=v/w"},
	{"https://a/x?k=v", NULL, "https://a/x?k=v"},
	{"", "scheme", NULL},
	{"a:4318", "scheme", NULL},
	{"ws://a", "scheme", NULL},
	{"http://", "host is missing", NULL},
	{"http:///v1", "host is missing", NULL},
	{"http://a:b", "not a number", NULL},
	{"http://a:70000", "not a number", NULL},
	{"http://a b", "percent-encoded", NULL},
	{"http://a/\r\nX: y", "percent-encoded", NULL},
	{"http://a/#f", "fragment", NULL},
	{"http://u:p@a/", "credentials", NULL},
	{"http://a/@b", NULL, "http://a/@b"},
	{"http://[::1]x", "not followed", NULL},
};

static const struct {
	const char *text, *authority;
} url_authorities[] = {
	{"http://127.0.0.1:8000/mcp", "127.0.0.1:8000"},
	{"ws://[::1]:65535", "[::1]:65535"},
	{"https://a.example:443", "a.example:443"},
	{"http+unix:///run/a", "localhost"},
};

START_TEST(test_url_authority)
{
	char authority[URL_AUTHORITY_SIZE];
	const char *reason;
	struct url url;

	ck_assert_int_eq(url_parse(&url, url_authorities[_i].text, &reason), 0);
	url_authority(authority, &url);
	ck_assert_str_eq(authority, url_authorities[_i].authority);
}
END_TEST

START_TEST(test_url_http)
{
	const char *reason = NULL;
	char *joined;
	int result = url_check_http(url_http[_i].text, &reason);

	ck_assert_int_eq(result, url_http[_i].joined == NULL ? -1 : 0);
	if (result != 0) {
		ck_assert_msg(strstr(reason, url_http[_i].more) != NULL, "%s: %s",
			url_http[_i].text, reason);
		return;
	}
	joined = url_join_http(url_http[_i].text, url_http[_i].more);
	ck_assert_str_eq(joined, url_http[_i].joined);
	free(joined);
	unit_alloc_fail_after(0);
	joined = url_join_http(url_http[_i].text, url_http[_i].more);
	unit_alloc_fail_never();
	ck_assert_ptr_null(joined);
}
END_TEST

static const struct {
	const char *text;
	const char *bare;
} url_bare[] = {
	{"http://h:1/p?q", "http://h:1/p?q"},
	{"https://u:p@h:1/p?q#f", "https://h:1/p?q"},
	{"http://u@v@h", "http://h"},
	{"http://u@", "http://"},
	{"http://h/@p?@q", "http://h/@p?@q"},
	{"http://h?a@b", "http://h?a@b"},
	{"http://h#u@f", "http://h"},
	{"http://h#", "http://h"},
	{"http://", "http://"},
	{"ftp://u:p@h#f", "ftp://u:p@h"},
	{"", ""},
};

START_TEST(test_url_bare)
{
	size_t size = strlen(url_bare[_i].text) + 1;
	char *text = (char *)unit_guard_copy(url_bare[_i].text, size);
	char *bare = url_bare_http(text);

	ck_assert_str_eq(bare, url_bare[_i].bare);
	free(bare);
	unit_alloc_fail_after(0);
	bare = url_bare_http(text);
	unit_alloc_fail_never();
	ck_assert_ptr_null(bare);
	unit_guard_free((uint8_t *)text, size);
}
END_TEST

static const struct {
	const char *text;
	const char *shown;
} url_shown[] = {
	{"", ""},
	{"http://h:1/p", "http://h:1/p"},
	{"http://h/a@b", "http://h/a@b"},
	{"https://h/p?token=geheim", "https://h/p?***"},
	{"https://h?mail=a@geheim", "https://h?***"},
	{"ws://h:1/p?token=geheim", "ws://h:1/p?***"},
	{"unix:///run/a@b", "unix:///run/a@b"},
	{"http://user:geheim@h:1/p", "http://***@h:1/p"},
	{"http://geheim@h", "http://***@h"},
	{"http://user:ge@heim@h", "http://***@h"},
	{"http://user:ge/heim@h", "http://***@h"},
	{"http://user:ge?heim@h?geheim", "http://***@h?***"},
	{"http://user:ge#heim@h", "http://***@h"},
	{"http://user:ge heim@h", "http://***@h"},
	{"ws://user:geheim@h:1", "ws://***@h:1"},
	{"tcp://user:geheim@h:1", "tcp://***@h:1"},
	{"ftp://user:geheim@h", "ftp://***@h"},
	{"user:geheim@h:4318", "***@h:4318"},
	{"http:/user:geheim@h", "***@h"},
	{"http//user:geheim@h", "***@h"},
	{"user:ge://heim@h", "***@h"},
	{"user@ge://heim@h", "***@h"},
	{"@", "***@"},
};

START_TEST(test_url_shown)
{
	const char *text = url_shown[_i].text;
	size_t size = strlen(url_shown[_i].shown) + 1;
	char zeros[64] = "";
	char *shown;

	for (; size > 0; size--) {
		shown = (char *)unit_guard_copy(zeros, size);
		url_show(shown, size, text);
		ck_assert_uint_eq(strlen(shown), size - 1);
		ck_assert_int_eq(strncmp(shown, url_shown[_i].shown, size - 1), 0);
		unit_guard_free((uint8_t *)shown, size);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("url");

	tcase_add_loop_test(tc, test_url_good, 0, sizeof url_good / sizeof *url_good);
	tcase_add_loop_test(tc, test_url_bad, 0, sizeof url_bad / sizeof *url_bad);
	tcase_add_test(tc, test_url_lengths);
	tcase_add_loop_test(tc, test_url_reads_nothing_behind, 0,
		sizeof url_good / sizeof *url_good + sizeof url_bad / sizeof *url_bad);
	tcase_add_test(tc, test_url_equals);
	tcase_add_loop_test(
		tc, test_url_authority, 0, sizeof url_authorities / sizeof *url_authorities);
	tcase_add_loop_test(tc, test_url_http, 0, sizeof url_http / sizeof *url_http);
	tcase_add_loop_test(tc, test_url_bare, 0, sizeof url_bare / sizeof *url_bare);
	tcase_add_loop_test(tc, test_url_shown, 0, sizeof url_shown / sizeof *url_shown);
	return unit_run("url", tc);
}
