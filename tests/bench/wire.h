#ifndef TESTS_BENCH_WIRE_H
#define TESTS_BENCH_WIRE_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>

/*
 * What the programs of the benchmark share: loopback sockets, growing buffers, and messages framed
 * as lines, as WebSocket frames (RFC 6455) or as bodies of HTTP. Written apart from sidespan's own
 * sides, so that the two check each other. A failure that a benchmark cannot go on from ends the
 * program.
 */
enum { WIRE_READ_BYTES = 65536, WIRE_ACCEPT_BYTES = 29 };

enum wire_framing { WIRE_LINES, WIRE_WEBSOCKET, WIRE_HTTP };

static const char *const wire_schemes[] = {"tcp", "ws", "http"};

enum wire_result { WIRE_MORE, WIRE_MESSAGE, WIRE_CLOSE, WIRE_BAD };

/* Where in HTTP the next byte is. */
enum wire_http { WIRE_HTTP_HEAD, WIRE_HTTP_SIZED, WIRE_HTTP_SIZE, WIRE_HTTP_CHUNK };

struct wire_buffer {
	uint8_t *bytes; /* owned */
	size_t begin;   /* what lies before is used up */
	size_t end;
	size_t capacity;
	/* Of the message being received: */
	size_t next;   /* where the next frame starts, or the search for the newline goes on */
	size_t base;   /* where its payload starts; the payload of several frames is joined here */
	size_t joined; /* bytes of payload complete so far */
	enum wire_http http;
	uint64_t left;              /* of the body, or of the chunk */
	struct wire_buffer *events; /* owned: what came in chunks; NULL: there were none yet */
};

_Noreturn static inline void wire_die(const char *what)
{
	perror(what);
	exit(1);
}

/* By its name: lines, ws or http. */
static inline enum wire_framing wire_framing_find(const char *name)
{
	return !strcmp(name, "http") ? WIRE_HTTP
	       : !strcmp(name, "ws") ? WIRE_WEBSOCKET
				     : WIRE_LINES;
}

static inline uint64_t wire_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline struct sockaddr_in wire_loopback(uint16_t port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static inline void wire_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		wire_die("fcntl");
}

static inline void wire_nodelay(int fd)
{
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int)))
		wire_die("TCP_NODELAY");
}

/* A listening socket; says on stderr where, in the words that sidespan uses. */
static inline int wire_listen(const char *scheme, uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = wire_loopback(port);
	socklen_t size = sizeof address;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) ||
		bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096) ||
		getsockname(fd, (struct sockaddr *)&address, &size))
		wire_die("listen");
	fprintf(stderr, "listening on %s://127.0.0.1:%u\n", scheme, ntohs(address.sin_port));
	return fd;
}

static inline int wire_connect(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in address = wire_loopback(port);

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address))
		wire_die("connect");
	wire_nodelay(fd);
	return fd;
}

static inline size_t wire_buffer_size(const struct wire_buffer *buffer)
{
	return buffer->end - buffer->begin;
}

static inline void wire_buffer_free(struct wire_buffer *buffer)
{
	if (buffer->events)
		free(buffer->events->bytes);
	free(buffer->events);
	free(buffer->bytes);
	*buffer = (struct wire_buffer){0};
}

/* Makes room for n more bytes; returns where they go. Counted by adding to end. */
static inline uint8_t *wire_buffer_reserve(struct wire_buffer *buffer, size_t n)
{
	if (buffer->begin && buffer->capacity - buffer->end < n) {
		memmove(buffer->bytes, buffer->bytes + buffer->begin, wire_buffer_size(buffer));
		buffer->next -= buffer->begin;
		buffer->base -= buffer->begin;
		buffer->end -= buffer->begin;
		buffer->begin = 0;
	}
	if (buffer->capacity - buffer->end < n) {
		buffer->capacity = buffer->capacity * 2 + n;
		buffer->bytes = realloc(buffer->bytes, buffer->capacity);
		if (!buffer->bytes)
			wire_die("realloc");
	}
	return buffer->bytes + buffer->end;
}

static inline void wire_buffer_append(struct wire_buffer *buffer, const void *bytes, size_t n)
{
	memcpy(wire_buffer_reserve(buffer, n), bytes, n);
	buffer->end += n;
}

static inline void wire_buffer_consume(struct wire_buffer *buffer, size_t n)
{
	buffer->begin += n;
	if (buffer->begin == buffer->end)
		buffer->begin = buffer->end = 0;
}

/* One read(); > 0 bytes, 0 at the end, -1 when there is nothing now. */
static inline ssize_t wire_read(int fd, struct wire_buffer *buffer)
{
	uint8_t *room = wire_buffer_reserve(buffer, WIRE_READ_BYTES);
	ssize_t n = read(fd, room, WIRE_READ_BYTES);

	if (n > 0)
		buffer->end += (size_t)n;
	else if (n < 0 && errno != EAGAIN && errno != EINTR)
		return 0;
	return n;
}

