#ifndef EXPORTER_OTLP_GZIP_H
#define EXPORTER_OTLP_GZIP_H

#include <stddef.h>

struct text;

/* A gzip compressor (RFC 1952) that is used again and again, at its fastest level. */
struct gzip;

/* NULL when memory is short. */
struct gzip *gzip_new(void);
void gzip_free(struct gzip *gzip);

/* Replaces what is in packed by the compressed bytes. 0, or -1 when memory is short. */
int gzip_pack(struct gzip *gzip, struct text *packed, const char *bytes, size_t size);

#endif
