/* Answers of our own. Each says that the connection ends with it, and it does. */
#include "proxy/answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "proxy/log.h"

static const struct {
	unsigned status;
	const char *phrase;
	const char *fields;  /* that the status must come with */
	const char *options; /* of Connection, beside close */
} answer_rows[] = {
	{400, "Bad Request", "", ""},
	{401, "Unauthorized", "WWW-Authenticate: Bearer\r\n", ""},
	{403, "Forbidden", "", ""},
	{404, "Not Found", "", ""},
	{408, "Request Timeout", "", ""},
	{421, "Misdirected Request", "", ""},
	{426, "Upgrade Required", "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n",
		", Upgrade"},
	{431, "Request Header Fields Too Large", "", ""},
	{501, "Not Implemented", "", ""},
	{502, "Bad Gateway", "", ""},
	{503, "Service Unavailable", "", ""},
	{504, "Gateway Timeout", "", ""},
};

size_t answer_format(char text[ANSWER_SIZE], const struct answer *answer)
{
	size_t i = 0;
	int size;

	while (answer_rows[i].status != answer->status) {
		i++;
		assert(i < sizeof answer_rows / sizeof answer_rows[0]);
	}
	size = snprintf(text, ANSWER_SIZE,
		"HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s"
		"Connection: close%s\r\n\r\n%s%s",
		answer->status, answer_rows[i].phrase, strlen(answer->why) + 1,
		answer_rows[i].fields, answer_rows[i].options, answer->to_head ? "" : answer->why,
		answer->to_head ? "" : "\n");
	assert(size > 0 && size < ANSWER_SIZE); /* all texts are ours and short */
	return (size_t)size;
}

void answer_send(struct pair *pair, const struct answer *answer, enum pair_reason reason)
{
	char text[ANSWER_SIZE];
	size_t size = answer_format(text, answer);

	log_line(LOG_INFO, "connection %llu: answered %u: %s", pair->number, answer->status,
		answer->note != NULL ? answer->note : answer->why);
	(void)endpoint_write(&pair->client, text, size); /* failing, it ends all the same */
	pair_finish(pair, reason);
}
