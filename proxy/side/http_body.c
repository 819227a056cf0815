/*
 * Ends of bodies. They must leave no doubt: one Content-Length of digits, or chunked as the last
 * coding, never both, since a message hidden in a body would pass unseen. An answer with neither
 * goes on to the end of the connection: no other answer follows it. Chunks are read byte by byte
 * but for their data; their lines end with CR LF, nothing less, and trailers are fields, as readers
 * differ about the rest.
 */
#include "proxy/side/http_body.h"

#include <assert.h>
#include <string.h>

/* What of a chunked body comes next. */
enum http_chunk {
	HTTP_CHUNK_BEGIN,      /* the first digit of a size */
	HTTP_CHUNK_SIZE,       /* its next digit, or what ends it */
	HTTP_CHUNK_BLANK,      /* behind the size: more of it, an extension, or the line's end */
	HTTP_CHUNK_EXTENSION,  /* the rest of its line */
	HTTP_CHUNK_SIZE_LF,    /* the line's end */
	HTTP_CHUNK_DATA,       /* left bytes */
	HTTP_CHUNK_DATA_CR,    /* the end behind the data */
	HTTP_CHUNK_DATA_LF,    /* its second byte */
	HTTP_CHUNK_LINE,       /* the first byte of a trailer's line, or of the empty line */
	HTTP_CHUNK_NAME,       /* the rest of its field's name */
	HTTP_CHUNK_TRAILER,    /* the rest of a trailer's line */
	HTTP_CHUNK_TRAILER_LF, /* its end */
	HTTP_CHUNK_LAST_LF,    /* the end of it all */
};

#define HTTP_BODY_BETWEEN_MAX 8 /* bytes: two ends of lines, four digits */

/* ---- what a head says ---- */

static enum http_result http_body_fail(struct http_head *head, unsigned status, const char *reason)
{
	head->bad_status = status;
	head->bad_reason = reason;
	return HTTP_BAD;
}

/* Digits alone (RFC 9110, 8.6). */
static bool http_body_size(struct http_text text, uint64_t *size)
{
	uint64_t value = 0;
	size_t i;

	for (i = 0; i < text.size; i++) {
		if (text.bytes[i] < '0' || text.bytes[i] > '9' || value > INT64_MAX / 10 - 1)
			return false;
		value = value * 10 + (uint64_t)(text.bytes[i] - '0');
	}
	*size = value;
	return text.size > 0;
}

/* How many codings there are by the commas between them, if none is empty. */
static size_t http_body_coding_count(const struct http_head *head)
{
	size_t count = 0, i, j;

	for (i = 0; i < head->field_count; i++) {
		struct http_text value = head->fields[i].value;

		if (!http_text_is(head->fields[i].name, HTTP_TEXT("Transfer-Encoding")))
			continue;
		count++;
		for (j = 0; j < value.size; j++)
			count += value.bytes[j] == ',';
	}
	return count;
}

static bool http_body_is_token(struct http_text text)
{
	size_t i = 0;

	while (i < text.size && http_is_token_char(text.bytes[i]))
		i++;
	return i == text.size;
}

/*
 * Whether chunked is the last coding, and stands nowhere else. Empty ones (RFC 9110, 5.6.1.2) would
 * hide it from who compares all of the value, and so would what is no name.
 */
static bool http_body_is_chunked(const struct http_head *head)
{
	struct http_cursor at = {0};
	struct http_text coding;
	bool chunked = false;
	size_t count = 0;

	while (http_list_next(head, "Transfer-Encoding", &at, &coding)) {
		if (chunked || !http_body_is_token(coding))
			return false;
		chunked = http_text_is(coding, HTTP_TEXT("chunked"));
		count++;
	}
	return chunked && count == http_body_coding_count(head);
}

/* What the fields of a message with a body say; state is for one in which nothing does. */
static enum http_result http_body_of(struct http_body *body, struct http_head *head,
	enum http_body_state state, unsigned bad_status)
{
	const struct http_field *length = http_field_find(head, "Content-Length");

	body->state = state;
	if (http_field_find(head, "Transfer-Encoding") != NULL) {
		if (length != NULL)
			return http_body_fail(
				head, bad_status, "both Transfer-Encoding and Content-Length");
		if (head->version_minor < 1)
			return http_body_fail(head, bad_status, "Transfer-Encoding in HTTP/1.0");
		if (!http_body_is_chunked(head))
			return http_body_fail(
				head, bad_status, "Transfer-Encoding does not end with chunked");
		body->state = HTTP_BODY_CHUNKED;
		return HTTP_DONE;
	}
	if (length == NULL)
		return HTTP_DONE;
	if (http_field_count(head, "Content-Length") != 1 ||
		!http_body_size(length->value, &body->left))
		return http_body_fail(head, bad_status, "bad Content-Length");
	body->state = body->left > 0 ? HTTP_BODY_SIZED : HTTP_BODY_DONE;
	return HTTP_DONE;
}

enum http_result http_body_of_request(struct http_body *body, struct http_head *head)
{
	*body = (struct http_body){.state = HTTP_BODY_DONE};
	return http_body_of(body, head, HTTP_BODY_DONE, 400);
}

enum http_result http_body_of_response(struct http_body *body, struct http_head *head, bool to_head)
{
	*body = (struct http_body){.state = HTTP_BODY_DONE};
	if (to_head || head->status < 200 || head->status == 204 || head->status == 304)
		return HTTP_DONE;
	return http_body_of(body, head, HTTP_BODY_TO_END, 502);
}

/* ---- what passes ---- */

