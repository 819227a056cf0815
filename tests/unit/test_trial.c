/* A conversation that is thrown away: who serves it is played by the test, in the child. */
#include "proxy/doctor/trial.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/log.h"
#include "tests/unit/config_case.h"

enum { TEXT_MAX = 8192 };

/* What the child tells, in memory of both. */
struct told {
	char asked[TEXT_MAX]; /* one request, or two of HTTP */
	char listen[256], inject[64];
	enum config_framing framing;
	int64_t connect_ms, drain_ms, grace_ms;
	bool exports, measures, spools, records, has_token, has_admin, checks;
	bool logs_to_stdout;
	int descriptors, death_signal;
	long allocations;
};

/* What the child does. */
struct part {
	const char *log, *answer; /* NULL: nothing */
	bool in_bytes;            /* one after the other */
	bool leaves;              /* after one request of HTTP; else it stays until it is told */
	bool logs;                /* as the program does, at its level and in its style */
	int status, signal;       /* that it ends with at once */
};

static struct told *told;
static struct config_case load;
static const struct part *part;

static int count_descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void part_note(const struct config *config)
{
	struct stat out, err;

	(void)signal(SIGTERM, SIG_DFL); /* the runner of tests has its own */
	(void)fflush(stdout);           /* nothing of what the parent was about to write */
	told->descriptors = count_descriptors();
	(void)prctl(PR_GET_PDEATHSIG, &told->death_signal);
	told->logs_to_stdout = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
			       out.st_ino == err.st_ino;
	snprintf(told->listen, sizeof told->listen, "%s", config->listen);
	snprintf(told->inject, sizeof told->inject, "%s", config->propagation_inject.items[0]);
	told->framing = config->framing;
	told->connect_ms = config->connect_timeout_ms;
	told->drain_ms = config->shutdown_drain_ms;
	told->grace_ms = config->child_grace_ms;
	told->exports = config->exporter != CONFIG_EXPORTER_NONE;
	told->measures = config->metrics_exporter != CONFIG_METRICS_NONE;
	told->allocations = unit_alloc_alive();
	told->spools = config->spool_directory != NULL;
	told->records = config->record_file != NULL;
	told->has_token = config->listen_token != NULL;
	told->has_admin = config->admin_url.scheme != URL_NONE;
	told->checks = config->listen_check_origin != CONFIG_CHECK_NEVER;
	if (part->logs) {
		log_line(LOG_WARN, "heard: %s", "this");
		log_line(LOG_INFO, "not heard: that");
	}
	if (part->log != NULL)
		(void)!write(STDERR_FILENO, part->log, strlen(part->log));
	if (part->signal != 0)
		(void)raise(part->signal);
}

/* Reads what is there at first, then says its part. */
static void part_play(int in, int out)
{
	size_t used = strlen(told->asked), i;
	ssize_t n = read(in, told->asked + used, TEXT_MAX - 1 - used);

	if (n < 0)
		_exit(100);
	for (i = 0; part->answer != NULL && part->in_bytes && i < strlen(part->answer); i++)
		if (write(out, part->answer + i, 1) != 1)
			_exit(101);
	if (part->answer != NULL && !part->in_bytes)
		(void)!write(out, part->answer, strlen(part->answer));
}

static int serve_pipes(void *arg)
{
	char byte;

	part_note(arg);
	if (part->status != 0)
		return part->status;
	part_play(STDIN_FILENO, STDOUT_FILENO);
	while (read(STDIN_FILENO, &byte, 1) > 0)
		; /* until its client has left */
	return 0;
}

static int serve_http(void *arg)
{
	const struct config *config = arg;
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int listener, fd;

	part_note(config);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (part->status != 0)
		return part->status;
	ck_assert_uint_lt(strlen(config->listen_url.path), sizeof name.sun_path);
	strcpy(name.sun_path, config->listen_url.path);
	if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 8) != 0)
		return 102;
	do {
		fd = accept(listener, NULL, NULL);
		part_play(fd, fd);
		(void)close(fd);
	} while (!part->leaves);
	return 0;
}

