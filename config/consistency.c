/*
 * Rules between options: one function each, in a table, so that each can be read and tested alone.
 * The message names what was set where, and what would be right. What a lenient source has set is
 * not worth ending for: the built-in value, or the nearest that fits, takes its place.
 */
#include "config/consistency.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/list.h"
#include "config/profile/lifecycle.h"
#include "config/profile/names.h"
#include "config/profile/profile.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/variables.h"

#define CONSISTENCY_NAME_SIZE    320
#define CONSISTENCY_COMMANDS_MAX 64

typedef int consistency_rule(struct settings *settings, struct config *config);

static void consistency_parse_url(struct url *url, const char *text)
{
	const char *reason;
	int result = 0;

	memset(url, 0, sizeof *url);
	if (text != NULL)
		result = url_parse(url, text, &reason);
	assert(result == 0); /* its text was checked when it was set */
	(void)result;
}

static void consistency_parse_urls(struct config *config)
{
	consistency_parse_url(&config->listen_url, config->listen);
	consistency_parse_url(&config->upstream_url, config->upstream);
	consistency_parse_url(&config->admin_url, config->admin_listen);
}

/*
 * Refuses what an option was given, of which value is shown unless it is NULL. 0 when it is mended.
 */
static int consistency_refuse(
	struct settings *settings, enum option_index index, const char *value, const char *what)
{
	char name[CONSISTENCY_NAME_SIZE];
	char quote[VALUE_QUOTE_SIZE];

	settings_name(settings, index, name, sizeof name);
	if (settings_refuse(settings, settings_source(settings, index), "%s: %s%s%s", name,
		    value == NULL ? "" : value_quote(quote, value), value == NULL ? "" : ": ",
		    what) == SETTINGS_WRONG)
		return -1;
	if (settings_reset(settings, index) != 0)
		return -1;
	consistency_parse_urls(settings->config);
	return 0;
}

static int consistency_one_server(struct settings *settings, struct config *config)
{
	if (config->upstream == NULL || config->command == NULL)
		return 0;
	return consistency_refuse(settings, OPTION_AT_upstream, NULL,
		"there is also a command behind --; must be only one of the two, it is the server");
}

static int consistency_some_server(struct settings *settings, struct config *config)
{
	if (config->upstream != NULL || config->command != NULL)
		return 0;
	return settings_fail(settings, "command line: nothing to stand in front of; must be "
				       "\"sidespan [OPTIONS] -- COMMAND "
				       "[ARG...]\" to wrap a server, or \"sidespan [OPTIONS] "
				       "[--listen URL] --upstream URL\"; "
				       "see --help");
}

static int consistency_remote(struct settings *settings, struct config *config)
{
	bool asks = config->listen_token_file != NULL ||
		    (config->listen_url.tls && config->tls_client_ca != NULL);

	if (asks)
		config->allow_remote = true; /* not anybody can use the server through it */
	if (url_is_local(&config->listen_url) || config->allow_remote)
		return 0;
	return consistency_refuse(settings, OPTION_AT_listen, config->listen,
		"other machines could use the server through it; must be a loopback address such "
		"as 127.0.0.1, or stand with listen.token_file, tls.client_ca or --allow-remote");
}

bool consistency_may_serve(const struct url *url)
{
	if (url->scheme == URL_UNIX)
		return url->framing == URL_LINES;
	return url->framing == URL_HTTP && !url->tls &&
	       (url->scheme == URL_WS_UNIX || strcmp(url->path, "") == 0 ||
		       strcmp(url->path, "/") == 0);
}

/*
 * What is told there is not for everybody; it asks for the token, but not for certificates. A probe
 * opens nothing, and need not know what else the one that it asks was given.
 */
