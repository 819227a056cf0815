#ifndef CONFIG_OPTIONS_H
#define CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The table made from options.def, and finding a row in it. No allocation. */
enum option_type {
	OPTION_TYPE_BOOL,
	OPTION_TYPE_INT,
	OPTION_TYPE_DURATION,
	OPTION_TYPE_SIZE,
	OPTION_TYPE_RATIO,
	OPTION_TYPE_ENUM,
	OPTION_TYPE_TEXT,
	OPTION_TYPE_ADDRESS,
	OPTION_TYPE_URL,
	OPTION_TYPE_FILE,
	OPTION_TYPE_MAP,
	OPTION_TYPE_LIST,
};

enum option_flags {
	OPTION_SECRET = 1,
	OPTION_SIGNAL = 2,
	OPTION_MERGE = 4,
	OPTION_STRICT = 8,
	OPTION_SWITCH = 16,
	OPTION_RELOAD = 32,
	OPTION_RETRACE = 64,
	OPTION_OPERATOR = 128,
};

enum map_kind {
	MAP_ATTRIBUTES, /* OTEL_RESOURCE_ATTRIBUTES: "," and "=" always percent-encoded */
	MAP_HEADERS,    /* OTEL_EXPORTER_OTLP_HEADERS: tokens and what a header's value may be */
	MAP_RATIOS,     /* of methods, as in LIST_METHODS, each with a number from 0 to 1 */
};

enum list_kind {
	LIST_ORIGINS,  /* of web pages: SCHEME://HOST[:PORT], null */
	LIST_HOSTS,    /* HOST[:PORT] */
	LIST_KEYS,     /* of baggage: tokens of HTTP */
	LIST_PATTERNS, /* extended regular expressions */
	LIST_PLACES,   /* of carriers; or alone: true, false, none */
	LIST_TARGETS,  /* the same; or alone: none */
	LIST_METHODS,  /* all, work, or methods; * at the end of one stands for any rest */
};

struct option {
	const char *name; /* "otlp.endpoint" */
	enum option_type type;
	size_t offset;    /* of the field in struct config */
	const char *text; /* default as it would be written; NULL: unset */
	int64_t min, max;
	enum map_kind map_kind;
	enum list_kind list_kind;
	const char *const *words; /* of an enum, NULL-terminated */
	const char *otel;         /* OTEL_* variable, or NULL */
	unsigned flags;           /* of enum option_flags */
	const char *help;
};

/* OPTION_AT_service_name is the row of the field service_name. */
enum option_index {
#define OPTION_ANY(field, ...) OPTION_AT_##field,
#include "config/options.def"
	OPTION_COUNT
};

/* index < OPTION_COUNT, in the order of options.def */
const struct option *option_at(size_t index);
size_t option_index(const struct option *option);

#define OPTION_NAME_SIZE 64 /* room for every form of an option's name, terminator included */

/* "--otlp-endpoint" */
void option_flag_name(const struct option *option, char name[OPTION_NAME_SIZE]);
/* "SIDESPAN_OTLP_ENDPOINT" */
void option_variable_name(const struct option *option, char name[OPTION_NAME_SIZE]);
/* "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" of an OPTION_SIGNAL row */
void option_signal_name(const struct option *option, char name[OPTION_NAME_SIZE]);

/* The row with this name ("otlp.endpoint"), flag (with dashes) or variable, or NULL. */
const struct option *option_by_name(const char *name);
const struct option *option_by_flag(const char *flag, size_t size);
const struct option *option_by_variable(const char *variable);

/* Whether name and a dot begin the name of an option: "otlp" does. */
bool option_is_group(const char *name);

/*
 * How many letters must change to turn one word into the other, large when they have nothing to
 * do with each other. For suggestions.
 */
size_t option_distance(const char *one, const char *other);

/*
 * The row whose form made by form() is nearest to what somebody wrote, or NULL when none is near.
 */
const struct option *option_nearest(const char *written,
	void (*form)(const struct option *option, char name[OPTION_NAME_SIZE]));
void option_plain_name(const struct option *option, char name[OPTION_NAME_SIZE]);

#endif
