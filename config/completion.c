/*
 * Completion: words that may stand first, flags, the values of those that have a fixed choice,
 * files where one is wanted, and behind -- a command's own. Every text goes between quotes: ours
 * have no single one. Failures to write are seen by whoever owns out.
 */
#include "config/completion.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "config/embedded.h"
#include "config/flags.h"
#include "config/options.h"

#define COMPLETION_HELP_COLUMNS 60

/* What may follow a flag. */
enum completion_value {
	COMPLETION_NONE,   /* it takes nothing */
	COMPLETION_ANY,    /* something that nobody can guess */
	COMPLETION_FILE,   /* a file */
	COMPLETION_CHOICE, /* one of some words */
	COMPLETION_NAME,   /* one of some names, or a file */
};

/* A flag as the shells see it. */
struct completion_flag {
	const char *name; /* with its dashes */
	const char *help;
	enum completion_value value;
	const char *const *words; /* of COMPLETION_CHOICE */
	const char *folder;       /* of COMPLETION_NAME: "profiles/" */
};

typedef void completion_writer(FILE *out, const struct completion_flag *flag);

static void completion_put(FILE *out, const char *text)
{
	assert(strpbrk(text, "'\\") == NULL); /* it stands between quotes */
	(void)fputs(text, out);
}

/* The beginning of a help, in whole words, with nothing that a shell's list stumbles over. */
static void completion_put_help(FILE *out, const char *help)
{
	size_t size = strcspn(help, ";("), i;

	if (size > COMPLETION_HELP_COLUMNS)
		for (size = COMPLETION_HELP_COLUMNS; help[size] != ' '; size--)
			assert(size > 0);
	while (size > 0 && strchr(" ,:", help[size - 1]) != NULL)
		size--;
	for (i = 0; i < size; i++)
		if (help[i] == '\'')
			(void)fputs("'\\''", out); /* out of the quotes, one, and in again */
		else
			(void)fputc(help[i] == ':' ? ',' : help[i], out);
}

/* The choice of a flag, each word with what stands before and behind it. */
static void completion_put_words(FILE *out, const struct completion_flag *flag)
{
	const struct embedded_file *file;
	const char *begin = "", *name;
	size_t i, size;

	for (i = 0; flag->value == COMPLETION_CHOICE && flag->words[i] != NULL; i++) {
		(void)fprintf(out, "%s", begin);
		completion_put(out, flag->words[i]);
		begin = " ";
	}
	for (file = embedded_files; flag->value == COMPLETION_NAME && file->name != NULL; file++) {
		size = strlen(flag->folder);
		if (strncmp(file->name, flag->folder, size) != 0)
			continue;
		name = file->name + size;
		(void)fprintf(out, "%s%.*s", begin, (int)(strlen(name) - strlen(".json")), name);
		begin = " ";
	}
}

static struct completion_flag completion_of_option(
	const struct option *option, char name[OPTION_NAME_SIZE])
{
	struct completion_flag flag = {.name = name, .help = option->help};

	option_flag_name(option, name);
	if (option_index(option) == OPTION_AT_profile_name) {
		flag.value = COMPLETION_NAME;
		flag.folder = "profiles/";
	} else if (option->type == OPTION_TYPE_BOOL) {
		flag.value = COMPLETION_NONE;
	} else if (option->type == OPTION_TYPE_ENUM) {
		flag.value = COMPLETION_CHOICE;
		flag.words = option->words;
	} else {
		flag.value = option->type == OPTION_TYPE_FILE ||
					     option_index(option) == OPTION_AT_record_file ||
					     option_index(option) == OPTION_AT_spool_directory
				     ? COMPLETION_FILE
				     : COMPLETION_ANY;
	}
	return flag;
}

static struct completion_flag completion_of_command(const struct flags_command *command)
{
	static const char *const sides[] = {"c2s", "s2c", NULL};
	struct completion_flag flag = {.name = command->name, .help = command->help};

	if (command->argument == NULL) {
		flag.value = COMPLETION_NONE;
	} else if (strcmp(command->argument, "FILE") == 0) {
		flag.value = COMPLETION_FILE;
	} else if (strcmp(command->name, "--env") == 0) {
		flag.value = COMPLETION_NAME;
		flag.folder = "environments/";
	} else if (strcmp(command->name, "--dir") == 0) {
		flag.value = COMPLETION_CHOICE;
		flag.words = sides;
	} else {
		flag.value = COMPLETION_ANY;
	}
	return flag;
}

