/* Heads good and bad, at every length of what has come so far. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "proxy/side/http.h"
#include "tests/unit/unit.h"

static struct http_head test_head;

static bool test_text_is(struct http_text text, const char *expected)
{
	return text.size == strlen(expected) && memcmp(text.bytes, expected, text.size) == 0;
}

/* Anew: all of it is looked at. */
static enum http_result test_parse(bool request, const char *bytes, size_t size)
{
	struct http_scan scan = {0};

	return request ? http_request_parse(&test_head, &scan, bytes, size)
		       : http_response_parse(&test_head, &scan, bytes, size);
}

/* In two pieces, cut anywhere, and byte by byte: the same as in one, also in what is wrong. */
static void test_parse_pieces(bool request, const char *bytes, size_t size)
{
	enum http_result whole, result = HTTP_MORE;
	struct http_scan scan = {0};
	unsigned status;
	size_t cut, end;

	whole = test_parse(request, bytes, size);
	status = test_head.bad_status;
	end = test_head.size;
	for (cut = 0; cut <= size; cut++) {
		struct http_scan halves = {0};

		(void)(request ? http_request_parse(&test_head, &halves, bytes, cut)
			       : http_response_parse(&test_head, &halves, bytes, cut));
		if (test_head.bad_reason != NULL)
			continue; /* nobody goes on behind that */
		result = request ? http_request_parse(&test_head, &halves, bytes, size)
				 : http_response_parse(&test_head, &halves, bytes, size);
		ck_assert_int_eq(result, whole);
		ck_assert_uint_eq(test_head.bad_status, status);
		ck_assert_uint_eq(test_head.size, end);
	}
	for (cut = 0, result = HTTP_MORE; cut <= size && result == HTTP_MORE; cut++) {
		result = request ? http_request_parse(&test_head, &scan, bytes, cut)
				 : http_response_parse(&test_head, &scan, bytes, cut);
		ck_assert_int_eq(result, test_parse(request, bytes, cut));
	}
	ck_assert_int_eq(result, whole);
}

/* ---- heads ---- */

#define TEST_BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *bytes;
	size_t size;
	const char *method, *target;
	unsigned version_minor;
	const char *fields; /* as name=value; */
} test_requests[] = {
	{TEST_BYTES("GET / HTTP/1.1\r\n\r\n"), "GET", "/", 1, ""},
	{TEST_BYTES("GET / HTTP/1.0\r\n\r\n"), "GET", "/", 0, ""},
	{TEST_BYTES("\r\n\r\nGET / HTTP/1.1\r\n\r\n"), "GET", "/", 1, ""},
	{TEST_BYTES("\r\nGET / HTTP/1.1\r\na:b\r\n\r\n"), "GET", "/", 1, "a=b;"},
	{TEST_BYTES("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"), "OPTIONS", "*", 1, "Host=a;"},
	{TEST_BYTES("X!#$%&'*+-.^_`|~9z /x?a=b&c HTTP/1.9\r\n\r\n"), "X!#$%&'*+-.^_`|~9z",
		"/x?a=b&c", 9, ""},
	{TEST_BYTES("GET http://a/b HTTP/1.1\r\na:\r\nb: \t \r\nc: \t1 \t2\t \r\n\r\n"), "GET",
		"http://a/b", 1, "a=;b=;c=1 \t2;"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: x:y\r\nA: \xc3\xa9\xff\r\n\r\n"), "GET", "/", 1,
		"a=x:y;A=\xc3\xa9\xff;"},
};

static void test_fields(char *text)
{
	size_t i;

	*text = '\0';
	for (i = 0; i < test_head.field_count; i++)
		text += sprintf(text, "%.*s=%.*s;", (int)test_head.fields[i].name.size,
			test_head.fields[i].name.bytes, (int)test_head.fields[i].value.size,
			test_head.fields[i].value.bytes);
}

