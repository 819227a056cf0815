/*
 * From settings to the exporter's, and from counters to lines. The exporter's part is played by
 * this file: it has the functions that are called, and keeps what it is given.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "exporter/examine.h"
#include "exporter/exporter.h"
#include "exporter/poster.h"
#include "exporter/text.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/telemetry.h"
#include "proxy/trace/tracer.h"
#include "tests/unit/config_case.h"
#include "tests/unit/unit.h"

enum { TEXT_MAX = 8192 };

/* --- the exporter --- */

struct exporter {
	struct exporter_config config; /* its texts are in here, in order of appearance */
	char headers[TEXT_MAX];        /* "name: value\n" */
	char resource[TEXT_MAX];       /* "key=value\n" */
	char endpoint[256];
	char shown[256];
	char schema_url[128];
	int64_t stopped_after_ms;
};

static struct exporter the_exporter;
static struct exporter_counters the_counters;

struct exporter *exporter_new(const struct exporter_config *config, char *error, size_t error_size)
{
	struct exporter *exporter = &the_exporter;
	size_t i, used = 0;

	memset(exporter, 0, sizeof *exporter);
	exporter->config = *config;
	for (i = 0; i < config->header_count; i++)
		used += (size_t)snprintf(exporter->headers + used, TEXT_MAX - used, "%s: %s\n",
			config->headers[i].name, config->headers[i].value);
	for (used = 0, i = 0; i < config->resource_count; i++)
		if (config->resource[i].type == SPAN_VALUE_INT)
			used += (size_t)snprintf(exporter->resource + used, TEXT_MAX - used,
				"%s=%lld\n", config->resource[i].key,
				(long long)config->resource[i].value.integer);
		else
			used += (size_t)snprintf(exporter->resource + used, TEXT_MAX - used,
				"%s=%.*s\n", config->resource[i].key,
				(int)config->resource[i].value.string.size,
				config->resource[i].value.string.bytes);
	if (config->endpoint == NULL)
		return exporter; /* trees: there is none */
	snprintf(exporter->endpoint, sizeof exporter->endpoint, "%s", config->endpoint);
	snprintf(exporter->shown, sizeof exporter->shown, "%s", config->endpoint_shown);
	snprintf(exporter->schema_url, sizeof exporter->schema_url, "%s",
		config->schema_url != NULL ? config->schema_url : "");
	snprintf(error, error_size, "the exporter's own error");
	return config->batch_spans_max == 13 ? NULL : exporter;
}

struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count)
{
	(void)exporter;
	(void)attributes;
	(void)count;
	return NULL;
}

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	(void)exporter;
	(void)context;
}

void exporter_submit(struct exporter *exporter, const struct span *span)
{
	(void)exporter;
	(void)span;
}

int exporter_renew(struct exporter *exporter, const struct exporter_config *config, char *error,
	size_t error_size)
{
	ck_assert_ptr_eq(exporter, &the_exporter);
	return exporter_new(config, error, error_size) != NULL ? 0 : -1;
}

void exporter_stop(struct exporter *exporter, int64_t deadline_ms)
{
	exporter->stopped_after_ms = deadline_ms;
}

void exporter_counters_read(struct exporter *exporter, struct exporter_counters *counters)
{
	ck_assert_ptr_eq(exporter, &the_exporter);
	*counters = the_counters;
}

struct poster {
	int64_t stopped_after_ms;
};

static struct poster the_poster;

struct poster *poster_new(const struct exporter_config *config, char *error, size_t error_size)
{
	return exporter_new(config, error, error_size) != NULL ? &the_poster : NULL;
}

struct poster_way *poster_way_new(
	const struct exporter_config *config, char *error, size_t error_size)
{
	return (struct poster_way *)(void *)poster_new(config, error, error_size);
}

void poster_stop(struct poster *poster, int64_t deadline_ms)
{
	poster->stopped_after_ms = deadline_ms;
}

struct poster_counters poster_counters(struct poster *poster)
{
	(void)poster;
	return (struct poster_counters){0};
}

/* Stands before that of the C library: what comes is known. */
ssize_t getrandom(void *bytes, size_t size, unsigned flags)
{
	size_t i;

	(void)flags;
	for (i = 0; i < size; i++)
		((uint8_t *)bytes)[i] = (uint8_t)(0xff - i);
	return (ssize_t)size;
}

static int64_t examined_for_ms;
static const char *examined_what;

int examine_collector(const struct exporter_config *config, const char *what, int64_t wait_ms,
	struct examination *found, char *error, size_t error_size)
{
	examined_what = what;
	examined_for_ms = wait_ms;
	found->status = 299;
	return exporter_new(config, error, error_size) != NULL ? 0 : -1;
}

/* --- loading --- */

static void load(struct config_case *load, const char *const *flags, const char *const *environment)
{
	static const char *const none[] = {NULL};
	const char *all[32];
	size_t count = 0;

	while (flags != NULL && flags[count] != NULL) {
		all[count] = flags[count];
		count++;
	}
	all[count++] = "--";
	all[count++] = "server";
	all[count] = NULL;
	config_case_load(load, all, environment != NULL ? environment : none);
	ck_assert_msg(load->outcome == CONFIG_RUN, "%s", load->error);
}

