/*
 * Instruments; see measures.h. The first is ours, of all requests, by the conventions for RPC; the
 * others are rows of the profile.
 */
#include "proxy/measures.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/profile/profile.h"
#include "exporter/metrics/metrics.h"

_Static_assert(PROFILE_LABELS_MAX == METRICS_LABELS_MAX && PROFILE_BOUNDS_MAX == METRICS_BOUNDS_MAX,
	"what a profile may say fits");

struct measures {
	struct metrics *metrics; /* owned */
	const char *transport;   /* borrowed */
	struct metrics_instrument list[];
};

/* Where nothing else is said: seconds as in the conventions for RPC, all else as for tokens. */
static const double measures_seconds[] = {
	0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10};
static const double measures_amounts[] = {
	1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864};

#define MEASURES_COUNT(list) (sizeof(list) / sizeof *(list))

static void measures_label(
	struct metrics_instrument *instrument, const char *key, const char *value)
{
	assert(instrument->label_count < METRICS_LABELS_MAX);
	instrument->labels[instrument->label_count++] =
		(struct metrics_label){.key = key, .value = value};
}

static void measures_take_requests(
	struct metrics_instrument *instrument, const struct config *config, const char *transport)
{
	*instrument = (struct metrics_instrument){
		.name = MEASURES_REQUESTS,
		.unit = "s",
		.help = "Requests of clients, from their first byte to the last of their answer.",
		.span = "request",
		.bounds = measures_seconds,
		.bound_count = MEASURES_COUNT(measures_seconds),
	};
	measures_label(instrument, "rpc.method", NULL);
	measures_label(instrument,
		config->semconv == CONFIG_SEMCONV_RPC ? "rpc.status_code"
						      : "rpc.response.status_code",
		NULL);
	measures_label(instrument, "error.type", NULL);
	measures_label(instrument, "rpc.system.name", "jsonrpc");
	measures_label(instrument, "rpc.transport", transport);
	measures_label(instrument, "sidespan.profile", config->profile->name);
}

static void measures_take_row(
	struct metrics_instrument *instrument, const struct profile_metric *row)
{
	const char *unit = row->unit != NULL ? row->unit : "s";
	bool is_time = strcmp(unit, "s") == 0;
	size_t i;

	*instrument = (struct metrics_instrument){
		.name = row->name,
		.unit = unit,
		.help = row->help != NULL ? row->help : row->name,
		.span = row->span,
		.attribute = row->attribute,
		.bounds = is_time ? measures_seconds : measures_amounts,
		.bound_count = is_time ? MEASURES_COUNT(measures_seconds)
				       : MEASURES_COUNT(measures_amounts),
	};
	if (row->bounds != NULL) {
		instrument->bounds = row->bounds;
		instrument->bound_count = row->bound_count;
	}
	for (i = 0; i < row->label_count; i++)
		measures_label(instrument, row->labels[i], NULL);
	for (i = 0; i < row->constant_count; i++)
		measures_label(instrument, row->constants[i].attribute, row->constants[i].value);
}

struct measures *measures_new(const struct config *config, const char *transport)
{
	const struct profile *profile = config->profile;
	size_t count = 1 + profile->metric_count, i;
	struct measures *measures = calloc(1, sizeof *measures + count * sizeof measures->list[0]);

	if (measures == NULL)
		return NULL;
	measures->transport = transport;
	measures_take_requests(&measures->list[0], config, transport);
	for (i = 1; i < count; i++)
		measures_take_row(&measures->list[i], &profile->metrics[i - 1]);
	measures->metrics = metrics_new(measures->list, count, (size_t)config->metrics_series_max);
	if (measures->metrics != NULL)
		return measures;
	free(measures);
	return NULL;
}

struct metrics *measures_metrics(const struct measures *measures)
{
	return measures->metrics;
}

static bool measures_is_text(const char *text, const char *other)
{
	return text == other || (text != NULL && other != NULL && strcmp(text, other) == 0);
}

static bool measures_is_instrument(
	const struct metrics_instrument *one, const struct metrics_instrument *other)
{
	size_t i;

	for (i = 0; i < one->label_count && i < other->label_count; i++)
		if (!measures_is_text(one->labels[i].key, other->labels[i].key) ||
			!measures_is_text(one->labels[i].value, other->labels[i].value))
			return false;
	return one->label_count == other->label_count && one->bound_count == other->bound_count &&
	       memcmp(one->bounds, other->bounds, one->bound_count * sizeof *one->bounds) == 0 &&
	       measures_is_text(one->name, other->name) &&
	       measures_is_text(one->unit, other->unit) &&
	       measures_is_text(one->help, other->help) &&
	       measures_is_text(one->span, other->span) &&
	       measures_is_text(one->attribute, other->attribute);
}

bool measures_are_of(const struct measures *measures, const struct config *config)
{
	const struct profile *profile = config->profile;
	struct metrics_instrument wanted;
	const struct metrics_instrument *list;
	size_t count, i;

	list = metrics_list(measures->metrics, &count);
	measures_take_requests(&wanted, config, measures->transport);
	if (count != 1 + profile->metric_count || !measures_is_instrument(&list[0], &wanted))
		return false;
	for (i = 1; i < count; i++) {
		measures_take_row(&wanted, &profile->metrics[i - 1]);
		if (!measures_is_instrument(&list[i], &wanted))
			return false;
	}
	return true;
}

void measures_free(struct measures *measures)
{
	if (measures == NULL)
		return;
	metrics_free(measures->metrics);
	free(measures);
}
