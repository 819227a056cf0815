/*
 * Pumps between two fake sides and two fake peers: every order of messages, ends and errors, and
 * every allocation that fails. Nothing here knows of a session, a socket or a real framing.
 *
 * A fake message ends with ';'. '?' is a ping, '^' a close frame, '!' what no peer may send. The
 * framed side announces "<SIZE" before what it writes, the plain one writes it as it is.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "config/config.h"
#include "proxy/endpoint/endpoint.h"
#include "proxy/pump.h"
#include "proxy/generation.h"
#include "tests/unit/loop_case.h"
#include "tests/unit/unit.h"

/* ---- sides ---- */

static enum side_result fake_next(
	struct side_decoder *decoder, uint8_t **bytes, size_t *size, struct side_chunk *chunk)
{
	size_t piece = 0;
	bool last;

	if (*size == 0)
		return SIDE_MORE;
	while (piece < *size && strchr(";!?^", (*bytes)[piece]) == NULL)
		piece++;
	last = piece < *size && (*bytes)[piece] == ';';
	*chunk = (struct side_chunk){
		.bytes = *bytes, .size = piece, .first = !decoder->in_message, .last = last};
	chunk->frame_first = chunk->first || !side_has(decoder->ops, SIDE_SIZE_FIRST);
	chunk->frame = (struct side_frame){
		.text = true, .first = chunk->first, .last = last, .size = piece};
	if (piece > 0 || last) {
		decoder->in_message = !last;
		*bytes += piece + last;
		*size -= piece + last;
		return SIDE_DATA;
	}
	chunk->control = **bytes == '^' ? SIDE_CLOSE : SIDE_PING;
	decoder->error.reason = "told to";
	if (**bytes == '!')
		return SIDE_BAD;
	(*bytes)++;
	(*size)--;
	return SIDE_CONTROL;
}

static bool fake_finish(struct side_decoder *decoder)
{
	return !side_has(decoder->ops, SIDE_SIZE_FIRST);
}

static void fake_begin(
	struct side_encoder *encoder, struct sink *sink, const struct side_frame *frame)
{
	char text[32];

	(void)snprintf(text, sizeof text, "<%zu", (size_t)frame->size);
	if (side_has(encoder->ops, SIDE_SIZE_FIRST))
		sink_write(sink, (const uint8_t *)text, strlen(text));
}

static void fake_data(
	struct side_encoder *encoder, struct sink *sink, const uint8_t *bytes, size_t size)
{
	(void)encoder;
	sink_write(sink, bytes, size);
}

static void fake_end(struct side_encoder *encoder, struct sink *sink, bool terminated)
{
	(void)encoder;
	sink_write(sink, (const uint8_t *)(terminated ? ";" : "."), 1);
}

static void fake_control(struct side_encoder *encoder, struct sink *sink, enum side_control what,
	const uint8_t *bytes, size_t size)
{
	(void)encoder;
	(void)bytes;
	(void)size;
	sink_write(sink,
		(const uint8_t *)(what == SIDE_CLOSE  ? "^"
				  : what == SIDE_PING ? "?"
						      : "p"),
		1);
}

static void fake_part(
	struct side_encoder *encoder, struct sink *sink, enum side_goodbye why, const char *reason)
{
	(void)why;
	(void)reason;
	fake_control(encoder, sink, SIDE_CLOSE, NULL, 0);
}

#define FAKE_OPS                                                                                   \
	.next = fake_next, .finish = fake_finish, .begin = fake_begin, .data = fake_data,          \
	.end = fake_end, .control = fake_control, .part = fake_part

static const struct side_ops plain = {.name = "plain", .traits = SIDE_FREE_TEXT, FAKE_OPS};
static const struct side_ops framed = {
	.name = "framed", .traits = SIDE_CONTROLS | SIDE_SIZE_FIRST, FAKE_OPS};

static const struct side_ops *const pairs[][2] = {{&plain, &plain}, {&framed, &framed},
	{&framed, &plain}, {&plain, &framed}, {&side_guess, &side_guess}};

enum { GUESS = sizeof pairs / sizeof pairs[0] - 1, PAIRS = GUESS, CLIENT = 0, BACKEND = 1 };

/* ---- peers ---- */

