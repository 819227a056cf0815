#ifndef CONFIG_PROFILE_READER_H
#define CONFIG_PROFILE_READER_H

#include <stddef.h>

#include "config/file.h"
#include "config/profile/profile.h"

/*
 * Taking the members of a parsed file into structs, by tables. Everything returns 0, or -1 with one
 * line in error: file, line, the part of the file that is read, the member, what would be right.
 * What was taken until then stays in the struct, for its owner to free.
 */
#define READER_TEXT_MAX          255 /* bytes of a name, attribute, pointer or method */
#define READER_POINTER_DEPTH_MAX 8
#define READER_PART_SIZE         160

struct reader {
	char *error; /* borrowed */
	size_t error_size;
	const struct file_node *part; /* a rule, say: messages begin with its name; NULL: none */
	char part_name[READER_PART_SIZE];
	/* Those that have been taken so far, each once; borrowed from the file. */
	const char *pointers[PROFILE_POINTERS_MAX];
	const char *patterns[PROFILE_PATTERNS_MAX];
	size_t pointer_count, pattern_count;
};

/* Takes node into what target points to. */
typedef int reader_take(struct reader *reader, const struct file_node *node, void *target);

/* One member that an object may have; a list of them ends with a NULL key. */
struct reader_member {
	const char *key;
	reader_take *take; /* NULL: it is one of words */
	size_t offset;     /* of its target in the object's struct */
	/* They end with NULL; the target, an enum or a bool of that size, gets the place of one. */
	const char *const *words;
	size_t size;
};

/* What stands in a row behind the key: for a member that a taker puts into a field, */
#define READER_FIELD(type, field, take) take, offsetof(type, field), NULL, 0
/* for one whose taker gets the whole struct, */
#define READER_WHOLE(take) take, 0, NULL, 0
/* and for one that is one of words. */
#define READER_WORD(type, field, words)                                                            \
	NULL, offsetof(type, field), words, sizeof((type *)NULL)->field
#define READER_END                                                                                 \
	{                                                                                          \
		NULL, NULL, 0, NULL, 0                                                             \
	}

/* Sets the error. Returns -1. */
int reader_fail(struct reader *reader, const struct file_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int reader_fail_memory(struct reader *reader, const struct file_node *node);

/* From here on, messages about what is in node begin with its name: 'rule "x": '. */
void reader_enter(struct reader *reader, const struct file_node *node, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void reader_leave(struct reader *reader);

int reader_expect(struct reader *reader, const struct file_node *node, enum file_type type);

/* Fails when an earlier member of the same object has the same name. */
int reader_expect_single(struct reader *reader, const struct file_node *node);

/* Gives each member of object to its taker. */
int reader_take_members(struct reader *reader, const struct file_node *object,
	const struct reader_member *members, void *target);

/*
 * Room, all zero, for the 1 to count_max members of a list or an object, and their number. The
 * caller frees; NULL with the error set.
 */
void *reader_new_items(struct reader *reader, const struct file_node *node, enum file_type type,
	size_t count_max, size_t size, size_t *count);

/* Gives each member of a list or an object to take, with its item: size bytes of the room. */
int reader_take_items(struct reader *reader, const struct file_node *node, reader_take *take,
	void *items, size_t size);

/* A list of 1 to count_max texts; reader_free_texts() frees what there is, also after a failure. */
int reader_take_texts(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max);
void reader_free_texts(char **texts, size_t count);

/* The same, or one text, which is a list of one. */
int reader_take_texts_or_one(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max);

/* Names of methods: one or several. One may end in *, which stands for any ending, nowhere else. */
int reader_take_methods(struct reader *reader, const struct file_node *node, char ***texts,
	size_t *count, size_t count_max);

/* The place of node's text in words, which end with NULL, or -1 with the error set. */
int reader_find_word(struct reader *reader, const struct file_node *node, const char *const *words);

/* Takers. The target of the first six is a char *, which is the caller's to free. */
reader_take reader_take_text;    /* a string of reasonable size */
reader_take reader_take_word;    /* of small letters, digits, _ and - */
reader_take reader_take_pointer; /* a JSON pointer, RFC 6901 */
reader_take reader_take_key;     /* the name of a member: a text */
reader_take reader_take_key_method;
reader_take reader_take_key_pointer;
reader_take reader_take_bool;

#endif
