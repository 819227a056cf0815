/*
 * The load generator: drives a server, or a proxy before one, with requests as
 *tests/bench/payload.h makes them, checks every byte that comes back, and prints one JSON object
 *with what it measured.
 *
 *	load --ws PORT | --lines PORT | --http PORT [OPTIONS]     over TCP; --tls: within TLS
 *	load [OPTIONS] -- COMMAND [ARG...]          lines, over the command's stdin and stdout
 *
 * In turn: connect and initialize all connections; --warmup requests on each; the counted part; a
 * moment of listening for messages that nobody asked for. The CPU time of the process --pid (or of
 * COMMAND) is read exactly when the counted part begins and ends, its memory before the first
 * connection, when all are idle, and at its peak in the counted part.
 *
 * The first reply that is not what it should be, to the byte and in its place, ends the program
 * with status 1; so does silence for --timeout seconds while replies are due.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/payload.h"
#include "tests/bench/wire.h"

enum { EVENTS_MAX = 64, SURPLUS_WAIT_MS = 50, IDLE_WAIT_MS = 300 };

static const char upgrade_request[] =
	"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	"Sec-WebSocket-Key: c2lkZXNwYW4gYmVuY2g9PQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
static const char upgrade_accept[] = "\r\nSec-WebSocket-Accept: ";

enum carrier_use { CARRIER_NEVER, CARRIER_ALTERNATE, CARRIER_ALWAYS };

/* The numbers are of one type, so that a table can set them. */
struct options {
	enum wire_framing framing;
	uint16_t port;
	char **command;  /* instead of port */
	uint64_t pid;    /* whose CPU time and memory; 0: nobody's */
	uint64_t count;  /* counted requests, of all connections together */
	uint64_t warmup; /* of each connection */
	uint64_t stream; /* notifications that each request asks for */
	uint64_t connections;
	uint64_t outstanding; /* of each connection */
	uint64_t burst;       /* all outstanding at once, then wait for all */
	uint64_t churn;       /* a connection for each request */
	uint64_t bytes;
	uint64_t reply_bytes;
	uint64_t fragment; /* WebSocket frame payload at most; 0: one frame */
	uint64_t chunk;    /* bytes of a write at most, each read before the next; 0: all */
	uint64_t timeout_s;
	uint64_t tls; /* within TLS, whoever the server is */
	enum carrier_use carrier;
	const struct payload_shape *shape;
};

/* A request that waits for its reply. */
struct pending {
	struct payload_request request;
	uint64_t seq; /* its number on the connection, as the backend counts */
	uint64_t hash;
	uint64_t sent_ns;
	uint64_t streamed; /* notifications that have come */
	bool initialize;
};

struct peer {
	unsigned index;
	int reading;
	int writing; /* the same socket, so that both directions can be waited for apart */
	SSL *tls;    /* owned; NULL: without */
	bool write_wanted;
	struct wire_buffer received;
	struct wire_buffer sent;
	uint64_t id_next;
	uint64_t requested; /* on this connection */
	uint64_t turns;     /* streams that have come to their end */
	uint64_t replied;
	uint64_t target;         /* value of requested at which the running part is done */
	uint64_t last_byte_ns;   /* when sent last became empty */
	struct pending *pending; /* owned; a ring of options.outstanding */
};

struct load {
	struct options options;
	int epoll;
	SSL_CTX *tls;       /* owned; NULL: without */
	struct peer *peers; /* owned */
	uint8_t *message;   /* owned; room for one built message */
	pid_t command_pid;
	uint64_t requested; /* of all connections and parts */
	uint64_t turns;     /* streams that have come to their end */
	uint64_t due;       /* requests of the running part without a reply */
	bool counting;
	uint64_t *latencies_ns; /* owned; of counted requests */
	uint64_t latency_count;
	uint64_t early; /* counted requests of which the backend saw the start before we sent the
			   end */
	uint64_t begin_ns, end_ns;
	uint64_t begin_cpu_ns, end_cpu_ns;
	long rss_start_kb, rss_idle_kb, rss_peak_kb;
};

_Noreturn static void peer_fail(const struct peer *peer, const char *what)
{
	fprintf(stderr, "load: connection %u, reply %" PRIu64 ": %s\n", peer->index, peer->replied,
		what);
	exit(1);
}

