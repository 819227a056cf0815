#ifndef PROXY_EXCHANGE_H
#define PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "proxy/body.h"
#include "proxy/pair.h"
#include "proxy/reply.h"
#include "proxy/side/handshake.h"
#include "proxy/side/http_body.h"

/*
 * An exchange of HTTP: what its request's way to the backend (exchange_request), the answer's way
 * back (exchange_response) and the gateway, which sees to it that each event finds the one that it
 * is for, have in common: what has come so far, and how it may end.
 */
struct side_shake;

#define EXCHANGE_FRAMING_MAX 32

enum exchange_phase {
	EXCHANGE_RESTS,    /* no request has come, or a part of its head */
	EXCHANGE_READS,    /* so much of its body as must be there before its head is sent */
	EXCHANGE_CONNECTS, /* the request waits for the backend */
	EXCHANGE_WAITS,    /* for the answer's head */
	EXCHANGE_ANSWERS,  /* its body is passing */
	EXCHANGE_DELIVERS, /* the last answer has come; the client is to take the rest */
};

struct exchange {
	struct pair *pair; /* borrowed: of who owns this */
	enum exchange_phase phase;
	enum pair_reason reason; /* of the end, once it delivers */
	struct head head;        /* of the request, with what came behind it */
	size_t taken;            /* of that, the beginning of the request's body */
	struct http_body request;
	uint64_t length;  /* of the request's body, if it is_sized */
	struct body said; /* what is in it */
	struct reply reply;
	struct http_body answer;
	struct body heard;            /* what is in that */
	enum handshake wanted;        /* by the client */
	struct handshake_proof proof; /* of the answer to a handshake */
	bool to_head;                 /* a HEAD: the answer has no body */
	bool to_old;                  /* HTTP/1.0: it may not have interim answers */
	bool is_sized;
	bool head_is_sent;
	bool said_is_over; /* its trailer has begun */
	uint8_t framing_size;
	char framing[EXCHANGE_FRAMING_MAX]; /* the first size line, until it is known if it edits */
	bool is_looked_at;                  /* the owner has been told of it */
	bool edits;                         /* what said gives is sent in place of what came */
	bool tells;                         /* the head waits for what its message says */
	bool wants_json;                    /* in our own answers */
	bool to_stream;                     /* it asks for events, which may be long in coming */
	bool client_keeps;                  /* its connection, for more requests */
	bool backend_keeps;
	bool request_broken; /* the backend takes no more of it */
	unsigned status;     /* of the answer */
	bool client_ended;
	bool has_asked;       /* there has been a request */
	bool is_last;         /* we stop */
	uint64_t passed;      /* bytes of both bodies */
	uint64_t progress;    /* of them, what the peers had taken when it was last looked at */
	uint64_t progress_ns; /* when that changed */
};

/* NULL when out of memory. The caller owns it until it is told that the pair is upgraded. */
struct exchange *exchange_new(struct pair *pair);
void exchange_free(struct exchange *exchange);

/* What a client must say to be given a WebSocket. */
const struct side_shake *exchange_shake(const struct exchange *exchange);

/* Whether something that was called has ended it all. */
bool exchange_is_over(const struct exchange *exchange);

/* What the client's request was parsed to, once more, in parsed, which is returned. */
struct http_head *exchange_asked(struct exchange *exchange, struct http_head *parsed);

/* Whether who sent the head keeps the connection for another (RFC 9112, 9.3). */
bool exchange_keeps(const struct http_head *parsed);

/* Whether the body behind the head is what it seems, and not packed. */
bool exchange_is_plain(const struct http_head *parsed);

/* Something has begun that is waited for. */
void exchange_moved(struct exchange *exchange);

/* Whether what the client says is wanted now: a head, or a body that the backend takes. */
bool exchange_listens(const struct exchange *exchange);

/* Whether the client has said all of what it began to say: that it ends then is no surprise. */
bool exchange_has_whole_requests(const struct exchange *exchange);

/* The owner is told that the exchange is over, with an answer that has that status. */
void exchange_over(struct exchange *exchange, unsigned status);

/* An answer of our own is the last one; the second: as the backend, or its answer, is none. */
void exchange_refuse(
	struct exchange *exchange, unsigned status, const char *why, enum pair_reason reason);
void exchange_bad_gateway(struct exchange *exchange, unsigned status, const char *why);

/*
 * Nothing more comes for the client. finish() gives it little time, so it takes the rest before;
 * what it still says is read and thrown away.
 */
void exchange_deliver(struct exchange *exchange, enum pair_reason reason);

/*
 * The client says no more. Inside a request the backend is told so, and while it sends events: it
 * may have nothing to say for long, and would not see that nobody listens. Else an answer is waited
 * for, which a server that is told might not give.
 */
void exchange_client_ended(struct exchange *exchange);

/* Writing to an endpoint has failed. */
void exchange_failed(struct exchange *exchange, struct endpoint *endpoint);

/* An error of our own: see pair_fail(). */
void exchange_fail(struct exchange *exchange);

/* Messages flow from now on; what came behind the heads comes first. */
void exchange_open(struct exchange *exchange);

#endif
