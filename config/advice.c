/*
 * Advice: options that somebody has set and that have no effect with the others, why an environment
 * that comes with the program says what nobody has asked for, a command or a folder that is not
 * there, a collector's URL with the port for gRPC. Nothing here can fail.
 */
#include "config/advice.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/list.h"
#include "config/profile/lifecycle.h"
#include "config/profile/profile.h"
#include "config/settings.h"
#include "config/variables.h"

#define ADVICE_NAME_SIZE 320
#define ADVICE_PATH_SIZE 4096
#define ADVICE_GRPC_PORT "4317"

/* ---- what makes an option idle ---- */

static bool advice_no_admin(const struct config *config)
{
	return config->admin_url.scheme == URL_NONE;
}

static bool advice_no_metrics(const struct config *config)
{
	return config->metrics_exporter == CONFIG_METRICS_NONE;
}

static bool advice_nobody_asks(const struct config *config)
{
	return advice_no_admin(config) && advice_no_metrics(config);
}

static bool advice_no_ratio(const struct config *config)
{
	return config->sampler != CONFIG_SAMPLER_RATIO &&
	       config->sampler != CONFIG_SAMPLER_PARENT_RATIO;
}

static bool advice_no_collector(const struct config *config)
{
	return config->exporter != CONFIG_EXPORTER_OTLP;
}

static bool advice_no_otlp(const struct config *config)
{
	return advice_no_collector(config) && advice_no_metrics(config);
}

static bool advice_no_console(const struct config *config)
{
	return config->exporter != CONFIG_EXPORTER_CONSOLE;
}

static bool advice_no_exporter(const struct config *config)
{
	return config->exporter == CONFIG_EXPORTER_NONE;
}

static bool advice_not_encrypted(const struct config *config)
{
	return strncmp(config->otlp_url, "https://", strlen("https://")) != 0;
}

static bool advice_no_client_key(const struct config *config)
{
	return config->otlp_client_key == NULL;
}

static bool advice_no_client_certificate(const struct config *config)
{
	return config->otlp_client_certificate == NULL;
}

/* Nothing goes to the one for all. */
static bool advice_other_endpoints(const struct config *config)
{
	return config->otlp_traces_endpoint != NULL &&
	       (advice_no_metrics(config) || config->otlp_metrics_endpoint != NULL);
}

static bool advice_no_lifecycle(const struct config *config)
{
	return config->profile->lifecycle == NULL;
}

static bool advice_lifecycle_off(const struct config *config)
{
	return config->lifecycle == CONFIG_LIFECYCLE_OFF;
}

static bool advice_no_work(const struct config *config)
{
	const struct config_list *list = &config->requests_record;

	return list->count == 1 && strcmp(list->items[0], "work") == 0 &&
	       (advice_no_lifecycle(config) || advice_lifecycle_off(config));
}

static bool advice_no_command(const struct config *config)
{
	return config->command == NULL;
}

static bool advice_command(const struct config *config)
{
	return config->command != NULL;
}

/* The doctor waits so long for a command's answer. */
static bool advice_no_connection(const struct config *config)
{
	return config->command != NULL && !config->doctor;
}

static bool advice_no_listener(const struct config *config)
{
	return config->listen == NULL;
}

static bool advice_no_http(const struct config *config)
{
	return !url_is_websocket(&config->listen_url);
}

static bool advice_server_checks(const struct config *config)
{
	return config->listen_check_origin == CONFIG_CHECK_NEVER ||
	       (config->listen_check_origin == CONFIG_CHECK_AUTO &&
		       url_is_websocket(&config->upstream_url));
}

static bool advice_no_host(const struct config *config)
{
	return config->listen_url.scheme == URL_WS_UNIX;
}

static bool advice_no_tls(const struct config *config)
{
	return !config->listen_url.tls;
}

static bool advice_no_upstream_tls(const struct config *config)
{
	return !config->upstream_url.tls;
}

static bool advice_any_client(const struct config *config)
{
	return config->tls_client_ca == NULL;
}

static bool advice_no_rpc_service(const struct config *config)
{
	return config->semconv == CONFIG_SEMCONV_RPC;
}

static bool advice_no_contents(const struct config *config)
{
	return advice_no_lifecycle(config) ||
	       lifecycle_contents_count(config->profile->lifecycle) == 0;
}

static bool advice_contents_off(const struct config *config)
{
	return !config->telemetry_contents;
}

