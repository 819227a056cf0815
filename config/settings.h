#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/file.h"
#include "config/options.h"

/*
 * A config under construction: the values so far and, for each option, where its value is from.
 * Layers may come in any order; a weaker one never replaces a stronger one. Every value is checked,
 * whether it will count or not.
 */
struct settings_origin {
	enum config_source source;
	char *where;   /* owned: "FILE:LINE", a variable, a flag; NULL for built-in values */
	int file_last; /* number of the file that had this option last, and the line there */
	int line_last;
};

struct settings {
	struct config *config; /* borrowed */
	struct settings_origin origins[OPTION_COUNT];
	char *const *environment;
	void (*warn)(void *arg, const char *line);
	void *warn_arg;
	char *error;     /* CONFIG_ERROR_SIZE bytes */
	int files_count; /* files applied so far */
};

enum settings_result {
	SETTINGS_TAKEN,   /* understood; in force unless something stronger is there */
	SETTINGS_IGNORED, /* a value from a lenient source that was warned about */
	SETTINGS_WRONG,   /* settings->error is set */
};

/*
 * Fills config, which is all zero, with the built-in values. 0 or -1; settings_done() either way.
 */
int settings_init(struct settings *settings, struct config *config, char *const *environment,
	char error[CONFIG_ERROR_SIZE]);
void settings_done(struct settings *settings);

/*
 * Whether mistakes of that source must not stop the program: variables of OpenTelemetry are shared
 * with other programs, and a profile may be written for another version of this one.
 */
bool settings_is_lenient(enum config_source source);

/*
 * Gives option the value text. where is "FILE:LINE", the variable or the flag, for messages. From a
 * lenient source, a value that is no good is warned about and ignored.
 */
enum settings_result settings_set(struct settings *settings, const struct option *option,
	const char *text, enum config_source source, const char *where);

/* The strongest source that has given the option a value. */
enum config_source settings_source(const struct settings *settings, enum option_index index);

/* Puts the built-in value in force again. 0 or -1. */
int settings_reset(struct settings *settings, enum option_index index);

/*
 * Applies the options in object, which belongs to file. 0, or -1 with the error set; from a lenient
 * source only memory can be wrong.
 */
int settings_apply(struct settings *settings, const struct file *file,
	const struct file_node *object, enum config_source source);

/* Sets the error. Returns -1. */
int settings_fail(struct settings *settings, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void settings_warn(struct settings *settings, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Sets the error; from a lenient source it is a warning, which says that the value is ignored. */
enum settings_result settings_refuse(struct settings *settings, enum config_source source,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/* How a message names an option that has a value: its flag, its variable, or FILE:LINE: NAME. */
void settings_name(
	const struct settings *settings, enum option_index index, char *text, size_t size);

#endif
