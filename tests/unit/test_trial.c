/* A conversation that is thrown away: who serves it is played by the test, in the child. */
#include "proxy/doctor/trial.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config.h"
#include "tests/unit/config_case.h"

enum { TEXT_MAX = 8192 };

/* What the child tells, in memory of both. */
struct told {
	char asked[TEXT_MAX]; /* one request, or two of HTTP */
	char listen[256], inject[64];
	enum config_framing framing;
	int64_t connect_ms, drain_ms, grace_ms;
	bool exports, spools, records, has_token, has_admin, checks;
};

/* What the child does. */
struct part {
	const char *log, *answer; /* NULL: nothing */
	bool in_bytes;            /* one after the other */
	bool leaves;              /* after one request of HTTP; else it stays until it is told */
	int status;
};

static struct told *told;
static struct config_case load;
static const struct part *part;

static void part_note(const struct config *config)
{
	(void)signal(SIGTERM, SIG_DFL); /* the runner of tests has its own */
	snprintf(told->listen, sizeof told->listen, "%s", config->listen);
	snprintf(told->inject, sizeof told->inject, "%s", config->propagation_inject.items[0]);
	told->framing = config->framing;
	told->connect_ms = config->connect_timeout_ms;
	told->drain_ms = config->shutdown_drain_ms;
	told->grace_ms = config->child_grace_ms;
	told->exports = config->exporter != CONFIG_EXPORTER_NONE;
	told->spools = config->spool_directory != NULL;
	told->records = config->record_file != NULL;
	told->has_token = config->listen_token != NULL;
	told->has_admin = config->admin_url.scheme != URL_NONE;
	told->checks = config->listen_check_origin != CONFIG_CHECK_NEVER;
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
	if (part->log != NULL)
		(void)!write(STDERR_FILENO, part->log, strlen(part->log));
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
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;

	part_note(config);
	if (part->log != NULL)
		(void)!write(STDERR_FILENO, part->log, strlen(part->log));
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

	part = plays;
	memset(told, 0, sizeof *told);
	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	memset(&trial, 0xa5, sizeof trial);
	trial_run(load.config, with_carrier,
		load.config->upstream_url.framing == URL_HTTP ? serve_http : serve_pipes,
		load.config, &trial);
	ck_assert_int_ge(trial.took_ms, 0);
	return trial;
}

static void done(void)
{
	config_case_done(&load);
}

static void trial_setup(void)
{
	told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(told != MAP_FAILED);
}

static void trial_teardown(void)
{
	ck_assert_int_eq(munmap(told, sizeof *told), 0);
}

#define RESULT  "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"}{\"}}"
#define REFUSAL "{\"id\":1,\"error\":{\"code\":-32601,\"message\":\"no such\"}}"
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
	if (commands[_i].part.status == 0)
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
		"--spool-directory=/nowhere/s", "--propagation-inject=/trace",
		"--listen=ws://127.0.0.1:0", "--listen-check-origin=always", "--child-grace=77s",
		"--shutdown-drain=78s", "--", "server", NULL};
	struct trial trial = run(flags, &plays, _i == 1);

	ck_assert_int_eq(trial.outcome, TRIAL_ANSWERED);
	ck_assert_str_eq(told->inject, _i == 1 ? "/trace" : "none");
	ck_assert(!told->exports && !told->spools && !told->records && !told->has_token);
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

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

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
	if (servers[_i].part.status == 0)
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

#define ROWS(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
	TCase *tc = tcase_create("trial");

	unit_fixture(trial_setup, trial_teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_loop_test(tc, test_command, 0, ROWS(commands));
	tcase_add_loop_test(tc, test_silent, 0, 2);
	tcase_add_loop_test(tc, test_settings, 0, 2);
	tcase_add_loop_test(tc, test_framing, 0, ROWS(framings));
	tcase_add_loop_test(tc, test_http, 0, ROWS(servers));
	tcase_add_loop_test(tc, test_http_path, 0, 2);
	return unit_run("trial", tc);
}
