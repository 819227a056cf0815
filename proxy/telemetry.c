/*
 * The glue between configuration and exporter: which resource spans belong to, where they go, how
 * they are counted. The only file of proxy/ that knows the exporter's settings.
 */
#include "proxy/telemetry.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/clock.h"
#include "exporter/examine.h"
#include "exporter/exporter.h"
#include "exporter/otlp/measured.h"
#include "exporter/otlp/otlp.h"
#include "exporter/poster.h"
#include "exporter/verify.h"
#include "proxy/counters.h"
#include "proxy/log.h"
#include "proxy/loop.h"

#define TELEMETRY_SCOPE      "sidespan"
#define TELEMETRY_SCHEMA_URL "https://opentelemetry.io/schemas/1.45.0"
#define TELEMETRY_USER_AGENT "sidespan/" SIDESPAN_VERSION " OTel-OTLP-Exporter-C/" SIDESPAN_VERSION

#define TELEMETRY_RESOURCE_OWN 8
#define TELEMETRY_URL_SIZE     256 /* of one that is shown, and may be cut */
#define TELEMETRY_COLUMNS_MAX  10000
#define TELEMETRY_EXAMINE_MS   10000 /* for a collector without otlp.timeout */
#define TELEMETRY_REST_MS      1000  /* at least, before the exporter is idle */

#define TELEMETRY_TREES_BYTES_MAX ((size_t)1 << 30) /* of the spans that are shown at once */

/* ---- the exporter ---- */

static void telemetry_on_report(void *arg, enum exporter_level level, const char *line)
{
	static const enum log_level levels[] = {
		[EXPORTER_REPORT_ERROR] = LOG_ERROR,
		[EXPORTER_REPORT_WARN] = LOG_WARN,
		[EXPORTER_REPORT_INFO] = LOG_INFO,
	};

	(void)arg;
	log_line(levels[level], "%s", line);
}

struct telemetry_resource {
	struct span_attribute *list; /* owned; its texts are borrowed */
	size_t count;
};

/* Adds an attribute that is not there yet: the first one to name a key wins. */
static void telemetry_put(
	struct telemetry_resource *resource, const struct span_attribute *attribute)
{
	if (span_attribute_find(resource->list, resource->count, attribute->key,
		    strlen(attribute->key)) == NULL)
		resource->list[resource->count++] = *attribute;
}

/* A text of no bytes is as good as none. */
static void telemetry_put_text(
	struct telemetry_resource *resource, const char *key, const char *value)
{
	struct span_attribute attribute = {
		.key = key, .type = SPAN_VALUE_STRING, .value.string = span_text_of(value)};

	if (value[0] != '\0')
		telemetry_put(resource, &attribute);
}

static void telemetry_put_integer(
	struct telemetry_resource *resource, const char *key, int64_t value)
{
	struct span_attribute attribute = {
		.key = key, .type = SPAN_VALUE_INT, .value.integer = value};

	telemetry_put(resource, &attribute);
}

void telemetry_host_name(const struct config *config, char *name, size_t size)
{
	const struct config_map *given = &config->resource_attributes;
	struct utsname is;
	size_t i;

	assert(size > 0);
	for (i = 0; i < given->count; i++)
		if (strcmp(given->pairs[i].name, "host.name") == 0) {
			(void)snprintf(name, size, "%s", given->pairs[i].value); /* may be cut */
			return;
		}
	(void)snprintf(name, size, "%s", uname(&is) == 0 ? is.nodename : ""); /* may be cut */
}

/* service.instance.id: a random UUID, version 4 (RFC 9562, 5.4); all that we send has the same. */
static const char *telemetry_instance_id(void)
{
	static char text[37];
	struct ids ids;
	uint8_t random[16];

	if (text[0] != '\0')
		return text;
	ids_init(&ids);
	ids_random(&ids, random, sizeof random);
	random[6] = (uint8_t)((random[6] & 0x0f) | 0x40);
	random[8] = (uint8_t)((random[8] & 0x3f) | 0x80);
	(void)snprintf(text, sizeof text,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", random[0],
		random[1], random[2], random[3], random[4], random[5], random[6], random[7],
		random[8], random[9], random[10], random[11], random[12], random[13], random[14],
		random[15]); /* exactly fits */
	return text;
}

/* The texts are borrowed: from config, static ones, and those that the caller made. */
static int telemetry_make_resource(
	struct telemetry_resource *resource, const struct config *config, const char *host_name)
{
	const struct config_map *extra = &config->resource_attributes;
	size_t i;

