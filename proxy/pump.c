/*
 * The flow of one direction; see pump.h. Every wake-up is one read into the loop's scratch memory,
 * the messages in it one after the other through decoder, splice and encoder, and one write of
 * what came out. A message is mirrored in its own frames unless it may be edited and is longer than
 * the splice holds. Nothing here closes or frees: ends and failures are told to the owner.
 */
#include "proxy/pump.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "proxy/endpoint/endpoint.h"
#include "proxy/generation.h"
#include "proxy/loop.h"
#include "proxy/message/splice.h"
#include "w3c/utf8.h"

#define PUMP_KEPT_MAX 16 /* bytes of the word by which another side is known */

/* ---- writing ---- */

static void pump_flush(struct sink *sink, void *arg)
{
	struct pump *pump = arg;

	const uint8_t *bytes = sink->run_size > 0 ? sink->run : sink->bytes;
	size_t size = sink->run_size > 0 ? sink->run_size : sink->used;

	if (size > 0 && pump->output != PUMP_OUTPUT_FAILED &&
		endpoint_write(pump->to, bytes, size) != 0)
		pump->output = PUMP_OUTPUT_FAILED;
	sink->used = 0;
	sink->run_size = 0;
}

static struct sink pump_sink(struct pump *pump, uint8_t *bytes, size_t size)
{
	return (struct sink){.bytes = bytes, .size = size, .flush = pump_flush, .arg = pump};
}

/* After a wake-up's writing: the failure is told, or a peer that does not read is respected. */
static void pump_wrote(struct pump *pump)
{
	if (pump->output == PUMP_OUTPUT_FAILED) {
		pump->hooks->write_failed(pump);
		return;
	}
	if (pump->state == PUMP_FLOWING &&
		endpoint_backlog(pump->to) >= (size_t)pump->loop->config->backlog_bytes_max) {
		pump->state = PUMP_THROTTLED;
		pump->loop->counters.senders_paused++;
		endpoint_pause(pump->from);
	}
}

void pump_drained(struct pump *pump)
{
	if (pump->state != PUMP_THROTTLED)
		return;
	pump->state = PUMP_FLOWING;
	endpoint_resume(pump->from);
}

/* ---- messages ---- */

/* Whether a short message must be whole before its frame can be announced. */
static bool pump_must_hold(const struct pump *pump)
{
	return side_has(pump->encoder.ops, SIDE_SIZE_FIRST) &&
	       !side_has(pump->decoder.ops, SIDE_SIZE_FIRST);
}

/* What is done to messages, as the owner wants it and what is known of the lines allows. */
static void pump_choose_task(struct pump *pump)
{
	static const enum splice_mode modes[] = {
		[PUMP_TASK_NONE] = SPLICE_WATCH,
		[PUMP_TASK_WATCH] = SPLICE_WATCH,
		[PUMP_TASK_HOLD] = SPLICE_HOLD,
		[PUMP_TASK_STRIP] = SPLICE_STRIP,
		[PUMP_TASK_INJECT] = SPLICE_INJECT,
		[PUMP_TASK_REPLACE] = SPLICE_REPLACE,
	};
	bool edits = pump->lines < PUMP_LINES_FOREIGN;

	pump->task = edits || pump->wanted < PUMP_TASK_WATCH ? pump->wanted : PUMP_TASK_WATCH;
	if (pump->task < PUMP_TASK_HOLD && pump_must_hold(pump))
		pump->task = PUMP_TASK_HOLD;
	pump->mode = modes[pump->task];
	pump->verbatim =
		side_written(pump->decoder.ops) == pump->encoder.ops && pump->task < PUMP_TASK_HOLD;
}

