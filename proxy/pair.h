#ifndef PROXY_PAIR_H
#define PROXY_PAIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/endpoint/endpoint.h"
#include "proxy/guard.h"
#include "proxy/message/splice.h"

/*
 * The two peers of a session, and what is to become of them: all that those know who speak with
 * both, one after the other (upgrade, exchange). What they find is told to the owner, who decides.
 */
struct side_ops;
struct http_head;
struct loop;
struct pair;
struct resolver;
struct session;
struct tls_context;

/* Where sessions lead and what is spoken on both sides. Made once by main, borrowed by all. */
struct route {
	const struct side_ops *client_side;
	const struct side_ops *backend_side;
	struct tls_context *client_tls;  /* borrowed; NULL: not within TLS */
	struct tls_context *backend_tls; /* the same */
	const char *transport;           /* rpc.transport: how the client reaches us */
	char *const *command;            /* the backend is this command, or */
	struct resolver *resolver;       /* ... found through this */
	const char *upstream;            /* the same as a text, for the log */
	const char *upstream_host;       /* Host and path when we shake hands ourselves */
	const char *upstream_path;
	const char *listen_path; /* the only path that is served; NULL: any */
	struct guard guard;      /* of HTTP clients */
	/* told of every closed session before it is freed; may be NULL */
	void (*reaped)(void *arg, const struct session *session);
	void *reaped_arg;
};

/* Why a session was closed. */
enum pair_reason {
	PAIR_ENDED, /* both sides said all they had to say */
	PAIR_CLIENT_GONE,
	PAIR_BACKEND_GONE,
	PAIR_BACKEND_UNREACHABLE,
	PAIR_FRAMING_ERROR,
	PAIR_HANDSHAKE_FAILED,
	PAIR_HTTP,   /* its first line, on a listener for messages alone */
	PAIR_SILENT, /* first_byte.timeout */
	PAIR_IDLE,   /* idle.timeout */
	PAIR_NO_RESOURCES,
	PAIR_SHUTDOWN,
};

enum pair_state {
	PAIR_OPENING,   /* reading first bytes, connecting, waiting for an answer to a handshake */
	PAIR_OPEN,      /* carrying messages */
	PAIR_EXCHANGE,  /* the client speaks HTTP, and has not been granted a WebSocket */
	PAIR_FINISHING, /* a last word is on its way to the client; what comes is thrown away */
	PAIR_CLOSED,
};

/* Of the owner. */
struct pair_hooks {
	/*
	 * Begins to connect to the backend, or starts it. 0, or -1: that failed, and was answered.
	 */
	int (*connect)(struct pair *pair);
	/* The upgrade, or the exchange, has done its work, and frees itself: to be forgotten. */
	void (*upgraded)(struct pair *pair);
	/* Messages flow. Bytes that came behind a head are carried first. */
	void (*open)(struct pair *pair, uint8_t *client_bytes, size_t client_size,
		uint8_t *backend_bytes, size_t backend_size);
	/*
	 * A request of HTTP, with that head, is passed on, and has an answer with that one; both
	 * are over. The first says what is done to messages: false, and nobody looks at them; and,
	 * in pair->tells, whether the head has to say what is only known of them.
	 */
	bool (*asked)(struct pair *pair, const struct http_head *head, enum splice_mode *mode);
	void (*answered)(struct pair *pair, const struct http_head *head);
	void (*exchanged)(struct pair *pair, unsigned status);
	/* Its answer is a stream of events, and its reader is to post to that URI (MCP,
	 * 2024-11-05). */
	void (*endpoint)(struct pair *pair, const char *uri, size_t size);
	/* The head goes before its message is known: see outgrown() in struct splice_hooks. */
	void (*promise)(struct pair *pair, const struct envelope *envelope);
	/*
	 * What the head that is passed on has, as lines of fields, or NULL, instead of the fields
	 * with the names in *dropped, which ends with NULL. Both are valid until exchanged().
	 */
	const char *(*fields)(struct pair *pair, const char *const **dropped);
	/* What messages say meanwhile: see struct splice_hooks, and struct pump_hooks. */
	size_t (*carrier)(struct pair *pair, struct envelope *envelope, const char **text);
	void (*envelope)(struct pair *pair, bool from_client, const struct envelope *envelope,
		uint64_t start_ns);
	void (*text)(struct pair *pair, bool from_client, const uint8_t *bytes, size_t size,
		bool first, bool last);
	void (*troubles)(struct pair *pair, bool from_client, unsigned troubles);
	/* (Re)starts the timer. -1 when there is none to be had: then the session has ended. */
	int (*timer)(struct pair *pair, int64_t ms);
	/* The client has been sent its last word: to be delivered, then closed for that reason. */
	void (*finish)(struct pair *pair, enum pair_reason reason);
	void (*close)(struct pair *pair, enum pair_reason reason);
	/* An endpoint has ended with an error: what is wrong with its TLS, if anything, is told. */
	void (*broken)(struct pair *pair, struct endpoint *endpoint);
	/* An error of our own (an errno): memory, or the loop. */
	void (*fail)(struct pair *pair, int error);
};

struct pair {
	const struct pair_hooks *hooks; /* borrowed, as are the next two */
	struct loop *loop;
	const struct route *route;
	struct generation *generation; /* of who its messages belong to; borrowed */
	unsigned long long number;
	bool tells; /* see hooks->asked() */
	enum pair_state state;
	enum pair_reason reason; /* of the end, once there is one */
	struct endpoint client;
	struct endpoint backend;
	const struct http_head
		*asked; /* the client's, while hooks->open() runs; NULL: it has none */
};

static inline int pair_timer(struct pair *pair, int64_t ms)
{
	return pair->hooks->timer(pair, ms);
}

static inline void pair_finish(struct pair *pair, enum pair_reason reason)
{
	pair->hooks->finish(pair, reason);
}

static inline void pair_close(struct pair *pair, enum pair_reason reason)
{
	pair->hooks->close(pair, reason);
}

static inline void pair_fail(struct pair *pair, int error)
{
	pair->hooks->fail(pair, error);
}

/* Writing to the client has failed: it has left, or the error is ours. */
static inline void pair_client_failed(struct pair *pair)
{
	if (pair->client.is_ours)
		pair_fail(pair, pair->client.error);
	else
		pair_close(pair, PAIR_CLIENT_GONE);
}

#endif
