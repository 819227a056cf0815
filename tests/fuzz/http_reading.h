#ifndef TESTS_FUZZ_HTTP_READING_H
#define TESTS_FUZZ_HTTP_READING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * Another reading of HTTP/1.1, which shares nothing with the program's: all that was said on a
 * connection, at once, becomes a text in which messages that mean the same are the same. That has
 * no fields between neighbours, no chunk sizes, no carriers, no blanks at the end of bodies, and
 * of requests no Content-Length.
 *
 * A habit is what some reader in the field does where the rule is not to. Where two habits read
 * two things, a message can be hidden from one of them.
 */
enum {
	READING_ROOM = 1 << 20,
	READING_MESSAGES_MAX = 1024,
	READING_FIELDS_MAX = 600,
	READING_MESSAGE_END = 0x01
};

enum reading_habit {
	READING_BARE_LF = 1,       /* ends a line */
	READING_FOLDS = 2,         /* a line that begins with a blank is more of the one before */
	READING_BLANK_NAMES = 4,   /* blanks before a colon do not matter */
	READING_LENGTH_FIRST = 8,  /* Content-Length beats Transfer-Encoding */
	READING_LAST_LENGTH = 16,  /* of two lengths the last one counts */
	READING_ANY_CHUNKED = 32,  /* anywhere among the codings */
	READING_LOOSE_NUMBERS = 64 /* as strtol() has them */
};

struct reading_message {
	size_t raw, text; /* where it begins */
	bool to_head;     /* a HEAD, and not its answer's */
	bool is_old;      /* HTTP/1.0 */
};

struct reading {
	char text[READING_ROOM];
	size_t size;
	struct reading_message messages[READING_MESSAGES_MAX]; /* interim answers are no messages */
	size_t begun, whole;
	size_t used; /* raw bytes of what is whole */
	bool bad;    /* nobody should go on from there */
};

struct reading_text {
	const char *bytes;
	size_t size;
};

struct reading_cursor {
	const char *begin, *at, *end;
	unsigned habits;
	bool ended; /* nothing follows */
};

enum reading_body { READING_NONE, READING_SIZED, READING_CHUNKED, READING_TO_END, READING_BAD };

static inline void reading_add(struct reading *reading, const char *bytes, size_t size)
{
	if (size > READING_ROOM - reading->size)
		abort();
	memcpy(reading->text + reading->size, bytes, size);
	reading->size += size;
}

static inline void reading_add_byte(struct reading *reading, char byte)
{
	reading_add(reading, &byte, 1);
}

static inline bool reading_is(struct reading_text text, const char *word)
{
	return text.size == strlen(word) && strncasecmp(text.bytes, word, text.size) == 0;
}

static inline struct reading_text reading_trim(struct reading_text text)
{
	while (text.size > 0 && strchr(" \t", text.bytes[0]) != NULL && text.bytes[0] != '\0') {
		text.bytes++;
		text.size--;
	}
	while (text.size > 0 && strchr(" \t\r", text.bytes[text.size - 1]) != NULL &&
		text.bytes[text.size - 1] != '\0')
		text.size--;
	return text;
}

/* The next line, without its end. False: it has not come. */
static inline bool reading_line(
	struct reading_cursor *cursor, struct reading *reading, struct reading_text *line)
{
	const char *lf = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
	bool has_cr = lf != NULL && lf > cursor->at && lf[-1] == '\r';

	if (lf == NULL)
		return false;
	if (!has_cr && (cursor->habits & READING_BARE_LF) == 0)
		reading->bad = true;
	*line = (struct reading_text){cursor->at, (size_t)(lf - cursor->at) - has_cr};
	cursor->at = lf + 1;
	return !reading->bad;
}

/* The value, if the line is a field of that name. */
static inline bool reading_field(
	struct reading_text line, const char *name, unsigned habits, struct reading_text *value)
{
	const char *colon = memchr(line.bytes, ':', line.size);
	struct reading_text key = {line.bytes, colon != NULL ? (size_t)(colon - line.bytes) : 0};