/* Begins to read as one side does and to write as the other one. */
static void pump_speak(struct pump *pump, const struct side_ops *from, const struct side_ops *to)
{
	enum side_role role =
		pump->direction == PUMP_CLIENT_TO_BACKEND ? SIDE_FROM_CLIENT : SIDE_FROM_SERVER;
	uint64_t offset = pump->decoder.offset;

	assert(from->next != NULL && to->begin != NULL);
	side_decoder_init(&pump->decoder, from, role);
	pump->decoder.offset = offset;
	side_encoder_init(&pump->encoder, to, role, &pump->loop->ids, side_written(from) != to);
	pump->lines = side_has(from, SIDE_FREE_TEXT) ? PUMP_LINES_UNHEARD : PUMP_LINES_MESSAGES;
	pump->checks_text = side_has(to, SIDE_CHECKS_TEXT) && !side_has(from, SIDE_CHECKS_TEXT);
	pump->collects = side_has(to, SIDE_ONE_FRAME) && !side_has(from, SIDE_ONE_FRAME);
	pump_choose_task(pump);
}

/* Sizes were announced by one side: no byte may come or go, whoever sends it. */
static void pump_find_sized(struct pump *pump)
{
	struct pump *other = pump->back;

	pump->lines = PUMP_LINES_SIZED;
	other->lines = PUMP_LINES_SIZED;
	if (pump_flows(other) && other->splice == NULL)
		pump_choose_task(other); /* else at the end of its message */
	pump->hooks->not_lines(pump, true);
}

/*
 * A message has ended that was not as it should be, or of a source that is not known to send such.
 */
__attribute__((noinline)) static void pump_look_closer(
	struct pump *pump, const struct splice *splice, unsigned troubles)
{
	enum splice_form form = splice_form(splice);

	if (pump->lines == PUMP_LINES_UNHEARD || pump->lines == PUMP_LINES_FOREIGN) {
		if (form == SPLICE_FORM_FIELD) {
			pump_find_sized(pump);
		} else if (form == SPLICE_FORM_MESSAGE) {
			pump->lines = PUMP_LINES_MESSAGES;
			pump->decoder.ops = side_written(pump->decoder.ops);
		} else if (form == SPLICE_FORM_FOREIGN && pump->lines == PUMP_LINES_UNHEARD) {
			pump->lines = PUMP_LINES_FOREIGN;
			pump->hooks->not_lines(pump, false);
		}
	}
	pump_choose_task(pump);
	if (troubles != 0)
		pump->hooks->troubles(pump, troubles);
}

/* A message has been read to its end. */
static inline void pump_look_back(struct pump *pump, const struct splice *splice, unsigned troubles)
{
	if (troubles != 0 || pump->lines != PUMP_LINES_MESSAGES)
		pump_look_closer(pump, splice, troubles);
}

/* Looks at a message that is all there and goes on as it is. */
static void pump_watch(struct pump *pump, const struct side_chunk *chunk)
{
	struct loop *loop = pump->loop;
	struct splice *splice = generation_splice_get(pump->generation);
	unsigned troubles;

	if (splice == NULL) {
		loop->counters.messages_no_memory++;
		return;
	}
	troubles = splice_watch(splice, &pump->hooks->message, pump, chunk->bytes, chunk->size);
	pump_look_back(pump, splice, troubles);
	generation_splice_put(pump->generation, splice);
}

/* The same, and sends it; its end is in what lies in the input, too. */
static void pump_pass(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	pump->message_start_ns = pump->loop->now_ns;
	if (chunk->frame.text && chunk->size > 0 && pump->task != PUMP_TASK_NONE)
		pump_watch(pump, chunk);
	sink_pass(sink, chunk->wire, chunk->wire_size);
}

/* Whether the destination's side can carry the message at all. */
static bool pump_deliverable(const struct pump *pump, const struct side_chunk *chunk)
{
	if (!chunk->frame.text)
		return side_has(pump->encoder.ops, SIDE_BINARY);
	return !(chunk->last && chunk->size == 0 && pump_must_hold(pump)); /* a blank line */
}

