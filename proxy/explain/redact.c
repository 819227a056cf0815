/*
 * Redaction; see redact.h. One walk over the text, with the tree of wanted pointers beside it as
 * skim has it. Bytes that stay are put in runs, as long as there are such; grammar is checked, so
 * that nothing passes for a number or a name that is none.
 */
#include "proxy/explain/redact.h"

#include <string.h>

#include "proxy/message/pointers_tree.h"
#include "proxy/message/unescape.h"

#define REDACT_NODES (POINTERS_DEPTH_MAX + 2) /* levels with nodes; a batch is one more */

/* What may come next, blanks aside. */
enum redact_state {
	REDACT_VALUE,
	REDACT_ELEMENT, /* a value, or the end of an array */
	REDACT_KEY,
	REDACT_MEMBER, /* a key, or the end of an object */
	REDACT_COLON,
	REDACT_NEXT, /* a comma, or an end; outside of all: nothing */
};

struct redact {
	const struct pointers *pointers;
	const uint8_t *from; /* not yet put */
	const uint8_t *at, *end;
	redact_put *put;
	void *arg;
	enum redact_state state;
	const struct pointers_node *next; /* of the value to come; NULL: not wanted */
	size_t depth;
	const struct pointers_node *nodes[REDACT_NODES]; /* of the containers around */
	uint32_t indices[REDACT_NODES];                  /* the same; of their elements */
	uint8_t is_array[REDACT_DEPTH_MAX];
};

static void redact_flush(struct redact *redact, const uint8_t *to)
{
	if (to > redact->from)
		redact->put(redact->arg, (const char *)redact->from, (size_t)(to - redact->from));
	redact->from = to;
}

/* Puts x in place of what is between the two. */
static void redact_replace(struct redact *redact, const uint8_t *first, const uint8_t *last)
{
	if (first == last)
		return;
	redact_flush(redact, first);
	redact->put(redact->arg, NULL, (size_t)(last - first));
	redact->from = last;
}

/* ---- strings ---- */

static bool redact_is_hex(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'f');
}

/* The size of the escape at a backslash, 0 when it is none. */
static size_t redact_escape_size(const uint8_t *at, const uint8_t *end)
{
	size_t i;

	if (end - at < 2 || at[1] == '\0' || strchr("\"\\/bfnrtu", at[1]) == NULL)
		return 0;
	if (at[1] != 'u')
		return 2;
	if (end - at < 6)
		return 0;
	for (i = 2; i < 6; i++)
		if (!redact_is_hex(at[i]))
			return 0;
	return 6;
}

/* From behind a quote to the one that ends the string; NULL: none does, or it is no JSON. */
static const uint8_t *redact_string_end(const uint8_t *at, const uint8_t *end)
{
	size_t size;

	while (at < end && *at != '"') {
		if (*at < 0x20)
			return NULL;
		size = *at == '\\' ? redact_escape_size(at, end) : 1;
		if (size == 0)
			return NULL;
		at += size;
	}
	return at < end ? at : NULL;
}

static unsigned redact_digit(uint8_t byte)
{
	return byte <= '9' ? byte - (unsigned)'0' : (byte | 0x20u) - 'a' + 10;
}

/* The bytes that a character which is spelt \uXXXX has in UTF-8; of a pair, half of them each. */
static size_t redact_decoded_size(const uint8_t *escape)
{
	unsigned code = redact_digit(escape[2]) << 12 | redact_digit(escape[3]) << 8 |
			redact_digit(escape[4]) << 4 | redact_digit(escape[5]);

	if (code < 0x80)
		return 1;
	return code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 2 : 3;
}

/* Up to where a text is read: the end of the character with its last wanted byte. */
static const uint8_t *redact_kept_end(
	const struct pointers_node *node, const uint8_t *at, const uint8_t *end)
{
	size_t decoded = 0;

	while (at < end && (decoded < node->shown_max || (*at & 0xc0) == 0x80)) {
		if (!node->whole && *at == ' ')
			return at + 1; /* a word has an end */
		if (*at != '\\') {
			decoded++;
			at++;
		} else if (at[1] != 'u') {
			decoded++;
			at += 2;
		} else {
			decoded += redact_decoded_size(at);
			at += 6;
		}
	}
	return at;
}

static bool redact_take_text(struct redact *redact)
{
	const struct pointers_node *node = redact->next;
	const uint8_t *first = redact->at + 1;
	const uint8_t *last = redact_string_end(first, redact->end);

	if (last == NULL)
		return false;
	if (node != NULL && node->slot >= 0)
		first = redact_kept_end(node, first, last);
	redact_replace(redact, first, last);
	redact->at = last + 1;
	return true;
}

/* Whether it looks like the name of a member, and not like something about which one is told. */
static bool redact_is_name(const uint8_t *at, size_t size)
{
	size_t i;

	if (size > REDACT_NAME_MAX)
		return false;
	for (i = 0; i < size; i++) {
		uint8_t letter = at[i] | 0x20;

		if (!(letter >= 'a' && letter <= 'z') && !(at[i] >= '0' && at[i] <= '9') &&
			at[i] != '_' && at[i] != '-' && at[i] != '$')
			return false;
	}
	return true;
}

