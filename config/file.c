/*
 * JSON with comments, read by yajl in one piece, made into a tree. yajl tells how far it has come,
 * so each node gets the line its token ends on, which is the line it is on: a JSON string has no
 * line breaks. Depth and size are limited. Whatever fails, the nodes made so far hang on one list.
 */
#include "config/file.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "config/value.h"
#include "config/variables.h"
#include "config/yajl_memory.h"

_Static_assert(FILE_DEPTH_MAX <= YAJL_MEMORY_DEPTH_MAX, "yajl has memory for no more");

struct file_parser {
	struct file *file;
	yajl_handle yajl;
	const char *text;
	size_t size;
	size_t counted; /* bytes of text whose line breaks are in line */
	int line;
	int depth;
	struct file_node *parent; /* what is open */
	char *key;                /* owned: of the member whose value comes next */
	char *const *environment;
	char *error;
	size_t error_size;
};

static int file_line(struct file_parser *parser, size_t offset)
{
	/* At the end yajl reads a blank of its own, so it may come further than the text. */
	for (; parser->counted < offset && parser->counted < parser->size; parser->counted++)
		if (parser->text[parser->counted] == '\n')
			parser->line++;
	return parser->line;
}

/* Returns 0, which makes yajl stop. The first error is the one that counts. */
static int file_fail(struct file_parser *parser, const char *what)
{
	(void)snprintf(parser->error, parser->error_size, "%s:%d: %s", parser->file->name,
		file_line(parser, yajl_get_bytes_consumed(parser->yajl)), what);
	return 0;
}

/* Takes text, which may be NULL for what has none. */
static struct file_node *file_add(struct file_parser *parser, enum file_type type, char *text)
{
	struct file_node *node = calloc(1, sizeof *node);
	struct file_node *parent = parser->parent;

	if (node == NULL) {
		free(text);
		(void)file_fail(parser, "out of memory");
		return NULL;
	}
	assert((parser->key != NULL) == (parent != NULL && parent->type == FILE_OBJECT));
	node->type = type;
	node->text = text;
	node->key = parser->key;
	parser->key = NULL;
	node->line = file_line(parser, yajl_get_bytes_consumed(parser->yajl));
	node->file = parser->file;
	node->parent = parent;
	node->made = parser->file->made;
	parser->file->made = node;
	if (parent == NULL)
		parser->file->root = node;
	else if (parent->last == NULL)
		parent->child = node;
	else
		parent->last->next = node;
	if (parent != NULL)
		parent->last = node;
	return node;
}

static int file_add_text(
	struct file_parser *parser, enum file_type type, const char *text, size_t size)
{
	char *copy = strndup(text, size);

	if (copy == NULL)
		return file_fail(parser, "out of memory");
	return file_add(parser, type, copy) != NULL;
}

static int file_open(struct file_parser *parser, enum file_type type)
{
	struct file_node *node;

	assert(parser->depth <= FILE_DEPTH_MAX);
	if (parser->depth == FILE_DEPTH_MAX)
		return file_fail(parser, "nested too deeply: nothing here has more than 16 levels");
	node = file_add(parser, type, NULL);
	if (node == NULL)
		return 0;
	parser->parent = node;
	parser->depth++;
	return 1;
}

static int file_close(void *arg)
{
	struct file_parser *parser = arg;

	assert(parser->depth > 0 && parser->parent != NULL); /* yajl pairs them */
	parser->parent = parser->parent->parent;
	parser->depth--;
	return 1;
}

static int file_on_null(void *arg)
{
	return file_add(arg, FILE_NULL, NULL) != NULL;
}

static int file_on_boolean(void *arg, int value)
{
	const char *text = value ? "true" : "false";

	return file_add_text(arg, FILE_BOOL, text, strlen(text));
}

static int file_on_number(void *arg, const char *text, size_t size)
{
	return file_add_text(arg, FILE_NUMBER, text, size);
}

static int file_on_object(void *arg)
{
	return file_open(arg, FILE_OBJECT);
}

static int file_on_array(void *arg)
{
	return file_open(arg, FILE_ARRAY);
}

static int file_on_key(void *arg, const unsigned char *text, size_t size)
{
	struct file_parser *parser = arg;

	if (memchr(text, '\0', size) != NULL)
		return file_fail(parser, "a name has a \\u0000");
	assert(parser->key == NULL);
	parser->key = strndup((const char *)text, size);
	return parser->key != NULL ? 1 : file_fail(parser, "out of memory");
}

