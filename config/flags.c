/*
 * The command line: a word that says what to do instead of serving; --name VALUE or --name=VALUE
 * for each option, --name, --name=VALUE and
 * --no-name for booleans, some commands beside them, and after -- the command to wrap. --help,
 * --version and the like are done as soon as they are met.
 */
#include "config/flags.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/list.h"
#include "config/settings.h"
#include "config/value.h"

struct flags_cursor {
	struct flags *flags;
	struct settings *settings;
	char **next; /* the argument after the one looked at; NULL-terminated */
};

/* One of --config, --env, ...: value is NULL when it takes none. */
typedef enum flags_outcome flags_action(struct flags_cursor *cursor, const char *value);

static enum flags_outcome flags_do_config(struct flags_cursor *cursor, const char *value)
{
	struct flags *flags = cursor->flags;
	const char **files = realloc(flags->files, (flags->file_count + 1) * sizeof *files);

	if (files == NULL) {
		(void)settings_fail(cursor->settings, "out of memory");
		return FLAGS_WRONG;
	}
	flags->files = files;
	flags->files[flags->file_count++] = value;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_env(struct flags_cursor *cursor, const char *value)
{
	cursor->flags->environment = value;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_check(struct flags_cursor *cursor, const char *value)
{
	(void)value; /* takes none */
	cursor->flags->check = true;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_explain(struct flags_cursor *cursor, const char *value)
{
	(void)value; /* its file stands anywhere behind it */
	cursor->flags->explain = true;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_dir(struct flags_cursor *cursor, const char *value)
{
	if (strcmp(value, "c2s") != 0 && strcmp(value, "s2c") != 0) {
		(void)settings_fail(cursor->settings,
			"command line: --dir: must be c2s, messages of the client, or s2c, of the "
			"server");
		return FLAGS_WRONG;
	}
	cursor->flags->direction = value;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_why(struct flags_cursor *cursor, const char *value)
{
	cursor->flags->why = value;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_replay(struct flags_cursor *cursor, const char *value)
{
	(void)value; /* its file stands anywhere behind it */
	cursor->flags->replay = true;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_conn(struct flags_cursor *cursor, const char *value)
{
	cursor->flags->connection = value;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_timed(struct flags_cursor *cursor, const char *value)
{
	(void)value; /* takes none */
	cursor->flags->timed = true;
	return FLAGS_RUN;
}

static enum flags_outcome flags_do_record(struct flags_cursor *cursor, const char *value)
{
	return settings_set(cursor->settings, option_at(OPTION_AT_record_file), value, CONFIG_FLAG,
		       "--record") == SETTINGS_WRONG
		       ? FLAGS_WRONG
		       : FLAGS_RUN;
}

static enum flags_outcome flags_do_help(struct flags_cursor *cursor, const char *value)
{
	(void)cursor;
	(void)value; /* takes none */
	return FLAGS_HELP;
}

static enum flags_outcome flags_do_version(struct flags_cursor *cursor, const char *value)
{
	(void)cursor;
	(void)value; /* takes none */
	return FLAGS_VERSION;
}

static enum flags_outcome flags_do_completion(struct flags_cursor *cursor, const char *value)
{
	cursor->flags->shell = value;
	return FLAGS_COMPLETION;
}

static enum flags_outcome flags_do_manual(struct flags_cursor *cursor, const char *value)
{
	(void)cursor;
	(void)value; /* takes none */
	return FLAGS_MANUAL;
}

struct flags_row {
	struct flags_command command; /* without help it is not listed, and stands at the end */
	flags_action *action;
};

static const struct flags_row flags_rows[] = {
	{{"--config", NULL, "FILE",
		 "Read settings from FILE; a later file wins over an earlier one"},
		flags_do_config},
	{{"--env", NULL, "NAME",
		 "Read the settings of the environment NAME before all files; also SIDESPAN_ENV"},
		flags_do_env},
	{{"--check", NULL, NULL,
		 "Validate everything, print each option with its value and its source, and what "
		 "has "
		 "no effect"},
		flags_do_check},
	{{"--explain", NULL, NULL,
		 "Print what the profile's rules do with the recorded messages in the FILE behind "
		 "it, - for standard input"},
		flags_do_explain},
	{{"--dir", NULL, "SIDE",
		 "With --explain: every line of FILE is a message of that side, c2s or s2c"},
		flags_do_dir},
	{{"--why", NULL, "METHOD",
		 "With --explain: also say of messages with METHOD why rules do not act"},
		flags_do_why},
	{{"--replay", NULL, NULL,
		 "Be the server in the recording in the FILE behind it, for a client on standard "
		 "input and output"},
		flags_do_replay},
	{{"--conn", NULL, "NAME", "With --replay: the connection to play; without it the first"},
		flags_do_conn},
	{{"--timed", NULL, NULL,
		 "With --replay: take the time between messages that was taken then"},
		flags_do_timed},
	{{"--record", NULL, "FILE", "The same as --record-file FILE"}, flags_do_record},
	{{"--help", "-h", NULL, "Print this text"}, flags_do_help},
	{{"--version", "-V", NULL, "Print the version"}, flags_do_version},
	{{"--completion", NULL, "SHELL",
		 "Print what makes SHELL complete these words: bash, zsh or fish"},
		flags_do_completion},
	{{"--manual-options", NULL, NULL, NULL}, flags_do_manual},
};

#define FLAGS_ROW_COUNT (sizeof flags_rows / sizeof *flags_rows)

static const struct {
	struct flags_command command;
	size_t offset; /* of what it sets in struct flags */
} flags_words[] = {
	{{"doctor", NULL, "[OPTIONS] [-- COMMAND...]",
		 "Examine settings, collector, server, clock and limits: what is wrong, what "
		 "helps"},
		offsetof(struct flags, doctor)},
	{{"probe", NULL, "[OPTIONS]",
		 "Ask the sidespan that serves admin.listen whether it is ready: for health "
		 "checks"},
		offsetof(struct flags, probe)},
};

#define FLAGS_WORD_COUNT (sizeof flags_words / sizeof *flags_words)

const struct flags_command *flags_word_at(size_t index)
{
	return index < FLAGS_WORD_COUNT ? &flags_words[index].command : NULL;
}

const struct flags_command *flags_command_at(size_t index)
{
	if (index >= FLAGS_ROW_COUNT || flags_rows[index].command.help == NULL)
		return NULL;
	return &flags_rows[index].command;
}

static enum flags_outcome flags_fail(
	const struct flags_cursor *cursor, const char *name, const char *what, const char *right)
{
	char quote[VALUE_QUOTE_SIZE];

	(void)settings_fail(
		cursor->settings, "command line: %s: %s%s", value_quote(quote, name), what, right);
	return FLAGS_WRONG;
}

/* The nearest flag to what was written, or NULL. */
static const char *flags_nearest(const char *name, char room[OPTION_NAME_SIZE])
{
	const struct option *option = option_nearest(name, option_flag_name);
	size_t i;

	for (i = 0; flags_command_at(i) != NULL; i++)
		if (option_distance(name, flags_command_at(i)->name) <= 2)
			return flags_command_at(i)->name;
	if (option == NULL)
		return NULL;
	option_flag_name(option, room);
	return room;
}

static enum flags_outcome flags_fail_unknown(const struct flags_cursor *cursor, const char *name)
{
	char quote[VALUE_QUOTE_SIZE];
	char room[OPTION_NAME_SIZE];
	const char *nearest = flags_nearest(name, room);

	if (nearest == NULL)
		return flags_fail(
			cursor, name, "no such option; must be one that --help lists", "");
	(void)settings_fail(cursor->settings, "command line: %s: no such option; did you mean %s?",
		value_quote(quote, name), nearest);
	return FLAGS_WRONG;
}

/* What stands behind the =, else the next argument; NULL when there is none. */
static const char *flags_value(struct flags_cursor *cursor, const char *argument)
{
	const char *equals = strchr(argument, '=');

	if (equals != NULL)
		return equals + 1;
	return *cursor->next == NULL || strcmp(*cursor->next, "--") == 0 ? NULL : *cursor->next++;
}

static enum flags_outcome flags_run(
	struct flags_cursor *cursor, const struct flags_row *row, const char *argument)
{
	const struct flags_command *command = &row->command;
	const char *value = NULL;

	if (command->argument == NULL && strchr(argument, '=') != NULL)
		return flags_fail(cursor, command->name, "must stand without a value", "");
	if (command->argument != NULL) {
		value = flags_value(cursor, argument);
		if (value == NULL || *value == '\0')
			return flags_fail(
				cursor, command->name, "must be followed by a ", command->argument);
	}
	return row->action(cursor, value);
}

static enum flags_outcome flags_set(
	struct flags_cursor *cursor, const struct option *option, const char *value)
{
	char name[OPTION_NAME_SIZE];

	option_flag_name(option, name);
	return settings_set(cursor->settings, option, value, CONFIG_FLAG, name) == SETTINGS_WRONG
		       ? FLAGS_WRONG
		       : FLAGS_RUN;
}

static enum flags_outcome flags_fail_secret(
	const struct flags_cursor *cursor, const struct option *option)
{
	char name[OPTION_NAME_SIZE];
	char variable[OPTION_NAME_SIZE];

	option_flag_name(option, name);
	option_variable_name(option, variable);
	(void)settings_fail(cursor->settings,
		"command line: \"%s\": everybody can read a command line; must be set in a file or "
		"as %s",
		name, variable);
	return FLAGS_WRONG;
}

/* Whether an option without a = stands for true: what follows is another argument. */
static bool flags_is_switched(const struct flags_cursor *cursor, const struct option *option)
{
	const char *next = *cursor->next;

	if (option->type == OPTION_TYPE_BOOL)
		return true;
	return (option->flags & OPTION_SWITCH) != 0 &&
	       (next == NULL || list_check(option->list_kind, next) != NULL);
}

static enum flags_outcome flags_option(
	struct flags_cursor *cursor, const struct option *option, const char *argument)
{
	char right[VALUE_DESCRIBE_SIZE];
	char name[OPTION_NAME_SIZE];
	const char *value;

	if ((option->flags & OPTION_SECRET) != 0)
		return flags_fail_secret(cursor, option);
	if (strchr(argument, '=') == NULL && flags_is_switched(cursor, option))
		return flags_set(cursor, option, "true");
	value = flags_value(cursor, argument);
	if (value != NULL)
		return flags_set(cursor, option, value);
	option_flag_name(option, name);
	value_describe(option, right);
	return flags_fail(cursor, name, "a value is missing; must be ", right);
}

static bool flags_is(const char *name, const char *argument, size_t size)
{
	return name != NULL && strlen(name) == size && memcmp(name, argument, size) == 0;
}

/* The boolean that --no-NAME switches off, or NULL. */
static const struct option *flags_negated(const char *argument, size_t size)
{
	char name[OPTION_NAME_SIZE];
	size_t i;

	if (size < 5 || strncmp(argument, "--no-", 5) != 0)
		return NULL;
	for (i = 0; i < OPTION_COUNT; i++) {
		option_flag_name(option_at(i), name);
		if ((option_at(i)->type == OPTION_TYPE_BOOL ||
			    (option_at(i)->flags & OPTION_SWITCH) != 0) &&
			flags_is(name + 2, argument + 5, size - 5))
			return option_at(i);
	}
	return NULL;
}

static enum flags_outcome flags_one(struct flags_cursor *cursor, char *argument)
{
	size_t size = strcspn(argument, "=");
	const struct option *option = option_by_flag(argument, size);
	char name[VALUE_QUOTE_SIZE];
	size_t i;

	for (i = 0; i < FLAGS_ROW_COUNT; i++)
		if (flags_is(flags_rows[i].command.name, argument, size) ||
			flags_is(flags_rows[i].command.letter, argument, size))
			return flags_run(cursor, &flags_rows[i], argument);
	if (option != NULL)
		return flags_option(cursor, option, argument);
	option = flags_negated(argument, size);
	if (option != NULL && argument[size] == '=')
		return flags_fail(cursor, argument, "must stand without a value", "");
	if (option != NULL)
		return flags_set(cursor, option, "false");
	if (argument[0] != '-')
		return flags_fail(cursor, argument,
			"not an option; a command to wrap must stand behind --", "");
	(void)snprintf(name, sizeof name, "%.*s", (int)size, argument); /* clipped is fine */
	return flags_fail_unknown(cursor, name);
}

/* The FILE of --explain or --replay. */
static enum flags_outcome flags_take_recording(struct flags_cursor *cursor, const char *argument)
{
	if (cursor->flags->recording != NULL)
		return flags_fail(cursor, argument, "a second FILE; must be one", "");
	cursor->flags->recording = argument;
	return FLAGS_RUN;
}

/* Whether the word says what to do. */
static bool flags_take_word(struct flags *flags, const char *word)
{
	size_t i;

	for (i = 0; i < FLAGS_WORD_COUNT; i++)
		if (strcmp(word, flags_words[i].command.name) == 0)
			*(bool *)((char *)flags + flags_words[i].offset) = true;
	return flags->doctor || flags->probe;
}

static enum flags_outcome flags_take_command(struct flags_cursor *cursor)
{
	if (*cursor->next == NULL || **cursor->next == '\0')
		return flags_fail(cursor, "--", "must be followed by a command", "");
	cursor->flags->command = cursor->next;
	for (; *cursor->next != NULL; cursor->next++)
		cursor->flags->command_count++;
	return FLAGS_RUN;
}

static enum flags_outcome flags_check_replay(const struct flags_cursor *cursor)
{
	const struct flags *flags = cursor->flags;

	if (flags->replay && flags->explain)
		return flags_fail(cursor, "--replay", "must stand without --explain", "");
	if (flags->replay && (flags->recording == NULL || strcmp(flags->recording, "-") == 0))
		return flags_fail(
			cursor, "--replay", "must be followed by the FILE of a recording", "");
	if (!flags->replay && (flags->connection != NULL || flags->timed))
		return flags_fail(cursor, flags->timed ? "--timed" : "--conn",
			"must stand with --replay", "");
	return FLAGS_RUN;
}

enum flags_outcome flags_parse(
	struct flags *flags, struct settings *settings, int argc, char **argv)
{
	struct flags_cursor cursor = {flags, settings, argv + (argc > 0)};
	enum flags_outcome outcome = FLAGS_RUN;
	char *argument;

	assert(argc >= 0 && argv[argc] == NULL);
	memset(flags, 0, sizeof *flags);
	if (*cursor.next != NULL && flags_take_word(flags, *cursor.next))
		cursor.next++;
	while (outcome == FLAGS_RUN && (argument = *cursor.next) != NULL) {
		cursor.next++;
		if (strcmp(argument, "--") == 0)
			outcome = flags_take_command(&cursor);
		else if ((flags->explain || flags->replay) &&
			 (argument[0] != '-' || argument[1] == '\0'))
			outcome = flags_take_recording(&cursor, argument);
		else
			outcome = flags_one(&cursor, argument);
	}
	if (outcome == FLAGS_RUN && flags->explain && flags->recording == NULL)
		return flags_fail(&cursor, "--explain",
			"must be followed by a FILE of messages, or - for standard input", "");
	if (outcome == FLAGS_RUN && !flags->explain &&
		(flags->direction != NULL || flags->why != NULL))
		return flags_fail(&cursor, flags->direction != NULL ? "--dir" : "--why",
			"must stand with --explain", "");
	return outcome == FLAGS_RUN ? flags_check_replay(&cursor) : outcome;
}

void flags_done(struct flags *flags)
{
	free(flags->files);
}
