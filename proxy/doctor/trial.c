/*
 * One trial. A child process takes the settings, but for what would leave traces or meet another
 * sidespan: no exporter, spool, recording, admin listener. Its client is we: by a pair of sockets
 * in place of standard input and output, or, where the server speaks HTTP, by a Unix socket in a
 * folder of our own. The child's log is read for the reason when things go wrong. At the end the
 * client leaves; what does not end by that is told to, and then killed.
 */
#include "proxy/doctor/trial.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/config.h"
#include "config/list.h"
#include "config/profile/profile.h"
#include "exporter/clock.h"
#include "exporter/text.h"
#include "proxy/doctor/hearing.h"
#include "proxy/log.h"

enum { TRIAL_READ_SIZE = 16384, TRIAL_PAUSE_MS = 10, TRIAL_GRACE_MS = 1000, TRIAL_END_MS = 4000 };
enum { TRIAL_FOLDER_SIZE = 88, TRIAL_PATH_SIZE = 96 }; /* a socket's name has 107 bytes */
enum {
	TRIAL_HEAD_SIZE = URL_PATH_MAX + URL_AUTHORITY_SIZE + 256,
	TRIAL_BODY_SIZE = 512,
	TRIAL_SESSION_MAX = 1024,
	TRIAL_MESSAGE_SIZE = TRIAL_HEAD_SIZE + TRIAL_SESSION_MAX + 64, /* and for a body, too */
};

static const size_t trial_bytes_max = 1048576; /* of an answer, or of a log */

/* What is asked for: each profile's first request, which changes nothing. */
static const struct {
	const char *profile; /* NULL: of any other */
	const char *method, *params;
} trial_requests[] = {
	{"codex", "initialize",
		"{\"clientInfo\":{\"name\":\"sidespan-doctor\",\"title\":\"sidespan doctor\","
		"\"version\":\"" SIDESPAN_VERSION "\"}}"},
	{"mcp", "initialize",
		"{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"clientInfo\":{"
		"\"name\":\"sidespan-doctor\",\"version\":\"" SIDESPAN_VERSION "\"}}"},
	{"acp", "initialize", "{\"protocolVersion\":1,\"clientCapabilities\":{}}"},
	{"ethereum", "web3_clientVersion", "[]"},
	{NULL, "initialize",
		"{\"processId\":null,\"rootUri\":null,\"capabilities\":{},\"clientInfo\":{"
		"\"name\":\"sidespan-doctor\",\"version\":\"" SIDESPAN_VERSION "\"}}"},
};

struct trial_talk {
	struct config *config; /* borrowed */
	struct trial *trial;   /* borrowed; what comes of it */
	bool is_http;
	enum config_framing framing; /* of the conversation: what the server would meet */
	char folder[TRIAL_FOLDER_SIZE], path[TRIAL_PATH_SIZE]; /* of the Unix socket, if any */
	pid_t pid;
	int exit_status; /* of the child, as waitpid() has it */
	int fd;          /* of the conversation; -1: not connected yet */
	int log_fd;      /* -1: all of the log was read */
	struct hearing hearing;
	struct text log;
};

int64_t trial_wait_ms(const struct config *config)
{
	return config->connect_timeout_ms * (config->command != NULL ? 3 : 1);
}

/* A command meets what its clients' URL says, too; the URL of a server says it by itself. */
static enum config_framing trial_framing(const struct config *config)
{
	const struct url *client = &config->listen_url;

	if (config->command == NULL)
		return CONFIG_FRAMING_LINES;
	if (config->framing != CONFIG_FRAMING_AUTO)
		return config->framing;
	if (client->framing == URL_LENGTH)
		return CONFIG_FRAMING_LENGTH;
	if (client->framing == URL_CONCAT)
		return CONFIG_FRAMING_CONCAT;
	return url_is_websocket(client) ? CONFIG_FRAMING_LINES : CONFIG_FRAMING_AUTO;
}

/* Where the settings leave it to the client, a language server's is one that writes heads. */
static bool trial_has_heads(const struct trial_talk *talk)
{
	return talk->framing == CONFIG_FRAMING_LENGTH ||
	       (talk->framing == CONFIG_FRAMING_AUTO &&
		       strcmp(talk->config->profile->name, "lsp") == 0);
}