static size_t file_name_size(const char *text)
{
	size_t size = 0;

	if (isdigit((unsigned char)*text))
		return 0;
	while (isalnum((unsigned char)text[size]) || text[size] == '_')
		size++;
	return size;
}

/*
 * Puts what the reference at text ("${...}") stands for into *value and *value_size and returns the
 * size of the reference, or 0 after an error.
 */
static size_t file_resolve(
	struct file_parser *parser, const char *text, const char **value, size_t *value_size)
{
	size_t size = file_name_size(text + 2);
	const char *behind = text + 2 + size;
	const char *end = strchr(behind, '}');
	char quote[VALUE_QUOTE_SIZE];
	char what[2 * VALUE_QUOTE_SIZE];

	if (size == 0 || end == NULL || (behind != end && strncmp(behind, ":-", 2) != 0)) {
		(void)file_fail(parser, "must be ${NAME} or ${NAME:-default}; a $ itself is $$");
		return 0;
	}
	*value = variables_find(parser->environment, text + 2, size);
	if (*value != NULL) {
		*value_size = strlen(*value);
	} else if (behind != end) {
		*value = behind + 2;
		*value_size = (size_t)(end - *value);
	} else {
		(void)snprintf(what, sizeof what,
			"%s: %.*s is not set: set it or write ${%.*s:-default}",
			value_quote(quote, parser->key == NULL ? "" : parser->key), (int)size,
			text + 2, (int)size, text + 2);
		(void)file_fail(parser, what);
		return 0;
	}
	return (size_t)(end - text) + 1;
}

/* Appends size bytes to *text, which holds *used of them and a terminator. 0 or -1. */
static int file_append(char **text, size_t *used, const char *more, size_t size)
{
	char *grown = realloc(*text, *used + size + 1);

	if (grown == NULL)
		return -1;
	memcpy(grown + *used, more, size);
	*used += size;
	grown[*used] = '\0';
	*text = grown;
	return 0;
}

/* A copy of text with its references resolved, or NULL after an error. */
static char *file_expand(struct file_parser *parser, const char *text)
{
	char *expanded = NULL;
	size_t used = 0;
	const char *value;
	size_t size, taken;

	do {
		value = text;
		size = taken = strcspn(text, "$");
		if (size == 0 && strncmp(text, "${", 2) == 0) {
			taken = file_resolve(parser, text, &value, &size);
			if (taken == 0)
				goto fail;
		} else if (size == 0 && *text == '$') {
			size = 1;
			taken = text[1] == '$' ? 2 : 1;
		}
		if (file_append(&expanded, &used, value, size) != 0) {
			(void)file_fail(parser, "out of memory");
			goto fail;
		}
		text += taken;
	} while (*text != '\0');
	return expanded;
fail:
	free(expanded);
	return NULL;
}

static int file_on_string(void *arg, const unsigned char *bytes, size_t size)
{
	struct file_parser *parser = arg;
	char *text, *expanded;

	if (memchr(bytes, '\0', size) != NULL)
		return file_fail(parser, "a string has a \\u0000");
	text = strndup((const char *)bytes, size);
	if (text == NULL)
		return file_fail(parser, "out of memory");
	expanded = file_expand(parser, text);
	free(text);
	return expanded != NULL && file_add(parser, FILE_STRING, expanded) != NULL;
}

static const yajl_callbacks file_callbacks = {
	.yajl_null = file_on_null,
	.yajl_boolean = file_on_boolean,
	.yajl_number = file_on_number,
	.yajl_string = file_on_string,
	.yajl_start_map = file_on_object,
	.yajl_map_key = file_on_key,
	.yajl_end_map = file_close,
	.yajl_start_array = file_on_array,
	.yajl_end_array = file_close,
};

/* What yajl found wrong, without its prefix and line end. */
static void file_fail_syntax(struct file_parser *parser)
{
	unsigned char *text =
		yajl_get_error(parser->yajl, 0, (const unsigned char *)parser->text, parser->size);
	const char *colon = text == NULL ? NULL : strstr((const char *)text, ": ");
	const char *what = colon == NULL ? "something is wrong" : colon + 2;
	char line[128];

	(void)snprintf(line, sizeof line, "not JSON: %.*s", (int)strcspn(what, "\n"), what);
	(void)file_fail(parser, line);
	if (text != NULL)
		yajl_free_error(parser->yajl, text);
}

