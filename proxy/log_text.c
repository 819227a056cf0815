/*
 * A line of the log; see log_text.h. Whatever got into its text, it is one line, and does nothing
 * to a terminal: peers' texts come through log_escape(), but names of files and what a
 * configuration says may have anything in them. Nothing here allocates or fails. The time of a line
 * is the wall clock's when it is made, and used for nothing else.
 */
#include "proxy/log_text.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "exporter/escape.h"
#include "w3c/json.h"

static const char *const log_text_names[] = {"error", "warn", "info", "debug"};

/* What is being written. */
struct log_text_line {
	char *bytes;       /* borrowed */
	size_t size, room; /* room: how much may be written */
};

static void log_text_put(struct log_text_line *line, const char *bytes, size_t size)
{
	if (size > line->room - line->size)
		size = line->room - line->size;
	memcpy(line->bytes + line->size, bytes, size);
	line->size += size;
}

#define LOG_TEXT_PUT(line, literal) log_text_put(line, literal, sizeof(literal) - 1)

static void log_text_put_time(struct log_text_line *line)
{
	struct timespec now;
	struct tm utc;
	char text[64];
	size_t size;

	(void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail */
	if (gmtime_r(&now.tv_sec, &utc) == NULL)
		return;
	size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
	size += (size_t)snprintf(
		text + size, sizeof text - size, ".%03ldZ", now.tv_nsec / 1000000); /* fits */
	log_text_put(line, text, size);
}

/* The inside of a JSON string, cut before a character for which there is no room. */
static void log_text_put_json(struct log_text_line *line, const char *bytes, size_t size)
{
	const char *text;
	size_t taken, text_size;
	uint32_t character;
	char escaped[JSON_ESCAPE_MAX];

	for (; size > 0; bytes += taken, size -= taken) {
		taken = utf8_next(bytes, size, &character);
		text = bytes;
		text_size = taken;
		if (character == '"' || character == '\\' || escape_is_hidden(character)) {
			if (character == UTF8_BROKEN)
				character = 0xfffd;
			text = escaped;
			text_size = (size_t)(json_put_escape(escaped, character) - escaped);
		}
		if (text_size > line->room - line->size)
			return;
		log_text_put(line, text, text_size);
	}
}

/* For a terminal, cut likewise. */
static void log_text_put_shown(struct log_text_line *line, const char *bytes, size_t size)
{
	static const char replacement[] = "\xef\xbf\xbd";
	uint32_t character;
	size_t taken, text_size;
	bool hidden;

	for (; size > 0; bytes += taken, size -= taken) {
		taken = utf8_next(bytes, size, &character);
		hidden = escape_is_hidden(character);
		text_size = hidden ? sizeof replacement - 1 : taken;
		if (text_size > line->room - line->size)
			return;
		log_text_put(line, hidden ? replacement : bytes, text_size);
	}
}

size_t log_text_make(char bytes[LOG_LINE_MAX], enum log_style style, enum log_level level,
	const char *text, size_t size)
{
	static const char end[] = "\"}\n";
	const char *name;
	struct log_text_line line = {.bytes = bytes, .room = LOG_LINE_MAX - sizeof end};

	assert(level <= LOG_DEBUG);
	name = log_text_names[level];
	if (style == LOG_JSON) {
		LOG_TEXT_PUT(&line, "{\"time\":\"");
		log_text_put_time(&line);
		LOG_TEXT_PUT(&line, "\",\"level\":\"");
		log_text_put(&line, name, strlen(name));
		LOG_TEXT_PUT(&line, "\",\"logger\":\"sidespan\",\"message\":\"");
		log_text_put_json(&line, text, size);
		line.room += sizeof end;
		LOG_TEXT_PUT(&line, end);
		return line.size;
	}
	if (style == LOG_STAMPED) {
		log_text_put_time(&line);
		LOG_TEXT_PUT(&line, " ");
	}
	LOG_TEXT_PUT(&line, "sidespan: ");
	log_text_put(&line, name, strlen(name));
	LOG_TEXT_PUT(&line, ": ");
	log_text_put_shown(&line, text, size);
	line.room += sizeof end;
	LOG_TEXT_PUT(&line, "\n");
	return line.size;
}