static bool advice_no_spool(const struct config *config)
{
	return config->spool_directory == NULL;
}

static bool advice_no_record(const struct config *config)
{
	return config->record_file == NULL;
}

static bool advice_no_server_side(const struct config *config)
{
	return advice_no_listener(config) && advice_command(config);
}

static bool advice_no_head(const struct config *config)
{
	return !url_is_websocket(&config->listen_url) && !url_is_websocket(&config->upstream_url);
}

static bool advice_no_context(const struct config *config)
{
	return list_place(&config->propagation_inject) == NULL &&
	       !list_has_header(&config->propagation_inject);
}

static bool advice_no_parents(const struct config *config)
{
	const struct config_list *list = &config->propagation_extract;

	return list->count == 0 ||
	       (strcasecmp(list->items[0], "true") != 0 && list_is_switch(list->items[0]));
}

static bool advice_no_params(const struct config *config)
{
	const char *place = list_place(&config->propagation_inject);

	return place == NULL || strncmp(place, "/params/", strlen("/params/")) != 0;
}

/* What says how, and where to, is recorded. A name that ends with a dot is that of a group. */
static const char *const advice_recording[] = {
	"exporter",
	"sampler",
	"sampler.",
	"sampling.",
	"service.name",
	"resource.attributes",
	"rpc.service",
	"semconv",
	"span.",
	"baggage.",
	"requests.record",
	"inflight.",
	"lifecycle",
	"lifecycle.",
	"telemetry.",
	"otlp.",
	"metrics.",
	"retry.",
	"batch.",
	"spool.",
	"console.",
	"shutdown.timeout",
};

/* Of several that fit an option the first counts. */
static const struct {
	const char *name;
	bool (*is_idle)(const struct config *config);
	const char *why;
} advice_rules[] = {
	{"sampler.arg", advice_no_ratio, "the sampler takes no ratio"},
	{"otlp.", advice_no_otlp, "the exporter is not otlp"},
	{"otlp.traces_endpoint", advice_no_collector, "the exporter is not otlp"},
	{"otlp.metrics_endpoint", advice_no_metrics, "metrics.exporter is none"},
	{"otlp.metrics_headers", advice_no_metrics, "metrics.exporter is none"},
	{"metrics.interval", advice_no_metrics, "metrics.exporter is none"},
	{"retry.", advice_no_collector, "the exporter is not otlp"},
	{"sampling.spans_per_second", advice_no_collector, "the exporter is not otlp"},
	{"spool.", advice_no_collector, "the exporter is not otlp"},
	{"spool.", advice_no_spool, "spool.directory is not set"},
	{"batch.export_timeout", advice_no_collector, "the exporter is not otlp"},
	{"batch.", advice_no_exporter, "the exporter is none"},
	{"console.", advice_no_console, "the exporter is not console"},
	{"otlp.endpoint", advice_other_endpoints, "otlp.traces_endpoint is set"},
	{"otlp.certificate", advice_not_encrypted, "the collector's URL is not https://"},
	{"otlp.client_certificate", advice_not_encrypted, "the collector's URL is not https://"},
	{"otlp.client_key", advice_not_encrypted, "the collector's URL is not https://"},
	{"otlp.client_certificate", advice_no_client_key, "otlp.client_key is not set"},
	{"otlp.client_key", advice_no_client_certificate, "otlp.client_certificate is not set"},
	{"requests.record", advice_no_work, "no request begins work, so none has a span"},
	{"lifecycle", advice_no_lifecycle, "the profile has no lifecycle"},
	{"lifecycle.", advice_no_lifecycle, "the profile has no lifecycle"},
	{"lifecycle.", advice_lifecycle_off, "lifecycle is off"},
	{"child.", advice_no_command, "there is no COMMAND"},
	{"connect.timeout", advice_no_connection, "a COMMAND is not connected to"},
	{"sandbox", advice_command, "it is for a proxy without a COMMAND"},
	{"connections.", advice_no_listener, "without listen there is one client"},
	{"first_byte.timeout", advice_no_listener, "nothing is listened on"},
	{"idle.timeout", advice_no_listener, "nothing is listened on"},
	{"shutdown.drain", advice_no_server_side, "a COMMAND that is wrapped decides itself"},
	{"handshake.", advice_no_head, "neither side speaks HTTP"},
	{"http.", advice_no_listener, "nothing is listened on"},
	{"http.", advice_no_http, "clients speak no HTTP there"},
	{"propagation.create_params", advice_no_params, "propagation.inject is no place in params"},
	{"propagation.trust", advice_no_parents, "no parents are looked for"},
	{"propagation.flags", advice_no_context, "propagation.inject is none"},
	{"admin.connections_max", advice_no_admin, "admin.listen is not set"},
	{"metrics.series_max", advice_nobody_asks, "admin.listen is not set"},
	{"allow_remote", advice_no_listener, "nothing is listened on"},
	{"listen.", advice_no_listener, "nothing is listened on"},
	{"listen.", advice_no_http, "clients speak no HTTP there"},
	{"listen.allow_origin", advice_server_checks,
		"by listen.check_origin the server looks at it itself"},
	{"listen.allow_host", advice_server_checks,
		"by listen.check_origin the server looks at it itself"},
	{"listen.allow_host", advice_no_host, "a Unix socket may be called by any name"},
	{"tls.upstream_ca", advice_no_upstream_tls, "the server's URL is not one of TLS"},
	{"tls.upstream_certificate", advice_no_upstream_tls, "the server's URL is not one of TLS"},
	{"tls.upstream_key", advice_no_upstream_tls, "the server's URL is not one of TLS"},
	{"tls.server_name", advice_no_upstream_tls, "the server's URL is not one of TLS"},
	{"tls.certificate", advice_no_tls, "the URL listened at is not one of TLS"},
	{"tls.key", advice_no_tls, "the URL listened at is not one of TLS"},
	{"tls.client_ca", advice_no_tls, "the URL listened at is not one of TLS"},
	{"tls.client_subject", advice_no_tls, "the URL listened at is not one of TLS"},
	{"tls.client_subject", advice_any_client, "tls.client_ca is not set: no client is asked"},
	{"telemetry.contents", advice_no_contents, "the profile marks nothing as contents"},
	{"telemetry.contents", advice_lifecycle_off, "lifecycle is off"},
	{"telemetry.contents_bytes_max", advice_contents_off, "telemetry.contents is off"},
	{"telemetry.redact", advice_contents_off, "telemetry.contents is off"},
	{"record.bytes_max", advice_no_record, "record.file is not set"},
	{"record.contents", advice_no_record, "record.file is not set"},
	{"rpc.service", advice_no_rpc_service, "semconv rpc has no such attribute"},
};

