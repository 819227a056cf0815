/* Request lines of HTTP, told from anything else byte by byte; see request_line.h. */
#include "proxy/side/request_line.h"

#include <stdbool.h>
#include <string.h>

enum request_line_part {
	REQUEST_LINE_METHOD,
	REQUEST_LINE_BEFORE_TARGET,
	REQUEST_LINE_TARGET,
	REQUEST_LINE_BEFORE_VERSION,
	REQUEST_LINE_VERSION,
};

/* RFC 9110, 5.6.2 */
static bool request_line_is_token(uint8_t byte)
{
	static const char others[] = "!#$%&'*+-.^_`|~";

	return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
	       (byte >= 'a' && byte <= 'z') || (byte != '\0' && strchr(others, byte) != NULL);
}

/* RFC 9112, 3: who is lenient takes any of these for the one blank that there should be. */
static bool request_line_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* Servers leave out empty lines before it (RFC 9112, 2.2). */
static enum request_line_verdict request_line_method(struct request_line *line, uint8_t byte)
{
	uint16_t size = (uint16_t)(line->size - line->empty);

	if (size == 1 && (byte == '\r' || byte == '\n')) {
		line->empty++;
		return REQUEST_LINE_MORE;
	}
	if (request_line_is_token(byte))
		return size <= REQUEST_LINE_METHOD_MAX ? REQUEST_LINE_MORE : REQUEST_LINE_IS_NOT;
	if (!request_line_is_blank(byte) || size == 1)
		return REQUEST_LINE_IS_NOT;
	line->part = REQUEST_LINE_BEFORE_TARGET;
	return REQUEST_LINE_MORE;
}

static enum request_line_verdict request_line_target(struct request_line *line, uint8_t byte)
{
	if (byte > ' ' && byte != 0x7f)
		return REQUEST_LINE_MORE;
	if (!request_line_is_blank(byte))
		return REQUEST_LINE_IS_NOT;
	line->part = REQUEST_LINE_BEFORE_VERSION;
	return REQUEST_LINE_MORE;
}

/* "HTTP/" and a digit: whatever follows is not for us. */
static enum request_line_verdict request_line_version(struct request_line *line, uint8_t byte)
{
	static const uint8_t name[] = {'H', 'T', 'T', 'P', '/'};

	if (line->matched == sizeof name)
		return byte >= '0' && byte <= '9' ? REQUEST_LINE_IS : REQUEST_LINE_IS_NOT;
	return byte == name[line->matched++] ? REQUEST_LINE_MORE : REQUEST_LINE_IS_NOT;
}

static enum request_line_verdict request_line_byte(struct request_line *line, uint8_t byte)
{
	line->size++;
	switch ((enum request_line_part)line->part) {
	case REQUEST_LINE_METHOD:
		return request_line_method(line, byte);
	case REQUEST_LINE_BEFORE_TARGET:
		if (request_line_is_blank(byte))
			return REQUEST_LINE_MORE;
		line->part = REQUEST_LINE_TARGET;
		return request_line_target(line, byte);
	case REQUEST_LINE_TARGET:
		return request_line_target(line, byte);
	case REQUEST_LINE_BEFORE_VERSION:
		if (request_line_is_blank(byte))
			return REQUEST_LINE_MORE;
		line->part = REQUEST_LINE_VERSION;
		return request_line_version(line, byte);
	case REQUEST_LINE_VERSION:
		return request_line_version(line, byte);
	}
	return REQUEST_LINE_IS_NOT;
}

enum request_line_verdict request_line_feed(
	struct request_line *line, const uint8_t *bytes, size_t size)
{
	enum request_line_verdict verdict = REQUEST_LINE_MORE;
	size_t i;

	for (i = 0; i < size && verdict == REQUEST_LINE_MORE; i++)
		verdict = line->size < REQUEST_LINE_MAX ? request_line_byte(line, bytes[i])
							: REQUEST_LINE_IS;
	return verdict;
}
