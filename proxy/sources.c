/*
 * Sources of connections: a hash table of counters; see sources.h. A source that has none is freed.
 */
#include "proxy/sources.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#define SOURCES_BUCKETS 256
#define SOURCES_NETWORK 8 /* bytes of an IPv6 address that count */

struct source_key {
	uint8_t family;
	uint8_t bytes[SOURCES_NETWORK]; /* IPv4: 4 of them; Unix: those of the uid */
};

struct source {
	struct source_key key;
	size_t count; /* never 0 */
	LIST_ENTRY(source) link;
};

struct sources {
	size_t max_each;
	LIST_HEAD(, source) buckets[SOURCES_BUCKETS];
};

/* Where nothing is to be learned, all are one source. */
static struct source_key sources_key(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_storage storage;
	} name = {.any = {.sa_family = AF_UNSPEC}};
	struct source_key key = {.family = AF_UNSPEC};
	struct ucred user;
	socklen_t size = sizeof name, user_size = sizeof user;

	if (getpeername(fd, &name.any, &size) != 0)
		return key;
	key.family = (uint8_t)name.any.sa_family;
	switch (name.any.sa_family) {
	case AF_INET:
		memcpy(key.bytes, &name.in.sin_addr, sizeof name.in.sin_addr);
		break;
	case AF_INET6:
		memcpy(key.bytes, &name.in6.sin6_addr, SOURCES_NETWORK);
		break;
	case AF_UNIX:
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &user_size) == 0)
			memcpy(key.bytes, &user.uid, sizeof user.uid);
		break;
	default:
		break;
	}
	return key;
}

/* FNV-1a. Who could choose addresses that collide has better ways to spend them. */
static size_t sources_bucket(const struct source_key *key)
{
	const uint8_t *bytes = (const uint8_t *)key;
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < sizeof *key; i++)
		hash = (hash ^ bytes[i]) * 16777619u;
	return (hash ^ hash >> 16) % SOURCES_BUCKETS;
}

struct sources *sources_new(size_t max_each)
{
	struct sources *sources = calloc(1, sizeof *sources);

	assert(max_each > 0);
	if (sources != NULL)
		sources->max_each = max_each;
	return sources;
}

void sources_free(struct sources *sources)
{
	size_t i;

	for (i = 0; sources != NULL && i < SOURCES_BUCKETS; i++)
		assert(LIST_EMPTY(&sources->buckets[i]));
	free(sources);
}

const char *sources_text(int fd, char text[SOURCES_TEXT_MAX])
{
	struct source_key key = sources_key(fd);
	struct in6_addr network = {0};
	char address[INET6_ADDRSTRLEN];
	uint32_t uid;

	switch (key.family) {
	case AF_INET:
		(void)snprintf(text, SOURCES_TEXT_MAX, "%s",
			inet_ntop(AF_INET, key.bytes, address, sizeof address)); /* it fits */
		break;
	case AF_INET6:
		memcpy(&network, key.bytes, SOURCES_NETWORK);
		(void)snprintf(text, SOURCES_TEXT_MAX, "%s/64",
			inet_ntop(AF_INET6, &network, address, sizeof address)); /* the same */
		break;
	case AF_UNIX:
		memcpy(&uid, key.bytes, sizeof uid);
		(void)snprintf(text, SOURCES_TEXT_MAX, "uid %lu", (unsigned long)uid);
		break;
	default:
		(void)snprintf(text, SOURCES_TEXT_MAX, "?");
		break;
	}
	return text;
}

struct source *sources_enter(struct sources *sources, int fd)
{
	struct source_key key = sources_key(fd);
	size_t bucket = sources_bucket(&key);
	struct source *source;

	LIST_FOREACH(source, &sources->buckets[bucket], link)
		if (memcmp(&source->key, &key, sizeof key) == 0)
			break;
	if (source == NULL) {
		source = calloc(1, sizeof *source);
		if (source == NULL) {
			errno = ENOMEM;
			return NULL;
		}
		source->key = key;
		LIST_INSERT_HEAD(&sources->buckets[bucket], source, link);
	}
	if (source->count >= sources->max_each) {
		errno = EUSERS;
		return NULL;
	}
	source->count++;
	return source;
}

void sources_leave(struct source *source)
{
	assert(source->count > 0);
	if (--source->count > 0)
		return;
	LIST_REMOVE(source, link);
	free(source);
}
