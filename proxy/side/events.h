#ifndef PROXY_SIDE_EVENTS_H
#define PROXY_SIDE_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Server-sent events (HTML, 9.2): the data of each event while it passes. Pure; nothing is kept of
 * it. All zero before the first byte of a stream.
 */
struct events {
	uint8_t state;    /* enum events_state */
	uint8_t field;    /* enum events_field, if its name goes on so */
	uint8_t matched;  /* of that name, of a type, or of a byte order mark */
	bool cr;          /* the last line ended with CR: a LF is a part of that end */
	bool has_data;    /* the event does */
	bool begun;       /* the stream: no byte order mark follows */
	bool is_endpoint; /* the event is of that type */
};

enum events_result {
	EVENTS_MORE,     /* all is used up */
	EVENTS_DATA,     /* the next bytes of the event's data */
	EVENTS_LINE,     /* another line of data begins: a line feed stands before it */
	EVENTS_END,      /* the event is complete, and had data */
	EVENTS_WHOLE,    /* the same, and this is all of its data: none of it came before */
	EVENTS_ENDPOINT, /* the same, and its type is "endpoint" */
};

/*
 * Takes the next piece from *bytes, *size (both advanced). EVENTS_DATA, EVENTS_WHOLE: data_size
 * bytes at *data, in the input. Call until EVENTS_MORE.
 */
enum events_result events_next(struct events *events, const uint8_t **bytes, size_t *size,
	const uint8_t **data, size_t *data_size);

/* The stream has ended: whether an event was complete but for its empty line. */
bool events_finish(struct events *events);

#endif