static void pump_message_begin(struct pump *pump, const struct side_chunk *chunk)
{
	struct loop *loop = pump->loop;

	assert(pump->splice == NULL);
	pump->message_start_ns = loop->now_ns;
	pump->framing = PUMP_UNFRAMED;
	if (!pump_deliverable(pump, chunk)) {
		pump->framing = PUMP_DROPPED;
		pump->hooks->undeliverable(pump);
		return;
	}
	if (chunk->last && chunk->size == 0)
		return; /* a blank line */
	if (!chunk->frame.text || pump->task == PUMP_TASK_NONE)
		return;
	pump->splice = generation_splice_get(pump->generation);
	if (pump->splice == NULL) {
		loop->counters.messages_no_memory++;
		return;
	}
	splice_begin(pump->splice, pump->mode, &pump->hooks->message, pump);
	if (!side_has(pump->encoder.ops, SIDE_SIZE_FIRST))
		return;
	splice_hold_all(pump->splice);
	if (!chunk->last && pump->mode != SPLICE_WATCH &&
		side_has(pump->encoder.ops, SIDE_ONE_FRAME))
		splice_promise(pump->splice);
}

/* The message has been written: what it needed is given back. */
static void pump_message_end(struct pump *pump)
{
	if (pump->splice == NULL)
		return;
	pump_look_back(pump, pump->splice, splice_troubles(pump->splice));
	generation_splice_put(pump->generation, pump->splice);
	pump->splice = NULL;
}

/* Writes a piece in the frame that it came in. */
static void pump_mirror(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	const struct side_ops *ops = pump->encoder.ops;

	if (pump->framing == PUMP_DROPPED)
		return;
	pump->framing = PUMP_MIRRORED;
	if (pump->verbatim && chunk->wire != NULL) {
		sink_pass(sink, chunk->wire, chunk->wire_size);
		return;
	}
	if (chunk->frame_first)
		ops->begin(&pump->encoder, sink, &chunk->frame);
	ops->data(&pump->encoder, sink, chunk->bytes, chunk->size);
	if (chunk->last)
		ops->end(&pump->encoder, sink, true);
}

/* Writes what a splice has let go as one frame. */
static inline void pump_write_pieces(struct pump *pump, struct sink *sink,
	const struct splice *splice, const struct side_frame *frame)
{
	size_t count, total, i;
	const struct splice_piece *pieces = splice_pieces(splice, &count, &total);

	pump->encoder.ops->begin(&pump->encoder, sink, frame);
	for (i = 0; i < count; i++)
		pump->encoder.ops->data(&pump->encoder, sink, pieces[i].bytes, pieces[i].size);
}

/*
 * The message outgrew the hold and nothing in it will be changed: from here on it goes in the
 * frames it comes in, beginning with the rest of the current one.
 */
static void pump_mirror_rest(struct pump *pump, struct sink *sink)
{
	struct side_frame rest = pump->decoder.frame;

	pump->framing = PUMP_MIRRORED;
	if (pump->decoder.frame_left == 0)
		return;
	rest.first = false;
	rest.masked = false; /* its key is in use for what was held: draw a fresh one */
	rest.size = pump->decoder.frame_left;
	pump->encoder.ops->begin(&pump->encoder, sink, &rest);
}

static void pump_edit(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	struct side_frame frame = {.text = true, .last = chunk->last};
	size_t count;

	(void)splice_pieces(pump->splice, &count, &frame.size);
	if (frame.size == 0 && !chunk->last)
		return; /* held */
	frame.first = pump->framing == PUMP_UNFRAMED;
	if (!chunk->last && side_has(pump->encoder.ops, SIDE_ONE_FRAME))
		frame.size = chunk->frame.size + splice_growth(pump->splice);
	if (frame.first &&
		chunk->last) { /* a small message: one frame, with the client's own key */
		frame.masked = chunk->frame.masked;
		memcpy(frame.mask_key, chunk->frame.mask_key, sizeof frame.mask_key);
	}
	pump->framing = PUMP_REFRAMED;
	pump_write_pieces(pump, sink, pump->splice, &frame);
	if (!chunk->last && !splice_may_edit(pump->splice) && frame.first &&
		!side_has(pump->encoder.ops, SIDE_ONE_FRAME))
		pump_mirror_rest(pump, sink);
}

