/*
 * A plain byte relay: what a proxy that does nothing costs. The measure that sidespan is held to.
 *
 *	relay --upstream PORT        listens on a free loopback port, connects each client to PORT
 *	relay -- COMMAND [ARG...]    wraps a command that talks on stdin and stdout
 *
 * epoll, one buffer for all, one read and one write per wake-up and direction. A peer that does not
 * read gets its bytes kept, and its sender is not read until they are gone. The end of one
 * direction is passed on; a session ends when both have ended, or with the first error.
 */
#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/wire.h"

enum { EVENTS_MAX = 64 };

struct session;

/* A descriptor. A socket is the source of one flow and the target of the other; a pipe of one. */
struct side {
	int fd;
	uint32_t events; /* as registered */
	bool socket;
	struct session *session;
	struct flow *source_of; /* borrowed, in session; or NULL */
	struct flow *target_of;
};

struct flow {
	struct side *source;
	struct side *target;
	uint8_t *kept; /* owned; what target did not take, NULL most of the time */
	size_t kept_size;
	size_t kept_start;
	bool eof; /* passed on */
};

struct session {
	struct side sides[4];
	struct flow to_backend;
	struct flow to_client;
	bool closed;
	struct session *next_closed;
};

struct relay {
	int epoll;
	uint16_t upstream;
	struct session *closed; /* freed between two waits */
	uint8_t buffer[WIRE_READ_BYTES];
};

static void session_close(struct relay *relay, struct session *session)
{
	if (session->closed)
		return;
	session->closed = true;
	session->next_closed = relay->closed;
	relay->closed = session;
	for (struct side *side = session->sides; side < session->sides + 4; side++)
		if (side->fd >= 0)
			close(side->fd);
}

static void relay_reap(struct relay *relay)
{
	while (relay->closed) {
		struct session *session = relay->closed;

		relay->closed = session->next_closed;
		free(session->to_backend.kept);
		free(session->to_client.kept);
		free(session);
	}
}

static void side_update(struct relay *relay, struct side *side)
{
	struct epoll_event event = {.data.ptr = side};

	if (side->source_of && !side->source_of->kept && !side->source_of->eof)
		event.events |= EPOLLIN;
	if (side->target_of && side->target_of->kept)
		event.events |= EPOLLOUT;
	if (event.events == side->events)
		return;
	side->events = event.events;
	if (epoll_ctl(relay->epoll, EPOLL_CTL_MOD, side->fd, &event))
		wire_die("epoll_ctl");
}

static void flow_end(struct relay *relay, struct flow *flow)
{
	struct session *session = flow->source->session;

	flow->eof = true;
	if (session->to_backend.eof && session->to_client.eof) {
		session_close(relay, session);
		return;
	}
	side_update(relay, flow->source);
	if (flow->target->socket)
		shutdown(flow->target->fd, SHUT_WR);
	else {
		close(flow->target->fd);
		flow->target->fd = -1;
	}
}

static void flow_keep(struct relay *relay, struct flow *flow, const uint8_t *bytes, size_t size)
{
	flow->kept = malloc(size);
	if (!flow->kept)
		wire_die("malloc");
	memcpy(flow->kept, bytes, size);
	flow->kept_size = size;
	flow->kept_start = 0;
	side_update(relay, flow->source);
	side_update(relay, flow->target);
}

static void flow_read(struct relay *relay, struct flow *flow)
{
	ssize_t n = read(flow->source->fd, relay->buffer, sizeof relay->buffer);
	ssize_t written;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		session_close(relay, flow->source->session);
		return;
	}
	if (n == 0) {
		flow_end(relay, flow);
		return;
	}
	written = write(flow->target->fd, relay->buffer, (size_t)n);
	if (written < 0 && errno != EAGAIN)
		session_close(relay, flow->source->session);
	else if (written < n) {
		written = written < 0 ? 0 : written;
		flow_keep(relay, flow, relay->buffer + written, (size_t)(n - written));
	}
}

static void flow_write(struct relay *relay, struct flow *flow)
{
	ssize_t n = write(flow->target->fd, flow->kept + flow->kept_start,
		flow->kept_size - flow->kept_start);

	if (n < 0 && errno != EAGAIN) {
		session_close(relay, flow->source->session);
		return;
	}
	flow->kept_start += n < 0 ? 0 : (size_t)n;
	if (flow->kept_start < flow->kept_size)
		return;
	free(flow->kept);
	flow->kept = NULL;
	side_update(relay, flow->target);
	side_update(relay, flow->source);
}

