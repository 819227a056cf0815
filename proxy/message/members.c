/*
 * A walk over an object whose text has been checked before: there is a comma, a key, a colon and a
 * value, or the closing brace, so that nothing can fail. Its bytes may lie in two pieces.
 */
#include "proxy/message/members.h"

#include <string.h>

#include "proxy/message/unescape.h"
#include "proxy/message/window.h"

#define MEMBERS_KEY_MAX 16                    /* bytes of a decoded key that are looked at */
#define MEMBERS_RAW_MAX (6 * MEMBERS_KEY_MAX) /* the same as it is spelt at most */

static size_t members_offset(const struct members *members)
{
	return members->end_offset - (size_t)(members->end - members->at);
}

static uint8_t members_peek(struct members *members)
{
	size_t size;

	if (members->at == members->end) {
		members->at = window_at(members->window, members->end_offset, &size);
		members->end = members->at + size;
		members->end_offset += size;
	}
	return *members->at;
}

static uint8_t members_take(struct members *members)
{
	uint8_t byte = members_peek(members);

	members->at++;
	return byte;
}

/* The next byte that is not blank. */
static uint8_t members_peek_token(struct members *members)
{
	uint8_t byte;

	while ((byte = members_peek(members)) == ' ' || byte == '\t' || byte == '\r' ||
		byte == '\n')
		members->at++;
	return byte;
}

/* Reads a string; its size between the quotes, and as much of it as fits into raw. */
static size_t members_string(struct members *members, uint8_t *raw, size_t raw_size)
{
	size_t size = 0;
	uint8_t byte;

	members->at++; /* the quote */
	while ((byte = members_take(members)) != '"') {
		if (size < raw_size)
			raw[size] = byte;
		size++;
		if (byte != '\\')
			continue;
		byte = members_take(members);
		if (size < raw_size)
			raw[size] = byte;
		size++;
	}
	return size;
}

static void members_skip_value(struct members *members)
{
	size_t depth = 0;
	uint8_t byte = members_peek_token(members);

	do {
		if (byte == '"') {
			(void)members_string(members, NULL, 0);
		} else {
			depth += byte == '{' || byte == '[';
			depth -= byte == '}' || byte == ']';
			members->at++;
		}
		byte = members_peek(members);
		/*
		 * a scalar ends before what cannot be in one; the object's own brace is still there
		 */
	} while (depth > 0 || (byte != ',' && byte != '}' && byte > ' '));
}

static enum member_kind members_kind(const uint8_t *raw, size_t size)
{
	static const struct {
		const char *name;
		enum member_kind kind;
	} rows[] = {{"traceparent", MEMBER_TRACE}, {"tracestate", MEMBER_TRACE},
		{"baggage", MEMBER_BAGGAGE}};
	struct unescape text;
	char key[MEMBERS_KEY_MAX];
	size_t i, used;

	if (size > MEMBERS_RAW_MAX)
		return MEMBER_OTHER;
	unescape_init(&text);
	used = unescape_piece(&text, key, sizeof(key), raw, size);
	used = unescape_finish(&text, key, used, sizeof(key));
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!text.cut && used == strlen(rows[i].name) &&
			memcmp(key, rows[i].name, used) == 0)
			return rows[i].kind;
	return MEMBER_OTHER;
}

void members_begin(struct members *members, const struct window *window, size_t offset)
{
	*members = (struct members){.window = window, .end_offset = offset};
	(void)members_take(members);
}

bool members_next(struct members *members, struct member *member)
{
	uint8_t raw[MEMBERS_RAW_MAX];
	uint8_t byte = members_peek_token(members);

	if (byte == '}')
		return false;
	member->from = members_offset(members);
	if (byte == ',') {
		members->at++;
		(void)members_peek_token(members);
	}
	member->key = members_offset(members);
	member->kind = members_kind(raw, members_string(members, raw, sizeof(raw)));
	(void)members_peek_token(members);
	members->at++; /* the colon */
	members_skip_value(members);
	member->end = members_offset(members);
	return true;
}
