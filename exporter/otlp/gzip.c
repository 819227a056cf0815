/*
 * A gzip compressor that is used again and again: setting one up costs 260 KB of fresh memory,
 * resetting it nothing. The only failure is memory.
 */
#include "exporter/otlp/gzip.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#include "exporter/text.h"

struct gzip {
	z_stream stream;
};

/* 15 bits of window, and 16 for the gzip form (zlib.h, deflateInit2). */
static const int gzip_window_bits = 15 + 16;
static const int gzip_memory_level = 8;

struct gzip *gzip_new(void)
{
	struct gzip *gzip = calloc(1, sizeof *gzip);

	if (gzip == NULL)
		return NULL;
	if (deflateInit2(&gzip->stream, Z_BEST_SPEED, Z_DEFLATED, gzip_window_bits,
		    gzip_memory_level, Z_DEFAULT_STRATEGY) == Z_OK)
		return gzip;
	free(gzip);
	return NULL;
}

void gzip_free(struct gzip *gzip)
{
	if (gzip == NULL)
		return;
	(void)deflateEnd(&gzip->stream); /* says whether input was left: none is */
	free(gzip);
}

int gzip_pack(struct gzip *gzip, struct text *packed, const char *bytes, size_t size)
{
	size_t bound = deflateBound(&gzip->stream, size);
	char *p;

	if (size > UINT_MAX || bound > UINT_MAX)
		return -1;
	text_rewind(packed, 0);
	p = text_room(packed, bound);
	if (p == NULL || deflateReset(&gzip->stream) != Z_OK)
		return -1;
	gzip->stream.next_in = (const Bytef *)bytes;
	gzip->stream.avail_in = (uInt)size;
	gzip->stream.next_out = (Bytef *)p;
	gzip->stream.avail_out = (uInt)bound;
	if (deflate(&gzip->stream, Z_FINISH) != Z_STREAM_END)
		return -1;
	assert(gzip->stream.avail_in == 0);
	text_end(packed, p + (bound - gzip->stream.avail_out));
	return 0;
}
