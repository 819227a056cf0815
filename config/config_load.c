/*
 * Loading, in this order: built-in values, the command line (which names environment and files),
 * the environment's file, the files, OTEL_ and SIDESPAN_ variables, then, when it is known what is
 * wrapped, the profile; at last the rules between options. Strength is settings' business, so the
 * order only decides which error is met first. Any failure frees everything. Once more, for a
 * running program, the same; but what cannot change then is as it was before it is looked at by
 * those who read further files, so that no door opens by half a change.
 */
#include "config/config_load.h"

#include <stdlib.h>
#include <string.h>

#include "config/advice.h"
#include "config/certificates.h"
#include "config/catalog.h"
#include "config/completion.h"
#include "config/consistency.h"
#include "config/env.h"
#include "config/flags.h"
#include "config/headers.h"
#include "config/help.h"
#include "config/list.h"
#include "config/options.h"
#include "config/profile/profile_load.h"
#include "config/profile_files.h"
#include "config/settings.h"
#include "config/token.h"
#include "config/value.h"
#include "config/variables.h"

#ifndef SIDESPAN_DATADIR
#define SIDESPAN_DATADIR "/usr/local/share/sidespan"
#endif

#define CONFIG_NAME_SIZE    128
#define CONFIG_COMMAND_SIZE 100 /* bytes of a command's name that become part of ours */

/* Frees file. */
static int config_load_apply_file(struct settings *settings, struct file *file)
{
	int result;

	if (file == NULL)
		return -1;
	result = settings_apply(settings, file, file->root, CONFIG_FILE);
	file_free(file);
	return result;
}

static int config_load_apply_files(struct settings *settings, const struct flags *flags)
{
	char *const *environment = settings->environment;
	const char *name = flags->environment;
	size_t i;

	if (name == NULL)
		name = variables_value(environment, "SIDESPAN_ENV");
	if (name != NULL && config_load_apply_file(settings,
				    catalog_read_environment(SIDESPAN_DATADIR, name, environment,
					    settings->error, CONFIG_ERROR_SIZE)) != 0)
		return -1;
	for (i = 0; i < flags->file_count; i++)
		if (config_load_apply_file(settings, file_read(flags->files[i], environment,
							     settings->error, CONFIG_ERROR_SIZE)) !=
			0)
			return -1;
	return 0;
}

static int config_load_copy_command(struct settings *settings, const struct flags *flags)
{
	struct config *config = settings->config;
	int i;

	if (flags->command == NULL)
		return 0;
	config->command = calloc((size_t)flags->command_count + 1, sizeof *config->command);
	if (config->command == NULL)
		return settings_fail(settings, "out of memory");
	for (i = 0; i < flags->command_count; i++) {
		config->command[i] = strdup(flags->command[i]);
		if (config->command[i] == NULL)
			return settings_fail(settings, "out of memory");
		config->command_count++;
	}
	return 0;
}

static int config_load_prepare_replay(struct settings *settings, const struct flags *flags)
{
	struct config *config = settings->config;

	if (!flags->replay)
		return 0;
	config->replay_timed = flags->timed;
	config->replay = strdup(flags->recording);
	if (flags->connection != NULL)
		config->replay_connection = strdup(flags->connection);
	if (config->replay == NULL ||
		(flags->connection != NULL && config->replay_connection == NULL))
		return settings_fail(settings, "out of memory");
	return 0;
}

static int config_load_copy_variable(struct settings *settings, const char *name, char **copy)
{
	const char *value = variables_value(settings->environment, name);

	if (value == NULL)
		return 0;
	*copy = strdup(value);
	return *copy != NULL ? 0 : settings_fail(settings, "out of memory");
}

