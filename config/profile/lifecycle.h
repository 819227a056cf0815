#ifndef CONFIG_PROFILE_LIFECYCLE_H
#define CONFIG_PROFILE_LIFECYCLE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The "lifecycle" member of a profile: which messages open, annotate and close spans that are more
 * than one request and its answer. Data, and questions about
 * it; proxy/trace/ follows it. Described for its users in
 * sidespan-profile(5).
 *
 *	"lifecycle": {
 *		"dispatch": {
 *			"name": "app_server.dispatch {operation}",
 *			"attribute": "app_server.operation",
 *			"operations": {"turn/start": "turn_input"}
 *		},
 *		"spans": {
 *			"turn": {"name": "app_server.turn", "announce": "app_server.turn started",
 *				"key": {"thread.id": "/params/threadId", "turn.id":
 *"/params/turnId"}}, "item": {"name": "app_server.item {item.type}", "switch": "items", "key":
 *["thread.id", "turn.id", "item.id"]}
 *		},
 *		"memories": {"thread": {"key": {"thread.id": "/params/threadId"}}},
 *		"rules": [
 *			{"name": "a turn is asked for", "on": "request", "methods": "turn/start",
 *				"do": "claim", "span": "turn", "key": ["/params/threadId"],
 *				"set": {"turn.kind": {"text": "turn"}}},
 *			{"name": "turn started", "on": "notification", "methods": "turn/started",
 *				"do": "open", "span": "turn", "key": {"turn.id": "/params/turn/id"},
 *				"root": "/params/turn/rootTurnId"}
 *		]
 *	}
 */
#define LIFECYCLE_OPERATIONS_MAX     128
#define LIFECYCLE_SPANS_MAX          16                  /* types of spans and memories together */
#define LIFECYCLE_REQUEST            LIFECYCLE_SPANS_MAX /* the type of a client's requests */
#define LIFECYCLE_NO_MEMORY          LIFECYCLE_SPANS_MAX
#define LIFECYCLE_RULES_MAX          128
#define LIFECYCLE_METHODS_MAX        64 /* of one rule */
#define LIFECYCLE_KEY_MAX            4
#define LIFECYCLE_CONDITIONS_MAX     4
#define LIFECYCLE_TEXTS_MAX          32 /* of one condition or status */
#define LIFECYCLE_SETTINGS_MAX       16 /* of one rule */
#define LIFECYCLE_CHOICES_MAX        16 /* of one source */
#define LIFECYCLE_DEFAULTS_MAX       8  /* of one type of span */
#define LIFECYCLE_INHERIT_MAX        16 /* the same */
#define LIFECYCLE_ADDS_MAX           4  /* the same */
#define LIFECYCLE_SUMS_MAX           8  /* attributes that all below one type add to */
#define LIFECYCLE_STREAMS_MAX        2  /* rules that count, for one type of span */
#define LIFECYCLE_MADE_MAX           2  /* types of spans that are made below one type */
#define LIFECYCLE_MARKS_MAX          8  /* names of moments, for one type that is made */
#define LIFECYCLE_MOMENTS_MAX        4  /* of from, and of to */
#define LIFECYCLE_EVENT_SETTINGS_MAX 4
#define LIFECYCLE_LEVELS_MAX         16  /* different ones in all rules */
#define LIFECYCLE_CONTENTS_MAX       8   /* of all rules */
#define LIFECYCLE_QUOTES_MAX         32  /* values of requests that rules for answers look at */
#define LIFECYCLE_ATTRIBUTES_MAX     128 /* different ones, of all keys and rules */

/* The messages that a rule looks at. */
enum lifecycle_on {
	LIFECYCLE_ON_REQUEST, /* of the client */
	LIFECYCLE_ON_REPLY,   /* a result for a client's request; methods are the request's */
	LIFECYCLE_ON_ERROR,   /* an error for one */
	LIFECYCLE_ON_CLIENT_NOTIFICATION,
	LIFECYCLE_ON_NOTIFICATION,   /* of the server */
	LIFECYCLE_ON_SERVER_REQUEST, /* of the server to the client */
	LIFECYCLE_ON_CLIENT_REPLY,   /* any answer to that; methods are the server's request's */
};

enum lifecycle_do {
	LIFECYCLE_CLAIM,    /* on request: the next span under this key belongs to the request */
	LIFECYCLE_OPEN,     /* unless it is open or was closed */
	LIFECYCLE_CLOSE,    /* all that are open under the key, which may be a part of theirs */
	LIFECYCLE_LAPSE,    /* the same, unless one is heard of within a grace time */
	LIFECYCLE_WAKE,     /* takes that back: it is going on */
	LIFECYCLE_ANNOTATE, /* sets attributes of an open span, or its status */
	LIFECYCLE_EVENT,    /* adds an event to it */
	LIFECYCLE_COUNT,    /* counts a piece of a stream */
	LIFECYCLE_REMEMBER, /* sets values of a memory */
	LIFECYCLE_MARK,     /* gives a moment a name, for a span that is made */
	LIFECYCLE_MAKE,     /* makes a span from one moment to another */
	LIFECYCLE_LINK,     /* refers from a request to the one whose answer had the same text */
	LIFECYCLE_STAY,     /* on the answer: the request's span goes on until it is closed */
};