static int file_parse_text(struct file_parser *parser)
{
	yajl_status status;

	status = yajl_parse(parser->yajl, (const unsigned char *)parser->text, parser->size);
	if (status == yajl_status_ok) {
		/* From here on yajl counts from zero again: all lines are seen. */
		(void)file_line(parser, parser->size);
		status = yajl_complete_parse(parser->yajl);
	}
	if (status == yajl_status_error)
		file_fail_syntax(parser);
	if (status != yajl_status_ok)
		return -1;
	if (parser->file->root->type == FILE_OBJECT)
		return 0;
	(void)file_fail(parser, "must be an object: { ... }");
	return -1;
}

static struct file *file_new(const char *name)
{
	struct file *file = calloc(1, sizeof *file);

	if (file == NULL)
		return NULL;
	file->name = strdup(name);
	if (file->name != NULL)
		return file;
	free(file);
	return NULL;
}

/* FNV-1a, 64 bits. */
static uint64_t file_digest(const char *text, size_t size)
{
	uint64_t hash = 0xcbf29ce484222325u;

	while (size-- > 0)
		hash = (hash ^ (uint8_t)*text++) * 0x100000001b3u;
	return hash;
}

struct file *file_parse(const char *name, const char *text, size_t size, char *const *environment,
	char *error, size_t error_size)
{
	struct file_parser parser = {.text = text,
		.size = size,
		.line = 1,
		.environment = environment,
		.error = error,
		.error_size = error_size};
	struct yajl_memory memory;
	int result = -1;

	assert(size <= FILE_SIZE_MAX);
	parser.file = file_new(name);
	if (parser.file == NULL || yajl_memory_init(&memory, size) != 0) {
		(void)snprintf(error, error_size, "%s: out of memory", name);
		goto out;
	}
	parser.file->digest = file_digest(text, size);
	parser.yajl = yajl_alloc(&file_callbacks, &memory.functions, &parser);
	(void)yajl_config(parser.yajl, yajl_allow_comments, 1); /* an option that it has */
	result = file_parse_text(&parser);
	yajl_free(parser.yajl);
	yajl_memory_done(&memory);
	free(parser.key);
out:
	if (result == 0)
		return parser.file;
	file_free(parser.file);
	return NULL;
}

/* Reads what stream has into text, which has room bytes. Returns the size, or -1 with errno. */
static long file_read_stream(FILE *stream, char *text, size_t room)
{
	size_t size = fread(text, 1, room, stream);

	return ferror(stream) ? -1 : (long)size;
}

struct file *file_read(const char *path, char *const *environment, char *error, size_t error_size)
{
	FILE *stream = fopen(path, "re");
	struct file *file = NULL;
	char *text = NULL;
	long size;

	if (stream == NULL) {
		(void)snprintf(
			error, error_size, "%s: cannot be opened: %s", path, strerror(errno));
		return NULL;
	}
	text = malloc(FILE_SIZE_MAX + 1);
	size = text == NULL ? 0 : file_read_stream(stream, text, FILE_SIZE_MAX + 1);
	if (text == NULL)
		(void)snprintf(error, error_size, "%s: out of memory", path);
	else if (size < 0)
		(void)snprintf(error, error_size, "%s: cannot be read: %s", path, strerror(errno));
	else if (size > FILE_SIZE_MAX)
		(void)snprintf(error, error_size, "%s: larger than 1 MiB", path);
	else
		file = file_parse(path, text, (size_t)size, environment, error, error_size);
	free(text);
	(void)fclose(stream); /* only read */
	return file;
}

void file_free(struct file *file)
{
	struct file_node *node;

	if (file == NULL)
		return;
	while ((node = file->made) != NULL) {
		file->made = node->made;
		free(node->key);
		free(node->text);
		free(node);
	}
	file_free(file->base); /* as long as profiles extend each other */
	free(file->name);
	free(file);
}

const char *file_type_name(enum file_type type)
{
	static const char *const names[] = {
		[FILE_OBJECT] = "an object",
		[FILE_ARRAY] = "a list",
		[FILE_STRING] = "a string",
		[FILE_NUMBER] = "a number",
		[FILE_BOOL] = "true or false",
		[FILE_NULL] = "null",
	};

	assert(type <= FILE_NULL);
	return names[type];
}

const struct file_node *file_member(const struct file_node *object, const char *key)
{
	const struct file_node *node;

	assert(object->type == FILE_OBJECT || object->child == NULL);
	for (node = object->child; node != NULL; node = node->next)
		if (strcmp(node->key, key) == 0)
			return node;
	return NULL;
}