_Noreturn static void peer_fail_differs(const struct peer *peer, const uint8_t *expected,
	size_t expected_size, const uint8_t *found, size_t found_size)
{
	enum { SHOWN = 160 };

	fprintf(stderr, "load: expected %zu bytes: %.*s\nload: received %zu bytes: %.*s\n",
		expected_size, expected_size < SHOWN ? (int)expected_size : SHOWN,
		(const char *)expected, found_size, found_size < SHOWN ? (int)found_size : SHOWN,
		(const char *)found);
	peer_fail(peer, "not the message that is due");
}

/* The number in kB after `name` in /proc/PID/FILE; -1 without one. */
static long process_kb(uint64_t pid, const char *file, const char *name)
{
	char path[64], line[256];
	long kb = -1;
	FILE *stream;

	snprintf(path, sizeof path, "/proc/%" PRIu64 "/%s", pid, file);
	stream = pid ? fopen(path, "r") : NULL;
	if (!stream)
		return -1;
	while (fgets(line, sizeof line, stream))
		if (!strncmp(line, name, strlen(name)))
			kb = strtol(line + strlen(name), NULL, 10);
	fclose(stream);
	return kb;
}

/* smaps_rollup is exact; the VmRSS of status is off by some pages on each CPU. */
static long process_rss_kb(uint64_t pid)
{
	return process_kb(pid, "smaps_rollup", "Rss:");
}

/* Lets the peak that the kernel keeps start anew. */
static void process_peak_reset(uint64_t pid)
{
	char path[64];
	FILE *stream;

	snprintf(path, sizeof path, "/proc/%" PRIu64 "/clear_refs", pid);
	stream = pid ? fopen(path, "w") : NULL;
	if (!stream)
		return;
	fputs("5\n", stream);
	fclose(stream);
}

/* CPU time of all threads of the process; 0 when there is none to measure. */
static uint64_t process_cpu_ns(uint64_t pid)
{
	struct timespec used;
	clockid_t clock;

	if (!pid || clock_getcpuclockid((pid_t)pid, &clock) || clock_gettime(clock, &used))
		return 0;
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* All that OpenSSL has: no event tells of what it keeps. */
static void peer_read_tls(struct peer *peer)
{
	int n;

	do {
		uint8_t *room = wire_buffer_reserve(&peer->received, WIRE_READ_BYTES);

		n = SSL_read(peer->tls, room, WIRE_READ_BYTES);
		peer->received.end += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	if (SSL_get_error(peer->tls, n) != SSL_ERROR_WANT_READ)
		peer_fail(peer, "the connection ended");
}

static void peer_read(struct peer *peer)
{
	if (peer->tls)
		peer_read_tls(peer);
	else if (wire_read(peer->reading, &peer->received) == 0)
		peer_fail(peer, "the connection ended");
}

/* As much as the connection takes; 0, or -1 when the peer is gone. */
static int peer_write(struct peer *peer)
{
	int n = 1;

	if (!peer->tls)
		return wire_write(peer->writing, &peer->sent, SIZE_MAX);
	while (n > 0 && wire_buffer_size(&peer->sent)) {
		n = SSL_write(peer->tls, peer->sent.bytes + peer->sent.begin,
			(int)wire_buffer_size(&peer->sent));
		if (n > 0)
			wire_buffer_consume(&peer->sent, (size_t)n);
	}
	return n > 0 || SSL_get_error(peer->tls, n) == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* The socket blocks still. Whose certificate it is does not matter here. */
static void peer_encrypt(struct load *load, struct peer *peer)
{
	peer->tls = SSL_new(load->tls);
	if (!peer->tls || !SSL_set_fd(peer->tls, peer->reading) || SSL_connect(peer->tls) != 1)
		peer_fail(peer, "no TLS");
}

/* Reads the answer to the upgrade and leaves what follows it in received. */
static void peer_upgrade(struct load *load, struct peer *peer)
{
	char expected[WIRE_ACCEPT_BYTES], *head, *end = NULL, *accept;
	const char *key = strstr(upgrade_request, "Key: ") + strlen("Key: ");

	wire_buffer_append(&peer->sent, upgrade_request, sizeof upgrade_request - 1);
	if (wire_write(peer->writing, &peer->sent, SIZE_MAX))
		peer_fail(peer, "cannot send the upgrade");
	while (!end) {
		struct pollfd wait = {.fd = peer->reading, .events = POLLIN};

		if (poll(&wait, 1, (int)load->options.timeout_s * 1000) <= 0)
			peer_fail(peer, "no answer to the upgrade");
		peer_read(peer);
		head = (char *)peer->received.bytes;
		end = memmem(head, peer->received.end, "\r\n\r\n", 4);
	}
	*end = '\0';
	wire_accept_key(key, strcspn(key, "\r"), expected);
	accept = strcasestr(head, upgrade_accept);
	if (strncmp(head, "HTTP/1.1 101 ", 13) || !accept ||
		strncmp(accept + sizeof upgrade_accept - 1, expected, strlen(expected)))
		peer_fail(peer, head);
	wire_buffer_consume(&peer->received, (size_t)(end + 4 - head));
}

static void peer_watch(struct load *load, struct peer *peer)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};

	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, peer->reading, &event))
		wire_die("epoll_ctl");
}

