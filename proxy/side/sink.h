#ifndef PROXY_SIDE_SINK_H
#define PROXY_SIDE_SINK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * Where an encoder writes: a window of memory that is passed on when it is full. The owner (the
 * pump) gives every direction the same scratch memory, one after the other, so that a wake-up ends
 * in one write.
 *
 * What goes out just as it lies in the input need not be copied, as long as nothing else is
 * written: it is a run then, to be taken from where it is.
 */
struct sink {
	uint8_t *bytes; /* borrowed from the loop */
	size_t used;
	size_t size;        /* SINK_SIZE_MIN or more */
	const uint8_t *run; /* borrowed from the input until flushed */
	size_t run_size;    /* if not 0, nothing is used of bytes */
	/* Takes bytes[0..used) or run[0..run_size) and sets both sizes to 0. */
	void (*flush)(struct sink *sink, void *arg);
	void *arg;
};

#define SINK_SIZE_MIN 4096

/* Something else is to follow the run: copies it, or flushes what is too long for that. */
static inline void sink_end_run(struct sink *sink)
{
	if (sink->run_size > sink->size) {
		sink->flush(sink, sink->arg);
		return;
	}
	memcpy(sink->bytes, sink->run, sink->run_size);
	sink->used = sink->run_size;
	sink->run_size = 0;
}

/* Returns a place for size bytes (size <= SINK_SIZE_MIN), flushing first when there is no room. */
static inline uint8_t *sink_reserve(struct sink *sink, size_t size)
{
	if (sink->run_size > 0)
		sink_end_run(sink);
	if (sink->size - sink->used < size)
		sink->flush(sink, sink->arg);
	return sink->bytes + sink->used;
}

/* Says that size bytes at the reserved place are filled. */
static inline void sink_commit(struct sink *sink, size_t size)
{
	sink->used += size;
}

/* Writes size bytes, as many as there are, filling the sink to the brim. */
static inline void sink_write(struct sink *sink, const uint8_t *bytes, size_t size)
{
	while (size > 0) {
		uint8_t *place = sink_reserve(sink, 1);
		size_t room = sink->size - sink->used;
		size_t piece = size < room ? size : room;

		memcpy(place, bytes, piece);
		sink_commit(sink, piece);
		bytes += piece;
		size -= piece;
	}
}

/* The same for bytes that stay where they are until the flush. */
static inline void sink_pass(struct sink *sink, const uint8_t *bytes, size_t size)
{
	if (sink->run_size > 0 && sink->run + sink->run_size == bytes) {
		sink->run_size += size;
	} else if (sink->run_size == 0 && sink->used == 0) {
		sink->run = bytes;
		sink->run_size = size;
	} else {
		sink_write(sink, bytes, size);
	}
}

#endif
