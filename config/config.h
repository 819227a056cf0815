#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/url.h"
#include "config/words.h"

struct profile;

/*
 * What the program is to do, from flags, SIDESPAN_* and OTEL_* variables, files, the profile and
 * the built-in defaults, in this order of strength. Every option is one row of options.def; nothing
 * else lists them. A config is immutable once loaded.
 */
enum config_source {
	CONFIG_BUILT_IN,
	CONFIG_PROFILE,
	CONFIG_FILE,
	CONFIG_OTEL,
	CONFIG_SIDESPAN,
	CONFIG_FLAG,
};

#define CONFIG_WORD_CONSTANT(constant, text) constant,
enum config_check { CHECK_WORDS(CONFIG_WORD_CONSTANT) };
enum config_framing { FRAMING_WORDS(CONFIG_WORD_CONSTANT) };
enum config_sampler { SAMPLER_WORDS(CONFIG_WORD_CONSTANT) };
enum config_semconv { SEMCONV_WORDS(CONFIG_WORD_CONSTANT) };
enum config_lifecycle { LIFECYCLE_WORDS(CONFIG_WORD_CONSTANT) };
enum config_flags { FLAGS_WORDS(CONFIG_WORD_CONSTANT) };
enum config_baggage { BAGGAGE_WORDS(CONFIG_WORD_CONSTANT) };
enum config_trust { TRUST_WORDS(CONFIG_WORD_CONSTANT) };
enum config_http_spans { HTTP_SPANS_WORDS(CONFIG_WORD_CONSTANT) };
enum config_dispatch { DISPATCH_WORDS(CONFIG_WORD_CONSTANT) };
enum config_below { BELOW_WORDS(CONFIG_WORD_CONSTANT) };
enum config_exporter { EXPORTER_WORDS(CONFIG_WORD_CONSTANT) };
enum config_metrics { METRICS_WORDS(CONFIG_WORD_CONSTANT) };
enum config_compression { COMPRESSION_WORDS(CONFIG_WORD_CONSTANT) };
enum config_protocol { PROTOCOL_WORDS(CONFIG_WORD_CONSTANT) };
enum config_sync { SYNC_WORDS(CONFIG_WORD_CONSTANT) };
enum config_log_level { LOG_LEVEL_WORDS(CONFIG_WORD_CONSTANT) };
enum config_log_format { LOG_FORMAT_WORDS(CONFIG_WORD_CONSTANT) };
#undef CONFIG_WORD_CONSTANT

struct config_pair {
	char *name;
	char *value;
	enum config_source source; /* which layer gave this pair */
};

struct config_map {
	struct config_pair *pairs;
	size_t count;
};

struct config_list {
	char **items; /* owned, with their texts */
	size_t count;
};

#define CONFIG_ERROR_SIZE 1024

struct config {
#define OPTION_BOOL(field, ...)     bool field;
#define OPTION_INT(field, ...)      int64_t field;
#define OPTION_DURATION(field, ...) int64_t field; /* ms */
#define OPTION_SIZE(field, ...)     int64_t field; /* bytes */
#define OPTION_RATIO(field, ...)    double field;
#define OPTION_ENUM(field, ...)     int field;   /* a constant of the option's enum above */
#define OPTION_TEXT(field, ...)     char *field; /* NULL when unset */
#define OPTION_MAP(field, ...)      struct config_map field;
#define OPTION_LIST(field, ...)     struct config_list field;
#include "config/options.def"
	struct url listen_url;    /* listen, parsed; scheme URL_NONE: own stdin and stdout */
	struct url admin_url;     /* admin.listen, parsed; scheme URL_NONE: not served */
	struct url upstream_url;  /* upstream, parsed; scheme URL_NONE: command is the server */
	struct profile *profile;  /* resolved, never NULL after a load */
	char *profile_source;     /* its file, or "built-in profiles/NAME.json" */
	bool doctor;              /* everything is to be examined, */
	bool probe;               /* or one that serves to be asked; neither: to serve */
	uint64_t profile_digest;  /* of what its files say */
	char *explain;            /* --explain: the recording, "-" for standard input; else NULL */
	char *explain_why;        /* --why: a method; else NULL */
	bool explain_plain;       /* --dir: the recording is of messages alone, */
	bool explain_from_server; /* of the server; else of the client */
	char *replay;             /* --replay: the recording; else NULL */
	char *replay_connection;  /* --conn: which of it; NULL: the first */
	bool replay_timed;        /* --timed */
	char **command;           /* what stands after --, NULL-terminated; NULL without */
	int command_count;
	/*
	 * That spans are posted to: otlp.traces_endpoint as it is (a missing path is "/"), else
	 * otlp.endpoint with v1/traces appended to its path.
	 */
	char *otlp_url;
	char *otlp_metrics_url; /* the same for metrics */
	/* otlp.headers are for traces alone: OTEL_EXPORTER_OTLP_TRACES_HEADERS */
	bool otlp_headers_of_traces;
	char *listen_token; /* what listen.token_file has; NULL: unset */
	char *traceparent;  /* of the environment: the parent of what brings none; NULL: unset */
	char *tracestate;
};

#endif