/* One of the two: what it says next, and what it was told. */
static struct fake_peer {
	struct endpoint endpoint;
	int fd; /* always writable, as far as the loop knows */
	const char *says;
	bool ends;
	int error; /* of the next reading */
	bool full; /* takes nothing now, */
	bool gone; /* or never again */
	char told[1 << 17];
	size_t told_size;
} peers[2];

static struct loop_case setup;
static struct pump pumps[2];
static char story[256]; /* what the owner was told, in order; upper case: towards the backend */

static struct fake_peer *fake_peer_of(int fd)
{
	return &peers[fd == peers[BACKEND].fd ? BACKEND : CLIENT];
}

static ssize_t fake_read(void *state, int fd, void *bytes, size_t size)
{
	struct fake_peer *peer = fake_peer_of(fd);
	size_t n = strlen(peer->says) < size ? strlen(peer->says) : size;

	(void)state;
	memcpy(bytes, peer->says, n);
	peer->says += n;
	errno = peer->error != 0 ? peer->error : EAGAIN;
	return n > 0 ? (ssize_t)n : peer->ends ? 0 : -1;
}

static ssize_t fake_write(void *state, int fd, const void *bytes, size_t size)
{
	struct fake_peer *peer = fake_peer_of(fd);

	(void)state;
	errno = peer->gone ? EPIPE : EAGAIN;
	if (peer->gone || peer->full)
		return -1;
	assert(peer->told_size + size < sizeof peer->told);
	memcpy(peer->told + peer->told_size, bytes, size);
	peer->told_size += size;
	peer->told[peer->told_size] = '\0';
	return (ssize_t)size;
}

static const struct stream_ops fake_ops = {.read = fake_read, .write = fake_write};

static void fake_on_event(void *arg, struct endpoint *endpoint, enum endpoint_event event)
{
	struct pump *from = &pumps[endpoint == &peers[CLIENT].endpoint ? 0 : 1];

	(void)arg;
	if (event == ENDPOINT_SHUT)
		pump_ended(from->back);
	else if (event == ENDPOINT_DRAINED)
		pump_drained(from->back);
	else if (event == ENDPOINT_FAILED)
		pump_write_failed(from->back);
}

/* ---- the owner ---- */

static void note(const struct pump *pump, char what)
{
	size_t size = strlen(story);

	assert(size < sizeof story - 1); /* which, unlike check's, does not allocate */
	assert(pump->state != PUMP_DONE || what == 'd');
	story[size] = (char)(pump->direction == PUMP_CLIENT_TO_BACKEND ? what - 32 : what);
	story[size + 1] = '\0';
}

static void give_up(struct pump *pump, char what)
{
	note(pump, what);
	pump_silence(pump);
	pump_silence(pump->back);
}

static size_t owner_carrier(void *arg, struct envelope *envelope, const char **text)
{
	(void)envelope;
	note(arg, 'c');
	*text = "7";
	return 1;
}

static void owner_envelope(void *arg, const struct envelope *envelope)
{
	(void)envelope;
	note(arg, 'm');
}

static void owner_troubles(struct pump *pump, unsigned troubles)
{
	assert(troubles != 0);
	note(pump, 't');
}

static void owner_undeliverable(struct pump *pump)
{
	note(pump, 'u');
}

static void owner_not_lines(struct pump *pump, bool sized)
{
	note(pump, sized ? 's' : 'n');
}

static void owner_other(struct pump *pump, const struct side_ops *side)
{
	assert(side == NULL || side == &side_length);
	note(pump, side != NULL ? 'l' : 'h');
}

static void owner_closing(struct pump *pump)
{
	note(pump, 'x');
}

static void owner_broken(struct pump *pump)
{
	assert(strcmp(pump->decoder.error.reason, "told to") == 0);
	give_up(pump, 'b');
}

static void owner_ended(struct pump *pump)
{
	note(pump, 'e');
	pump_pass_end(pump);
}

static void owner_done(struct pump *pump)
{
	note(pump, 'd');
}

static void owner_write_failed(struct pump *pump)
{
	if (pump->to->is_ours) {
		give_up(pump, 'o');
		return;
	}
	note(pump, 'w');
	pump_end(pump);
}

static void owner_failed(struct pump *pump, int error)
{
	assert(error == ENOMEM);
	give_up(pump, 'f');
}

