#ifndef PROXY_TRACE_END_H
#define PROXY_TRACE_END_H

/* How a request span ended: sidespan.end_reason. */
enum tracer_end {
	TRACER_ANSWERED,
	TRACER_ERROR,
	TRACER_CONNECTION_CLOSED, /* the client went away first */
	TRACER_BACKEND_EXITED,    /* the server or its connection did */
	TRACER_EXPIRED,           /* inflight.max_age went by */
	TRACER_EVICTED,           /* inflight.max or inflight.bytes_max was reached */
	TRACER_ID_REUSED,         /* another request took the id */
	TRACER_CLOSED,            /* a rule of the profile said so */
	TRACER_SHUTDOWN,          /* we were told to stop */
	TRACER_HTTP,              /* the HTTP answer has none */
	TRACER_OPEN,              /* it has not: see request_span_show() */
};

#endif
