/*
 * Environment variables: ours, which must be right, and OpenTelemetry's, which are shared with
 * other programs and may hold what we do not know. An empty variable counts as unset.
 */
#include "config/env.h"

#include <assert.h>
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "config/url.h"
#include "config/value.h"
#include "config/variables.h"

/* Ours */

static bool env_ends_with(const char *name, const char *end)
{
	size_t size = strlen(name);

	return size >= strlen(end) && strcmp(name + size - strlen(end), end) == 0;
}

/* Kubernetes, "Discovering services", sets these in every container of the namespace. */
static bool env_is_kubernetes(const char *name)
{
	const char *port = strstr(name, "_PORT_");

	if (env_ends_with(name, "_SERVICE_HOST") || strstr(name, "_SERVICE_PORT") != NULL)
		return true;
	return env_ends_with(name, "_PORT") || (port != NULL && isdigit((unsigned char)port[6]));
}

static int env_fail_unknown(struct settings *settings, const char *name)
{
	const struct option *nearest = option_nearest(name, option_variable_name);
	char quote[VALUE_QUOTE_SIZE];
	char right[OPTION_NAME_SIZE];

	(void)value_quote(quote, name);
	if (nearest == NULL)
		return settings_fail(settings,
			"environment: %s: no such option; must be one that --help lists", quote);
	option_variable_name(nearest, right);
	return settings_fail(
		settings, "environment: %s: no such option; did you mean %s?", quote, right);
}

static int env_apply_sidespan(struct settings *settings, const char *entry)
{
	size_t size = strcspn(entry, "=");
	const struct option *option = NULL;
	char name[2 * OPTION_NAME_SIZE]; /* room for a typing mistake; longer ones are clipped */

	if (entry[size] == '\0' || entry[size + 1] == '\0')
		return 0;
	(void)snprintf(name, sizeof name, "%.*s", (int)size, entry);
	if (strcmp(name, "SIDESPAN_ENV") == 0)
		return 0;
	option = option_by_variable(name);
	if (option == NULL)
		return env_is_kubernetes(name) ? 0 : env_fail_unknown(settings, name);
	return settings_set(settings, option, entry + size + 1, CONFIG_SIDESPAN, name) ==
			       SETTINGS_WRONG
		       ? -1
		       : 0;
}

int env_load_sidespan(struct settings *settings)
{
	static const char prefix[] = "SIDESPAN_";
	char *const *entry;

	assert(settings->environment != NULL);
	for (entry = settings->environment; *entry != NULL; entry++)
		if (strncmp(*entry, prefix, strlen(prefix)) == 0 &&
			env_apply_sidespan(settings, *entry) != 0)
			return -1;
	return 0;
}

/* OpenTelemetry's */

/* Their numbers are plain, and milliseconds; ours may have units. */
static bool env_is_plain(const struct option *option, const char *text)
{
	if (option->type != OPTION_TYPE_INT && option->type != OPTION_TYPE_DURATION)
		return true;
	return text[strspn(text, "0123456789")] == '\0';
}

/* Whether item is in the list "a, b,c". */
static bool env_list_has(const char *list, const char *item)
{
	size_t size;

	for (; *list != '\0'; list += size + (list[size] == ',')) {
		list += strspn(list, " \t");
		size = strcspn(list, ",");
		if (strncasecmp(list, item, strlen(item)) == 0 &&
			strspn(list + strlen(item), " \t") + strlen(item) == size)
			return true;
	}
	return false;
}

/*
 * OTEL_SEMCONV_STABILITY_OPT_IN lists what all kinds of instrumentation shall do; only "rpc" and
 * "rpc/dup", which wins, concern us. Returns NULL when neither is there.
 */
static const char *env_semconv(const char *list)
{
	if (env_list_has(list, "rpc/dup"))
		return "rpc/dup";
	return env_list_has(list, "rpc") ? "rpc" : NULL;
}

/*
 * An endpoint is used as far as it can be ("Endpoint URLs for OTLP/HTTP": parts other than scheme,
 * host, port and path may be ignored).
 */