/*
 * Edits and sends a message that is all there, in one frame; false: it must go piece by piece.
 */
static bool pump_edit_whole(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	const struct side_ops *ops = pump->encoder.ops;
	struct side_frame frame = chunk->frame;
	struct splice *splice;
	unsigned troubles;
	size_t count;

	if (!frame.text || chunk->size == 0 || chunk->size > SPLICE_HOLD_MAX || pump->checks_text)
		return false;
	pump->message_start_ns = pump->loop->now_ns;
	pump->framing = PUMP_REFRAMED;
	splice = generation_splice_get(pump->generation);
	if (splice == NULL) {
		pump->loop->counters.messages_no_memory++;
		pump_mirror(pump, sink, chunk);
		return true;
	}
	troubles = splice_edit_whole(
		splice, pump->mode, &pump->hooks->message, pump, chunk->bytes, chunk->size);
	(void)splice_pieces(splice, &count, &frame.size);
	frame.first = frame.last = true;
	pump_write_pieces(pump, sink, splice, &frame);
	ops->end(&pump->encoder, sink, true);
	pump_look_back(pump, splice, troubles);
	generation_splice_put(pump->generation, splice);
	return true;
}

static void pump_reframe(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	pump_edit(pump, sink, chunk);
	if (chunk->last)
		pump->encoder.ops->end(&pump->encoder, sink, true);
}

/*
 * Lines may be any bytes, text frames only UTF-8 (RFC 6455, 5.6): a line that is not ends it all.
 */
static bool pump_is_text(struct pump *pump, const struct side_chunk *chunk)
{
	if (chunk->first)
		pump->utf8_state = UTF8_COMPLETE;
	if (utf8_check(&pump->utf8_state, chunk->bytes, chunk->size) == chunk->size &&
		!(chunk->last && pump->utf8_state != UTF8_COMPLETE))
		return true;
	pump->decoder.error = (struct side_error){
		.goodbye = SIDE_NOT_TEXT,
		.reason = "a line that is not UTF-8",
		.offset = pump->decoder.offset,
	};
	return false;
}

/* False: it cannot go on, see decoder.error. Inlined where all messages pass. */
static inline __attribute__((always_inline)) bool pump_data(
	struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	if (pump->tells_text && chunk->frame.text)
		pump->hooks->text(pump, chunk);
	if (chunk->first && chunk->last) {
		if (pump->verbatim && chunk->wire != NULL) {
			pump_pass(pump, sink, chunk);
			return true;
		}
		if (pump->task > PUMP_TASK_WATCH && pump_edit_whole(pump, sink, chunk))
			return true;
	}
	if (chunk->first)
		pump_message_begin(pump, chunk);
	if (pump->checks_text && !pump_is_text(pump, chunk))
		return false;
	if (pump->splice != NULL)
		splice_feed(pump->splice, chunk->bytes, chunk->size, chunk->last);
	if (pump->splice == NULL || pump->framing == PUMP_MIRRORED || pump->task <= PUMP_TASK_WATCH)
		pump_mirror(pump, sink, chunk);
	else
		pump_reframe(pump, sink, chunk);
	if (chunk->last)
		pump_message_end(pump);
	return true;
}

/* The same for what passes now and then. */
__attribute__((noinline)) static bool pump_data_late(
	struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	return pump_data(pump, sink, chunk);
}

/* ---- messages whose size must be known first ---- */

static void pump_collect_done(struct pump *pump)
{
	free(pump->collected);
	pump->collected = NULL;
	pump->collected_size = pump->collected_room = 0;
}

/* Keeps a piece. False: the message is too long, or memory is. */
static bool pump_collect_piece(struct pump *pump, const struct side_chunk *chunk)
{
	size_t size_max = (size_t)pump->loop->config->reframe_bytes_max;
	size_t size = pump->collected_size + chunk->size, room = pump->collected_room;
	uint8_t *bytes = pump->collected;

	if (chunk->size > size_max || size > size_max)
		return false;
	if (size > room) {
		room = 2 * size < size_max ? 2 * size : size_max;
		bytes = realloc(bytes, room);
		if (bytes == NULL)
			return false;
		pump->collected = bytes;
		pump->collected_room = room;
	}
	if (chunk->size > 0)
		memcpy(bytes + pump->collected_size, chunk->bytes, chunk->size);
	pump->collected_size = size;
	return true;
}