static const struct exporter_config *exporter_made(
	const char *const *flags, const char *const *environment)
{
	struct config_case made;
	char error[128] = "";

	load(&made, flags, environment);
	ck_assert_ptr_eq(telemetry_exporter_new(made.config, error, sizeof error), &the_exporter);
	config_case_done(&made);
	return &the_exporter.config;
}

#define FLAGS(...)                                                                                 \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__, NULL                                                                  \
	}

/* --- settings --- */

START_TEST(test_defaults)
{
	const struct exporter_config *config = exporter_made(NULL, NULL);

	ck_assert_int_eq(config->target, EXPORTER_OTLP);
	ck_assert_str_eq(the_exporter.endpoint, "http://localhost:4318/v1/traces");
	ck_assert_uint_eq(config->header_count, 0);
	ck_assert_int_eq(config->timeout_ms, 10000);
	ck_assert(!config->gzip);
	ck_assert_ptr_null(config->certificate);
	ck_assert_uint_eq(config->batch_spans_max, 512);
	ck_assert_uint_eq(config->queue_spans_max, SIZE_MAX);
	ck_assert_uint_eq(config->queue_bytes_max, 16 << 20);
	ck_assert_uint_eq(config->request_bytes_max, 64 << 20);
	ck_assert_uint_eq(config->response_bytes_max, 4 << 20);
	ck_assert_uint_gt(config->batch_bytes_max, 0);
	ck_assert_uint_gt(config->queue_bytes_max, config->batch_bytes_max);
	ck_assert_int_gt(config->retry_initial_ms, 0);
	ck_assert_int_gt(config->retry_max_ms, config->retry_initial_ms);
	ck_assert_str_eq(config->scope_name, "sidespan");
	ck_assert_str_eq(config->scope_version, SIDESPAN_VERSION);
	ck_assert_str_eq(the_exporter.schema_url, "");
	ck_assert_int_eq(strncmp(config->user_agent, "sidespan/" SIDESPAN_VERSION " ", 15), 0);
	ck_assert_ptr_nonnull(config->report);
}
END_TEST

START_TEST(test_settings)
{
	const struct exporter_config *config = exporter_made(
		FLAGS("--otlp-endpoint=http://collector/base", "--otlp-compression=gzip",
			"--batch-spans-max=7", "--batch-queue-max=70", "--semconv=rpc"),
		FLAGS("OTEL_EXPORTER_OTLP_HEADERS=authorization=secret,x-tenant=a%20b"));

	ck_assert_str_eq(the_exporter.endpoint, "http://collector/base/v1/traces");
	ck_assert(config->gzip);
	ck_assert_uint_eq(config->batch_spans_max, 7);
	ck_assert_uint_eq(config->queue_spans_max, 70);
	ck_assert_str_eq(the_exporter.headers, "authorization: secret\nx-tenant: a b\n");
	ck_assert_str_eq(the_exporter.schema_url, "https://opentelemetry.io/schemas/1.45.0");
}
END_TEST

/* A batch's time is the shorter of the two that are limited; without delay it is one span. */
static const struct {
	const char *flags[3];
	int64_t timeout_ms;
	size_t batch_spans_max;
	enum exporter_target target;
} setting_rows[] = {
	{{"--otlp-timeout=5s", "--batch-export-timeout=30s"}, 5000, 512, EXPORTER_OTLP},
	{{"--otlp-timeout=30s", "--batch-export-timeout=5s"}, 5000, 512, EXPORTER_OTLP},
	{{"--otlp-timeout=0", "--batch-export-timeout=5s"}, 5000, 512, EXPORTER_OTLP},
	{{"--otlp-timeout=5s", "--batch-export-timeout=0"}, 5000, 512, EXPORTER_OTLP},
	{{"--otlp-timeout=0", "--batch-export-timeout=0"}, 0, 512, EXPORTER_OTLP},
	{{"--batch-delay=0"}, 10000, 1, EXPORTER_OTLP},
	{{"--batch-delay=1ms"}, 10000, 512, EXPORTER_OTLP},
	{{"--exporter=console"}, 10000, 512, EXPORTER_CONSOLE},
};

START_TEST(test_setting)
{
	const struct exporter_config *config = exporter_made(setting_rows[_i].flags, NULL);

	ck_assert_int_eq(config->timeout_ms, setting_rows[_i].timeout_ms);
	ck_assert_uint_eq(config->batch_spans_max, setting_rows[_i].batch_spans_max);
	ck_assert_int_eq(config->target, setting_rows[_i].target);
}
END_TEST