static void peer_connect(struct load *load, struct peer *peer)
{
	peer->reading = wire_connect(load->options.port);
	peer->writing = fcntl(peer->reading, F_DUPFD_CLOEXEC, 0);
	peer->requested = peer->replied = 0;
	if (load->tls)
		peer_encrypt(load, peer);
	wire_nonblocking(peer->reading);
	if (load->options.framing == WIRE_WEBSOCKET)
		peer_upgrade(load, peer);
	peer_watch(load, peer);
}

static void peer_disconnect(struct peer *peer)
{
	if (peer->tls)
		(void)SSL_shutdown(peer->tls);
	SSL_free(peer->tls);
	peer->tls = NULL;
	close(peer->reading);
	close(peer->writing);
	wire_buffer_free(&peer->received);
	wire_buffer_free(&peer->sent);
}

static void load_spawn(struct load *load, struct peer *peer)
{
	int input[2], output[2];

	if (pipe2(input, O_CLOEXEC) || pipe2(output, O_CLOEXEC))
		wire_die("pipe");
	load->command_pid = fork();
	if (load->command_pid < 0)
		wire_die("fork");
	if (!load->command_pid) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		execvp(load->options.command[0], load->options.command);
		wire_die(load->options.command[0]);
	}
	close(input[0]);
	close(output[1]);
	peer->writing = input[1];
	peer->reading = output[0];
	wire_nonblocking(peer->writing);
	wire_nonblocking(peer->reading);
	load->options.pid = (uint64_t)load->command_pid;
	peer_watch(load, peer);
}

/* Writes one chunk and waits until the reader has taken it, so that it sees it by itself. */
static void peer_write_chunk(struct load *load, struct peer *peer)
{
	int unread = 1;

	if (wire_write(peer->writing, &peer->sent, load->options.chunk))
		peer_fail(peer, "the connection does not take more");
	if (!load->options.command) {
		sched_yield();
		return;
	}
	while (unread > 0 && !ioctl(peer->writing, FIONREAD, &unread))
		sched_yield();
}

static void peer_flush(struct load *load, struct peer *peer)
{
	struct epoll_event event = {.events = EPOLLOUT, .data.ptr = peer};
	bool wanted;

	while (load->options.chunk && wire_buffer_size(&peer->sent))
		peer_write_chunk(load, peer);
	if (peer_write(peer))
		peer_fail(peer, "the connection does not take more");
	wanted = wire_buffer_size(&peer->sent) > 0;
	if (!wanted)
		peer->last_byte_ns = wire_now_ns();
	if (wanted == peer->write_wanted)
		return;
	peer->write_wanted = wanted;
	if (epoll_ctl(load->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, peer->writing, &event))
		wire_die("epoll_ctl");
}

static bool options_carrier(const struct options *options, uint64_t id)
{
	return options->carrier == CARRIER_ALWAYS ||
	       (options->carrier == CARRIER_ALTERNATE && id % 2);
}

static void peer_request(struct load *load, struct peer *peer, bool initialize, uint64_t now_ns)
{
	const struct options *options = &load->options;
	struct pending *pending = &peer->pending[peer->requested % options->outstanding];
	size_t size;

	*pending = (struct pending){.seq = peer->requested++,
		.sent_ns = now_ns,
		.initialize = initialize,
		.request = {.id = peer->id_next++, .stream = options->stream}};
	pending->request.reply_bytes = options->reply_bytes;
	if (initialize)
		size = payload_initialize(load->message, pending->request.id);
	else {
		pending->request.carrier = options_carrier(options, pending->request.id);
		size = payload_request(load->message, &pending->request, options->bytes,
			options->shape, &pending->hash);
	}
	wire_encode(&peer->sent, options->framing, true, load->message, size, options->fragment);
	load->requested++;
}