enum lifecycle_kind {
	LIFECYCLE_INTERNAL,
	LIFECYCLE_CLIENT,
	LIFECYCLE_SERVER,
};

/* How much of a value is taken. */
enum lifecycle_take {
	LIFECYCLE_TAKE_ALL,
	LIFECYCLE_TAKE_FIRST_WORD, /* up to the first blank, without the folders before it */
	LIFECYCLE_TAKE_SUM,        /* a number, added to what the attribute has */
	LIFECYCLE_TAKE_INCREASE,   /* by how much a level has risen, added likewise */
};

enum lifecycle_unit {
	LIFECYCLE_SECONDS,
	LIFECYCLE_MILLISECONDS,
	LIFECYCLE_MICROSECONDS,
	LIFECYCLE_NANOSECONDS,
};

/* A constant of a profile that is no text. */
enum lifecycle_constant {
	LIFECYCLE_NO_CONSTANT,
	LIFECYCLE_FALSE,
	LIFECYCLE_TRUE,
	LIFECYCLE_NUMBER,
};

/* Where a value comes from: the pointer's value; the text, if there is a value at the pointer or
 * no pointer is given; a constant; how long after the span's start a mark was. */
struct lifecycle_choice {
	char *pointer; /* NULL: none */
	char *text;    /* NULL: the value itself */
	enum lifecycle_take take;
	bool contents; /* what was said: only if telemetry.contents is on */
	enum lifecycle_constant constant;
	long long number;
	char *mark; /* NULL: none */
	enum lifecycle_unit unit;
	char *opt_in; /* it is there only with this word in lifecycle.on; NULL: always */
};

/* The first choice that gives a value. */
struct lifecycle_source {
	struct lifecycle_choice *choices;
	size_t choice_count; /* 0: not given */
};

struct lifecycle_setting {
	char *attribute;
	struct lifecycle_source source;
};

struct lifecycle_set {
	struct lifecycle_setting *list;
	size_t count;
};

enum lifecycle_test {
	LIFECYCLE_ABSENT,    /* there is none, or null */
	LIFECYCLE_PRESENT,   /* there is one that is not null */
	LIFECYCLE_ONE_OF,    /* it is one of the texts */
	LIFECYCLE_NONE_OF,   /* it is none of them, or there is none */
	LIFECYCLE_INCREASED, /* the level there has risen */
};

/* About the pointer's value. */
struct lifecycle_condition {
	char *pointer;
	enum lifecycle_test test;
	char **texts;
	size_t text_count;
	char *whole; /* pointer: of a level that was not known, all is new if it equals this one */
};

/* What a span's end means. */
struct lifecycle_status {
	char *pointer; /* NULL: not given */
	bool always;   /* it is an error in any case */
	char **ok;
	size_t ok_count;
	char **error;
	size_t error_count;
	char **unset; /* takes back what an error answer means */
	size_t unset_count;
	struct lifecycle_source message; /* of an error: the status message */
	struct lifecycle_source type;    /* of an error: error.type */
};

struct lifecycle_stream {
	char *count; /* attribute: pieces; NULL: not counted */
	char *bytes; /* attribute: their bytes; NULL: not counted */
	char *of;    /* pointer of the piece; given with bytes */
	char *first; /* attribute: milliseconds from the span's start to the first; NULL: not told
		      */
};

/* Of the server's wall clock. */
struct lifecycle_time {
	char *pointer; /* NULL: not given */
	enum lifecycle_unit unit;
};

/* A value that holds until a message says another. */
struct lifecycle_default {
	char *attribute;
	char *value;
};

/* What a span adds to an attribute of the one at the top that it is below. */
struct lifecycle_add {
	char *attribute;
	bool is_time; /* milliseconds in which at least one was open; else one for each */
};

/* A part of a key, by the name of its attribute. */
struct lifecycle_part {
	char *attribute;
	char *pointer; /* where it stands in messages; NULL: rules say it */
	char *opt_in;  /* only spans know it without this word in lifecycle.on; NULL: all do */
};

