/* Socket addresses: from URLs, and back to texts. Only names that need no server are looked up. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "proxy/address.h"
#include "tests/unit/unit.h"

enum { ADDRESSES_MAX = 8 };

#define PATH_107                                                                                   \
	"/1234567890123456789012345678901234567890123456789012345678901234567890123456789012345"   \
	"678901234567890123456"

static const struct {
	const char *url;
	int family;
	const char *text;
	unsigned port;
	bool loopback;
} rows[] = {
	{"ws://127.0.0.1:8080", AF_INET, "127.0.0.1:8080", 8080, true},
	{"ws://127.0.0.1:8080/path", AF_INET, "127.0.0.1:8080", 8080, true},
	{"tcp://127.255.255.254:1", AF_INET, "127.255.255.254:1", 1, true},
	{"tcp://128.0.0.1:65535", AF_INET, "128.0.0.1:65535", 65535, false},
	{"tcp://0.0.0.0:0", AF_INET, "0.0.0.0:0", 0, false},
	{"tcp://192.0.2.1:80", AF_INET, "192.0.2.1:80", 80, false},
	{"ws://[::1]:4500", AF_INET6, "[::1]:4500", 4500, true},
	{"ws://[::]:4500", AF_INET6, "[::]:4500", 4500, false},
	{"tcp://[2001:db8::1]:9", AF_INET6, "[2001:db8::1]:9", 9, false},
	{"tcp://[::ffff:127.0.0.1]:9", AF_INET6, "[::ffff:127.0.0.1]:9", 9, false},
	{"unix:///run/x.sock", AF_UNIX, "/run/x.sock", 0, true},
	{"ws+unix:///run/x.sock", AF_UNIX, "/run/x.sock", 0, true},
	{"unix://" PATH_107, AF_UNIX, PATH_107, 0, true},
};

static void url_make(struct url *url, const char *text)
{
	const char *reason = "";

	ck_assert_msg(url_parse(url, text, &reason) == 0, "%s: %s", text, reason);
}

START_TEST(test_resolve)
{
	struct address list[ADDRESSES_MAX];
	char text[ADDRESS_TEXT_MAX], error[256] = "";
	struct url url;

	url_make(&url, rows[_i].url);
	memset(list, 0xff, sizeof list);
	ck_assert_uint_eq(address_resolve(list, ADDRESSES_MAX, &url, error, sizeof error), 1);
	ck_assert_str_eq(error, "");
	ck_assert_int_eq(list[0].storage.ss_family, rows[_i].family);
	ck_assert_ptr_eq(address_text(&list[0], text), text);
	ck_assert_str_eq(text, rows[_i].text);
	ck_assert_uint_eq(address_port(&list[0]), rows[_i].port);
	ck_assert_int_eq(address_is_loopback(&list[0]), rows[_i].loopback);
	ck_assert(!address_is_name(&url));
}
END_TEST

static const struct {
	const char *url;
	socklen_t size;
} size_rows[] = {
	{"tcp://127.0.0.1:1", sizeof(struct sockaddr_in)},
	{"tcp://[::1]:1", sizeof(struct sockaddr_in6)},
	{"unix:///a", offsetof(struct sockaddr_un, sun_path) + 3},
	{"unix://" PATH_107, offsetof(struct sockaddr_un, sun_path) + 108},
};

START_TEST(test_size)
{
	struct address address;
	struct url url;
	char error[64];

	url_make(&url, size_rows[_i].url);
	ck_assert_uint_eq(address_resolve(&address, 1, &url, error, sizeof error), 1);
	ck_assert_uint_eq(address.size, size_rows[_i].size);
}
END_TEST

/* A name may have several addresses; no more are given than there is room for. */
START_TEST(test_localhost)
{
	struct address list[ADDRESSES_MAX];
	struct url url;
	char error[256];
	size_t count, i;

	url_make(&url, "tcp://localhost:7");
	ck_assert(address_is_name(&url));
	count = address_resolve(list, ADDRESSES_MAX, &url, error, sizeof error);
	ck_assert_msg(count > 0, "%s", error);
	for (i = 0; i < count; i++) {
		ck_assert(address_is_loopback(&list[i]));
		ck_assert_uint_eq(address_port(&list[i]), 7);
	}
	memset(&list[1], 0xee, sizeof list[1]);
	ck_assert_uint_eq(address_resolve(list, 1, &url, error, sizeof error), 1);
	ck_assert_int_eq(list[1].storage.ss_family, 0xeeee);
}
END_TEST

/* A label that is too long for any name server to be asked. */
START_TEST(test_no_such_name)
{
	char host[71], expected[80], error[256] = "";
	struct address address;
	struct url url;

	url_make(&url, "tcp://x:7");
	memset(host, 'x', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	memcpy(url.host, host, sizeof host);
	ck_assert_uint_eq(address_resolve(&address, 1, &url, error, sizeof error), 0);
	snprintf(expected, sizeof expected, "%s: ", host);
	ck_assert_int_eq(strncmp(error, expected, strlen(expected)), 0);
	ck_assert_uint_gt(strlen(error), strlen(expected));
}
END_TEST

START_TEST(test_set_port)
{
	static const char *const urls[] = {"tcp://127.0.0.1:1", "tcp://[::1]:1", "unix:///a"};
	static const char *const texts[] = {"127.0.0.1:40000", "[::1]:40000", "/a"};
	char text[ADDRESS_TEXT_MAX], error[64];
	struct address address;
	struct url url;

	url_make(&url, urls[_i]);
	ck_assert_uint_eq(address_resolve(&address, 1, &url, error, sizeof error), 1);
	address_set_port(&address, 40000);
	ck_assert_uint_eq(address_port(&address), _i < 2 ? 40000 : 0);
	ck_assert_str_eq(address_text(&address, text), texts[_i]);
}
END_TEST

START_TEST(test_unknown_family)
{
	struct address address = {.size = sizeof(struct sockaddr)};
	char text[ADDRESS_TEXT_MAX];

	ck_assert_str_eq(address_text(&address, text), "?");
	ck_assert_uint_eq(address_port(&address), 0);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("address");

	tcase_add_loop_test(tc, test_resolve, 0, sizeof rows / sizeof rows[0]);
	tcase_add_loop_test(tc, test_size, 0, sizeof size_rows / sizeof size_rows[0]);
	tcase_add_test(tc, test_localhost);
	tcase_add_test(tc, test_no_such_name);
	tcase_add_loop_test(tc, test_set_port, 0, 3);
	tcase_add_test(tc, test_unknown_family);
	return unit_run("address", tc);
}
