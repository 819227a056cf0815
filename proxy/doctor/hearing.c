/*
 * Hearing; see hearing.h. What comes is kept and looked at again with more of it: it is one answer,
 * and short. Of HTTP nothing is looked at before the head is whole, and no head for objects.
 */
#include "proxy/doctor/hearing.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/message/envelope_fill.h"

static const char hearing_head_end[] = "\r\n\r\n";

/* What is behind the head of an answer of HTTP; NULL: that is not whole. */
static const char *hearing_behind_head(const struct hearing *hearing)
{
	const char *end =
		hearing->said.size > 0 ? strstr(hearing->said.bytes, hearing_head_end) : NULL;

	return end != NULL ? end + sizeof hearing_head_end - 1 : NULL;
}

const char *hearing_field(const struct hearing *hearing, const char *name, size_t *size)
{
	const char *behind = hearing->is_http ? hearing_behind_head(hearing) : NULL;
	const char *field = behind != NULL ? strcasestr(hearing->said.bytes, name) : NULL;

	if (field == NULL || field + strlen(name) >= behind)
		return NULL;
	field += strlen(name);
	field += strspn(field, " \t");
	*size = strcspn(field, "\r\n");
	return field;
}

/* What is whole of the chunks behind a head. */
static void hearing_join_chunks(struct hearing *hearing, const char *at)
{
	const char *end = hearing->said.bytes + hearing->said.size, *line;
	size_t size;

	assert(at >= hearing->said.bytes && at <= end);
	text_rewind(&hearing->body, 0);
	for (; (line = memmem(at, (size_t)(end - at), "\r\n", 2)) != NULL; at += size + 2) {
		size = strtoul(at, NULL, 16);
		at = line + 2;
		if (size == 0 || end - at < 2 || size > (size_t)(end - at) - 2)
			break;
		text_append(&hearing->body, at, size);
	}
}

/* Where to look for objects; its size. */
static size_t hearing_content(struct hearing *hearing, const char **content)
{
	size_t size;

	*content = hearing->said.bytes;
	if (!hearing->is_http)
		return hearing->said.size;
	*content = hearing_behind_head(hearing);
	if (*content == NULL)
		return 0;
	if (hearing_field(hearing, "\r\ntransfer-encoding:", &size) == NULL)
		return (size_t)(hearing->said.bytes + hearing->said.size - *content);
	hearing_join_chunks(hearing, *content);
	*content = hearing->body.bytes;
	return hearing->body.size;
}

/* What the head of an answer of HTTP says by itself: a status that is none of success. */
static enum hearing_verdict hearing_judge_head(struct hearing *hearing)
{
	const char *bytes = hearing->said.bytes;
	int status;

	if (!hearing->is_http || strncmp(bytes, "HTTP/1.", 7) != 0)
		return HEARING_MORE;
	status = (int)strtol(bytes + strlen("HTTP/1.1 "), NULL, 10);
	if (status < 300)
		return HEARING_MORE;
	hearing->status = status;
	/* what we answer when the server does not: the log says why */
	if (status == 502 || status == 504)
		return HEARING_LOST;
	(void)snprintf(hearing->why, sizeof hearing->why, "status %d", status); /* fits */
	return HEARING_REFUSED;
}

/* What the object that was read says. */
static enum hearing_verdict hearing_judge(struct hearing *hearing)
{
	struct envelope *envelope = &hearing->envelope;
	const struct envelope_value *id = envelope_value(envelope, ENVELOPE_ID);
	const struct envelope_value *code = envelope_value(envelope, ENVELOPE_ERROR_CODE);
	const struct envelope_value *text = envelope_value(envelope, ENVELOPE_ERROR_MESSAGE);
	enum envelope_kind kind = envelope_judge(envelope);

	if (kind == ENVELOPE_ERROR_REPLY) {
		(void)snprintf(hearing->why, sizeof hearing->why, "error %.*s: %.*s",
			(int)code->size, code->text, (int)text->size, text->text); /* may be cut */
		return HEARING_REFUSED;
	}
	return kind == ENVELOPE_RESULT_REPLY && id->size == 1 && id->text[0] == '1'
		       ? HEARING_ANSWERED
		       : HEARING_MORE;
}

enum hearing_verdict hearing_look(struct hearing *hearing)
{
	enum hearing_verdict verdict = hearing_judge_head(hearing);
	const char *content, *object;
	const uint8_t *at, *end;
	enum skim_event event;
	size_t size;

	if (verdict != HEARING_MORE)
		return verdict;
	size = hearing_content(hearing, &content);
	while (verdict == HEARING_MORE && size > hearing->at &&
		(object = memchr(content + hearing->at, '{', size - hearing->at)) != NULL) {
		at = (const uint8_t *)object;
		end = (const uint8_t *)content + size;
		skim_begin(&hearing->skim, SKIM_WATCH);
		event = skim_run(&hearing->skim, &at, end);
		if (event == SKIM_MORE)
			break; /* what begins there is looked at again, with more of it */
		if (event == SKIM_ENVELOPE_END) {
			verdict = hearing_judge(hearing);
			hearing->at = (size_t)((const char *)at - content);
		} else {
			hearing->at = (size_t)(object - content) + 1;
		}
	}
	return verdict;
}

int hearing_init(struct hearing *hearing, bool is_http, size_t bytes_max)
{
	memset(hearing, 0, sizeof *hearing);
	hearing->is_http = is_http;
	text_init(&hearing->said, bytes_max);
	text_init(&hearing->body, bytes_max);
	hearing->pointers = envelope_pointers_new("/trace");
	if (hearing->pointers == NULL || envelope_init(&hearing->envelope, hearing->pointers) != 0)
		return -1;
	skim_init(&hearing->skim, hearing->pointers, &hearing->envelope);
	return 0;
}

void hearing_done(struct hearing *hearing)
{
	text_done(&hearing->said);
	text_done(&hearing->body);
	envelope_done(&hearing->envelope);
	pointers_free(hearing->pointers);
}
