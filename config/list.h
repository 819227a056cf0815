#ifndef CONFIG_LIST_H
#define CONFIG_LIST_H

#include "config/config.h"
#include "config/options.h"

/* Lists of texts of one kind: who may come in. Few, so a plain array. */

/* Whether text may be in a list of that kind: NULL, or why not (static). */
const char *list_check(enum list_kind kind, const char *text);

/* Whether an item of LIST_PLACES is no place, but a word for all or nothing. */
bool list_is_switch(const char *text);

/* The first item that is a place in messages; NULL: there is none. */
const char *list_place(const struct config_list *list);

/* Whether an item is PLACE_HEADER. */
bool list_has_header(const struct config_list *list);

/* Adds a copy. 0, or -1 when memory is out. */
int list_add(struct config_list *list, const char *text);

/* Moves all of from behind what list has; from is empty then. 0, or -1 when memory is out. */
int list_append(struct config_list *list, struct config_list *from);

enum list_verdict { LIST_OK, LIST_WRONG, LIST_NO_MEMORY };

/*
 * Parses TEXT,TEXT with blanks around them; anything wrong discards it all, and *reason (static)
 * says what. On LIST_OK the list is the caller's.
 */
enum list_verdict list_parse(
	struct config_list *list, enum list_kind kind, const char *text, const char **reason);

void list_free(struct config_list *list);

#endif