/* One write() of at most max bytes; 0, or -1 when the peer is gone. */
static inline int wire_write(int fd, struct wire_buffer *buffer, size_t max)
{
	size_t size = wire_buffer_size(buffer);
	ssize_t n;

	if (!size)
		return 0;
	n = write(fd, buffer->bytes + buffer->begin, size < max ? size : max);
	if (n > 0)
		wire_buffer_consume(buffer, (size_t)n);
	return n < 0 && errno != EAGAIN && errno != EINTR ? -1 : 0;
}

/* Applies the mask of RFC 6455, 5.3, eight bytes a step; offset within the payload is 0. */
static inline void wire_mask(uint8_t *bytes, size_t size, const uint8_t key[4])
{
	uint64_t wide, word;
	size_t i;

	memcpy(&wide, key, 4);
	memcpy((uint8_t *)&wide + 4, key, 4);
	for (i = 0; i + 8 <= size; i += 8) {
		memcpy(&word, bytes + i, 8);
		word ^= wide;
		memcpy(bytes + i, &word, 8);
	}
	for (; i < size; i++)
		bytes[i] ^= key[i % 4];
}

struct wire_frame {
	bool final;
	bool masked;
	uint8_t opcode;
	uint8_t key[4];
	size_t header_size;
	uint64_t size;
};

/* Reads the header of the frame at bytes. WIRE_MESSAGE: there is all of the frame. */
static inline enum wire_result wire_frame_parse(
	const uint8_t *bytes, size_t size, struct wire_frame *frame)
{
	size_t length_bytes;

	if (size < 2)
		return WIRE_MORE;
	if (bytes[0] & 0x70)
		return WIRE_BAD;
	frame->final = bytes[0] >> 7;
	frame->opcode = bytes[0] & 15;
	frame->masked = bytes[1] >> 7;
	frame->size = bytes[1] & 127;
	length_bytes = frame->size == 127 ? 8 : frame->size == 126 ? 2 : 0;
	frame->header_size = 2 + length_bytes + (frame->masked ? 4 : 0);
	if (size < frame->header_size)
		return WIRE_MORE;
	if (length_bytes)
		frame->size = 0;
	for (size_t i = 0; i < length_bytes; i++)
		frame->size = frame->size << 8 | bytes[2 + i];
	if (frame->masked)
		memcpy(frame->key, bytes + 2 + length_bytes, 4);
	return size - frame->header_size < frame->size ? WIRE_MORE : WIRE_MESSAGE;
}

static inline void wire_message_append(
	struct wire_buffer *buffer, const struct wire_frame *frame, uint8_t *payload)
{
	if (frame->masked)
		wire_mask(payload, frame->size, frame->key);
	if (!buffer->joined)
		buffer->base = (size_t)(payload - buffer->bytes);
	else
		memmove(buffer->bytes + buffer->base + buffer->joined, payload, frame->size);
	buffer->joined += frame->size;
}

/* Takes the next complete text message. *message stays valid until the next call. */
static inline enum wire_result wire_decode_websocket(
	struct wire_buffer *buffer, bool masked, uint8_t **message, size_t *size)
{
	struct wire_frame frame;
	enum wire_result result;

	for (;;) {
		uint8_t *start = buffer->bytes + buffer->next;

		result = wire_frame_parse(start, buffer->end - buffer->next, &frame);
		if (result != WIRE_MESSAGE)
			return result;
		if (frame.masked != masked || (frame.opcode > 1 && frame.opcode < 8))
			return WIRE_BAD;
		if (frame.opcode == 8)
			return WIRE_CLOSE;
		buffer->next += frame.header_size + frame.size;
		if (frame.opcode > 8)
			continue;
		wire_message_append(buffer, &frame, start + frame.header_size);
		if (!frame.final)
			continue;
		*message = buffer->bytes + buffer->base;
		*size = buffer->joined;
		buffer->joined = 0;
		return WIRE_MESSAGE;
	}
}

/* The value of a number in the head, in that base; -1: it is not there. */
static inline int64_t wire_http_number(const char *head, const char *name)
{
	const char *found = strcasestr(head, name);

	return found ? strtoll(found + strlen(name), NULL, 10) : -1;
}