static const struct pump_hooks owner_hooks = {
	.message = {.carrier = owner_carrier, .envelope = owner_envelope},
	.troubles = owner_troubles,
	.undeliverable = owner_undeliverable,
	.not_lines = owner_not_lines,
	.other = owner_other,
	.closing = owner_closing,
	.broken = owner_broken,
	.ended = owner_ended,
	.done = owner_done,
	.write_failed = owner_write_failed,
	.failed = owner_failed,
};

/* ---- the stage ---- */

static void pump_setup(void)
{
	static const char *const flags[] = {"--upstream=unix:///nowhere",
		"--backlog-bytes-max=64KiB", "--propagation-strip", NULL};

	loop_case_open(&setup, flags);
}

static void pump_teardown(void)
{
	loop_case_close(&setup);
}

static void stage_open(int pair, enum pump_task wanted)
{
	int i;

	memset(&setup.loop.counters, 0, sizeof setup.loop.counters);
	story[0] = '\0';
	for (i = 0; i < 2; i++) {
		struct fake_peer *peer = &peers[i];

		peer->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		peer->says = "";
		peer->ends = peer->full = peer->gone = false;
		peer->error = 0;
		peer->told[peer->told_size = 0] = '\0';
		endpoint_init(&peer->endpoint, setup.loop.base, &fake_ops, peer->fd, &fake_ops,
			peer->fd, fake_on_event, NULL);
	}
	pump_init_pair(pumps, &setup.loop, setup.loop.generations->now, &owner_hooks, NULL,
		&peers[CLIENT].endpoint, &peers[BACKEND].endpoint);
	pump_open(&pumps[0], pairs[pair][0], pairs[pair][1], wanted);
	pump_open(&pumps[1], pairs[pair][1], pairs[pair][0], wanted);
}

static void stage_close(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		pump_done(&pumps[i]);
		endpoint_close(&peers[i].endpoint);
	}
}

/* A peer says something, if it is read. */
static void say(int who, const char *text)
{
	if (!pump_flows(&pumps[who]))
		return;
	peers[who].says = text;
	pump_readable(&pumps[who]);
}

/* One turn: what waits is written, where the peer takes it. */
static void turn(void)
{
	(void)event_base_loop(setup.loop.base, EVLOOP_NONBLOCK | EVLOOP_ONCE);
}

/* ---- messages ---- */

static const struct {
	int pair;
	enum pump_task wanted;
	const char *says, *told, *story;
} messages[] = {
	{0, PUMP_TASK_NONE, "{};;[", "{};;[", ""},
	{0, PUMP_TASK_WATCH, "{\"id\":1};{;", "{\"id\":1};{;", "MT"},
	{1, PUMP_TASK_WATCH, "{};", "<2{};", "M"},
	{2, PUMP_TASK_WATCH, "{};{}", "{};{}", "M"},
	{3, PUMP_TASK_WATCH, "{};;{}", "<2{};", "MU"},
	{3, PUMP_TASK_NONE, "{};", "<2{};", "M"}, /* it is held: the owner may look away */
	{3, PUMP_TASK_INJECT, "{\"id\":1,\"method\":\"m\"};",
		"<31{\"id\":1,\"method\":\"m\",\"trace\":7};", "CM"},
	{0, PUMP_TASK_INJECT, "{\"id\":1,\"method\":\"m\"};[];",
		"{\"id\":1,\"method\":\"m\",\"trace\":7};[];", "CM"},
	{0, PUMP_TASK_STRIP, "{\"trace\":1,\"method\":\"m\"};", "{\"method\":\"m\"};", "M"},
	{0, PUMP_TASK_INJECT, "plain text;{\"id\":1,\"method\":\"m\"};{\"id\":1,\"method\":\"m\"};",
		"plain text;{\"id\":1,\"method\":\"m\"};{\"id\":1,\"method\":\"m\",\"trace\":7};",
		"NTMCM"},
	{1, PUMP_TASK_WATCH, "?{};", "?<2{};", "M"},
	{2, PUMP_TASK_WATCH, "?{};", "{};", "M"},
	{1, PUMP_TASK_WATCH, "{};^{};?", "<2{};^", "MX"},
	{1, PUMP_TASK_WATCH, "{};!", "<2{};", "MB"},
	{2, PUMP_TASK_WATCH, "{};^{};", "{};", "MXED"}, /* a close frame becomes an end */
	/* sizes were announced: nothing is changed any more */
	{0, PUMP_TASK_INJECT, "Content-Length: 9;;{\"id\":1,\"method\":\"m\"};",
		"Content-Length: 9;;{\"id\":1,\"method\":\"m\"};", "STM"},
};