/* How wide: as the settings say, or else the environment, if that is a number. */
START_TEST(test_width)
{
	static const struct {
		const char *flag, *columns;
		size_t width;
	} rows[] = {{"--console-width=0", "80", 80}, {"--console-width=0", "9", 9},
		{"--console-width=0", "0080", 80}, {"--console-width=0", "0", 0},
		{"--console-width=0", "10000", 10000}, {"--console-width=0", "10001", 0},
		{"--console-width=0", "80x", 0}, {"--console-width=0", "-80", 0},
		{"--console-width=0", ":", 0}, {"--console-width=0", "", 0},
		{"--console-width=0", NULL, 0}, {"--console-width=33", "80", 33},
		{"--console-width=1", "80", 1}};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (rows[i].columns != NULL)
			ck_assert_int_eq(setenv("COLUMNS", rows[i].columns, 1), 0);
		else
			ck_assert_int_eq(unsetenv("COLUMNS"), 0);
		ck_assert_uint_eq(
			exporter_made(FLAGS(rows[i].flag), NULL)->console_width, rows[i].width);
	}
	ck_assert_int_eq(unsetenv("COLUMNS"), 0);
}
END_TEST

/* Without a batch in the time of two it rests, and never in less than a second. */
START_TEST(test_rest)
{
	ck_assert_int_eq(exporter_made(FLAGS("--batch-delay=1ms"), NULL)->rest_after_ms, 1000);
	ck_assert_int_eq(exporter_made(FLAGS("--batch-delay=500ms"), NULL)->rest_after_ms, 1000);
	ck_assert_int_eq(exporter_made(FLAGS("--batch-delay=501ms"), NULL)->rest_after_ms, 1002);
}
END_TEST

/* Whether there is anything to do with spans; what is kept for a look at admin.listen. */
START_TEST(test_has_exporter)
{
	static const struct {
		const char *flags[4];
		bool has;
		size_t ring;
	} rows[] = {{{"--exporter=otlp"}, true, 0}, {{"--exporter=none"}, false, 0},
		{{"--exporter=none", "--admin-listen=http://127.0.0.1:0"}, true, 4 << 20},
		{{"--exporter=none", "--admin-listen=http://127.0.0.1:0", "--admin-traces-bytes=0"},
			false, 0},
		{{"--exporter=none", "--admin-listen=http://127.0.0.1:0", "--admin-traces-bytes=1"},
			true, 1},
		{{"--disabled", "--admin-listen=http://127.0.0.1:0"}, false, 4 << 20},
		{{"--disabled"}, false, 0}};
	struct config_case made;
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		load(&made, rows[i].flags, NULL);
		ck_assert_int_eq(telemetry_has_exporter(made.config), rows[i].has);
		config_case_done(&made);
		ck_assert_uint_eq(exporter_made(rows[i].flags, NULL)->ring_bytes_max, rows[i].ring);
	}
}
END_TEST

