#ifndef W3C_IDS_H
#define W3C_IDS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Random identifiers from the system's random source, drawn in bulk.
 *
 * One struct ids belongs to one thread. A fork is noticed: the child discards what the parent
 * had drawn, so the two never hand out the same id.
 */
#define IDS_POOL_SIZE 4096

struct ids {
	uint8_t pool[IDS_POOL_SIZE];
	size_t used;         /* bytes of the pool already handed out; IDS_POOL_SIZE when empty */
	uint64_t generation; /* fork generation the pool was drawn in */
};

void ids_init(struct ids *ids);
/* Fills trace_id with 16 random bytes, never all zero (W3C Trace Context 2, "trace-id"). */
void ids_trace_id(struct ids *ids, uint8_t trace_id[16]);
/* Fills span_id with 8 random bytes, never all zero (W3C Trace Context 2, "parent-id"). */
void ids_span_id(struct ids *ids, uint8_t span_id[8]);
/* Fills bytes with size random bytes (size <= IDS_POOL_SIZE); WebSocket mask keys, for example. */
void ids_random(struct ids *ids, uint8_t *bytes, size_t size);

#endif
