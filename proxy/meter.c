/*
 * Metrics for a collector; see meter.h. A timer of the loop has a request written, which the poster
 * takes to its thread. What stands before the metrics of each is made once.
 */
#include "proxy/meter.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "exporter/otlp/measured.h"
#include "exporter/poster.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/numbers.h"
#include "proxy/telemetry.h"

struct meter {
	struct poster *poster; /* owned */
	struct text prefix;    /* what all requests begin with */
	struct text body;      /* scratch */
	int64_t interval_ms;
	struct loop *loop; /* borrowed, as are the next two; NULL: not started */
	struct exporter *exporter;
	const struct metrics *metrics;
	struct event *timer; /* owned */
	uint64_t start_unix_ns;
};

struct meter *meter_new(const struct config *config, char *error, size_t error_size)
{
	struct meter *meter = calloc(1, sizeof *meter);

	if (meter == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return NULL;
	}
	text_init(&meter->prefix, TEXT_UNLIMITED);
	text_init(&meter->body, (size_t)config->otlp_request_bytes_max);
	meter->interval_ms = config->metrics_interval_ms;
	meter->poster = telemetry_poster_new(config, &meter->prefix, error, error_size);
	if (meter->poster != NULL)
		return meter;
	meter_free(meter);
	return NULL;
}

static uint64_t meter_unix_ns(const struct meter *meter)
{
	return tracer_unix_ns(meter->loop->generations->now->tracer, meter->loop->now_ns);
}

static void meter_take_number(void *arg, const struct number *number)
{
	measured_number(arg, number);
}

static void meter_send(struct meter *meter)
{
	struct text *body = &meter->body;
	struct measured measured;

	text_append(body, meter->prefix.bytes, meter->prefix.size);
	measured_begin(&measured, body, meter->start_unix_ns, meter_unix_ns(meter));
	numbers_tell(meter->loop, meter->exporter, meter_take_number, &measured);
	measured_metrics(&measured, meter->metrics);
	measured_end(&measured);
	if (body->error == TEXT_OK) {
		poster_put(meter->poster, body);
		return;
	}
	text_done(body);
	poster_lose(meter->poster);
}

static void meter_on_timer(int fd, short what, void *arg)
{
	struct meter *meter = arg;

	(void)fd;
	(void)what;
	loop_clock_idle(meter->loop);
	meter_send(meter);
}

int meter_start(struct meter *meter, struct loop *loop, struct exporter *exporter,
	const struct metrics *metrics, char *error, size_t error_size)
{
	struct timeval period = {
		.tv_sec = meter->interval_ms / 1000, .tv_usec = meter->interval_ms % 1000 * 1000};

	if (poster_start(meter->poster, error, error_size) != 0)
		return -1;
	meter->loop = loop;
	meter->exporter = exporter;
	meter->metrics = metrics;
	meter->start_unix_ns = meter_unix_ns(meter);
	meter->timer = event_new(loop->base, -1, EV_PERSIST, meter_on_timer, meter);
	if (meter->timer != NULL && event_add(meter->timer, &period) == 0)
		return 0;
	(void)snprintf(error, error_size, "out of memory");
	return -1;
}

struct poster *meter_poster(const struct meter *meter)
{
	return meter->poster;
}

void meter_flush(struct meter *meter)
{
	if (meter->timer == NULL)
		return;
	event_free(meter->timer);
	meter->timer = NULL;
	meter_send(meter);
}

void meter_free(struct meter *meter)
{
	if (meter == NULL)
		return;
	if (meter->timer != NULL)
		event_free(meter->timer);
	poster_free(meter->poster);
	text_done(&meter->prefix);
	text_done(&meter->body);
	free(meter);
}
