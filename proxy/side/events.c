/* Lines of an event stream, which end with CR LF, LF or CR; of their fields data alone counts. */
#include "proxy/side/events.h"

#include <string.h>

enum events_state {
	EVENTS_BEGIN, /* of a line */
	EVENTS_NAME,  /* all of it so far is that of data */
	EVENTS_BLANK, /* behind the colon: one may follow */
	EVENTS_VALUE,
	EVENTS_OTHER, /* a comment, or another field */
};

static const uint8_t events_name[] = {'d', 'a', 't', 'a'};
static const uint8_t events_mark[] = {0xef, 0xbb, 0xbf};

/* A line of data begins. */
static enum events_result events_line(struct events *events)
{
	enum events_result result = events->has_data ? EVENTS_LINE : EVENTS_MORE;

	events->has_data = true;
	return result;
}

/* The line has ended. EVENTS_MORE: that says nothing. */
static enum events_result events_line_end(struct events *events)
{
	uint8_t state = events->state;
	bool had_data = events->has_data;

	events->state = EVENTS_BEGIN;
	if (state == EVENTS_NAME && events->matched == sizeof events_name)
		return events_line(events); /* a name alone */
	if (state != EVENTS_BEGIN)
		return EVENTS_MORE;
	events->has_data = false;
	return had_data ? EVENTS_END : EVENTS_MORE;
}

/* A byte that is neither an end of line nor of a value. */
static enum events_result events_step(struct events *events, uint8_t byte)
{
	if (events->state == EVENTS_BEGIN) {
		events->state = EVENTS_NAME;
		events->matched = 0;
	}
	if (events->state != EVENTS_NAME)
		return EVENTS_MORE;
	if (events->matched == sizeof events_name && byte == ':') {
		events->state = EVENTS_BLANK;
		return events_line(events);
	}
	if (events->matched < sizeof events_name && byte == events_name[events->matched])
		events->matched++;
	else
		events->state = EVENTS_OTHER;
	return EVENTS_MORE;
}

/* Whether the byte belongs to the mark that a stream may begin with. */
static bool events_skip_mark(struct events *events, uint8_t byte)
{
	if (byte == events_mark[events->matched]) {
		events->begun = ++events->matched == sizeof events_mark;
		return true;
	}
	if (events->matched > 0)
		events->state = EVENTS_OTHER; /* the line began with a part of it */
	events->begun = true;
	return false;
}

static size_t events_value_size(const uint8_t *bytes, size_t size)
{
	const uint8_t *end = memchr(bytes, '\n', size);

	size = end != NULL ? (size_t)(end - bytes) : size;
	end = memchr(bytes, '\r', size);
	return end != NULL ? (size_t)(end - bytes) : size;
}

enum events_result events_next(struct events *events, const uint8_t **bytes, size_t *size,
	const uint8_t **data, size_t *data_size)
{
	enum events_result result = EVENTS_MORE;

	while (*size > 0 && result == EVENTS_MORE) {
		uint8_t byte = **bytes;
		bool is_end = byte == '\n' || byte == '\r';

		if (events->state == EVENTS_BLANK && byte != ' ')
			events->state = EVENTS_VALUE;
		if (events->state == EVENTS_VALUE && !is_end) {
			*data = *bytes;
			*data_size = events_value_size(*bytes, *size);
			*bytes += *data_size;
			*size -= *data_size;
			return EVENTS_DATA;
		}
		++*bytes;
		--*size;
		if (!events->begun && events_skip_mark(events, byte))
			continue;
		if (!(byte == '\n' && events->cr)) {
			if (is_end)
				result = events_line_end(events);
			else if (events->state == EVENTS_BLANK)
				events->state = EVENTS_VALUE;
			else
				result = events_step(events, byte);
		}
		events->cr = byte == '\r';
	}
	return result;
}

bool events_finish(struct events *events)
{
	enum events_result result = EVENTS_MORE;

	if (events->state != EVENTS_BEGIN)
		(void)events_line_end(events); /* the last line had no end */
	result = events->has_data ? EVENTS_END : EVENTS_MORE;
	events->has_data = false;
	return result == EVENTS_END;
}