/* A recording is for looking at: all of it, unless a sampler is asked for. */
static int config_load_prepare_explain(struct settings *settings, const struct flags *flags)
{
	struct config *config = settings->config;

	if (!flags->explain)
		return 0;
	if (settings_source(settings, OPTION_AT_sampler) == CONFIG_BUILT_IN &&
		settings_source(settings, OPTION_AT_sampling_methods) == CONFIG_BUILT_IN)
		config->sampler = CONFIG_SAMPLER_ALWAYS_ON;
	config->explain_plain = flags->direction != NULL;
	config->explain_from_server =
		flags->direction != NULL && strcmp(flags->direction, "s2c") == 0;
	config->explain = strdup(flags->recording);
	if (flags->why != NULL)
		config->explain_why = strdup(flags->why);
	if (config->explain == NULL || (flags->why != NULL && config->explain_why == NULL))
		return settings_fail(settings, "out of memory");
	return 0;
}

/* The settings of what a profile extends, then its own, which win. */
static int config_load_apply_settings(struct settings *settings, const struct file *file)
{
	const struct file *chain[PROFILE_FILES_DEPTH_MAX];
	const struct file_node *node;
	size_t count = 0;

	for (; file != NULL; file = file->base)
		chain[count++] = file;
	while (count > 0) {
		node = file_member(chain[--count]->root, "settings");
		if (node != NULL &&
			settings_apply(settings, chain[count], node, CONFIG_PROFILE) != 0)
			return -1;
	}
	return 0;
}

/* Takes the profile in file, and frees file. */
static int config_load_apply_profile(struct settings *settings, struct file *file)
{
	const struct file *from;
	int result = -1;

	if (file == NULL)
		return -1;
	settings->config->profile = profile_new(file, settings->error, CONFIG_ERROR_SIZE);
	settings->config->profile_source = strdup(file->name);
	for (from = file; from != NULL; from = from->base)
		settings->config->profile_digest =
			settings->config->profile_digest * 31 + from->digest;
	if (settings->config->profile_source == NULL)
		(void)settings_fail(settings, "out of memory");
	else if (settings->config->profile != NULL)
		result = config_load_apply_settings(settings, file);
	file_free(file);
	return result;
}

static int config_load_profile(struct settings *settings, const struct flags *flags)
{
	const char *given = settings->config->profile_name;
	const struct settings_origin *origin = &settings->origins[OPTION_AT_profile_name];
	const struct profile_files files = {
		.files = flags->files,
		.file_count = flags->file_count,
		.datadir = SIDESPAN_DATADIR,
		.environment = settings->environment,
		.error = settings->error,
		.warn = settings->warn,
		.warn_arg = settings->warn_arg,
	};
	char name[PROFILE_FILES_NAME_SIZE], where[CONFIG_NAME_SIZE + 2];

	settings_name(settings, OPTION_AT_profile_name, where, CONFIG_NAME_SIZE);
	memcpy(where + strlen(where), ": ", sizeof ": "); /* there is room */
	if (strcmp(given, "auto") != 0)
		return config_load_apply_profile(settings,
			profile_files_read(&files, given,
				origin->source == CONFIG_FILE ? origin->where : NULL, where));
	profile_files_choose(&files, settings->config->command, name);
	return config_load_apply_profile(settings, profile_files_read(&files, name, NULL, ""));
}

/* What we call ourselves, and the server, when nobody has said. */
static int config_load_choose_names(struct settings *settings)
{
	struct config *config = settings->config;
	const char *command = config->command != NULL ? config->command[0] : NULL;
	const char *slash = command != NULL ? strrchr(command, '/') : NULL;
	const char *base = slash != NULL && slash[1] != '\0' ? slash + 1 : command;
	char name[CONFIG_NAME_SIZE];

	if (config->rpc_service == NULL && base != NULL) {
		config->rpc_service = strndup(base, sizeof name - 1);
		if (config->rpc_service == NULL)
			return settings_fail(settings, "out of memory");
	}
	if (config->service_name != NULL)
		return 0;
	if (base != NULL)
		(void)snprintf(name, sizeof name, "%.*s-sidespan", CONFIG_COMMAND_SIZE, base);
	else
		(void)snprintf(name, sizeof name, "sidespan");
	config->service_name = strdup(name);
	return config->service_name != NULL ? 0 : settings_fail(settings, "out of memory");
}