static bool advice_is_for(const char *rule, const char *option)
{
	size_t size = strlen(rule);

	return rule[size - 1] == '.' ? strncmp(rule, option, size) == 0 : strcmp(rule, option) == 0;
}

/* Why an option does nothing; NULL: it does something. */
static const char *advice_why_idle(const struct config *config, const char *option)
{
	size_t i;

	for (i = 0; config->disabled && i < sizeof advice_recording / sizeof *advice_recording; i++)
		if (advice_is_for(advice_recording[i], option))
			return "disabled records nothing";
	for (i = 0; i < sizeof advice_rules / sizeof *advice_rules; i++)
		if (advice_is_for(advice_rules[i].name, option) && advice_rules[i].is_idle(config))
			return advice_rules[i].why;
	return NULL;
}

static void advice_print_idle(FILE *out, const struct settings *settings,
	const struct config *config, enum option_index index)
{
	const char *why = advice_why_idle(config, option_at(index)->name);
	char name[ADVICE_NAME_SIZE];

	if (why == NULL)
		return;
	settings_name(settings, index, name, sizeof name);
	(void)fprintf(out, "note: %s: no effect: %s\n", name, why);
}

/* ---- environments ---- */

/* Whether it comes from an environment that is built in, which is for all profiles alike. */
static bool advice_is_built_in(const struct settings *settings, enum option_index index)
{
	static const char built_in[] = "built-in ";
	const char *where = settings->origins[index].where;

	return where != NULL && strncmp(where, built_in, sizeof built_in - 1) == 0;
}

static void advice_print_below(
	FILE *out, const struct settings *settings, const struct config *config)
{
	char name[ADVICE_NAME_SIZE];

	if (!advice_is_built_in(settings, OPTION_AT_lifecycle_turn_below) ||
		advice_no_lifecycle(config) || advice_lifecycle_off(config) ||
		config->lifecycle_turn_below != CONFIG_BELOW_CLIENT)
		return;
	settings_name(settings, OPTION_AT_lifecycle_turn_below, name, sizeof name);
	(void)fprintf(out,
		"note: %s: client, as viewers take state, name and length of a trace from its "
		"uppermost span; dispatch shows who asked whom\n",
		name);
}

