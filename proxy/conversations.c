/* Conversations: a hash table by name, and a list by the time they were last left. */
#include "proxy/conversations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "proxy/trace/tracer.h"

#define CONVERSATIONS_BUCKETS 256

struct conversation {
	struct conversations *all;       /* borrowed */
	struct tracer_connection *trace; /* owned */
	size_t parts;                    /* who take part */
	uint64_t left_ns;                /* when the last of them left */
	LIST_ENTRY(conversation) same;   /* of the same bucket, while it can be found */
	TAILQ_ENTRY(conversation) link;  /* of those that nobody takes part in, the oldest first */
	bool ended;
	size_t name_size;
	char name[];
};

struct conversations {
	size_t max;
	uint64_t idle_ns;
	size_t count;
	uint64_t *evicted; /* borrowed */
	TAILQ_HEAD(, conversation) idle;
	LIST_HEAD(, conversation) buckets[CONVERSATIONS_BUCKETS];
};

/* FNV-1a. Who could choose names that collide is bounded by the number of them. */
static size_t conversations_bucket(struct http_text name)
{
	uint32_t hash = 2166136261u;
	size_t i;

	for (i = 0; i < name.size; i++)
		hash = (hash ^ (uint8_t)name.bytes[i]) * 16777619u;
	return (hash ^ hash >> 16) % CONVERSATIONS_BUCKETS;
}

static struct conversation *conversations_find(
	const struct conversations *conversations, struct http_text name)
{
	struct conversation *conversation;

	LIST_FOREACH(conversation, &conversations->buckets[conversations_bucket(name)], same)
		if (conversation->name_size == name.size &&
			memcmp(conversation->name, name.bytes, name.size) == 0)
			return conversation;
	return NULL;
}

/* Nobody takes part in it, and it cannot be found: frees it. */
static void conversation_free(struct conversation *conversation, uint64_t now_ns)
{
	assert(conversation->parts == 0);
	conversation->all->count--;
	tracer_connection_free(conversation->trace, TRACER_CONNECTION_CLOSED, now_ns);
	free(conversation);
}

/* Ends one that rests. */
static void conversations_forget(
	struct conversations *conversations, struct conversation *conversation, uint64_t now_ns)
{
	TAILQ_REMOVE(&conversations->idle, conversation, link);
	LIST_REMOVE(conversation, same);
	conversation_free(conversation, now_ns);
}

struct conversations *conversations_new(size_t max, uint64_t idle_ns, uint64_t *evicted)
{
	struct conversations *conversations = calloc(1, sizeof *conversations);

	if (conversations == NULL)
		return NULL;
	conversations->max = max;
	conversations->idle_ns = idle_ns;
	conversations->evicted = evicted;
	TAILQ_INIT(&conversations->idle);
	return conversations;
}

void conversations_free(struct conversations *conversations, uint64_t now_ns)
{
	struct conversation *conversation;

	if (conversations == NULL)
		return;
	while ((conversation = TAILQ_FIRST(&conversations->idle)) != NULL)
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it is taken off the list */
		conversations_forget(conversations, conversation, now_ns);
	assert(conversations->count == 0);
	free(conversations);
}

struct conversation *conversations_enter(struct conversations *conversations, struct http_text name)
{
	struct conversation *found = conversations_find(conversations, name);

	if (found == NULL)
		return NULL;
	if (found->parts++ == 0)
		TAILQ_REMOVE(&conversations->idle, found, link);
	return found;
}

struct conversation *conversations_begin(struct conversations *conversations, struct http_text name,
	struct tracer_connection *trace, uint64_t now_ns)
{
	struct conversation *begun, *oldest = TAILQ_FIRST(&conversations->idle);

	if (name.size == 0 || name.size > CONVERSATION_NAME_MAX)
		return NULL;
	if (conversations->count >= conversations->max) {
		++*conversations->evicted;
		if (oldest == NULL)
			return NULL; /* somebody takes part in each of them */
		conversations_forget(conversations, oldest, now_ns);
	}
	begun = calloc(1, sizeof *begun + name.size);
	if (begun == NULL)
		return NULL;
	begun->all = conversations;
	begun->trace = trace;
	begun->parts = 1;
	begun->name_size = name.size;
	memcpy(begun->name, name.bytes, name.size);
	LIST_INSERT_HEAD(&conversations->buckets[conversations_bucket(name)], begun, same);
	conversations->count++;
	return begun;
}

struct tracer_connection *conversation_trace(const struct conversation *conversation)
{
	return conversation->trace;
}

void conversation_end(struct conversation *conversation, uint64_t now_ns)
{
	assert(conversation->parts > 0);
	if (conversation->ended)
		return;
	LIST_REMOVE(conversation, same);
	conversation->ended = true;
	tracer_connection_end(conversation->trace, TRACER_CONNECTION_CLOSED, now_ns);
}

void conversation_leave(struct conversation *conversation, uint64_t now_ns)
{
	assert(conversation->parts > 0);
	if (--conversation->parts > 0)
		return;
	conversation->left_ns = now_ns;
	if (conversation->ended)
		conversation_free(conversation, now_ns);
	else
		TAILQ_INSERT_TAIL(&conversation->all->idle, conversation, link);
}

void conversations_tick(struct conversations *conversations, uint64_t now_ns)
{
	struct conversation *conversation, *next;

	for (conversation = TAILQ_FIRST(&conversations->idle); conversation != NULL;
		conversation = next) {
		next = TAILQ_NEXT(conversation, link);
		if (now_ns - conversation->left_ns >= conversations->idle_ns)
			conversations_forget(conversations, conversation, now_ns);
		else
			tracer_connection_expire(conversation->trace, now_ns);
	}
}
