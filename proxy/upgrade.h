#ifndef PROXY_UPGRADE_H
#define PROXY_UPGRADE_H

#include "proxy/endpoint/endpoint.h"

/*
 * The beginning of a session that speaks HTTP: the client's request, and the WebSocket opening
 * handshake with the client, with the backend, or handed through between them. Ends in
 * session_open(), in an exchange (of a plain request, or of the backend's refusal), or in a refusal
 * of our own; then its memory is given back.
 */
struct session;
struct upgrade;

/* Begins; what it waits for depends on the session's route. 0, or -1: the session has ended. */
int upgrade_begin(struct session *session);

void upgrade_readable(struct session *session, struct endpoint *endpoint);
/* The client has taken something. */
void upgrade_drained(struct session *session);
void upgrade_connected(struct session *session);

/* The backend could not be reached; why is a short text for the client. */
void upgrade_unreachable(struct session *session, const char *why);

/* An error of our own: see session_fail(). */
void upgrade_failed(struct session *session);

/* Too long a time has passed. */
void upgrade_timeout(struct session *session);

void upgrade_free(struct upgrade *upgrade);

#endif
