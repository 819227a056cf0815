/* Hosts and origins in all their forms, each at the edge of what may be read. */
#include "config/authority.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct {
	const char *text;
	const char *host; /* NULL: it is none */
	int port;
	bool loopback;
} test_authorities[] = {
	{"localhost", "localhost", -1, true},
	{"LocalHost:8080", "LocalHost", 8080, true},
	{"localhost.", "localhost.", -1, true},
	{"localhost.:1", "localhost.", 1, true},
	{"localhost..", "localhost..", -1, false},
	{"a.localhost", "a.localhost", -1, true},
	{"a.b.LOCALHOST.:65535", "a.b.LOCALHOST.", 65535, true},
	{".localhost", ".localhost", -1, false},
	{"alocalhost", "alocalhost", -1, false},
	{"localhost.evil.example", "localhost.evil.example", -1, false},
	{"a.localhost.evil.example", "a.localhost.evil.example", -1, false},
	{"localhost-evil.example", "localhost-evil.example", -1, false},
	{"127.0.0.1", "127.0.0.1", -1, true},
	{"127.0.0.1.", "127.0.0.1.", -1, true},
	{"127.255.255.254:80", "127.255.255.254", 80, true},
	{"128.0.0.1", "128.0.0.1", -1, false},
	{"0.0.0.0", "0.0.0.0", -1, false},
	{"127.1", "127.1", -1, false},
	{"127.0.0.1.evil.example", "127.0.0.1.evil.example", -1, false},
	{"127.0.0.256", "127.0.0.256", -1, false},
	{"0127.0.0.1", "0127.0.0.1", -1, false},
	{"0x7f.0.0.1", "0x7f.0.0.1", -1, false},
	{"2130706433", "2130706433", -1, false},
	{"[::1]", "::1", -1, true},
	{"[::1]:8080", "::1", 8080, true},
	{"[0:0:0:0:0:0:0:1]", "0:0:0:0:0:0:0:1", -1, true},
	{"[::ffff:127.0.0.1]", "::ffff:127.0.0.1", -1, true},
	{"[::ffff:128.0.0.1]", "::ffff:128.0.0.1", -1, false},
	{"[::2]", "::2", -1, false},
	{"[::]", "::", -1, false},
	{"evil.example:", "evil.example", -1, false},
	{"a_b-c.9", "a_b-c.9", -1, false},
	{"", NULL, 0, false},
	{":80", NULL, 0, false},
	{"a:b", NULL, 0, false},
	{"a:80:80", NULL, 0, false},
	{"a:65536", NULL, 0, false},
	{"a:99999999999999999999", NULL, 0, false},
	{"a:-1", NULL, 0, false},
	{"a: 1", NULL, 0, false},
	{"::1", NULL, 0, false},
	{"[::1", NULL, 0, false},
	{"[::1]x", NULL, 0, false},
	{"[::1]:x", NULL, 0, false},
	{"[]", NULL, 0, false},
	{"[", NULL, 0, false},
	{"[127.0.0.1]", NULL, 0, false},
	{"[fe80::1%lo]", NULL, 0, false},
	{"[::1%25lo]", NULL, 0, false},
	{"user@localhost", NULL, 0, false},
	{"localhost/x", NULL, 0, false},
	{"localhost,evil.example", NULL, 0, false},
	{"local host", NULL, 0, false},
	{"\xc3\xa9", NULL, 0, false},
	{"%6cocalhost", NULL, 0, false},
};

START_TEST(test_authority)
{
	size_t size = strlen(test_authorities[_i].text);
	char *text = (char *)unit_guard_copy(test_authorities[_i].text, size);
	struct authority authority;
	int result = authority_parse(&authority, text, size);

	ck_assert_int_eq(result, test_authorities[_i].host == NULL ? -1 : 0);
	if (result == 0) {
		ck_assert_uint_eq(authority.host_size, strlen(test_authorities[_i].host));
		ck_assert_mem_eq(authority.host, test_authorities[_i].host, authority.host_size);
		ck_assert_int_eq(authority.port, test_authorities[_i].port);
		ck_assert_int_eq(authority_is_loopback(&authority), test_authorities[_i].loopback);
	}
	unit_guard_free((uint8_t *)text, size);
}
END_TEST