START_TEST(test_request)
{
	char fields[256], more[256];
	size_t size = test_requests[_i].size, cut;
	uint8_t *copy;

	for (cut = 0; cut < size; cut++) {
		copy = unit_guard_copy(test_requests[_i].bytes, cut);
		ck_assert_int_eq(test_parse(true, (char *)copy, cut), HTTP_MORE);
		unit_guard_free(copy, cut);
	}
	copy = unit_guard_copy(test_requests[_i].bytes, size);
	ck_assert_int_eq(test_parse(true, (char *)copy, size), HTTP_DONE);
	ck_assert_uint_eq(test_head.size, size);
	ck_assert(test_text_is(test_head.method, test_requests[_i].method));
	ck_assert(test_text_is(test_head.target, test_requests[_i].target));
	ck_assert_uint_eq(test_head.version_minor, test_requests[_i].version_minor);
	ck_assert_uint_eq(test_head.status, 0);
	test_fields(fields);
	ck_assert_str_eq(fields, test_requests[_i].fields);
	unit_guard_free(copy, size);
	test_parse_pieces(true, test_requests[_i].bytes, size);

	/* what follows the head is not part of it */
	memcpy(more, test_requests[_i].bytes, size);
	memcpy(more + size, "\r\nx: y\r\n\r\n", 10);
	ck_assert_int_eq(test_parse(true, more, size + 10), HTTP_DONE);
	ck_assert_uint_eq(test_head.size, size);
	test_fields(fields);
	ck_assert_str_eq(fields, test_requests[_i].fields);
}
END_TEST