/* Takes a head, if it is all there; what follows is known then. */
static inline enum wire_result wire_http_head(struct wire_buffer *buffer)
{
	char *head = (char *)buffer->bytes + buffer->begin;
	char *end = memmem(head, wire_buffer_size(buffer), "\r\n\r\n", 4);
	int64_t length;

	if (!end)
		return WIRE_MORE;
	end[2] = '\0';
	length = wire_http_number(head, "\r\nContent-Length:");
	if (length < 0 && !strcasestr(head, "\r\nTransfer-Encoding: chunked\r\n"))
		return WIRE_BAD;
	if (!strncmp(head, "HTTP/", 5) && strncmp(head, "HTTP/1.1 200 ", 13))
		return WIRE_BAD;
	buffer->http = length < 0 ? WIRE_HTTP_SIZE : WIRE_HTTP_SIZED;
	buffer->left = length < 0 ? 0 : (uint64_t)length;
	buffer->begin += (size_t)(end + 4 - head);
	return WIRE_MESSAGE;
}

/* Takes the line with the size of a chunk; the last one ends the body. */
static inline enum wire_result wire_http_size(struct wire_buffer *buffer)
{
	const char *line = (const char *)buffer->bytes + buffer->begin;
	const char *end = memmem(line, wire_buffer_size(buffer), "\r\n", 2);
	char *digits_end;

	if (!end)
		return WIRE_MORE;
	buffer->left = strtoull(line, &digits_end, 16);
	if (digits_end != end)
		return WIRE_BAD;
	buffer->http = WIRE_HTTP_CHUNK;
	if (buffer->left == 0) {
		if (wire_buffer_size(buffer) < (size_t)(end + 4 - line))
			return WIRE_MORE;
		buffer->http = WIRE_HTTP_HEAD;
		end += 2;
	}
	buffer->begin += (size_t)(end + 2 - line);
	return WIRE_MESSAGE;
}

/* Takes what there is of a chunk, and the end of its line. WIRE_MESSAGE: it has taken something. */
static inline enum wire_result wire_http_chunk(struct wire_buffer *buffer)
{
	size_t size = wire_buffer_size(buffer);

	if (!buffer->events)
		buffer->events = calloc(1, sizeof *buffer->events);
	if (!buffer->events)
		wire_die("calloc");
	if (size > buffer->left)
		size = buffer->left;
	wire_buffer_append(buffer->events, buffer->bytes + buffer->begin, size);
	buffer->begin += size;
	buffer->left -= size;
	if (buffer->left > 0 || wire_buffer_size(buffer) < 2)
		return size > 0 ? WIRE_MESSAGE : WIRE_MORE;
	buffer->begin += 2;
	buffer->http = WIRE_HTTP_SIZE;
	return WIRE_MESSAGE;
}

/* An event that is all there: its data, which is one line. */
static inline enum wire_result wire_http_event(
	struct wire_buffer *events, uint8_t **message, size_t *size)
{
	static const char data[] = "data: ";
	uint8_t *start = events->bytes + events->begin, *end;

	end = memmem(start, wire_buffer_size(events), "\n\n", 2);
	if (!end)
		return WIRE_MORE;
	if (memcmp(start, data, sizeof data - 1))
		return WIRE_BAD;
	*message = start + sizeof data - 1;
	*size = (size_t)(end - *message);
	events->joined = (size_t)(end + 2 - start);
	return WIRE_MESSAGE;
}

/* Takes the next body with a length, or event of a body in chunks. */
static inline enum wire_result wire_decode_http(
	struct wire_buffer *buffer, uint8_t **message, size_t *size)
{
	enum wire_result result = WIRE_MESSAGE;

	while (result == WIRE_MESSAGE) {
		if (buffer->events && wire_buffer_size(buffer->events)) {
			result = wire_http_event(buffer->events, message, size);
			if (result != WIRE_MORE)
				return result;
		}
		if (buffer->http == WIRE_HTTP_SIZED) {
			if (wire_buffer_size(buffer) < buffer->left)
				return WIRE_MORE;
			*message = buffer->bytes + buffer->begin;
			*size = buffer->left;
			buffer->next = buffer->begin + buffer->left;
			buffer->http = WIRE_HTTP_HEAD;
			return WIRE_MESSAGE;
		}
		result = buffer->http == WIRE_HTTP_HEAD   ? wire_http_head(buffer)
			 : buffer->http == WIRE_HTTP_SIZE ? wire_http_size(buffer)
							  : wire_http_chunk(buffer);
	}
	return result;
}

static inline enum wire_result wire_decode_line(
	struct wire_buffer *buffer, uint8_t **message, size_t *size)
{
	uint8_t *from = buffer->bytes + buffer->next;
	uint8_t *newline = memchr(from, '\n', buffer->end - buffer->next);

	if (!newline) {
		buffer->next = buffer->end;
		return WIRE_MORE;
	}
	*message = buffer->bytes + buffer->begin;
	*size = (size_t)(newline - *message);
	buffer->next = buffer->begin + *size + 1;
	return WIRE_MESSAGE;
}

