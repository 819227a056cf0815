/*
 * What the doctor makes of what it has found: verdicts, and what helps. The trials, the collector
 * and the machine are played by this file.
 */
#include "proxy/doctor/doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"
#include "exporter/examine.h"
#include "proxy/doctor/machine.h"
#include "proxy/telemetry.h"
#include "tests/unit/config_case.h"

#define MIB INT64_C(1048576)

/* ---- what is found ---- */

static struct trial trials[2]; /* without our carrier, and with it */
static int trial_count;
static struct examination found[3]; /* by export */
static const char *failure;         /* of the collector's examination */
static int examined[3];
static enum machine_clock clock_kind;
static int64_t memory;
static size_t descriptors, descriptors_open;

int64_t trial_wait_ms(const struct config *config)
{
	(void)config;
	return 15999;
}

const char *trial_method(const struct config *config)
{
	(void)config;
	return "initialize";
}

static int serve_nothing(void *arg)
{
	(void)arg;
	return 0;
}

void trial_run(struct config *config, bool with_carrier, trial_serve *serve, void *arg,
	struct trial *trial)
{
	ck_assert_int_eq(with_carrier, trial_count == 1);
	ck_assert(serve == serve_nothing);
	ck_assert_ptr_eq(arg, config);
	*trial = trials[trial_count++];
}

int telemetry_examine(const struct config *config, enum telemetry_export which,
	struct examination *to, char *error, size_t error_size)
{
	(void)config;
	examined[which]++;
	*to = found[which];
	if (failure == NULL)
		return 0;
	snprintf(error, error_size, "%s", failure);
	return -1;
}

bool telemetry_has_metrics(const struct config *config)
{
	return config->metrics_exporter != CONFIG_METRICS_NONE;
}

enum machine_clock machine_clock(void)
{
	return clock_kind;
}

int64_t machine_memory(const char *root)
{
	ck_assert_str_eq(root, "");
	return memory;
}

size_t machine_descriptors(size_t *open)
{
	*open = descriptors_open;
	return descriptors;
}

/* ---- what is said ---- */

static struct config_case load;
static char *said;
static bool is_well;

static void doctor_setup(void)
{
	memset(trials, 0, sizeof trials);
	memset(found, 0, sizeof found);
	memset(examined, 0, sizeof examined);
	trial_count = 0;
	failure = NULL;
	found[0].reached = found[0].accepted = true;
	clock_kind = MACHINE_CLOCK_KEPT;
	memory = -1;
	descriptors = SIZE_MAX;
	descriptors_open = 3;
}

static void examine_with(const char *const *flags, const char *notes)
{
	static const char *const nothing[] = {NULL};
	FILE *before = stdout;
	size_t size;

	config_case_load(&load, flags, nothing);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	stdout = open_memstream(&said, &size);
	ck_assert_ptr_nonnull(stdout);
	is_well = doctor_examine(load.config, notes, serve_nothing, load.config);
	(void)fclose(stdout);
	stdout = before;
}

static void done(void)
{
	unit_free_foreign(said);
	config_case_done(&load);
}

static void has(const char *lines)
{
	const char *at = strstr(said, lines);

	ck_assert_msg(at != NULL && (at == said || at[-1] == '\n'), "%s\nnot:\n%s", said, lines);
	ck_assert_msg(at[strlen(lines)] != ' ', "%s", said); /* no more help */
}

#define HELP "                   -> "

START_TEST(test_settings)
{
	static const char *const flags[] = {"--profile=codex", "--service-name=s",
		"--exporter=none", "--upstream=tcp://h:1", NULL};

	examine_with(flags, "note: one\nnote: \nother\nnote: two");
	has("ok    settings     profile codex, service s\n"
	    "warn  settings     one\n"
	    "warn  settings     two\n"
	    "ok    server       tcp://h:1 answers initialize, after 0 ms\n");
	ck_assert(is_well);
	done();
}
END_TEST

/* ---- the server ---- */