static struct trial run(const char *const *flags, const struct part *plays, bool with_carrier)
{
	static const char *const nothing[] = {NULL};
	struct trial trial;
	int before = count_descriptors();

	part = plays;
	memset(told, 0, sizeof *told);
	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	memset(&trial, 0xa5, sizeof trial);
	trial_run(load.config, with_carrier,
		load.config->upstream_url.framing == URL_HTTP ? serve_http : serve_pipes,
		load.config, &trial);
	ck_assert_int_eq(count_descriptors(), before);
	ck_assert_int_ge(trial.took_ms, 0);
	if (trial.outcome != TRIAL_FAILED) {
		bool is_http = load.config->upstream_url.framing == URL_HTTP;

		/* Its own end of the log, twice, and of the conversation. */
		ck_assert_int_eq(told->descriptors, before + (is_http ? 2 : 3));
		ck_assert_int_eq(told->death_signal, SIGTERM);
		ck_assert_int_eq(told->logs_to_stdout, is_http);
	}
	return trial;
}

static void done(void)
{
	config_case_done(&load);
}

static void trial_setup(void)
{
	log_style_set(LOG_JSON);
	log_level_set(LOG_ERROR);
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(told != MAP_FAILED);
}

static void trial_teardown(void)
{
	log_style_set(LOG_PLAIN);
	log_level_set(LOG_INFO);
	ck_assert_int_eq(munmap(told, sizeof *told), 0);
}

#define RESULT  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"}{\"}}"
#define REFUSAL "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such\"}}"
#define OF_64   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OF_256  OF_64 OF_64 OF_64 OF_64
#define OF_1024 OF_256 OF_256 OF_256 OF_256
#define HEAD    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define NOTICE  "{\"method\":\"told\",\"params\":{\"id\":1,\"result\":1}}"

/* ---- a command ---- */

static const struct {
	struct part part;
	enum trial_outcome outcome;
	const char *why;
	int status;
} commands[] = {
	{{.answer = RESULT "\n"}, TRIAL_ANSWERED, "", 0},
	{{.answer = RESULT "\n", .in_bytes = true}, TRIAL_ANSWERED, "", 0},
	{{.answer = "banner {x}\n" NOTICE "\n{\"id\":2,\"result\":1}\n{\"id\":11,\"result\":1}\n"
		    "{\"id\":1,\"method\":\"ask\"}\n" RESULT},
		TRIAL_ANSWERED, "", 0},
	{{.answer = "Content-Length: 45\r\n\r\n" RESULT, .in_bytes = true}, TRIAL_ANSWERED, "", 0},
	{{.answer = REFUSAL "\n"}, TRIAL_REFUSED, "error -32601: no such", 0},
	{{.answer = NOTICE REFUSAL RESULT}, TRIAL_REFUSED, "error -32601: no such", 0},
	/* it ends */
	{{.status = 7}, TRIAL_LOST, "it has ended, with status 7", 0},
	{{.signal = SIGKILL}, TRIAL_LOST, "", 0},
	{{.logs = true, .status = 7}, TRIAL_LOST, "heard: this", 0},
	{{.log = "sidespan: odd\n", .status = 7}, TRIAL_LOST, "sidespan: odd", 0},
	{{.log = "noise: of it\nsidespan: warn: connection 1\n", .status = 7}, TRIAL_LOST,
		"connection 1", 0},
	{{.log = "sidespan: warn: a connection 1: b\nsidespam: error: c\n", .status = 7},
		TRIAL_LOST, "a connection 1: b", 0},
	{{.log = "first\nlast\n", .status = 7}, TRIAL_LOST, "last", 0},
	{{.log = "first\nlast", .status = 7}, TRIAL_LOST, "last", 0},
	{{.log = "\n\nonly\n\n", .status = 7}, TRIAL_LOST, "only", 0},
	{{.log = "sidespan: error: connection 1: cannot start x: not found\n", .status = 7},
		TRIAL_LOST, "cannot start x: not found", 0},
	{{.log = "sidespan: warn: one\nnoise\nsidespan: error: two: three\nnoise\n", .status = 7},
		TRIAL_LOST, "two: three", 0},
	{{.log = "sidespan: warn: connection 1: server's handshake: bad (status 401)\n",
		 .status = 7},
		TRIAL_LOST, "server's handshake: bad (status 401)", 0},
};

