/* Escapes of JSON: a letter for those that have one, digits for all others. Nothing can fail. */
#include "w3c/json.h"

#include <assert.h>

static char *json_put_unit(char *p, uint32_t unit)
{
	static const char digits[] = "0123456789abcdef";
	int shift;

	*p++ = '\\';
	*p++ = 'u';
	for (shift = 12; shift >= 0; shift -= 4)
		*p++ = digits[unit >> shift & 15];
	return p;
}

char *json_put_escape(char *p, uint32_t character)
{
	/* of the control characters; u: it has none */
	static const char letters[] = "uuuuuuuubtnufruuuuuuuuuuuuuuuuuu";
	char letter = character < 0x20 ? letters[character] : 'u';

	assert(character <= 0x10ffff);
	if (character == '"' || character == '\\')
		letter = (char)character;
	if (letter != 'u') {
		*p++ = '\\';
		*p++ = letter;
		return p;
	}
	if (character > 0xffff) { /* a pair of surrogates */
		p = json_put_unit(p, 0xd7c0 + (character >> 10));
		character = 0xdc00 + (character & 0x3ff);
	}
	return json_put_unit(p, character);
}
