/*
 * The flow of one direction; see pump.h. Every wake-up is one read into the loop's scratch memory,
 * the messages in it one after the other through decoder, splice and encoder, and one write of
 * what came out. A message is mirrored in its own frames unless it may be edited and is longer than
 * the splice holds. Nothing here closes or frees: ends and failures are told to the session.
 */
#include "proxy/pump.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "config/config.h"
#include "proxy/codec/utf8.h"
#include "proxy/ending.h"
#include "proxy/endpoint/endpoint.h"
#include "proxy/loop.h"
#include "proxy/message/splice.h"
#include "proxy/session.h"
#include "proxy/trace/tracer.h"

enum { PUMP_OPCODE_CLOSE = 8, PUMP_OPCODE_PING = 9, PUMP_OPCODE_PONG = 10 };

/* ---- writing ---- */

static void pump_flush(struct sink *sink, void *arg)
{
	struct pump *pump = arg;

	const uint8_t *bytes = sink->run_size > 0 ? sink->run : sink->bytes;
	size_t size = sink->run_size > 0 ? sink->run_size : sink->used;

	if (size > 0 && !pump->write_failed && endpoint_write(pump->to, bytes, size) != 0)
		pump->write_failed = true;
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
	struct session *session = pump->session;

	if (pump->write_failed) {
		ending_write_failed(session, pump);
		return;
	}
	if (!pump->throttled &&
		endpoint_backlog(pump->to) >= (size_t)session->loop->config->backlog_bytes_max) {
		pump->throttled = true;
		endpoint_pause(pump->from);
	}
}

void pump_drained(struct pump *pump)
{
	if (!pump->throttled)
		return;
	pump->throttled = false;
	if (pump->state == PUMP_FLOWING)
		endpoint_resume(pump->from);
}

/* ---- what the splice asks for ---- */

static size_t pump_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct pump *pump = arg;

	if (!pump->injects || pump->session->trace == NULL)
		return 0; /* it is held for the sake of its frame only */
	if (pump->direction == PUMP_BACKEND_TO_CLIENT)
		return tracer_server_carrier(
			pump->session->trace, envelope, pump->session->loop->now_ns, text);
	return tracer_carrier(pump->session->trace, envelope, text);
}

static void pump_on_envelope(void *arg, const struct envelope *envelope)
{
	struct pump *pump = arg;
	struct session *session = pump->session;

	if (session->trace == NULL)
		return;
	if (pump->direction == PUMP_CLIENT_TO_BACKEND)
		tracer_client_message(
			session->trace, envelope, pump->message_start_ns, session->loop->now_ns);
	else
		tracer_backend_message(session->trace, envelope, session->loop->now_ns);
}

static const struct splice_hooks pump_hooks = {
	.carrier = pump_on_carrier,
	.envelope = pump_on_envelope,
};

/* ---- messages ---- */

/* What is done to messages, as the settings and what is known of the lines say. */
static void pump_choose_mode(struct pump *pump)
{
	const struct session *session = pump->session;
	const struct config *config = session->loop->config;
	bool from_client = pump->direction == PUMP_CLIENT_TO_BACKEND;
	bool edits = pump->lines < PUMP_LINES_FOREIGN;

	pump->injects = edits && session->trace != NULL && config->propagation_inject[0] == '/' &&
			(from_client || config->propagation_inject_server_requests);
	if (pump->injects)
		pump->mode = SPLICE_INJECT;
	else if (edits && from_client && config->propagation_strip)
		pump->mode = SPLICE_STRIP;
	else
		pump->mode = pump->must_hold ? SPLICE_INJECT : SPLICE_WATCH;
	pump->verbatim = pump->decoder.ops == pump->encoder.ops && pump->mode == SPLICE_WATCH;
}

/* Sizes were announced by one side: no byte may come or go, whoever sends it. */
static void pump_find_sized(struct pump *pump)
{
	struct pump *other = &pump->session->pumps[!pump->direction];

	pump->lines = PUMP_LINES_SIZED;
	other->lines = PUMP_LINES_SIZED;
	other->injects = false;
	if (other->state == PUMP_FLOWING && other->splice == NULL)
		pump_choose_mode(other); /* else at the end of its message */
	session_not_lines(pump->session, pump, true);
}

