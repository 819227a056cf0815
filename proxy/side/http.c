/*
 * HTTP/1.x heads.
 *
 * A head is looked at in two steps: is its blank line there, and if so, each line in turn. The
 * first step goes on where it ended, or a head that comes byte by byte would cost the square of its
 * size. Strict where two readers of one head could disagree (RFC 9112: folded lines, white space
 * before a colon, control characters, a lone CR, a lone LF), which would let a message pass as
 * something else behind us. While the head is incomplete only its first bytes are checked.
 */
#include "proxy/side/http.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum http_kind { HTTP_REQUEST, HTTP_RESPONSE };

/* ---- characters ---- */

static bool http_is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 9110, 5.6.2: !#$%&'*+-.^_`|~, digits and letters. A bit each: it is asked for all names. */
bool http_is_token_char(char c)
{
	static const uint64_t is_token[4] = {0x03ff6cfa00000000, 0x57ffffffc7fffffe};
	unsigned char code = (unsigned char)c;

	return (is_token[code / 64] >> code % 64 & 1) != 0;
}

static bool http_is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool http_is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7f;
}

static size_t http_token_size(const char *bytes, size_t size)
{
	size_t i = 0;

	while (i < size && http_is_token_char(bytes[i]))
		i++;
	return i;
}

static struct http_text http_trim(const char *bytes, size_t size)
{
	while (size > 0 && http_is_space(*bytes)) {
		bytes++;
		size--;
	}
	while (size > 0 && http_is_space(bytes[size - 1]))
		size--;
	return (struct http_text){bytes, size};
}

/* False: no byte is below a blank, or 0x7f. True: one is, a tab maybe, or there is an 0xff. */
static bool http_word_may_have_control(uint64_t word)
{
	const uint64_t ones = UINT64_MAX / 255;

	return (((word - ones * ' ') | (word + ones)) & ~word & ones * 0x80) != 0;
}

/*
 * Whether a field value or reason phrase holds something but tabs and visible characters. Looked at
 * by eight bytes: the values of a handshake's heads are 2 % of what a short connection takes.
 */
static bool http_text_has_control(struct http_text text)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + sizeof word <= text.size; i += sizeof word) {
		memcpy(&word, text.bytes + i, sizeof word);
		if (http_word_may_have_control(word))
			break;
	}
	for (; i < text.size; i++)
		if (http_is_control(text.bytes[i]) && text.bytes[i] != '\t')
			return true;
	return false;
}

bool http_text_is(struct http_text text, struct http_text other)
{
	return text.size == other.size && strncasecmp(text.bytes, other.bytes, text.size) == 0;
}

bool http_text_is_exactly(struct http_text text, struct http_text other)
{
	return text.size == other.size && memcmp(text.bytes, other.bytes, text.size) == 0;
}

/* ---- lines ---- */

/* The line at bytes with its LF, which is there: http_head_end has seen it. */
static struct http_text http_line(const char *bytes, size_t size)
{
	const char *end = memchr(bytes, '\n', size);

	assert(end != NULL);
	return (struct http_text){bytes, (size_t)(end - bytes) + 1};
}

/* Of a line that ends with CR LF. */
static struct http_text http_line_content(struct http_text line)
{
	line.size -= 2;
	return line;
}

/* Section 2.2 allows a bare LF, and so not all readers end a line at the same place. */
static bool http_line_ends(struct http_text line)
{
	return line.size >= 2 && line.bytes[line.size - 2] == '\r';
}

/* Where the head ends, blank line included, good or not; 0 when that has not come. */
static size_t http_head_end(const char *bytes, size_t size)
{
	const char *at = bytes, *end = bytes + size;

	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		if (end - at >= 1 && at[0] == '\n')
			return (size_t)(at - bytes) + 1;
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at - bytes) + 2;
	}
	return 0;
}