/* Colour on a terminal, unless NO_COLOR says something (no-color.org). */
START_TEST(test_color)
{
	static const struct {
		bool terminal;
		const char *no_color;
		bool color;
	} rows[] = {{false, NULL, false}, {true, NULL, true}, {true, "1", false}, {true, "", true}};
	int fd = rows[_i].terminal ? posix_openpt(O_RDWR | O_NOCTTY) : open("/dev/null", O_RDWR);

	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	if (rows[_i].no_color != NULL)
		ck_assert_int_eq(setenv("NO_COLOR", rows[_i].no_color, 1), 0);
	else
		ck_assert_int_eq(unsetenv("NO_COLOR"), 0);
	ck_assert_int_eq(
		exporter_made(FLAGS("--exporter=console"), NULL)->console_color, rows[_i].color);
	ck_assert_int_eq(the_exporter.config.console_fd, STDERR_FILENO);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* --- the resource --- */

/* The value of a key in the resource, which has it exactly once; copied to text. */
static const char *resource_value(const char *key, char text[256])
{
	char line[64];
	const char *at;

	snprintf(line, sizeof line, "%s=", key);
	at = strstr(the_exporter.resource, line);
	ck_assert_msg(at != NULL && (at == the_exporter.resource || at[-1] == '\n'), "no %s in %s",
		key, the_exporter.resource);
	ck_assert_ptr_null(strstr(at + 1, line));
	at += strlen(line);
	snprintf(text, 256, "%.*s", (int)strcspn(at, "\n"), at);
	return text;
}

START_TEST(test_resource)
{
	char text[256], first[256];

	(void)exporter_made(FLAGS("--service-name=mine"),
		FLAGS("OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test,a=1"));
	ck_assert_str_eq(resource_value("service.name", text), "mine");
	ck_assert_str_eq(resource_value("deployment.environment.name", text), "test");
	ck_assert_str_eq(resource_value("a", text), "1");
	ck_assert_str_eq(resource_value("telemetry.sdk.name", text), "sidespan");
	ck_assert_str_eq(resource_value("telemetry.sdk.language", text), "c");
	ck_assert_str_eq(resource_value("telemetry.sdk.version", text), SIDESPAN_VERSION);
	ck_assert_str_eq(resource_value("service.version", text), SIDESPAN_VERSION);
	ck_assert_int_eq(gethostname(first, sizeof first), 0);
	ck_assert_str_eq(resource_value("host.name", text), first);
	snprintf(first, sizeof first, "%d", getpid());
	ck_assert_str_eq(resource_value("process.pid", text), first);
	resource_value("service.instance.id", first);
	ck_assert_str_eq(first, "fffefdfc-fbfa-49f8-b7f6-f5f4f3f2f1f0");
	(void)exporter_made(NULL, NULL);
	/* a process is one instance, whatever it sends */
	ck_assert_str_eq(resource_value("service.instance.id", text), first);
}
END_TEST

/* What a person says about the resource is stronger than what we know. */
START_TEST(test_resource_overridden)
{
	char text[256];

	(void)exporter_made(
		NULL, FLAGS("OTEL_RESOURCE_ATTRIBUTES=service.name=n,service.instance.id=i,"
			    "telemetry.sdk.name=s,telemetry.sdk.language=l,telemetry.sdk.version=v,"
			    "service.version=1,host.name=h,process.pid=p,empty="));
	ck_assert_str_eq(resource_value("service.name", text), "n");
	ck_assert_str_eq(resource_value("service.instance.id", text), "i");
	ck_assert_str_eq(resource_value("telemetry.sdk.name", text), "s");
	ck_assert_str_eq(resource_value("telemetry.sdk.language", text), "l");
	ck_assert_str_eq(resource_value("telemetry.sdk.version", text), "v");
	ck_assert_str_eq(resource_value("service.version", text), "1");
	ck_assert_str_eq(resource_value("host.name", text), "h");
	ck_assert_str_eq(resource_value("process.pid", text), "p");
	ck_assert_uint_eq(the_exporter.config.resource_count, 8);
}
END_TEST

/* What a command is told of the host: what it was told already, and ours if that says none. */
static const struct {
	const char *given, *resource, *expected; /* given NULL: not set; HOST stands for our name */
} host_rows[] = {
	{NULL, NULL, "host.name=HOST"}, {"", NULL, "host.name=HOST"},
	{"a=1", NULL, "a=1,host.name=HOST"}, {"a=1, b=2", "host.name=h", "a=1, b=2,host.name=h"},
	{"host.name=other", NULL, "host.name=other"},
	{"a=1,\thost.name = other,b=2", NULL, "a=1,\thost.name = other,b=2"},
	{"xhost.name=1,host.names=2,host.name", NULL,
		"xhost.name=1,host.names=2,host.name,host.name=HOST"},
	{"a=1", "host.name=a%2Cb", "a=1"}, /* would be two attributes */
	{NULL, "host.name=", NULL},        /* has none */
};

START_TEST(test_share_host_name)
{
	static const char variable[] = "OTEL_RESOURCE_ATTRIBUTES";
	char expected[512], host[256], resource[64] = "SIDESPAN_RESOURCE_ATTRIBUTES=";
	const char *wanted = host_rows[_i].expected != NULL ? host_rows[_i].expected : "";
	const char *mark = strstr(wanted, "HOST");
	bool is_shared = _i < 7;
	struct config_case made;

	ck_assert_int_eq(gethostname(host, sizeof host), 0);
	snprintf(expected, sizeof expected, "%.*s%s", mark != NULL ? (int)(mark - wanted) : 512,
		wanted, mark != NULL ? host : "");
	if (host_rows[_i].resource != NULL)
		strcat(resource, host_rows[_i].resource);
	load(&made, NULL, host_rows[_i].resource != NULL ? FLAGS(resource) : NULL);
	unsetenv(variable);
	if (host_rows[_i].given != NULL)
		setenv(variable, host_rows[_i].given, 1);
	ck_assert_int_eq(telemetry_share_host_name(made.config), 0);
	if (host_rows[_i].expected != NULL)
		ck_assert_str_eq(getenv(variable), expected);
	else
		ck_assert_ptr_null(getenv(variable));
	setenv(variable, "a=1", 1);
	unit_alloc_fail_after(0);
	ck_assert_int_eq(telemetry_share_host_name(made.config), is_shared ? -1 : 0);
	unit_alloc_fail_never();
	ck_assert_str_eq(getenv(variable), "a=1");
	config_case_done(&made);
}
END_TEST

/* What is sent how is told anew to one that runs; not what spans belong to. */
START_TEST(test_renew)
{
	struct config_case made;
	char error[128] = "";
	int result;

	exporter_made(NULL, NULL);
	load(&made, FLAGS("--otlp-endpoint=http://there:1", "--otlp-timeout=3s"),
		FLAGS("OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d"));
	ck_assert_int_eq(
		telemetry_exporter_renew(&the_exporter, made.config, error, sizeof error), 0);
	ck_assert_str_eq(the_exporter.endpoint, "http://there:1/v1/traces");
	ck_assert_str_eq(the_exporter.headers, "a: b\nc: d\n");
	ck_assert_int_eq(the_exporter.config.timeout_ms, 3000);
	ck_assert_str_eq(the_exporter.resource, "");
	unit_alloc_fail_after(0);
	result = telemetry_exporter_renew(&the_exporter, made.config, error, sizeof error);
	unit_alloc_fail_never();
	ck_assert_int_eq(result, -1);
	ck_assert_str_eq(error, "out of memory");
	config_case_done(&made);
}
END_TEST

START_TEST(test_no_exporter)
{
	struct config_case made;
	char error[128] = "";
	struct exporter *exporter;
	int n = -1;

	load(&made, FLAGS("--batch-spans-max=13"), NULL);
	ck_assert_ptr_null(telemetry_exporter_new(made.config, error, sizeof error));
	ck_assert_str_eq(error, "the exporter's own error");
	config_case_done(&made);

	load(&made, NULL, NULL);
	do {
		unit_alloc_fail_after(++n);
		exporter = telemetry_exporter_new(made.config, error, sizeof error);
		unit_alloc_fail_never();
		ck_assert_int_eq(exporter == NULL, unit_alloc_failed());
		if (exporter == NULL)
			ck_assert_str_eq(error, "out of memory");
	} while (exporter == NULL);
	ck_assert_int_eq(n, 2);
	config_case_done(&made);
}
END_TEST

/* A host's name is cut where there is no room. */
START_TEST(test_host_name)
{
	struct config_case made;
	char name[5];

	load(&made, NULL, FLAGS("OTEL_RESOURCE_ATTRIBUTES=host.name=given"));
	telemetry_host_name(made.config, name, sizeof name);
	ck_assert_str_eq(name, "give");
	config_case_done(&made);
}
END_TEST

/* --- metrics --- */

/* Headers are those for metrics, those for all, or none where these are for traces alone. */
static const struct {
	const char *flags[4], *environment[4];
	const char *endpoint, *shown, *headers;
} metrics_rows[] = {
	{{"--metrics-exporter=otlp"}, {NULL}, "http://localhost:4318/v1/metrics",
		"http://localhost:4318/v1/metrics", ""},
	{{"--metrics-exporter=otlp", "--otlp-metrics-endpoint=http://m/x?key=k",
		 "--exporter=console"},
		{"OTEL_EXPORTER_OTLP_HEADERS=a=b,c=d"}, "http://m/x?key=k", "http://m/x?***",
		"a: b\nc: d\n"},
	{{"--metrics-exporter=otlp"},
		{"OTEL_EXPORTER_OTLP_HEADERS=a=b", "OTEL_EXPORTER_OTLP_METRICS_HEADERS=e=f"},
		"http://localhost:4318/v1/metrics", "http://localhost:4318/v1/metrics", "e: f\n"},
	{{"--metrics-exporter=otlp"}, {"OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=b"},
		"http://localhost:4318/v1/metrics", "http://localhost:4318/v1/metrics", ""},
};

static void metrics_are(int i)
{
	ck_assert_int_eq(the_exporter.config.target, EXPORTER_OTLP);
	ck_assert_str_eq(the_exporter.endpoint, metrics_rows[i].endpoint);
	ck_assert_str_eq(the_exporter.shown, metrics_rows[i].shown);
	ck_assert_str_eq(the_exporter.headers, metrics_rows[i].headers);
	memset(&the_exporter, 0, sizeof the_exporter);
}

START_TEST(test_metrics)
{
	struct config_case made;
	char error[128] = "";
	struct text prefix;
	void *poster;
	int n = -1;

	load(&made, metrics_rows[_i].flags, metrics_rows[_i].environment);
	ck_assert(telemetry_has_metrics(made.config));
	text_init(&prefix, 65536);
	ck_assert_ptr_eq(
		telemetry_poster_new(made.config, &prefix, error, sizeof error), &the_poster);
	metrics_are(_i);
	ck_assert_ptr_nonnull(memmem(prefix.bytes, prefix.size, "service.name", 12));
	ck_assert_ptr_nonnull(memmem(prefix.bytes, prefix.size, "server-sidespan", 15));
	text_done(&prefix);
	ck_assert_ptr_nonnull(telemetry_poster_way(made.config, error, sizeof error));
	metrics_are(_i);
	do {
		text_init(&prefix, 65536);
		unit_alloc_fail_after(++n);
		poster = telemetry_poster_new(made.config, &prefix, error, sizeof error);
		unit_alloc_fail_never();
		text_done(&prefix);
		ck_assert_int_eq(poster == NULL, unit_alloc_failed());
		ck_assert_str_eq(
			error, poster == NULL ? "out of memory" : "the exporter's own error");
	} while (poster == NULL);
	ck_assert_int_ge(n, 3);
	unit_alloc_fail_after(0);
	ck_assert_ptr_null(telemetry_poster_way(made.config, error, sizeof error));
	unit_alloc_fail_never();
	ck_assert_str_eq(error, "out of memory");
	config_case_done(&made);
}
END_TEST

START_TEST(test_no_metrics)
{
	struct config_case made;

	load(&made, NULL, NULL);
	ck_assert(!telemetry_has_metrics(made.config));
	config_case_done(&made);
	load(&made, FLAGS("--disabled", "--metrics-exporter=otlp"), NULL);
	ck_assert(!telemetry_has_metrics(made.config));
	config_case_done(&made);
}
END_TEST

/* --- an examination, and trees --- */

/* As spans would be sent, or by the other protocol, or as metrics would; not for ever. */
START_TEST(test_examine)
{
	static const enum telemetry_export ways[] = {
		TELEMETRY_SPANS, TELEMETRY_SPANS_OTHERWISE, TELEMETRY_METRICS};
	enum telemetry_export way = ways[_i % 3];
	const char *timeout = _i < 3 ? "--otlp-timeout=0" : "--otlp-timeout=3s";
	struct examination found = {0};
	struct config_case made;
	char error[128] = "";

	load(&made, FLAGS(timeout, "--batch-export-timeout=0", "--otlp-endpoint=http://c"),
		FLAGS("OTEL_EXPORTER_OTLP_HEADERS=a=b",
			"OTEL_EXPORTER_OTLP_METRICS_HEADERS=c=d,e=f"));
	ck_assert_int_eq(telemetry_examine(made.config, way, &found, error, sizeof error), 0);
	ck_assert_int_eq(found.status, 299);
	ck_assert_int_eq(examined_for_ms, _i < 3 ? 10000 : 3000);
	ck_assert_str_eq(
		examined_what, way == TELEMETRY_METRICS ? "resourceMetrics" : "resourceSpans");
	ck_assert_str_eq(the_exporter.endpoint,
		way == TELEMETRY_METRICS ? "http://c/v1/metrics" : "http://c/v1/traces");
	ck_assert_str_eq(
		the_exporter.headers, way == TELEMETRY_METRICS ? "c: d\ne: f\n" : "a: b\n");
	ck_assert_int_eq(the_exporter.config.protobuf,
		way != TELEMETRY_METRICS &&
			(made.config->otlp_protocol == CONFIG_PROTOCOL_PROTOBUF) !=
				(way == TELEMETRY_SPANS_OTHERWISE));
	unit_alloc_fail_after(0);
	ck_assert_int_eq(telemetry_examine(made.config, way, &found, error, sizeof error), -1);
	unit_alloc_fail_never();
	ck_assert_str_eq(error, "out of memory");
	config_case_done(&made);
}
END_TEST

/* Whose settings the exporter would refuse is not even asked: its certificate is gone again. */
START_TEST(test_examine_wrong)
{
	char *file = config_case_file("certificate"), flag[128];
	struct examination found = {0};
	struct config_case made;
	char error[128] = "";

	snprintf(flag, sizeof flag, "--otlp-certificate=%s", file);
	load(&made, FLAGS(flag), NULL);
	config_case_unlink(file);
	ck_assert_int_eq(
		telemetry_examine(made.config, TELEMETRY_SPANS, &found, error, sizeof error), -1);
	ck_assert_ptr_nonnull(strstr(error, "certificate"));
	ck_assert_int_eq(found.status, 0);
	config_case_done(&made);
}
END_TEST

START_TEST(test_trees)
{
	const struct exporter_config *config = &the_exporter.config;
	int fd = posix_openpt(O_RDWR | O_NOCTTY);
	char error[128] = "";

	ck_assert_int_eq(unsetenv("NO_COLOR"), 0);
	ck_assert_ptr_eq(telemetry_trees_new(fd, error, sizeof error), &the_exporter);
	ck_assert_int_eq(config->target, EXPORTER_CONSOLE);
	ck_assert_int_eq(config->console_fd, fd);
	ck_assert(config->console_color && config->console_numbered);
	ck_assert_uint_eq(config->batch_bytes_max, 1 << 30);
	ck_assert_uint_eq(config->queue_bytes_max, (size_t)4 << 30);
	ck_assert_ptr_nonnull(config->report);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* --- lines --- */

/* Standard error goes to a file of memory from here on. */
static int stderr_keep(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return fd;
}

static void stderr_read(int fd, char *text)
{
	ssize_t size = pread(fd, text, TEXT_MAX - 1, 0);

	ck_assert_int_ge(size, 0);
	text[size] = '\0';
}

START_TEST(test_levels)
{
	static const struct {
		enum exporter_level level;
		const char *line;
	} rows[] = {
		{EXPORTER_REPORT_ERROR, "sidespan: error: what %s\n"},
		{EXPORTER_REPORT_WARN, "sidespan: warn: what %s\n"},
		{EXPORTER_REPORT_INFO, "sidespan: info: what %s\n"},
	};
	char text[TEXT_MAX];
	int fd = stderr_keep();

	exporter_made(NULL, NULL)
		->report(the_exporter.config.report_arg, rows[_i].level, "what %s");
	stderr_read(fd, text);
	ck_assert_str_eq(text, rows[_i].line);
	close(fd);
}
END_TEST

/* --- the first line --- */

static const struct {
	const char *flags[6], *listening, *expected;
} introduced[] = {
	{{"--profile=codex", "--upstream=ws://127.0.0.1:4500"}, "ws://127.0.0.1:1 and ws://[::1]:1",
		"profile codex, service codex-sidespan, spans to "
		"http://localhost:4318/v1/traces, server ws://127.0.0.1:4500, listening on "
		"ws://127.0.0.1:1 and ws://[::1]:1"},
	{{"--upstream=tcp://127.0.0.1:1", "--otlp-traces-endpoint=https://collector/x?key=k"}, NULL,
		"profile generic (by default: --profile names another), service sidespan, spans to "
		"https://collector/x?***, server tcp://127.0.0.1:1"},
	{{"--profile=codex", "--upstream=ws://127.0.0.1:1/x?key=k"}, NULL,
		"profile codex, service codex-sidespan, spans to "
		"http://localhost:4318/v1/traces, server ws://127.0.0.1:1/x?***"},
	{{"--exporter=console", "--", "/bin/codex", "app-server"}, NULL,
		"profile codex (by the command), service codex-sidespan, spans to standard "
		"error, command /bin/codex"},
	{{"--exporter=none", "--", "cat"}, NULL,
		"profile generic (by default: no other is for this command), service "
		"cat-sidespan, no spans (exporter none), command cat"},
	{{"--exporter=none", "--admin-listen=http://127.0.0.1:0", "--profile=mcp", "--", "cat"},
		NULL,
		"profile mcp, service cat-sidespan, spans at admin.listen alone, command cat"},
	{{"--exporter=none", "--metrics-exporter=otlp", "--otlp-metrics-endpoint=http://m/x?key=k",
		 "--profile=mcp", "--", "cat"},
		NULL,
		"profile mcp, service cat-sidespan, no spans (exporter none), metrics to "
		"http://m/x?***, command cat"},
	{{"--disabled", "--profile=generic", "--", "cat"}, NULL,
		"profile generic, service cat-sidespan, no spans (disabled), command cat"},
};

START_TEST(test_introduce)
{
	char text[TEXT_MAX], expected[TEXT_MAX];
	static const char *const none[] = {NULL};
	struct config_case made;
	int fd = stderr_keep();

	config_case_load(&made, introduced[_i].flags, none);
	ck_assert_msg(made.outcome == CONFIG_RUN, "%s", made.error);
	telemetry_introduce(made.config, introduced[_i].listening);
	stderr_read(fd, text);
	snprintf(expected, sizeof expected, "sidespan: info: version " SIDESPAN_VERSION ", %s\n",
		introduced[_i].expected);
	ck_assert_str_eq(text, expected);
	close(fd);
	config_case_done(&made);
}
END_TEST

/* What is longer than anyone reads is cut. */
START_TEST(test_introduce_long)
{
	char flags[3][512] = {"--otlp-traces-endpoint=http://t/",
		"--otlp-metrics-endpoint=http://m/", "--upstream=ws://s:1/"};
	static const char *const none[] = {NULL};
	struct config_case made;
	char text[TEXT_MAX];
	const char *at;
	int fd = stderr_keep(), i;

	for (i = 0; i < 3; i++)
		memset(flags[i] + strlen(flags[i]), 'p', 400);
	config_case_load(&made,
		FLAGS("--profile=mcp", "--metrics-exporter=otlp", flags[0], flags[1], flags[2]),
		none);
	ck_assert_msg(made.outcome == CONFIG_RUN, "%s", made.error);
	telemetry_introduce(made.config, NULL);
	stderr_read(fd, text);
	at = strstr(text, "spans to http://t/pp");
	ck_assert_ptr_nonnull(at);
	ck_assert_uint_eq(strcspn(at, ","), 287);
	at = strstr(at, ", metrics to http://m/pp") + 2;
	ck_assert_uint_eq(strcspn(at, ","), 285);
	at = strstr(at, "ws://s:1/pp");
	ck_assert_uint_eq(strcspn(at, "\n"), 255);
	close(fd);
	config_case_done(&made);
}
END_TEST

struct stage {
	struct config_case made;
	struct tracer *tracer;
	struct loop loop;
};

/* All that telemetry_report() looks at in a loop. */
static void stage_open(struct stage *stage)
{
	char error[128];

	memset(stage, 0, sizeof *stage);
	load(&stage->made, FLAGS("--shutdown-timeout=1234ms"), NULL);
	stage->tracer = tracer_new(stage->made.config, NULL, NULL, NULL, error, sizeof error);
	ck_assert_ptr_nonnull(stage->tracer);
	stage->loop.base = event_base_new();
	stage->loop.config = stage->made.config;
	stage->loop.generations = generations_new(stage->made.config, stage->tracer);
	ck_assert_ptr_nonnull(stage->loop.generations);
}

static void stage_close(struct stage *stage)
{
	event_base_free(stage->loop.base);
	generations_free(stage->loop.generations);
	tracer_free(stage->tracer);
	config_case_done(&stage->made);
}

START_TEST(test_report)
{
	struct stage stage;
	char text[TEXT_MAX];
	int fd = stderr_keep();

	stage_open(&stage);
	the_counters = (struct exporter_counters){.created = 87,
		.sent = 1,
		.rejected = 2,
		.dropped_queue = 3,
		.dropped_refused = 4,
		.dropped_retries = 5,
		.dropped_too_large = 6,
		.dropped_memory = 7,
		.dropped_shutdown = 8,
		.dropped_spool = 13,
		.dropped_corrupt = 14,
		.spooled = 15,
		.pending = 9,
		.posts = 10,
		.retries = 11,
		.trees_unfinished = 12};
	stage.loop.counters = (struct loop_counters){.connections = 20, .messages_too_deep = 21};
	stage.loop.poster = &the_poster;
	the_poster.stopped_after_ms = 0;
	telemetry_report(&stage.loop, &the_exporter);
	ck_assert_int_gt(the_poster.stopped_after_ms, 0); /* what of it is left */
	ck_assert_int_le(the_poster.stopped_after_ms, 1234);
	stderr_read(fd, text);
	ck_assert_str_eq(text,
		"sidespan: info: spans: created=87 sent=1 rejected=2 dropped_queue=3 "
		"dropped_refused=4 dropped_retries=5 dropped_too_large=6 dropped_memory=7 "
		"dropped_shutdown=8 dropped_spool=13 dropped_corrupt=14 spooled=15 pending=9\n"
		"sidespan: info: traffic: connections=20 messages_too_deep=21 "
		"trees_unfinished=12 posts=10 "
		"retries=11\n");
	ck_assert_int_eq(the_exporter.stopped_after_ms, 1234);
	close(fd);
	stage_close(&stage);
}
END_TEST

/*
 * Without an exporter only the traffic is told; without a loop, or with nothing to tell, nothing.
 */
START_TEST(test_report_less)
{
	struct stage stage;
	struct loop none;
	char text[TEXT_MAX];
	int fd = stderr_keep();

	stage_open(&stage);
	memset(&none, 0, sizeof none);
	memset(&the_counters, 0, sizeof the_counters);
	the_exporter.stopped_after_ms = 0;
	telemetry_report(&none, &the_exporter);
	ck_assert_int_eq(the_exporter.stopped_after_ms, 0);
	telemetry_report(&stage.loop, NULL);
	stderr_read(fd, text);
	ck_assert_str_eq(text, "");
	stage.loop.counters.accept_pauses = 1;
	telemetry_report(&stage.loop, NULL);
	stderr_read(fd, text);
	ck_assert_str_eq(text, "sidespan: info: traffic: accept_pauses=1\n");
	telemetry_report(&stage.loop, &the_exporter);
	stderr_read(fd, text);
	ck_assert_str_eq(text, "sidespan: info: traffic: accept_pauses=1\n"
			       "sidespan: info: spans: created=0\n"
			       "sidespan: info: traffic: accept_pauses=1\n");
	close(fd);
	stage_close(&stage);
}
END_TEST

/* However large all counters are, a line is whole and ends where it must. */
START_TEST(test_report_large)
{
	struct stage stage;
	char text[TEXT_MAX];
	int fd = stderr_keep();
	char *end;

	stage_open(&stage);
	memset(&the_counters, 0xff, sizeof the_counters);
	memset(&stage.loop.counters, 0xff, sizeof stage.loop.counters);
	memset((void *)(uintptr_t)tracer_counters(stage.tracer), 0xff,
		sizeof(struct tracer_counters));
	telemetry_report(&stage.loop, &the_exporter);
	stderr_read(fd, text);
	end = strchr(text, '\n');
	ck_assert_ptr_nonnull(end);
	ck_assert_int_eq(strncmp(end - 28, "pending=18446744073709551615", 28), 0);
	ck_assert_ptr_nonnull(strchr(end + 1, '\n'));
	ck_assert_ptr_nonnull(strstr(end, " connections=18446744073709551615 "));
	ck_assert_ptr_nonnull(strstr(end, " requests_no_memory=18446744073709551615"));
	ck_assert_ptr_nonnull(strstr(end, " spool_bytes=18446744073709551615\n"));
	close(fd);
	stage_close(&stage);
}
END_TEST

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

int main(void)
{
	TCase *tc = tcase_create("telemetry");

	tcase_add_test(tc, test_defaults);
	tcase_add_test(tc, test_settings);
	tcase_add_loop_test(tc, test_setting, 0, COUNT(setting_rows));
	tcase_add_test(tc, test_width);
	tcase_add_test(tc, test_rest);
	tcase_add_test(tc, test_has_exporter);
	tcase_add_loop_test(tc, test_color, 0, 4);
	tcase_add_test(tc, test_resource);
	tcase_add_test(tc, test_resource_overridden);
	tcase_add_loop_test(tc, test_share_host_name, 0, COUNT(host_rows));
	tcase_add_test(tc, test_host_name);
	tcase_add_loop_test(tc, test_metrics, 0, COUNT(metrics_rows));
	tcase_add_test(tc, test_no_metrics);
	tcase_add_loop_test(tc, test_examine, 0, 6);
	tcase_add_test(tc, test_examine_wrong);
	tcase_add_test(tc, test_trees);
	tcase_add_loop_test(tc, test_introduce, 0, COUNT(introduced));
	tcase_add_test(tc, test_introduce_long);
	tcase_add_test(tc, test_renew);
	tcase_add_test(tc, test_no_exporter);
	tcase_add_loop_test(tc, test_levels, 0, 3);
	tcase_add_test(tc, test_report);
	tcase_add_test(tc, test_report_less);
	tcase_add_test(tc, test_report_large);
	return unit_run("telemetry", tc);
}
