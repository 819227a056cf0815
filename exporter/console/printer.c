/*
 * A person at a terminal as a sink: a batch becomes trees, which are written as the terminal takes
 * them. One that does not take any more is waited for without end; one that is gone loses spans.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "exporter/batch.h"
#include "exporter/console/connections.h"
#include "exporter/console/console.h"
#include "exporter/console/forest.h"
#include "exporter/console/screen.h"
#include "exporter/exporter.h"
#include "exporter/sink.h"

struct printer {
	int fd;
	struct forest_style style; /* but for the width, which is looked up */
	struct connections connections;
	size_t width; /* 0: the terminal's */
	struct text trees;
	int formatted;  /* 0, or -1 when memory was short */
	size_t written; /* of the trees */
};

static void *printer_make(const struct exporter_config *config, char *error, size_t error_size)
{
	struct printer *printer = calloc(1, sizeof *printer);

	if (printer == NULL) {
		(void)snprintf(error, error_size, "out of memory"); /* may be cut */
		return NULL;
	}
	printer->fd = config->console_fd;
	printer->width = config->console_width;
	printer->style = (struct forest_style){
		.color = config->console_color,
		.numbered = config->console_numbered,
		.connections = config->console_numbered ? NULL : &printer->connections,
	};
	text_init(&printer->trees, TEXT_UNLIMITED);
	return printer;
}

static void printer_free(void *sink)
{
	struct printer *printer = sink;

	if (printer == NULL)
		return;
	text_done(&printer->trees);
	free(printer);
}

static void printer_load(void *sink, const struct batch *batch)
{
	struct printer *printer = sink;
	struct forest_style style = printer->style;

	if (!style.numbered)
		style.width = printer->width > 0 ? printer->width : screen_width(printer->fd);
	text_rewind(&printer->trees, 0);
	printer->written = 0;
	printer->formatted = forest_format(&printer->trees, &batch->body, batch->span_count, style);
}

static bool printer_deliver(void *sink, struct sink_outcome *outcome)
{
	struct printer *printer = sink;
	const struct text *trees = &printer->trees;

	*outcome = (struct sink_outcome){.verdict = RETRY_NO_MEMORY, .retry_after_ms = -1};
	if (printer->formatted != 0)
		return true;
	switch (screen_write(printer->fd, trees->bytes, trees->size, &printer->written)) {
	case SCREEN_FULL:
		return false;
	case SCREEN_FAILED:
		outcome->verdict = RETRY_REFUSED;
		return true;
	case SCREEN_WRITTEN:
		outcome->verdict = RETRY_DELIVERED;
		return true;
	}
	assert(false); /* no other result */
	return true;
}

/* What has been written stays, and the rest is not. */
static void printer_cancel(void *sink)
{
	(void)sink;
}

static void printer_wait(void *sink, int64_t wait_ms)
{
	const struct printer *printer = sink;

	screen_wait(printer->fd, wait_ms);
}

static void printer_rest(void *sink)
{
	struct printer *printer = sink;

	text_done(&printer->trees);
}

const struct sink_ops sink_console = {
	.by_trace = true,
	.append = console_append_span,
	.append_shared = console_append_shared,
	.suffix = "",
	.make = printer_make,
	.free = printer_free,
	.load = printer_load,
	.deliver = printer_deliver,
	.cancel = printer_cancel,
	.wait = printer_wait,
	.rest = printer_rest,
};