static int http_body_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool http_body_is_text(char c)
{
	return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

/* Adds a digit to the size. False: it is none, or the size is over all bounds. */
static bool http_body_add_digit(struct http_body *body, char c)
{
	int digit = http_body_digit(c);

	if (digit < 0 || body->left > INT64_MAX >> 4)
		return false;
	body->left = body->left << 4 | (uint64_t)digit;
	return true;
}

/* One byte of a chunked body that is not its data. False: it may not stand there. */
static bool http_body_step(struct http_body *body, char c)
{
	switch ((enum http_chunk)body->chunk) {
	case HTTP_CHUNK_BEGIN:
		body->left = 0;
		body->chunk = HTTP_CHUNK_SIZE;
		return http_body_add_digit(body, c);
	case HTTP_CHUNK_SIZE:
		if (http_body_digit(c) >= 0)
			return http_body_add_digit(body, c);
		__attribute__((fallthrough));
	case HTTP_CHUNK_BLANK:
		if (c == '\r')
			body->chunk = HTTP_CHUNK_SIZE_LF;
		else if (c == ';')
			body->chunk = HTTP_CHUNK_EXTENSION;
		else
			body->chunk = HTTP_CHUNK_BLANK;
		return c == '\r' || c == ';' || c == ' ' || c == '\t';
	case HTTP_CHUNK_EXTENSION:
		if (c == '\r')
			body->chunk = HTTP_CHUNK_SIZE_LF;
		return c == '\r' || http_body_is_text(c);
	case HTTP_CHUNK_SIZE_LF:
		body->chunk = body->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_LINE;
		return c == '\n';
	case HTTP_CHUNK_DATA_CR:
		body->chunk = HTTP_CHUNK_DATA_LF;
		return c == '\r';
	case HTTP_CHUNK_DATA_LF:
		body->chunk = HTTP_CHUNK_BEGIN;
		return c == '\n';
	case HTTP_CHUNK_LINE:
		body->chunk = c == '\r' ? HTTP_CHUNK_LAST_LF : HTTP_CHUNK_NAME;
		return c == '\r' || http_is_token_char(c);
	case HTTP_CHUNK_NAME:
		if (c == ':')
			body->chunk = HTTP_CHUNK_TRAILER;
		return c == ':' || http_is_token_char(c);
	case HTTP_CHUNK_TRAILER:
		if (c == '\r')
			body->chunk = HTTP_CHUNK_TRAILER_LF;
		return c == '\r' || http_body_is_text(c);
	case HTTP_CHUNK_TRAILER_LF:
		body->chunk = HTTP_CHUNK_LINE;
		return c == '\n';
	case HTTP_CHUNK_LAST_LF:
		if (c == '\n')
			body->state = HTTP_BODY_DONE;
		return c == '\n';
	case HTTP_CHUNK_DATA:
		break;
	}
	assert(false); /* http_body_next_of_chunks() takes the data */
	return false;
}

/* Whether something else comes next than what the last byte belonged to. */
static bool http_body_turns(const struct http_body *body)
{
	return body->state != HTTP_BODY_CHUNKED || body->chunk == HTTP_CHUNK_DATA ||
	       body->chunk == HTTP_CHUNK_LINE;
}

static size_t http_body_take_data(struct http_body *body, size_t size)
{
	size_t taken = size < body->left ? size : (size_t)body->left;

	body->left -= taken;
	return taken;
}

/*
 * The size of what stands between the data of two chunks, if it is just two ends of lines and a few
 * digits between them, as in most streams of events; else 0.
 */
static size_t http_body_skip_between(struct http_body *body, const char *bytes, size_t size)
{
	uint64_t left = 0;
	size_t at = 2;

	if (size < HTTP_BODY_BETWEEN_MAX || memcmp(bytes, "\r\n", 2) != 0)
		return 0;
	for (; at < HTTP_BODY_BETWEEN_MAX - 2 && http_body_digit(bytes[at]) >= 0; at++)
		left = left << 4 | (uint64_t)http_body_digit(bytes[at]);
	if (left == 0 || memcmp(bytes + at, "\r\n", 2) != 0)
		return 0;
	body->left = left;
	body->chunk = HTTP_CHUNK_DATA;
	return at + 2;
}

static size_t http_body_next_of_chunks(
	struct http_body *body, const char *bytes, size_t size, enum http_piece *piece)
{
	size_t taken = 0;

	if (body->chunk == HTTP_CHUNK_DATA) {
		*piece = HTTP_PIECE_DATA;
		taken = http_body_take_data(body, size);
		if (body->left == 0)
			body->chunk = HTTP_CHUNK_DATA_CR;
		return taken;
	}
	*piece = body->chunk >= HTTP_CHUNK_LINE ? HTTP_PIECE_TRAILER : HTTP_PIECE_FRAMING;
	if (body->chunk == HTTP_CHUNK_DATA_CR)
		taken = http_body_skip_between(body, bytes, size);
	if (taken > 0)
		return taken;
	while (taken < size) {
		if (!http_body_step(body, bytes[taken])) {
			body->state = HTTP_BODY_BAD;
			break;
		}
		taken++;
		if (http_body_turns(body))
			break;
	}
	return taken;
}

size_t http_body_next(
	struct http_body *body, const char *bytes, size_t size, enum http_piece *piece)
{
	size_t taken;

	*piece = HTTP_PIECE_DATA;
	switch (body->state) {
	case HTTP_BODY_SIZED:
		taken = http_body_take_data(body, size);
		if (body->left == 0)
			body->state = HTTP_BODY_DONE;
		return taken;
	case HTTP_BODY_CHUNKED:
		return http_body_next_of_chunks(body, bytes, size, piece);
	case HTTP_BODY_TO_END:
		return size;
	case HTTP_BODY_DONE:
	case HTTP_BODY_BAD:
		break;
	}
	return 0;
}