/* A message has ended that was not as it should be, or of a source that is not known to send such.
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
		} else if (form == SPLICE_FORM_FOREIGN && pump->lines == PUMP_LINES_UNHEARD) {
			pump->lines = PUMP_LINES_FOREIGN;
			session_not_lines(pump->session, pump, false);
		}
	}
	pump_choose_mode(pump);
	if (troubles != 0)
		session_troubles(pump->session, pump, troubles);
}

/* A message has been read to its end. */
static inline void pump_look_back(struct pump *pump, const struct splice *splice, unsigned troubles)
{
	if (troubles != 0 || pump->lines != PUMP_LINES_MESSAGES)
		pump_look_closer(pump, splice, troubles);
}

/* Looks at a message that is all there and goes on as it is. */
static void pump_watch(struct pump *pump, const struct codec_chunk *chunk)
{
	struct loop *loop = pump->session->loop;
	struct splice *splice = loop_splice_get(loop);
	unsigned troubles;

	if (splice == NULL) {
		loop->counters.messages_no_memory++;
		return;
	}
	troubles = splice_watch(splice, &pump_hooks, pump, chunk->bytes, chunk->size);
	pump_look_back(pump, splice, troubles);
	loop_splice_put(loop, splice);
}

/* The same, and sends it; its end is in what lies in the input, too. */
static void pump_pass(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	pump->message_start_ns = pump->session->loop->now_ns;
	if (chunk->frame.text && chunk->size > 0 && pump->session->trace != NULL)
		pump_watch(pump, chunk);
	sink_pass(sink, chunk->wire, chunk->wire_size);
}

/* Whether the destination's codec can carry the message at all. */
static bool pump_deliverable(const struct pump *pump, const struct codec_chunk *chunk)
{
	if (!chunk->frame.text)
		return pump->encoder.ops->has_binary;
	return !(pump->must_hold && chunk->last && chunk->size == 0); /* a blank line */
}

static void pump_message_begin(struct pump *pump, const struct codec_chunk *chunk)
{
	struct loop *loop = pump->session->loop;
	assert(pump->splice == NULL);
	pump->message_start_ns = loop->now_ns;
	pump->framing = PUMP_UNFRAMED;
	if (!pump_deliverable(pump, chunk)) {
		pump->framing = PUMP_DROPPED;
		session_undeliverable(pump->session, pump);
		return;
	}
	if (chunk->last && chunk->size == 0)
		return; /* a blank line */
	if (!chunk->frame.text || (pump->mode == SPLICE_WATCH && pump->session->trace == NULL))
		return;
	pump->splice = loop_splice_get(loop);
	if (pump->splice == NULL) {
		loop->counters.messages_no_memory++;
		return;
	}
	splice_begin(pump->splice, pump->mode, &pump_hooks, pump);
	if (pump->encoder.ops->length_first)
		splice_hold_all(pump->splice);
}

/* The message has been written: what it needed is given back. */
static void pump_message_end(struct pump *pump)
{
	if (pump->splice == NULL)
		return;
	pump_look_back(pump, pump->splice, splice_troubles(pump->splice));
	loop_splice_put(pump->session->loop, pump->splice);
	pump->splice = NULL;
}