/* Every flag; of a boolean both. */
static void completion_for_each(FILE *out, completion_writer *write)
{
	const struct flags_command *command;
	char name[OPTION_NAME_SIZE], negated[OPTION_NAME_SIZE + 8];
	struct completion_flag flag;
	const struct option *option;
	size_t i;

	for (i = 0; (command = flags_command_at(i)) != NULL; i++) {
		flag = completion_of_command(command);
		write(out, &flag);
	}
	for (i = 0; i < OPTION_COUNT; i++) {
		option = option_at(i);
		if ((option->flags & OPTION_SECRET) != 0)
			continue;
		flag = completion_of_option(option, name);
		write(out, &flag);
		if (option->type != OPTION_TYPE_BOOL && (option->flags & OPTION_SWITCH) == 0)
			continue;
		(void)snprintf(negated, sizeof negated, "--no-%s", name + 2); /* fits */
		flag = (struct completion_flag){
			.name = negated, .help = option->help, .value = COMPLETION_NONE};
		write(out, &flag);
	}
}

static void completion_put_first_words(FILE *out)
{
	size_t i;

	for (i = 0; flags_word_at(i) != NULL; i++)
		(void)fprintf(out, "%s%s", i > 0 ? " " : "", flags_word_at(i)->name);
}

/* ---- bash ---- */

static void completion_write_bash_name(FILE *out, const struct completion_flag *flag)
{
	(void)fprintf(out, " %s", flag->name);
}

static void completion_write_bash_value(FILE *out, const struct completion_flag *flag)
{
	if (flag->value == COMPLETION_NONE)
		return;
	(void)fprintf(out, "    %s) ", flag->name);
	if (flag->value == COMPLETION_CHOICE || flag->value == COMPLETION_NAME) {
		(void)fputs("mapfile -t COMPREPLY < <(compgen -W '", out);
		completion_put_words(out, flag);
		(void)fprintf(
			out, "'%s -- \"$current\");", flag->value == COMPLETION_NAME ? " -f" : "");
	} else if (flag->value == COMPLETION_FILE) {
		(void)fputs("mapfile -t COMPREPLY < <(compgen -f -- \"$current\");", out);
	} else {
		(void)fputs("COMPREPLY=();", out);
	}
	(void)fputs(" return ;;\n", out);
}

static void completion_print_bash(FILE *out)
{
	(void)fputs(
		"# bash completion for sidespan, written by it\n"
		"_sidespan()\n"
		"{\n"
		"    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i\n"
		"    for ((i = 1; i < COMP_CWORD; i++)); do\n"
		"        [[ ${COMP_WORDS[i]} == -- ]] || continue\n"
		"        if declare -F _command_offset >/dev/null; then\n"
		"            _command_offset $((i + 1))\n"
		"        elif ((i + 1 == COMP_CWORD)); then\n"
		"            mapfile -t COMPREPLY < <(compgen -c -- \"$current\")\n"
		"        else\n"
		"            mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
		"        fi\n"
		"        return\n"
		"    done\n"
		"    if [[ $current == = ]]; then\n"
		"        current=\n"
		"    elif [[ $before == = ]]; then\n"
		"        before=${COMP_WORDS[COMP_CWORD-2]}\n"
		"    fi\n"
		"    case $before in\n",
		out);
	completion_for_each(out, completion_write_bash_value);
	(void)fputs("    esac\n"
		    "    if [[ $current == -* ]]; then\n"
		    "        mapfile -t COMPREPLY < <(compgen -W '--",
		out);
	completion_for_each(out, completion_write_bash_name);
	(void)fputs("' -- \"$current\")\n"
		    "    elif ((COMP_CWORD == 1)); then\n"
		    "        mapfile -t COMPREPLY < <(compgen -W '",
		out);
	completion_put_first_words(out);
	(void)fputs("' -- \"$current\")\n"
		    "    else\n"
		    "        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
		    "    fi\n"
		    "}\n"
		    "complete -o filenames -F _sidespan sidespan\n",
		out);
}

/* ---- zsh ---- */