static int config_load_make_otlp_urls(struct settings *settings)
{
	struct config *config = settings->config;

	if (config->otlp_traces_endpoint != NULL)
		config->otlp_url = url_join_http(config->otlp_traces_endpoint, NULL);
	else
		config->otlp_url = url_join_http(config->otlp_endpoint, "v1/traces");
	if (config->otlp_metrics_endpoint != NULL)
		config->otlp_metrics_url = url_join_http(config->otlp_metrics_endpoint, NULL);
	else
		config->otlp_metrics_url = url_join_http(config->otlp_endpoint, "v1/metrics");
	if (config->otlp_url == NULL || config->otlp_metrics_url == NULL)
		return settings_fail(settings, "out of memory");
	return 0;
}

/* Credentials for one signal are not sent with another. */
static void config_load_note_headers(struct settings *settings)
{
	const char *where = settings->origins[OPTION_AT_otlp_headers].where;
	char name[OPTION_NAME_SIZE];

	option_signal_name(option_at(OPTION_AT_otlp_headers), name);
	settings->config->otlp_headers_of_traces = where != NULL && strcmp(where, name) == 0;
}

/* ---- once more ---- */

/* Of a load for a running program. */
struct config_again {
	const struct config *running;
	struct config_changes *changes;
};

static void config_load_name(char list[CONFIG_ERROR_SIZE], const char *name)
{
	size_t used = strlen(list);

	(void)snprintf(list + used, CONFIG_ERROR_SIZE - used, "%s%s", used > 0 ? ", " : "",
		name); /* may be cut */
}

/* What cannot change is as it was. */
static int config_load_keep(struct settings *settings, const struct config_again *again)
{
	const unsigned changing = OPTION_RELOAD | OPTION_RETRACE;
	struct config *config = settings->config;
	const struct option *option;
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		option = option_at(i);
		if ((option->flags & changing) != 0 || value_equals(option, config, again->running))
			continue;
		config_load_name(again->changes->kept, option->name);
		if (value_copy(option, config, again->running) != 0)
			return settings_fail(settings, "out of memory");
	}
	config->listen_url = again->running->listen_url;
	config->admin_url = again->running->admin_url;
	config->upstream_url = again->running->upstream_url;
	return 0;
}

/* What is different, now that all is known. */
static void config_load_compare(const struct config *config, const struct config_again *again)
{
	const struct config *running = again->running;
	struct config_changes *changes = again->changes;
	const struct option *option;
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		option = option_at(i);
		if (value_equals(option, config, running))
			continue;
		config_load_name(changes->taken, option->name);
		changes->traced |= (option->flags & OPTION_RETRACE) != 0;
	}
	if (config->listen_token != NULL &&
		strcmp(config->listen_token, running->listen_token) != 0)
		config_load_name(changes->taken, "the token");
	if (config->profile_digest != running->profile_digest) {
		config_load_name(changes->taken, "the profile");
		changes->traced = true;
	}
	changes->any = changes->taken[0] != '\0';
}

/* ---- all of it ---- */

/* What more files say, of which the settings have the names. */
static int config_load_further(struct settings *settings, const struct config_again *again)
{
	if (again != NULL && config_load_keep(settings, again) != 0)
		return -1;
	if (headers_load(settings) != 0 || token_load(settings) != 0)
		return -1;
	if (again == NULL && certificates_check(settings) != 0)
		return -1; /* who has them looks at them anew by itself */
	if (config_load_make_otlp_urls(settings) != 0)
		return -1;
	config_load_note_headers(settings);
	if (again != NULL)
		config_load_compare(settings->config, again);
	return 0;
}