/* What goes on, and what the owner is told, in one piece and byte by byte. */
START_TEST(test_messages)
{
	char one[2] = "";
	const char *at;

	stage_open(messages[_i].pair, messages[_i].wanted);
	say(CLIENT, messages[_i].says);
	ck_assert_str_eq(peers[BACKEND].told, messages[_i].told);
	ck_assert_str_eq(story, messages[_i].story);
	stage_close();
	stage_open(messages[_i].pair, messages[_i].wanted);
	for (at = messages[_i].says; *at != '\0'; at++) {
		one[0] = *at;
		say(CLIENT, one);
	}
	if (!side_has(pairs[messages[_i].pair][1],
		    SIDE_SIZE_FIRST)) /* whose frames are those that came */
		ck_assert_str_eq(peers[BACKEND].told, messages[_i].told);
	ck_assert_str_eq(story, messages[_i].story);
	stage_close();
}
END_TEST

#define REQUEST      "{\"id\":1,\"method\":\"m\"}"
#define WITH_CARRIER "{\"id\":1,\"method\":\"m\",\"trace\":7}"
#define PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

/* One side turns out to speak something else: both do so from then on. */
static const struct {
	const char *client, *backend, *later, *last; /* what is said, in turn */
	const char *told_backend, *told_client, *story;
} others[] = {
	{REQUEST "\n", "{}\n", "", "", WITH_CARRIER "\n", "{}\n", "CMm"},
	{PREFACE, REQUEST "\n", REQUEST "\n", "", PREFACE REQUEST "\n", REQUEST "\n", "H"},
	/* in the middle of a message it waits for its end */
	{"", "{\"method\":", PREFACE REQUEST "\n", "\"m\"}\n{}\n", PREFACE REQUEST "\n",
		"{\"method\":\"m\"}\n{}\n", "Hm"},
	{"Content-Length: 21\r\n\r\n" REQUEST, "Content-Length: 2\r\n\r\n{}", "", "",
		"Content-Length: 31\r\n\r\n" WITH_CARRIER, "Content-Length: 2\r\n\r\n{}", "LCMm"},
	/* it is too late: a line was a message */
	{"", "{}\n", "Content-Length: 21\n" REQUEST "\n", "", "Content-Length: 21\n" REQUEST "\n",
		"{}\n", "mSTM"},
};

START_TEST(test_others)
{
	stage_open(GUESS, PUMP_TASK_INJECT);
	say(CLIENT, others[_i].client);
	say(BACKEND, others[_i].backend);
	say(CLIENT, others[_i].later);
	say(BACKEND, others[_i].last);
	ck_assert_str_eq(peers[BACKEND].told, others[_i].told_backend);
	ck_assert_str_eq(peers[CLIENT].told, others[_i].told_client);
	ck_assert_str_eq(story, others[_i].story);
	stage_close();
}
END_TEST

/* ---- ends ---- */

static const struct {
	int pair, who;
	const char *says;
	const char *client, *backend, *story; /* what they are told when it ends there */
} ends[] = {
	{0, CLIENT, "{}", "", "{}.", "MED"},
	{3, CLIENT, "{}", "", "<2{}.^", "MED"}, /* a close frame where one belongs */
	{2, CLIENT, "{}", "", "{}", "ED"},      /* and cut off where the size was announced */
	{2, BACKEND, "{}", "<2{}.^", "", "med"}, {1, BACKEND, "{};^", "<2{};^", "", "mxed"},
	{2, CLIENT, "^", "", "", "XED"},
	{3, BACKEND, "^", "", "^", "xedED"}, /* it is answered, and takes no more */
};

START_TEST(test_ends)
{
	stage_open(ends[_i].pair, PUMP_TASK_WATCH);
	say(ends[_i].who, ends[_i].says);
	peers[ends[_i].who].ends = true;
	say(ends[_i].who, "");
	ck_assert_str_eq(peers[CLIENT].told, ends[_i].client);
	ck_assert_str_eq(peers[BACKEND].told, ends[_i].backend);
	ck_assert_str_eq(story, ends[_i].story);
	stage_close();
}
END_TEST

/*
 * A message that is cut when all of it has been passed on leaves nothing behind it, no empty frame.
 */