static int consistency_admin(struct settings *settings, struct config *config)
{
	const struct url *url = &config->admin_url;
	const char *what = NULL;

	if (url->scheme == URL_NONE)
		return 0;
	if (!consistency_may_serve(url))
		what = "must be http://HOST:PORT without a path, or unix:///PATH";
	else if (config->probe)
		return 0;
	else if (url_equals(url, &config->listen_url) || url_equals(url, &config->upstream_url))
		what = "the same as listen or upstream; must be an address of its own";
	else if (!url_is_local(url) && !config->allow_remote && config->listen_token_file == NULL)
		what = "other machines could look at it; must be a loopback address such as "
		       "127.0.0.1, or stand with listen.token_file or --allow-remote";
	if (what == NULL)
		return 0;
	return consistency_refuse(settings, OPTION_AT_admin_listen, config->admin_listen, what);
}

static int consistency_upstream_port(struct settings *settings, struct config *config)
{
	const struct url *url = &config->upstream_url;

	if ((url->scheme != URL_WS && url->scheme != URL_TCP) || url->port != 0)
		return 0;
	return consistency_refuse(settings, OPTION_AT_upstream, config->upstream,
		"port 0 is only for listening; must be a port from 1 to 65535");
}

static int consistency_certificate(struct settings *settings, struct config *config)
{
	if (!config->listen_url.tls || config->tls_certificate != NULL)
		return 0;
	return consistency_refuse(settings, OPTION_AT_listen, config->listen,
		"TLS needs a certificate; must stand with tls.certificate and tls.key");
}

/* The request target is the client's own, and passed on as it is. */
static int consistency_paths(struct settings *settings, struct config *config)
{
	const char *path = config->upstream_url.path;
	bool is_same =
		config->listen_url.scheme == URL_WS && strcmp(path, config->listen_url.path) == 0;

	if (config->upstream_url.scheme == URL_WS && path[0] != '\0' && strcmp(path, "/") != 0 &&
		url_is_websocket(&config->listen_url) && !is_same)
		return consistency_refuse(settings, OPTION_AT_upstream, config->upstream,
			"the path that a client asks for is passed on; "
			"must be without one, or have that of listen");
	if (config->upstream_url.framing == URL_HTTP && !url_is_websocket(&config->listen_url))
		return consistency_refuse(settings, OPTION_AT_upstream, config->upstream,
			"a server that speaks HTTP is for clients that do; must stand with "
			"listen http://HOST:PORT, or be ws:// if it speaks WebSocket");
	return 0;
}

static int consistency_loop(struct settings *settings, struct config *config)
{
	if (!url_equals(&config->listen_url, &config->upstream_url))
		return 0;
	return consistency_refuse(settings, OPTION_AT_upstream, config->upstream,
		"the same as listen; must be the address of the server");
}

static bool consistency_speaks_lines(const struct url *url)
{
	return !url_is_websocket(url) && url->framing == URL_LINES;
}

/* A URL says by itself how messages end; "lines" says beside two that they are no other ones. */
static int consistency_framing(struct settings *settings, struct config *config)
{
	const struct url *listen = &config->listen_url, *upstream = &config->upstream_url;

	if (config->framing == CONFIG_FRAMING_AUTO || listen->scheme == URL_NONE ||
		upstream->scheme == URL_NONE ||
		(config->framing == CONFIG_FRAMING_LINES && consistency_speaks_lines(listen) &&
			consistency_speaks_lines(upstream)))
		return 0;
	return consistency_refuse(settings, OPTION_AT_framing, NULL,
		"listen and upstream are URLs, which say it themselves (lsp+tcp://, json+unix://); "
		"must be left out, or one side be a command or standard input and output");
}

/* Whether one of two options that do not go together is from a lenient source. */
static bool consistency_is_lenient(
	const struct settings *settings, enum option_index one, enum option_index other)
{
	return settings_is_lenient(settings_source(settings, one)) ||
	       settings_is_lenient(settings_source(settings, other));
}

/* Where each client has a process of its own, fewer are enough, unless somebody says otherwise. */
static int consistency_commands(struct settings *settings, struct config *config)
{
	if (config->command != NULL && config->listen != NULL &&
		settings_source(settings, OPTION_AT_connections_max) == CONFIG_BUILT_IN)
		config->connections_max = CONSISTENCY_COMMANDS_MAX;
	return 0;
}