/* The node of the member with that name, as spelt between quotes. */
static const struct pointers_node *redact_member(
	const struct redact *redact, const uint8_t *name, size_t size)
{
	char decoded[POINTERS_TOKEN_MAX + UNESCAPE_EXTRA];
	const struct pointers_node *above =
		redact->depth <= REDACT_NODES ? redact->nodes[redact->depth - 1] : NULL;
	struct unescape unescape;
	size_t used;

	if (above == NULL)
		return NULL;
	unescape_init(&unescape);
	used = unescape_piece(&unescape, decoded, sizeof decoded, name, size);
	used = unescape_finish(&unescape, decoded, used, sizeof decoded);
	return unescape.cut ? NULL : pointers_child(redact->pointers, above, decoded, used);
}

static bool redact_take_key(struct redact *redact)
{
	const uint8_t *first = redact->at + 1;
	const uint8_t *last = redact_string_end(first, redact->end);

	if (*redact->at != '"' || last == NULL)
		return false;
	redact->next = redact_member(redact, first, (size_t)(last - first));
	if (redact->next == NULL && !redact_is_name(first, (size_t)(last - first)))
		redact_replace(redact, first, last);
	redact->at = last + 1;
	redact->state = REDACT_COLON;
	return true;
}

/* ---- other values ---- */

static bool redact_take_number(struct redact *redact)
{
	const uint8_t *first = redact->at;

	while (redact->at < redact->end && *redact->at != '\0' &&
		strchr("0123456789+-.eE", *redact->at) != NULL)
		redact->at++;
	return redact->at > first;
}

static bool redact_take_literal(struct redact *redact)
{
	static const char *const literals[] = {"true", "false", "null"};
	size_t left = (size_t)(redact->end - redact->at), i, size;

	for (i = 0; i < sizeof literals / sizeof literals[0]; i++) {
		size = strlen(literals[i]);
		if (size <= left && memcmp(redact->at, literals[i], size) == 0) {
			redact->at += size;
			return true;
		}
	}
	return false;
}

/* ---- containers ---- */

/* The node of the element to come; each of a batch is a message. */
static void redact_turn_to_element(struct redact *redact)
{
	const struct pointers_node *above =
		redact->depth <= REDACT_NODES ? redact->nodes[redact->depth - 1] : NULL;

	if (redact->depth == 1 || above == NULL)
		redact->next = above;
	else
		redact->next = pointers_element(
			redact->pointers, above, redact->indices[redact->depth - 1]++);
}

static bool redact_open(struct redact *redact)
{
	bool is_array = *redact->at == '[';

	if (redact->depth == REDACT_DEPTH_MAX)
		return false;
	if (redact->depth < REDACT_NODES) {
		redact->nodes[redact->depth] = redact->next;
		redact->indices[redact->depth] = 0;
	}
	redact->is_array[redact->depth++] = is_array;
	redact->at++;
	redact->state = is_array ? REDACT_ELEMENT : REDACT_MEMBER;
	if (is_array)
		redact_turn_to_element(redact);
	return true;
}

static bool redact_close(struct redact *redact)
{
	if (redact->depth == 0 ||
		redact->is_array[redact->depth - 1] != (uint8_t)(*redact->at == ']'))
		return false;
	redact->depth--;
	redact->at++;
	redact->state = REDACT_NEXT;
	return true;
}

static bool redact_take_comma(struct redact *redact)
{
	if (redact->depth == 0)
		return false;
	redact->at++;
	if (redact->is_array[redact->depth - 1]) {
		redact_turn_to_element(redact);
		redact->state = REDACT_VALUE;
	} else {
		redact->state = REDACT_KEY;
	}
	return true;
}

static bool redact_take_value(struct redact *redact)
{
	uint8_t byte = *redact->at;

	if (byte == '{' || byte == '[')
		return redact_open(redact);
	redact->state = REDACT_NEXT;
	if (byte == '"')
		return redact_take_text(redact);
	return redact_take_number(redact) || redact_take_literal(redact);
}

/* What begins at a byte that is no blank. */
static bool redact_take(struct redact *redact)
{
	uint8_t byte = *redact->at;

	switch (redact->state) {
	case REDACT_VALUE:
		return redact_take_value(redact);
	case REDACT_ELEMENT:
		return byte == ']' ? redact_close(redact) : redact_take_value(redact);
	case REDACT_KEY:
		return redact_take_key(redact);
	case REDACT_MEMBER:
		return byte == '}' ? redact_close(redact) : redact_take_key(redact);
	case REDACT_COLON:
		redact->at++;
		redact->state = REDACT_VALUE;
		return byte == ':';
	case REDACT_NEXT:
		break;
	}
	if (byte == ',')
		return redact_take_comma(redact);
	return (byte == '}' || byte == ']') && redact_close(redact);
}

bool redact_message(const struct pointers *pointers, const uint8_t *bytes, size_t size,
	redact_put *put, void *arg)
{
	struct redact redact = {
		.pointers = pointers,
		.from = bytes,
		.at = bytes,
		.end = bytes + size,
		.put = put,
		.arg = arg,
		.next = &pointers->nodes[POINTERS_ROOT],
	};

	while (redact.at < redact.end) {
		if (*redact.at != '\0' && strchr(" \t\r\n", *redact.at) != NULL)
			redact.at++;
		else if (!redact_take(&redact))
			return false;
	}
	redact_flush(&redact, redact.end);
	return redact.depth == 0 && redact.state == REDACT_NEXT;
}
