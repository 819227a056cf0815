/*
 * Help, manual and --check: the options table told to people. Failures to write are seen by whoever
 * owns out, with ferror().
 */
#include "config/help.h"

#include <string.h>

#include "config/flags.h"
#include "config/profile/lifecycle.h"
#include "config/profile/profile.h"
#include "config/settings.h"
#include "config/value.h"

#ifndef SIDESPAN_VERSION
#define SIDESPAN_VERSION "unknown"
#endif

#define HELP_COLUMNS    78
#define HELP_INDENT     6
#define HELP_VALUE_SIZE 4097 /* the longest text that an option may have */

static const char help_head[] =
	"usage: sidespan [OPTIONS] -- COMMAND [ARG...]\n"
	"       sidespan [OPTIONS] --listen URL -- COMMAND [ARG...]\n"
	"       sidespan [OPTIONS] [--listen URL] --upstream URL\n"
	"       sidespan --check [OPTIONS]\n"
	"       sidespan --explain [OPTIONS] FILE\n"
	"       sidespan --replay [OPTIONS] FILE\n"
	"       sidespan top [--once] [--token-file FILE] URL|SOCKET\n"
	"       sidespan doctor [OPTIONS] [-- COMMAND [ARG...]]\n"
	"       sidespan probe [OPTIONS]\n"
	"\n"
	"Stands between JSON-RPC clients and a server, records a span for each request\n"
	"and sends the spans to an OpenTelemetry collector.\n";

static const char help_tail[] =
	"\n"
	"What is true or false is --NAME or --NAME=true, --no-NAME or --NAME=false.\n"
	"Strongest first: flags, SIDESPAN_ variables, OTEL_ variables, files (a later one\n"
	"wins), the profile, the built-in value. In files, {\"otlp\": {\"endpoint\": \"URL\"}}\n"
	"and {\"otlp.endpoint\": \"URL\"} are the same, and comments are allowed. See also\n"
	"sidespan(1).\n";

/* What stands for the value of an option behind its flag; NULL for booleans, which need none. */
static const char *help_argument(enum option_type type)
{
	static const char *const names[] = {
		[OPTION_TYPE_BOOL] = NULL,
		[OPTION_TYPE_INT] = "NUMBER",
		[OPTION_TYPE_DURATION] = "TIME",
		[OPTION_TYPE_SIZE] = "SIZE",
		[OPTION_TYPE_RATIO] = "RATIO",
		[OPTION_TYPE_ENUM] = "WORD",
		[OPTION_TYPE_TEXT] = "TEXT",
		[OPTION_TYPE_ADDRESS] = "URL",
		[OPTION_TYPE_URL] = "URL",
		[OPTION_TYPE_FILE] = "FILE",
		[OPTION_TYPE_MAP] = "NAME=VALUE,...",
		[OPTION_TYPE_LIST] = "TEXT,...",
	};

	return names[type];
}

/*
 * In lines that fit a terminal. Returns the column after the last word; 0 is the column to begin.
 */
static size_t help_print_words(FILE *out, size_t column, const char *text)
{
	size_t size;

	for (; *text != '\0'; text += size + (text[size] == ' ')) {
		size = strcspn(text, " ");
		if (column > 0 && column + 1 + size <= HELP_COLUMNS)
			column += (size_t)fprintf(out, " ");
		else
			column = (size_t)fprintf(
				out, "%s%*s", column > 0 ? "\n" : "", HELP_INDENT, "");
		column += (size_t)fprintf(out, "%.*s", (int)size, text);
	}
	return column;
}

static void help_print_names(FILE *out, const struct option *option)
{
	char name[OPTION_NAME_SIZE];
	size_t column;

	option_variable_name(option, name);
	column = help_print_words(out, 0, name);
	if (option->otel != NULL) {
		(void)fputc(',', out);
		column = help_print_words(out, column + 1, option->otel);
	}
	if ((option->flags & OPTION_SIGNAL) != 0) {
		option_signal_name(option, name);
		(void)fputc(',', out);
		(void)help_print_words(out, column + 1, name);
	}
	(void)fputc('\n', out);
}

