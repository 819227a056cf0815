#ifndef PROXY_FIELDS_H
#define PROXY_FIELDS_H

#include "w3c/carrier.h"

/*
 * The carrier in the fields of an HTTP request (W3C Trace Context, 3; Baggage, 3). Those of one
 * name are one list, in their order; two traceparents are none that is good. All zero at first.
 */
struct http_head;

struct fields {
	struct carrier_view *view; /* owned; NULL: they say nothing; baggage may be there alone */
};

/* Copies what a request says. For want of memory it says nothing. */
void fields_take(struct fields *fields, const struct http_head *head);

/* As before fields_take(). */
void fields_done(struct fields *fields);

#endif
