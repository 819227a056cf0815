#ifndef CONFIG_FLAGS_H
#define CONFIG_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

struct settings;

/* What the command line says beside the options. */
struct flags {
	const char *
		*files; /* --config, in order; the array is owned, the names borrowed from argv */
	size_t file_count;
	const char *environment; /* --env, borrowed from argv; NULL without */
	bool check;              /* --check */
	bool doctor;             /* the first word: examine everything that the settings name */
	bool probe;              /* the same: is the one that serves with these settings ready? */
	bool explain;            /* --explain */
	bool replay;             /* --replay */
	const char *recording;   /* the FILE of either, borrowed from argv; set if one is */
	const char *connection;  /* --conn, borrowed from argv; NULL without */
	bool timed;              /* --timed */
	const char *direction;   /* --dir: "c2s" or "s2c"; NULL without */
	const char *shell;       /* --completion, borrowed from argv; NULL without */
	const char *why;         /* --why, borrowed from argv; NULL without */
	char **command;          /* borrowed from argv: what stands behind --; NULL without */
	int command_count;
};

enum flags_outcome {
	FLAGS_RUN,
	FLAGS_HELP, /* --help, --version and the like: that is all that is wanted */
	FLAGS_VERSION,
	FLAGS_MANUAL,
	FLAGS_COMPLETION,
	FLAGS_WRONG,
};

/* The flags that are no options, for help. */
struct flags_command {
	const char *name;
	const char *letter;   /* "-h"; NULL: none */
	const char *argument; /* NULL: none */
	const char *help;
};

/* The words that may stand first, for help. NULL behind the last one. */
const struct flags_command *flags_word_at(size_t index);

/* NULL behind the last one. */
const struct flags_command *flags_command_at(size_t index);

/* Parses argv[1] and on; options go to settings at once. flags_done() in any case. */
enum flags_outcome flags_parse(
	struct flags *flags, struct settings *settings, int argc, char **argv);
void flags_done(struct flags *flags);

#endif