/*
 * Gives pieces to pump_data() that say the size of their whole message: as they come where that is
 * known, else all at once when the last one has come.
 */
static bool pump_collect(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	struct side_chunk whole = *chunk;
	bool carried;

	assert(pump->collects);
	if (chunk->first)
		pump->collecting = !chunk->frame.text || (chunk->frame.first && chunk->frame.last)
					   ? PUMP_COLLECTS_NOTHING
					   : PUMP_COLLECTS;
	if (pump->collecting == PUMP_COLLECTS_NOTHING)
		return pump_data_late(pump, sink, chunk);
	if (pump->collecting == PUMP_COLLECTS && !pump_collect_piece(pump, chunk)) {
		pump->collecting = PUMP_COLLECTS_NO_MORE;
		pump_collect_done(pump);
		pump->hooks->undeliverable(pump);
	}
	if (pump->collecting == PUMP_COLLECTS_NO_MORE || !chunk->last)
		return true;
	whole.bytes = pump->collected;
	whole.size = pump->collected_size;
	whole.first = whole.frame_first = true;
	whole.frame =
		(struct side_frame){.text = true, .first = true, .last = true, .size = whole.size};
	whole.wire = NULL;
	carried = pump_data_late(pump, sink, &whole);
	pump_flush(sink, pump); /* before the bytes go */
	pump_collect_done(pump);
	return carried;
}

/* ---- control frames ---- */

/* Whether a frame was announced whose payload is not complete: nothing may come between. */
static bool pump_inside_frame(const struct pump *pump)
{
	return pump->framing == PUMP_MIRRORED && pump->decoder.in_message &&
	       pump->decoder.frame_left > 0;
}

/* Nothing follows what was written. */
static void pump_close_output(struct pump *pump)
{
	if (pump->output == PUMP_OUTPUT_OPEN)
		pump->output = PUMP_OUTPUT_CLOSED;
}

/* Whether something may be sent between messages, now. */
static bool pump_may_interrupt(const struct pump *pump)
{
	return pump->output == PUMP_OUTPUT_OPEN && pump->encoder.ops != NULL &&
	       side_has(pump->encoder.ops, SIDE_CONTROLS) && !pump_inside_frame(pump);
}

/* Sends something to the peer that this pump writes to, outside of a wake-up's own sink. */
static void pump_send_control(
	struct pump *pump, enum side_control what, const uint8_t *bytes, size_t size)
{
	uint8_t scratch[SINK_SIZE_MIN];
	struct sink sink = pump_sink(pump, scratch, sizeof scratch);

	if (!pump_may_interrupt(pump))
		return;
	pump->encoder.ops->control(&pump->encoder, &sink, what, bytes, size);
	pump_flush(&sink, pump);
	if (what == SIDE_CLOSE)
		pump_close_output(pump);
}

void pump_send_goodbye(struct pump *pump, enum side_goodbye why, const char *reason)
{
	uint8_t scratch[SINK_SIZE_MIN];
	struct sink sink = pump_sink(pump, scratch, sizeof scratch);

	if (!pump_may_interrupt(pump))
		return;
	pump->encoder.ops->part(&pump->encoder, &sink, why, reason);
	pump_flush(&sink, pump);
	pump_close_output(pump);
}

/* A peer that sends pings but reads no pongs gets no more of them (RFC 6455, 5.5.3). */
static void pump_answer_ping(struct pump *back, const struct side_chunk *chunk)
{
	struct loop *loop = back->loop;

	if (endpoint_backlog(back->to) < (size_t)loop->config->backlog_bytes_max)
		pump_send_control(back, SIDE_PONG, chunk->bytes, chunk->size);
	else
		loop->counters.pings_unanswered++;
}

