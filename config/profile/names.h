#ifndef CONFIG_PROFILE_NAMES_H
#define CONFIG_PROFILE_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct file_node;
struct profile;
struct reader;

/*
 * What a profile says of attributes by their names: constants and captures must not give one that
 * requests have without them, nor both the same; the {ATTRIBUTE} of names of spans, and those by
 * which requests are found, must be set by something. 0, or -1 with the reader's error set.
 */
int names_check(struct reader *reader, const struct file_node *root, const struct profile *profile);

/*
 * The first {ATTRIBUTE} in the name of requests that no request can have, with its size; NULL:
 * there is none. profile may have no lifecycle.
 */
const char *names_unknown(const struct profile *profile, const char *title, size_t *size);

/*
 * Why an attribute that is no profile's cannot have a name: it is one that sidespan sets, a
 * constant of the profile, or a part of the key of its spans. NULL: it can.
 */
const char *names_taken(const struct profile *profile, const char *name);

/* Whether one of the profile's captures gives the attribute. */
bool names_capture(const struct profile *profile, const char *name);

/*
 * Whether a span of that type, or "request", can have the attribute by itself: what all requests of
 * a connection have alike does not count.
 */
bool names_measured(const struct profile *profile, const char *span, const char *name);

/* How many different attributes they give. */
size_t names_capture_count(const struct profile *profile);

#endif