START_TEST(test_cut_when_all_is_passed_on)
{
	static char text[32 * 1024];
	size_t told_size;

	memset(text, ' ', sizeof text - 1);
	text[0] = '{';
	stage_open(_i, PUMP_TASK_INJECT);
	say(CLIENT, text);
	told_size = peers[BACKEND].told_size;
	ck_assert_uint_ge(told_size, sizeof text - 1);
	peers[CLIENT].ends = true;
	say(CLIENT, "");
	ck_assert_str_eq(peers[BACKEND].told + told_size, "");
	stage_close();
}
END_TEST

/* An end waits for what was said before it; the other direction goes on. */
START_TEST(test_end_behind_a_backlog)
{
	stage_open(0, PUMP_TASK_WATCH);
	peers[BACKEND].full = true;
	say(CLIENT, "{};");
	peers[CLIENT].ends = true;
	say(CLIENT, "");
	turn();
	ck_assert_str_eq(story, "ME");
	ck_assert_int_eq(peers[BACKEND].endpoint.state, ENDPOINT_SHUTTING);
	say(BACKEND, "{};");
	ck_assert_str_eq(peers[CLIENT].told, "{};");
	peers[BACKEND].full = false;
	turn();
	ck_assert_str_eq(peers[BACKEND].told, "{};");
	ck_assert_str_eq(story, "MEmD");
	stage_close();
}
END_TEST

/* Who does not read pauses who speaks to it, nobody else; and not for longer than need be. */
START_TEST(test_throttle)
{
	static char text[32 * 1024];
	size_t i;

	memset(text, ' ', sizeof text - 1);
	text[0] = '{';
	text[sizeof text - 3] = '}';
	text[sizeof text - 2] = ';';
	stage_open(0, PUMP_TASK_WATCH);
	peers[BACKEND].endpoint.low_mark = 100;
	peers[BACKEND].full = true;
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(pumps[0].state, PUMP_FLOWING);
		ck_assert(!peers[CLIENT].endpoint.paused);
		say(CLIENT, text);
	}
	ck_assert_int_eq(pumps[0].state, PUMP_THROTTLED);
	ck_assert_uint_eq(pumps[0].loop->counters.senders_paused, 1);
	ck_assert(peers[CLIENT].endpoint.paused && !peers[BACKEND].endpoint.paused);
	say(BACKEND, "{};");
	ck_assert_str_eq(peers[CLIENT].told, "{};");
	peers[BACKEND].full = false;
	for (i = 0; i < 10 && pumps[0].state == PUMP_THROTTLED; i++)
		turn();
	ck_assert_int_eq(pumps[0].state, PUMP_FLOWING);
	ck_assert(!peers[CLIENT].endpoint.paused);
	ck_assert_uint_eq(endpoint_backlog(&peers[BACKEND].endpoint), 0);
	ck_assert_uint_eq(peers[BACKEND].told_size, 3 * (sizeof text - 1));
	stage_close();
}
END_TEST

/* A ping is answered in place of a peer that knows none, unless its sender does not read. */
START_TEST(test_pings)
{
	stage_open(2, PUMP_TASK_WATCH);
	say(CLIENT, "?{}");
	ck_assert_str_eq(peers[CLIENT].told, "p");
	say(BACKEND, "{};");
	say(CLIENT, "?;");
	ck_assert_str_eq(peers[CLIENT].told, "p<2{};p");
	peers[CLIENT].gone = true;
	say(CLIENT, "?");
	ck_assert_str_eq(story, "mMwed");
	stage_close();
}
END_TEST

/* Who does not read gets no more pongs, which are counted; then again. */
START_TEST(test_pings_unanswered)
{
	static char text[32 * 1024];
	size_t i;

	memset(text, ' ', sizeof text - 1);
	text[0] = '{';
	text[sizeof text - 2] = '}';
	stage_open(2, PUMP_TASK_WATCH);
	peers[CLIENT].full = true;
	for (i = 0; i < 2; i++) {
		ck_assert_uint_eq(setup.loop.counters.pings_unanswered, 0);
		say(CLIENT, "?");
		say(BACKEND, text);
		say(BACKEND, ";");
	}
	say(CLIENT, "?;?");
	ck_assert_uint_eq(setup.loop.counters.pings_unanswered, 2);
	peers[CLIENT].full = false;
	while (endpoint_backlog(&peers[CLIENT].endpoint) > 0)
		turn();
	ck_assert_uint_eq(peers[CLIENT].told_size, 2 * (strlen("p<32767<0;") + sizeof text - 1));
	say(CLIENT, "?");
	ck_assert_int_eq(peers[CLIENT].told[peers[CLIENT].told_size - 1], 'p');
	ck_assert_uint_eq(setup.loop.counters.pings_unanswered, 2);
	stage_close();
}
END_TEST

