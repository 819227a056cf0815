/*
 * A relay that breaks one message on purpose, to prove that load notices.
 *
 *	faulty --upstream PORT --framing ws|lines --toward client|backend --fault KIND
 *		[--message N] [--position P]
 *
 * Listens on a free loopback port and serves one connection at a time, a thread for each direction.
 * Message N (from 0, default 5) of the direction is dropped, repeated, swapped with its successor,
 * sent with one bit of its byte P from the end changed, or cut short there ("none" does nothing).
 * A message is a line or a WebSocket frame; its framing stays whole.
 */
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/wire.h"

enum fault { FAULT_NONE, FAULT_DROP, FAULT_REPEAT, FAULT_SWAP, FAULT_CORRUPT, FAULT_SHORTEN };

static const char *const fault_names[] = {
	"none", "drop", "repeat", "swap", "corrupt", "shorten", NULL};

struct faulty {
	uint16_t upstream;
	enum wire_framing framing;
	bool toward_client;
	enum fault fault;
	unsigned long message;
	unsigned long position;
};

struct direction {
	const struct faulty *faulty;
	int source;
	int target;
	bool broken; /* the direction that the fault is in */
	bool head_passed;
	unsigned long count; /* messages seen */
	struct wire_buffer received;
	struct wire_buffer held; /* the first of two to be swapped */
};

static void direction_send(struct direction *direction, const uint8_t *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(direction->target, bytes, size);

		if (n <= 0)
			return;
		bytes += n;
		size -= (size_t)n;
	}
}

/* Bytes of the first complete message with its framing, 0 when there is none yet. */
static size_t direction_message_size(const struct direction *direction)
{
	const struct wire_buffer *buffer = &direction->received;
	const uint8_t *bytes = buffer->bytes + buffer->begin;
	size_t size = wire_buffer_size(buffer);
	struct wire_frame frame;
	const uint8_t *end;

	if (!direction->head_passed) {
		end = memmem(bytes, size, "\r\n\r\n", 4);
		return end ? (size_t)(end + 4 - bytes) : 0;
	}
	if (direction->faulty->framing == WIRE_WEBSOCKET)
		return wire_frame_parse(bytes, size, &frame) == WIRE_MESSAGE
			       ? frame.header_size + frame.size
			       : 0;
	end = memchr(bytes, '\n', size);
	return end ? (size_t)(end + 1 - bytes) : 0;
}

/* Sends the message without the byte at position; a frame's length is put right. */
static void direction_shorten(
	struct direction *direction, uint8_t *bytes, size_t size, size_t position)
{
	struct wire_frame frame;

	if (direction->faulty->framing == WIRE_WEBSOCKET &&
		wire_frame_parse(bytes, size, &frame) == WIRE_MESSAGE) {
		/* from the end, so that the mask still fits what is before */
		bytes[frame.header_size - (frame.masked ? 4 : 0) - 1]--;
		direction_send(direction, bytes, size - 1);
		return;
	}
	direction_send(direction, bytes, position);
	direction_send(direction, bytes + position + 1, size - position - 1);
}

static void direction_break(struct direction *direction, uint8_t *bytes, size_t size)
{
	const struct faulty *faulty = direction->faulty;
	size_t position = size - 2 - faulty->position % (size - 2);

	switch (faulty->fault) {
	case FAULT_DROP:
		break;
	case FAULT_REPEAT:
		direction_send(direction, bytes, size);
		direction_send(direction, bytes, size);
		break;
	case FAULT_SWAP:
		wire_buffer_append(&direction->held, bytes, size);
		break;
	case FAULT_CORRUPT:
		bytes[position] ^= 1;
		direction_send(direction, bytes, size);
		break;
	case FAULT_SHORTEN:
		direction_shorten(direction, bytes, size, position);
		break;
	case FAULT_NONE:
		direction_send(direction, bytes, size);
		break;
	}
}

static void direction_message(struct direction *direction, uint8_t *bytes, size_t size)
{
	if (!direction->head_passed) {
		direction->head_passed = true;
		direction_send(direction, bytes, size);
		return;
	}
	if (direction->broken && direction->count++ == direction->faulty->message) {
		direction_break(direction, bytes, size);
		return;
	}
	direction_send(direction, bytes, size);
	direction_send(direction, direction->held.bytes, direction->held.end);
	wire_buffer_free(&direction->held);
}

static void *direction_run(void *arg)
{
	struct direction *direction = arg;
	struct wire_buffer *buffer = &direction->received;
	size_t size;

	direction->head_passed = direction->faulty->framing == WIRE_LINES;
	while (wire_read(direction->source, buffer) > 0)
		while (wire_buffer_size(buffer) && (size = direction_message_size(direction))) {
			direction_message(direction, buffer->bytes + buffer->begin, size);
			wire_buffer_consume(buffer, size);
		}
	shutdown(direction->target, SHUT_WR);
	wire_buffer_free(buffer);
	wire_buffer_free(&direction->held);
	return NULL;
}

static void faulty_serve(const struct faulty *faulty, int client)
{
	int backend = wire_connect(faulty->upstream);
	struct direction to_client = {.faulty = faulty,
		.source = backend,
		.target = client,
		.broken = faulty->toward_client};
	struct direction to_backend = {.faulty = faulty,
		.source = client,
		.target = backend,
		.broken = !faulty->toward_client};
	pthread_t thread;

	if (pthread_create(&thread, NULL, direction_run, &to_client))
		wire_die("pthread_create");
	direction_run(&to_backend);
	pthread_join(thread, NULL);
	close(client);
	close(backend);
}

static int faulty_options(struct faulty *faulty, int argc, char **argv)
{
	static const struct option options[] = {{"upstream", required_argument, NULL, 'u'},
		{"framing", required_argument, NULL, 'f'}, {"toward", required_argument, NULL, 't'},
		{"fault", required_argument, NULL, 'k'}, {"message", required_argument, NULL, 'm'},
		{"position", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
	int option;

	faulty->message = 5;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (option) {
		case 'u':
			faulty->upstream = (uint16_t)strtoul(optarg, NULL, 10);
			break;
		case 'f':
			faulty->framing = strcmp(optarg, "ws") ? WIRE_LINES : WIRE_WEBSOCKET;
			break;
		case 't':
			faulty->toward_client = !strcmp(optarg, "client");
			break;
		case 'k':
			while (fault_names[faulty->fault] &&
				strcmp(fault_names[faulty->fault], optarg))
				faulty->fault++;
			break;
		case 'm':
			faulty->message = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			faulty->position = strtoul(optarg, NULL, 10);
			break;
		default:
			return -1;
		}
	return faulty->upstream && fault_names[faulty->fault] ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct faulty faulty = {0};
	int listener;

	if (faulty_options(&faulty, argc, argv)) {
		fputs("usage: faulty --upstream PORT --framing ws|lines --toward client|backend "
		      "--fault KIND [--message N] [--position P]\n",
			stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	listener = wire_listen("tcp", 0);
	for (;;) {
		int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (client < 0)
			wire_die("accept");
		wire_nodelay(client);
		faulty_serve(&faulty, client);
	}
}