	if (colon == NULL)
		return false;
	*value = reading_trim(
		(struct reading_text){colon + 1, line.size - (size_t)(colon + 1 - line.bytes)});
	return reading_is((habits & READING_BLANK_NAMES) != 0 ? reading_trim(key) : key, name);
}

/* Whether a list has that word; last: at its end. */
static inline bool reading_has(struct reading_text list, const char *word, bool last)
{
	bool found = false;
	size_t size;
	const char *comma;

	while (list.size > 0) {
		comma = memchr(list.bytes, ',', list.size);
		size = comma != NULL ? (size_t)(comma - list.bytes) : list.size;
		found = (found && !last) ||
			reading_is(reading_trim((struct reading_text){list.bytes, size}), word);
		size += comma != NULL;
		list = (struct reading_text){list.bytes + size, list.size - size};
	}
	return found;
}

/* False: it is no number, or larger than anything can be. */
static inline bool reading_number(
	struct reading_text text, int base, unsigned habits, uint64_t *number)
{
	static const char digits[] = "0123456789abcdef";
	char copy[64] = "";
	const char *digit;
	size_t i;

	*number = 0;
	if ((habits & READING_LOOSE_NUMBERS) != 0) {
		memcpy(copy, text.bytes, text.size < sizeof copy - 1 ? text.size : sizeof copy - 1);
		*number = strtoull(copy, NULL, base);
		return true;
	}
	for (i = 0; i < text.size; i++) {
		digit = memchr(digits, text.bytes[i] | (base == 16 ? 0x20 : 0), (size_t)base);
		if (digit == NULL || *number > UINT64_MAX / 2 / (unsigned)base)
			return false;
		*number = *number * (uint64_t)base + (uint64_t)(digit - digits);
	}
	return text.size > 0;
}

/* ---- heads ---- */

struct reading_head {
	struct reading_text start, fields[READING_FIELDS_MAX];
	size_t count;
};

static inline bool reading_head(
	struct reading_cursor *cursor, struct reading *reading, struct reading_head *head)
{
	struct reading_text line;

	head->count = 0;
	if (!reading_line(cursor, reading, &head->start))
		return false;
	while (reading_line(cursor, reading, &line)) {
		if (line.size == 0)
			return true;
		reading->bad |= head->count == READING_FIELDS_MAX;
		if (reading->bad)
			return false;
		if ((cursor->habits & READING_FOLDS) != 0 && head->count > 0 &&
			strchr(" \t", line.bytes[0]) != NULL && line.bytes[0] != '\0')
			head->fields[head->count - 1].size =
				(size_t)(line.bytes + line.size -
					 head->fields[head->count - 1].bytes);
		else
			head->fields[head->count++] = line;
	}
	return false;
}

/* Whether what the field says is for the next neighbour alone. */
static inline bool reading_is_hop(const struct reading_head *head, struct reading_text line)
{
	static const char *const hops[] = {"Connection", "Keep-Alive", "Proxy-Authenticate",
		"Proxy-Authorization", "Proxy-Connection", "TE", "Upgrade"};
	struct reading_text value, options;
	char name[64] = "";
	const char *colon = memchr(line.bytes, ':', line.size);
	size_t i;

	for (i = 0; i < sizeof hops / sizeof hops[0]; i++)
		if (reading_field(line, hops[i], 0, &value))
			return true;
	if (colon == NULL || (size_t)(colon - line.bytes) >= sizeof name)
		return false;
	memcpy(name, line.bytes, (size_t)(colon - line.bytes));
	if (strncasecmp(name, "Sec-WebSocket-", 14) == 0)
		return true; /* ours, in part */
	for (i = 0; i < head->count; i++)
		if (reading_field(head->fields[i], "Connection", 0, &options) &&
			reading_has(options, name, false))
			return true;
	return false;
}

static inline void reading_add_head(
	struct reading *reading, const struct reading_head *head, bool request, bool interim)
{
	struct reading_text value;
	size_t i;

