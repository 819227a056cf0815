#ifndef EXPORTER_ESCAPE_H
#define EXPORTER_ESCAPE_H

#include <stddef.h>

struct text;

/*
 * Texts of others made fit for JSON and for people. Input is any bytes; output is always valid
 * UTF-8, each ill-formed part replaced by U+FFFD as Unicode 15, section 3.9 recommends.
 */

/* Appends as the inside of a JSON string (RFC 8259, section 7), without the quotes. */
void escape_append(struct text *text, const char *bytes, size_t size);

/*
 * Appends for a terminal or a log line: control characters (C0, DEL, C1) are replaced as well;
 * at most characters_max characters, then an ellipsis.
 */
void escape_append_shown(struct text *text, const char *bytes, size_t size, size_t characters_max);

/*
 * How many bytes at the start go into a JSON string as they are: ASCII but control characters,
 * quote and backslash. The second is the portable twin of the first.
 */
size_t escape_clean_size(const char *bytes, size_t size);
size_t escape_clean_size_plain(const char *bytes, size_t size);

#endif