#define CREDENTIALS HELP "a client brings its own, which pass through; nothing to be done\n"
#define ALLOWED                                                                                    \
	HELP "does it allow the host that --upstream names? or only clients with credentials, "    \
	     "which pass through?\n"
#define PROFILE HELP "is --profile the one for this server, and its URL with the right path?\n"
#define OWN_LOG HELP "look into the server's own log\n"
#define START                                                                                      \
	HELP "start the server, or correct --upstream: address, port, ws:// or http:// or "        \
	     "tcp://, TLS or not\n"
#define TRUST                                                                                      \
	HELP "name who vouches for it in --tls-upstream-ca; its certificate must be for the host " \
	     "in --upstream, or for --tls-server-name\n"
#define BESIDE                                                                                     \
	"-     carrier      there is no answer that one with our context could be compared with\n"

static const struct {
	const char *flags[4];
	struct trial trial;
	const char *lines;
	bool is_well;
} servers[] = {
	{{"--upstream=tcp://h:1"}, {TRIAL_ANSWERED, 17, 0, ""},
		"ok    server       tcp://h:1 answers initialize, after 17 ms\n", true},
	{{"--", "codex"}, {TRIAL_ANSWERED, 1, 0, ""},
		"ok    server       codex answers initialize, after 1 ms\n", true},
	{{"--upstream=tcp://h:1"}, {TRIAL_REFUSED, 1, 0, "error 7: \x1b[31mno"},
		"warn  server       tcp://h:1 is there and refuses initialize: error 7: "
		"\xef\xbf\xbd[31mno\n" PROFILE BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_REFUSED, 1, 401, "status 401"},
		"warn  server       tcp://h:1 is there and wants credentials, so nothing was "
		"asked: "
		"status 401\n" CREDENTIALS BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 407, "s"},
		"warn  server       tcp://h:1 is there and wants credentials, so nothing was "
		"asked: "
		"s\n" CREDENTIALS BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 403, "s"},
		"warn  server       tcp://h:1 is there and refuses initialize: s\n" ALLOWED BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_REFUSED, 1, 421, "s"},
		"warn  server       tcp://h:1 is there and refuses initialize: s\n" ALLOWED BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_REFUSED, 1, 499, "s"},
		"warn  server       tcp://h:1 is there and refuses initialize: s\n" PROFILE BESIDE,
		true},
	{{"--upstream=tcp://h:1"}, {TRIAL_REFUSED, 1, 500, "s"},
		"warn  server       tcp://h:1 is there and refuses initialize: s\n" OWN_LOG BESIDE,
		true},
	/* nobody answers */
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 0, ""},
		"FAIL  server       tcp://h:1 does not answer: it has ended the "
		"conversation\n" START BESIDE,
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 500, "s"},
		"FAIL  server       tcp://h:1 does not answer: s\n" OWN_LOG BESIDE, false},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 404, "s"},
		"FAIL  server       tcp://h:1 does not answer: s\n" HELP
		"HTTP is spoken there, but no WebSocket at this path: correct path or port in "
		"--upstream, or name it with http://\n" BESIDE,
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 0, "bad certificate"},
		"FAIL  server       tcp://h:1 does not answer: bad certificate\n" START, false},
	{{"--upstream=tls+tcp://h:1"}, {TRIAL_LOST, 1, 0, "bad certificate"},
		"FAIL  server       tls+tcp://h:1 does not answer: bad certificate\n" TRUST, false},
	{{"--upstream=tls+tcp://h:1"}, {TRIAL_LOST, 1, 0, "hostname mismatch"},
		"FAIL  server       tls+tcp://h:1 does not answer: hostname mismatch\n" TRUST,
		false},
	{{"--upstream=tls+tcp://h:1"}, {TRIAL_LOST, 1, 0, "wrong version number"},
		"FAIL  server       tls+tcp://h:1 does not answer: wrong version number\n" HELP
		"if no TLS is spoken there, --upstream must begin with http://, ws:// or tcp://\n",
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_LOST, 1, 0, "wrong version number"},
		"FAIL  server       tcp://h:1 does not answer: wrong version number\n" START,
		false},
	{{"--upstream=tls+tcp://h:1"}, {TRIAL_LOST, 1, 0, "refused"},
		"FAIL  server       tls+tcp://h:1 does not answer: refused\n" START, false},
	{{"--", "x"}, {TRIAL_LOST, 1, 0, "no key"},
		"FAIL  server       x does not answer: no key\n" HELP
		"run the command by itself: it must stay and read its input\n" BESIDE,
		false},
	{{"--", "x"}, {TRIAL_LOST, 1, 0, "cannot start x: no"},
		"FAIL  server       x does not answer: cannot start x: no\n" HELP
		"is it in PATH, or named with its folder? may it be executed, and is there what "
		"its "
		"first line names?\n" BESIDE,
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_SILENT, 1, 0, ""},
		"FAIL  server       tcp://h:1 says nothing to initialize within 15 s\n" HELP
		"does it speak what --upstream and --framing say? is --profile the one for "
		"it?\n" BESIDE,
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_SILENT, 1, 0, "why"},
		"FAIL  server       tcp://h:1 says nothing to initialize within 15 s: why\n" HELP
		"does it speak what --upstream and --framing say? is --profile the one for "
		"it?\n" BESIDE,
		false},
	{{"--upstream=tcp://h:1"}, {TRIAL_FAILED, 1, 0, "why"},
		"warn  server       tcp://h:1 could not be tried: why\n" BESIDE, true},
};

