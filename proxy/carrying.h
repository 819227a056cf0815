#ifndef PROXY_CARRYING_H
#define PROXY_CARRYING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/message/splice.h"

/* What joins the pumps of a session, or its exchanges, to its tracer and to its end. */
struct session;

/* Sets both pumps up, not flowing yet. */
void carrying_init(struct session *session);

/* What is done to the messages of a client that speaks HTTP; false: nobody looks at them. */
bool carrying_mode(struct session *session, enum splice_mode *mode);

/* What its messages say: see struct pair_hooks. */
void carrying_message(struct session *session, bool from_client, const struct envelope *envelope,
	uint64_t start_ns);
void carrying_record(struct session *session, bool from_client, const uint8_t *bytes, size_t size,
	bool first, bool last);
void carrying_troubles(struct session *session, bool from_client, unsigned troubles);

/* Messages flow in both directions, and are looked at as the settings say. */
void carrying_open(struct session *session);

#endif