/* A batch that does not fit the queue: an error in what was written for us, else made to fit. */
static int consistency_batch(struct settings *settings, struct config *config)
{
	bool given = settings_source(settings, OPTION_AT_batch_spans_max) != CONFIG_BUILT_IN;
	char name[CONSISTENCY_NAME_SIZE];

	if (config->batch_queue_max == 0 || config->batch_spans_max <= config->batch_queue_max)
		return 0;
	settings_name(settings, OPTION_AT_batch_spans_max, name, sizeof name);
	if (given && !consistency_is_lenient(
			     settings, OPTION_AT_batch_spans_max, OPTION_AT_batch_queue_max))
		return settings_fail(settings,
			"%s: \"%lld\": must be at most batch.queue_max, %lld", name,
			(long long)config->batch_spans_max, (long long)config->batch_queue_max);
	if (given)
		settings_warn(settings,
			"%s: \"%lld\": must be at most batch.queue_max, %lld, which is used", name,
			(long long)config->batch_spans_max, (long long)config->batch_queue_max);
	config->batch_spans_max = config->batch_queue_max;
	return 0;
}

static int consistency_retry(struct settings *settings, struct config *config)
{
	char name[CONSISTENCY_NAME_SIZE];

	if (config->retry_initial_ms <= config->retry_max_ms)
		return 0;
	settings_name(settings,
		settings_source(settings, OPTION_AT_retry_initial_ms) == CONFIG_BUILT_IN
			? OPTION_AT_retry_max_ms
			: OPTION_AT_retry_initial_ms,
		name, sizeof name);
	if (!consistency_is_lenient(settings, OPTION_AT_retry_initial_ms, OPTION_AT_retry_max_ms))
		return settings_fail(settings,
			"%s: retry.initial is %lldms and retry.max %lldms; must be at most "
			"retry.max",
			name, (long long)config->retry_initial_ms, (long long)config->retry_max_ms);
	settings_warn(settings,
		"%s: retry.initial is %lldms and retry.max %lldms; must be at most retry.max, "
		"which is used for both",
		name, (long long)config->retry_initial_ms, (long long)config->retry_max_ms);
	config->retry_initial_ms = config->retry_max_ms;
	return 0;
}

/* A few places, or one word for all or nothing. */
static int consistency_extract(struct settings *settings, struct config *config)
{
	const struct config_list *places = &config->propagation_extract;
	const struct option *option = option_at(OPTION_AT_propagation_extract);
	size_t i;

	for (i = 0; i < places->count; i++)
		if (places->count > 1 && list_is_switch(places->items[i]))
			return consistency_refuse(settings, OPTION_AT_propagation_extract,
				places->items[i], "must stand alone, or be left out");
	if (places->count <= (size_t)option->max)
		return 0;
	return consistency_refuse(settings, OPTION_AT_propagation_extract,
		places->items[option->max], "is one too many; must be at most 3 places");
}

/* A place in messages, the fields of HTTP, or both; or the word alone. */
static int consistency_inject(struct settings *settings, struct config *config)
{
	const struct config_list *places = &config->propagation_inject;
	size_t sorts = (size_t)list_has_header(places) + (list_place(places) != NULL);

	if (places->count <= sorts || (places->count == 1 && sorts == 0))
		return 0;
	return consistency_refuse(settings, OPTION_AT_propagation_inject,
		places->items[places->count - 1],
		"is one too many; must be one place in messages, header, both of these, or none");
}

/* Fields of HTTP are where HTTP is spoken: elsewhere nothing is put, which is worth a word. */
static int consistency_inject_header(struct settings *settings, struct config *config)
{
	char name[CONSISTENCY_NAME_SIZE];

	if (!list_has_header(&config->propagation_inject) || url_is_websocket(&config->listen_url))
		return 0;
	settings_name(settings, OPTION_AT_propagation_inject, name, sizeof name);
	settings_warn(settings, "%s: header puts nothing: clients speak no HTTP here", name);
	return 0;
}