static size_t trial_row(const struct config *config)
{
	size_t i;

	for (i = 0; trial_requests[i].profile != NULL; i++)
		if (strcmp(trial_requests[i].profile, config->profile->name) == 0)
			break;
	return i;
}

const char *trial_method(const struct config *config)
{
	return trial_requests[trial_row(config)].method;
}

static void trial_pause(void)
{
	const struct timespec pause = {.tv_nsec = TRIAL_PAUSE_MS * 1000000L};

	(void)nanosleep(&pause, NULL); /* a shorter one will do */
}

/* ---- the child ---- */

/* In the child's memory alone. 0, or -1 when out of memory. */
static int trial_change_settings(struct trial_talk *talk, bool with_carrier)
{
	struct config *config = talk->config;
	const char *reason;

	config->framing = talk->framing;
	if (talk->is_http) {
		free(config->listen);
		config->listen = malloc(sizeof talk->path + sizeof "http+unix://");
		if (config->listen == NULL)
			return -1;
		(void)sprintf(config->listen, "http+unix://%s", talk->path); /* fits */
		if (url_parse(&config->listen_url, config->listen, &reason) != 0)
			return -1;
	} else {
		memset(&config->listen_url, 0, sizeof config->listen_url);
	}
	if (!with_carrier) {
		list_free(&config->propagation_inject);
		if (list_add(&config->propagation_inject, "none") != 0)
			return -1;
	}
	memset(&config->admin_url, 0, sizeof config->admin_url);
	config->exporter = CONFIG_EXPORTER_NONE;
	config->metrics_exporter = CONFIG_METRICS_NONE;
	free(config->spool_directory);
	free(config->record_file);
	free(config->listen_token);
	config->spool_directory = config->record_file = config->listen_token = NULL;
	config->listen_check_origin = CONFIG_CHECK_NEVER;
	config->shutdown_drain_ms = config->child_grace_ms = TRIAL_GRACE_MS;
	config->connect_timeout_ms = (config->connect_timeout_ms + 3) / 4;
	log_style_set(LOG_PLAIN);
	log_level_set(LOG_WARN);
	return 0;
}

static _Noreturn void trial_be_child(struct trial_talk *talk, bool with_carrier, int conversation,
	int log_end, trial_serve *serve, void *arg)
{
	(void)close(talk->log_fd);                 /* the parent's ends: nothing was written */
	(void)(talk->fd != -1 && close(talk->fd)); /* the same */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || dup2(log_end, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	if (!talk->is_http &&
		(dup2(conversation, STDIN_FILENO) < 0 || dup2(conversation, STDOUT_FILENO) < 0))
		_exit(EXIT_FAILURE);
	if (talk->is_http && dup2(log_end, STDOUT_FILENO) < 0)
		_exit(EXIT_FAILURE);
	log_open();
	if (trial_change_settings(talk, with_carrier) != 0)
		_exit(EXIT_FAILURE);
	_exit(serve(arg));
}

/* 0, or -1 with errno set. */
static int trial_start(struct trial_talk *talk, bool with_carrier, trial_serve *serve, void *arg)
{
	int conversation[2] = {-1, -1}, log_ends[2];

	if (pipe2(log_ends, O_CLOEXEC) != 0)
		return -1;
	talk->log_fd = log_ends[0];
	if (!talk->is_http && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, conversation) != 0)
		goto fail;
	talk->fd = conversation[0];
	(void)fflush(stdout); /* or the child would write it again */
	talk->pid = fork();
	if (talk->pid == 0)
		trial_be_child(talk, with_carrier, conversation[1], log_ends[1], serve, arg);
	(void)(conversation[1] != -1 && close(conversation[1])); /* nothing was written */
	(void)close(log_ends[1]);                                /* the same */
	return talk->pid > 0 ? 0 : -1;
fail:
	(void)close(log_ends[1]); /* nothing was written */
	return -1;
}

/* ---- the client ---- */

