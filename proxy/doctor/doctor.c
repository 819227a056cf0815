/*
 * The examinations, in the order in which a span meets their subjects: settings, server, carrier,
 * collector; then the machine. Each says one verdict; what is no mistake for sure is a warning, and
 * only failures count. What peers have said is made harmless before it is shown.
 */
#include "proxy/doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "config/config.h"
#include "config/list.h"
#include "config/profile/profile.h"
#include "exporter/escape.h"
#include "exporter/examine.h"
#include "exporter/text.h"
#include "proxy/doctor/machine.h"
#include "proxy/telemetry.h"

enum doctor_verdict { DOCTOR_OK, DOCTOR_NONE, DOCTOR_WARN, DOCTOR_FAIL };

enum { DOCTOR_LINE_SIZE = 2048, DOCTOR_URL_SIZE = 256 };
enum { DOCTOR_EARLIEST_YEAR = 2024, DOCTOR_AHEAD_S = 2 };
enum { DOCTOR_FILES_RESERVE = 12 }; /* as the listener's, and a few of its own */

#define DOCTOR_MIB       1048576
#define DOCTOR_OWN_BYTES (16ll * DOCTOR_MIB) /* beside what the settings limit */

struct doctor {
	struct config *config; /* borrowed */
	trial_serve *serve;
	void *arg;
	bool failed;
	bool has_clock; /* the collector has said what time it is there: */
	int64_t ahead_s;
};

/* Prints a line, and one below it with what helps, unless that is NULL. */
__attribute__((format(printf, 5, 6))) static void doctor_say(struct doctor *doctor,
	enum doctor_verdict verdict, const char *subject, const char *help, const char *format, ...)
{
	static const char *const names[] = {"ok", "-", "warn", "FAIL"};
	char line[DOCTOR_LINE_SIZE];
	struct text shown;
	va_list values;

	va_start(values, format);
	(void)vsnprintf(line, sizeof line, format, values); /* may be cut */
	va_end(values);
	text_init(&shown, TEXT_UNLIMITED);
	escape_append_shown(&shown, line, strlen(line), SIZE_MAX);
	(void)printf("%-4s  %-11s  %.*s\n", names[verdict], subject, (int)shown.size,
		shown.size > 0 ? shown.bytes : "");
	if (help != NULL)
		(void)printf("%19s-> %s\n", "", help);
	text_done(&shown);
	(void)fflush(stdout); /* nobody is told that nobody reads */
	doctor->failed = doctor->failed || verdict == DOCTOR_FAIL;
}

/* ---- the settings ---- */

static void doctor_examine_settings(struct doctor *doctor, const char *notes)
{
	const struct profile *profile = doctor->config->profile;
	size_t size;

	doctor_say(doctor, DOCTOR_OK, "settings", NULL, "profile %s, service %s", profile->name,
		doctor->config->service_name);
	for (; *notes != '\0'; notes += size + (notes[size] == '\n')) {
		size = strcspn(notes, "\n");
		if (strncmp(notes, "note: ", 6) == 0 && size > 6)
			doctor_say(doctor, DOCTOR_WARN, "settings", NULL, "%.*s", (int)size - 6,
				notes + 6);
	}
}

/* ---- the server, and whether it minds the carrier ---- */

static void doctor_server_name(const struct config *config, char name[DOCTOR_URL_SIZE])
{
	if (config->command != NULL)
		(void)snprintf(name, DOCTOR_URL_SIZE, "%s", config->command[0]); /* may be cut */
	else
		url_show(name, DOCTOR_URL_SIZE, config->upstream);
}

static bool doctor_wants_credentials(const struct trial *trial)
{
	return trial->status == 401 || trial->status == 407;
}

/* By whom it is asked, or under which name. */
static bool doctor_is_forbidden(const struct trial *trial)
{
	return trial->status == 403 || trial->status == 421;
}

static const char doctor_help_for_500[] = "look into the server's own log";