static void help_print_option(FILE *out, const struct option *option)
{
	const char *argument = help_argument(option->type);
	char name[OPTION_NAME_SIZE];
	char right[VALUE_DESCRIBE_SIZE];
	size_t column;

	option_flag_name(option, name);
	if ((option->flags & OPTION_SECRET) != 0)
		(void)fprintf(out, "  %s (not a flag)\n", option->name);
	else if (argument == NULL)
		(void)fprintf(out, "  %s, --no-%s\n", name, name + 2);
	else
		(void)fprintf(out, "  %s %s\n", name, argument);
	value_describe(option, right);
	(void)help_print_words(out, 0, option->help);
	(void)fputc('\n', out);
	column = help_print_words(out, 0, right);
	(void)fputc(';', out);
	column = help_print_words(out, column + 1, "default:");
	(void)help_print_words(out, column, option->text == NULL ? "none" : option->text);
	(void)fputc('\n', out);
	help_print_names(out, option);
}

static void help_print_command_flag(FILE *out, const struct flags_command *command)
{
	(void)fprintf(out, "  %s%s%s%s%s\n", command->name, command->letter == NULL ? "" : ", ",
		command->letter == NULL ? "" : command->letter,
		command->argument == NULL ? "" : " ",
		command->argument == NULL ? "" : command->argument);
	(void)help_print_words(out, 0, command->help);
	(void)fputc('\n', out);
}

void help_print(FILE *out)
{
	const struct flags_command *command;
	size_t i;

	(void)fputs(help_head, out);
	(void)fputc('\n', out);
	for (i = 0; (command = flags_word_at(i)) != NULL; i++)
		help_print_command_flag(out, command);
	(void)fputc('\n', out);
	for (i = 0; (command = flags_command_at(i)) != NULL; i++)
		help_print_command_flag(out, command);
	(void)fputc('\n', out);
	for (i = 0; i < OPTION_COUNT; i++)
		help_print_option(out, option_at(i));
	(void)fputs(help_tail, out);
}

void help_print_version(FILE *out)
{
	(void)fprintf(out, "sidespan %s\n", SIDESPAN_VERSION);
}

/*
 * Roff: a dot or quote at the start of a line makes a request of it, a backslash begins an escape,
 * and a hyphen is not a minus. Returns the columns it takes.
 */
static size_t help_print_roff(FILE *out, const char *text, size_t size)
{
	size_t columns = 0;
	size_t i;

	if (size > 0 && (text[0] == '.' || text[0] == '\''))
		columns += (size_t)fprintf(out, "\\&");

	for (i = 0; i < size; i++) {
		if (text[i] == '\\')
			columns += (size_t)fprintf(out, "\\e");
		else if (text[i] == '-')
			columns += (size_t)fprintf(out, "\\-");
		else
			columns += (size_t)fprintf(out, "%c", text[i]);
	}
	return columns;
}

/* Begins with head, in lines of a source that people can read, ends with a full stop. */
static void help_print_sentence(FILE *out, const char *head, const char *text)
{
	size_t columns = (size_t)fprintf(out, "%s", head);
	size_t size;

	for (; *text != '\0'; text += size + (text[size] == ' ')) {
		size = strcspn(text, " ");
		if (columns > 0 && columns + size + 6 > HELP_COLUMNS) {
			(void)fputc('\n', out);
			columns = 0;
		} else if (columns > 0) {
			columns += (size_t)fprintf(out, " ");
		}
		columns += help_print_roff(out, text, size);
	}
	(void)fputs(".\n", out);
}

static void help_print_manual_names(FILE *out, const struct option *option)
{
	char name[OPTION_NAME_SIZE];

	(void)fprintf(out, "File:\n.Sy %s .\n", option->name);
	option_variable_name(option, name);
	(void)fprintf(out, "Environment:\n.Ev %s", name);
	if (option->otel != NULL)
		(void)fprintf(out, " ,\n.Ev %s", option->otel);
	if ((option->flags & OPTION_SIGNAL) != 0) {
		option_signal_name(option, name);
		(void)fprintf(out, " ,\n.Ev %s", name);
	}
	(void)fputs(" .\n", out);
}