/* Writes all of it: it is far less than what a socket takes. 0 or -1. */
static int trial_send(struct trial_talk *talk, const char *message, int size)
{
	assert(talk->fd != -1);
	assert(size > 0 && size < TRIAL_MESSAGE_SIZE); /* it has fit */
	return send(talk->fd, message, (size_t)size, MSG_NOSIGNAL) == size ? 0 : -1;
}

/* How a request of HTTP begins: for the server by its own name. 1.0: an answer without chunks. */
static void trial_begin_http(
	struct trial_talk *talk, const char *method, char head[TRIAL_HEAD_SIZE])
{
	const struct url *url = &talk->config->upstream_url;
	const char *path = url->scheme == URL_WS ? url->path : "";
	char host[URL_AUTHORITY_SIZE];

	if (path[0] == '\0') /* where servers of MCP are */
		path = strcmp(talk->config->profile->name, "mcp") == 0 ? "/mcp" : "/";
	url_authority(host, url);
	(void)snprintf(head, TRIAL_HEAD_SIZE,
		"%s %s HTTP/1.0\r\nHost: %s\r\nAccept: application/json, text/event-stream\r\n",
		method, path, host); /* fits */
}

/* 0 or -1. */
static int trial_write(struct trial_talk *talk)
{
	const char *params = trial_requests[trial_row(talk->config)].params;
	char body[TRIAL_BODY_SIZE], head[TRIAL_HEAD_SIZE], message[TRIAL_MESSAGE_SIZE];
	int size, result;

	size = snprintf(body, sizeof body,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":%s}\n",
		trial_method(talk->config), params); /* fits */
	assert(size > 0 && size < TRIAL_BODY_SIZE);
	if (talk->is_http) {
		trial_begin_http(talk, "POST", head);
		result = snprintf(message, sizeof message,
			"%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", head,
			size, body); /* fits */
	} else if (trial_has_heads(talk)) {
		result = snprintf(message, sizeof message, "Content-Length: %d\r\n\r\n%s", size,
			body); /* fits */
	} else {
		result = snprintf(message, sizeof message, "%s", body); /* fits */
	}
	return trial_send(talk, message, result);
}

/* The socket of a child that listens. */
static int trial_connect(struct trial_talk *talk)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert(talk->is_http && talk->fd == -1);
	(void)snprintf(name.sun_path, sizeof name.sun_path, "%s", talk->path); /* fits */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&name, sizeof name) == 0) {
		talk->fd = fd;
		return 0;
	}
	(void)(fd >= 0 && close(fd)); /* nothing was written */
	return -1;
}

/* Reads what there is. False: the other side has ended, or said too much. */
static bool trial_read(int fd, struct text *text)
{
	char *room = text_room(text, TRIAL_READ_SIZE);
	ssize_t size = room != NULL ? read(fd, room, TRIAL_READ_SIZE - 1) : 0;

	if (size <= 0)
		return size < 0 && errno == EINTR;
	room[size] = '\0'; /* so that it can be searched as a string */
	text_end(text, room + size);
	return true;
}

/* The log has ended: nobody writes it any more. */
static void trial_read_log(struct trial_talk *talk)
{
	assert(talk->log_fd != -1);
	if (trial_read(talk->log_fd, &talk->log))
		return;
	(void)close(talk->log_fd); /* only read */
	talk->log_fd = -1;
}

/* The conversation is over, so the child ends, and its log has the reason. */
static void trial_read_log_out(struct trial_talk *talk)
{
	int64_t end_ms = clock_ms() + TRIAL_GRACE_MS, left_ms;
	struct pollfd ready = {.fd = talk->log_fd, .events = POLLIN};

	if (talk->fd != -1)
		(void)close(talk->fd); /* nobody is there */
	talk->fd = -1;
	while (talk->log_fd != -1 && (left_ms = end_ms - clock_ms()) > 0 &&
		poll(&ready, 1, (int)left_ms) > 0)
		trial_read_log(talk);
}

/* True: the answer is there. */
static bool trial_hear(struct trial_talk *talk)
{
	static const enum trial_outcome outcomes[] = {[HEARING_MORE] = TRIAL_LOST,
		[HEARING_ANSWERED] = TRIAL_ANSWERED,
		[HEARING_REFUSED] = TRIAL_REFUSED,
		[HEARING_LOST] = TRIAL_LOST};
	enum hearing_verdict verdict = hearing_look(&talk->hearing);

	talk->trial->outcome = outcomes[verdict];
	talk->trial->status = talk->hearing.status;
	(void)snprintf(
		talk->trial->why, sizeof talk->trial->why, "%s", talk->hearing.why); /* fits */
	return verdict != HEARING_MORE;
}