struct lifecycle_span {
	char *name;  /* by which rules call it */
	char *title; /* "name": of the span; {ATTRIBUTE} stands for an attribute's value; NULL: the
		      * name of requests; of a memory, none */
	enum lifecycle_kind kind;
	char *switched; /* the word in lifecycle.off that turns it off; NULL: none does */
	char *announce; /* name of the span that tells of a long one; NULL: none does */
	struct lifecycle_default *announced; /* attributes of that alone */
	size_t announced_count;
	bool is_memory;
	bool is_made;       /* of moments; never open */
	bool is_measured;   /* for metrics alone: never sent, and nothing is below it */
	bool of_connection; /* keys are of one connection, and it ends with that */
	bool one_per;       /* only one for each value of the first part of the key */
	char **requests;    /* methods: these requests are such spans; NULL: none */
	size_t request_count;
	struct lifecycle_part *key; /* NULL: known by a request's id */
	size_t key_count;
	struct lifecycle_default *defaults;
	size_t default_count;
	char **inherit; /* attributes, from above, unless set */
	size_t inherit_count;
	struct lifecycle_add *adds;
	size_t add_count;
};

struct lifecycle_rule {
	char *name; /* "rule 3" if it has none */
	enum lifecycle_on on;
	enum lifecycle_do action; /* "do" */
	char **methods;           /* NULL: all; one that ends in * means all that begin so */
	size_t method_count;
	struct lifecycle_condition *conditions; /* "when"; all must hold */
	size_t condition_count;
	char *unless;  /* with this word in lifecycle.on it never acts; NULL: it does */
	size_t span;   /* index into spans; of LIFECYCLE_REMEMBER a memory; LIFECYCLE_REQUEST */
	size_t memory; /* of the levels it looks at; LIFECYCLE_NO_MEMORY: none */
	/* Pointers of the key's parts: all or the first; of a request one, by its attribute. */
	struct lifecycle_part *key;
	size_t key_count;
	char *root; /* open: pointer of the id of the span that this one works for; NULL: none */
	struct lifecycle_set set_root; /* for one that opens below it */
	char *request_id;              /* pointer of the id of a request; NULL: none */
	bool all;                      /* close: those of the connection, whatever their keys */
	char *by;                      /* link: pointer of the text */
	char *event;                   /* event: its name */
	char *mark;                    /* mark: its name */
	bool mark_first;               /* the first such moment counts, not the last */
	/* mark: until there is one of these marks, it belongs to the span that was made before. */
	char **former_until;
	size_t former_until_count;
	char **from, **to; /* make: names of moments, the first that there is */
	size_t from_count, to_count;
	char *needs;     /* make: a mark without which nothing is made; NULL: none */
	bool at_end;     /* make: also when the span above ends without a message */
	bool until_open; /* claim: "until": "open", not "reply" */
	bool joins;      /* claim: void if such a span is open when the reply comes: that goes on */
	bool alias;      /* claim: the span may start under another id, with its own as the root */
	struct lifecycle_time at;
	struct lifecycle_set set;
	struct lifecycle_set set_new; /* open: only when it does open one */
	struct lifecycle_status status;
	struct lifecycle_stream stream;
};

struct lifecycle_operation {
	char *method;
	char *operation;
};

struct lifecycle {
	char *dispatch_name;      /* NULL: no dispatch spans */
	char *dispatch_attribute; /* NULL: none */
	struct lifecycle_operation *operations;
	size_t operation_count;
	struct lifecycle_span *spans; /* and memories */
	size_t span_count;
	struct lifecycle_rule *rules;
	size_t rule_count;
};

/* Moments that are not marks: of the span above, of the message, of the last that was made. */
#define LIFECYCLE_MOMENT_START      "start"
#define LIFECYCLE_MOMENT_NOW        "now"
#define LIFECYCLE_MOMENT_FORMER_END "former end"
#define LIFECYCLE_MOMENT_FORMER     "former " /* and the name of a mark */

/* Whether the rule opens spans of that type. */
bool lifecycle_opens(const struct lifecycle_rule *rule, size_t span);

/* Whether the child's key has the parent's, and at least own parts more. */
bool lifecycle_key_begins(
	const struct lifecycle_span *child, const struct lifecycle_span *parent, size_t own);

/* Whether spans of type child can hang under those of type parent: whose key begins their own. */
bool lifecycle_is_below(const struct lifecycle *lifecycle, size_t child, size_t parent);

/* Whether spans of that type are requests of the server, which are known by their id. */
bool lifecycle_is_call(const struct lifecycle *lifecycle, size_t span);

/* How many of the sources in all sets are contents. */
size_t lifecycle_contents_count(const struct lifecycle *lifecycle);

/* Whether some value is there, or some rule rests, only with that word in lifecycle.on. */
bool lifecycle_has_opt_in(const struct lifecycle *lifecycle, const char *word, size_t size);

/* Whether a pointer is into the params of a request, which an answer does not have. */
bool lifecycle_quotes(const char *pointer);

/* Of a source: whether one of its choices is to be added up, whether one looks at a level. */
bool lifecycle_source_sums(const struct lifecycle_source *source);
bool lifecycle_source_has_level(const struct lifecycle_source *source);

/* How many of its choices are contents. */
size_t lifecycle_source_contents(const struct lifecycle_source *source);

#endif
