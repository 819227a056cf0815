#ifndef CONFIG_PROFILE_EXTEND_H
#define CONFIG_PROFILE_EXTEND_H

struct file;

/*
 * Puts the members of a profile that base has, and that file, which extends it, does not say
 * itself, into file: constants, operations, types of spans and memories by their names; captures
 * and rules before its own, but a rule with the name of one of file's gives way to that. Takes
 * base, which is freed with file and keeps its settings. "name", "match" and "extends" are not
 * inherited.
 */
void extend_profile(struct file *file, struct file *base);

#endif