/* Waits for what comes next, that long at most. True: the answer has come, or none will. */
static bool trial_step(struct trial_talk *talk, int64_t wait_ms)
{
	struct pollfd ready[] = {
		{.fd = talk->fd, .events = POLLIN}, {.fd = talk->log_fd, .events = POLLIN}};

	if (talk->fd == -1 && trial_connect(talk) == 0 && trial_write(talk) != 0)
		return true;
	ready[0].fd = talk->fd;
	if (poll(ready, 2, talk->fd == -1 ? TRIAL_PAUSE_MS : (int)wait_ms) < 0)
		return errno != EINTR;
	if (ready[1].revents != 0)
		trial_read_log(talk);
	if (talk->fd != -1 && ready[0].revents != 0)
		return !trial_read(talk->fd, &talk->hearing.said) || trial_hear(talk);
	return talk->fd == -1 && talk->log_fd == -1; /* it will never listen */
}

/* The status in our line on a server's handshake that failed; 0: it is another line. */
static int trial_line_status(const char *line)
{
	static const char begin[] = ": server's handshake: ", before[] = "(status ";
	const char *found = strstr(line, begin);

	if (found == NULL || (found = strstr(found, before)) == NULL)
		return 0;
	return (int)strtol(found + sizeof before - 1, NULL, 10);
}

/*
 * The last line of ours, unless one has a status; else the last of the command. Beside a command
 * nobody speaks HTTP, so there is no status, whatever it writes.
 */
static void trial_note_log(struct trial_talk *talk)
{
	static const char own[] = "sidespan: ";
	char *line, *rest = talk->log.bytes, *last = NULL, *colon;
	bool is_own = false;
	int status = 0;

	while (status == 0 && talk->log.size > 0 && (line = strsep(&rest, "\n")) != NULL) {
		if (line[0] == '\0' || (is_own && strncmp(line, own, sizeof own - 1) != 0))
			continue;
		is_own = strncmp(line, own, sizeof own - 1) == 0;
		last = line;
		if (is_own && talk->config->command == NULL)
			status = trial_line_status(line);
	}
	if (last == NULL)
		return;
	talk->trial->status = status; /* where the log says why, one of HTTP is our own */
	if (is_own && (colon = strstr(last + sizeof own - 1, ": ")) != NULL)
		last = colon + 2; /* behind the level */
	if (is_own && strncmp(last, "connection ", 11) == 0 && (colon = strstr(last, ": ")) != NULL)
		last = colon + 2;
	(void)snprintf(talk->trial->why, sizeof talk->trial->why, "%s", last); /* may be cut */
}

/* ---- the end ---- */

/* Waits for the child that long. */
static bool trial_is_over(struct trial_talk *talk, int64_t wait_ms)
{
	int64_t end_ms = clock_ms() + wait_ms;
	pid_t found;

	while ((found = waitpid(talk->pid, &talk->exit_status, WNOHANG)) == 0 &&
		clock_ms() < end_ms)
		trial_pause();
	return found != 0;
}

/* A server of MCP keeps a conversation until it is told that it is over. */
static void trial_end_session(struct trial_talk *talk)
{
	size_t size;
	const char *id = hearing_field(&talk->hearing, "\r\nmcp-session-id:", &size);
	char head[TRIAL_HEAD_SIZE], message[TRIAL_MESSAGE_SIZE];
	struct pollfd ready = {.events = POLLIN};
	int result;

	if (id == NULL || size == 0 || size > TRIAL_SESSION_MAX)
		return;
	(void)close(talk->fd); /* all was read that counts */
	talk->fd = -1;
	if (trial_connect(talk) != 0)
		return;
	trial_begin_http(talk, "DELETE", head);
	result = snprintf(message, sizeof message, "%sMcp-Session-Id: %.*s\r\n\r\n", head,
		(int)size, id); /* fits */
	ready.fd = talk->fd;
	if (trial_send(talk, message, result) == 0)
		(void)poll(&ready, 1, TRIAL_GRACE_MS); /* it may say no */
}

