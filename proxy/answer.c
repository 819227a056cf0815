/* Answers of our own. Each says that the connection ends with it, and it does. */
#include "proxy/answer.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "proxy/log.h"
#include "proxy/loop.h"

static const struct {
	unsigned status;
	const char *phrase;
	const char *fields;  /* that the status must come with */
	const char *options; /* of Connection, beside close */
	size_t counter;      /* offset in struct loop_counters; 0: who refuses has counted */
} answer_rows[] = {
	{400, "Bad Request", "", "", offsetof(struct loop_counters, heads_refused)},
	{401, "Unauthorized", "WWW-Authenticate: Bearer\r\n", "", 0},
	{403, "Forbidden", "", "", 0},
	{404, "Not Found", "", "", 0},
	{408, "Request Timeout", "", "", offsetof(struct loop_counters, handshakes_overdue)},
	{421, "Misdirected Request", "", "", 0},
	{426, "Upgrade Required", "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
		", Upgrade", 0},
	{431, "Request Header Fields Too Large", "", "",
		offsetof(struct loop_counters, heads_refused)},
	{501, "Not Implemented", "", "", 0},
	{502, "Bad Gateway", "", "", offsetof(struct loop_counters, backends_unusable)},
	{503, "Service Unavailable", "", "", 0},
	{504, "Gateway Timeout", "", "", offsetof(struct loop_counters, handshakes_overdue)},
	{505, "HTTP Version Not Supported", "", "", offsetof(struct loop_counters, heads_refused)},
};

_Static_assert(offsetof(struct loop_counters, heads_refused) > 0 &&
		       offsetof(struct loop_counters, handshakes_overdue) > 0 &&
		       offsetof(struct loop_counters, backends_unusable) > 0,
	"0 is none");

static size_t answer_row(unsigned status)
{
	size_t i = 0;

	while (answer_rows[i].status != status) {
		i++;
		assert(i < sizeof answer_rows / sizeof answer_rows[0]);
	}
	return i;
}

void answer_count(struct loop *loop, unsigned status)
{
	size_t counter = answer_rows[answer_row(status)].counter;

	if (counter > 0)
		++*(uint64_t *)(void *)((char *)&loop->counters + counter);
}

size_t answer_format(char text[ANSWER_SIZE], const struct answer *answer)
{
	size_t i = answer_row(answer->status);
	char body[ANSWER_SIZE];
	int size;

	if (answer->id != NULL)
		size = snprintf(body, sizeof body,
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32000,\"message\":\"%"
			"s\"}}",
			answer->id, answer->why); /* our texts need no escapes */
	else
		size = snprintf(body, sizeof body, "%s\n", answer->why);
	assert(size > 0 && size < ANSWER_SIZE);
	size = snprintf(text, ANSWER_SIZE,
		"HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s"
		"Connection: close%s\r\n\r\n%s",
		answer->status, answer_rows[i].phrase,
		answer->id != NULL ? "application/json" : "text/plain", size, answer_rows[i].fields,
		answer_rows[i].options, answer->to_head ? "" : body);
	assert(size > 0 && size < ANSWER_SIZE); /* all texts are ours and short */
	return (size_t)size;
}

void answer_send(struct pair *pair, const struct answer *answer, enum pair_reason reason)
{
	char text[ANSWER_SIZE];
	size_t size = answer_format(text, answer);

	answer_count(pair->loop, answer->status);
	log_line(LOG_INFO, "connection %llu: answered %u: %s", pair->number, answer->status,
		answer->note != NULL ? answer->note : answer->why);
	(void)endpoint_write(&pair->client, text, size); /* failing, it ends all the same */
	pair_finish(pair, reason);
}