/* Where OTEL_PROPAGATORS or something stronger has switched all of it off, the rest need not be. */
static int consistency_server_requests(struct settings *settings, struct config *config)
{
	enum config_source off = settings_source(settings, OPTION_AT_propagation_inject);

	if (!config->propagation_inject_server_requests ||
		list_place(&config->propagation_inject) != NULL || off == CONFIG_OTEL ||
		off > settings_source(settings, OPTION_AT_propagation_inject_server_requests))
		return 0;
	return consistency_refuse(settings, OPTION_AT_propagation_inject_server_requests, NULL,
		"propagation.inject is no place in messages; must stand with the member to write "
		"into");
}

/* A general endpoint from the command line is not undone by a file's endpoint for one signal. */
static int consistency_endpoint(struct settings *settings, struct config *config)
{
	enum config_source source = settings_source(settings, OPTION_AT_otlp_endpoint);

	if (source > settings_source(settings, OPTION_AT_otlp_traces_endpoint)) {
		free(config->otlp_traces_endpoint);
		config->otlp_traces_endpoint = NULL;
	}
	if (source > settings_source(settings, OPTION_AT_otlp_metrics_endpoint)) {
		free(config->otlp_metrics_endpoint);
		config->otlp_metrics_endpoint = NULL;
	}
	return 0;
}

/* What would change our metrics if it were obeyed, and is not. */
static int consistency_metrics(struct settings *settings, struct config *config)
{
	static const char general[] = "what is said for all, or for traces, is used";
	static const struct {
		const char *name; /* behind OTEL_EXPORTER_OTLP_METRICS_ */
		const char *is;   /* as we have it; NULL: however it is said */
		const char *instead;
	} rows[] = {
		{"PROTOCOL", "http/json", "metrics are sent as http/json"},
		{"TEMPORALITY_PREFERENCE", "cumulative", "metrics are cumulative"},
		{"DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram",
			"histograms have explicit buckets"},
		{"TIMEOUT", NULL, general},
		{"COMPRESSION", NULL, general},
		{"CERTIFICATE", NULL, general},
		{"CLIENT_KEY", NULL, general},
		{"CLIENT_CERTIFICATE", NULL, general},
	};
	char name[OPTION_NAME_SIZE];
	const char *value;
	size_t i;

	if (config->metrics_exporter == CONFIG_METRICS_NONE)
		return 0;
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		(void)snprintf(name, sizeof name, "OTEL_EXPORTER_OTLP_METRICS_%s",
			rows[i].name); /* fits */
		value = variables_value(settings->environment, name);
		if (value != NULL && (rows[i].is == NULL || strcasecmp(value, rows[i].is) != 0))
			settings_warn(settings, "%s: not obeyed: %s", name, rows[i].instead);
	}
	return 0;
}

/* What stands in braces in a name is the method, or an attribute that requests can have. */
static int consistency_span_name(struct settings *settings, struct config *config)
{
	const char *title = config->span_name;
	const char *at = title + strcspn(title, "{}"), *unknown;
	char what[CONSISTENCY_NAME_SIZE];
	size_t size;

	for (; *at != '\0'; at += strcspn(at, "{}")) {
		size = *at == '{' ? strcspn(at + 1, "{}") : 0;
		if (size == 0 || at[size + 1] != '}')
			return consistency_refuse(settings, OPTION_AT_span_name, title,
				"must have a name between { and }, and braces nowhere else");
		at += size + 2;
	}
	unknown = names_unknown(config->profile, title, &size);
	if (unknown == NULL)
		return 0;
	(void)snprintf(what, sizeof what,
		"{%.*s}: must be {method}, or an attribute that the profile gives to requests",
		(int)size, unknown);
	return consistency_refuse(settings, OPTION_AT_span_name, title, what);
}

static bool consistency_is_listed(const struct config_list *list, const char *name)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

