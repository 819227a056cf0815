#ifndef PROXY_MESSAGE_SKIM_TABLES_H
#define PROXY_MESSAGE_SKIM_TABLES_H

#include <stdint.h>

#include "proxy/message/envelope.h"

/* What the files of skim look up: the grammar of JSON (RFC 8259) byte by byte. For them alone. */

/* What a byte may be. */
enum {
	SKIM_IS_BLANK = 1,
	SKIM_IS_PLAIN = 2,  /* in a string, stands for itself */
	SKIM_IS_LETTER = 4, /* after a backslash, but for u */
	SKIM_IS_HEX = 8,
};

static const uint8_t skim_class[256] = {
	['\t'] = SKIM_IS_BLANK,
	['\n'] = SKIM_IS_BLANK,
	['\r'] = SKIM_IS_BLANK,
	[' '] = SKIM_IS_BLANK | SKIM_IS_PLAIN,
	['!'] = SKIM_IS_PLAIN,
	['"'] = SKIM_IS_LETTER,
	['#' ... '.'] = SKIM_IS_PLAIN,
	['/'] = SKIM_IS_PLAIN | SKIM_IS_LETTER,
	['0' ... '9'] = SKIM_IS_PLAIN | SKIM_IS_HEX,
	[':' ... '@'] = SKIM_IS_PLAIN,
	['A' ... 'F'] = SKIM_IS_PLAIN | SKIM_IS_HEX,
	['G' ... '['] = SKIM_IS_PLAIN,
	['\\'] = SKIM_IS_LETTER,
	[']' ... '`'] = SKIM_IS_PLAIN,
	['a'] = SKIM_IS_PLAIN | SKIM_IS_HEX,
	['b'] = SKIM_IS_PLAIN | SKIM_IS_HEX | SKIM_IS_LETTER,
	['c' ... 'e'] = SKIM_IS_PLAIN | SKIM_IS_HEX,
	['f'] = SKIM_IS_PLAIN | SKIM_IS_HEX | SKIM_IS_LETTER,
	['g' ... 'm'] = SKIM_IS_PLAIN,
	['n'] = SKIM_IS_PLAIN | SKIM_IS_LETTER,
	['o' ... 'q'] = SKIM_IS_PLAIN,
	['r'] = SKIM_IS_PLAIN | SKIM_IS_LETTER,
	['s'] = SKIM_IS_PLAIN,
	['t'] = SKIM_IS_PLAIN | SKIM_IS_LETTER,
	['u' ... 255] = SKIM_IS_PLAIN,
};

/* What a value is by its first byte. */
static const uint8_t skim_type[256] = {
	['"'] = JSON_STRING,
	['-'] = JSON_NUMBER,
	['0' ... '9'] = JSON_NUMBER,
	['['] = JSON_ARRAY,
	['f'] = JSON_FALSE,
	['n'] = JSON_NULL,
	['t'] = JSON_TRUE,
	['{'] = JSON_OBJECT,
};

static const char *const skim_literal_rest[] = {
	[JSON_NULL] = "ull",
	[JSON_FALSE] = "alse",
	[JSON_TRUE] = "rue",
};

/* Numbers (RFC 8259, section 6): what has been read, and where a byte leads from there. */
enum skim_number_state {
	SKIM_NUMBER_STOP, /* the byte is not part of it */
	SKIM_NUMBER_BEGIN,
	SKIM_NUMBER_MINUS,
	SKIM_NUMBER_ZERO,
	SKIM_NUMBER_INTEGER,
	SKIM_NUMBER_POINT,
	SKIM_NUMBER_FRACTION,
	SKIM_NUMBER_E,
	SKIM_NUMBER_E_SIGN,
	SKIM_NUMBER_EXPONENT,
};

enum skim_number_byte {
	SKIM_BYTE_OTHER,
	SKIM_BYTE_ZERO,
	SKIM_BYTE_DIGIT, /* 1 to 9 */
	SKIM_BYTE_MINUS,
	SKIM_BYTE_PLUS,
	SKIM_BYTE_POINT,
	SKIM_BYTE_E,
	SKIM_BYTE_KINDS,
};

static const uint8_t skim_number_byte[256] = {
	['0'] = SKIM_BYTE_ZERO,
	['1' ... '9'] = SKIM_BYTE_DIGIT,
	['-'] = SKIM_BYTE_MINUS,
	['+'] = SKIM_BYTE_PLUS,
	['.'] = SKIM_BYTE_POINT,
	['e'] = SKIM_BYTE_E,
	['E'] = SKIM_BYTE_E,
};

static const uint8_t skim_number_next[][SKIM_BYTE_KINDS] = {
	[SKIM_NUMBER_BEGIN] = {[SKIM_BYTE_MINUS] = SKIM_NUMBER_MINUS,
		[SKIM_BYTE_ZERO] = SKIM_NUMBER_ZERO,
		[SKIM_BYTE_DIGIT] = SKIM_NUMBER_INTEGER},
	[SKIM_NUMBER_MINUS] =
		{[SKIM_BYTE_ZERO] = SKIM_NUMBER_ZERO, [SKIM_BYTE_DIGIT] = SKIM_NUMBER_INTEGER},
	[SKIM_NUMBER_ZERO] = {[SKIM_BYTE_POINT] = SKIM_NUMBER_POINT, [SKIM_BYTE_E] = SKIM_NUMBER_E},
	[SKIM_NUMBER_INTEGER] = {[SKIM_BYTE_ZERO] = SKIM_NUMBER_INTEGER,
		[SKIM_BYTE_DIGIT] = SKIM_NUMBER_INTEGER,
		[SKIM_BYTE_POINT] = SKIM_NUMBER_POINT,
		[SKIM_BYTE_E] = SKIM_NUMBER_E},
	[SKIM_NUMBER_POINT] =
		{[SKIM_BYTE_ZERO] = SKIM_NUMBER_FRACTION, [SKIM_BYTE_DIGIT] = SKIM_NUMBER_FRACTION},
	[SKIM_NUMBER_FRACTION] = {[SKIM_BYTE_ZERO] = SKIM_NUMBER_FRACTION,
		[SKIM_BYTE_DIGIT] = SKIM_NUMBER_FRACTION,
		[SKIM_BYTE_E] = SKIM_NUMBER_E},
	[SKIM_NUMBER_E] = {[SKIM_BYTE_MINUS] = SKIM_NUMBER_E_SIGN,
		[SKIM_BYTE_PLUS] = SKIM_NUMBER_E_SIGN,
		[SKIM_BYTE_ZERO] = SKIM_NUMBER_EXPONENT,
		[SKIM_BYTE_DIGIT] = SKIM_NUMBER_EXPONENT},
	[SKIM_NUMBER_E_SIGN] =
		{[SKIM_BYTE_ZERO] = SKIM_NUMBER_EXPONENT, [SKIM_BYTE_DIGIT] = SKIM_NUMBER_EXPONENT},
	[SKIM_NUMBER_EXPONENT] =
		{[SKIM_BYTE_ZERO] = SKIM_NUMBER_EXPONENT, [SKIM_BYTE_DIGIT] = SKIM_NUMBER_EXPONENT},
};

#endif
