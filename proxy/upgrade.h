#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H

#include "proxy/endpoint/endpoint.h"

/*
 * The beginning of a session that speaks HTTP: the client's request, and the WebSocket opening
 * handshake with the client, with the backend, or handed through between them. Ends by the pair's
 * open(), in an exchange (of a plain request, or of the backend's refusal), or in a refusal of our
 * own.
 */
struct pair;
struct upgrade;

/* NULL when out of memory. The caller owns it until it is told that the pair is upgraded. */
struct upgrade *upgrade_new(struct pair *pair);

/* Begins; what it waits for depends on the pair's route. 0, or -1: the session has ended. */
int upgrade_begin(struct upgrade *upgrade);

void upgrade_readable(struct upgrade *upgrade, struct endpoint *endpoint);
/* The client has taken something. */
void upgrade_drained(struct upgrade *upgrade);
void upgrade_connected(struct upgrade *upgrade);

/* The backend could not be reached; why is a short text for the client. */
void upgrade_unreachable(struct upgrade *upgrade, const char *why);

/* An error of our own: see pair_fail(). */
void upgrade_failed(struct upgrade *upgrade);

/* We stop: the client is told. */
void upgrade_shut_down(struct upgrade *upgrade);

/* Whether the client has asked for a WebSocket, which has no half-close. NULL: it has not. */
bool upgrade_is_wanted(const struct upgrade *upgrade);

/* Too long a time has passed. */
void upgrade_timeout(struct upgrade *upgrade);

void upgrade_free(struct upgrade *upgrade);

#endif
