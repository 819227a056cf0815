#ifndef TESTS_DEMO_JSON_H
#define TESTS_DEMO_JSON_H

#include <stddef.h>
#include <stdio.h>
#include <yajl/yajl_tree.h>

/* What the two programs of the demo need of JSON: look-ups in a parsed line, and quoting. */

/* The text at a path that ends with NULL, or fallback where there is none. */
static inline const char *json_text_at(yajl_val value, const char **path, const char *fallback)
{
	yajl_val found = yajl_tree_get(value, path, yajl_t_string);

	return found ? found->u.string : fallback;
}

/* The same for a path of one or two names; inner may be NULL. */
static inline const char *json_text(
	yajl_val value, const char *outer, const char *inner, const char *fallback)
{
	const char *path[] = {outer, inner, NULL};

	return json_text_at(value, path, fallback);
}

static inline yajl_val json_member(yajl_val value, const char *name)
{
	const char *path[] = {name, NULL};

	return yajl_tree_get(value, path, yajl_t_any);
}

/* Writes text as a JSON string into quoted, cut where it does not fit; returns quoted. */
static inline const char *json_quote(char *quoted, size_t size, const char *text)
{
	size_t n = 0;

	quoted[n++] = '"';
	for (; *text && n + 8 < size; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20)
			n += (size_t)snprintf(quoted + n, size - n, "\\u%04x", c);
		else {
			if (c == '"' || c == '\\')
				quoted[n++] = '\\';
			quoted[n++] = (char)c;
		}
	}
	quoted[n++] = '"';
	quoted[n] = '\0';
	return quoted;
}

#endif