START_TEST(test_server)
{
	const char *flags[8] = {"--exporter=none", "--propagation-inject=/trace"};
	size_t i;

	for (i = 0; servers[_i].flags[i] != NULL; i++)
		flags[2 + i] = servers[_i].flags[i];
	trials[0] = servers[_i].trial;
	examine_with(flags, "");
	has(servers[_i].lines);
	ck_assert_int_eq(is_well, servers[_i].is_well);
	ck_assert_int_eq(trial_count, servers[_i].trial.outcome == TRIAL_ANSWERED ? 2 : 1);
	done();
}
END_TEST

#define PLACE                                                                                      \
	HELP "--propagation-inject none leaves requests as they are, or name a place that the "    \
	     "server allows\n"
#define NOT_WITH                                                                                   \
	"FAIL  carrier      initialize is answered without our context, not with it (/trace): "

static const struct {
	const char *flag;
	struct trial trial;
	const char *lines;
	bool is_well, is_tried;
} carriers[] = {
	{"--propagation-inject=/trace", {TRIAL_ANSWERED, 1, 0, ""},
		"ok    carrier      initialize with our context (/trace) is answered as without "
		"it\n",
		true, true},
	{"--propagation-inject=header", {TRIAL_ANSWERED, 1, 0, ""},
		"ok    carrier      initialize with our context (header) is answered as without "
		"it\n",
		true, true},
	{"--propagation-inject=/trace", {TRIAL_FAILED, 1, 0, "why"},
		"warn  carrier      could not be tried: why\n", true, true},
	{"--propagation-inject=/trace", {TRIAL_SILENT, 1, 0, "why"}, NOT_WITH "no answer\n" PLACE,
		false, true},
	{"--propagation-inject=/trace", {TRIAL_REFUSED, 1, 0, "why"}, NOT_WITH "why\n" PLACE, false,
		true},
	{"--propagation-inject=/trace", {TRIAL_LOST, 1, 0, ""},
		NOT_WITH "it ends the conversation\n" PLACE, false, true},
	{"--propagation-inject=none", {TRIAL_LOST, 1, 0, ""},
		"-     carrier      requests are passed on without our context (propagation.inject "
		"none)\n",
		true, false},
	{"--disabled", {TRIAL_LOST, 1, 0, ""},
		"-     carrier      requests are passed on without our context (disabled)\n", true,
		false},
};

START_TEST(test_carrier)
{
	const char *const flags[] = {
		"--exporter=none", "--upstream=tcp://h:1", carriers[_i].flag, NULL};

	trials[1] = carriers[_i].trial;
	examine_with(flags, "");
	has(carriers[_i].lines);
	ck_assert_int_eq(is_well, carriers[_i].is_well);
	ck_assert_int_eq(trial_count, carriers[_i].is_tried ? 2 : 1);
	done();
}
END_TEST