static void trial_end(struct trial_talk *talk)
{
	if (talk->fd != -1)
		trial_end_session(talk);
	if (talk->fd != -1)
		(void)close(talk->fd); /* all was sent */
	if (talk->pid > 0 && !trial_is_over(talk, talk->is_http ? 0 : TRIAL_GRACE_MS)) {
		(void)kill(talk->pid, SIGTERM); /* it is still our child */
		if (!trial_is_over(talk, TRIAL_END_MS)) {
			(void)kill(talk->pid, SIGKILL); /* the same */
			(void)waitpid(talk->pid, &talk->exit_status, 0);
		}
	}
	if (talk->log_fd != -1)
		(void)close(talk->log_fd); /* only read */
	if (talk->is_http) {
		(void)unlink(talk->path); /* unless it is gone */
		(void)rmdir(talk->folder);
	}
	hearing_done(&talk->hearing);
	text_done(&talk->log);
}

/* 0, or -1 with errno set. */
static int trial_set_up(struct trial_talk *talk)
{
	static const char name[] = "/sidespan-XXXXXX";
	const char *place = getenv("TMPDIR");

	text_init(&talk->log, trial_bytes_max);
	errno = ENOMEM;
	if (hearing_init(&talk->hearing, talk->is_http, trial_bytes_max) != 0)
		return -1;
	if (!talk->is_http)
		return 0;
	if (place == NULL || place[0] != '/' ||
		strlen(place) + sizeof name > sizeof talk->folder) /* or a socket would not fit */
		place = "/tmp";
	(void)snprintf(talk->folder, sizeof talk->folder, "%s%s", place, name); /* fits */
	if (mkdtemp(talk->folder) == NULL)
		return -1;
	(void)snprintf(talk->path, sizeof talk->path, "%s/socket", talk->folder); /* fits */
	return 0;
}

void trial_run(struct config *config, bool with_carrier, trial_serve *serve, void *arg,
	struct trial *trial)
{
	struct trial_talk talk = {.config = config,
		.trial = trial,
		.fd = -1,
		.log_fd = -1,
		.is_http = config->upstream_url.framing == URL_HTTP,
		.framing = trial_framing(config)};
	int64_t begun_ms = clock_ms(), end_ms = begun_ms + trial_wait_ms(config), left_ms;
	bool over = false;

	memset(trial, 0, sizeof *trial);
	trial->outcome = TRIAL_FAILED;
	if (trial_set_up(&talk) != 0 || trial_start(&talk, with_carrier, serve, arg) != 0) {
		(void)snprintf(trial->why, sizeof trial->why, "%s", strerror(errno)); /* fits */
		trial_end(&talk);
		return;
	}
	trial->outcome = TRIAL_LOST;
	over = talk.fd != -1 && trial_write(&talk) != 0;
	while (!over && (left_ms = end_ms - clock_ms()) > 0)
		over = trial_step(&talk, left_ms);
	trial->took_ms = clock_ms() - begun_ms;
	if (!over)
		trial->outcome = TRIAL_SILENT;
	if (trial->outcome == TRIAL_LOST)
		trial_read_log_out(&talk);
	if (trial->why[0] == '\0' && trial->outcome != TRIAL_ANSWERED)
		trial_note_log(&talk);
	if (trial->why[0] == '\0' && trial->status != 0)
		(void)snprintf(
			trial->why, sizeof trial->why, "status %d", trial->status); /* fits */
	else if (trial->why[0] == '\0' && trial->outcome == TRIAL_LOST &&
		 talk.hearing.said.size > 0)
		(void)snprintf(
			trial->why, sizeof trial->why, "what it says is no JSON-RPC"); /* fits */
	trial_end(&talk);
	if (trial->why[0] == '\0' && trial->outcome == TRIAL_LOST && config->command != NULL &&
		WIFEXITED(talk.exit_status))
		(void)snprintf(trial->why, sizeof trial->why, "it has ended, with status %d",
			WEXITSTATUS(talk.exit_status)); /* fits */
}
