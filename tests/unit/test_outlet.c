/* Heads and bodies for one peer, in one write; heads that are longer than the loop's room for one.
 */
#include "proxy/outlet.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/endpoint/endpoint.h"
#include "proxy/side/http.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/unit.h"

enum { TEXT_MAX = 16384 };

static const char *const none[] = {NULL};
static const struct http_changes changes = {.drop = none, .add = "Added: 1\r\n"};

static struct loop_case setup;
static struct endpoint endpoint;
static int peer;

static void outlet_on_event(void *arg, struct endpoint *from, enum endpoint_event event)
{
	(void)arg;
	(void)from;
	(void)event;
}

static void outlet_open(void)
{
	static const char *const flags[] = {"--upstream=unix:///nowhere", NULL};
	int pair[2];

	loop_case_open(&setup, flags);
	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	endpoint_init_socket(&endpoint, setup.loop.base, pair[0], outlet_on_event, NULL);
	ck_assert_int_eq(endpoint_start(&endpoint), 0);
	peer = pair[1];
}

static void outlet_close(void)
{
	endpoint_close(&endpoint);
	if (peer >= 0)
		ck_assert_int_eq(close(peer), 0);
	loop_case_close(&setup);
}

/* A request with so many bytes in a field. */
static void make_head(struct http_head *head, char text[TEXT_MAX], size_t fill)
{
	struct http_scan scan = {0};
	int size = snprintf(
		text, TEXT_MAX, "GET / HTTP/1.1\r\nHost: h\r\nX: %0*d\r\n\r\n", (int)fill, 0);

	ck_assert_int_lt(size, TEXT_MAX);
	ck_assert_int_eq(http_request_parse(head, &scan, text, (size_t)size), HTTP_DONE);
}

/* One that takes so much room. */
static void make_head_of(struct http_head *head, char text[TEXT_MAX], size_t room)
{
	make_head(head, text, 1000);
	make_head(head, text, 1000 + room - http_head_room(head, &changes));
	ck_assert_uint_eq(http_head_room(head, &changes), room);
}

static const size_t rooms[] = {
	2000, SINK_SIZE_MIN - 1, SINK_SIZE_MIN, SINK_SIZE_MIN + 1, 3 * SINK_SIZE_MIN};

static void writes(size_t room, bool memory)
{
	static char text[TEXT_MAX], expected[TEXT_MAX], told[TEXT_MAX];
	static struct http_head head;
	struct outlet outlet;
	size_t size;
	int result;

	make_head_of(&head, text, room);
	memcpy(expected, "before", 6);
	size = 6 + http_head_forward(expected + 6, sizeof expected - 6, &head, &changes);
	memcpy(expected + size, "behind", 6);
	size += 6;
	outlet_begin(&outlet, &setup.loop, &endpoint);
	sink_write(&outlet.sink, (const uint8_t *)"before", 6);
	if (!memory)
		unit_alloc_fail_after(0);
	outlet_head(&outlet, &head, &changes);
	unit_alloc_fail_never();
	sink_write(&outlet.sink, (const uint8_t *)"behind", 6);
	result = outlet_end(&outlet);
	if (!memory && room > SINK_SIZE_MIN) {
		ck_assert_int_eq(result, -1);
		ck_assert(endpoint.is_ours);
		ck_assert_int_eq(endpoint.error, ENOMEM);
		ck_assert_int_eq(recv(peer, told, sizeof told, MSG_DONTWAIT), -1);
		return;
	}
	ck_assert_int_eq(result, 0);
	ck_assert_int_eq(recv(peer, told, sizeof told, MSG_DONTWAIT), size);
	ck_assert_mem_eq(told, expected, size);
}

START_TEST(test_heads)
{
	outlet_open();
	writes(rooms[_i], true);
	outlet_close();
}
END_TEST

START_TEST(test_no_memory)
{
	outlet_open();
	writes(rooms[_i], false);
	outlet_close();
}
END_TEST

/* Nothing is written when there is nothing; and to who is gone, nothing can. */
START_TEST(test_gone)
{
	struct outlet outlet;

	outlet_open();
	outlet_begin(&outlet, &setup.loop, &endpoint);
	ck_assert_int_eq(outlet_end(&outlet), 0);
	ck_assert_int_eq(close(peer), 0);
	peer = -1;
	outlet_begin(&outlet, &setup.loop, &endpoint);
	ck_assert_int_eq(outlet_end(&outlet), 0);
	sink_write(&outlet.sink, (const uint8_t *)"x", 1);
	ck_assert_int_eq(outlet_end(&outlet), -1);
	ck_assert_int_eq(endpoint.error, EPIPE);
	ck_assert(!endpoint.is_ours);
	ck_assert_int_eq(outlet_end(&outlet), -1); /* it stays so */
	outlet_close();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("outlet");

	unit_fixture(NULL, NULL);
	tcase_add_loop_test(tc, test_heads, 0, (int)(sizeof rooms / sizeof *rooms));
	tcase_add_loop_test(tc, test_no_memory, 0, (int)(sizeof rooms / sizeof *rooms));
	tcase_add_test(tc, test_gone);
	return unit_run("outlet", tc);
}
