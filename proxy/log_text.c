/*
 * A line of the log; see log_text.h. Nothing here allocates or fails. The time of a line is the
 * wall clock's when it is made, and used for nothing else.
 */
#include "proxy/log_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* The size of the well-formed character of several bytes that is there; 0: there is none. */
static size_t log_text_character(const unsigned char *bytes, size_t size)
{
	size_t count = bytes[0] < 0xc2   ? 0
		       : bytes[0] < 0xe0 ? 2
		       : bytes[0] < 0xf0 ? 3
		       : bytes[0] < 0xf5 ? 4
					 : 0;
	size_t i;

	if (count == 0 || count > size)
		return 0;
	for (i = 1; i < count; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	/* neither longer than need be, nor a surrogate, nor beyond Unicode */
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
		(bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return count;
}

/* The inside of a JSON string, cut before a character for which there is no room. */
static void log_text_put_json(struct log_text_line *line, const char *bytes, size_t size)
{
	char escaped[8];
	size_t count, i;

	for (i = 0; i < size; i += count) {
		unsigned char byte = (unsigned char)bytes[i];
		const char *text = bytes + i;
		size_t text_size = 1;

		count = 1;
		if (byte == '"' || byte == '\\' || byte < 0x20) {
			text_size = (size_t)snprintf(escaped, sizeof escaped,
				byte < 0x20 ? "\\u%04x" : "\\%c", byte); /* fits */
			text = escaped;
		} else if (byte >= 0x80) {
			count = log_text_character((const unsigned char *)bytes + i, size - i);
			text_size = count > 0 ? count : strlen("\\ufffd");
			text = count > 0 ? text : "\\ufffd";
			count = count > 0 ? count : 1;
		}
		if (text_size > line->room - line->size)
			return;
		log_text_put(line, text, text_size);
	}
}

size_t log_text_make(char bytes[LOG_LINE_MAX], enum log_style style, enum log_level level,
	const char *text, size_t size)
{
	static const char end[] = "\"}\n";
	const char *name = log_text_names[level];
	struct log_text_line line = {.bytes = bytes, .room = LOG_LINE_MAX - sizeof end};

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
	log_text_put(&line, text, size);
	line.room += sizeof end;
	LOG_TEXT_PUT(&line, "\n");
	return line.size;
}