/* ---- the collector ---- */

#define REFUSES(status)                                                                            \
	"FAIL  collector    http://c:1/v1/traces does not take an empty export: " status "\n" HELP
#define UNREACHED(scheme, why)                                                                     \
	"FAIL  collector    " scheme "://c:1/v1/traces is not reached: " why "\n" HELP
#define OWN_WAY                                                                                    \
	"start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT: OTLP over HTTP is port "     \
	"4318, most often\n"
#define AUTHORITY                                                                                  \
	"name the authority's file in OTEL_EXPORTER_OTLP_CERTIFICATE; the endpoint's host must "   \
	"be in the collector's certificate\n"
#define NO_TLS                                                                                     \
	"if no TLS is spoken there, the endpoint must begin with http://; if it wants to know "    \
	"us: OTEL_EXPORTER_OTLP_CLIENT_KEY and _CLIENT_CERTIFICATE\n"
#define TOKEN                                                                                      \
	"give the token in OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN, or "           \
	"otlp.headers in a file that others cannot read\n"
#define BASE                                                                                       \
	"OTEL_EXPORTER_OTLP_ENDPOINT is a base and gets /v1/traces appended; "                     \
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is\n"
#define POINTS "name the place that it points to in OTEL_EXPORTER_OTLP_ENDPOINT\n"
#define LOG    "look into the collector's own log\n"
#define WAIT   "look into the collector's own log; spans wait meanwhile, up to otlp.timeout\n"

static const struct {
	const char *scheme;
	struct examination found;
	const char *lines;
} collectors[] = {
	{"http", {.reached = true, .accepted = true, .took_ms = 18},
		"ok    collector    http://c:1/v1/traces takes an empty export, after 18 ms\n"},
	{"http", {.reached = true, .accepted = true, .why = "odd"},
		"warn  collector    http://c:1/v1/traces answers with success, but: odd\n" HELP
		"is it a collector, and this its path?\n"},
	{"http", {.why = "why"}, UNREACHED("http", "why") OWN_WAY},
	{"http", {.why = "could not RESOLVE c"},
		UNREACHED("http",
			"could not RESOLVE c") "is the name of the host right in "
					       "OTEL_EXPORTER_OTLP_ENDPOINT, and known to this "
					       "machine?\n"},
	{"http", {.why = "ssl", .is_certificate = true}, UNREACHED("http", "ssl") OWN_WAY},
	{"https", {.why = "why", .is_certificate = true}, UNREACHED("https", "why") AUTHORITY},
	{"https", {.why = "Certificate"}, UNREACHED("https", "Certificate") AUTHORITY},
	{"https", {.why = "SSL"}, UNREACHED("https", "SSL") NO_TLS},
	{"https", {.why = "TLS"}, UNREACHED("https", "TLS") NO_TLS},
	{"https", {.why = "why"}, UNREACHED("https", "why") OWN_WAY},
	{"http", {.reached = true, .status = 299, .why = "s"}, REFUSES("s") LOG},
	{"http", {.reached = true, .status = 300, .why = "s"}, REFUSES("s") POINTS},
	{"http", {.reached = true, .status = 399, .why = "s"}, REFUSES("s") POINTS},
	{"http", {.reached = true, .status = 400, .why = "s"},
		REFUSES("s") "if TLS is spoken there, the endpoint must begin with https://\n"},
	{"http", {.reached = true, .status = 401, .why = "s"}, REFUSES("s") TOKEN},
	{"http", {.reached = true, .status = 403, .why = "s"}, REFUSES("s") TOKEN},
	{"http", {.reached = true, .status = 404, .why = "s"}, REFUSES("s") BASE},
	{"http", {.reached = true, .status = 405, .why = "s"}, REFUSES("s") BASE},
	{"http", {.reached = true, .status = 406, .why = "s"}, REFUSES("s") LOG},
	{"http", {.reached = true, .status = 413, .why = "s"},
		REFUSES("s") "raise how large a request may be there, or in a proxy before it\n"},
	{"http", {.reached = true, .status = 415, .why = "s"},
		REFUSES("s") "set OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf or http/json\n"},
	{"http", {.reached = true, .status = 429, .why = "s"},
		REFUSES("s") "it asks for less: spans wait, see batch.queue_bytes_max and "
			     "spool.directory\n"},
	{"http", {.reached = true, .status = 500, .why = "s"}, REFUSES("s") WAIT},
	{"http", {.reached = true, .status = 599, .why = "s"}, REFUSES("s") WAIT},
	{"http", {.reached = true, .status = 600, .why = "s"}, REFUSES("s") LOG},
};