	assert(resource->list == NULL && resource->count == 0);
	resource->list = calloc(TELEMETRY_RESOURCE_OWN + extra->count, sizeof *resource->list);
	if (resource->list == NULL)
		return -1;
	telemetry_put_text(resource, "service.name", config->service_name);
	for (i = 0; i < extra->count; i++)
		telemetry_put_text(resource, extra->pairs[i].name, extra->pairs[i].value);
	telemetry_put_text(resource, "service.version", SIDESPAN_VERSION);
	telemetry_put_text(resource, "service.instance.id", telemetry_instance_id());
	telemetry_put_text(resource, "host.name", host_name);
	telemetry_put_integer(resource, "process.pid", getpid());
	telemetry_put_text(resource, "telemetry.sdk.name", "sidespan");
	telemetry_put_text(resource, "telemetry.sdk.language", "c");
	telemetry_put_text(resource, "telemetry.sdk.version", SIDESPAN_VERSION);
	return 0;
}

_Static_assert((int)CONFIG_SYNC_BATCH == (int)EXPORTER_SYNC_BATCH &&
		       (int)CONFIG_SYNC_INTERVAL == (int)EXPORTER_SYNC_INTERVAL &&
		       (int)CONFIG_SYNC_NEVER == (int)EXPORTER_SYNC_NEVER,
	"a word of the settings is cast to one of the exporter's");

/* One batch may take otlp.timeout, but never longer than batch.export_timeout; 0: no limit. */
static int64_t telemetry_timeout(const struct config *config)
{
	int64_t one = config->otlp_timeout_ms;
	int64_t all = config->batch_export_timeout_ms;

	if (one == 0 || all == 0)
		return one + all;
	return one < all ? one : all;
}

/* Colour on a terminal, unless NO_COLOR is set to something (no-color.org). */
static bool telemetry_wants_color(int fd)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(fd) && (no_color == NULL || no_color[0] == '\0');
}

/* console.width, else COLUMNS if that is a number; 0: whatever the terminal has. */
static size_t telemetry_width(const struct config *config)
{
	const char *columns = getenv("COLUMNS");
	char *end;
	unsigned long number;

	if (config->console_width > 0)
		return (size_t)config->console_width;
	if (columns == NULL || *columns < '0' || *columns > '9')
		return 0;
	number = strtoul(columns, &end, 10);
	return *end == '\0' && number <= TELEMETRY_COLUMNS_MAX ? number : 0;
}

/* No batch has come in the time of two, and a person would not have noticed the pause: idle. */
static int64_t telemetry_rest_after(const struct config *config)
{
	int64_t two_ms = 2 * config->batch_delay_ms;

	return two_ms > TELEMETRY_REST_MS ? two_ms : TELEMETRY_REST_MS;
}

/* So many bytes of ended spans are kept for a look; 0: nobody can. */
static size_t telemetry_ring(const struct config *config)
{
	return config->admin_url.scheme != URL_NONE ? (size_t)config->admin_traces_bytes : 0;
}

bool telemetry_has_exporter(const struct config *config)
{
	return !config->disabled &&
	       (config->exporter != CONFIG_EXPORTER_NONE || telemetry_ring(config) > 0);
}

static const char *telemetry_schema(const struct config *config)
{
	return config->semconv == CONFIG_SEMCONV_RPC ? TELEMETRY_SCHEMA_URL : NULL;
}