START_TEST(test_command)
{
	static const char *const flags[] = {"--connect-timeout=10s", "--", "server", NULL};
	struct trial trial = run(flags, &commands[_i].part, false);

	ck_assert_int_eq(trial.outcome, commands[_i].outcome);
	ck_assert_str_eq(trial.why, commands[_i].why);
	ck_assert_int_eq(trial.status, commands[_i].status);
	ck_assert_int_lt(trial.took_ms, 10000);
	if (commands[_i].part.answer != NULL)
		ck_assert_str_eq(told->asked,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
			"\"processId\":null,\"rootUri\":null,\"capabilities\":{},\"clientInfo\":{"
			"\"name\":\"sidespan-doctor\",\"version\":\"" SIDESPAN_VERSION "\"}}}\n");
	done();
}
END_TEST

/* It says nothing, or nothing that is an answer, in all that time. */
START_TEST(test_silent)
{
	static const char *const flags[] = {"--connect-timeout=20ms", "--", "server", NULL};
	static const struct part parts[] = {{.log = "waiting\n"}, {.answer = NOTICE "\n{"}};
	struct trial trial = run(flags, &parts[_i], false);

	ck_assert_int_eq(trial.outcome, TRIAL_SILENT);
	ck_assert_str_eq(trial.why, _i == 0 ? "waiting" : "");
	ck_assert_int_eq(trial_wait_ms(load.config), 60);
	ck_assert_int_ge(trial.took_ms, 60);
	done();
}
END_TEST

/* Who serves has all the settings, but for what would leave traces; ours are as they were. */
START_TEST(test_settings)
{
	static const struct part plays = {.answer = RESULT};
	static const char *const flags[] = {"--connect-timeout=10001ms",
		"--admin-listen=http://127.0.0.1:1", "--record-file=/nowhere/r",
		"--metrics-exporter=otlp", "--spool-directory=/nowhere/s",
		"--propagation-inject=/trace", "--listen=ws://127.0.0.1:0",
		"--listen-check-origin=always", "--child-grace=77s", "--shutdown-drain=78s", "--",
		"server", NULL};
	struct trial trial = run(flags, &plays, _i == 1);

	ck_assert_int_eq(trial.outcome, TRIAL_ANSWERED);
	ck_assert_str_eq(told->inject, _i == 1 ? "/trace" : "none");
	ck_assert(!told->exports && !told->measures);
	ck_assert(!told->spools && !told->records && !told->has_token);
	ck_assert(!told->has_admin && !told->checks);
	ck_assert_int_eq(told->connect_ms, 2501);
	ck_assert_int_eq(told->drain_ms, 1000);
	ck_assert_int_eq(told->grace_ms, 1000);
	ck_assert_int_eq(told->framing, CONFIG_FRAMING_LINES); /* as the URL says */
	ck_assert_int_eq(load.config->connect_timeout_ms, 10001);
	ck_assert_str_eq(load.config->propagation_inject.items[0], "/trace");
	ck_assert_str_eq(load.config->record_file, "/nowhere/r");
	ck_assert_int_eq(load.config->child_grace_ms, 77000);
	ck_assert_int_eq(load.config->framing, CONFIG_FRAMING_AUTO);
	done();
}
END_TEST