START_TEST(test_collector)
{
	char endpoint[64];
	const char *const flags[] = {"--upstream=tcp://h:1", endpoint, NULL};

	snprintf(endpoint, sizeof endpoint, "--otlp-endpoint=%s://c:1", collectors[_i].scheme);
	found[0] = collectors[_i].found;
	examine_with(flags, "");
	has(collectors[_i].lines);
	ck_assert_int_eq(is_well, found[0].accepted);
	ck_assert_int_eq(examined[0], 1);
	ck_assert_int_eq(examined[1], found[0].status == 415);
	done();
}
END_TEST

#define NO_METRICS(why)                                                                            \
	"FAIL  metrics      http://m:2/v1/metrics does not take an empty export: " why "\n" HELP

static const struct {
	const char *exporter;
	struct examination found;
	const char *lines;
} metrics_collectors[] = {
	{"otlp",
		{.reached = true, .accepted = true, .took_ms = 18, .has_clock = true, .ahead_s = 9},
		"ok    metrics      http://m:2/v1/metrics takes an empty export, after 18 ms\n"},
	{"none", {.reached = true, .accepted = true, .took_ms = 18},
		"ok    metrics      http://m:2/v1/metrics takes an empty export, after 18 ms\n"},
	{"otlp", {.why = "why"},
		"FAIL  metrics      http://m:2/v1/metrics is not reached: why\n" HELP OWN_WAY},
	{"otlp", {.reached = true, .status = 404, .why = "s"},
		NO_METRICS("s") "who takes spans may take no metrics: name who does in "
				"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, which is used as it is, or "
				"metrics.exporter none\n"},
	{"otlp", {.reached = true, .status = 415, .why = "s"},
		NO_METRICS("s") "metrics are sent as JSON alone: name who takes that in "
				"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, or metrics.exporter none\n"},
	{"otlp", {.reached = true, .status = 413, .why = "s"},
		NO_METRICS(
			"s") "raise how large a request may be there, or in a proxy before it\n"},
};

/* Another one may take them, or the same: each is asked, whether there are spans or not. */
START_TEST(test_metrics_collector)
{
	char exporter[32];
	const char *const flags[] = {"--upstream=tcp://h:1", exporter, "--metrics-exporter=otlp",
		"--otlp-endpoint=http://c:1", "--otlp-metrics-endpoint=http://m:2/v1/metrics",
		NULL};

	snprintf(exporter, sizeof exporter, "--exporter=%s", metrics_collectors[_i].exporter);
	found[TELEMETRY_METRICS] = metrics_collectors[_i].found;
	examine_with(flags, "");
	has(metrics_collectors[_i].lines);
	has("ok    clock        nothing speaks against it\n"); /* the clock is that of who takes
								  spans */
	ck_assert_int_eq(is_well, metrics_collectors[_i].found.accepted);
	ck_assert_int_eq(examined[TELEMETRY_METRICS], 1);
	ck_assert_int_eq(
		examined[TELEMETRY_SPANS], strcmp(metrics_collectors[_i].exporter, "otlp") == 0);
	ck_assert_int_eq(examined[TELEMETRY_SPANS_OTHERWISE], 0);
	done();
}
END_TEST

