#ifndef CONFIG_PROFILE_LIFECYCLE_LOAD_H
#define CONFIG_PROFILE_LIFECYCLE_LOAD_H

struct file_node;
struct lifecycle;
struct reader;

/*
 * Makes a lifecycle from the member of a profile, whose reader tells where errors are. The caller
 * frees; NULL with one line in the reader's error: file, line, rule, member, what would be right.
 */
struct lifecycle *lifecycle_new(struct reader *reader, const struct file_node *node);

/* NULL and half-built lifecycles are fine. */
void lifecycle_free(struct lifecycle *lifecycle);

#endif
