/*
 * A head is the same with more bytes behind it and in pieces, nothing shorter than it is one, and
 * what is passed on of it parses to the same fields but for those between neighbours. A body ends
 * where it ends in pieces, too. Whom the guard admits has what it asks for. The first byte says
 * request or response, or chunks.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "proxy/address.h"
#include "proxy/side/handshake.h"
#include "proxy/side/http.h"
#include "proxy/side/http_body.h"
#include "proxy/guard.h"

static const struct handshake_proof fuzz_proof = {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_check(bool right)
{
	if (!right)
		abort();
}

/* From memory of the exact size, which the caller frees. */
static enum http_result fuzz_parse(
	struct http_head *head, bool request, const char *bytes, size_t size, char **copy)
{
	struct http_scan scan = {0};

	*copy = malloc(size > 0 ? size : 1);
	fuzz_check(*copy != NULL);
	memcpy(*copy, bytes, size);
	return request ? http_request_parse(head, &scan, *copy, size)
		       : http_response_parse(head, &scan, *copy, size);
}

static bool fuzz_text_equal(struct http_text text, struct http_text other)
{
	return text.size == other.size && memcmp(text.bytes, other.bytes, text.size) == 0;
}

/* What is passed on: the same start and the same fields, but for those between neighbours. */
static void fuzz_forward(const struct http_head *head, bool request)
{
	static const char *const drop[] = {"Drop", NULL};
	static const struct http_changes changes = {.drop = drop, .add = "Connection: close\r\n"};
	static struct http_head again;
	size_t size = http_head_room(head, &changes), i, kept = 0;
	char name[64];
	char *text, *copy;

	if (http_connection_check(head) != NULL)
		return;
	text = malloc(size);
	fuzz_check(text != NULL);
	size = http_head_forward(text, size, head, &changes);
	fuzz_check(size > 0);
	fuzz_check(fuzz_parse(&again, request, text, size, &copy) == HTTP_DONE);
	fuzz_check(again.size == size && again.status == head->status);
	fuzz_check(fuzz_text_equal(head->start_line, again.start_line));
	fuzz_check(http_field_count(&again, "Connection") == 1);
	fuzz_check(http_field_find(&again, "TE") == NULL);
	fuzz_check(http_field_find(&again, "Upgrade") == NULL);
	for (i = 0; i < head->field_count; i++) {
		if (kept + 1 < again.field_count &&
			fuzz_text_equal(head->fields[i].line, again.fields[kept].line)) {
			kept++;
			continue;
		}
		if (head->fields[i].name.size >= sizeof name)
			continue;
		memcpy(name, head->fields[i].name.bytes, head->fields[i].name.size);
		name[head->fields[i].name.size] = '\0';
		fuzz_check(http_field_count(&again, name) == (strcasecmp(name, "connection") == 0));
	}
	fuzz_check(kept + 1 == again.field_count);
	free(copy);
	free(text);
}

/* Byte by byte, with a memory of what was seen: at each length what a look at all of it says. */
static void fuzz_grow(bool request, const char *bytes, size_t size)
{
	static struct http_head grown, anew;
	struct http_scan scan = {0};
	enum http_result result = HTTP_MORE;
	char *copy;
	size_t cut;

	for (cut = 0; cut <= size && result == HTTP_MORE; cut++) {
		result = request ? http_request_parse(&grown, &scan, bytes, cut)
				 : http_response_parse(&grown, &scan, bytes, cut);
		fuzz_check(fuzz_parse(&anew, request, bytes, cut, &copy) == result);
		fuzz_check(grown.size == anew.size && grown.bad_status == anew.bad_status);
		free(copy);
	}
}

/* A chunked body in pieces of step bytes: how many of its bytes are its own, and are data. */
static size_t fuzz_take(
	struct http_body *body, const char *bytes, size_t size, size_t step, size_t *data)
{
	size_t taken = 0, end = 0, now;
	enum http_piece piece;

	*body = (struct http_body){.state = HTTP_BODY_CHUNKED};
	*data = 0;
	while (taken < size) {
		if (taken == end)
			end = size - taken < step ? size : taken + step;
		now = http_body_next(body, bytes + taken, end - taken, &piece);
		fuzz_check(now <= end - taken);
		taken += now;
		*data += piece == HTTP_PIECE_DATA ? now : 0;
		if (now > 0)
			continue;
		fuzz_check(body->state == HTTP_BODY_DONE || body->state == HTTP_BODY_BAD);
		break;
	}
	return taken;
}