/* shown is borrowed for as long as the settings are. */
static void telemetry_settings(struct exporter_config *settings, const struct config *config,
	char shown[TELEMETRY_URL_SIZE])
{
	static const enum exporter_target targets[] = {
		[CONFIG_EXPORTER_OTLP] = EXPORTER_OTLP,
		[CONFIG_EXPORTER_CONSOLE] = EXPORTER_CONSOLE,
		[CONFIG_EXPORTER_NONE] = EXPORTER_NOWHERE,
	};

	url_show(shown, TELEMETRY_URL_SIZE, config->otlp_url);
	*settings = (struct exporter_config){
		.target = targets[config->exporter],
		.endpoint = config->otlp_url,
		.endpoint_shown = shown,
		.timeout_ms = telemetry_timeout(config),
		.protobuf = config->otlp_protocol == CONFIG_PROTOCOL_PROTOBUF,
		.gzip = config->otlp_compression == CONFIG_COMPRESSION_GZIP,
		.certificate = config->otlp_certificate,
		.client_key = config->otlp_client_key,
		.client_certificate = config->otlp_client_certificate,
		.request_bytes_max = (size_t)config->otlp_request_bytes_max,
		.response_bytes_max = (size_t)config->otlp_response_bytes_max,
		.batch_spans_max =
			config->batch_delay_ms == 0 ? 1 : (size_t)config->batch_spans_max,
		.batch_bytes_max = (size_t)config->batch_bytes_max,
		.queue_spans_max =
			config->batch_queue_max == 0 ? SIZE_MAX : (size_t)config->batch_queue_max,
		.queue_bytes_max = (size_t)config->batch_queue_bytes_max,
		.rest_after_ms = telemetry_rest_after(config),
		.spool_directory = config->spool_directory,
		.spool_bytes_max = (size_t)config->spool_bytes_max,
		.spool_age_max_ms = config->spool_age_max_ms,
		.spool_sync = (enum exporter_sync)config->spool_sync,
		.retry_initial_ms = config->retry_initial_ms,
		.retry_max_ms = config->retry_max_ms,
		.console_fd = log_descriptor(),
		.console_wait_ms = config->console_wait_ms,
		.console_width = telemetry_width(config),
		.console_color = telemetry_wants_color(STDERR_FILENO),
		.ring_bytes_max = telemetry_ring(config),
		.ring_slow_ms = config->admin_keep_slower_than_ms,
		.scope_name = TELEMETRY_SCOPE,
		.scope_version = SIDESPAN_VERSION,
		.schema_url = telemetry_schema(config),
		.user_agent = TELEMETRY_USER_AGENT,
		.report = telemetry_on_report,
	};
}

/* A list that is the caller's, of texts that are borrowed; NULL: out of memory. */
static struct exporter_header *telemetry_headers(const struct config_map *extra)
{
	struct exporter_header *headers = calloc(extra->count + 1, sizeof *headers);
	size_t i;

	for (i = 0; headers != NULL && i < extra->count; i++) {
		headers[i].name = extra->pairs[i].name;
		headers[i].value = extra->pairs[i].value;
	}
	return headers;
}

struct exporter *telemetry_exporter_new(const struct config *config, char *error, size_t error_size)
{
	struct exporter_header *headers = telemetry_headers(&config->otlp_headers);
	struct telemetry_resource resource = {.list = NULL};
	struct exporter_config settings;
	struct exporter *exporter = NULL;
	char host_name[TELEMETRY_HOST_SIZE], shown[TELEMETRY_URL_SIZE];

	telemetry_host_name(config, host_name, sizeof host_name);
	if (headers == NULL || telemetry_make_resource(&resource, config, host_name) != 0) {
		(void)snprintf(error, error_size, "out of memory");
		goto out;
	}
	telemetry_settings(&settings, config, shown);
	settings.headers = headers;
	settings.header_count = config->otlp_headers.count;
	settings.resource = resource.list;
	settings.resource_count = resource.count;
	exporter = exporter_new(&settings, error, error_size);
out:
	free(resource.list);
	free(headers);
	return exporter;
}

int telemetry_exporter_renew(
	struct exporter *exporter, const struct config *config, char *error, size_t error_size)
{
	struct exporter_header *headers = telemetry_headers(&config->otlp_headers);
	struct exporter_config settings;
	char shown[TELEMETRY_URL_SIZE];
	int result;

	if (headers == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -1;
	}
	telemetry_settings(&settings, config, shown);
	settings.headers = headers;
	settings.header_count = config->otlp_headers.count;
	result = exporter_renew(exporter, &settings, error, error_size);
	free(headers);
	return result;
}

/* ---- metrics ---- */

bool telemetry_has_metrics(const struct config *config)
{
	return !config->disabled && config->metrics_exporter != CONFIG_METRICS_NONE;
}

/* Those that are for metrics, those for all, or none. */
static const struct config_map *telemetry_metrics_headers(const struct config *config)
{
	static const struct config_map none = {.count = 0};

	if (config->otlp_metrics_headers.count > 0)
		return &config->otlp_metrics_headers;
	return config->otlp_headers_of_traces ? &none : &config->otlp_headers;
}

/* shown and headers are borrowed for as long as the settings are. */
static void telemetry_metrics_settings(struct exporter_config *settings,
	const struct config *config, char shown[TELEMETRY_URL_SIZE],
	const struct exporter_header *headers)
{
	telemetry_settings(settings, config, shown);
	url_show(shown, TELEMETRY_URL_SIZE, config->otlp_metrics_url);
	settings->target = EXPORTER_OTLP;
	settings->protobuf = false; /* they are JSON always */
	settings->endpoint = config->otlp_metrics_url;
	settings->headers = headers;
	settings->header_count = telemetry_metrics_headers(config)->count;
}

