/*
 * Any answer of a collector: a terminated message that may be shown; and whatever a full parser
 * takes for an object has the count and the message that it finds there.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_tree.h>

#include "exporter/escape.h"
#include "exporter/otlp/reply.h"
#include "exporter/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_expect_count(struct reply *expected, yajl_val value)
{
	const char *text = YAJL_IS_STRING(value)   ? YAJL_GET_STRING(value)
			   : YAJL_IS_NUMBER(value) ? YAJL_GET_NUMBER(value)
						   : "";
	size_t size = strlen(text);

	if (size > 0 && size <= 18 && strspn(text, "0123456789") == size)
		expected->rejected_spans = strtoull(text, NULL, 10);
}

static void fuzz_expect_message(struct reply *expected, yajl_val value)
{
	struct text shown;

	if (!YAJL_IS_STRING(value))
		return;
	text_init(&shown, sizeof expected->message - 1);
	escape_append_shown(&shown, value->u.string, strlen(value->u.string), 200);
	fuzz_require(shown.error == TEXT_OK);
	memset(expected->message, 0, sizeof expected->message);
	if (shown.size > 0)
		memcpy(expected->message, shown.bytes, shown.size);
	text_done(&shown);
}

/* The last of each counts, in the order in which they come. */
static void fuzz_expect(struct reply *expected, yajl_val object, bool in_partial_success)
{
	size_t i;

	for (i = 0; i < object->u.object.len; i++) {
		const char *key = object->u.object.keys[i];
		yajl_val value = object->u.object.values[i];

		if (in_partial_success && strcmp(key, "rejectedSpans") == 0)
			fuzz_expect_count(expected, value);
		else if (strcmp(key, in_partial_success ? "errorMessage" : "message") == 0)
			fuzz_expect_message(expected, value);
		else if (!in_partial_success && strcmp(key, "partialSuccess") == 0 &&
			 YAJL_IS_OBJECT(value))
			fuzz_expect(expected, value, true);
	}
}

/* What the two see differently: comments, blanks that are none, zeros, halves of a pair, depth. */
static bool fuzz_is_special(const char *text)
{
	size_t depth = 0;
	const char *at;

	for (at = text; *at != '\0'; at++)
		depth += *at == '[' || *at == '{';
	return depth > 60 || strpbrk(text, "\f\v") != NULL || strstr(text, "//") != NULL ||
	       strstr(text, "/*") != NULL || strstr(text, "\\u0000") != NULL ||
	       strstr(text, "\\ud") != NULL || strstr(text, "\\uD") != NULL;
}

/* The tree of text[0..size), with room for a byte more behind; NULL when it is not JSON. */
static yajl_val fuzz_tree(char *text, size_t size)
{
	char error[128];
	yajl_val tree, more;

	text[size] = '\0';
	tree = yajl_tree_parse(text, error, sizeof error);
	if (tree == NULL)
		return NULL;
	/* half a token behind the end is overlooked, unless something follows that completes it */
	text[size] = '"';
	text[size + 1] = '\0';
	more = yajl_tree_parse(text, error, sizeof error);
	text[size] = '\0';
	if (more == NULL) {
		yajl_tree_free(tree);
		return NULL;
	}
	yajl_tree_free(more);
	return tree;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *copy = malloc(size > 0 ? size : 1), *text;
	struct reply reply, expected = {0};
	const char *at;
	yajl_val tree;
	int result;

	fuzz_require(copy != NULL);
	if (size > 0)
		memcpy(copy, bytes, size);
	(void)reply_parse_protobuf(&reply, copy, size);
	fuzz_require(memchr(reply.message, '\0', sizeof reply.message) != NULL);
	result = reply_parse(&reply, copy, size); /* of its own size: nothing is read behind it */
	text = realloc(copy, size + 2);
	fuzz_require(text != NULL);
	text[size] = '\0';
	fuzz_require(memchr(reply.message, '\0', sizeof reply.message) != NULL);
	fuzz_require(result == 0 || (reply.rejected_spans == 0 && reply.message[0] == '\0'));
	for (at = reply.message; *at != '\0'; at++)
		fuzz_require((uint8_t)*at >= 0x20);
	tree = strlen(text) == size && !fuzz_is_special(text) ? fuzz_tree(text, size) : NULL;
	if (tree != NULL) {
		fuzz_require(result == (YAJL_IS_OBJECT(tree) ? 0 : -1));
		if (YAJL_IS_OBJECT(tree))
			fuzz_expect(&expected, tree, false);
		fuzz_require(reply.rejected_spans == expected.rejected_spans);
		fuzz_require(strcmp(reply.message, expected.message) == 0);
		yajl_tree_free(tree);
	}
	free(text);
	return 0;
}