/* A long line goes on in frames before its end is known: where it is cut the last one says so. */
START_TEST(test_cut_line_in_frames)
{
	static char text[32 * 1024];
	size_t told_size;

	memset(text, ' ', sizeof text - 1);
	text[0] = '{';
	stage_open(3, PUMP_TASK_WATCH);
	say(CLIENT, text);
	told_size = peers[BACKEND].told_size;
	ck_assert_uint_ge(told_size, sizeof text - 1);
	peers[CLIENT].ends = true;
	say(CLIENT, "");
	ck_assert_str_eq(peers[BACKEND].told + told_size, "<0.^");
	stage_close();
}
END_TEST

/* Nothing comes between the parts of a frame that was announced; nothing behind a close frame. */
START_TEST(test_send_close)
{
	stage_open(0, PUMP_TASK_WATCH);
	pump_send_goodbye(&pumps[0], SIDE_GOING, "");
	ck_assert_str_eq(peers[BACKEND].told, "");
	stage_close();
	stage_open(1, PUMP_TASK_WATCH);
	pump_send_goodbye(&pumps[0], SIDE_GOING, "");
	pump_send_goodbye(&pumps[0], SIDE_GOING, "");
	say(CLIENT, "{};");
	ck_assert_str_eq(peers[BACKEND].told, "^");
	ck_assert_str_eq(story, "");
	stage_close();
}
END_TEST

/* ---- every order ---- */

enum act {
	ACT_CLIENT_SAYS,
	ACT_BACKEND_SAYS,
	ACT_CLIENT_SAYS_HALF,
	ACT_BACKEND_CLOSES,
	ACT_CLIENT_CLOSES,
	ACT_CLIENT_ENDS,
	ACT_BACKEND_ENDS,
	ACT_CLIENT_GONE,
	ACT_BACKEND_GONE,
	ACT_CLIENT_BROKEN,
	ACT_BACKEND_ERROR,
	ACT_SEND_CLOSE,
	ACTS,
};

static void act(enum act what)
{
	switch (what) {
	case ACT_CLIENT_SAYS:
		say(CLIENT, "{};");
		break;
	case ACT_BACKEND_SAYS:
		say(BACKEND, "{};");
		break;
	case ACT_CLIENT_SAYS_HALF:
		say(CLIENT, "{");
		break;
	case ACT_BACKEND_CLOSES:
		say(BACKEND, "^");
		break;
	case ACT_CLIENT_CLOSES:
		say(CLIENT, "^");
		break;
	case ACT_CLIENT_ENDS:
	case ACT_BACKEND_ENDS:
		peers[what - ACT_CLIENT_ENDS].ends = true;
		say(what - ACT_CLIENT_ENDS, "");
		break;
	case ACT_CLIENT_GONE:
	case ACT_BACKEND_GONE:
		peers[what - ACT_CLIENT_GONE].gone = true;
		break;
	case ACT_CLIENT_BROKEN:
		say(CLIENT, "!");
		break;
	case ACT_BACKEND_ERROR:
		peers[BACKEND].error = ENOMEM;
		say(BACKEND, "");
		break;
	case ACT_SEND_CLOSE:
		pump_send_goodbye(&pumps[0], SIDE_GOING, "");
		break;
	case ACTS:
		break;
	}
	turn();
}

static size_t times(char what)
{
	size_t count = 0;
	const char *at;

	for (at = story; *at != '\0'; at++)
		count += *at == what;
	return count;
}