/* The other protocol is tried where this one is not wanted. */
START_TEST(test_other_protocol)
{
	const char *const flags[] = {"--upstream=tcp://h:1", "--otlp-endpoint=http://c:1",
		_i == 0 ? "--otlp-protocol=http/json" : "--otlp-protocol=http/protobuf", NULL};

	found[0] = (struct examination){.reached = true, .status = 415, .why = "s"};
	found[1] = (struct examination){.reached = true, .accepted = true, .status = 200};
	examine_with(flags, "");
	has(_i == 0 ? REFUSES("s") "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf works: it was tried\n"
		    : REFUSES("s") "OTEL_EXPORTER_OTLP_PROTOCOL=http/json works: it was tried\n");
	ck_assert(!is_well);
	done();
}
END_TEST

START_TEST(test_no_collector)
{
	static const struct {
		const char *flag, *lines;
	} rows[] = {
		{"--exporter=none", "-     collector    spans go nowhere (exporter none)\n"},
		{"--exporter=console",
			"-     collector    spans go to standard error (exporter console)\n"},
		{"--disabled", "-     collector    there are no spans (disabled)\n"},
		{"--exporter=otlp", "FAIL  collector    no such file\n"},
	};
	const char *const flags[] = {"--upstream=tcp://h:1", rows[_i].flag, NULL};

	failure = "no such file";
	examine_with(flags, "");
	has(rows[_i].lines);
	ck_assert_int_eq(is_well, _i < 3);
	ck_assert_int_eq(examined[0], _i == 3);
	done();
}
END_TEST

/* ---- the machine ---- */

#define NTP HELP "keep the clock with NTP: timedatectl set-ntp true, or chrony\n"

static const struct {
	bool has_clock;
	int64_t ahead_s;
	enum machine_clock kind;
	const char *lines;
} clocks[] = {
	{true, 2, MACHINE_CLOCK_ALONE, "ok    clock        the collector's says the same\n"},
	{true, -2, MACHINE_CLOCK_ALONE, "ok    clock        the collector's says the same\n"},
	{true, 3, MACHINE_CLOCK_KEPT,
		"warn  clock        the collector's is 3 s ahead of ours: spans of both do not "
		"line "
		"up\n" NTP},
	{true, -3, MACHINE_CLOCK_KEPT,
		"warn  clock        the collector's is 3 s behind of ours: spans of both do not "
		"line up\n" NTP},
	{false, 99, MACHINE_CLOCK_KEPT, "ok    clock        nothing speaks against it\n"},
	{false, 99, MACHINE_CLOCK_UNKNOWN, "ok    clock        nothing speaks against it\n"},
	{false, 0, MACHINE_CLOCK_ALONE, "warn  clock        nothing keeps it right\n" NTP},
};

START_TEST(test_clock)
{
	static const char *const flags[] = {
		"--upstream=tcp://h:1", "--otlp-endpoint=http://c:1", NULL};

	found[0].has_clock = clocks[_i].has_clock;
	found[0].ahead_s = clocks[_i].ahead_s;
	clock_kind = clocks[_i].kind;
	examine_with(flags, "");
	has(clocks[_i].lines);
	ck_assert(is_well);
	done();
}
END_TEST

/* 12 are kept; two are taken for a client, three where it has a command of its own. */
static const struct {
	const char *flags[5];
	size_t limit;
	const char *lines;
} limits[] = {
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--upstream=tcp://h:1"}, 35,
		"ok    descriptors  enough for 10 clients\n"},
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--upstream=tcp://h:1"}, 34,
		"warn  descriptors  34 may be open: enough for 9 of connections.max 10 clients; "
		"more "
		"wait\n" HELP "ulimit -n 35 (LimitNOFILE= of systemd), or --connections-max 9\n"},
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--", "x"}, 45,
		"ok    descriptors  enough for 10 clients\n"},
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--", "x"}, 44,
		"warn  descriptors  44 may be open: enough for 9 of connections.max 10 clients; "
		"more "
		"wait\n" HELP "ulimit -n 45 (LimitNOFILE= of systemd), or --connections-max 9\n"},
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--upstream=tcp://h:1"}, 15,
		"warn  descriptors  15 may be open: enough for 0 of connections.max 10 clients; "
		"more "
		"wait\n" HELP "ulimit -n 35 (LimitNOFILE= of systemd), or --connections-max 1\n"},
	{{"--listen=tcp://127.0.0.1:0", "--connections-max=10", "--upstream=tcp://h:1"}, 16,
		"warn  descriptors  16 may be open: enough for 0 of connections.max 10 clients; "
		"more "
		"wait\n" HELP "ulimit -n 35 (LimitNOFILE= of systemd), or --connections-max 1\n"},
	{{"--", "x"}, 18, "ok    descriptors  enough for 1 client\n"},
};