/* What the child does without, it has freed: the file of the recording, and the folder to spool. */
START_TEST(test_settings_are_freed)
{
	static const struct part plays = {.answer = RESULT};
	static const char *const flags[] = {
		"--record-file=/nowhere/r", "--spool-directory=/nowhere/s", "--", "server", NULL};
	long with, without;

	(void)run(flags, &plays, true);
	with = told->allocations - unit_alloc_alive();
	done();
	(void)run(flags + 2, &plays, true);
	without = told->allocations - unit_alloc_alive();
	done();
	ck_assert_int_eq(with, without - 2);
}
END_TEST

/* A child that lacks memory for its settings does not serve with others. */
START_TEST(test_settings_without_memory)
{
	static const struct part plays = {.leaves = true, .answer = HEAD "\r\n" RESULT};
	static const char *const flags[] = {"--upstream=http://h:7", "--listen=http://127.0.0.1:0",
		"--connect-timeout=10s", NULL};
	static const char *const nothing[] = {NULL};
	struct trial trial = {.outcome = TRIAL_FAILED};
	int allocations;

	part = &plays;
	for (allocations = 0; trial.outcome != TRIAL_ANSWERED; allocations++) {
		memset(told, 0, sizeof *told);
		config_case_load(&load, flags, nothing);
		ck_assert_int_eq(load.outcome, CONFIG_RUN);
		unit_alloc_fail_after(allocations);
		trial_run(load.config, false, serve_http, load.config, &trial);
		unit_alloc_fail_never();
		done();
		if (told->grace_ms == 0)
			continue;
		ck_assert_str_eq(told->inject, "none");
		ck_assert_int_eq(strncmp(told->listen, "http+unix:///", 13), 0);
	}
	ck_assert_int_gt(allocations, 2);
}
END_TEST