static void side_event(struct relay *relay, struct side *side, uint32_t events)
{
	if (side->session->closed || side->fd < 0)
		return;
	if ((events & EPOLLOUT) && side->target_of && side->target_of->kept)
		flow_write(relay, side->target_of);
	if (side->session->closed)
		return;
	if ((events & (EPOLLIN | EPOLLHUP)) && (side->events & EPOLLIN))
		flow_read(relay, side->source_of);
	else if (events & (EPOLLERR | EPOLLHUP))
		session_close(relay, side->session);
}

static void side_init(struct relay *relay, struct side *side, struct session *session, int fd,
	struct flow *source_of, struct flow *target_of)
{
	struct epoll_event event = {.events = source_of ? EPOLLIN : 0};

	assert(side != NULL);
	event.data.ptr = side;
	side->fd = fd;
	side->events = event.events;
	side->socket = source_of && target_of;
	side->session = session;
	side->source_of = source_of;
	side->target_of = target_of;
	if (source_of)
		source_of->source = side;
	if (target_of)
		target_of->target = side;
	wire_nonblocking(fd);
	if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, fd, &event))
		wire_die("epoll_ctl");
}

static struct session *session_new(void)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session)
		wire_die("calloc");
	for (struct side *side = session->sides; side < session->sides + 4; side++)
		side->fd = -1;
	return session;
}

static void relay_accept(struct relay *relay, int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	struct session *session;

	if (fd < 0)
		return;
	wire_nodelay(fd);
	session = session_new();
	side_init(
		relay, &session->sides[0], session, fd, &session->to_backend, &session->to_client);
	side_init(relay, &session->sides[1], session, wire_connect(relay->upstream),
		&session->to_client, &session->to_backend);
}

static void relay_listen(struct relay *relay)
{
	int listener = wire_listen("tcp", 0);
	struct epoll_event events[EVENTS_MAX] = {{.events = EPOLLIN, .data.ptr = NULL}};

	if (epoll_ctl(relay->epoll, EPOLL_CTL_ADD, listener, events))
		wire_die("epoll_ctl");
	for (;;) {
		int n = epoll_wait(relay->epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			if (events[i].data.ptr)
				side_event(relay, events[i].data.ptr, events[i].events);
			else
				relay_accept(relay, listener);
		relay_reap(relay);
	}
}

static pid_t relay_spawn(char **command, int *to_child, int *from_child)
{
	int input[2], output[2];
	pid_t pid;

	if (pipe(input) || pipe(output))
		wire_die("pipe");
	pid = fork();
	if (pid < 0)
		wire_die("fork");
	if (!pid) {
		dup2(input[0], STDIN_FILENO);
		dup2(output[1], STDOUT_FILENO);
		close(input[0]);
		close(input[1]);
		close(output[0]);
		close(output[1]);
		execvp(command[0], command);
		wire_die(command[0]);
	}
	close(input[0]);
	close(output[1]);
	*to_child = input[1];
	*from_child = output[0];
	return pid;
}

static int relay_wrap(struct relay *relay, char **command)
{
	struct epoll_event events[EVENTS_MAX];
	struct session *session = session_new();
	int to_child, from_child, status;
	pid_t pid = relay_spawn(command, &to_child, &from_child);

	side_init(relay, &session->sides[0], session, STDIN_FILENO, &session->to_backend, NULL);
	side_init(relay, &session->sides[1], session, to_child, NULL, &session->to_backend);
	side_init(relay, &session->sides[2], session, from_child, &session->to_client, NULL);
	side_init(relay, &session->sides[3], session, STDOUT_FILENO, NULL, &session->to_client);
	while (!session->closed) {
		int n = epoll_wait(relay->epoll, events, EVENTS_MAX, -1);

		for (int i = 0; i < n; i++)
			side_event(relay, events[i].data.ptr, events[i].events);
	}
	relay_reap(relay);
	return waitpid(pid, &status, 0) > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"upstream", required_argument, NULL, 'u'}, {NULL, 0, NULL, 0}};
	static struct relay relay;
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1)
		if (option == 'u')
			relay.upstream = (uint16_t)strtoul(optarg, NULL, 10);
	if (!relay.upstream == !argv[optind]) {
		fputs("usage: relay --upstream PORT | relay -- COMMAND [ARG...]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	relay.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (relay.epoll < 0)
		wire_die("epoll_create1");
	if (argv[optind])
		return relay_wrap(&relay, argv + optind);
	relay_listen(&relay);
}