static void pump_control(struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	bool closes = chunk->control == SIDE_CLOSE;

	if (closes)
		pump->hooks->closing(pump);
	if (side_has(pump->encoder.ops, SIDE_CONTROLS))
		pump->encoder.ops->control(
			&pump->encoder, sink, chunk->control, chunk->bytes, chunk->size);
	else if (chunk->control == SIDE_PING) /* we answer in place of the counterpart */
		pump_answer_ping(pump->back, chunk);
	else if (closes && pump->direction == PUMP_BACKEND_TO_CLIENT)
		pump_send_control(pump->back, SIDE_CLOSE, chunk->bytes, chunk->size);
	if (closes)
		pump_close_output(pump); /* to be passed on as an end of file, where need be */
}

/* ---- reading ---- */

static enum side_result pump_decode(
	struct pump *pump, struct sink *sink, uint8_t *bytes, size_t size);

/*
 * Both directions go on as that side, unless there has been a line in one of them already that was
 * a message, or is not complete. False: it is too late.
 */
static bool pump_become(struct pump *pump, const struct side_ops *side)
{
	struct pump *pumps[2] = {pump, pump->back};
	struct side_chunk rest;
	size_t i;

	for (i = 0; i < 2; i++)
		if (pumps[i]->decoder.ops->writes == NULL || pumps[i]->decoder.in_message ||
			pump_is_over(pumps[i]))
			return false;
	for (i = 0; i < 2; i++) {
		uint8_t kept[PUMP_KEPT_MAX], *at = kept;
		bool keeps = i == 1 && pumps[i]->decoder.ops->rest(&pumps[i]->decoder, &rest);
		size_t size = keeps ? rest.size : 0;

		assert(size <= sizeof kept);
		if (keeps)
			memcpy(kept, rest.bytes, size);
		pump_speak(pumps[i], side, side);
		if (keeps) /* a word, which is no message yet */
			(void)side->next(&pumps[i]->decoder, &at, &size, &rest);
	}
	return true;
}

/* The source turns out to speak something else. What said so is carried as that. */
static enum side_result pump_other(
	struct pump *pump, struct sink *sink, const struct side_chunk *chunk)
{
	uint8_t word[PUMP_KEPT_MAX];
	const struct side_ops *side = chunk->other;
	size_t size = chunk->size;
	enum side_result result;

	assert(size <= sizeof word);
	memcpy(word, chunk->bytes, size);
	if (side == NULL || !pump_become(pump, side)) {
		pump_speak(pump, side_written(pump->decoder.ops), pump->encoder.ops);
		if (side == NULL) {
			pump->wanted = pump->back->wanted = PUMP_TASK_NONE;
			pump_choose_task(pump);
			if (pump->back->splice == NULL)
				pump_choose_task(pump->back);
		} else {
			pump_find_sized(pump);
			pump_choose_task(pump);
		}
	}
	if (side == NULL || pump->decoder.ops == side)
		pump->hooks->other(pump, side);
	result = pump_decode(pump, sink, word, size); /* which will find nothing else again */
	if (sink->run_size > 0)
		sink_end_run(sink); /* it would end in our word */
	return result;
}

/* What is no piece of a message. SIDE_BAD: it cannot go on. */
__attribute__((noinline)) static enum side_result pump_not_data(struct pump *pump,
	struct sink *sink, const struct side_chunk *chunk, enum side_result result)
{
	if (result == SIDE_OTHER)
		return pump_other(pump, sink, chunk);
	if (result == SIDE_CONTROL)
		pump_control(pump, sink, chunk);
	else if (result == SIDE_BETWEEN && pump->decoder.ops == pump->encoder.ops)
		sink_pass(sink, chunk->bytes, chunk->size);
	return result;
}

static enum side_result pump_decode(
	struct pump *pump, struct sink *sink, uint8_t *bytes, size_t size)
{
	struct side_chunk chunk;
	enum side_result result;

