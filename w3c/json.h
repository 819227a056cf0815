#ifndef W3C_JSON_H
#define W3C_JSON_H

#include <stdint.h>

/*
 * The escape of a character inside a JSON string (RFC 8259, section 7): the short one if it has
 * one, else \uXXXX, twice beyond U+FFFF. Returns behind its end, JSON_ESCAPE_MAX bytes on at most.
 */
#define JSON_ESCAPE_MAX 12
char *json_put_escape(char *p, uint32_t character);

#endif