/* It is there, and said no. A status says why; words are the server's own. */
static void doctor_judge_refused(struct doctor *doctor, const char *name, const struct trial *trial)
{
	if (doctor_wants_credentials(trial))
		doctor_say(doctor, DOCTOR_WARN, "server",
			"a client brings its own, which pass through; nothing to be done",
			"%s is there and wants credentials, so nothing was asked: %s", name,
			trial->why);
	else
		doctor_say(doctor, DOCTOR_WARN, "server",
			trial->status >= 500 ? doctor_help_for_500
			: doctor_is_forbidden(trial)
				? "does it allow the host that --upstream names? or only clients "
				  "with credentials, which pass through?"
				: "is --profile the one for this server, and its URL with the "
				  "right path?",
			"%s is there and refuses %s: %s", name, trial_method(doctor->config),
			trial->why);
}

/* What helps when nobody has answered. */
static const char *doctor_help_for_lost(const struct config *config, const struct trial *trial)
{
	bool is_tls = config->upstream_url.tls;

	if (config->command != NULL)
		return strstr(trial->why, "cannot start ") == NULL
			       ? "run the command by itself: it must stay and read its input"
			       : "is it in PATH, or named with its folder? may it be executed, "
				 "and is there what its first line names?";
	if (trial->status >= 500)
		return doctor_help_for_500;
	if (trial->status != 0)
		return "HTTP is spoken there, but no WebSocket at this path: correct path or port "
		       "in --upstream, or name it with http://";
	if (is_tls && (strstr(trial->why, "certificate") != NULL ||
			      strstr(trial->why, "mismatch") != NULL))
		return "name who vouches for it in --tls-upstream-ca; its certificate must be for "
		       "the host in --upstream, or for --tls-server-name";
	if (is_tls && strstr(trial->why, "version number") != NULL)
		return "if no TLS is spoken there, --upstream must begin with http://, ws:// or "
		       "tcp://";
	return "start the server, or correct --upstream: address, port, ws:// or http:// or "
	       "tcp://, TLS or not";
}

/* False: there is nothing to compare a second trial with. */
static bool doctor_judge_server(struct doctor *doctor, const struct trial *trial)
{
	const struct config *config = doctor->config;
	const char *method = trial_method(config);
	char name[DOCTOR_URL_SIZE];

	doctor_server_name(config, name);
	switch (trial->outcome) {
	case TRIAL_ANSWERED:
		doctor_say(doctor, DOCTOR_OK, "server", NULL, "%s answers %s, after %lld ms", name,
			method, (long long)trial->took_ms);
		return true;
	case TRIAL_REFUSED:
	case TRIAL_LOST:
		if (trial->outcome == TRIAL_REFUSED || doctor_wants_credentials(trial) ||
			doctor_is_forbidden(trial)) {
			doctor_judge_refused(doctor, name, trial);
			return false;
		}
		doctor_say(doctor, DOCTOR_FAIL, "server", doctor_help_for_lost(config, trial),
			"%s does not answer: %s", name,
			trial->why[0] != '\0' ? trial->why : "it has ended the conversation");
		return false;
	case TRIAL_SILENT:
		doctor_say(doctor, DOCTOR_FAIL, "server",
			"does it speak what --upstream and --framing say? is --profile the one for "
			"it?",
			"%s says nothing to %s within %lld s%s%s", name, method,
			(long long)(trial_wait_ms(config) / 1000),
			trial->why[0] != '\0' ? ": " : "", trial->why);
		return false;
	case TRIAL_FAILED:
		doctor_say(doctor, DOCTOR_WARN, "server", NULL, "%s could not be tried: %s", name,
			trial->why);
		return false;
	}
	return false;
}

static void doctor_judge_carrier(struct doctor *doctor, const struct trial *trial)
{
	const char *method = trial_method(doctor->config);
	const char *where = doctor->config->propagation_inject.items[0];

	if (trial->outcome == TRIAL_ANSWERED)
		doctor_say(doctor, DOCTOR_OK, "carrier", NULL,
			"%s with our context (%s) is answered as without it", method, where);
	else if (trial->outcome == TRIAL_FAILED)
		doctor_say(
			doctor, DOCTOR_WARN, "carrier", NULL, "could not be tried: %s", trial->why);
	else
		doctor_say(doctor, DOCTOR_FAIL, "carrier",
			"--propagation-inject none leaves requests as they are, or name a place "
			"that "
			"the server allows",
			"%s is answered without our context, not with it (%s): %s", method, where,
			trial->outcome == TRIAL_SILENT ? "no answer"
			: trial->why[0] != '\0'        ? trial->why
						       : "it ends the conversation");
}

