#ifndef CONFIG_PROFILE_PROFILE_H
#define CONFIG_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

struct lifecycle;

/*
 * A profile says what kind of server stands behind the proxy: settings that differ from the
 * built-in ones, constant attributes, and captures (JSON pointer -> attribute). Profiles are JSON
 * (profiles/NAME.json, compiled in; or a file of the user's) and hold no code:
 *
 *	{
 *		"name": "codex",
 *		"match": {"command": "codex", "argument": "app-server"},
 *		"settings": {"service.name": "codex-app-server"},
 *		"constants": {"app_server.api_version": "v2"},
 *		"captures": [
 *			{"from": "request", "methods": ["initialize"], "if_ok": true,
 *				"pointer": "/params/clientInfo/name",
 *				"attribute": "app_server.client_name", "keep": "connection"}
 *		],
 *		"lifecycle": {...}
 *	}
 *
 * Only "name" is required. In a capture, "methods" left out means all, "keep" is span, "if_ok" is
 * false. Settings are applied to the config, stronger than the built-in values and weaker than
 * everything else. The lifecycle is described in lifecycle.h. Any other member is an error with
 * file and line. sidespan-profile(5) is the description for users.
 */
enum profile_from {
	PROFILE_FROM_REQUEST, /* the pointer is looked up in the client's request */
	PROFILE_FROM_REPLY,   /* ... in the answer to it */
};

enum profile_keep {
	PROFILE_KEEP_SPAN,       /* on that request's span */
	PROFILE_KEEP_CONNECTION, /* and on all later spans of the connection; the first value stays
				  */
};

#define PROFILE_CAPTURES_MAX   64
#define PROFILE_ATTRIBUTES_MAX 32 /* different ones, of all captures */
#define PROFILE_CONSTANTS_MAX  32
#define PROFILE_METHODS_MAX    64
#define PROFILE_POINTERS_MAX   102 /* different ones, the lifecycle's too */
#define PROFILE_PATTERNS_MAX   32  /* the same, of names of methods that end in * */
#define PROFILE_MATCHES_MAX    8
#define PROFILE_METRICS_MAX    32
#define PROFILE_LABELS_MAX     8 /* of one metric, with its constants */
#define PROFILE_BOUNDS_MAX     32
#define PROFILE_WORDS_MAX      8 /* in one match, of the command and of the arguments */

/* Captures are applied in order: a later one with a value replaces the same attribute. */
#define PROFILE_HEADER "header:" /* before the name of a field, in place of a pointer */

struct profile_capture {
	enum profile_from from;
	enum profile_keep keep;
	char *pointer;   /* JSON pointer into the message; NULL: a header field has it */
	char *header;    /* name of the field, of what carries the client's messages; or NULL */
	char *attribute; /* name of the attribute */
	char **methods;  /* only for these methods; NULL: for all */
	size_t method_count;
	bool if_ok; /* PROFILE_KEEP_CONNECTION: only once the request was answered with a result */
};

struct profile_constant {
	char *attribute;
	char *value;
};

/* A way to start a server. Words are compared with the last part of a path. */
struct profile_match {
	char **commands; /* one of them is the command; NULL: any */
	size_t command_count;
	char **arguments; /* all of them are among its arguments */
	size_t argument_count;
};

/* What is measured of spans that end: a histogram, which Prometheus and OpenTelemetry take. */
struct profile_metric {
	char *name;      /* "gen_ai.client.token.usage" */
	char *unit;      /* UCUM; NULL: "s" */
	char *help;      /* or NULL */
	char *span;      /* a type of spans, or "request" */
	char *attribute; /* "value": the number that is measured; NULL: the duration in seconds */
	char **labels;   /* attributes by which it is counted */
	size_t label_count;
	struct profile_constant *constants; /* "set": labels that are always the same */
	size_t constant_count;
	double *bounds; /* of the buckets, ascending; NULL: those of its unit */
	size_t bound_count;
};

struct profile {
	char *name;
	struct profile_match *matches; /* auto takes it for a command that fits one of them */
	size_t match_count;
	struct profile_capture *captures;
	size_t capture_count;
	struct profile_constant *constants;
	size_t constant_count;
	struct profile_metric *metrics;
	size_t metric_count;
	struct lifecycle *lifecycle; /* owned; NULL: none */
};

#endif