	reading_add(reading, head->start.bytes, head->start.size);
	for (i = 0; i < head->count; i++) {
		bool length = reading_field(head->fields[i], "Content-Length", 0, &value);
		bool coding = reading_field(head->fields[i], "Transfer-Encoding", 0, &value);

		if (reading_is_hop(head, head->fields[i]) || (length && request) ||
			((length || coding) && interim))
			continue;
		reading_add_byte(reading, '\n');
		reading_add(reading, head->fields[i].bytes, head->fields[i].size);
	}
	reading_add(reading, "\n\n", 2);
}

/* What of a body the fields tell; *length of one that has a size. */
static inline enum reading_body reading_body_of(const struct reading_head *head, unsigned habits,
	enum reading_body otherwise, uint64_t *length)
{
	struct reading_text value, sizes[2];
	size_t lengths = 0, i;
	bool coded = false, chunked = false, bad = false;

	for (i = 0; i < head->count; i++) {
		if (reading_field(head->fields[i], "Content-Length", habits, &value))
			sizes[lengths++ > 0] = value;
		if (!reading_field(head->fields[i], "Transfer-Encoding", habits, &value))
			continue;
		coded = true;
		bad |= chunked;
		chunked = reading_has(value, "chunked", (habits & READING_ANY_CHUNKED) == 0) ||
			  (chunked && (habits & READING_ANY_CHUNKED) != 0);
	}
	if (habits == 0 && (lengths > 1 || (lengths > 0 && coded) || (coded && !chunked) || bad))
		return READING_BAD;
	if (chunked && (lengths == 0 || (habits & READING_LENGTH_FIRST) == 0))
		return READING_CHUNKED;
	if (lengths == 0)
		return otherwise;
	value = sizes[lengths > 1 && (habits & READING_LAST_LENGTH) != 0];
	return reading_number(value, 10, habits, length) ? READING_SIZED : READING_BAD;
}

/* ---- bodies ---- */

static inline bool reading_take(
	struct reading_cursor *cursor, struct reading *reading, uint64_t size)
{
	size_t there = (size_t)(cursor->end - cursor->at);
	size_t now = size < there ? (size_t)size : there;

	reading_add(reading, cursor->at, now);
	cursor->at += now;
	return now == size;
}

/*
 * Takes our carriers out of the data that begins there, and, if it has ended, blanks off its end.
 */
static inline void reading_strip(struct reading *reading, size_t begin, bool whole)
{
	static const char member[] = ",\"trace\":{";
	char *text = reading->text, *at = text + begin, *end, *carrier;

	while ((carrier = memmem(at, (size_t)(text + reading->size - at), member,
			sizeof member - 1)) != NULL) {
		end = memchr(carrier, '}', (size_t)(text + reading->size - carrier));
		if (end == NULL)
			return;
		memmove(carrier, end + 1, (size_t)(text + reading->size - end - 1));
		reading->size -= (size_t)(end + 1 - carrier);
		at = carrier;
	}
	while (whole && reading->size > begin && text[reading->size - 1] == ' ')
		reading->size--;
}

static inline bool reading_chunks(struct reading_cursor *cursor, struct reading *reading)
{
	struct reading_text line, number;
	size_t begin = reading->size;
	uint64_t size;

	do {
		if (!reading_line(cursor, reading, &line))
			return false;
		number = (struct reading_text){line.bytes, 0};
		while (number.size < line.size && strchr("; \t", line.bytes[number.size]) == NULL)
			number.size++;
		reading->bad |= !reading_number(number, 16, cursor->habits, &size);
		if (reading->bad || !reading_take(cursor, reading, size) ||
			(size > 0 && !reading_line(cursor, reading, &line))) {
			reading_strip(reading, begin, false);
			return false;
		}
		reading->bad |= size > 0 && line.size > 0;
		if (reading->bad)
			return false;
	} while (size > 0);
	reading_strip(reading, begin, true);
	reading_add_byte(reading, '\n');
	while (reading_line(cursor, reading, &line)) {
		if (line.size == 0)
			return true;
		reading_add(reading, line.bytes, line.size);
		reading_add_byte(reading, '\n');
	}
	return false;
}

