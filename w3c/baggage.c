/*
 * Baggage; see baggage.h. The grammar is section 3.2.1.1 of W3C Baggage; nothing can fail but it.
 */
#include "w3c/baggage.h"

#include <stdint.h>
#include <string.h>

static bool baggage_is_blank(char byte)
{
	return byte == ' ' || byte == '\t';
}

static bool baggage_is_token(char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= '0' && byte <= '9') ||
	       (byte != '\0' && strchr("!#$%&'*+-.^_`|~", byte) != NULL);
}

/* baggage-octet: visible ASCII but for quote, comma, semicolon and backslash. */
static bool baggage_is_octet(char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '"' && byte != ',' && byte != ';' &&
	       byte != '\\';
}

bool baggage_is_key(const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		if (!baggage_is_token(text[i]))
			return false;
	return size > 0;
}

static void baggage_trim(const char **from, const char **to)
{
	while (*from < *to && baggage_is_blank(**from))
		++*from;
	while (*to > *from && baggage_is_blank((*to)[-1]))
		--*to;
}

/* A member without its properties. */
static bool baggage_parse(const char *from, const char *to, struct baggage_member *member)
{
	const char *equals = memchr(from, '=', (size_t)(to - from));
	const char *key_end = equals, *value, *at;

	if (equals == NULL)
		return false;
	value = equals + 1;
	baggage_trim(&from, &key_end);
	baggage_trim(&value, &to);
	for (at = value; at < to; at++)
		if (!baggage_is_octet(*at))
			return false;
	*member = (struct baggage_member){
		.key = from,
		.key_size = (size_t)(key_end - from),
		.value = value,
		.value_size = (size_t)(to - value),
	};
	return baggage_is_key(member->key, member->key_size);
}

enum baggage_result baggage_next(const char **at, const char *end, struct baggage_member *member)
{
	const char *from, *to, *semicolon;

	do { /* empty members mean nothing */
		if (*at == end)
			return BAGGAGE_END;
		from = *at;
		to = memchr(from, ',', (size_t)(end - from));
		*at = to != NULL ? to + 1 : end;
		if (to == NULL)
			to = end;
		baggage_trim(&from, &to);
	} while (from == to);
	semicolon = memchr(from, ';', (size_t)(to - from));
	return baggage_parse(from, semicolon != NULL ? semicolon : to, member) ? BAGGAGE_MEMBER
									       : BAGGAGE_BAD;
}

/* The value of a hex digit, -1 when it is none. */
static int baggage_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte = (char)(byte | 0x20);
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

size_t baggage_decode(const struct baggage_member *member, char *text, size_t size, bool *whole)
{
	const char *at = member->value, *end = at + member->value_size;
	size_t used = 0;

	for (; at < end && used < size; used++) {
		bool escaped = *at == '%' && end - at > 2 && baggage_digit(at[1]) >= 0 &&
			       baggage_digit(at[2]) >= 0;

		text[used] = *at;
		if (escaped)
			text[used] =
				(char)(uint8_t)(baggage_digit(at[1]) * 16 + baggage_digit(at[2]));
		at += escaped ? 3 : 1;
	}
	*whole = at == end;
	return used;
}