static enum settings_result env_apply_url(struct settings *settings, const struct option *option,
	const char *text, const char *variable)
{
	char *bare = url_bare_http(text);
	enum settings_result result;
	char quote[VALUE_QUOTE_SIZE];
	const char *reason;

	if (bare == NULL) {
		(void)settings_fail(settings, "out of memory");
		return SETTINGS_WRONG;
	}
	if (strcmp(bare, text) == 0 || url_check_http(bare, &reason) != 0) {
		result = settings_set(settings, option, text, CONFIG_OTEL, variable);
	} else {
		settings_warn(settings,
			"%s: %s: user, password and fragment are ignored, the rest is used; "
			"credentials belong into OTEL_EXPORTER_OTLP_HEADERS",
			variable, value_quote(quote, text));
		result = settings_set(settings, option, bare, CONFIG_OTEL, variable);
	}
	free(bare);
	return result;
}

static enum settings_result env_apply_otel(
	struct settings *settings, const struct option *option, const char *variable)
{
	const char *text = variables_value(settings->environment, variable);
	char quote[VALUE_QUOTE_SIZE];

	if (text != NULL && option_index(option) == OPTION_AT_semconv) {
		if (strpbrk(text, "\r\n") != NULL)
			settings_warn(settings, "%s: %s: it has a line break; must be a list",
				variable, value_quote(quote, text));
		text = env_semconv(text);
	}
	if (text == NULL)
		return SETTINGS_IGNORED;
	if (!env_is_plain(option, text)) {
		settings_warn(settings, "%s: %s: must be a plain number%s; ignored", variable,
			value_quote(quote, text),
			option->type == OPTION_TYPE_DURATION ? " of milliseconds" : "");
		return SETTINGS_IGNORED;
	}
	if (option->type == OPTION_TYPE_BOOL && strcasecmp(text, "true") != 0 &&
		strcasecmp(text, "false") != 0) {
		settings_warn(settings, "%s: %s: must be true or false; taken as false", variable,
			value_quote(quote, text));
		text = "false";
	}
	if (option->type == OPTION_TYPE_URL)
		return env_apply_url(settings, option, text, variable);
	return settings_set(settings, option, text, CONFIG_OTEL, variable);
}

/* The ratio counts only with a sampler that was named beside it. */
static enum settings_result env_apply_sampler(struct settings *settings)
{
	const struct option *sampler = option_at(OPTION_AT_sampler);
	const struct option *ratio = option_at(OPTION_AT_sampler_arg);
	enum settings_result result = env_apply_otel(settings, sampler, sampler->otel);

	if (result == SETTINGS_TAKEN)
		return env_apply_otel(settings, ratio, ratio->otel);
	if (result == SETTINGS_IGNORED &&
		variables_value(settings->environment, ratio->otel) != NULL)
		settings_warn(
			settings, "%s: ignored without a good %s", ratio->otel, sampler->otel);
	return result;
}

/* Where otlp.headers are those for traces, those for all are left for metrics. */
static enum settings_result env_apply_general_headers(
	struct settings *settings, const struct option *option)
{
	const struct option *general = option_at(OPTION_AT_otlp_headers);
	char name[OPTION_NAME_SIZE];

	option_signal_name(general, name);
	if (variables_value(settings->environment, name) == NULL)
		return SETTINGS_IGNORED;
	return env_apply_otel(settings, option, general->otel);
}

/* One option: the general variable, then the form for traces, which is stronger. */
static enum settings_result env_apply_option(struct settings *settings, const struct option *option)
{
	char name[OPTION_NAME_SIZE];

	if (option_index(option) == OPTION_AT_sampler)
		return env_apply_sampler(settings);
	if (option_index(option) == OPTION_AT_sampler_arg)
		return SETTINGS_IGNORED;
	if (option_index(option) == OPTION_AT_otlp_metrics_headers &&
		env_apply_general_headers(settings, option) == SETTINGS_WRONG)
		return SETTINGS_WRONG;
	if (env_apply_otel(settings, option, option->otel) == SETTINGS_WRONG)
		return SETTINGS_WRONG;
	if ((option->flags & OPTION_SIGNAL) == 0)
		return SETTINGS_TAKEN;
	option_signal_name(option, name);
	return env_apply_otel(settings, option, name);
}