START_TEST(test_authority_longest)
{
	struct authority authority;
	char text[258];

	memset(text, 'a', sizeof text);
	ck_assert_int_eq(authority_parse(&authority, text, 255), 0);
	ck_assert(!authority_is_loopback(&authority));
	ck_assert_int_eq(authority_parse(&authority, text, 256), -1);
	ck_assert_int_eq(authority_parse(&authority, "a\0b", 3), -1);
	ck_assert_int_eq(authority_parse(&authority, "[::1\0]", 6), -1);
}
END_TEST

static const struct {
	const char *one, *other;
	bool same;
} test_hosts[] = {
	{"a.example", "A.EXAMPLE.", true},
	{"a.example:1", "a.example:2", true}, /* ports are not of the host */
	{"a.example", "b.example", false},
	{"a.example", "aa.example", false},
	{"[::1]", "[0::1]:3", true},
	{"[::1]", "[::2]", false},
	{"[::1]", "127.0.0.1", false},
	{"127.0.0.1", "127.0.0.1.", true},
	{"127.0.0.1", "127.0.0.1.example", false},
	{"[::ffff:10.0.0.1]", "10.0.0.1", true},
};

START_TEST(test_authority_same_host)
{
	const char *one = test_hosts[_i].one, *other = test_hosts[_i].other;
	struct authority a, b;

	ck_assert_int_eq(authority_parse(&a, one, strlen(one)), 0);
	ck_assert_int_eq(authority_parse(&b, other, strlen(other)), 0);
	ck_assert_int_eq(authority_same_host(&a, &b), test_hosts[_i].same);
	ck_assert_int_eq(authority_same_host(&b, &a), test_hosts[_i].same);
}
END_TEST

static const struct {
	const char *one, *other;
	bool equal;
} test_origins[] = {
	{"https://app.example", "https://app.example", true},
	{"https://app.example", "HTTPS://App.Example", true},
	{"https://app.example", "https://app.example:443", true},
	{"http://app.example:80", "http://app.example", true},
	{"ws://a", "ws://a:80", true},
	{"wss://a:443", "wss://a", true},
	{"https://app.example:8443", "https://app.example:8443", true},
	{"http://[::1]:80", "http://[0:0::1]", true},
	{"http://[::ffff:127.0.0.1]", "http://127.0.0.1", false},
	{"tauri://localhost", "tauri://localhost", true},
	{"vscode-webview://0a1b", "vscode-webview://0A1B", true},
	{"null", "null", true},
	{"null", "NULL", false},
	{"null", "", false},
	{"null", "http://null", false},
	{"", "", false},
	{"https://app.example", "http://app.example", false},
	{"https://app.example", "https://app.example:80", false},
	{"https://app.example", "https://app.example:8443", false},
	{"x://app.example", "x://app.example:443", false},
	{"https://app.example", "https://app.example.", false}, /* two origins, says a browser */
	{"https://app.example", "https://app.example/", false},
	{"https://app.example", "https://app.example.evil.example", false},
	{"https://app.example", "https://evil.example/https://app.example", false},
	{"https://app.example", "https://app.example@evil.example", false},
	{"https://app.example", "https://app.example https://evil.example", false},
	{"https://app.example", "https://app.example, https://evil.example", false},
	{"https://app.example", "app.example", false},
	{"https://app.example", "//app.example", false},
	{"https://app.example", "https:/app.example", false},
	{"https://app.example", "https://", false},
	{"https://app.example", "https://*", false},
	{"https://app.example", "*", false},
	{"https://app.example", "", false},
	{"*", "*", false},
	{"https://app.example/", "https://app.example/", false},
};

START_TEST(test_origin)
{
	size_t one_size = strlen(test_origins[_i].one), size = strlen(test_origins[_i].other);
	char *one = (char *)unit_guard_copy(test_origins[_i].one, one_size);
	char *other = (char *)unit_guard_copy(test_origins[_i].other, size);

	ck_assert_int_eq(origin_equals(one, one_size, other, size), test_origins[_i].equal);
	ck_assert_int_eq(origin_equals(other, size, one, one_size), test_origins[_i].equal);
	unit_guard_free((uint8_t *)one, one_size);
	unit_guard_free((uint8_t *)other, size);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("authority");

	tcase_add_loop_test(
		tc, test_authority, 0, sizeof test_authorities / sizeof *test_authorities);
	tcase_add_test(tc, test_authority_longest);
	tcase_add_loop_test(
		tc, test_authority_same_host, 0, sizeof test_hosts / sizeof *test_hosts);
	tcase_add_loop_test(tc, test_origin, 0, sizeof test_origins / sizeof *test_origins);
	return unit_run("authority", tc);
}
