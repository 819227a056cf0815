/*
 * Reloading, in this order: everything is read and checked; what can fail is made of it (a
 * generation for connections to come, then the way to the collector, which is taken at once); then
 * it is in force, and told. Whatever fails leaves all as it was.
 */
#include "proxy/reload.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exporter/poster.h"
#include "proxy/admin/admin.h"
#include "proxy/generation.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/measures.h"
#include "proxy/pair.h"
#include "proxy/telemetry.h"
#include "proxy/trace/tracer.h"

/* The list without the texts. NULL when out of memory. */
static char **reload_keep(char *const *list)
{
	size_t count = 0;
	char **kept;

	while (list[count] != NULL)
		count++;
	kept = calloc(count + 1, sizeof *kept);
	if (kept != NULL)
		memcpy(kept, list, count * sizeof *kept);
	return kept;
}

int reload_init(struct reload *reload, int argc, char **argv, char **environment)
{
	reload->given = (struct config_given){argc, reload_keep(argv), reload_keep(environment)};
	return reload->given.argv != NULL && reload->given.environment != NULL ? 0 : -1;
}

void reload_done(struct reload *reload)
{
	free(reload->given.argv);
	free(reload->given.environment);
	config_free(reload->latest);
}

/* Who reads a file wants to know when; at a terminal it is now. */
static enum log_style reload_log_style(const struct config *config)
{
	if (config->log_format == CONFIG_LOG_JSON)
		return LOG_JSON;
	return isatty(STDERR_FILENO) ? LOG_PLAIN : LOG_STAMPED;
}

void reload_log(const struct config *config)
{
	log_level_set((enum log_level)config->log_level);
	log_lines_max_set((unsigned)config->log_lines_max);
	log_style_set(reload_log_style(config));
}

static void reload_warn(void *arg, const char *line)
{
	(void)arg;
	log_line(LOG_WARN, "%s", line);
}

/* Of settings that record in another way; it takes them. NULL with an error, nothing was taken. */
static struct generation *reload_make_generation(struct config *config,
	const struct reload_subjects *subjects, char *error, size_t error_size)
{
	struct tracer *tracer = tracer_new(config, subjects->exporter, config->traceparent,
		config->tracestate, error, error_size);
	struct generation *fresh;

	if (tracer == NULL)
		return NULL;
	if (subjects->measures != NULL)
		tracer_measure(tracer, measures_metrics(subjects->measures));
	fresh = generation_new(config, tracer);
	if (fresh == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		tracer_free(tracer);
	}
	return fresh;
}

/* The settings are in force; fresh has them if it is there. way: NULL, metrics go nowhere. */
static void reload_take(struct reload *reload, const struct reload_subjects *subjects,
	struct config *config, struct generation *fresh, struct poster_way *way)
{
	struct config *former = reload->latest;

	assert((way != NULL) == (subjects->loop->poster != NULL));
	if (way != NULL)
		poster_renew(subjects->loop->poster, way);

	loop_renew(subjects->loop, config, fresh);
	guard_init(&subjects->route->guard, config);
	if (subjects->admin != NULL)
		admin_renew(subjects->admin);
	reload_log(config);
	reload->latest = fresh != NULL ? NULL : config;
	config_free(former);
}

static int reload_try(struct reload *reload, const struct reload_subjects *subjects,
	struct config_changes *changes, char error[CONFIG_ERROR_SIZE])
{
	struct poster_way *way = NULL; /* of metrics */
	struct generation *fresh = NULL;
	struct config *config;

	if (config_reload(&config, subjects->loop->config, changes, &reload->given, reload_warn,
		    NULL, error) != CONFIG_RUN)
		return -1;
	if (changes->traced) {
		fresh = reload_make_generation(config, subjects, error, CONFIG_ERROR_SIZE);
		if (fresh == NULL)
			goto fail;
	}
	if (subjects->loop->poster != NULL) {
		way = telemetry_poster_way(config, error, CONFIG_ERROR_SIZE);
		if (way == NULL)
			goto fail;
	}
	if (subjects->exporter != NULL &&
		telemetry_exporter_renew(subjects->exporter, config, error, CONFIG_ERROR_SIZE) != 0)
		goto fail;
	reload_take(reload, subjects, config, fresh, way);
	return 0;
fail:
	poster_way_free(way);
	if (fresh == NULL)
		config_free(config);
	generation_free(fresh);
	return -1;
}

void reload_run(struct reload *reload, const struct reload_subjects *subjects)
{
	struct loop *loop = subjects->loop;
	struct config_changes changes = {.any = false};
	char error[CONFIG_ERROR_SIZE];

	loop->config_failed = reload_try(reload, subjects, &changes, error) != 0;
	if (loop->config_failed) {
		loop->counters.reloads_failed++;
		log_line(LOG_ERROR, "the settings stay as they are: %s", error);
		return;
	}
	loop->counters.reloads++;
	log_line(LOG_INFO, "settings %llu are in force: %s%s%s",
		(unsigned long long)loop->config_number,
		changes.any ? "other " : "nothing is other", changes.taken,
		changes.traced ? ", to record connections to come by" : "");
	if (changes.kept[0] != '\0')
		log_line(LOG_WARN, "restart to apply what cannot change while we run: %s",
			changes.kept);
	if (subjects->measures != NULL && !measures_are_of(subjects->measures, loop->config))
		log_line(LOG_WARN,
			"restart to measure by this profile: metrics and sidespan_profile stay as "
			"at the start");
}