static enum http_result http_fail(struct http_head *head, unsigned status, const char *reason)
{
	head->bad_status = status;
	head->bad_reason = reason;
	return HTTP_BAD;
}

/* ---- start lines ---- */

/* "HTTP/1." and a digit. Other versions have another framing. */
static bool http_version_read(struct http_text text, unsigned *version_minor)
{
	struct http_text name = HTTP_TEXT("HTTP/1.");
	char digit;

	if (text.size != name.size + 1 || memcmp(text.bytes, name.bytes, name.size) != 0)
		return false;
	digit = text.bytes[name.size];
	*version_minor = (unsigned)(digit - '0');
	return digit >= '0' && digit <= '9';
}

static enum http_result http_request_line_parse(struct http_head *head, struct http_text line)
{
	size_t method = http_token_size(line.bytes, line.size);
	size_t target = 0;
	struct http_text rest = {line.bytes + method, line.size - method};

	if (method == 0 || rest.size == 0 || rest.bytes[0] != ' ')
		return http_fail(head, 400, "bad method");
	rest.bytes++;
	rest.size--;
	while (target < rest.size && rest.bytes[target] != ' ' &&
		!http_is_control(rest.bytes[target]))
		target++;
	if (target == 0 || target == rest.size || rest.bytes[target] != ' ')
		return http_fail(head, 400, "bad request target");
	head->method = (struct http_text){line.bytes, method};
	head->target = (struct http_text){rest.bytes, target};
	rest = (struct http_text){rest.bytes + target + 1, rest.size - target - 1};
	if (http_version_read(rest, &head->version_minor))
		return HTTP_DONE;
	if (rest.size == 8 && memcmp(rest.bytes, "HTTP/2.", 7) == 0)
		return http_fail(head, 505, "HTTP/2 is not spoken here");
	return http_fail(head, 400, "bad HTTP version");
}

