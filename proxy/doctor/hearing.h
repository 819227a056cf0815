#ifndef PROXY_DOCTOR_HEARING_H
#define PROXY_DOCTOR_HEARING_H

#include <stdbool.h>
#include <stddef.h>

#include "exporter/text.h"
#include "proxy/message/envelope.h"
#include "proxy/message/skim.h"

/*
 * What a server says to a trial's one request: the answer is looked for in it, whatever is around
 * it (lines, heads with lengths, events, HTTP, chunks).
 */
struct pointers;

enum hearing_verdict {
	HEARING_MORE,     /* the answer is not there yet */
	HEARING_ANSWERED, /* with a result */
	HEARING_REFUSED,  /* with an error, or a status of HTTP: why has it */
	HEARING_LOST,     /* with a status of HTTP that says that there is no server */
};

#define HEARING_WHY_SIZE 512

struct hearing {
	bool is_http;
	struct text said; /* all of it, in the order in which it came; ends with a zero behind it */
	struct text body; /* of HTTP in chunks: without what is around them */
	size_t at;        /* so much of the content was looked through */
	struct pointers *pointers; /* owned */
	struct envelope envelope;
	struct skim skim;
	int status;                 /* of HTTP, where it was no success; else 0 */
	char why[HEARING_WHY_SIZE]; /* for people, not escaped */
};

/* For so many bytes at most. 0, or -1 when out of memory: hearing_done() is needed all the same. */
int hearing_init(struct hearing *hearing, bool is_http, size_t bytes_max);
void hearing_done(struct hearing *hearing);

/* More was said. */
enum hearing_verdict hearing_look(struct hearing *hearing);

/*
 * The value of a field in the head of an answer of HTTP, up to its line's end: size bytes. NULL:
 * there is none. name is "\r\nNAME:", in any case.
 */
const char *hearing_field(const struct hearing *hearing, const char *name, size_t *size);

#endif
