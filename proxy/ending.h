#ifndef PROXY_ENDING_H
#define PROXY_ENDING_H

/*
 * How a session whose messages flow comes to its end: what the end of one side means for the other,
 * and how long is waited for what.
 */
struct pump;
struct session;

/* The source of a pump has ended; here is decided when the end is passed on. */
void ending_pump_ended(struct session *session, struct pump *pump);

/* A pump has passed on the end of its source. */
void ending_pump_done(struct session *session, struct pump *pump);

/* Writing in that direction failed. */
void ending_write_failed(struct session *session, struct pump *pump);

/* Something comes from a client whose backend takes no more. */
void ending_discard(struct session *session);

/* The command behind the session has ended. */
void ending_child_exited(struct session *session);

/* The session's timer, while it is open. */
void ending_timeout(struct session *session);

/* Now and then, while it is open: looks for a client that is gone where nothing is read from it. */
void ending_tick(struct session *session);

#endif
