/* Hashes in place of texts: if two were the same, something would not be said. */
#include "exporter/console/connections.h"

/* FNV-1a. */
static uint64_t connections_hash(struct span_text text)
{
	uint64_t hash = 14695981039346656037u;
	size_t i;

	for (i = 0; i < text.size; i++)
		hash = (hash ^ (unsigned char)text.bytes[i]) * 1099511628211u;
	return hash;
}

bool connections_say(struct connections *connections, struct span_text name, struct span_text said)
{
	size_t known = connections->count < CONNECTIONS_MAX ? connections->count : CONNECTIONS_MAX;
	uint64_t hash = connections_hash(said);
	bool same;
	size_t i;

	for (i = 0; i < known && connections->list[i].name != connections_hash(name); i++)
		;
	if (i == known) {
		i = connections->count++ % CONNECTIONS_MAX;
		connections->list[i].name = connections_hash(name);
		connections->list[i].said = ~hash;
	}
	same = connections->list[i].said == hash;
	connections->list[i].said = hash;
	return same;
}
