#ifndef PROXY_ADMIN_VIEWS_H
#define PROXY_ADMIN_VIEWS_H

#include <stdio.h>

/*
 * What is told as JSON to the page, to sidespan top, and to whoever asks: what goes on now. Spans
 * are those of OTLP/JSON. Failures to write are seen with ferror().
 */
struct loop;

/* How many spans that go on are told of; the oldest. */
#define VIEWS_OPEN_MAX 200

void views_write_open(FILE *out, const struct loop *loop);

#endif
