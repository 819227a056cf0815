#ifndef PROXY_TOP_REPORT_H
#define PROXY_TOP_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What a running program says of itself, at /open and at /stats of its admin.listen: JSON, into
 * one struct. Texts are as they came, to be made safe before they are shown; they may be cut.
 */
#define REPORT_TEXT_MAX  96
#define REPORT_SPANS_MAX 1000 /* further ones are counted */

struct report_text {
	char bytes[REPORT_TEXT_MAX]; /* not terminated */
	size_t size;
};

/* What it is that runs. */
enum report_kind {
	REPORT_REQUEST,  /* of the client, that is not answered */
	REPORT_DISPATCH, /* what a request has set off */
	REPORT_TURN,     /* of an agent */
	REPORT_MODEL,    /* a model's call */
	REPORT_TOOL,
	REPORT_WAIT, /* for the client: an approval, an answer */
	REPORT_ITEM, /* anything else that takes time */
	REPORT_KINDS,
};

struct report_span {
	enum report_kind kind;
	uint64_t start_ns;
	struct report_text name, method, connection, thread, trace_id;
};

struct report {
	/* of /open */
	uint64_t time_ns;          /* of the program's clock, as the spans' starts are */
	uint64_t omitted;          /* that run, too */
	struct report_span *spans; /* owned; oldest first */
	size_t count;
	/* of /stats; it has_stats once that has been read */
	bool has_stats;
	struct report_text version, server, exporter_state;
	uint64_t uptime_s, sessions, in_flight;
	uint64_t sent, pending, spooled, rejected, dropped;
};

/*
 * Reads size bytes of text, the body of /open: *report's spans are those from then on. 0, or -1
 * with a short text in *why (static), and *report as it was. Free with report_done().
 */
int report_read_open(struct report *report, const char *text, size_t size, const char **why);

/* The same for the body of /stats and the other members. */
int report_read_stats(struct report *report, const char *text, size_t size, const char **why);

void report_done(struct report *report);

#endif
