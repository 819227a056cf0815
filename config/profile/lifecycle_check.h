#ifndef CONFIG_PROFILE_LIFECYCLE_CHECK_H
#define CONFIG_PROFILE_LIFECYCLE_CHECK_H

struct file_node;
struct lifecycle;
struct reader;

/*
 * Looks up the span of each rule and checks what must hold between the members of a lifecycle, all
 * of which are taken from node. 0, or -1 with the reader's error set.
 */
int lifecycle_check(
	struct reader *reader, const struct file_node *node, struct lifecycle *lifecycle);

#endif