START_TEST(test_descriptors)
{
	const char *flags[8] = {"--exporter=none"};
	size_t i;

	for (i = 0; limits[_i].flags[i] != NULL; i++)
		flags[1 + i] = limits[_i].flags[i];
	descriptors = limits[_i].limit;
	examine_with(flags, "");
	has(limits[_i].lines);
	ck_assert(is_well);
	done();
}
END_TEST

/* 16 MiB of our own, 10 and 20 MiB by the settings, and what admin.listen may take. */
static const struct {
	const char *admin[3];
	int64_t limit;
	const char *lines;
} memories[] = {
	{{NULL}, -1,
		"ok    memory       no control group limits it; the settings allow for 46 MiB at "
		"most\n"},
	{{NULL}, 46 * MIB,
		"ok    memory       its control group has 46 MiB; the settings allow for 46 MiB at "
		"most\n"},
	{{NULL}, 46 * MIB - 1,
		"warn  memory       its control group has 45 MiB; a collector that is away and "
		"clients that ask much may need 46 MiB\n" HELP
		"allow 46 MiB, or lower inflight.bytes_max, batch.queue_bytes_max\n"},
	{{"--admin-listen=http://127.0.0.1:0", "--admin-traces-bytes=2MiB",
		 "--admin-live-bytes-max=1MiB"},
		54 * MIB - 1,
		"warn  memory       its control group has 53 MiB; a collector that is away and "
		"clients that ask much may need 54 MiB\n" HELP
		"allow 54 MiB, or lower inflight.bytes_max, batch.queue_bytes_max, "
		"admin.connections_max\n"},
	{{"--admin-listen=http://127.0.0.1:0", "--admin-traces-bytes=1MiB",
		 "--admin-live-bytes-max=2MiB"},
		54 * MIB,
		"ok    memory       its control group has 54 MiB; the settings allow for 53 MiB at "
		"most\n"},
};

START_TEST(test_memory)
{
	const char *flags[12] = {"--exporter=none", "--upstream=tcp://h:1",
		"--inflight-bytes-max=10MiB", "--batch-queue-bytes-max=20MiB",
		"--admin-connections-max=3"};
	size_t i;

	for (i = 0; i < 3; i++)
		flags[5 + i] = memories[_i].admin[i];
	memory = memories[_i].limit;
	examine_with(flags, "");
	has(memories[_i].lines);
	ck_assert(is_well);
	done();
}
END_TEST

#define ROWS(list) ((int)(sizeof(list) / sizeof *(list)))

int main(void)
{
	TCase *tc = tcase_create("doctor");

	unit_fixture(doctor_setup, NULL);
	tcase_add_test(tc, test_settings);
	tcase_add_loop_test(tc, test_server, 0, ROWS(servers));
	tcase_add_loop_test(tc, test_carrier, 0, ROWS(carriers));
	tcase_add_loop_test(tc, test_collector, 0, ROWS(collectors));
	tcase_add_loop_test(tc, test_metrics_collector, 0, ROWS(metrics_collectors));
	tcase_add_loop_test(tc, test_other_protocol, 0, 2);
	tcase_add_loop_test(tc, test_no_collector, 0, 4);
	tcase_add_loop_test(tc, test_clock, 0, ROWS(clocks));
	tcase_add_loop_test(tc, test_descriptors, 0, ROWS(limits));
	tcase_add_loop_test(tc, test_memory, 0, ROWS(memories));
	return unit_run("doctor", tc);
}