static inline bool reading_body(struct reading_cursor *cursor, struct reading *reading,
	enum reading_body body, uint64_t length)
{
	size_t begin = reading->size;
	bool whole = true;

	if (body == READING_CHUNKED)
		return reading_chunks(cursor, reading);
	if (body == READING_SIZED)
		whole = reading_take(cursor, reading, length);
	else if (body == READING_TO_END)
		whole = !reading_take(cursor, reading, UINT64_MAX) && cursor->ended;
	reading_strip(reading, begin, whole);
	return whole;
}

/* ---- messages ---- */

/* Whether a start line is that of a HEAD. */
static inline bool reading_is_for_head(struct reading_text start)
{
	size_t i = 5;

	if (start.size < 5 || memcmp(start.bytes, "HEAD ", 5) != 0)
		return false;
	while (i < start.size && (unsigned char)start.bytes[i] > ' ' && start.bytes[i] != 0x7f)
		i++;
	return i > 5 && i < start.size && start.bytes[i] == ' ';
}

/* One message; to: the request that it answers, or NULL. False: it has not all come. */
static inline bool reading_message(
	struct reading_cursor *cursor, struct reading *reading, const struct reading_message *to)
{
	static struct reading_head head;
	struct reading_message *message = &reading->messages[reading->begun];
	enum reading_body body = READING_BAD;
	uint64_t length = 0;
	unsigned status = 0;
	size_t i;

	while (to == NULL && cursor->end - cursor->at >= 2 && memcmp(cursor->at, "\r\n", 2) == 0)
		cursor->at += 2;
	*message = (struct reading_message){
		.raw = (size_t)(cursor->at - cursor->begin), .text = reading->size};
	if (reading->begun + 1 == READING_MESSAGES_MAX || !reading_head(cursor, reading, &head))
		return false;
	for (i = 9; to != NULL && i < 12 && i < head.start.size; i++)
		status = status * 10 + (unsigned)(head.start.bytes[i] - '0');
	message->to_head = to == NULL && reading_is_for_head(head.start);
	message->is_old = head.start.size > 8 &&
			  memcmp(head.start.bytes + head.start.size - 8, "HTTP/1.0", 8) == 0;
	if (to != NULL && (to->to_head || status < 200 || status == 204 || status == 304))
		body = READING_NONE;
	else
		body = reading_body_of(
			&head, cursor->habits, to == NULL ? READING_NONE : READING_TO_END, &length);
	reading->bad |= body == READING_BAD;
	if (reading->bad)
		return false;
	if (to != NULL && status < 200 && status != 101) {
		if (!to->is_old)
			reading_add_head(reading, &head, false, true);
		return true;
	}
	reading->begun++;
	reading_add_head(reading, &head, to == NULL, false);
	if (!reading_body(cursor, reading, body, length))
		return false;
	reading_add_byte(reading, READING_MESSAGE_END);
	reading->whole++;
	return true;
}

/*
 * Reads what was said on a connection, behind what the reading has of those before. asked: the
 * requests that are answered, of which the reading has answered some, and answers_max of which
 * are answered at most; NULL: these are requests.
 */
static inline void reading_all(struct reading *reading, const char *bytes, size_t size, bool ended,
	unsigned habits, const struct reading *asked, size_t answers_max)
{
	struct reading_cursor cursor = {
		.begin = bytes, .at = bytes, .end = bytes + size, .habits = habits, .ended = ended};

	reading->used = 0;
	while (asked == NULL || reading->whole < answers_max) {
		if (!reading_message(&cursor, reading,
			    asked != NULL ? &asked->messages[reading->whole] : NULL))
			return;
		reading->used = (size_t)(cursor.at - bytes);
	}
}

#endif