static void help_print_manual_flag(FILE *out, const char *flag, const char *argument)
{
	(void)fputs(".It Fl ", out);
	(void)help_print_roff(out, flag + 1, strlen(flag + 1));
	if (argument != NULL)
		(void)fprintf(out, " Ar %s", argument);
}

static void help_print_manual_negated(FILE *out, const char *flag)
{
	(void)fputs(" , Fl \\-no", out);
	(void)help_print_roff(out, flag + 1, strlen(flag + 1));
}

static void help_print_manual_option(FILE *out, const struct option *option)
{
	const char *argument = help_argument(option->type);
	char name[OPTION_NAME_SIZE];
	char right[VALUE_DESCRIBE_SIZE];

	option_flag_name(option, name);
	if ((option->flags & OPTION_SECRET) != 0) {
		(void)fprintf(out, ".It Sy %s No (not a flag)\n", option->name);
	} else {
		help_print_manual_flag(out, name, argument);
		if (argument == NULL)
			help_print_manual_negated(out, name);
		(void)fputc('\n', out);
	}
	help_print_sentence(out, "", option->help);
	value_describe(option, right);
	if (option->type != OPTION_TYPE_BOOL)
		help_print_sentence(out, "Must be", right);
	if (option->text != NULL)
		help_print_sentence(out, "Default:", option->text);
	if ((option->flags & OPTION_RELOAD) != 0)
		(void)fputs("Read again on\n.Dv SIGHUP .\n", out);
	else if ((option->flags & OPTION_RETRACE) != 0)
		(void)fputs("Read again on\n.Dv SIGHUP ,\nfor connections to come.\n", out);
	help_print_manual_names(out, option);
}

void help_print_manual(FILE *out)
{
	const struct flags_command *command;
	size_t i;

	(void)fputs(".Bl -tag -width Ds\n", out);
	for (i = 0; (command = flags_command_at(i)) != NULL; i++) {
		help_print_manual_flag(out, command->name, command->argument);
		if (command->letter != NULL)
			(void)fprintf(out, " , Fl %s", command->letter + 1);
		(void)fputc('\n', out);
		help_print_sentence(out, "", command->help);
	}
	for (i = 0; i < OPTION_COUNT; i++)
		help_print_manual_option(out, option_at(i));
	(void)fputs(".El\n", out);
}

static const char *help_source(enum config_source source)
{
	static const char *const names[] = {
		[CONFIG_BUILT_IN] = "built-in",
		[CONFIG_PROFILE] = "profile",
		[CONFIG_FILE] = "file",
		[CONFIG_OTEL] = "variable",
		[CONFIG_SIDESPAN] = "variable",
		[CONFIG_FLAG] = "flag",
	};

	return names[source];
}

/* One line whatever is in text. */
static void help_print_clean(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		(void)fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
}

static void help_print_command(FILE *out, const struct config *config)
{
	int i;

	(void)fputs("command", out);
	for (i = 0; i < config->command_count; i++) {
		(void)fputc(' ', out);
		help_print_clean(out, config->command[i]);
	}
	(void)fputs(config->command_count == 0 ? " -\n" : "\n", out);
}

static void help_print_profile(FILE *out, const struct profile *profile)
{
	size_t rules = profile->lifecycle == NULL ? 0 : profile->lifecycle->rule_count;

	(void)fprintf(out, "profile %s: %zu captures, %zu constants, %zu lifecycle rules\n",
		profile->name, profile->capture_count, profile->constant_count, rules);
}

void help_print_check(FILE *out, const struct settings *settings, const struct config *config)
{
	char value[HELP_VALUE_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		value_print(option_at(i), config, value, sizeof value);
		(void)fprintf(out, "%-24s ", option_at(i)->name);
		help_print_clean(out, value);
		(void)fprintf(out, "  (%s", help_source(settings->origins[i].source));
		if (settings->origins[i].where != NULL) {
			(void)fputc(' ', out);
			help_print_clean(out, settings->origins[i].where);
		}
		(void)fputs(")\n", out);
	}
	help_print_profile(out, config->profile);
	help_print_command(out, config);
}
