#ifndef EXPORTER_BATCH_H
#define EXPORTER_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "exporter/span.h"
#include "exporter/text.h"

/* What all batches of an exporter have in common: the text around the spans, and the limits. */
struct batch_format {
	void (*append)(struct text *text, const struct span *span);
	const char *prefix; /* borrowed from the exporter, as long as it lives */
	size_t prefix_size;
	char separator; /* '\0': none */
	const char *suffix;
	size_t suffix_size;
	size_t spans_max;
	size_t bytes_max;         /* <= request_bytes_max; one span alone may be longer */
	size_t request_bytes_max; /* no batch is longer than this */
	uint32_t encoding;
	void (*seal)(struct text *text); /* of a batch with its suffix; NULL: it is finished */
};

struct spooled;

/* How the spans of a batch are written; on disk, too, so that a number keeps its meaning. */
enum batch_encoding { BATCH_JSON = 1, BATCH_PROTOBUF = 2 };

/* Spans on the way to one request. */
struct batch {
	struct text body; /* owned */
	size_t span_count;
	uint32_t encoding;       /* a constant of batch_encoding, of a sealed batch */
	struct spooled *spooled; /* its file on disk, owned; NULL: it is in memory only */
	struct batch *next;      /* in a queue; owned by it */
};

enum batch_outcome {
	BATCH_APPENDED,
	BATCH_FULL,      /* appended, and now it is time to seal */
	BATCH_OVERFLOW,  /* not appended: seal, then append to the next batch */
	BATCH_TOO_LARGE, /* not appended: longer than a request may be */
	BATCH_NO_MEMORY, /* not appended */
};

/* NULL when memory is short. */
struct batch *batch_new(void);
void batch_free(struct batch *batch);

enum batch_outcome batch_append(
	struct batch *batch, const struct batch_format *format, const struct span *span);

/* The same for count spans that have been made texts already, of a format without separators. */
enum batch_outcome batch_append_made(struct batch *batch, const struct batch_format *format,
	const struct text *spans, size_t count);

/* Ends the text. The batch has at least one span; cannot fail. */
void batch_seal(struct batch *batch, const struct batch_format *format);

/* Empties the batch; the memory is kept for the next use. */
void batch_reset(struct batch *batch);

#endif
