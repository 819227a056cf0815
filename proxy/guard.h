#ifndef PROXY_GUARD_H
#define PROXY_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#include "config/authority.h"

/*
 * Who may speak HTTP to us. Where we are the server ourselves, since what is behind us does not
 * speak HTTP, a web page must be listed (Origin), and whoever comes must call us by a name that is
 * ours (Host), or any page could use the server of whoever looks at it; a server that speaks HTTP
 * decides itself. A token, if there is one, is asked for in any case. Pure: heads in, verdicts out.
 */
struct address;
struct config;
struct http_head;
struct url;

struct guard {
	const struct config *config; /* borrowed */
	const char *token;           /* borrowed; NULL: none is asked for */
	bool checks_origin;
	bool checks_site; /* also what is not asked for with an Origin */
	bool checks_host;
	struct authority own; /* the host that we listen on, as it is written */
	int default_port;
};

#define GUARD_NOTE_SIZE 192

/* Which of the guard's rules a request broke. */
enum guard_verdict {
	GUARD_ADMITTED,
	GUARD_NO_HOST, /* there is not one Host field, or it is none */
	GUARD_FOREIGN_HOST,
	GUARD_FOREIGN_ORIGIN,
	GUARD_NO_TOKEN,
};

/* What the guard does follows from where we listen and what is behind us. */
void guard_init(struct guard *guard, const struct config *config);

/*
 * Of what nobody but we serves, at url (borrowed): all is looked at, whatever is behind us, and
 * what a page embeds, too: that a WebSocket is not.
 */
void guard_init_own(struct guard *guard, const struct config *config, const struct url *url);

/*
 * Looks at a request. local is the address that the client has reached. If it is not admitted, note
 * has a text for the log, in which what the client said is escaped.
 */
enum guard_verdict guard_check(const struct guard *guard, const struct http_head *request,
	const struct address *local, char note[GUARD_NOTE_SIZE]);

#endif