/* ---- a command ---- */

static bool advice_is_program(const char *path)
{
	struct stat is;

	return stat(path, &is) == 0 && S_ISREG(is.st_mode) && access(path, X_OK) == 0;
}

/* As execvp would look for it. */
static bool advice_command_is_there(const char *command, const char *path)
{
	char name[ADVICE_PATH_SIZE];
	size_t size;

	if (strchr(command, '/') != NULL)
		return advice_is_program(command);
	for (;; path += size + 1) {
		size = strcspn(path, ":");
		(void)snprintf(name, sizeof name, "%.*s%s%s", (int)size, path, size > 0 ? "/" : "",
			command); /* one that is cut is not there */
		if (advice_is_program(name))
			return true;
		if (path[size] == '\0')
			return false;
	}
}

static void advice_print_command(
	FILE *out, const struct settings *settings, const struct config *config)
{
	const char *path = variables_value(settings->environment, "PATH");

	if (config->command == NULL ||
		advice_command_is_there(config->command[0], path != NULL ? path : "/bin:/usr/bin"))
		return;
	(void)fprintf(out, "note: command %s: %s\n", config->command[0],
		strchr(config->command[0], '/') == NULL ? "there is no such program in PATH"
		: access(config->command[0], F_OK) == 0 ? "it may not be executed"
							: "there is no such program");
}

/* ---- files that will be made ---- */

/* The folder must be there; and what is there already must be a file, if one is wanted. */
static void advice_print_place(FILE *out, const struct settings *settings, enum option_index index,
	const char *path, bool is_file)
{
	const char *slash = strrchr(path, '/');
	char folder[ADVICE_PATH_SIZE] = ".", name[ADVICE_NAME_SIZE];
	struct stat is;

	if (slash != NULL)
		(void)snprintf(folder, sizeof folder, "%.*s", (int)(slash - path) + 1, path);
	settings_name(settings, index, name, sizeof name);
	if (stat(folder, &is) != 0 || !S_ISDIR(is.st_mode))
		(void)fprintf(out, "note: %s: there is no folder %s\n", name, folder);
	else if (is_file && stat(path, &is) == 0 && !S_ISREG(is.st_mode))
		(void)fprintf(out, "note: %s: %s is no regular file\n", name, path);
}

/* ---- a collector ---- */

static void advice_print_port(
	FILE *out, const struct settings *settings, const struct config *config)
{
	enum option_index index = config->otlp_traces_endpoint != NULL
					  ? OPTION_AT_otlp_traces_endpoint
					  : OPTION_AT_otlp_endpoint;
	const char *authority = strstr(config->otlp_url, "://") + 3;
	size_t size = strcspn(authority, "/?#"), port_size = strlen(":" ADVICE_GRPC_PORT);
	char name[ADVICE_NAME_SIZE];

	if (advice_no_collector(config) || size < port_size ||
		memcmp(authority + size - port_size, ":" ADVICE_GRPC_PORT, port_size) != 0)
		return;
	settings_name(settings, index, name, sizeof name);
	(void)fprintf(out,
		"note: %s: port " ADVICE_GRPC_PORT
		" is the one for gRPC, which is not spoken here; OTLP over HTTP has 4318\n",
		name);
}

void advice_print(FILE *out, const struct settings *settings, const struct config *config)
{
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++)
		if (settings_source(settings, (enum option_index)i) > CONFIG_PROFILE &&
			!advice_is_built_in(settings, (enum option_index)i))
			advice_print_idle(out, settings, config, (enum option_index)i);
	advice_print_below(out, settings, config);
	advice_print_port(out, settings, config);
	if (config->listen_url.scheme == URL_UNIX || config->listen_url.scheme == URL_WS_UNIX)
		advice_print_place(out, settings, OPTION_AT_listen, config->listen_url.path, false);
	if (config->record_file != NULL)
		advice_print_place(out, settings, OPTION_AT_record_file, config->record_file, true);
	if (config->spool_directory != NULL && !advice_no_collector(config))
		advice_print_place(
			out, settings, OPTION_AT_spool_directory, config->spool_directory, false);
	advice_print_command(out, settings, config);
}