static void doctor_examine_server(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	const struct config_list *inject = &config->propagation_inject;
	struct trial trial;

	if (config->command == NULL && config->upstream == NULL) {
		doctor_say(doctor, DOCTOR_NONE, "server", NULL,
			"neither --upstream nor a COMMAND was given: it is not examined");
		doctor_say(doctor, DOCTOR_NONE, "carrier", NULL, "no server is asked");
		return;
	}
	trial_run(doctor->config, false, doctor->serve, doctor->arg, &trial);
	if (!doctor_judge_server(doctor, &trial)) {
		doctor_say(doctor, DOCTOR_NONE, "carrier", NULL,
			"there is no answer that one with our context could be compared with");
		return;
	}
	if (config->disabled || (list_place(inject) == NULL && !list_has_header(inject))) {
		doctor_say(doctor, DOCTOR_NONE, "carrier", NULL,
			"requests are passed on without our context (%s)",
			config->disabled ? "disabled" : "propagation.inject none");
		return;
	}
	trial_run(doctor->config, true, doctor->serve, doctor->arg, &trial);
	doctor_judge_carrier(doctor, &trial);
}

/* ---- the collectors ---- */

struct doctor_subject {
	const char *name;
	const char *url; /* as configured */
	enum telemetry_export export;
};

/* What helps against an answer: the first row with its status; for metrics, if that is other. */
static const struct {
	int first, last;
	const char *help, *metrics_help;
} doctor_statuses[] = {
	{300, 399, "name the place that it points to in OTEL_EXPORTER_OTLP_ENDPOINT", NULL},
	{401, 403,
		"give the token in OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20TOKEN, or "
		"otlp.headers in a file that others cannot read",
		NULL},
	{404, 405,
		"OTEL_EXPORTER_OTLP_ENDPOINT is a base and gets /v1/traces appended; "
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is used as it is",
		"who takes spans may take no metrics: name who does in "
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, which is used as it is, or metrics.exporter "
		"none"},
	{413, 413, "raise how large a request may be there, or in a proxy before it", NULL},
	{415, 415, "set OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf or http/json",
		"metrics are sent as JSON alone: name who takes that in "
		"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT, or metrics.exporter none"},
	{429, 429, "it asks for less: spans wait, see batch.queue_bytes_max and spool.directory",
		"it asks for less: see metrics.interval"},
	{500, 599, "look into the collector's own log; spans wait meanwhile, up to otlp.timeout",
		"look into the collector's own log; the next export says all that this one would"},
};

static const char *doctor_help_for_status(const struct doctor_subject *subject, int status)
{
	bool metrics = subject->export == TELEMETRY_METRICS;
	size_t i;

	if (status == 400 && strncasecmp(subject->url, "http://", 7) == 0)
		return "if TLS is spoken there, the endpoint must begin with https://";
	for (i = 0; i < sizeof doctor_statuses / sizeof *doctor_statuses; i++)
		if (status >= doctor_statuses[i].first && status <= doctor_statuses[i].last)
			return metrics && doctor_statuses[i].metrics_help != NULL
				       ? doctor_statuses[i].metrics_help
				       : doctor_statuses[i].help;
	return "look into the collector's own log";
}

static const char *doctor_help_for_unreached(
	const struct doctor_subject *subject, const struct examination *found)
{
	bool tls = strncasecmp(subject->url, "https://", 8) == 0;

	if (tls && (found->is_certificate || strcasestr(found->why, "certificate") != NULL))
		return "name the authority's file in OTEL_EXPORTER_OTLP_CERTIFICATE; the "
		       "endpoint's "
		       "host must be in the collector's certificate";
	if (tls && (strcasestr(found->why, "ssl") != NULL || strcasestr(found->why, "tls") != NULL))
		return "if no TLS is spoken there, the endpoint must begin with http://; if it "
		       "wants "
		       "to know us: OTEL_EXPORTER_OTLP_CLIENT_KEY and _CLIENT_CERTIFICATE";
	if (strcasestr(found->why, "resolve") != NULL)
		return "is the name of the host right in OTEL_EXPORTER_OTLP_ENDPOINT, and known to "
		       "this machine?";
	return "start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT: OTLP over HTTP is "
	       "port 4318, most often";
}