static const struct {
	const char *bytes;
	size_t size;
	unsigned status;
	const char *reason;
} test_bad_requests[] = {
	{TEST_BYTES(" GET / HTTP/1.1\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("G(T / HTTP/1.1\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("GET\t/ HTTP/1.1\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("GET\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("\rGET / HTTP/1.1\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("\x16\x03\x01\x02\x00\x01\x00"), 400, "bad method"},
	{TEST_BYTES("{\"id\":1}\n"), 400, "bad method"},
	{TEST_BYTES("GET \r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET  / HTTP/1.1\r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET /\r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET /\ta HTTP/1.1\r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET /\0 HTTP/1.1\r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET /\x7f HTTP/1.1\r\n\r\n"), 400, "bad request target"},
	{TEST_BYTES("GET / \r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/1.1 \r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET /  HTTP/1.1\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/2.0\r\n\r\n"), 505, "HTTP/2 is not spoken here"},
	{TEST_BYTES("GET / HTTP/3.0\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/1.0\n\n"), 400, "a line that ends without CR"},
	{TEST_BYTES("GET / HTTP/1.1\n\r\n"), 400, "a line that ends without CR"},
	{TEST_BYTES("GET / HTTP/1.1\r\n\n"), 400, "a line that ends without CR"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: 1\nb: 2\r\n\r\n"), 400, "a line that ends without CR"},
	{TEST_BYTES("\nGET / HTTP/1.1\r\n\r\n"), 400, "bad method"},
	{TEST_BYTES("GET / HTTP/1.\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/1.10\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/1.x\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / http/1.1\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("GET / HTTP/1.1\r\r\n\r\n"), 400, "bad HTTP version"},
	{TEST_BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505, "HTTP/2 is not spoken here"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n"), 400, "folded field line"},
	{TEST_BYTES("GET / HTTP/1.1\r\n\ta: b\r\n\r\n"), 400, "folded field line"},
	{TEST_BYTES("GET / HTTP/1.1\r\na : b\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\n: b\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\na\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\na(b: c\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\n\xc3\xa9: c\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\na\0: c\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\n\r\r\n\r\n"), 400, "bad field name"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: b\0c\r\n\r\n"), 400,
		"control character in a field value"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: b\rc\r\n\r\n"), 400,
		"control character in a field value"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: b\r\r\n\r\n"), 400, "control character in a field value"},
	{TEST_BYTES("GET / HTTP/1.1\r\na: b\x7f\r\n\r\n"), 400,
		"control character in a field value"},
};

/* A shorter head is bad for the same reason, or wants more: never good. */
START_TEST(test_bad_request)
{
	size_t size = test_bad_requests[_i].size, cut;
	enum http_result result;
	uint8_t *copy;

	for (cut = 0; cut <= size; cut++) {
		copy = unit_guard_copy(test_bad_requests[_i].bytes, cut);
		result = test_parse(true, (char *)copy, cut);
		if (cut == size)
			ck_assert_int_eq(result, HTTP_BAD);
		ck_assert_int_ne(result, HTTP_DONE);
		if (result == HTTP_BAD) {
			ck_assert_str_eq(test_head.bad_reason, test_bad_requests[_i].reason);
			ck_assert_uint_eq(test_head.bad_status, test_bad_requests[_i].status);
		}
		unit_guard_free(copy, cut);
	}
	test_parse_pieces(true, test_bad_requests[_i].bytes, size);
}
END_TEST

START_TEST(test_too_many_fields)
{
	static char bytes[64 * 1024];
	size_t size, i;

	size = (size_t)sprintf(bytes, "GET / HTTP/1.1\r\n");
	for (i = 0; i < HTTP_FIELDS_MAX; i++)
		size += (size_t)sprintf(bytes + size, "x-%zu: %zu\r\n", i, i * i);
	strcpy(bytes + size, "\r\n");
	ck_assert_int_eq(test_parse(true, bytes, size + 2), HTTP_DONE);
	ck_assert_uint_eq(test_head.field_count, HTTP_FIELDS_MAX);
	ck_assert(test_text_is(http_field_find(&test_head, "X-511")->value, "261121"));
	strcpy(bytes + size, "y: 1\r\n\r\n");
	ck_assert_int_eq(test_parse(true, bytes, size + 8), HTTP_BAD);
	ck_assert_uint_eq(test_head.bad_status, 431);
	ck_assert_str_eq(test_head.bad_reason, "too many fields");
}
END_TEST

static const struct {
	const char *bytes;
	size_t size;
	enum http_result result;
	unsigned status;  /* of the response */
	const char *told; /* the fields, or what is bad */
} test_responses[] = {
	{TEST_BYTES("HTTP/1.1 200 OK\r\nA: b\r\n\r\n"), HTTP_DONE, 200, "A=b;"},
	{TEST_BYTES("HTTP/1.0 404 Not \xc3\xa9 found\r\n\r\n"), HTTP_DONE, 404, ""},
	{TEST_BYTES("HTTP/1.0 404 Not found\n\n"), HTTP_BAD, 0, "a line that ends without CR"},
	{TEST_BYTES("HTTP/1.1 200 OK\r\na: b\n\r\n"), HTTP_BAD, 0, "a line that ends without CR"},
	{TEST_BYTES("HTTP/1.1 101 \r\n\r\n"), HTTP_DONE, 101, ""},
	{TEST_BYTES("HTTP/1.1 999\r\n\r\n"), HTTP_DONE, 999, ""},
	{TEST_BYTES("HTTP/1.1 099 x\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1 20 OK\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1 2000 OK\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1  200 OK\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1 20\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1-200 OK\r\n\r\n"), HTTP_BAD, 0, "bad status code"},
	{TEST_BYTES("HTTP/1.1 200 O\0K\r\n\r\n"), HTTP_BAD, 0,
		"control character in the reason phrase"},
	{TEST_BYTES("HTTP/2 200\r\n\r\n"), HTTP_BAD, 0, "bad HTTP version"},
	{TEST_BYTES("HTTP/1.\r\n\r\n"), HTTP_BAD, 0, "bad HTTP version"},
	{TEST_BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), HTTP_BAD, 0, "bad HTTP version"},
	{TEST_BYTES("SSH-2.0-x\r\n"), HTTP_BAD, 0, "bad HTTP version"},
	{TEST_BYTES("HTTP/1.1 200 OK\r\na: b\r\n c\r\n\r\n"), HTTP_BAD, 0, "folded field line"},
};

START_TEST(test_response)
{
	size_t size = test_responses[_i].size, cut;
	enum http_result result;
	char fields[256];
	uint8_t *copy;

	for (cut = 0; cut <= size; cut++) {
		copy = unit_guard_copy(test_responses[_i].bytes, cut);
		result = test_parse(false, (char *)copy, cut);
		if (cut == size)
			ck_assert_int_eq(result, test_responses[_i].result);
		else
			ck_assert_int_ne(result, HTTP_DONE);
		if (result == HTTP_DONE) {
			ck_assert_uint_eq(test_head.status, test_responses[_i].status);
			ck_assert_uint_eq(test_head.size, size);
			test_fields(fields);
			ck_assert_str_eq(fields, test_responses[_i].told);
		}
		if (result == HTTP_BAD) {
			ck_assert_str_eq(test_head.bad_reason, test_responses[_i].told);
			ck_assert_uint_eq(test_head.bad_status, 502);
		}
		unit_guard_free(copy, cut);
	}
	test_parse_pieces(false, test_responses[_i].bytes, size);
}
END_TEST

/* What of a head comes again and again, so that it grows without an end in sight. */
static const struct {
	bool request;
	const char *begin, *again;
} test_endless[] = {
	{true, "", "G"},
	{true, "", "\r\n"},
	{true, "GET /", "x"},
	{true, "GET / HTTP/1.1\r\n", "a: b\r\n"},
	{true, "GET / HTTP/1.1\r\n", "\ra"},
	{false, "HTTP/1.1 200 ", "OK"},
	{false, "HTTP/1.1 200 OK\r\n", "a: b\r\n"},
};

/* Nothing is looked at twice: the pages behind which the head has come are taken away. */
START_TEST(test_pieces_are_seen_once)
{
	const char *begin = test_endless[_i].begin, *again = test_endless[_i].again;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), room = 16 * page;
	size_t size, taken = 0;
	struct http_scan scan = {0};
	enum http_result result;
	char *bytes = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(bytes, MAP_FAILED);
	memcpy(bytes, begin, strlen(begin));
	for (size = strlen(begin); size < room; size++)
		bytes[size] = again[(size - strlen(begin)) % strlen(again)];
	for (size = 0; size <= room; size++) {
		result = test_endless[_i].request
				 ? http_request_parse(&test_head, &scan, bytes, size)
				 : http_response_parse(&test_head, &scan, bytes, size);
		ck_assert_int_eq(result, HTTP_MORE);
		if (size >= taken + page + 2) { /* of a blank line, two bytes may be there */
			ck_assert_int_eq(mprotect(bytes + taken, page, PROT_NONE), 0);
			taken += page;
		}
	}
	ck_assert_int_eq(munmap(bytes, room), 0);
}
END_TEST

static const struct {
	const char *name, *token;
	bool has;
} test_tokens[] = {
	{"Connection", "upgrade", true},
	{"connection", "KEEP-ALIVE", true},
	{"Connection", "close", true},
	{"Connection", "keep", false},
	{"Connection", "upgraded", false},
	{"Connection", "keep-alive, Upgrade", false},
	{"Connectio", "upgrade", false},
	{"Other", "upgrade", false},
	{"Empty", "upgrade", false},
	{"Commas", "a", true},
	{"Missing", "a", false},
};

START_TEST(test_field_tokens)
{
	static const char text[] =
		"GET / HTTP/1.1\r\nOther: x\r\nConnection: keep-alive,\t Upgrade\r\n"
		"Empty:\r\nCommas: ,,a ,\r\nconnection:close\r\n\r\n";

	ck_assert_int_eq(test_parse(true, text, sizeof text - 1), HTTP_DONE);
	ck_assert_int_eq(
		http_field_has_token(&test_head, test_tokens[_i].name, test_tokens[_i].token),
		test_tokens[_i].has);
	ck_assert(test_text_is(
		http_field_find(&test_head, "CONNECTION")->value, "keep-alive,\t Upgrade"));
	ck_assert_ptr_null(http_field_find(&test_head, "Conn"));
}
END_TEST

/* What a head said before is not said of the next one. */
START_TEST(test_anew)
{
	static const char bad[] = "HTTP/1.0 299 OK\r\n: x\r\n\r\n",
			  good[] = "GET / HTTP/1.1\r\n\r\n";

	ck_assert_int_eq(test_parse(false, bad, sizeof bad - 1), HTTP_BAD);
	ck_assert_uint_eq(test_head.status, 299);
	ck_assert_uint_eq(test_head.bad_status, 502);
	ck_assert_ptr_nonnull(test_head.bad_reason);
	ck_assert_int_eq(test_parse(true, good, 3), HTTP_MORE);
	ck_assert_uint_eq(test_head.status, 0);
	ck_assert_uint_eq(test_head.bad_status, 0);
	ck_assert_uint_eq(test_head.version_minor, 0);
	ck_assert_ptr_null(test_head.bad_reason);
	ck_assert_uint_eq(test_head.field_count + test_head.method.size + test_head.target.size, 0);
	ck_assert_uint_eq(test_head.start_line.size, 0);
}
END_TEST

/* ---- targets ---- */

static const struct {
	const char *target, *authority, *path;
} test_targets[] = {
	{"/", "", "/"},
	{"/a?b=http://c/d", "", "/a?b=http://c/d"},
	{"*", "", "*"},
	{"host:80", "", "host:80"},
	{"http://a", "a", ""},
	{"http://a/", "a", "/"},
	{"HTTP://a:80/b/c?d#e", "a:80", "/b/c?d#e"},
	{"ws+x.y-1://[::1]:80?q", "[::1]:80", "?q"},
	{"http://#x", "", "#x"},
	{"http://u@h/x", "u@h", "/x"},
	{"://a/b", "", "://a/b"},
	{"http:/a/b", "", "http:/a/b"},
	{"http:", "", "http:"},
	{"http:/", "", "http:/"},
	{"http://", "", ""},
	{"//a/b", "", "//a/b"},
	{"h_t://a/b", "", "h_t://a/b"},
	{"aAzZ09+-.://a/b", "a", "/b"},
	{"`://a/b", "", "`://a/b"},
	{"{://a/b", "", "{://a/b"},
	{"@://a/b", "", "@://a/b"},
	{"[://a/b", "", "[://a/b"},
	{"a/://b", "", "a/://b"},
	{"a;://b", "", "a;://b"},
};

START_TEST(test_target)
{
	size_t size = strlen(test_targets[_i].target);
	uint8_t *copy = unit_guard_copy(test_targets[_i].target, size);
	struct http_text authority, path;

	http_target_split((struct http_text){(char *)copy, size}, &authority, &path);
	ck_assert(test_text_is(authority, test_targets[_i].authority));
	ck_assert(test_text_is(path, test_targets[_i].path));
	unit_guard_free(copy, size);
}
END_TEST

/* ---- passing on ---- */

#define TEST_GET "GET /x?y HTTP/1.1\r\n"

static const struct {
	const char *fields;
	const char *passed; /* NULL: Connection is wrong */
} test_forwarded[] = {
	{"hOST:  a  \r\nKeep:\tme \r\nDROP: 1\r\nx: 2\r\ndrop: 3\r\n",
		"hOST:  a  \r\nKeep:\tme \r\nx: 2\r\n"},
	{"a: 1\r\nconnection: close\r\nkeep-alive: timeout=5\r\nUpgrade: h2c\r\nte: trailers\r\n"
	 "Proxy-Connection: x\r\nPROXY-AUTHORIZATION: y\r\nProxy-Authenticate: z\r\n"
	 "Proxy-Other: kept\r\nTrailer: t\r\nTEA: kept\r\n",
		"a: 1\r\nProxy-Other: kept\r\nTrailer: t\r\nTEA: kept\r\n"},
	{"X-Hop: 1\r\nConnection: Upgrade , x-hop\r\nX-Hop-2: 2\r\nConnection:\r\n"
	 "Connection: ,, \tX-HOP-2,\r\nx-hop: 3\r\nX: 4\r\n",
		"X: 4\r\n"},
	{"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n",
		"Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"},
	{"Connection: close, content-length\r\n", NULL},
	{"Connection: close\r\nConnection: Transfer-Encoding\r\n", NULL},
	{"Connection: HOST\r\n", NULL},
	{"Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\r\n"
	 "Connection: A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P\r\np: 1\r\n",
		""},
	{"Connection: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p\r\n"
	 "Connection: A,B,C,D,E,F,G,H,I,J,K,L,M,N,O,P,q\r\n",
		NULL},
};

START_TEST(test_forward)
{
	static const char *const drop[] = {"Absent", "Drop", NULL};
	static const struct http_changes changes = {.drop = drop, .add = "Via: 1.1 b\r\n"};
	char text[512], expected[512], copy[512];
	size_t size, room;

	snprintf(text, sizeof text, TEST_GET "%s\r\nbody", test_forwarded[_i].fields);
	ck_assert_int_eq(test_parse(true, text, strlen(text)), HTTP_DONE);
	if (test_forwarded[_i].passed == NULL) {
		ck_assert_ptr_nonnull(http_connection_check(&test_head));
		return;
	}
	ck_assert_ptr_null(http_connection_check(&test_head));
	size = (size_t)snprintf(expected, sizeof expected, TEST_GET "%sVia: 1.1 b\r\n\r\n",
		test_forwarded[_i].passed);
	for (room = 0; room < size; room++) {
		memset(copy, '#', sizeof copy);
		ck_assert_uint_eq(http_head_forward(copy, room, &test_head, &changes), 0);
		ck_assert_int_eq(copy[room], '#');
	}
	ck_assert_uint_eq(http_head_forward(copy, size, &test_head, &changes), size);
	ck_assert_uint_le(size, http_head_room(&test_head, &changes));
	ck_assert_mem_eq(copy, expected, size);
}
END_TEST

START_TEST(test_forward_length)
{
	static const char text[] = "POST / HTTP/1.1\r\nA: 1\r\ncontent-LENGTH:  7 \r\nB: 2\r\n\r\n",
			  expected[] = "POST / HTTP/1.1\r\nA: 1\r\ncontent-LENGTH: "
				       "18446744073709551615\r\nB: 2\r\n\r\n";
	static const char *const drop[] = {NULL};
	static const struct http_changes changes = {
		.drop = drop, .add = "", .length = "18446744073709551615"};
	char copy[512];
	size_t size;

	ck_assert_int_eq(test_parse(true, text, sizeof text - 1), HTTP_DONE);
	size = http_head_forward(copy, http_head_room(&test_head, &changes), &test_head, &changes);
	ck_assert_uint_eq(size, sizeof expected - 1);
	ck_assert_mem_eq(copy, expected, size);
}
END_TEST

/* Ours comes behind theirs, and has the version of the message that it is put into. */
START_TEST(test_forward_via)
{
	static const char *const versions[] = {"1.0", "1.1"};
	static const char *const drop[] = {NULL};
	static const struct http_changes changes = {
		.drop = drop, .add = "Connection: close\r\n", .via = true};
	char text[128], expected[192], copy[192];
	size_t size, room;

	snprintf(text, sizeof text, "GET / HTTP/%s\r\nVia: 1.0 a\r\nA: 1\r\nvia: 1.1 b\r\n\r\n",
		versions[_i]);
	size = (size_t)snprintf(expected, sizeof expected, "%.*sVia: %s sidespan\r\n%s\r\n",
		(int)strlen(text) - 2, text, versions[_i], changes.add);
	ck_assert_int_eq(test_parse(true, text, strlen(text)), HTTP_DONE);
	ck_assert_uint_le(size, http_head_room(&test_head, &changes));
	for (room = 0; room < size; room++)
		ck_assert_uint_eq(http_head_forward(copy, room, &test_head, &changes), 0);
	ck_assert_uint_eq(http_head_forward(copy, size, &test_head, &changes), size);
	ck_assert_mem_eq(copy, expected, size);
}
END_TEST

#define TEST_COUNT(table) (sizeof(table) / sizeof *(table))

/* Wherever in a value of whatever size: what is no character is refused, all else is kept. */
START_TEST(test_controls)
{
	static const char before[] = "GET / HTTP/1.1\r\nH: x", after[] = "x\r\n\r\n";
	char text[sizeof before + sizeof after + 20];
	struct http_scan scan;
	size_t size, at;
	unsigned byte;

	for (size = 1; size <= 20; size++)
		for (at = 0; at < size; at++)
			for (byte = 0; byte < 256; byte++) {
				bool good = byte == '\t' || (byte >= ' ' && byte != 0x7f);

				if (byte == '\n' || (byte > 0x80 && byte < 0xff))
					continue;
				memcpy(text, before, sizeof before - 1);
				memset(text + sizeof before - 1, at % 2 == 0 ? 'v' : 0xff, size);
				text[sizeof before - 1 + at] = (char)byte;
				memcpy(text + sizeof before - 1 + size, after, sizeof after);
				scan = (struct http_scan){.size = 0};
				ck_assert_msg(http_request_parse(&test_head, &scan, text,
						      sizeof before - 1 + size + sizeof after -
							      1) == (good ? HTTP_DONE : HTTP_BAD),
					"%u at %zu of %zu", byte, at, size);
				if (good)
					ck_assert_uint_eq(test_head.fields[0].value.size, size + 2);
			}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("http");

	tcase_add_test(tc, test_controls);
	tcase_add_loop_test(tc, test_request, 0, TEST_COUNT(test_requests));
	tcase_add_loop_test(tc, test_bad_request, 0, TEST_COUNT(test_bad_requests));
	tcase_add_test(tc, test_too_many_fields);
	tcase_add_loop_test(tc, test_response, 0, TEST_COUNT(test_responses));
	tcase_add_loop_test(tc, test_pieces_are_seen_once, 0, TEST_COUNT(test_endless));
	tcase_add_loop_test(tc, test_field_tokens, 0, TEST_COUNT(test_tokens));
	tcase_add_test(tc, test_anew);
	tcase_add_loop_test(tc, test_target, 0, TEST_COUNT(test_targets));
	tcase_add_loop_test(tc, test_forward, 0, TEST_COUNT(test_forwarded));
	tcase_add_test(tc, test_forward_length);
	tcase_add_loop_test(tc, test_forward_via, 0, 2);
	return unit_run("http", tc);
}