static void completion_write_zsh(FILE *out, const struct completion_flag *flag)
{
	(void)fprintf(out, "        '%s%s%s[", strcmp(flag->name, "--config") == 0 ? "*" : "",
		flag->name, flag->value == COMPLETION_NONE ? "" : "=");
	completion_put_help(out, flag->help);
	(void)fputc(']', out);
	switch (flag->value) {
	case COMPLETION_NONE:
		break;
	case COMPLETION_ANY:
		(void)fputs(":value:", out);
		break;
	case COMPLETION_FILE:
		(void)fputs(":file:_files", out);
		break;
	case COMPLETION_CHOICE:
	case COMPLETION_NAME:
		(void)fputs(":value:(", out);
		completion_put_words(out, flag);
		(void)fputc(')', out);
		break;
	}
	(void)fputs("' \\\n", out);
}

static void completion_print_zsh(FILE *out)
{
	(void)fputs("#compdef sidespan\n"
		    "# zsh completion for sidespan, written by it\n"
		    "_sidespan()\n"
		    "{\n"
		    "    if (( CURRENT == 2 )); then\n"
		    "        compadd -- ",
		out);
	completion_put_first_words(out);
	(void)fputs("\n"
		    "    fi\n"
		    "    local at=${words[(i)--]}\n"
		    "    if (( at < CURRENT )); then\n"
		    "        shift at words\n"
		    "        (( CURRENT -= at ))\n"
		    "        _normal\n"
		    "        return\n"
		    "    fi\n"
		    "    _arguments \\\n",
		out);
	completion_for_each(out, completion_write_zsh);
	(void)fputs("        '*:file:_files'\n"
		    "}\n"
		    "if [[ $funcstack[1] == _sidespan ]]; then\n"
		    "    _sidespan \"$@\"\n"
		    "else\n"
		    "    compdef _sidespan sidespan\n"
		    "fi\n",
		out);
}

/* ---- fish ---- */

static void completion_write_fish(FILE *out, const struct completion_flag *flag)
{
	static const char *const kinds[] = {[COMPLETION_NONE] = "",
		[COMPLETION_ANY] = " -x",
		[COMPLETION_FILE] = " -r -F",
		[COMPLETION_CHOICE] = " -x",
		[COMPLETION_NAME] = " -r -F"};

	(void)fprintf(out, "complete -c sidespan -n 'not __sidespan_command' -l %s%s",
		flag->name + 2, kinds[flag->value]);
	if (flag->value == COMPLETION_CHOICE || flag->value == COMPLETION_NAME) {
		(void)fputs(" -a '", out);
		completion_put_words(out, flag);
		(void)fputc('\'', out);
	}
	(void)fputs(" -d '", out);
	completion_put_help(out, flag->help);
	(void)fputs("'\n", out);
}

static void completion_print_fish(FILE *out)
{
	size_t i;

	(void)fputs("# fish completion for sidespan, written by it\n"
		    "function __sidespan_command\n"
		    "    contains -- -- (commandline -opc)\n"
		    "end\n"
		    "function __sidespan_of_command\n"
		    "    set -l words (commandline -opc)\n"
		    "    set -l line\n"
		    "    while test (count $words) -gt 0\n"
		    "        test \"$words[1]\" = --; and break\n"
		    "        set -e words[1]\n"
		    "    end\n"
		    "    set -e words[1]\n"
		    "    for word in $words\n"
		    "        set line $line (string escape -- $word)\n"
		    "    end\n"
		    "    set line \"$(string join ' ' -- $line \"$(commandline -ct)\")\"\n"
		    "    test -n $line; and complete -C$line\n"
		    "end\n"
		    "complete -c sidespan -n __sidespan_command -x -a '(__sidespan_of_command)'\n",
		out);
	for (i = 0; flags_word_at(i) != NULL; i++) {
		(void)fprintf(out,
			"complete -c sidespan -n 'test (count (commandline -opc)) -eq 1' -f -a %s "
			"-d '",
			flags_word_at(i)->name);
		completion_put_help(out, flags_word_at(i)->help);
		(void)fputs("'\n", out);
	}
	completion_for_each(out, completion_write_fish);
}

bool completion_print(FILE *out, const char *shell)
{
	static const struct {
		const char *shell;
		void (*print)(FILE *out);
	} shells[] = {
		{"bash", completion_print_bash},
		{"zsh", completion_print_zsh},
		{"fish", completion_print_fish},
	};
	size_t i;

	for (i = 0; i < sizeof shells / sizeof *shells; i++) {
		if (strcmp(shell, shells[i].shell) != 0)
			continue;
		shells[i].print(out);
		return true;
	}
	return false;
}
