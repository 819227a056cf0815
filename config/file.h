#ifndef CONFIG_FILE_H
#define CONFIG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A JSON file with comments, as a tree that remembers line numbers: configuration files,
 * environments and profiles. What the members mean is known elsewhere.
 *
 * In strings that are values, ${NAME} stands for an environment variable, which must be set;
 * ${NAME:-default} for the default when it is unset or empty; $$ for one $.
 */
#define FILE_SIZE_MAX  1048576 /* bytes of a file; settings are small */
#define FILE_DEPTH_MAX 16

enum file_type { FILE_OBJECT, FILE_ARRAY, FILE_STRING, FILE_NUMBER, FILE_BOOL, FILE_NULL };

struct file_node {
	enum file_type type;
	char *key;  /* name of the member; NULL in arrays and at the top */
	char *text; /* value of a string; a number, true, false as written; otherwise NULL */
	int line;
	const struct file *file;  /* where it was read */
	struct file_node *parent; /* NULL at the top */
	struct file_node *child;  /* first of an object's members, an array's elements */
	struct file_node *last;
	struct file_node *next; /* the next one with the same parent */
	struct file_node *made; /* the one made before it: a list of all nodes */
};

struct file {
	char *name;             /* as in messages */
	struct file_node *root; /* an object */
	struct file_node *made;
	uint64_t digest;   /* of its text: another one has another, but for bad luck */
	struct file *base; /* owned; that a profile extends, some of whose nodes are in its tree */
};

/*
 * Parses size bytes of text. The caller frees; NULL with one line in error that starts with name
 * and the line number.
 */
struct file *file_parse(const char *name, const char *text, size_t size, char *const *environment,
	char *error, size_t error_size);

/* The same with what is in the file path. */
struct file *file_read(const char *path, char *const *environment, char *error, size_t error_size);

void file_free(struct file *file);

/* What a node is, for messages: "a number". */
const char *file_type_name(enum file_type type);

/* The member of an object with that name, or NULL. */
const struct file_node *file_member(const struct file_node *object, const char *key);

#endif
