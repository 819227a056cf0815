#ifndef CONFIG_PROFILE_H
#define CONFIG_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * A profile says what kind of server stands behind the proxy: settings that differ from the
 * built-in ones, constant attributes, and captures (JSON pointer -> attribute). Profiles are JSON
 * (profiles/NAME.json, compiled in; or a file of the user's) and hold no code.
 */
enum profile_from {
	PROFILE_FROM_REQUEST, /* the pointer is looked up in the client's request */
	PROFILE_FROM_REPLY,   /* ... in the answer to it */
};

enum profile_keep {
	PROFILE_KEEP_SPAN,	 /* on that request's span */
	PROFILE_KEEP_CONNECTION, /* and on all later spans of the connection; the first value stays */
};

struct profile_capture {
	enum profile_from from;
	enum profile_keep keep;
	char *pointer;	   /* JSON pointer into the message */
	char *attribute;   /* name of the attribute */
	char **methods;	   /* only for these methods; NULL: for all */
	size_t method_count;
	bool if_ok;	   /* PROFILE_KEEP_CONNECTION: only once the request was answered with a result */
};

struct profile_constant {
	char *attribute;
	char *value;
};

struct profile {
	char *name;
	struct profile_capture *captures;
	size_t capture_count;
	struct profile_constant *constants;
	size_t constant_count;
};

#endif