/* Sends what may be sent now. */
static void peer_fill(struct load *load, struct peer *peer, uint64_t now_ns)
{
	uint64_t outstanding = load->options.outstanding;

	if (load->options.burst && peer->requested > peer->replied)
		return;
	if (peer->requested == peer->target || peer->requested - peer->replied == outstanding)
		return;
	while (peer->requested < peer->target && peer->requested - peer->replied < outstanding)
		peer_request(load, peer, false, now_ns);
	peer_flush(load, peer);
}

static void peer_replied(struct load *load, struct peer *peer, const struct pending *pending,
	uint64_t first_ns, uint64_t now_ns)
{
	peer->replied++;
	load->due--;
	if (!load->counting)
		return;
	load->latencies_ns[load->latency_count++] = now_ns - pending->sent_ns;
	load->early += first_ns < peer->last_byte_ns;
}

/* Compares the message with the one that is due: everything but first_ns is known beforehand. */
static void peer_message(struct load *load, struct peer *peer, const uint8_t *found,
	size_t found_size, uint64_t now_ns)
{
	struct pending *pending = &peer->pending[peer->replied % load->options.outstanding];
	uint64_t first_ns = 0;
	bool last = true;
	size_t size;

	if (peer->replied == peer->requested)
		peer_fail_differs(peer, (const uint8_t *)"", 0, found, found_size);
	if (pending->initialize)
		size = payload_initialize_reply(load->message, pending->request.id);
	else if (pending->streamed < pending->request.stream) {
		last = false;
		size = payload_notification(load->message, &pending->request, pending->streamed++);
	} else {
		first_ns = (uint64_t)payload_number(found, found_size, "\"first_ns\":");
		size = payload_reply(
			load->message, &pending->request, pending->seq, first_ns, pending->hash);
	}
	if (size != found_size || memcmp(load->message, found, size))
		peer_fail_differs(peer, load->message, size, found, found_size);
	load->turns += last && !pending->initialize && pending->request.stream > 1;
	if (last)
		peer_replied(load, peer, pending, first_ns, now_ns);
}

static void peer_messages(struct load *load, struct peer *peer)
{
	uint64_t now_ns = wire_now_ns();
	enum wire_result result;
	uint8_t *message = NULL;
	size_t size = 0;

	while ((result = wire_decode(&peer->received, load->options.framing, false, &message,
			&size)) == WIRE_MESSAGE) {
		peer_message(load, peer, message, size, now_ns);
		wire_decode_done(&peer->received);
	}
	if (result != WIRE_MORE)
		peer_fail(peer, result == WIRE_CLOSE ? "the server closed" : "broken framing");
	peer_fill(load, peer, now_ns);
}

static void load_wait(struct load *load)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(load->epoll, events, EVENTS_MAX, (int)load->options.timeout_s * 1000);

	if (n == 0) {
		fprintf(stderr, "load: silence for %" PRIu64 " s, %" PRIu64 " replies lost\n",
			load->options.timeout_s, load->due);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		struct peer *peer = events[i].data.ptr;

		if (events[i].events & EPOLLOUT)
			peer_flush(load, peer);
		else {
			peer_read(peer);
			peer_messages(load, peer);
		}
	}
}

/* per_peer more requests on each connection, the first `more` of them one in addition. */
static void load_part(struct load *load, uint64_t per_peer, uint64_t more)
{
	uint64_t now_ns = wire_now_ns();

	for (unsigned i = 0; i < load->options.connections; i++) {
		struct peer *peer = &load->peers[i];

		peer->target = peer->requested + per_peer + (i < more);
		load->due += peer->target - peer->requested;
	}
	for (unsigned i = 0; i < load->options.connections; i++)
		peer_fill(load, &load->peers[i], now_ns);
	while (load->due)
		load_wait(load);
}