/* What is asked very often: unlike ck_assert(), it tells the runner nothing when it holds. */
#define MUST(holds)                                                                                \
	do {                                                                                       \
		if (!(holds))                                                                      \
			ck_abort_msg("%s: %s", #holds, story);                                     \
	} while (0)

/* What must hold of each direction whatever has happened; closed: by the owner, who knows. */
static void check_direction(const struct pump *pump, bool closed)
{
	bool to_backend = pump->direction == PUMP_CLIENT_TO_BACKEND;
	size_t ended = times(to_backend ? 'E' : 'e'), done = times(to_backend ? 'D' : 'd');
	const char *told = peers[to_backend ? BACKEND : CLIENT].told;
	bool silenced = strpbrk(story, "BbFfOo") != NULL;

	MUST(ended <= 1);
	MUST(done <= ended);
	MUST(pump_is_over(pump) == (ended == 1 || silenced));
	MUST((pump->state == PUMP_DONE) == (done == 1 || silenced));
	if (strchr(told, '^') != NULL) {
		MUST(pump->output != PUMP_OUTPUT_OPEN);
		MUST(strcmp(strchr(told, '^'), "^") == 0);
	}
	if (pump->output == PUMP_OUTPUT_FAILED && !closed)
		MUST(pump->state == PUMP_DONE);
	if (ended == 1)
		MUST(pump->from->paused);
}

/* Four acts, every one after every other; all that is said comes, until somebody has left. */
START_TEST(test_every_order)
{
	unsigned order, at, i, said, answered;
	bool closed;

	for (order = 0; order < ACTS * ACTS * ACTS; order++) {
		stage_open(_i / ACTS, PUMP_TASK_WATCH);
		said = answered = 0;
		closed = false;
		for (i = 0, at = order * ACTS + (unsigned)_i % ACTS; i < 4; i++, at /= ACTS) {
			enum act what = (enum act)(at % ACTS);

			said += what == ACT_CLIENT_SAYS && pump_flows(&pumps[0]) &&
				!peers[BACKEND].gone && pumps[0].output == PUMP_OUTPUT_OPEN;
			answered += what == ACT_BACKEND_SAYS && pump_flows(&pumps[1]) &&
				    !peers[CLIENT].gone && pumps[1].output == PUMP_OUTPUT_OPEN;
			closed |= what == ACT_SEND_CLOSE;
			act(what);
			check_direction(&pumps[0], closed);
			check_direction(&pumps[1], false);
		}
		for (i = 0; i < peers[BACKEND].told_size; i++)
			said -= peers[BACKEND].told[i] == ';';
		for (i = 0; i < peers[CLIENT].told_size; i++)
			answered -= peers[CLIENT].told[i] == ';';
		MUST(said == 0 && answered == 0);
		stage_close();
	}
}
END_TEST

/* ---- memory ---- */

/*
 * Without memory to look at it a message passes unseen; without memory to keep it the owner knows.
 */
START_TEST(test_no_memory)
{
	bool failed = true;
	size_t n;

	for (n = 0; failed; n++) {
		ck_assert_uint_lt(n, 200);
		stage_open(_i, PUMP_TASK_INJECT);
		peers[BACKEND].full = true;
		unit_alloc_fail_once((long)n);
		say(CLIENT, "{\"id\":1,\"method\":\"m\"};");
		failed = unit_alloc_failed();
		unit_alloc_fail_never();
		peers[BACKEND].full = false;
		turn();
		if (strpbrk(story, "Oo") != NULL)
			ck_assert_str_eq(peers[BACKEND].told, "");
		else if (setup.loop.counters.messages_no_memory + times('T') > 0)
			ck_assert(
				strstr(peers[BACKEND].told, "{\"id\":1,\"method\":\"m\"") != NULL);
		else
			ck_assert(strstr(peers[BACKEND].told,
					  "{\"id\":1,\"method\":\"m\",\"trace\":7};") != NULL);
		stage_close();
	}
	ck_assert_uint_gt(n, 3);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pump");

	unit_fixture(pump_setup, pump_teardown);
	tcase_add_loop_test(tc, test_messages, 0, sizeof messages / sizeof messages[0]);
	tcase_add_loop_test(tc, test_ends, 0, sizeof ends / sizeof ends[0]);
	tcase_add_test(tc, test_end_behind_a_backlog);
	tcase_add_loop_test(tc, test_cut_when_all_is_passed_on, 1, 3); /* of the framed ones */
	tcase_add_test(tc, test_throttle);
	tcase_add_test(tc, test_pings);
	tcase_add_test(tc, test_pings_unanswered);
	tcase_add_test(tc, test_cut_line_in_frames);
	tcase_add_test(tc, test_send_close);
	tcase_add_loop_test(tc, test_others, 0, sizeof others / sizeof others[0]);
	tcase_add_loop_test(tc, test_every_order, 0, PAIRS * ACTS);
	tcase_add_loop_test(tc, test_no_memory, 0, PAIRS);
	return unit_run("pump", tc);
}