/* Three digits, 100 at least; 0 when there is something else. */
static unsigned http_status_read(const char *code)
{
	unsigned status = 0;
	size_t i;

	for (i = 0; i < 3; i++) {
		if (code[i] < '0' || code[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(code[i] - '0');
	}
	return status >= 100 ? status : 0;
}

/* RFC 9112, 4. The space after the code, which must be there, is often not. */
static enum http_result http_status_line_parse(struct http_head *head, struct http_text line)
{
	size_t version = HTTP_TEXT("HTTP/1.1").size;
	struct http_text reason;

	if (line.size < version ||
		!http_version_read((struct http_text){line.bytes, version}, &head->version_minor))
		return http_fail(head, 502, "bad HTTP version");
	if (line.size < version + 4 || line.bytes[version] != ' ')
		return http_fail(head, 502, "bad status code");
	head->status = http_status_read(line.bytes + version + 1);
	reason = (struct http_text){line.bytes + version + 4, line.size - version - 4};
	if (head->status == 0 || (reason.size > 0 && reason.bytes[0] != ' '))
		return http_fail(head, 502, "bad status code");
	if (http_text_has_control(reason))
		return http_fail(head, 502, "control character in the reason phrase");
	return HTTP_DONE;
}

/* ---- fields ---- */

static enum http_result http_field_parse(
	struct http_head *head, struct http_text line, unsigned bad_status)
{
	struct http_text content = http_line_content(line);
	size_t name = http_token_size(content.bytes, content.size);
	struct http_field *field;

	if (http_is_space(content.bytes[0]))
		return http_fail(head, bad_status, "folded field line");
	if (name == 0 || name == content.size || content.bytes[name] != ':')
		return http_fail(head, bad_status, "bad field name");
	if (head->field_count == HTTP_FIELDS_MAX)
		return http_fail(head, bad_status == 400 ? 431 : bad_status, "too many fields");
	field = &head->fields[head->field_count];
	field->name = (struct http_text){content.bytes, name};
	field->value = http_trim(content.bytes + name + 1, content.size - name - 1);
	field->line = line;
	if (http_text_has_control(field->value))
		return http_fail(head, bad_status, "control character in a field value");
	head->field_count++;
	return HTTP_DONE;
}

static enum http_result http_lines_parse(
	struct http_head *head, enum http_kind kind, const char *bytes, size_t size)
{
	unsigned bad_status = kind == HTTP_REQUEST ? 400 : 502;
	struct http_text line = http_line(bytes, size);
	enum http_result result;

	head->start_line = line;
	if (!http_line_ends(line))
		return http_fail(head, bad_status, "a line that ends without CR");
	result = kind == HTTP_REQUEST ? http_request_line_parse(head, http_line_content(line))
				      : http_status_line_parse(head, http_line_content(line));
	while (result == HTTP_DONE) {
		bytes += line.size;
		size -= line.size;
		line = http_line(bytes, size);
		if (!http_line_ends(line))
			return http_fail(head, bad_status, "a line that ends without CR");
		if (http_line_content(line).size == 0)
			break;
		result = http_field_parse(head, line, bad_status);
	}
	return result;
}

/* ---- what has come so far ---- */

/*
 * Looks at the first bytes, so that what is no HTTP at all is refused at once: HTTP_DONE when they
 * are good. Empty lines before a request are passed over (RFC 9112, 2.2).
 */
static enum http_result http_scan_begin(struct http_head *head, struct http_scan *scan,
	enum http_kind kind, const char *bytes, size_t size)
{
	struct http_text version = HTTP_TEXT("HTTP/1.");
	size_t at = scan->seen;

	if (kind == HTTP_RESPONSE) {
		if (memcmp(bytes, version.bytes, size < version.size ? size : version.size) != 0)
			return http_fail(head, 502, "bad HTTP version");
		return size < version.size ? HTTP_MORE : HTTP_DONE;
	}
	if (at == scan->begin) {
		while (at + 1 < size && bytes[at] == '\r' && bytes[at + 1] == '\n')
			at += 2;
		scan->begin = scan->seen = at;
		if (at == size || (bytes[at] == '\r' && at + 1 == size))
			return HTTP_MORE;
	}
	at += http_token_size(bytes + at, size - at);
	scan->seen = at;
	if (at == size)
		return HTTP_MORE;
	if (at == scan->begin || bytes[at] != ' ')
		return http_fail(head, 400, "bad method");
	return HTTP_DONE;
}

/* HTTP_DONE when the blank line is there. */
static enum http_result http_scan(struct http_head *head, struct http_scan *scan,
	enum http_kind kind, const char *bytes, size_t size)
{
	enum http_result result;
	size_t from, end;

	if (scan->size > 0)
		return HTTP_DONE; /* parsed before */
	if (!scan->begun) {
		result = http_scan_begin(head, scan, kind, bytes, size);
		if (result != HTTP_DONE)
			return result;
		scan->begun = true;
	}
	/* of a blank line's three bytes the first two may have come before */
	from = scan->seen >= scan->begin + 2 ? scan->seen - 2 : scan->begin;
	end = http_head_end(bytes + from, size - from);
	scan->seen = size;
	scan->size = end > 0 ? from + end : 0;
	return end > 0 ? HTTP_DONE : HTTP_MORE;
}

static enum http_result http_head_parse(struct http_head *head, struct http_scan *scan,
	enum http_kind kind, const char *bytes, size_t size)
{
	enum http_result result;

	/* Not the whole head: it is 24 KiB of fields. */
	head->method = head->target = head->start_line = (struct http_text){bytes, 0};
	head->status = head->version_minor = head->bad_status = 0;
	head->field_count = 0;
	head->bad_reason = NULL;
	assert(scan->seen <= size);
	result = http_scan(head, scan, kind, bytes, size);
	head->size = scan->size;
	if (result != HTTP_DONE)
		return result;
	return http_lines_parse(head, kind, bytes + scan->begin, head->size - scan->begin);
}

enum http_result http_request_parse(
	struct http_head *head, struct http_scan *scan, const char *bytes, size_t size)
{
	return http_head_parse(head, scan, HTTP_REQUEST, bytes, size);
}

enum http_result http_response_parse(
	struct http_head *head, struct http_scan *scan, const char *bytes, size_t size)
{
	return http_head_parse(head, scan, HTTP_RESPONSE, bytes, size);
}

const struct http_field *http_field_find(const struct http_head *head, const char *name)
{
	struct http_text wanted = {name, strlen(name)};
	size_t i;

	for (i = 0; i < head->field_count; i++)
		if (http_text_is(head->fields[i].name, wanted))
			return &head->fields[i];
	return NULL;
}

bool http_type_is(const struct http_head *head, const char *type)
{
	const struct http_field *field = http_field_find(head, "Content-Type");
	struct http_text wanted = {type, strlen(type)};

	return field != NULL && field->value.size >= wanted.size &&
	       http_text_is((struct http_text){field->value.bytes, wanted.size}, wanted) &&
	       (field->value.size == wanted.size ||
		       strchr("; \t", field->value.bytes[wanted.size]) != NULL);
}

size_t http_field_count(const struct http_head *head, const char *name)
{
	struct http_text wanted = {name, strlen(name)};
	size_t count = 0, i;

	for (i = 0; i < head->field_count; i++)
		count += http_text_is(head->fields[i].name, wanted);
	return count;
}

bool http_list_next(const struct http_head *head, const char *name, struct http_cursor *at,
	struct http_text *item)
{
	struct http_text wanted = {name, strlen(name)};
	const char *comma;
	size_t size;

	for (;;) {
		while (at->rest.size == 0) {
			if (at->field == head->field_count)
				return false;
			if (http_text_is(head->fields[at->field].name, wanted))
				at->rest = head->fields[at->field].value;
			at->field++;
		}
		comma = memchr(at->rest.bytes, ',', at->rest.size);
		size = comma != NULL ? (size_t)(comma - at->rest.bytes) : at->rest.size;
		*item = http_trim(at->rest.bytes, size);
		size += comma != NULL;
		at->rest = (struct http_text){at->rest.bytes + size, at->rest.size - size};
		if (item->size > 0)
			return true;
	}
}

bool http_field_has_token(const struct http_head *head, const char *name, const char *token)
{
	struct http_text wanted = {token, strlen(token)}, item;
	struct http_cursor at = {0};

	while (http_list_next(head, name, &at, &item))
		if (http_text_is(item, wanted))
			return true;
	return false;
}

bool http_field_has_exactly(const struct http_head *head, const char *name, struct http_text token)
{
	struct http_cursor at = {0};
	struct http_text item;

	while (http_list_next(head, name, &at, &item))
		if (http_text_is_exactly(item, token))
			return true;
	return false;
}

/* ---- targets ---- */

void http_target_split(struct http_text target, struct http_text *authority, struct http_text *path)
{
	size_t at = 0, end;

	*authority = (struct http_text){target.bytes, 0};
	*path = target;
	while (at < target.size &&
		(http_is_alphanumeric(target.bytes[at]) || strchr("+-.", target.bytes[at]) != NULL))
		at++;
	if (at == 0 || target.size - at < 3 || memcmp(target.bytes + at, "://", 3) != 0)
		return;
	at += 3;
	for (end = at; end < target.size && strchr("/?#", target.bytes[end]) == NULL; end++)
		;
	*authority = (struct http_text){target.bytes + at, end - at};
	*path = (struct http_text){target.bytes + end, target.size - end};
}

/* ---- passing on ---- */

#define HTTP_VIA       "Via: 1.1 sidespan\r\n"
#define HTTP_VIA_MINOR (sizeof "Via: 1." - 1)

/* Between two neighbours (RFC 9110, 7.6.1), as is what Connection names. */
static const char *const http_hop_by_hop[] = {
	"Connection",
	"Keep-Alive",
	"Proxy-Authenticate",
	"Proxy-Authorization",
	"Proxy-Connection",
	"TE",
	"Upgrade",
	NULL,
};

/* Without these a message would be another one: Connection may not name them. */
static const char *const http_end_to_end[] = {
	"Content-Length",
	"Host",
	"Transfer-Encoding",
	NULL,
};

static bool http_name_listed(struct http_text name, const char *const *list)
{
	for (; *list != NULL; list++)
		if (((**list ^ *name.bytes) & ~('a' ^ 'A')) == 0 && /* most differ there */
			http_text_is(name, (struct http_text){*list, strlen(*list)}))
			return true;
	return false;
}

const char *http_connection_check(const struct http_head *head)
{
	struct http_cursor at = {0};
	struct http_text option;
	size_t count = 0;

	while (http_list_next(head, "Connection", &at, &option)) {
		if (++count > HTTP_OPTIONS_MAX)
			return "too many connection options";
		if (http_name_listed(option, http_end_to_end))
			return "Connection names a field that is not its own";
	}
	return NULL;
}

/* Appends part at text + *used, or marks *used as overrun (size + 1). */
static void http_append(char *text, size_t size, size_t *used, struct http_text part)
{
	if (*used > size || part.size > size - *used) {
		*used = size + 1;
		return;
	}
	memcpy(text + *used, part.bytes, part.size);
	*used += part.size;
}

/* The line of the field, which may have another value. */
static void http_append_field(
	char *text, size_t size, size_t *used, const struct http_field *field, const char *length)
{
	if (length == NULL || !http_text_is(field->name, HTTP_TEXT("Content-Length"))) {
		http_append(text, size, used, field->line);
		return;
	}
	http_append(text, size, used, field->name);
	http_append(text, size, used, HTTP_TEXT(": "));
	http_append(text, size, used, (struct http_text){length, strlen(length)});
	http_append(text, size, used, HTTP_TEXT("\r\n"));
}

/* The version is that of the message as it came to us. */
static void http_append_via(char *text, size_t size, size_t *used, const struct http_head *head)
{
	char line[] = HTTP_VIA;

	line[HTTP_VIA_MINOR] = (char)('0' + head->version_minor);
	http_append(text, size, used, (struct http_text){line, sizeof line - 1});
}

size_t http_head_room(const struct http_head *head, const struct http_changes *changes)
{
	return head->size + strlen(changes->add) +
	       (changes->carrier != NULL ? strlen(changes->carrier) : 0) + sizeof HTTP_VIA +
	       HTTP_CHANGES_LENGTH_MAX + 4;
}

size_t http_head_forward(
	char *text, size_t size, const struct http_head *head, const struct http_changes *changes)
{
	struct http_text options[HTTP_OPTIONS_MAX], name;
	struct http_cursor at = {0};
	size_t option_count = 0, used = 0, i, j;

	while (http_list_next(head, "Connection", &at, &name)) {
		assert(option_count < HTTP_OPTIONS_MAX); /* http_connection_check() */
		options[option_count++] = name;
	}
	http_append(text, size, &used, head->start_line);
	for (i = 0; i < head->field_count; i++) {
		name = head->fields[i].name;
		for (j = 0; j < option_count && !http_text_is(name, options[j]); j++)
			;
		if (j == option_count && !http_name_listed(name, http_hop_by_hop) &&
			!http_name_listed(name, changes->drop))
			http_append_field(text, size, &used, &head->fields[i], changes->length);
	}
	if (changes->carrier != NULL)
		http_append(text, size, &used,
			(struct http_text){changes->carrier, strlen(changes->carrier)});
	if (changes->via)
		http_append_via(text, size, &used, head);
	http_append(text, size, &used, (struct http_text){changes->add, strlen(changes->add)});
	http_append(text, size, &used, HTTP_TEXT("\r\n"));
	return used <= size ? used : 0;
}