/*
 * Warns about each item of the list that does not work here. Returns how many propagators are in it
 * that OpenTelemetry knows.
 */
static size_t env_check_propagators(struct settings *settings, const char *list)
{
	static const struct {
		const char *name;
		bool works;
	} known[] = {{"tracecontext", true}, {"baggage", true}, {"none", true}, {"b3", false},
		{"b3multi", false}, {"jaeger", false}, {"xray", false}, {"ottrace", false}};
	const size_t known_count = sizeof known / sizeof *known;
	char quote[VALUE_QUOTE_SIZE];
	char item[VALUE_QUOTE_SIZE];
	size_t count = 0;
	size_t size, i;

	for (; *list != '\0'; list += size + (list[size] == ',')) {
		list += strspn(list, " \t");
		size = strcspn(list, ",");
		(void)snprintf(item, sizeof item, "%.*s", (int)size, list);
		for (i = 0; i < known_count && !env_list_has(item, known[i].name); i++)
			;
		count += i < known_count;
		if (*item != '\0' && (i == known_count || !known[i].works))
			settings_warn(settings,
				"OTEL_PROPAGATORS: %s: must be tracecontext, baggage or none; "
				"ignored",
				value_quote(quote, item));
	}
	return count;
}

/*
 * W3C Trace Context is what we have. A list without it means that no context is read or written;
 * baggage is never touched, so it needs nothing.
 */
static enum settings_result env_apply_propagators(struct settings *settings)
{
	static const char variable[] = "OTEL_PROPAGATORS";
	const char *list = variables_value(settings->environment, variable);
	enum settings_result result;

	if (list == NULL || env_check_propagators(settings, list) == 0)
		return SETTINGS_IGNORED;
	if (env_list_has(list, "tracecontext"))
		return SETTINGS_TAKEN;
	if (!env_list_has(list, "none"))
		settings_warn(settings,
			"%s: without tracecontext, context is neither read from "
			"requests nor written into them",
			variable);
	result = settings_set(
		settings, option_at(OPTION_AT_propagation_extract), "false", CONFIG_OTEL, variable);
	if (result == SETTINGS_WRONG)
		return result;
	return settings_set(
		settings, option_at(OPTION_AT_propagation_inject), "none", CONFIG_OTEL, variable);
}

/* An exporter for logs is not missing by mistake; none is as we have it. */
static void env_warn_other_signals(struct settings *settings)
{
	static const char variable[] = "OTEL_LOGS_EXPORTER";
	const char *text = variables_value(settings->environment, variable);

	if (text != NULL && strcasecmp(text, "none") != 0)
		settings_warn(settings,
			"%s: traces and metrics are exported here, no logs; must be none, which "
			"is used",
			variable);
}

/* What would change our spans if it were obeyed, and is not. */
static void env_warn_not_obeyed(struct settings *settings)
{
	static const struct {
		const char *variable;
		const char *text;
	} rows[] = {
		{"OTEL_CONFIG_FILE",
			"configuration files of OpenTelemetry are not read: NOTHING in it "
			"is in force, the other OTEL_ variables are; use --config"},
		{"OTEL_EXPERIMENTAL_CONFIG_FILE", "configuration files of OpenTelemetry are not "
						  "read: NOTHING in it is in force, "
						  "the other OTEL_ variables are; use --config"},
		{"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "not obeyed: attributes are not shortened"},
		{"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
			"not obeyed: attributes are not shortened"},
		{"OTEL_ATTRIBUTE_COUNT_LIMIT",
			"not obeyed: the profile says which attributes there are"},
		{"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
			"not obeyed: the profile says which attributes there are"},
	};
	size_t i;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		if (variables_value(settings->environment, rows[i].variable) != NULL)
			settings_warn(settings, "%s: %s", rows[i].variable, rows[i].text);
}

int env_load_otel(struct settings *settings)
{
	size_t i;

	env_warn_not_obeyed(settings);
	env_warn_other_signals(settings);
	for (i = 0; i < OPTION_COUNT; i++)
		if (option_at(i)->otel != NULL &&
			env_apply_option(settings, option_at(i)) == SETTINGS_WRONG)
			return -1;
	return env_apply_propagators(settings) == SETTINGS_WRONG ? -1 : 0;
}
