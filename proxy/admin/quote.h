#ifndef PROXY_ADMIN_QUOTE_H
#define PROXY_ADMIN_QUOTE_H

#include <stdio.h>

#include "exporter/span.h"

/* Writes any bytes as a string of JSON; as an empty one where there is no memory for them. */
void quote_write(FILE *out, struct span_text given);

#endif