static enum config_outcome config_load_all(struct settings *settings, struct flags *flags, int argc,
	char **argv, FILE *out, const struct config_again *again)
{
	struct config *config = settings->config;

	switch (flags_parse(flags, settings, argc, argv)) {
	case FLAGS_RUN:
		break;
	case FLAGS_HELP:
		help_print(out);
		return CONFIG_DONE;
	case FLAGS_VERSION:
		help_print_version(out);
		return CONFIG_DONE;
	case FLAGS_MANUAL:
		help_print_manual(out);
		return CONFIG_DONE;
	case FLAGS_COMPLETION:
		if (completion_print(out, flags->shell))
			return CONFIG_DONE;
		(void)settings_fail(settings,
			"command line: \"--completion\": must be followed by bash, zsh or fish");
		return CONFIG_WRONG;
	case FLAGS_WRONG:
		return CONFIG_WRONG;
	}
	config->doctor = flags->doctor;
	config->probe = flags->probe;
	if (config_load_apply_files(settings, flags) != 0 || env_load_otel(settings) != 0 ||
		env_load_sidespan(settings) != 0 ||
		config_load_copy_command(settings, flags) != 0 ||
		config_load_copy_variable(settings, "TRACEPARENT", &config->traceparent) != 0 ||
		config_load_copy_variable(settings, "TRACESTATE", &config->tracestate) != 0 ||
		config_load_profile(settings, flags) != 0 ||
		config_load_choose_names(settings) != 0 ||
		consistency_apply(settings, flags->check || flags->explain || flags->replay ||
						    flags->doctor || flags->probe) != 0 ||
		config_load_further(settings, again) != 0 ||
		config_load_prepare_explain(settings, flags) != 0 ||
		config_load_prepare_replay(settings, flags) != 0)
		return CONFIG_WRONG;
	if (flags->doctor)
		advice_print(out, settings, config);
	if (!flags->check)
		return CONFIG_RUN;
	help_print_check(out, settings, config);
	advice_print(out, settings, config);
	return CONFIG_DONE;
}

/* What a load is given. */
struct config_load_source {
	int argc;
	char **argv;
	char **environment;
	FILE *out;
	void (*warn)(void *arg, const char *line);
	void *arg;
	const struct config_again *again; /* NULL: it is the first time */
};

static enum config_outcome config_load_from(struct config **config,
	const struct config_load_source *source, char error[CONFIG_ERROR_SIZE])
{
	struct settings settings = {0};
	struct flags flags = {0};
	enum config_outcome outcome = CONFIG_WRONG;
	struct config *loading = calloc(1, sizeof *loading);
	char **trimmed = variables_trim(source->environment);

	*config = NULL;
	error[0] = '\0';
	if (loading == NULL || trimmed == NULL) {
		(void)snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	} else if (settings_init(&settings, loading, trimmed, error) == 0) {
		settings.warn = source->warn;
		settings.warn_arg = source->arg;
		outcome = config_load_all(
			&settings, &flags, source->argc, source->argv, source->out, source->again);
	}
	flags_done(&flags);
	settings_done(&settings);
	free(trimmed);
	if (outcome == CONFIG_RUN)
		*config = loading;
	else
		config_free(loading);
	return outcome;
}

enum config_outcome config_load(struct config **config, int argc, char **argv, char **environment,
	FILE *out, void (*warn)(void *arg, const char *line), void *arg,
	char error[CONFIG_ERROR_SIZE])
{
	return config_load_from(config,
		&(struct config_load_source){argc, argv, environment, out, warn, arg, NULL}, error);
}

enum config_outcome config_reload(struct config **config, const struct config *running,
	struct config_changes *changes, const struct config_given *given,
	void (*warn)(void *arg, const char *line), void *arg, char error[CONFIG_ERROR_SIZE])
{
	const struct config_again again = {running, changes};

	*changes = (struct config_changes){.any = false};
	return config_load_from(config,
		&(struct config_load_source){
			given->argc, given->argv, given->environment, NULL, warn, arg, &again},
		error);
}

void config_free(struct config *config)
{
	int i;

	if (config == NULL)
		return;
#define OPTION_TEXT(field, ...) free(config->field);
#define OPTION_MAP(field, ...)  map_free(&config->field);
#define OPTION_LIST(field, ...) list_free(&config->field);
#include "config/options.def"
	for (i = 0; i < config->command_count; i++)
		free(config->command[i]);
	free(config->command);
	profile_free(config->profile);
	free(config->profile_source);
	free(config->otlp_url);
	free(config->otlp_metrics_url);
	free(config->listen_token);
	free(config->traceparent);
	free(config->tracestate);
	free(config->explain);
	free(config->explain_why);
	free(config->replay);
	free(config->replay_connection);
	free(config);
}
