/* The texts; see views.h. What is from the wire is escaped by the encoder of spans. */
#include "proxy/admin/views.h"

#include <stdint.h>

#include "exporter/otlp/otlp.h"
#include "exporter/text.h"
#include "proxy/generation.h"
#include "proxy/loop.h"

/* Spans as members of a list. */
struct views_list {
	struct text text;
	size_t lost; /* for want of memory */
};

static void views_add(void *arg, const struct span *span)
{
	struct views_list *list = arg;
	size_t before = list->text.size;

	if (before > 0)
		TEXT_APPEND(&list->text, ",");
	otlp_append_span(&list->text, span);
	if (list->text.error == TEXT_OK)
		return;
	text_rewind(&list->text, before);
	list->lost++;
}

void views_write_open(FILE *out, const struct loop *loop)
{
	struct views_list list = {.lost = 0};
	size_t omitted;

	text_init(&list.text, SIZE_MAX / 2);
	omitted = generations_show_open(
		loop->generations, VIEWS_OPEN_MAX, loop->now_ns, views_add, &list);
	(void)fprintf(out, "{\"timeUnixNano\":\"%llu\",\"spans\":[",
		(unsigned long long)tracer_unix_ns(loop->generations->now->tracer, loop->now_ns));
	(void)fwrite(list.text.bytes, 1, list.text.size, out);
	(void)fprintf(out, "],\"omitted\":%zu}\n", omitted + list.lost);
	text_done(&list.text);
}