	while (pump->output != PUMP_OUTPUT_CLOSED) {
		result = pump->decoder.ops->next(&pump->decoder, &bytes, &size, &chunk);
		if (result == SIDE_DATA) {
			if (!(pump->collects ? pump_collect(pump, sink, &chunk)
					     : pump_data(pump, sink, &chunk)))
				return SIDE_BAD;
			continue;
		}
		if (result == SIDE_MORE)
			return result;
		result = pump_not_data(pump, sink, &chunk, result);
		if (result == SIDE_BAD)
			return result;
	}
	return SIDE_MORE; /* nothing may follow a close frame */
}

/*
 * A close frame came from a WebSocket whose counterpart knows only ends of files. A backend that
 * has closed (and was answered) takes no more either.
 */
static void pump_end_closed(struct pump *pump)
{
	assert(pump->output == PUMP_OUTPUT_CLOSED);
	pump_end(pump);
	if (pump->direction == PUMP_BACKEND_TO_CLIENT)
		pump_end(pump->back);
}

void pump_take(struct pump *pump, uint8_t *bytes, size_t size)
{
	struct loop *loop = pump->loop;
	struct pump *back = pump->back;
	struct sink sink = pump_sink(pump, loop->write_bytes, LOOP_WRITE_SIZE);
	enum side_result result;

	assert(pump_flows(pump));
	result = pump_decode(pump, &sink, bytes, size);
	pump_flush(&sink, pump);
	pump_wrote(pump);
	if (back->output == PUMP_OUTPUT_FAILED && pump_flows(back))
		back->hooks->write_failed(back); /* the answer to a control frame */
	if (pump_is_over(pump))
		return;
	if (result == SIDE_BAD)
		pump->hooks->broken(pump);
	else if (pump->output == PUMP_OUTPUT_CLOSED && !side_has(pump->encoder.ops, SIDE_CONTROLS))
		pump_end_closed(pump);
}

void pump_readable(struct pump *pump)
{
	struct loop *loop = pump->loop;
	ssize_t n = endpoint_read(pump->from, loop->read_bytes, LOOP_READ_SIZE);
	int error = n < 0 ? errno : 0;

	assert(pump_flows(pump));
	if (error == EAGAIN)
		return;
	loop_clock(loop);
	if (n > 0)
		pump_take(pump, loop->read_bytes, (size_t)n);
	else if (endpoint_error_is_ours(error))
		pump->hooks->failed(pump, error);
	else
		pump_end(pump); /* an error is the end too: what came before it is delivered */
}

/* ---- ends ---- */

/* The source ended inside a message: it goes out as far as it came. */
static void pump_cut_message(struct pump *pump)
{
	uint8_t none;
	struct sink sink = pump_sink(pump, pump->loop->write_bytes, LOOP_WRITE_SIZE);
	struct side_chunk chunk;
	size_t count, total;

	assert(pump_flows(pump));
	if (pump->decoder.ops->rest != NULL && pump->decoder.ops->rest(&pump->decoder, &chunk))
		(void)pump_data_late(pump, &sink, &chunk); /* a word of a line */
	chunk = (struct side_chunk){.bytes = &none, .last = true, .frame = pump->decoder.frame};
	if (pump->collects && pump->collecting != PUMP_COLLECTS_NOTHING) {
		if (pump->decoder.ops->finish(&pump->decoder))
			(void)pump_collect(pump, &sink, &chunk);
		pump_collect_done(pump);
		pump_flush(&sink, pump);
		return;
	}

	if (pump->decoder.ops->finish(&pump->decoder)) {
		if (pump->tells_text)
			pump->hooks->text(pump, &chunk);
		if (pump->splice != NULL) {
			splice_feed(pump->splice, &none, 0, true);
			if (pump->framing != PUMP_MIRRORED && pump->task > PUMP_TASK_WATCH)
				pump_edit(pump, &sink, &chunk);
		}
		if (pump->framing == PUMP_MIRRORED && pump_must_hold(pump))
			pump->encoder.ops->begin(&pump->encoder, &sink,
				&(struct side_frame){.text = true, .last = true});
		if (pump->framing != PUMP_DROPPED)
			pump->encoder.ops->end(&pump->encoder, &sink, false);
		pump_message_end(pump);
	} else if (pump->splice != NULL) {
		splice_abandon(pump->splice);
		(void)splice_pieces(pump->splice, &count, &total);
		if (total > 0)
			pump_write_pieces(pump, &sink, pump->splice,
				&(struct side_frame){.text = true,
					.first = pump->framing == PUMP_UNFRAMED,
					.size = side_has(pump->encoder.ops, SIDE_ONE_FRAME)
							? pump->decoder.frame.size
							: total});
	}
	pump_flush(&sink, pump);
}