static void fuzz_chunks(const char *bytes, size_t size)
{
	struct http_body body, pieces;
	size_t data, again, taken = fuzz_take(&body, bytes, size, size, &data), step;

	for (step = 1; step < size; step += 1 + step / 2) {
		fuzz_check(fuzz_take(&pieces, bytes, size, step, &again) == taken);
		fuzz_check(pieces.state == body.state && again == data);
	}
}

/* A request whose body ends is one that nobody reads in another way. */
static void fuzz_body(struct http_head *head, bool request)
{
	struct http_body body;
	enum http_result result = request ? http_body_of_request(&body, head)
					  : http_body_of_response(&body, head, false);

	fuzz_check(result == HTTP_DONE || (result == HTTP_BAD && head->bad_reason != NULL));
	if (!request || result != HTTP_DONE)
		return;
	fuzz_check(http_field_count(head, "Content-Length") <= 1);
	fuzz_check((http_field_find(head, "Transfer-Encoding") != NULL) ==
		   (body.state == HTTP_BODY_CHUNKED));
	fuzz_check(body.state != HTTP_BODY_TO_END);
}

/* Whom the guard lets in has one Host and at most one Origin, which is listed, and the token. */
static void fuzz_guard(const struct http_head *head)
{
	static char origin[] = "https://app.example", host[] = "box.example:80", token[] = "t";
	static char *origins[] = {origin}, *hosts[] = {host};
	static const struct config config = {
		.listen_url = {.scheme = URL_WS, .host = "127.0.0.1"},
		.listen_check_origin = CONFIG_CHECK_ALWAYS,
		.listen_allow_origin = {.items = origins, .count = 1},
		.listen_allow_host = {.items = hosts, .count = 1},
		.listen_token = token,
	};
	const struct http_field *field = http_field_find(head, "Origin");
	struct address local = {.size = 0};
	char note[GUARD_NOTE_SIZE] = "";
	struct guard guard;

	guard_init(&guard, &config);
	if (guard_check(&guard, head, &local, note) != GUARD_ADMITTED) {
		fuzz_check(strlen(note) > 0);
		return;
	}
	fuzz_check(http_field_count(head, "Host") == 1);
	fuzz_check(http_field_count(head, "Authorization") == 1);
	fuzz_check(http_field_count(head, "Origin") == (field != NULL));
	if (field != NULL)
		fuzz_check(strncasecmp(field->value.bytes, origin, strlen(origin)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct http_head head, prefix;
	bool request;
	enum http_result result, shorter;
	const char *text = (const char *)bytes + 1;
	char *copy, *prefix_copy;
	size_t cut;

	if (size == 0 || size > 4096)
		return 0;
	request = bytes[0] & 1;
	size--;
	if (bytes[0] & 2) {
		fuzz_chunks(text, size);
		return 0;
	}
	if (size <= 512)
		fuzz_grow(request, text, size);
	result = fuzz_parse(&head, request, text, size, &copy);
	for (cut = 0; cut < size; cut += 1 + cut / 16) {
		shorter = fuzz_parse(&prefix, request, text, cut, &prefix_copy);
		if (result == HTTP_DONE)
			fuzz_check(shorter == (cut < head.size ? HTTP_MORE : HTTP_DONE));
		if (result == HTTP_MORE)
			fuzz_check(shorter == HTTP_MORE);
		if (result == HTTP_BAD)
			fuzz_check(shorter != HTTP_DONE);
		free(prefix_copy);
	}
	if (result == HTTP_DONE) {
		fuzz_forward(&head, request);
		fuzz_body(&head, request);
		if (request) {
			struct http_text authority, path;

			http_target_split(head.target, &authority, &path);
			fuzz_check(authority.size + path.size <= head.target.size);
			fuzz_guard(&head);
			(void)handshake_websocket.check(&head);
		} else
			(void)handshake_websocket.check_reply(&head, &fuzz_proof, &head);
	}
	free(copy);
	return 0;
}