static void load_connect(struct load *load)
{
	for (unsigned i = 0; i < load->options.connections; i++) {
		struct peer *peer = &load->peers[i];

		peer->index = i;
		peer->id_next = (uint64_t)i * PAYLOAD_ID_SPAN;
		peer->pending = calloc(load->options.outstanding, sizeof *peer->pending);
		if (!peer->pending)
			wire_die("calloc");
		if (load->options.churn)
			continue;
		if (load->options.command)
			load_spawn(load, peer);
		else
			peer_connect(load, peer);
		load->due++;
		peer->target = 1;
		peer_request(load, peer, true, wire_now_ns());
		peer_flush(load, peer);
		while (load->due)
			load_wait(load);
	}
}

static void load_churn(struct load *load, uint64_t count)
{
	struct peer *peer = load->peers;

	while (count-- > 0) {
		uint64_t start_ns = wire_now_ns();

		peer_connect(load, peer);
		load->due = peer->target = 1;
		peer_fill(load, peer, start_ns);
		while (load->due)
			load_wait(load);
		peer_disconnect(peer);
	}
}

static void load_counted(struct load *load)
{
	const struct options *options = &load->options;

	process_peak_reset(options->pid);
	load->counting = true;
	load->begin_cpu_ns = process_cpu_ns(options->pid);
	load->begin_ns = wire_now_ns();
	if (options->churn)
		load_churn(load, options->count);
	else
		load_part(load, options->count / options->connections,
			options->count % options->connections);
	load->end_ns = wire_now_ns();
	load->end_cpu_ns = process_cpu_ns(options->pid);
	load->counting = false;
	load->rss_peak_kb = process_kb(options->pid, "status", "VmHWM:");
}

/* Whatever arrives now is one message too many. */
static void load_surplus(struct load *load)
{
	struct epoll_event event;

	while (epoll_wait(load->epoll, &event, 1, SURPLUS_WAIT_MS) > 0) {
		peer_read(event.data.ptr);
		peer_messages(load, event.data.ptr);
	}
}

static void load_run(struct load *load)
{
	load->rss_start_kb = process_rss_kb(load->options.pid);
	load_connect(load);
	if (load->options.pid)
		poll(NULL, 0, IDLE_WAIT_MS);
	load->rss_idle_kb = process_rss_kb(load->options.pid);
	if (load->options.churn)
		load_churn(load, load->options.warmup);
	else
		load_part(load, load->options.warmup, 0);
	load_counted(load);
	load_surplus(load);
}

static int load_compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a, second = *(const uint64_t *)b;

	return first < second ? -1 : first > second;
}

static uint64_t load_percentile(const struct load *load, unsigned percent)
{
	uint64_t n = load->latency_count;

	return n ? load->latencies_ns[(n - 1) * percent / 100] : 0;
}

static void load_report(struct load *load)
{
	uint64_t per_request = load->options.stream ? load->options.stream : 1;

	qsort(load->latencies_ns, load->latency_count, sizeof *load->latencies_ns, load_compare);
	printf("{\"messages\":%" PRIu64 ",\"requests\":%" PRIu64 ",\"turns\":%" PRIu64
	       ",\"seconds\":%.6f,"
	       "\"cpu_ns\":%" PRIu64 ",\"p50_ns\":%" PRIu64 ",\"p99_ns\":%" PRIu64
	       ",\"early\":%" PRIu64 ",\"rss_start_kb\":%ld,\"rss_idle_kb\":%ld,"
	       "\"rss_peak_kb\":%ld}\n",
		load->latency_count * per_request, load->requested, load->turns,
		(double)(load->end_ns - load->begin_ns) / 1e9,
		load->end_cpu_ns - load->begin_cpu_ns, load_percentile(load, 50),
		load_percentile(load, 99), load->early, load->rss_start_kb, load->rss_idle_kb,
		load->rss_peak_kb);
}

