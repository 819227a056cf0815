/* Opening handshakes of our own. A client that is no WebSocket is told nothing when one fails. */
#include "proxy/upgrade.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/answer.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/pair.h"
#include "proxy/reply.h"
#include "proxy/side/handshake.h"
#include "proxy/side/side.h"

struct upgrade {
	struct pair *pair; /* borrowed: of who owns this */
	struct reply reply;
	struct handshake_proof proof; /* of the answer to our request */
};

static void upgrade_refuse(struct upgrade *upgrade, unsigned status, const char *why)
{
	answer_count(upgrade->pair->loop, status);
	log_line(LOG_WARN, "connection %llu: %s", upgrade->pair->number, why);
	pair_close(upgrade->pair, PAIR_BACKEND_UNREACHABLE);
}

void upgrade_timeout(struct upgrade *upgrade)
{
	upgrade_refuse(upgrade, 504, "the server did not answer the handshake in time");
}

void upgrade_connected(struct upgrade *upgrade)
{
	struct pair *pair = upgrade->pair;
	char *text = (char *)pair->loop->write_bytes;
	size_t size = pair->route->backend_side->shake->ask(text, LOOP_WRITE_SIZE, &upgrade->proof,
		&pair->loop->ids, pair->route->upstream_host, pair->route->upstream_path);

	assert(size > 0); /* host and path of a URL have limits */
	if (endpoint_write(&pair->backend, text, size) == 0)
		endpoint_resume(&pair->backend);
	else if (pair->backend.is_ours)
		pair_fail(pair, pair->backend.error);
	else
		upgrade_refuse(upgrade, 502, "the server did not take the request");
}

static void upgrade_got_reply(struct upgrade *upgrade)
{
	struct pair *pair = upgrade->pair;
	const struct http_head *parsed = &pair->loop->head;
	const char *wrong = "the server refused the upgrade";
	uint8_t *rest;
	size_t size;

	if (parsed->status == 101)
		wrong = pair->route->backend_side->shake->check_reply(
			parsed, &upgrade->proof, NULL);
	if (wrong != NULL) {
		log_line(LOG_WARN, "connection %llu: server's handshake: %s (status %u)",
			pair->number, wrong, parsed->status);
		upgrade_refuse(upgrade, 502, "the server's handshake is not valid");
		return;
	}
	pair->hooks->upgraded(pair);
	rest = head_rest(&upgrade->reply.head, &size);
	pair->hooks->open(pair, NULL, 0, rest, size);
	upgrade_free(upgrade);
}

void upgrade_readable(struct upgrade *upgrade)
{
	const char *why = NULL;

	switch (reply_read(&upgrade->reply, upgrade->pair, false, &why)) {
	case REPLY_DONE:
		upgrade_got_reply(upgrade);
		break;
	case REPLY_WRONG:
		upgrade_refuse(upgrade, 502, why);
		break;
	case REPLY_MORE:
	case REPLY_OVER:
		break;
	}
}

struct upgrade *upgrade_new(struct pair *pair)
{
	struct upgrade *upgrade = calloc(1, sizeof *upgrade);

	if (upgrade != NULL)
		upgrade->pair = pair;
	return upgrade;
}

void upgrade_free(struct upgrade *upgrade)
{
	if (upgrade == NULL)
		return;
	head_done(&upgrade->reply.head);
	free(upgrade);
}
