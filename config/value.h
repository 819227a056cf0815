#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/list.h"
#include "config/map.h"
#include "config/options.h"

/*
 * One value of one option: from text, by its type and range, into a config's field, and back to
 * text.
 */
struct value {
	bool boolean;
	int64_t number; /* also milliseconds, bytes, and the place of a word */
	double ratio;
	char *text;              /* owned */
	struct config_map map;   /* owned */
	struct config_list list; /* owned */
};

/* Room for a quoted value in a message, and for what value_describe() writes. */
#define VALUE_QUOTE_SIZE    128
#define VALUE_DESCRIBE_SIZE 256

enum value_verdict {
	VALUE_OK,        /* *reason says why a part was not taken, or is NULL */
	VALUE_WRONG,     /* *reason says why, or is NULL when the description says it all */
	VALUE_NO_MEMORY, /* nothing was taken */
};

/* On VALUE_OK what value owns is the caller's: value_store() or value_free(). */
enum value_verdict value_parse(struct value *value, const struct option *option, const char *text,
	enum config_source source, const char **reason);
void value_free(struct value *value);

/* Moves value into the option's field of config, freeing what was there. */
void value_store(struct value *value, const struct option *option, struct config *config);

/* Whether both have the same there. */
bool value_equals(
	const struct option *option, const struct config *one, const struct config *other);

/* Gives to what from has there. 0, or -1 when memory is out; then nothing has changed. */
int value_copy(const struct option *option, struct config *to, const struct config *from);

/* What would be right, to follow "must be ". */
void value_describe(const struct option *option, char text[VALUE_DESCRIBE_SIZE]);

/*
 * The field's value as it would be written, clipped to size; what is or may be secret as "***", "-"
 * when unset.
 */
void value_print(const struct option *option, const struct config *config, char *text, size_t size);

/* Whether a list, "one, two", which may be NULL, has the word. */
bool value_list_has(const char *list, const char *word);

/* A number of the option's type with the largest unit that keeps it exact: 300000 -> "5m". */
void value_print_number(enum option_type type, int64_t number, char *text, size_t size);

/*
 * Writes given in double quotes, without what could break a line or, in a URL, be secret, clipped.
 * Returns text.
 */
const char *value_quote(char text[VALUE_QUOTE_SIZE], const char *given);

#endif