static int telemetry_metrics_prefix(const struct config *config, struct text *prefix)
{
	struct telemetry_resource resource = {.list = NULL};
	char host_name[TELEMETRY_HOST_SIZE];

	telemetry_host_name(config, host_name, sizeof host_name);
	if (telemetry_make_resource(&resource, config, host_name) != 0)
		return -1;
	measured_append_prefix(prefix, &(struct otlp_origin){.resource = resource.list,
					       .resource_count = resource.count,
					       .scope_name = TELEMETRY_SCOPE,
					       .scope_version = SIDESPAN_VERSION,
					       .schema_url = telemetry_schema(config)});
	free(resource.list);
	return prefix->error == TEXT_OK ? 0 : -1;
}

struct poster *telemetry_poster_new(
	const struct config *config, struct text *prefix, char *error, size_t error_size)
{
	struct exporter_header *headers = telemetry_headers(telemetry_metrics_headers(config));
	struct exporter_config settings;
	struct poster *poster = NULL;
	char shown[TELEMETRY_URL_SIZE];

	if (headers == NULL || telemetry_metrics_prefix(config, prefix) != 0) {
		(void)snprintf(error, error_size, "out of memory");
	} else {
		telemetry_metrics_settings(&settings, config, shown, headers);
		poster = poster_new(&settings, error, error_size);
	}
	free(headers);
	return poster;
}

struct poster_way *telemetry_poster_way(const struct config *config, char *error, size_t error_size)
{
	struct exporter_header *headers = telemetry_headers(telemetry_metrics_headers(config));
	struct exporter_config settings;
	struct poster_way *way = NULL;
	char shown[TELEMETRY_URL_SIZE];

	if (headers == NULL) {
		(void)snprintf(error, error_size, "out of memory");
	} else {
		telemetry_metrics_settings(&settings, config, shown, headers);
		way = poster_way_new(&settings, error, error_size);
	}
	free(headers);
	return way;
}

/* ---- an examination, and trees ---- */

int telemetry_examine(const struct config *config, enum telemetry_export which,
	struct examination *found, char *error, size_t error_size)
{
	bool metrics = which == TELEMETRY_METRICS;
	struct exporter_header *headers = telemetry_headers(
		metrics ? telemetry_metrics_headers(config) : &config->otlp_headers);
	char shown[TELEMETRY_URL_SIZE];
	struct exporter_config settings;
	int result = -1;

	telemetry_settings(&settings, config, shown);
	settings.headers = headers;
	settings.header_count = config->otlp_headers.count;
	settings.protobuf ^= which == TELEMETRY_SPANS_OTHERWISE;
	if (metrics)
		telemetry_metrics_settings(&settings, config, shown, headers);
	if (headers == NULL)
		(void)snprintf(error, error_size, "out of memory");
	else if (verify_config(&settings, error, error_size) == 0)
		result = examine_collector(&settings, metrics ? "resourceMetrics" : "resourceSpans",
			settings.timeout_ms > 0 ? settings.timeout_ms : TELEMETRY_EXAMINE_MS, found,
			error, error_size);
	free(headers);
	return result;
}

struct exporter *telemetry_trees_new(int fd, char *error, size_t error_size)
{
	struct exporter_config settings = {
		.target = EXPORTER_CONSOLE,
		.request_bytes_max = TELEMETRY_TREES_BYTES_MAX,
		.batch_spans_max = SIZE_MAX,
		.batch_bytes_max = TELEMETRY_TREES_BYTES_MAX,
		.queue_spans_max = SIZE_MAX,
		.queue_bytes_max = 4 * TELEMETRY_TREES_BYTES_MAX,
		.console_fd = fd,
		.console_color = telemetry_wants_color(fd),
		.console_numbered = true,
		.report = telemetry_on_report,
	};

	return exporter_new(&settings, error, error_size);
}

/* ---- what a command is told ---- */

/* Whether a list of OTEL_RESOURCE_ATTRIBUTES has the key. */
static bool telemetry_list_has(const char *list, const char *key)
{
	size_t size = strlen(key);

	for (;;) {
		list += strspn(list, " \t");
		if (strncmp(list, key, size) == 0 && list[size + strspn(list + size, " \t")] == '=')
			return true;
		list += strcspn(list, ",");
		if (*list == '\0')
			return false;
		list++;
	}
}

