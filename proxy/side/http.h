#ifndef PROXY_SIDE_HTTP_H
#define PROXY_SIDE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * HTTP/1.1 message heads (RFC 9112). Pure: text in, text out. Bodies are not touched here.
 */
#define HTTP_FIELDS_MAX 512

enum http_result { HTTP_MORE, HTTP_DONE, HTTP_BAD };

struct http_text {
	const char *bytes; /* borrowed from the parsed head */
	size_t size;
};

/* Of a string literal. */
#define HTTP_TEXT(literal) ((struct http_text){(literal), sizeof(literal) - 1})

struct http_field {
	struct http_text name;
	struct http_text value; /* without surrounding OWS (RFC 9110, 5.5) */
	struct http_text line;  /* the whole line as it came, its CRLF included */
};

struct http_head {
	struct http_text start_line;     /* as it came, CRLF included */
	struct http_text method, target; /* request */
	unsigned status;                 /* response; 0 in a request */
	unsigned version_minor;          /* HTTP/1.x */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t field_count;
	size_t size;            /* of the head, its blank line included */
	unsigned bad_status;    /* on HTTP_BAD: what to answer to the client: 400, 431 or 505, 502
				   for a response */
	const char *bad_reason; /* static text */
};

/*
 * How far a head has been looked at: zeroed before its first byte, and kept until its last. A head
 * that comes in pieces costs no more than one that comes whole.
 */
struct http_scan {
	size_t begin; /* of the start line */
	size_t seen;  /* bytes that need no second look */
	bool begun;   /* the first word is there, and good */
	size_t size;  /* of the head, once its blank line is there */
};

/*
 * Parses the head at bytes[0..size), which begins with what was there at the call before. HTTP_MORE
 * while the blank line has not come and what is there may be HTTP; head then holds nothing. Texts
 * in head point into bytes.
 */
enum http_result http_request_parse(
	struct http_head *head, struct http_scan *scan, const char *bytes, size_t size);
enum http_result http_response_parse(
	struct http_head *head, struct http_scan *scan, const char *bytes, size_t size);

/* First field of that name (case-insensitive), or NULL. */
const struct http_field *http_field_find(const struct http_head *head, const char *name);

/* Whether Content-Type names that type, with parameters or without. */
bool http_type_is(const struct http_head *head, const char *type);

size_t http_field_count(const struct http_head *head, const char *name);

/* A place in the comma-separated values of all fields of one name; zeroed before the first. */
struct http_cursor {
	size_t field;          /* the next to be looked at */
	struct http_text rest; /* of the one before */
};

/* The next value that is not empty. False: there is none. */
bool http_list_next(const struct http_head *head, const char *name, struct http_cursor *at,
	struct http_text *item);

/*
 * Whether any field of that name has token among its comma-separated values: in any case, or, for
 * names that are compared as they are, exactly.
 */
bool http_field_has_token(const struct http_head *head, const char *name, const char *token);
bool http_field_has_exactly(const struct http_head *head, const char *name, struct http_text token);

/* Whether the byte may stand in the name of a field (RFC 9110, 5.6.2). */
bool http_is_token_char(char c);

/* Whether two texts are the same, in any case or exactly. */
bool http_text_is(struct http_text text, struct http_text other);
bool http_text_is_exactly(struct http_text text, struct http_text other);

/*
 * The parts of a request target (RFC 9112, 3.2): of "http://HOST:PORT/PATH" authority and path, of
 * any other form the whole of it as path. Path has the query, too.
 */
void http_target_split(
	struct http_text target, struct http_text *authority, struct http_text *path);

#define HTTP_OPTIONS_MAX 32 /* names in the Connection fields of one head */

/*
 * Whether the head may be passed on: NULL, or what is wrong with Connection as a static text. It
 * must not take away what says where the message ends and for whom it is.
 */
const char *http_connection_check(const struct http_head *head);

/* What becomes another in a head that is passed on. */
struct http_changes {
	const char *const *drop; /* names of fields that go, case-insensitive, then NULL */
	const char *add;         /* lines of fields, each with CRLF; "" for none */
	const char *carrier;     /* the same, before these; or NULL */
	const char *length;      /* the value of Content-Length; NULL: as it is */
	bool via;                /* we say that it came through us (RFC 9110, 7.6.3) */
};

#define HTTP_CHANGES_LENGTH_MAX 20 /* bytes of that value */

/*
 * Copies a head that passed that check to text (size bytes of room), without what is between
 * neighbours: Connection, the fields that it names, Keep-Alive, Upgrade, TE, Proxy-*; with those
 * changes, what is added at the end, Via behind those that are there; and the blank line.
 * Everything kept is kept byte for byte. Returns the bytes written, at most http_head_room(), or 0
 * when they do not fit.
 */
size_t http_head_forward(
	char *text, size_t size, const struct http_head *head, const struct http_changes *changes);
size_t http_head_room(const struct http_head *head, const struct http_changes *changes);

#endif