/* Whether the other protocol, JSON or protobuf, is taken by a collector that wants not this one. */
static bool doctor_other_protocol_works(const struct config *config)
{
	struct examination found;
	char error[DOCTOR_LINE_SIZE];

	return telemetry_examine(config, TELEMETRY_SPANS_OTHERWISE, &found, error, sizeof error) ==
		       0 &&
	       found.accepted;
}

static void doctor_judge_refusal(struct doctor *doctor, const struct doctor_subject *subject,
	const char *shown, const struct examination *found)
{
	const struct config *config = doctor->config;
	const char *help = doctor_help_for_status(subject, found->status);

	if (found->status == 415 && subject->export == TELEMETRY_SPANS &&
		doctor_other_protocol_works(config))
		help = config->otlp_protocol == CONFIG_PROTOCOL_PROTOBUF
			       ? "OTEL_EXPORTER_OTLP_PROTOCOL=http/json works: it was tried"
			       : "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf works: it was tried";
	doctor_say(doctor, DOCTOR_FAIL, subject->name, help, "%s does not take an empty export: %s",
		shown, found->why);
}

/* Sends it nothing, as what it is sent will come. */
static void doctor_examine_export(struct doctor *doctor, const struct doctor_subject *subject)
{
	char shown[DOCTOR_URL_SIZE], error[DOCTOR_LINE_SIZE];
	struct examination found;

	url_show(shown, sizeof shown, subject->url);
	if (telemetry_examine(doctor->config, subject->export, &found, error, sizeof error) != 0) {
		doctor_say(doctor, DOCTOR_FAIL, subject->name, NULL, "%s", error);
		return;
	}
	if (subject->export == TELEMETRY_SPANS) {
		doctor->has_clock = found.has_clock;
		doctor->ahead_s = found.ahead_s;
	}
	if (!found.reached)
		doctor_say(doctor, DOCTOR_FAIL, subject->name,
			doctor_help_for_unreached(subject, &found), "%s is not reached: %s", shown,
			found.why);
	else if (!found.accepted)
		doctor_judge_refusal(doctor, subject, shown, &found);
	else if (found.why[0] != '\0')
		doctor_say(doctor, DOCTOR_WARN, subject->name,
			"is it a collector, and this its path?", "%s answers with success, but: %s",
			shown, found.why);
	else
		doctor_say(doctor, DOCTOR_OK, subject->name, NULL,
			"%s takes an empty export, after %lld ms", shown, (long long)found.took_ms);
}

static void doctor_examine_collectors(struct doctor *doctor)
{
	const struct config *config = doctor->config;

	if (config->disabled || config->exporter != CONFIG_EXPORTER_OTLP)
		doctor_say(doctor, DOCTOR_NONE, "collector", NULL, "%s",
			config->disabled ? "there are no spans (disabled)"
			: config->exporter == CONFIG_EXPORTER_CONSOLE
				? "spans go to standard error (exporter console)"
				: "spans go nowhere (exporter none)");
	else
		doctor_examine_export(doctor,
			&(struct doctor_subject){"collector", config->otlp_url, TELEMETRY_SPANS});
	if (telemetry_has_metrics(config))
		doctor_examine_export(doctor, &(struct doctor_subject){"metrics",
						      config->otlp_metrics_url, TELEMETRY_METRICS});
}

/* ---- the machine ---- */

