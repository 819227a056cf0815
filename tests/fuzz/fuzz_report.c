/* Any text as /open and as /stats, drawn: no crash, bounds kept, no byte that a terminal would
 * obey. */
#include <stdint.h>
#include <stdlib.h>

#include "exporter/text.h"
#include "proxy/top/board.h"
#include "proxy/top/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_check(bool fact)
{
	if (!fact)
		abort();
}

static void fuzz_draw(const struct report *report, size_t width)
{
	struct board_style style = {.width = width, .height = width};
	struct text out;
	size_t i;

	text_init(&out, SIZE_MAX / 2);
	fuzz_check(board_draw(&out, report, &style) == 0);
	for (i = 0; i < out.size; i++)
		fuzz_check((uint8_t)out.bytes[i] >= ' ' || out.bytes[i] == '\n');
	text_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct report report = {.spans = NULL};
	const char *why = NULL;

	if (report_read_open(&report, (const char *)bytes, size, &why) != 0)
		fuzz_check(why != NULL && report.count == 0);
	(void)report_read_stats(&report, (const char *)bytes, size, &why); /* either is good */
	fuzz_check(report.count <= REPORT_SPANS_MAX);
	fuzz_draw(&report, 0);
	fuzz_draw(&report, 40);
	report_done(&report);
	return 0;
}
