#ifndef PROXY_SIDE_UTF8_H
#define PROXY_SIDE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/*
 * Validation of UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), in
 * pieces cut anywhere, failing at the first byte that no valid text can have there.
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

#endif
