#ifndef PROXY_TRACE_HASH_H
#define PROXY_TRACE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * A hash for tables whose keys a peer chooses: with a random seed it does not know which of them
 * collide. Two words are multiplied and the halves of the product folded together.
 */
static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)(hash ^ word) * 0x9e3779b97f4a7c15ull;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t hash_bytes(uint64_t seed, const char *bytes, size_t size)
{
	uint64_t hash = seed ^ size;
	uint64_t word;

	for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
		memcpy(&word, bytes, sizeof word);
		hash = hash_mix(hash, word);
	}
	word = 0;
	memcpy(&word, bytes, size);
	return hash_mix(hash_mix(hash, word), seed);
}

#endif