/* The next message in buffer; the caller then calls wire_decode_done(). masked: from a client. */
static inline enum wire_result wire_decode(struct wire_buffer *buffer, enum wire_framing framing,
	bool masked, uint8_t **message, size_t *size)
{
	if (buffer->next < buffer->begin)
		buffer->next = buffer->begin;
	if (framing == WIRE_HTTP)
		return wire_decode_http(buffer, message, size);
	if (buffer->begin == buffer->end)
		return WIRE_MORE;
	if (framing == WIRE_LINES)
		return wire_decode_line(buffer, message, size);
	return wire_decode_websocket(buffer, masked, message, size);
}

/* The message that wire_decode() gave is used up. */
static inline void wire_decode_done(struct wire_buffer *buffer)
{
	if (buffer->events && buffer->events->joined) {
		wire_buffer_consume(buffer->events, buffer->events->joined);
		buffer->events->joined = 0;
		return;
	}
	wire_buffer_consume(buffer, buffer->next - buffer->begin);
	buffer->next = buffer->begin;
}

static inline void wire_encode_frame(
	struct wire_buffer *buffer, uint8_t first, bool masked, const void *bytes, size_t size)
{
	static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
	uint8_t *out = wire_buffer_reserve(buffer, size + 14);
	size_t length_bytes = size > 65535 ? 8 : size > 125 ? 2 : 0;
	size_t n = 0;

	out[n++] = first;
	out[n++] = (uint8_t)((masked ? 128 : 0) | (length_bytes == 8     ? 127
							  : length_bytes ? 126
									 : size));
	for (size_t i = length_bytes; i-- > 0;)
		out[n++] = (uint8_t)(size >> 8 * i);
	if (masked) {
		memcpy(out + n, key, 4);
		n += 4;
	}
	memcpy(out + n, bytes, size);
	if (masked)
		wire_mask(out + n, size, key);
	buffer->end += n + size;
}

/* Appends a request, or an answer, whose body the message is. */
static inline void wire_encode_http(
	struct wire_buffer *buffer, bool request, const uint8_t *bytes, size_t size)
{
	char head[192];
	int n = snprintf(head, sizeof head,
		"%sContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		request ? "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, "
			  "text/event-stream\r\n"
			: "HTTP/1.1 200 OK\r\n",
		size);

	wire_buffer_append(buffer, head, (size_t)n);
	wire_buffer_append(buffer, bytes, size);
}

/* Appends the message as an event, in a chunk of its own; the first and the last of an answer. */
static inline void wire_encode_event(
	struct wire_buffer *buffer, const uint8_t *bytes, size_t size, bool first, bool last)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
				   "Transfer-Encoding: chunked\r\n\r\n";
	char line[32];

	if (first)
		wire_buffer_append(buffer, head, sizeof head - 1);
	wire_buffer_append(
		buffer, line, (size_t)snprintf(line, sizeof line, "%zx\r\ndata: ", size + 8));
	wire_buffer_append(buffer, bytes, size);
	wire_buffer_append(buffer, "\n\n\r\n", 4);
	if (last)
		wire_buffer_append(buffer, "0\r\n\r\n", 5);
}

/* Appends a message; fragment: payload bytes of a frame at most, or 0 for one frame. */
static inline void wire_encode(struct wire_buffer *buffer, enum wire_framing framing, bool masked,
	const uint8_t *bytes, size_t size, size_t fragment)
{
	uint8_t opcode = 1;

	if (framing == WIRE_HTTP) {
		wire_encode_http(buffer, masked, bytes, size);
		return;
	}
	if (framing == WIRE_LINES) {
		wire_buffer_append(buffer, bytes, size);
		wire_buffer_append(buffer, "\n", 1);
		return;
	}
	while (fragment && size > fragment) {
		wire_encode_frame(buffer, opcode, masked, bytes, fragment);
		bytes += fragment;
		size -= fragment;
		opcode = 0;
	}
	wire_encode_frame(buffer, 0x80 | opcode, masked, bytes, size);
}

/* RFC 6455, 4.2.2: the proof that the server has read the client's key. */
static inline void wire_accept_key(const char *key, size_t key_size, char accept[WIRE_ACCEPT_BYTES])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char digest[EVP_MAX_MD_SIZE];
	char text[128];
	unsigned size;

	if (key_size > 64)
		key_size = 64;
	memcpy(text, key, key_size);
	memcpy(text + key_size, guid, sizeof guid - 1);
	if (!EVP_Digest(text, key_size + sizeof guid - 1, digest, &size, EVP_sha1(), NULL))
		wire_die("SHA-1");
	EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
}

#endif