/* Writes a piece in the frame that it came in. */
static void pump_mirror(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	const struct codec_ops *ops = pump->encoder.ops;

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

/* Writes what the splice has let go as one frame. */
static void pump_write_pieces(struct pump *pump, struct sink *sink, const struct codec_frame *frame)
{
	size_t count, total, i;
	const struct splice_piece *pieces = splice_pieces(pump->splice, &count, &total);

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
	struct codec_frame rest = pump->decoder.frame;

	pump->framing = PUMP_MIRRORED;
	if (pump->decoder.frame_left == 0)
		return;
	rest.first = false;
	rest.masked = false; /* its key is in use for what was held: draw a fresh one */
	rest.size = pump->decoder.frame_left;
	pump->encoder.ops->begin(&pump->encoder, sink, &rest);
}

static void pump_edit(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	struct codec_frame frame = {.text = true, .last = chunk->last};
	size_t count;

	(void)splice_pieces(pump->splice, &count, &frame.size);
	if (frame.size == 0 && !chunk->last)
		return; /* held */
	frame.first = pump->framing == PUMP_UNFRAMED;
	if (frame.first &&
		chunk->last) { /* a small message: one frame, with the client's own key */
		frame.masked = chunk->frame.masked;
		memcpy(frame.mask_key, chunk->frame.mask_key, sizeof frame.mask_key);
	}
	pump->framing = PUMP_REFRAMED;
	pump_write_pieces(pump, sink, &frame);
	if (!chunk->last && !splice_may_edit(pump->splice) && frame.first)
		pump_mirror_rest(pump, sink);
}

static void pump_reframe(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	pump_edit(pump, sink, chunk);
	if (chunk->last)
		pump->encoder.ops->end(&pump->encoder, sink, true);
}

/* Lines may be any bytes, text frames only UTF-8 (RFC 6455, 5.6): a line that is not ends it all.
 */
static bool pump_is_text(struct pump *pump, const struct codec_chunk *chunk)
{
	if (chunk->first)
		pump->utf8_state = UTF8_COMPLETE;
	pump->not_text |= utf8_check(&pump->utf8_state, chunk->bytes, chunk->size) != chunk->size ||
			  (chunk->last && pump->utf8_state != UTF8_COMPLETE);
	return !pump->not_text;
}

static void pump_data(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	if (pump->verbatim && chunk->wire != NULL && chunk->first && chunk->last) {
		pump_pass(pump, sink, chunk);
		return;
	}
	if (chunk->first)
		pump_message_begin(pump, chunk);
	if (pump->must_hold && !pump_is_text(pump, chunk))
		return; /* pump_decode() sees it */
	if (pump->splice != NULL)
		splice_feed(pump->splice, chunk->bytes, chunk->size, chunk->last);
	if (pump->splice == NULL || pump->framing == PUMP_MIRRORED || pump->mode == SPLICE_WATCH)
		pump_mirror(pump, sink, chunk);
	else
		pump_reframe(pump, sink, chunk);
	if (chunk->last)
		pump_message_end(pump);
}

/* ---- control frames ---- */

/* Whether a frame was announced whose payload is not complete: nothing may come between. */
static bool pump_inside_frame(const struct pump *pump)
{
	return pump->framing == PUMP_MIRRORED && pump->decoder.in_message &&
	       pump->decoder.frame_left > 0;
}

/* Sends a control frame to the peer that this pump writes to, outside of a wake-up's own sink. */
static void pump_send_control(struct pump *pump, uint8_t opcode, const uint8_t *bytes, size_t size)
{
	uint8_t scratch[SINK_SIZE_MIN];
	struct sink sink = pump_sink(pump, scratch, sizeof scratch);

	if (pump->closing || !pump->encoder.ops->has_control || pump_inside_frame(pump))
		return;
	pump->encoder.ops->control(&pump->encoder, &sink, opcode, bytes, size);
	pump_flush(&sink, pump);
	pump->closing = opcode == PUMP_OPCODE_CLOSE;
}

void pump_send_close(struct pump *pump, uint16_t code, const char *reason)
{
	uint8_t body[125];
	size_t size = strlen(reason);

	assert(size <= sizeof body - 2);
	body[0] = (uint8_t)(code >> 8);
	body[1] = (uint8_t)code;
	memcpy(body + 2, reason, size);
	pump_send_control(pump, PUMP_OPCODE_CLOSE, body, size + 2);
}

/* A peer that sends pings but reads no pongs gets no more of them (RFC 6455, 5.5.3). */
static void pump_answer_ping(struct pump *back, const struct codec_chunk *chunk)
{
	struct loop *loop = back->session->loop;

	if (endpoint_backlog(back->to) < (size_t)loop->config->backlog_bytes_max)
		pump_send_control(back, PUMP_OPCODE_PONG, chunk->bytes, chunk->size);
	else
		loop->counters.pings_unanswered++;
}

/* The peer's counterpart knows no control frames: we answer in its place. */
static void pump_answer_control(struct pump *pump, const struct codec_chunk *chunk)
{
	struct pump *back = &pump->session->pumps[!pump->direction];

	if (chunk->opcode == PUMP_OPCODE_PING)
		pump_answer_ping(back, chunk);
	else if (chunk->opcode == PUMP_OPCODE_CLOSE)
		pump->closing = true; /* to be passed on as an end of file */
	if (pump->closing && pump->direction == PUMP_BACKEND_TO_CLIENT)
		pump_send_control(back, PUMP_OPCODE_CLOSE, chunk->bytes, chunk->size);
}

static void pump_control(struct pump *pump, struct sink *sink, const struct codec_chunk *chunk)
{
	struct session *session = pump->session;

	if (chunk->opcode == PUMP_OPCODE_CLOSE && pump->direction == PUMP_CLIENT_TO_BACKEND &&
		!session->pumps[PUMP_BACKEND_TO_CLIENT].closing)
		session->client_closing = true;
	if (!pump->encoder.ops->has_control) {
		pump_answer_control(pump, chunk);
		return;
	}
	pump->encoder.ops->control(&pump->encoder, sink, chunk->opcode, chunk->bytes, chunk->size);
	pump->closing |= chunk->opcode == PUMP_OPCODE_CLOSE;
}

/* ---- reading ---- */

static enum codec_result pump_decode(
	struct pump *pump, struct sink *sink, uint8_t *bytes, size_t size)
{
	struct codec_chunk chunk;
	enum codec_result result;

	while (!pump->closing) {
		result = pump->decoder.ops->next(&pump->decoder, &bytes, &size, &chunk);
		if (result == CODEC_DATA)
			pump_data(pump, sink, &chunk);
		if (pump->not_text) {
			pump->decoder.error = (struct codec_error){
				.close_code = 1007,
				.reason = "a line that is not UTF-8",
				.offset = pump->decoder.offset,
			};
			return CODEC_BAD;
		}
		if (result == CODEC_CONTROL)
			pump_control(pump, sink, &chunk);
		else if (result != CODEC_DATA)
			return result;
	}
	return CODEC_MORE; /* nothing may follow a close frame */
}

/*
 * A close frame came from a WebSocket whose counterpart knows only ends of files. A backend that
 * has closed (and was answered) takes no more either.
 */
static void pump_end_closed(struct pump *pump)
{
	pump_end(pump);
	if (pump->direction == PUMP_BACKEND_TO_CLIENT && pump->session->state == SESSION_OPEN)
		pump_end(&pump->session->pumps[PUMP_CLIENT_TO_BACKEND]);
}

void pump_take(struct pump *pump, uint8_t *bytes, size_t size)
{
	struct loop *loop = pump->session->loop;
	struct pump *back = &pump->session->pumps[!pump->direction];
	struct sink sink = pump_sink(pump, loop->write_bytes, LOOP_WRITE_SIZE);
	enum codec_result result;

	result = pump_decode(pump, &sink, bytes, size);
	pump_flush(&sink, pump);
	pump_wrote(pump);
	if (back->write_failed && back->state == PUMP_FLOWING) /* the answer to a control frame */
		ending_write_failed(pump->session, back);
	if (result == CODEC_BAD)
		session_framing_error(pump->session, pump);
	else if (pump->closing && !pump->encoder.ops->has_control)
		pump_end_closed(pump);
}

void pump_readable(struct pump *pump)
{
	struct loop *loop = pump->session->loop;
	ssize_t n = endpoint_read(pump->from, loop->read_bytes, LOOP_READ_SIZE);
	int error = n < 0 ? errno : 0;

	if (error == EAGAIN || error == EWOULDBLOCK)
		return;
	loop_clock(loop);
	if (n > 0)
		pump_take(pump, loop->read_bytes, (size_t)n);
	else if (endpoint_error_is_ours(error))
		session_fail(pump->session, error);
	else
		pump_end(pump); /* an error is the end too: what came before it is delivered */
}

/* ---- ends ---- */

/* The source ended inside a message: it goes out as far as it came. */
static void pump_cut_message(struct pump *pump)
{
	uint8_t none;
	struct sink sink = pump_sink(pump, pump->session->loop->write_bytes, LOOP_WRITE_SIZE);
	struct codec_chunk chunk = {.bytes = &none, .last = true, .frame = pump->decoder.frame};
	size_t count, total;

	if (pump->decoder.ops->finish(&pump->decoder)) {
		if (pump->splice != NULL) {
			splice_feed(pump->splice, &none, 0, true);
			if (pump->framing != PUMP_MIRRORED && pump->mode != SPLICE_WATCH)
				pump_edit(pump, &sink, &chunk);
		}
		if (pump->must_hold && pump->framing == PUMP_MIRRORED)
			pump->encoder.ops->begin(&pump->encoder, &sink,
				&(struct codec_frame){.text = true, .last = true});
		if (pump->framing != PUMP_DROPPED)
			pump->encoder.ops->end(&pump->encoder, &sink, false);
		pump_message_end(pump);
	} else if (pump->splice != NULL) {
		splice_abandon(pump->splice);
		(void)splice_pieces(pump->splice, &count, &total);
		if (total > 0)
			pump_write_pieces(pump, &sink,
				&(struct codec_frame){.text = true,
					.first = pump->framing == PUMP_UNFRAMED,
					.size = total});
	}
	pump_flush(&sink, pump);
}

void pump_end(struct pump *pump)
{
	if (pump->state == PUMP_ENDED || pump->state == PUMP_DONE)
		return;
	endpoint_pause(pump->from);
	if (pump->state == PUMP_FLOWING && pump->decoder.in_message && !pump->write_failed)
		pump_cut_message(pump);
	pump->state = PUMP_ENDED;
	ending_pump_ended(pump->session, pump);
}

void pump_pass_end(struct pump *pump)
{
	if (!pump->write_failed && pump->encoder.ops != NULL && !pump->decoder.ops->has_control)
		pump_send_close(pump, 1000, "");
	if (pump->write_failed || pump->to->state != ENDPOINT_OPEN)
		pump_ended(pump);
	else
		endpoint_shutdown(pump->to); /* ENDPOINT_SHUT leads to pump_ended() */
}

void pump_ended(struct pump *pump)
{
	if (pump->state != PUMP_ENDED)
		return;
	pump->state = PUMP_DONE;
	ending_pump_done(pump->session, pump);
}

/* ---- life ---- */

void pump_init(struct pump *pump, struct session *session, enum pump_direction direction,
	struct endpoint *from, struct endpoint *to)
{
	*pump = (struct pump){
		.session = session,
		.direction = direction,
		.from = from,
		.to = to,
		.state = PUMP_IDLE,
	};
}

void pump_open(struct pump *pump, const struct codec_ops *from, const struct codec_ops *to)
{
	bool from_client = pump->direction == PUMP_CLIENT_TO_BACKEND;

	codec_decoder_init(
		&pump->decoder, from, from_client ? CODEC_FROM_CLIENT : CODEC_FROM_SERVER);
	codec_encoder_init(&pump->encoder, to, from_client ? CODEC_FROM_CLIENT : CODEC_FROM_SERVER,
		&pump->session->loop->ids, from != to);
	pump->must_hold = to->length_first && !from->length_first;
	pump->lines = from->length_first ? PUMP_LINES_MESSAGES : PUMP_LINES_UNHEARD;
	pump_choose_mode(pump);
	pump->state = PUMP_FLOWING;
}

void pump_done(struct pump *pump)
{
	if (pump->splice != NULL)
		loop_splice_put(pump->session->loop, pump->splice);
	pump->splice = NULL;
}