/* Whether the destination is gone, or was sent a close frame. */
static bool pump_says_no_more(const struct pump *pump)
{
	return pump->output == PUMP_OUTPUT_FAILED ||
	       (pump->output == PUMP_OUTPUT_CLOSED && side_has(pump->encoder.ops, SIDE_CONTROLS));
}

/* Whether the source ends inside a message, or its first word. */
static bool pump_is_inside(const struct pump *pump)
{
	return pump->decoder.in_message || pump->decoder.ops->rest != NULL;
}

void pump_end(struct pump *pump)
{
	if (pump_is_over(pump))
		return;
	endpoint_pause(pump->from);
	if (pump_flows(pump) && pump_is_inside(pump) && !pump_says_no_more(pump))
		pump_cut_message(pump);
	pump->state = PUMP_ENDED;
	pump->hooks->ended(pump);
}

void pump_pass_end(struct pump *pump)
{
	if (pump->encoder.ops != NULL && !side_has(pump->decoder.ops, SIDE_CONTROLS))
		pump_send_goodbye(pump, SIDE_DONE, "");
	if (pump->output == PUMP_OUTPUT_FAILED || pump->to->state != ENDPOINT_OPEN)
		pump_ended(pump);
	else
		endpoint_shutdown(pump->to); /* ENDPOINT_SHUT leads to pump_ended() */
}

void pump_ended(struct pump *pump)
{
	if (pump->state != PUMP_ENDED)
		return;
	pump->state = PUMP_DONE;
	pump->hooks->done(pump);
}

/* ---- life ---- */

void pump_init_pair(struct pump pumps[2], struct loop *loop, struct generation *generation,
	const struct pump_hooks *hooks, void *owner, struct endpoint *client,
	struct endpoint *backend)
{
	struct pump pump = {.hooks = hooks,
		.owner = owner,
		.loop = loop,
		.generation = generation,
		.state = PUMP_IDLE};

	assert(client != backend);
	pump.direction = PUMP_CLIENT_TO_BACKEND;
	pump.from = client;
	pump.to = backend;
	pump.back = &pumps[PUMP_BACKEND_TO_CLIENT];
	pumps[PUMP_CLIENT_TO_BACKEND] = pump;
	pump.direction = PUMP_BACKEND_TO_CLIENT;
	pump.from = backend;
	pump.to = client;
	pump.back = &pumps[PUMP_CLIENT_TO_BACKEND];
	pumps[PUMP_BACKEND_TO_CLIENT] = pump;
}

void pump_open(struct pump *pump, const struct side_ops *from, const struct side_ops *to,
	enum pump_task wanted)
{
	assert(pump->state == PUMP_IDLE && wanted != PUMP_TASK_HOLD);
	pump->wanted = wanted;
	pump_speak(pump, from, side_written(to));
	pump->state = PUMP_FLOWING;
}

void pump_write_failed(struct pump *pump)
{
	pump->output = PUMP_OUTPUT_FAILED;
	pump->hooks->write_failed(pump);
}

void pump_silence(struct pump *pump)
{
	pump->state = PUMP_DONE;
}

void pump_done(struct pump *pump)
{
	pump_collect_done(pump);
	if (pump->splice != NULL)
		generation_splice_put(pump->generation, pump->splice);
	pump->splice = NULL;
}