/* No span has an attribute twice, and what a client sends in baggage replaces nothing of ours. */
static int consistency_span_attributes(struct settings *settings, struct config *config)
{
	const char *why = NULL, *name = NULL;
	size_t i;

	for (i = 0; why == NULL && i < config->span_attributes.count; i++) {
		name = config->span_attributes.pairs[i].name;
		why = names_taken(config->profile, name);
		if (why == NULL && names_capture(config->profile, name))
			why = "the profile captures it; must have another name";
		if (why == NULL && consistency_is_listed(&config->baggage_attributes, name))
			why = "stands in baggage.attributes, too; must stand in one of them";
	}
	return why == NULL ? 0 : consistency_refuse(settings, OPTION_AT_span_attributes, name, why);
}

/* One that the profile captures as well is one attribute. */
static int consistency_baggage_attributes(struct settings *settings, struct config *config)
{
	const struct config_list *keys = &config->baggage_attributes;
	size_t i, count = names_capture_count(config->profile);
	const char *why = NULL;

	for (i = 0; i < keys->count; i++) {
		why = names_taken(config->profile, keys->items[i]);
		if (why == NULL && !names_capture(config->profile, keys->items[i]) &&
			++count > PROFILE_ATTRIBUTES_MAX)
			why = "is one too many; with those that the profile captures there must "
			      "be at most 32";
		if (why != NULL)
			return consistency_refuse(
				settings, OPTION_AT_baggage_attributes, keys->items[i], why);
	}
	return 0;
}

/* Whether something can be switched off by that word: size bytes at word. */
static bool consistency_is_switch(const struct lifecycle *lifecycle, const char *word, size_t size)
{
	size_t i;

	if ((size == 6 && memcmp(word, "events", size) == 0) ||
		(size == 6 && memcmp(word, "deltas", size) == 0))
		return true;
	for (i = 0; i < lifecycle->span_count; i++) {
		const char *switched = lifecycle->spans[i].switched;

		if (switched != NULL && strlen(switched) == size &&
			memcmp(switched, word, size) == 0)
			return true;
	}
	return false;
}

/*
 * Whether all words of a list are known to the profile. One without spans has nothing to switch,
 * whatever others have.
 */
static bool consistency_knows(const struct config *config, const char *list,
	bool (*knows)(const struct lifecycle *lifecycle, const char *word, size_t size))
{
	const char *at = list;
	size_t size;

	for (; at != NULL && *at != '\0' && config->profile->lifecycle != NULL; at += size) {
		at += strspn(at, ", ");
		size = strcspn(at, ", ");
		if (size > 0 && !knows(config->profile->lifecycle, at, size))
			return false;
	}
	return true;
}

static int consistency_switches(struct settings *settings, struct config *config)
{
	if (!consistency_knows(config, config->lifecycle_off, consistency_is_switch))
		return consistency_refuse(settings, OPTION_AT_lifecycle_off, config->lifecycle_off,
			"must be a list of events, deltas, and switches of the profile's spans");
	if (!consistency_knows(config, config->lifecycle_on, lifecycle_has_opt_in))
		return consistency_refuse(settings, OPTION_AT_lifecycle_on, config->lifecycle_on,
			"must be a list of words that stand with opt_in or unless in the profile");
	return 0;
}

static consistency_rule *const rules[] = {
	consistency_one_server,
	consistency_admin,
	consistency_remote,
	consistency_upstream_port,
	consistency_certificate,
	consistency_paths,
	consistency_loop,
	consistency_framing,
	consistency_commands,
	consistency_batch,
	consistency_retry,
	consistency_inject,
	consistency_inject_header,
	consistency_extract,
	consistency_span_name,
	consistency_span_attributes,
	consistency_baggage_attributes,
	consistency_switches,
	consistency_server_requests,
	consistency_endpoint,
	consistency_metrics,
};

int consistency_apply(struct settings *settings, bool only_check)
{
	struct config *config = settings->config;
	size_t i;

	consistency_parse_urls(config);
	if (config->probe)
		return consistency_admin(settings, config);
	for (i = 0; i < sizeof rules / sizeof *rules; i++)
		if (rules[i](settings, config) != 0)
			return -1;
	return only_check ? 0 : consistency_some_server(settings, config);
}