static const struct {
	const char *flags[3];
	enum config_framing framing;
	bool heads;
	const char *begin; /* of the request */
} framings[] = {
	{{"--profile=codex"}, CONFIG_FRAMING_AUTO, false,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
		"\"clientInfo\":{"
		"\"name\":\"sidespan-doctor\",\"title\":\"sidespan doctor\""},
	{{"--profile=mcp"}, CONFIG_FRAMING_AUTO, false,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
		"\"protocolVersion\":\"2025-06-18\""},
	{{"--profile=acp"}, CONFIG_FRAMING_AUTO, false,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{"
		"\"protocolVersion\":1,"},
	{{"--profile=ethereum"}, CONFIG_FRAMING_AUTO, false,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"web3_clientVersion\",\"params\":[]}\n"},
	{{"--profile=lsp"}, CONFIG_FRAMING_AUTO, true,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"init"},
	{{"--profile=lsp", "--framing=lines"}, CONFIG_FRAMING_LINES, false, "{\"jsonrpc\""},
	{{"--framing=content-length"}, CONFIG_FRAMING_LENGTH, true, "{\"jsonrpc\""},
	{{"--framing=concatenated"}, CONFIG_FRAMING_CONCAT, false, "{\"jsonrpc\""},
	{{"--listen=lsp+unix:///x"}, CONFIG_FRAMING_LENGTH, true, "{\"jsonrpc\""},
	{{"--listen=json+unix:///x"}, CONFIG_FRAMING_CONCAT, false, "{\"jsonrpc\""},
	{{"--listen=unix:///x"}, CONFIG_FRAMING_AUTO, false, "{\"jsonrpc\""},
	{{"--listen=ws+unix:///x", "--profile=lsp"}, CONFIG_FRAMING_LINES, false, "{\"jsonrpc\""},
};

/* In the framing that its clients would have. */
START_TEST(test_framing)
{
	static const struct part plays = {.answer = RESULT};
	const char *flags[8] = {0}, *body = told->asked;
	size_t count = 0;

	while (framings[_i].flags[count] != NULL) {
		flags[count] = framings[_i].flags[count];
		count++;
	}
	flags[count++] = "--";
	flags[count] = "server";
	ck_assert_int_eq(run(flags, &plays, true).outcome, TRIAL_ANSWERED);
	ck_assert_int_eq(told->framing, framings[_i].framing);
	if (framings[_i].heads) {
		ck_assert_int_eq(strncmp(body, "Content-Length: ", 16), 0);
		body = strstr(body, "\r\n\r\n") + 4;
		ck_assert_uint_eq(strtoul(told->asked + 16, NULL, 10), strlen(body));
	}
	ck_assert_msg(strncmp(body, framings[_i].begin, strlen(framings[_i].begin)) == 0, "%s",
		told->asked);
	ck_assert_int_eq(body[strlen(body) - 1], '\n');
	done();
}
END_TEST

/* ---- a server of HTTP ---- */

static const struct {
	struct part part;
	enum trial_outcome outcome;
	const char *why;
	int status;
	const char *ends; /* what ends the session; NULL: there is none */
} servers[] = {
	{{.answer = HEAD "\r\n" RESULT}, TRIAL_ANSWERED, "", 0, NULL},
	{{.answer = HEAD "\r\n" REFUSAL}, TRIAL_REFUSED, "error -32601: no such", 0, NULL},
	{{.answer = HEAD "Transfer-Encoding: chunked\r\n\r\na\r\n{\"id\":1,\"r\r\n"
			 "b\r\nesult\":[]}\n\r\n0\r\n\r\n"},
		TRIAL_ANSWERED, "", 0, NULL},
	{{.answer = HEAD "transfer-encoding:chunked\r\n\r\na\r\n{\"id\":1,\"r\r\n"
			 "b\r\nesult\":[]}\n\r\n0\r\n\r\n",
		 .in_bytes = true},
		TRIAL_ANSWERED, "", 0, NULL},
	{{.answer = HEAD "Mcp-Session-Id: \tabc\r\n\r\n" RESULT}, TRIAL_ANSWERED, "", 0,
		"Mcp-Session-Id: abc\r\n\r\n"},
	{{.answer = HEAD "Mcp-Session-Id: \r\n\r\n" RESULT}, TRIAL_ANSWERED, "", 0, NULL},
	{{.answer = HEAD "Mcp-Session-Id: " OF_1024 "\r\n\r\n" RESULT}, TRIAL_ANSWERED, "", 0,
		"Mcp-Session-Id: " OF_1024 "\r\n\r\n"},
	{{.answer = HEAD "Mcp-Session-Id: x" OF_1024 "\r\n\r\n" RESULT}, TRIAL_ANSWERED, "", 0,
		NULL},
	{{.answer = "HTTP/1.1 299 OK\r\n\r\n" RESULT}, TRIAL_ANSWERED, "", 0, NULL},
	{{.answer = "HTTP/1.1 300 No\r\n\r\n" RESULT}, TRIAL_REFUSED, "status 300", 300, NULL},
	{{.answer = "HTTP/1.1 404 No\r\n\r\n"}, TRIAL_REFUSED, "status 404", 404, NULL},
	{{.leaves = true,
		 .answer = "HTTP/1.1 502 No\r\n\r\n",
		 .log = "sidespan: error: connection 1: refused\n"},
		TRIAL_LOST, "refused", 0, NULL},
	{{.leaves = true, .answer = "HTTP/1.1 504 No\r\n\r\n"}, TRIAL_LOST, "status 504", 504,
		NULL},
	{{.leaves = true, .answer = HEAD "\r\n<html>"}, TRIAL_LOST, "what it says is no JSON-RPC",
		0, NULL},
	{{.log = "sidespan: error: cannot listen\n", .status = 1}, TRIAL_LOST, "cannot listen", 0,
		NULL},
	{{.leaves = true,
		 .answer = HEAD "\r\n",
		 .log = "sidespan: warn: connection 1: server's handshake: bad (status 401)\n"
			"sidespan: error: later\n"},
		TRIAL_LOST, "server's handshake: bad (status 401)", 401, NULL},
	{{.leaves = true,
		 .answer = HEAD "\r\n",
		 .log = "sidespan: warn: x (status 401): server's handshake: bad\n"},
		TRIAL_LOST, "x (status 401): server's handshake: bad", 0, NULL},
	{{.leaves = true, .answer = HEAD "\r\n", .log = "sidespan: warn: other (status 401)\n"},
		TRIAL_LOST, "other (status 401)", 0, NULL},
	{{.leaves = true,
		 .answer = HEAD "\r\n",
		 .log = "noise: server's handshake: bad (status 401)\n"},
		TRIAL_LOST, "noise: server's handshake: bad (status 401)", 0, NULL},
	{{.signal = SIGKILL}, TRIAL_LOST, "", 0, NULL},
};

START_TEST(test_http)
{
	static const char *const flags[] = {"--upstream=http://h:7/p?q",
		"--listen=http://127.0.0.1:0/p?q", "--connect-timeout=10s", NULL};
	struct trial trial = run(flags, &servers[_i].part, false);
	const char *path = told->listen + strlen("http+unix://"), *second;
	struct stat is;

	ck_assert_int_eq(trial.outcome, servers[_i].outcome);
	ck_assert_str_eq(trial.why, servers[_i].why);
	ck_assert_int_eq(trial.status, servers[_i].status);
	ck_assert_int_eq(strncmp(told->listen, "http+unix:///", 13), 0);
	ck_assert_int_eq(stat(path, &is), -1);
	*strrchr(told->listen, '/') = '\0';
	ck_assert_int_eq(stat(path, &is), -1); /* nor is the folder left */
	if (servers[_i].part.answer != NULL)
		ck_assert_int_eq(strncmp(told->asked,
					 "POST /p?q HTTP/1.0\r\nHost: h:7\r\nAccept: "
					 "application/json, text/event-stream\r\nContent-Type: "
					 "application/json\r\nContent-Length: ",
					 strlen("POST /p?q HTTP/1.0\r\nHost: h:7\r\nAccept: "
						"application/json, text/event-stream\r\n"
						"Content-Type: application/json\r\n"
						"Content-Length: ")),
			0);
	second = strstr(told->asked, "DELETE /p?q HTTP/1.0\r\nHost: h:7\r\n");
	ck_assert_int_eq(second != NULL, servers[_i].ends != NULL);
	if (second != NULL)
		ck_assert_str_eq(strstr(second, "Mcp-"), servers[_i].ends);
	done();
}
END_TEST

/* Where servers of MCP are, when nobody says where; and for a server each wait is one. */
START_TEST(test_http_path)
{
	static const struct part plays = {.answer = HEAD "\r\n" RESULT};
	const char *const flags[] = {"--upstream=http://h:7", "--listen=http://127.0.0.1:0",
		"--connect-timeout=10s", _i == 0 ? "--profile=mcp" : "--profile=generic", NULL};

	ck_assert_int_eq(run(flags, &plays, false).outcome, TRIAL_ANSWERED);
	ck_assert_int_eq(
		strncmp(told->asked, _i == 0 ? "POST /mcp HTTP" : "POST / HTTP", _i == 0 ? 14 : 11),
		0);
	ck_assert_int_eq(trial_wait_ms(load.config), 10000);
	done();
}
END_TEST

/* The folder of the socket, when a name in it fits; nothing of it is left. */
START_TEST(test_http_folder)
{
	static const struct part plays = {.answer = HEAD "\r\n" RESULT};
	static const char *const flags[] = {"--upstream=http://h:7", "--listen=http://127.0.0.1:0",
		"--connect-timeout=10s", NULL};
	char place[80], begin[128];
	struct stat is;

	memset(place, '/', sizeof place);
	memcpy(place, _i < 2 ? "/tmp" : "/no", _i < 2 ? 4 : 3);
	place[_i == 0 ? 71 : 72] = '\0';
	if (_i == 3)
		strcpy(place, "tmp"); /* not from the root */
	snprintf(begin, sizeof begin, "http+unix://%s/sidespan-", _i == 0 ? place : "/tmp");
	ck_assert_int_eq(setenv("TMPDIR", place, 1), 0);
	ck_assert_int_eq(run(flags, &plays, false).outcome, TRIAL_ANSWERED);
	ck_assert_int_eq(unsetenv("TMPDIR"), 0);
	ck_assert_int_eq(strncmp(told->listen, begin, strlen(begin)), 0);
	ck_assert_int_eq(stat(told->listen + strlen("http+unix://"), &is), -1);
	done();
}
END_TEST

/* What keeps it from being tried: no folder, no memory, no descriptors. */
START_TEST(test_failed)
{
	static const struct part plays = {.answer = HEAD "\r\n" RESULT};
	static const char *const http[] = {
		"--upstream=http://h:7", "--listen=http://127.0.0.1:0", NULL};
	static const char *const pipes[] = {"--", "server", NULL};
	static const struct {
		const char *const *flags;
		const char *place;
		int allocations, descriptors; /* that there are, too few; -1: enough */
		const char *why;
	} failures[] = {
		{http, "/no/such", -1, -1, "No such file or directory"},
		{http, NULL, 0, -1, "Cannot allocate memory"},
		{pipes, NULL, 0, -1, "Cannot allocate memory"},
		{http, NULL, -1, 1, "Too many open files"},
		{pipes, NULL, -1, 1, "Too many open files"},
		{pipes, NULL, -1, 3, "Too many open files"},
	};
	static const char *const nothing[] = {NULL};
	struct rlimit limit, lower;
	int before = count_descriptors(), i;
	struct trial trial;

	part = &plays;
	for (i = 0; i < (int)(sizeof failures / sizeof failures[0]); i++) {
		config_case_load(&load, failures[i].flags, nothing);
		ck_assert_int_eq(load.outcome, CONFIG_RUN);
		if (failures[i].place != NULL)
			ck_assert_int_eq(setenv("TMPDIR", failures[i].place, 1), 0);
		ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
		lower = limit;
		lower.rlim_cur = (rlim_t)dup(STDIN_FILENO) + (rlim_t)failures[i].descriptors;
		ck_assert_int_eq(close((int)(lower.rlim_cur - (rlim_t)failures[i].descriptors)), 0);
		if (failures[i].descriptors >= 0)
			ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &lower), 0);
		if (failures[i].allocations >= 0)
			unit_alloc_fail_after(failures[i].allocations);
		memset(&trial, 0xa5, sizeof trial);
		trial_run(load.config, false, serve_pipes, load.config, &trial);
		unit_alloc_fail_never();
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
		ck_assert_int_eq(unsetenv("TMPDIR"), 0);
		ck_assert_int_eq(trial.outcome, TRIAL_FAILED);
		ck_assert_str_eq(trial.why, failures[i].why);
		ck_assert_int_eq(trial.status, 0);
		ck_assert_int_eq(trial.took_ms, 0);
		ck_assert_int_eq(count_descriptors(), before);
		done();
	}
}
END_TEST

#define ROWS(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
	TCase *tc = tcase_create("trial");

	unit_fixture(trial_setup, trial_teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_command, 0, ROWS(commands));
	tcase_add_loop_test(tc, test_silent, 0, 2);
	tcase_add_loop_test(tc, test_settings, 0, 2);
	tcase_add_test(tc, test_settings_are_freed);
	tcase_add_test(tc, test_settings_without_memory);
	tcase_add_loop_test(tc, test_framing, 0, ROWS(framings));
	tcase_add_loop_test(tc, test_http, 0, ROWS(servers));
	tcase_add_loop_test(tc, test_http_path, 0, 2);
	tcase_add_loop_test(tc, test_http_folder, 0, 4);
	tcase_add_test(tc, test_failed);
	return unit_run("trial", tc);
}
