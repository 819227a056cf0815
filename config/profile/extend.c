/*
 * One profile on top of another, as trees: what the lower one has moves into the upper one's, node
 * by node, so that the result is read and checked like any other. Messages about a node still name
 * the file that it came from.
 */
#include "config/profile/extend.h"

#include <stdbool.h>
#include <string.h>

#include "config/file.h"

/* What a profile says of itself alone; its settings are applied by themselves. */
static bool extend_is_own(const struct file_node *node)
{
	return strcmp(node->key, "name") == 0 || strcmp(node->key, "match") == 0 ||
	       strcmp(node->key, "extends") == 0 || strcmp(node->key, "settings") == 0;
}

/* Objects whose members come together; all others are taken as a whole. */
static bool extend_is_joined(const struct file_node *node)
{
	static const struct {
		const char *name, *parent;
	} joined[] = {{"constants", NULL}, {"lifecycle", NULL}, {"dispatch", "lifecycle"},
		{"spans", "lifecycle"}, {"memories", "lifecycle"}, {"operations", "dispatch"}};
	const char *parent = node->parent->key;
	size_t i;

	for (i = 0; i < sizeof joined / sizeof joined[0]; i++)
		if (strcmp(node->key, joined[i].name) == 0 &&
			(parent == NULL ? joined[i].parent == NULL
					: joined[i].parent != NULL &&
						  strcmp(parent, joined[i].parent) == 0))
			return node->type == FILE_OBJECT;
	return false;
}

/* Takes *at out of its list; it becomes the child of to behind last (NULL: the first). */
static struct file_node *extend_move(
	struct file_node *to, struct file_node *last, struct file_node **at)
{
	struct file_node *node = *at;
	struct file_node **behind = last == NULL ? &to->child : &last->next;

	*at = node->next;
	node->parent = to;
	node->next = *behind;
	*behind = node;
	if (node->next == NULL)
		to->last = node;
	return node;
}

static struct file_node *extend_member(const struct file_node *object, const char *key)
{
	struct file_node *node = object->child;

	while (node != NULL && (node->key == NULL || strcmp(node->key, key) != 0))
		node = node->next;
	return node;
}

/* The name of a rule, or NULL. */
static const char *extend_name(const struct file_node *rule)
{
	const struct file_node *name = extend_member(rule, "name");

	return name != NULL && name->type == FILE_STRING ? name->text : NULL;
}

static bool extend_has_name(const struct file_node *rules, const char *name)
{
	const struct file_node *node;

	for (node = rules->child; node != NULL && name != NULL; node = node->next)
		if (extend_name(node) != NULL && strcmp(extend_name(node), name) == 0)
			return true;
	return false;
}

/* Puts the elements of a list of the base before those that there are. */
static void extend_list(struct file_node *to, struct file_node *from)
{
	struct file_node **at = &from->child, *last = NULL;

	while (*at != NULL)
		if (extend_has_name(to, extend_name(*at)))
			at = &(*at)->next;
		else
			last = extend_move(to, last, at);
}

/* Puts what to lacks before what it has; what both have is joined, as deep as there are names. */
static void extend_object(struct file_node *to, struct file_node *from)
{
	struct file_node **at = &from->child, *last = NULL, *same;

	while (*at != NULL) {
		bool own = from->parent == NULL && extend_is_own(*at);

		same = own ? NULL : extend_member(to, (*at)->key);
		if (same == NULL && !own) {
			last = extend_move(to, last, at);
			continue;
		}
		if (same != NULL && same->type == FILE_ARRAY && (*at)->type == FILE_ARRAY)
			extend_list(same, *at);
		else if (same != NULL && same->type == FILE_OBJECT && extend_is_joined(*at))
			extend_object(same, *at);
		at = &(*at)->next;
	}
}

void extend_profile(struct file *file, struct file *base)
{
	extend_object(file->root, base->root);
	file->base = base;
}
