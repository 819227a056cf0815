#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H

/*
 * The WebSocket opening handshake with a backend, in which we are the client, since our own client
 * speaks no HTTP. Ends by the pair's open(), or with the session.
 */
struct pair;
struct upgrade;

/* NULL when out of memory. The caller owns it until it is told that the pair is upgraded. */
struct upgrade *upgrade_new(struct pair *pair);

/* The backend is there: sends it our request. */
void upgrade_connected(struct upgrade *upgrade);

/* The backend is readable. */
void upgrade_readable(struct upgrade *upgrade);

/* Too long a time has passed. */
void upgrade_timeout(struct upgrade *upgrade);

void upgrade_free(struct upgrade *upgrade);

#endif
