#ifndef PROXY_CARRYING_H
#define PROXY_CARRYING_H

/* What joins the pumps of a session to its tracer and to its end. */
struct session;

/* Sets both pumps up, not flowing yet. */
void carrying_init(struct session *session);

/* Messages flow in both directions, and are looked at as the settings say. */
void carrying_open(struct session *session);

#endif
