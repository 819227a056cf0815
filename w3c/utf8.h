#ifndef W3C_UTF8_H
#define W3C_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF): validation in pieces
 * cut anywhere, failing at the first byte that no valid text can have there; one character, read or
 * written; and where a text may be cut.
 */

/* The state at the start of a text, and where the text may end. */
#define UTF8_COMPLETE 6

/*
 * Reads size bytes on from *state. Returns size when all are good so far; else the index of the
 * first bad byte, and *state is then worthless.
 */
size_t utf8_check(uint8_t *state, const uint8_t *bytes, size_t size);

/* The same without vector instructions: for machines that lack them, and to test the two alike. */
size_t utf8_check_plain(uint8_t *state, const uint8_t *bytes, size_t size);

/*
 * The character at the start of size > 0 bytes: returns how many bytes it takes, *character is its
 * code point. Where bytes are ill-formed *character is UTF8_BROKEN, and what is returned is what
 * one U+FFFD stands for, as Unicode 15, section 3.9 recommends.
 */
#define UTF8_BROKEN UINT32_MAX
size_t utf8_next(const char *bytes, size_t size, uint32_t *character);

/* Writes a character, up to U+10FFFF; returns behind its end, UTF8_SIZE_MAX bytes on at most. */
#define UTF8_SIZE_MAX 4
char *utf8_put(char *p, uint32_t character);

/* How many of size bytes are left when a character that they break off in goes. */
size_t utf8_cut(const char *bytes, size_t size);

#endif