/* Closes the connections, waits for the command; its exit status. */
static int load_finish(struct load *load)
{
	int status = 0;

	for (unsigned i = 0; i < load->options.connections; i++) {
		if (!load->options.churn)
			peer_disconnect(&load->peers[i]);
		free(load->peers[i].pending);
	}
	if (load->command_pid && waitpid(load->command_pid, &status, 0) < 0)
		wire_die("waitpid");
	free(load->peers);
	free(load->message);
	free(load->latencies_ns);
	SSL_CTX_free(load->tls);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Options with a number; with 1 where they take no value. */
static const struct option_number {
	const char *name;
	size_t offset; /* of an uint64_t in struct options */
	bool flag;
} option_numbers[] = {
	{"--pid", offsetof(struct options, pid), false},
	{"--count", offsetof(struct options, count), false},
	{"--warmup", offsetof(struct options, warmup), false},
	{"--stream", offsetof(struct options, stream), false},
	{"--connections", offsetof(struct options, connections), false},
	{"--outstanding", offsetof(struct options, outstanding), false},
	{"--burst", offsetof(struct options, burst), true},
	{"--churn", offsetof(struct options, churn), true},
	{"--bytes", offsetof(struct options, bytes), false},
	{"--reply", offsetof(struct options, reply_bytes), false},
	{"--fragment", offsetof(struct options, fragment), false},
	{"--chunk", offsetof(struct options, chunk), false},
	{"--timeout", offsetof(struct options, timeout_s), false},
	{"--tls", offsetof(struct options, tls), true},
	{NULL, 0, false},
};

static const char *const option_carriers[] = {"never", "alternate", "always", NULL};

static const struct option_number *option_number_find(const char *name)
{
	const struct option_number *row = option_numbers;

	while (row->name && strcmp(row->name, name))
		row++;
	return row->name ? row : NULL;
}

/* An option whose value is a word, or that sets two fields. */
static int options_set(struct options *options, const char *name, const char *value)
{
	if (!strcmp(name, "--ws") || !strcmp(name, "--lines") || !strcmp(name, "--http")) {
		options->framing = wire_framing_find(name + 2);
		options->port = (uint16_t)strtoul(value, NULL, 10);
		return 0;
	}
	if (!strcmp(name, "--shape")) {
		options->shape = payload_shape_find(value);
		return options->shape ? 0 : -1;
	}
	if (strcmp(name, "--carrier"))
		return -1;
	options->carrier = CARRIER_NEVER;
	while (option_carriers[options->carrier] &&
		strcmp(option_carriers[options->carrier], value))
		options->carrier++;
	return option_carriers[options->carrier] ? 0 : -1;
}

static int options_check(const struct options *options)
{
	if (!options->port == !options->command)
		return -1;
	if (options->command && (options->connections != 1 || options->churn))
		return -1;
	return options->connections && options->outstanding ? 0 : -1;
}

/* argv ends with NULL. */
static int options_parse(struct options *options, char **argv)
{
	*options = (struct options){.connections = 1,
		.outstanding = 1,
		.bytes = 200,
		.reply_bytes = 200,
		.timeout_s = 10,
		.shape = payload_shapes};
	for (; *argv && strcmp(*argv, "--"); argv++) {
		const struct option_number *row = option_number_find(*argv);
		uint64_t number = 1;

		if (!(row && row->flag) && !argv[1])
			return -1;
		if (row && !row->flag)
			number = strtoul(*++argv, NULL, 10);
		if (row)
			memcpy((char *)options + row->offset, &number, sizeof number);
		else if (options_set(options, argv[0], argv[1]))
			return -1;
		else
			argv++;
	}
	if (*argv && argv[1])
		options->command = argv + 1;
	return options_check(options);
}

static void load_init(struct load *load)
{
	const struct options *options = &load->options;
	size_t most = options->bytes > options->reply_bytes ? options->bytes : options->reply_bytes;

	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll < 0)
		wire_die("epoll_create1");
	if (options->tls) {
		load->tls = SSL_CTX_new(TLS_client_method());
		if (!load->tls)
			wire_die("SSL_CTX_new");
		(void)SSL_CTX_set_mode(load->tls,
			SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	}
	load->peers = calloc(options->connections, sizeof *load->peers);
	load->message = malloc(most + 2 * PAYLOAD_HEAD_BYTES + PAYLOAD_CARRIER_BYTES);
	load->latencies_ns = calloc(options->count + 1, sizeof *load->latencies_ns);
	if (!load->peers || !load->message || !load->latencies_ns)
		wire_die("malloc");
}

int main(int argc, char **argv)
{
	static struct load load;

	if (!argc || options_parse(&load.options, argv + 1)) {
		fputs("usage: load --ws PORT | --lines PORT | --http PORT | [OPTIONS] -- COMMAND "
		      "[ARG...]\n"
		      "options: --shape NAME --carrier never|alternate|always",
			stderr);
		for (const struct option_number *row = option_numbers; row->name; row++)
			fprintf(stderr, " %s%s", row->name, row->flag ? "" : " N");
		fputc('\n', stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	load_init(&load);
	load_run(&load);
	load_report(&load);
	return load_finish(&load);
}
