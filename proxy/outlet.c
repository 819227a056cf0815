/* A sink that is an endpoint's. */
#include "proxy/outlet.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/endpoint/endpoint.h"
#include "proxy/loop.h"
#include "proxy/side/http.h"

static void outlet_flush(struct sink *sink, void *arg)
{
	struct outlet *outlet = arg;
	const uint8_t *bytes = sink->run_size > 0 ? sink->run : sink->bytes;
	size_t size = sink->run_size > 0 ? sink->run_size : sink->used;

	if (size > 0 && !outlet->failed && endpoint_write(outlet->to, bytes, size) != 0)
		outlet->failed = true;
	sink->used = 0;
	sink->run_size = 0;
}

void outlet_begin(struct outlet *outlet, struct loop *loop, struct endpoint *to)
{
	*outlet = (struct outlet){
		.sink = {.bytes = loop->write_bytes,
			.size = LOOP_WRITE_SIZE,
			.flush = outlet_flush,
			.arg = outlet},
		.to = to,
	};
}

void outlet_head(
	struct outlet *outlet, const struct http_head *parsed, const struct http_changes *changes)
{
	size_t room = http_head_room(parsed, changes), size;
	char *text;

	if (room <= SINK_SIZE_MIN) {
		text = (char *)sink_reserve(&outlet->sink, room);
		sink_commit(&outlet->sink, http_head_forward(text, room, parsed, changes));
		return;
	}
	text = malloc(room);
	if (text == NULL) {
		outlet->to->error = ENOMEM;
		outlet->to->is_ours = true;
		outlet->failed = true;
		return;
	}
	size = http_head_forward(text, room, parsed, changes);
	assert(size > 0); /* it fits: see there */
	sink_write(&outlet->sink, (const uint8_t *)text, size);
	free(text);
}

int outlet_end(struct outlet *outlet)
{
	outlet_flush(&outlet->sink, outlet);
	return outlet->failed ? -1 : 0;
}