int telemetry_share_host_name(const struct config *config)
{
	static const char variable[] = "OTEL_RESOURCE_ATTRIBUTES";
	const char *given = getenv(variable);
	char name[TELEMETRY_HOST_SIZE], *list;
	size_t size;
	int result;

	telemetry_host_name(config, name, sizeof name);
	if (given == NULL)
		given = "";
	if (name[0] == '\0' || strpbrk(name, ",=% \t") != NULL ||
		telemetry_list_has(given, "host.name"))
		return 0;
	size = strlen(given) + strlen(",host.name=") + strlen(name) + 1;
	list = malloc(size);
	if (list == NULL)
		return -1;
	(void)snprintf(list, size, "%s%shost.name=%s", given, given[0] != '\0' ? "," : "",
		name); /* fits */
	result = setenv(variable, list, 1);
	free(list);
	return result;
}

/* ---- the first line ---- */

/* Where spans go, without what may be secret in a URL. */
static void telemetry_target(const struct config *config, char *text, size_t size)
{
	if (config->disabled)
		(void)snprintf(text, size, "no spans (disabled)");
	else if (config->exporter == CONFIG_EXPORTER_NONE)
		(void)snprintf(text, size,
			telemetry_has_exporter(config) ? "spans at admin.listen alone"
						       : "no spans (exporter none)");
	else if (config->exporter == CONFIG_EXPORTER_CONSOLE)
		(void)snprintf(text, size, "spans to standard error");
	else {
		(void)snprintf(text, size, "spans to ");
		url_show(text + strlen(text), size - strlen(text), config->otlp_url);
	}
}

/* How a profile came to be chosen that nobody named. */
static const char *telemetry_choice(const struct config *config)
{
	if (strcmp(config->profile_name, "auto") != 0)
		return "";
	if (strcmp(config->profile->name, "generic") != 0)
		return " (by the command)";
	return config->command != NULL ? " (by default: no other is for this command)"
				       : " (by default: --profile names another)";
}

void telemetry_introduce(const struct config *config, const char *listening)
{
	char target[TELEMETRY_URL_SIZE + 32], metrics[TELEMETRY_URL_SIZE + 32] = "";
	char server[TELEMETRY_URL_SIZE];

	telemetry_target(config, target, sizeof target);
	if (telemetry_has_metrics(config)) {
		(void)snprintf(metrics, sizeof metrics, ", metrics to ");
		url_show(metrics + strlen(metrics), sizeof metrics - strlen(metrics),
			config->otlp_metrics_url);
	}
	if (config->command != NULL)
		(void)snprintf(server, sizeof server, "%s", config->command[0]); /* may be cut */
	else
		url_show(server, sizeof server, config->upstream);
	log_line(LOG_INFO,
		"version " SIDESPAN_VERSION ", profile %s%s, service %s, %s%s, %s %s%s%s",
		config->profile->name, telemetry_choice(config), config->service_name, target,
		metrics, config->command != NULL ? "command" : "server", server,
		listening != NULL ? ", listening on " : "", listening != NULL ? listening : "");
}

/* ---- accounting ---- */

static void telemetry_report_spans(const struct counter list[COUNTERS_COUNT])
{
	char text[LOG_LINE_MAX - 64];
	size_t next = 0;

	if (!counters_format(text, sizeof text, list, true, &next))
		(void)snprintf(text, sizeof text, " created=0"); /* fits */
	log_line(LOG_INFO, "spans:%s", text);
}

/* In one line, unless nearly all there is has been counted, and is large. */
static void telemetry_report_traffic(const struct counter list[COUNTERS_COUNT])
{
	char text[LOG_LINE_MAX - 64];
	size_t next = 0;

	while (counters_format(text, sizeof text, list, false, &next))
		log_line(LOG_INFO, "traffic:%s", text);
}

void telemetry_report(const struct loop *loop, struct exporter *exporter)
{
	struct exporter_counters at = {.created = 0};
	struct counter list[COUNTERS_COUNT];
	int64_t end_ms;

	if (loop->base == NULL)
		return;
	end_ms = clock_ms() + loop->config->shutdown_timeout_ms;
	if (exporter != NULL) {
		exporter_stop(exporter, loop->config->shutdown_timeout_ms);
		exporter_counters_read(exporter, &at);
	}
	if (loop->poster != NULL) /* it has been at it, too: one may take all the time */
		poster_stop(loop->poster, end_ms - clock_ms());
	counters_read(list, loop, &at);
	if (exporter != NULL)
		telemetry_report_spans(list);
	telemetry_report_traffic(list);
}
