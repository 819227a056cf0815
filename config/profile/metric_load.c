/*
 * Metrics of a profile: from the tree of its file to rows, and what they name compared with what
 * spans have, so that no series stays empty for a slip of the pen.
 */
#include "config/profile/metric_load.h"

#include <stdlib.h>
#include <string.h>

#include "config/profile/lifecycle.h"
#include "config/profile/names.h"

/* ---- taking ---- */

/* Letters, digits, _ and dots, as instruments of OpenTelemetry are called; a letter first. */
static int metric_load_take_name(struct reader *reader, const struct file_node *node, void *target)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	char **name = target;
	const char *at;

	if (reader_take_text(reader, node, target) != 0)
		return -1;
	at = *name;
	if (*at != '\0' && strchr(letters, *at) != NULL) {
		at += strspn(at, letters);
		while (*at != '\0' && strspn(at, "0123456789_.") > 0) {
			at += strspn(at, "0123456789_.");
			at += strspn(at, letters);
		}
		if (*at == '\0')
			return 0;
	}
	return reader_fail(reader, node,
		"\"%s\": must be a name of letters, digits, _ and dots, a letter first", *name);
}

static int metric_load_take_labels(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_metric *metric = target;

	return reader_take_texts(
		reader, node, &metric->labels, &metric->label_count, PROFILE_LABELS_MAX);
}

static int metric_load_take_constant(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_constant *constant = target;

	if (reader_take_key(reader, node, &constant->attribute) != 0)
		return -1;
	return reader_take_text(reader, node, &constant->value);
}

static int metric_load_take_set(struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_metric *metric = target;

	metric->constants = reader_new_items(reader, node, FILE_OBJECT, PROFILE_LABELS_MAX,
		sizeof *metric->constants, &metric->constant_count);
	if (metric->constants == NULL)
		return -1;
	return reader_take_items(reader, node, metric_load_take_constant, metric->constants,
		sizeof *metric->constants);
}

static int metric_load_take_bound(struct reader *reader, const struct file_node *node, void *target)
{
	double *bound = target;

	if (reader_expect(reader, node, FILE_NUMBER) != 0)
		return -1;
	*bound = strtod(node->text, NULL); /* as JSON has it */
	return 0;
}

static int metric_load_take_bounds(
	struct reader *reader, const struct file_node *node, void *target)
{
	struct profile_metric *metric = target;
	size_t i;

	metric->bounds = reader_new_items(reader, node, FILE_ARRAY, PROFILE_BOUNDS_MAX,
		sizeof *metric->bounds, &metric->bound_count);
	if (metric->bounds == NULL || reader_take_items(reader, node, metric_load_take_bound,
					      metric->bounds, sizeof *metric->bounds) != 0)
		return -1;
	for (i = 1; i < metric->bound_count; i++)
		if (metric->bounds[i] <= metric->bounds[i - 1])
			return reader_fail(reader, node, "must be ascending numbers");
	return 0;
}

static int metric_load_take(struct reader *reader, const struct file_node *node, void *target)
{
	static const struct reader_member members[] = {
		{"name", READER_FIELD(struct profile_metric, name, metric_load_take_name)},
		{"unit", READER_FIELD(struct profile_metric, unit, reader_take_text)},
		{"help", READER_FIELD(struct profile_metric, help, reader_take_text)},
		{"span", READER_FIELD(struct profile_metric, span, reader_take_text)},
		{"value", READER_FIELD(struct profile_metric, attribute, reader_take_text)},
		{"labels", READER_WHOLE(metric_load_take_labels)},
		{"set", READER_WHOLE(metric_load_take_set)},
		{"bounds", READER_WHOLE(metric_load_take_bounds)},
		READER_END,
	};
	struct profile_metric *metric = target;

	if (reader_take_members(reader, node, members, metric) != 0)
		return -1;
	if (metric->name == NULL || metric->span == NULL)
		return reader_fail(reader, node, "a metric must have name and span");
	if (metric->label_count + metric->constant_count > PROFILE_LABELS_MAX)
		return reader_fail(reader, node, "must have at most %d labels, with those in set",
			PROFILE_LABELS_MAX);
	return 0;
}

int metric_load_take_list(struct reader *reader, const struct file_node *node, void *target)
{
	struct profile *profile = target;

	profile->metrics = reader_new_items(reader, node, FILE_ARRAY, PROFILE_METRICS_MAX,
		sizeof *profile->metrics, &profile->metric_count);
	if (profile->metrics == NULL)
		return -1;
	return reader_take_items(
		reader, node, metric_load_take, profile->metrics, sizeof *profile->metrics);
}

/* ---- checking ---- */

static bool metric_load_has_type(const struct profile *profile, const char *span)
{
	const struct lifecycle *lifecycle = profile->lifecycle;
	size_t i;

	if (strcmp(span, "request") == 0)
		return true;
	for (i = 0; lifecycle != NULL && i < lifecycle->span_count; i++)
		if (!lifecycle->spans[i].is_memory && strcmp(lifecycle->spans[i].name, span) == 0)
			return true;
	return false;
}

static int metric_load_check_one(struct reader *reader, const struct file_node *node,
	const struct profile *profile, const struct profile_metric *metric)
{
	const struct file_node *labels = file_member(node, "labels");
	size_t i;

	if (!metric_load_has_type(profile, metric->span))
		return reader_fail(reader, file_member(node, "span"),
			"\"%s\": must be request, or a type of spans in lifecycle", metric->span);
	if (metric->attribute != NULL && !names_measured(profile, metric->span, metric->attribute))
		return reader_fail(reader, file_member(node, "value"),
			"\"%s\": must be an attribute that such a span has", metric->attribute);
	for (i = 0; i < metric->label_count; i++)
		if (!names_measured(profile, metric->span, metric->labels[i]))
			return reader_fail(reader, labels,
				"\"%s\": must be an attribute that such a span has",
				metric->labels[i]);
	return 0;
}

int metric_load_check(
	struct reader *reader, const struct file_node *root, const struct profile *profile)
{
	const struct profile_metric *metric = profile->metrics;
	const struct file_node *node;

	if (profile->metric_count == 0)
		return 0;
	for (node = file_member(root, "metrics")->child; node != NULL; node = node->next) {
		reader_enter(reader, node, "metric \"%s\": ", metric->name);
		if (metric_load_check_one(reader, node, profile, metric++) != 0)
			return -1;
	}
	reader_leave(reader);
	return 0;
}

void metric_load_free(struct profile_metric *metrics, size_t count)
{
	size_t i, j;

	for (i = 0; i < count; i++) {
		struct profile_metric *metric = &metrics[i];

		for (j = 0; j < metric->constant_count; j++) {
			free(metric->constants[j].attribute);
			free(metric->constants[j].value);
		}
		reader_free_texts(metric->labels, metric->label_count);
		free(metric->constants);
		free(metric->bounds);
		free(metric->name);
		free(metric->unit);
		free(metric->help);
		free(metric->span);
		free(metric->attribute);
	}
	free(metrics);
}
