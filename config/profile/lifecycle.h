#ifndef CONFIG_PROFILE_LIFECYCLE_H
#define CONFIG_PROFILE_LIFECYCLE_H

#include <stdbool.h>
#include <stddef.h>

struct file_node;
struct reader;

/*
 * The "lifecycle" member of a profile: which messages open, annotate and close spans that are more
 * than one request and its answer. Data only; proxy/trace/ follows it. Described for its users in
 * sidespan-profile(5).
 *
 *	"lifecycle": {
 *		"dispatch": {
 *			"name": "app_server.dispatch {operation}",
 *			"attribute": "app_server.operation",
 *			"operations": {"turn/start": "turn_input"}
 *		},
 *		"spans": {
 *			"turn": {"name": "app_server.turn", "key": ["thread.id", "turn.id"],
 *				"announce": "app_server.turn started"},
 *			"item": {"name": "app_server.item {item.type}", "switch": "items",
 *				"key": ["thread.id", "turn.id", "item.id"]}
 *		},
 *		"rules": [
 *			{"name": "a turn is asked for", "on": "request", "methods": ["turn/start"],
 *				"do": "claim", "span": "turn", "key": ["/params/threadId"],
 *				"set": {"turn.kind": {"text": "turn"}}},
 *			{"name": "turn started", "on": "notification", "methods": ["turn/started"],
 *				"do": "open", "span": "turn",
 *				"key": ["/params/threadId", "/params/turn/id"],
 *				"root": "/params/turn/rootTurnId"}
 *		]
 *	}
 */
#define LIFECYCLE_OPERATIONS_MAX     128
#define LIFECYCLE_SPANS_MAX          8
#define LIFECYCLE_RULES_MAX          64
#define LIFECYCLE_METHODS_MAX        64 /* of one rule */
#define LIFECYCLE_KEY_MAX            4
#define LIFECYCLE_CONDITIONS_MAX     4
#define LIFECYCLE_TEXTS_MAX          32 /* of one condition or status */
#define LIFECYCLE_SETTINGS_MAX       16 /* of one rule */
#define LIFECYCLE_CHOICES_MAX        16 /* of one source */
#define LIFECYCLE_DEFAULTS_MAX       8  /* of one type of span */
#define LIFECYCLE_STREAMS_MAX        2  /* rules that count, for one type of span */
#define LIFECYCLE_EVENT_SETTINGS_MAX 4
#define LIFECYCLE_ATTRIBUTES_MAX     64 /* different ones, of all keys and rules */

/* The messages that a rule looks at. */
enum lifecycle_on {
	LIFECYCLE_ON_REQUEST,      /* of the client */
	LIFECYCLE_ON_REPLY,        /* a result for a client's request; methods are the request's */
	LIFECYCLE_ON_NOTIFICATION, /* of the server */
	LIFECYCLE_ON_SERVER_REQUEST, /* of the server to the client */
	LIFECYCLE_ON_CLIENT_REPLY,   /* any answer to that; methods are the server's request's */
};

enum lifecycle_do {
	LIFECYCLE_CLAIM,    /* on request: the next span under this key belongs to the request */
	LIFECYCLE_OPEN,     /* unless it is open or was closed */
	LIFECYCLE_CLOSE,    /* all that are open under the key, which may be a part of theirs */
	LIFECYCLE_LAPSE,    /* the same, unless one is heard of within a grace time */
	LIFECYCLE_WAKE,     /* takes that back: it is going on */
	LIFECYCLE_ANNOTATE, /* sets attributes of an open span */
	LIFECYCLE_EVENT,    /* adds an event to it */
	LIFECYCLE_COUNT,    /* counts a piece of a stream */
};

/* The option lifecycle.NAME that turns a type of span off. */
enum lifecycle_switch {
	LIFECYCLE_ALWAYS,
	LIFECYCLE_ITEMS,
	LIFECYCLE_APPROVALS,
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
};

/* Where a value comes from: the pointer's value; the text, if there is a value at the pointer or
 * no pointer is given. */
struct lifecycle_choice {
	char *pointer; /* NULL: none */
	char *text;    /* NULL: the value itself */
	enum lifecycle_take take;
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

/* Holds when the pointer's value is one of the texts; without texts, when there is one that is not
 * null (present) or none (not present). */
struct lifecycle_condition {
	char *pointer;
	bool present;
	char **texts;
	size_t text_count;
};

/* What a span's end means. */
struct lifecycle_status {
	char *pointer; /* NULL: not given */
	char **ok;
	size_t ok_count;
	char **error;
	size_t error_count;
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

/* A value that holds until a message says another. */
struct lifecycle_default {
	char *attribute;
	char *value;
};

struct lifecycle_span {
	char *name;  /* by which rules call it */
	char *title; /* "name": of the span; {ATTRIBUTE} stands for an attribute's value */
	enum lifecycle_kind kind;
	enum lifecycle_switch switched;
	char *announce; /* name of the span that tells of a long one; NULL: none does */
	char **key; /* attributes that the parts of its key become; NULL: known by a request's id */
	size_t key_count;
	struct lifecycle_default *defaults;
	size_t default_count;
};

struct lifecycle_rule {
	char *name; /* "rule 3" if it has none */
	enum lifecycle_on on;
	enum lifecycle_do action; /* "do" */
	char **methods;           /* NULL: all */
	size_t method_count;
	struct lifecycle_condition *conditions; /* "when"; all must hold */
	size_t condition_count;
	size_t span; /* index into spans */
	char **key;  /* pointers of the key's parts: all, the first, or those that a claim lacks */
	size_t key_count;
	char *root; /* open: pointer of the id of the span that this one works for; NULL: none */
	char *request_id; /* close: pointer of the id of the server's request; NULL: none */
	char *event;      /* event: its name */
	bool until_open;  /* claim: "until": "open", not "reply" */
	bool joins; /* claim: void if such a span is open when the reply comes: that goes on */
	bool alias; /* claim: the span may start under another id, with its own as the root */
	struct lifecycle_setting *settings; /* "set" */
	size_t setting_count;
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
	struct lifecycle_span *spans;
	size_t span_count;
	struct lifecycle_rule *rules;
	size_t rule_count;
};

/*
 * Makes a lifecycle from the member of a profile, whose reader tells where errors are. The caller
 * frees; NULL with one line in the reader's error: file, line, rule, member, what would be right.
 */
struct lifecycle *lifecycle_new(struct reader *reader, const struct file_node *node);

/* NULL and half-built lifecycles are fine. */
void lifecycle_free(struct lifecycle *lifecycle);

#endif