static void doctor_examine_clock(struct doctor *doctor)
{
	static const char help[] = "keep the clock with NTP: timedatectl set-ntp true, or chrony";
	time_t now = time(NULL);
	long long ahead = doctor->ahead_s;
	struct tm date;

	if (gmtime_r(&now, &date) == NULL || date.tm_year + 1900 < DOCTOR_EARLIEST_YEAR)
		doctor_say(doctor, DOCTOR_FAIL, "clock", help,
			"it is not %d here: collectors drop spans of long ago",
			date.tm_year + 1900);
	else if (doctor->has_clock && (ahead > DOCTOR_AHEAD_S || ahead < -DOCTOR_AHEAD_S))
		doctor_say(doctor, DOCTOR_WARN, "clock", help,
			"the collector's is %lld s %s of ours: spans of both do not line up",
			ahead > 0 ? ahead : -ahead, ahead > 0 ? "ahead" : "behind");
	else if (doctor->has_clock)
		doctor_say(doctor, DOCTOR_OK, "clock", NULL, "the collector's says the same");
	else if (machine_clock() == MACHINE_CLOCK_ALONE)
		doctor_say(doctor, DOCTOR_WARN, "clock", help, "nothing keeps it right");
	else
		doctor_say(doctor, DOCTOR_OK, "clock", NULL, "nothing speaks against it");
}

/* As the listener counts. */
static void doctor_examine_descriptors(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	size_t each = config->command != NULL ? 3 : 2, taken, limit, wanted, possible;
	char help[192];

	limit = machine_descriptors(&taken);
	taken += DOCTOR_FILES_RESERVE;
	wanted = config->listen != NULL ? (size_t)config->connections_max : 1;
	possible = limit > taken ? (limit - taken) / each : 0;
	if (possible >= wanted) {
		doctor_say(doctor, DOCTOR_OK, "descriptors", NULL, "enough for %zu client%s",
			wanted, wanted == 1 ? "" : "s");
		return;
	}
	(void)snprintf(help, sizeof help,
		"ulimit -n %zu (LimitNOFILE= of systemd), or --connections-max %zu",
		wanted * each + taken, possible > 0 ? possible : 1); /* fits */
	doctor_say(doctor, DOCTOR_WARN, "descriptors", help,
		"%zu may be open: enough for %zu of connections.max %zu clients; more wait", limit,
		possible, wanted);
}

/* Ended spans, and answers with all of them, or events, that nobody has read yet. */
static long long doctor_admin_bytes(const struct config *config)
{
	long long each = config->admin_traces_bytes > config->admin_live_bytes_max
				 ? config->admin_traces_bytes
				 : config->admin_live_bytes_max;

	if (config->admin_url.scheme == URL_NONE)
		return 0;
	return config->admin_traces_bytes + config->admin_connections_max * each;
}

static void doctor_examine_memory(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	long long admin = doctor_admin_bytes(config);
	long long wanted = DOCTOR_OWN_BYTES + config->inflight_bytes_max +
			   config->batch_queue_bytes_max + admin;
	long long limit = (long long)machine_memory("");
	char help[256];

	if (limit == -1)
		doctor_say(doctor, DOCTOR_OK, "memory", NULL,
			"no control group limits it; the settings allow for %lld MiB at most",
			wanted / DOCTOR_MIB);
	else if (limit >= wanted)
		doctor_say(doctor, DOCTOR_OK, "memory", NULL,
			"its control group has %lld MiB; the settings allow for %lld MiB at most",
			limit / DOCTOR_MIB, wanted / DOCTOR_MIB);
	else {
		(void)snprintf(help, sizeof help,
			"allow %lld MiB, or lower inflight.bytes_max, batch.queue_bytes_max%s",
			wanted / DOCTOR_MIB, admin > 0 ? ", admin.connections_max" : ""); /* fits */
		doctor_say(doctor, DOCTOR_WARN, "memory", help,
			"its control group has %lld MiB; a collector that is away and clients that "
			"ask much may need %lld MiB",
			limit / DOCTOR_MIB, wanted / DOCTOR_MIB);
	}
}

bool doctor_examine(struct config *config, const char *notes, trial_serve *serve, void *arg)
{
	struct doctor doctor = {.config = config, .serve = serve, .arg = arg};

	doctor_examine_settings(&doctor, notes);
	doctor_examine_server(&doctor);
	doctor_examine_collectors(&doctor);
	doctor_examine_clock(&doctor);
	doctor_examine_descriptors(&doctor);
	doctor_examine_memory(&doctor);
	return !doctor.failed;
}
