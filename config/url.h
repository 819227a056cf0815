#ifndef CONFIG_URL_H
#define CONFIG_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Where JSON-RPC is spoken: http://HOST:PORT[/PATH], http+unix:///PATH, ws:// and ws+unix://, which
 * mean the same, tcp://HOST:PORT, unix:///PATH; the last two with lsp+ or json+ before them; and
 * within TLS: https:// and wss://, tls+tcp://.
 * Pure values: nothing is resolved or opened here.
 */
enum url_scheme {
	URL_NONE, /* not given */
	URL_WS,
	URL_WS_UNIX,
	URL_TCP,
	URL_UNIX,
};

/* Where the messages of a stream end. */
enum url_framing {
	URL_LINES,
	URL_LENGTH, /* lsp+: behind Content-Length heads */
	URL_CONCAT, /* json+: nothing says so but they themselves */
	URL_HTTP,   /* http: the same place as ws, and so written */
};

#define URL_HOST_MAX 255
#define URL_PATH_MAX 1024
#define URL_UNIX_MAX 107 /* sun_path without its terminator */

struct url {
	enum url_scheme scheme;
	enum url_framing framing;    /* tcp, Unix; ws: URL_HTTP or URL_LINES */
	bool tls;                    /* ws, tcp */
	char host[URL_HOST_MAX + 1]; /* a name or an address, IPv6 without brackets; "" for Unix */
	uint16_t port;               /* 0: any free one, for listening */
	char path[URL_PATH_MAX +
		  1]; /* Unix: of the socket; ws: request target, "" when not given */
};

/*
 * Parses text. Returns 0, or -1 with a short text in *reason (static) and *url as URL_NONE.
 */
int url_parse(struct url *url, const char *text, const char **reason);

/* How it begins: "ws+unix://"; of a URL that was parsed. */
const char *url_prefix(const struct url *url);

#define URL_AUTHORITY_SIZE (URL_HOST_MAX + 16)

/* HOST:PORT, as Host has it, of a URL that was parsed; "localhost" for a Unix socket. */
void url_authority(char text[URL_AUTHORITY_SIZE], const struct url *url);

/* Whether a connection to it cannot come from another machine. */
bool url_is_local(const struct url *url);

/* Whether HTTP and WebSocket are spoken there. */
bool url_is_websocket(const struct url *url);

/* Whether a listener there and a server there would be the same thing. */
bool url_equals(const struct url *one, const struct url *other);

/*
 * Checks an http:// or https:// URL that spans can be posted to: a host, no user:password@, no
 * fragment. Returns 0, or -1 with *reason as above.
 */
int url_check_http(const char *text, const char **reason);

/*
 * A copy of an http URL without user, password and fragment, which are never sent. The caller
 * frees; NULL when memory is out.
 */
char *url_bare_http(const char *text);

/*
 * Copies text, a URL or what was meant to be one, for people to read: what may be secret is ***.
 * That is what follows a ? and, unless text is a good URL, which has none, all that may be user and
 * password: from the scheme, or the beginning, to the last @. Clipped to size.
 */
void url_show(char *shown, size_t size, const char *text);

/*
 * Joins an http URL that url_check_http() accepts with more path ("v1/traces"), with exactly one
 * slash between; without more, gives the URL a path "/" when it has none. A query stays behind the
 * path. The caller frees; NULL when memory is out.
 */
char *url_join_http(const char *text, const char *more);

#endif
