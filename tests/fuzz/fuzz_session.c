/*
 * A session between two peers who say, read, stop reading, end and leave in any order, over all
 * framings, with allocations of the loop failing in between. The first byte chooses the framings,
 * each further one is an act: see fuzz_acts. Each peer hears what the other has said, in its
 * framing, but for the carriers; all of it, unless somebody has left or memory was short. Whoever
 * is left hears of the other's end, and nothing remains when both have gone.
 */
#include "proxy/log.h"
#include "tests/unit/peers.h"

enum {
	FUZZ_LONG = 40000,
	FUZZ_PIECE = 17000,
	FUZZ_ACTS_MAX = 48,
	FUZZ_ROOM = FUZZ_LONG * FUZZ_ACTS_MAX + 65536
};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct peers peers;

static const struct side_ops *const fuzz_pairs[][2] = {
	{&side_line, &side_line},
	{&side_websocket, &side_websocket},
	{&side_websocket, &side_line},
	{&side_line, &side_websocket},
	{&side_length, &side_length},
	{&side_websocket, &side_length},
	{&side_length, &side_websocket},
	{&side_length, &side_line},
	{&side_concat, &side_concat},
	{&side_websocket, &side_concat},
	{&side_concat, &side_websocket},
	{&side_line, &side_concat},
	{&side_concat, &side_length},
};

/* One of the two. */
struct fuzz_peer {
	const struct side_ops *side;
	bool is_client;
	int *fd;
	uint8_t bytes[FUZZ_ROOM]; /* all that it sends, and how much of that the socket took */
	size_t size, sent;
	char said[FUZZ_ROOM]; /* its messages, a line each */
	size_t said_size;
	struct peers_heard heard;
	size_t checked; /* of what it heard */
	bool trims;     /* the blanks at the end of a message are nobody's, or filled up a size */
	bool json_only; /* nobody knows where anything else ends */
	bool deaf;      /* does not read */
	bool closed;    /* has sent a close frame, or an end: says no more */
};

static struct fuzz_peer fuzz_client, fuzz_backend;
static bool fuzz_undisturbed; /* nobody has ended or left, nothing has failed */

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- libevent's memory ---- */

static long fuzz_memory_left = -1; /* allocations until one fails; -1: none does */

static bool fuzz_refuses(void)
{
	if (fuzz_memory_left < 0 || fuzz_memory_left-- > 0)
		return false;
	fuzz_undisturbed = false;
	return true;
}

static void *fuzz_malloc(size_t size)
{
	return fuzz_refuses() ? NULL : malloc(size);
}

static void *fuzz_realloc(void *old, size_t size)
{
	return fuzz_refuses() ? NULL : realloc(old, size);
}

/* ---- what a peer does ---- */

static void fuzz_push(struct fuzz_peer *peer)
{
	ssize_t n;

	while (*peer->fd >= 0 && peer->sent < peer->size) {
		n = peers_write(*peer->fd, peer->bytes + peer->sent, peer->size - peer->sent);
		if (n <= 0)
			return;
		peer->sent += (size_t)n;
	}
}

/* Sends bytes at once, or slowly: in pieces that are looked at one by one. */
static void fuzz_send(struct fuzz_peer *peer, const void *bytes, size_t size, bool slowly)
{
	const uint8_t *at = bytes;
	size_t piece;

	fuzz_require(peer->size + size < FUZZ_ROOM);
	for (; size > 0; at += piece, size -= piece) {
		piece = slowly && size > FUZZ_PIECE ? FUZZ_PIECE : size;
		memcpy(peer->bytes + peer->size, at, piece);
		peer->size += piece;
		fuzz_push(peer);
		if (slowly)
			peers_turn(&peers);
	}
}

/* A frame of a WebSocket; a client's has a mask of zeros. */
static void fuzz_send_frame(
	struct fuzz_peer *peer, uint8_t first, const void *bytes, size_t size, bool slowly)
{
	uint8_t mask = peer->is_client ? 0x80 : 0;
	uint8_t head[8] = {first, (uint8_t)(mask | size)};
	size_t head_size = 2;

	if (size > 125) {
		head[1] = mask | 126;
		head[2] = (uint8_t)(size >> 8);
		head[3] = (uint8_t)size;
		head_size = 4;
	}
	fuzz_send(peer, head, head_size + (peer->is_client ? 4 : 0), slowly);
	fuzz_send(peer, bytes, size, slowly);
}

/* What stands before a message of so many bytes. */
static void fuzz_send_head(struct fuzz_peer *peer, size_t size)
{
	char head[64];

	(void)snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", size);
	if (peer->side == &side_length)
		fuzz_send(peer, head, strlen(head), false);
}

static void fuzz_note(struct fuzz_peer *peer, const char *text)
{
	memcpy(peer->said + peer->said_size, text, strlen(text));
	peer->said_size += strlen(text);
	while (peer->trims && peer->said_size > 0 && peer->said[peer->said_size - 1] == ' ')
		peer->said_size--;
	peer->said[peer->said_size++] = '\n';
}

/* Says a message: in one frame, or in two. */
static void fuzz_say(struct fuzz_peer *peer, const char *text, bool in_two, bool slowly)
{
	size_t size = strlen(text), half = in_two ? size / 2 : 0;

	if (peer->closed || (peer->json_only && strchr("{[", text[0]) == NULL))
		return;
	fuzz_note(peer, text);
	if (peer->side->shake == NULL) {
		fuzz_send_head(peer, size);
		fuzz_send(peer, text, half, true);
		fuzz_send(peer, text + half, size - half, slowly);
		fuzz_send(peer, "\n", peer->side == &side_line, false);
	} else if (in_two) {
		fuzz_send_frame(peer, 0x01, text, half, true);
		fuzz_send_frame(peer, 0x80, text + half, size - half, slowly);
	} else {
		fuzz_send_frame(peer, 0x81, text, size, slowly);
	}
}

static void fuzz_ping(struct fuzz_peer *peer)
{
	if (peer->side->shake != NULL && !peer->closed)
		fuzz_send_frame(peer, 0x89, "ping", 4, false);
}

/* What breaks any framing, and is a line like any other. */
static void fuzz_break(struct fuzz_peer *peer)
{
	if (peer->closed)
		return;
	fuzz_undisturbed = false;
	if (side_has(peer->side, SIDE_FREE_TEXT)) {
		fuzz_say(peer, "\x71\x80 no JSON, no text", true, false);
	} else {
		fuzz_send(peer, "\x71\x80\x01\x02\x03\x04", 6, false);
		peer->closed = true;
	}
}

/*
 * Says that nothing more comes: by a close frame where there is such a thing, else, or in the
 * middle of a message that begins with the text, by a half-close.
 */
static void fuzz_end(struct fuzz_peer *peer, const char *text)
{
	bool websocket = peer->side->shake != NULL;

	if (peer->closed)
		return;
	fuzz_undisturbed = false;
	peer->closed = true;
	if (websocket && text == NULL) {
		fuzz_send_frame(peer, 0x88, "\x03\xe8", 2, false);
		return;
	}
	if (text != NULL && text[0] != '\0')
		fuzz_note(peer, text); /* as a frame it is whole */
	if (text != NULL && websocket)
		fuzz_send_frame(peer, 0x01, text, strlen(text), false);
	else if (text != NULL && text[0] != '\0') {
		fuzz_send_head(peer, strlen(text));
		fuzz_send(peer, text, strlen(text), false);
	}
	if (*peer->fd >= 0 && peer->sent == peer->size)
		(void)shutdown(*peer->fd, SHUT_WR);
}

static void fuzz_leave(struct fuzz_peer *peer)
{
	fuzz_undisturbed = false;
	peer->closed = true;
	peers_hang_up(peer->fd);
}

/* ---- what must hold ---- */

/* How much of it our carrier can be, cut off where its reader was cut off. */
static bool fuzz_is_carrier(const char *text, size_t size)
{
	static const char carrier[] = ",\"trace\":{\"traceparent\":\"00-";
	size_t known = sizeof carrier - 1;

	return memcmp(text, carrier, size < known ? size : known) == 0 && size < 100;
}

static bool fuzz_is_blank(const char *text)
{
	return text[strspn(text, " ")] == '\0';
}

/* A peer has heard the beginning of what the other has said. */
static void fuzz_check_heard(struct fuzz_peer *by, const struct fuzz_peer *from)
{
	const char *text = by->heard.text;
	size_t size = by->heard.size < from->said_size ? by->heard.size : from->said_size;

	fuzz_require(!by->heard.broken);
	while (by->checked < size && text[by->checked] == from->said[by->checked])
		by->checked++;
	fuzz_require(by->checked == by->heard.size ||
		     fuzz_is_carrier(text + by->checked, by->heard.size - by->checked) ||
		     (by->heard.trims && fuzz_is_blank(text + by->checked)));
}

static void fuzz_turn(void)
{
	peers_turn(&peers);
	fuzz_push(&fuzz_client);
	fuzz_push(&fuzz_backend);
	if (peers.client >= 0 && !fuzz_client.deaf)
		peers_hear(&fuzz_client.heard, peers.client);
	if (peers.backend >= 0 && !fuzz_backend.deaf)
		peers_hear(&fuzz_backend.heard, peers.backend);
	fuzz_check_heard(&fuzz_client, &fuzz_backend);
	fuzz_check_heard(&fuzz_backend, &fuzz_client);
}

/* All that can still happen without the peers. */
static void fuzz_settle(void)
{
	size_t before, now = 0;

	fuzz_client.deaf = fuzz_backend.deaf = false;
	do {
		before = now;
		fuzz_turn();
		fuzz_turn();
		now = fuzz_client.sent + fuzz_backend.sent + fuzz_client.heard.size +
		      fuzz_backend.heard.size;
	} while (now != before);
}

/* Whose counterpart has left hears of it, if not at once then when child.linger is over. */
static void fuzz_check_told(const struct fuzz_peer *peer)
{
	int tries;

	for (tries = 0; !peer->heard.ended && tries < 100; tries++) {
		(void)event_base_loop(peers.base, EVLOOP_ONCE);
		fuzz_turn();
	}
	fuzz_require(peer->heard.ended);
}

static void fuzz_check_end(void)
{
	fuzz_settle();
	if (fuzz_undisturbed) {
		fuzz_require(peers.session != NULL && peers.session->pair.state == PAIR_OPEN);
		fuzz_require(fuzz_client.heard.size == fuzz_backend.said_size);
		fuzz_require(fuzz_backend.heard.size == fuzz_client.said_size);
		fuzz_require(!fuzz_client.heard.ended && !fuzz_backend.heard.ended);
		fuzz_require(peers.loop.counters.connections_failed == 0);
	}
	if (peers.client < 0 && peers.backend >= 0)
		fuzz_check_told(&fuzz_backend);
	if (peers.backend < 0 && peers.client >= 0)
		fuzz_check_told(&fuzz_client);
	fuzz_leave(&fuzz_client);
	fuzz_leave(&fuzz_backend);
	fuzz_settle();
	fuzz_require(peers.session == NULL);
}

/* ---- acts ---- */

static const char *fuzz_text(unsigned number)
{
	static char text[FUZZ_LONG];
	static const char *const texts[] = {
		"{\"id\":1,\"method\":\"turn/start\",\"params\":{\"threadId\":\"t\"}}",
		"{\"id\":1,\"result\":{\"turn\":{\"id\":\"u\"}}}",
		"{\"method\":\"turn/started\",\"params\":{\"threadId\":\"t\"}}",
		"[{\"id\":2,\"method\":\"m\"},{\"id\":3,\"method\":\"m\"}]",
		"{\"id\":1,\"error\":{\"code\":-1,\"message\":\"no\"}}",
		"no JSON",
	};
	const char *head =
		number == 6 ? "{\"method\":\"long\",\"params\":\"" : "{\"method\":\"blank\"}";

	if (number < sizeof texts / sizeof texts[0])
		return texts[number];
	memset(text, number == 6 ? 'x' : ' ', sizeof text - 1);
	memcpy(text, head, strlen(head));
	if (number == 6)
		memcpy(text + sizeof text - 3, "\"}", 2);
	return text;
}

/* Bit 7: the backend's. Bits 0 to 3: which; 4 to 6: of what kind. */
static void fuzz_act(uint8_t act)
{
	struct fuzz_peer *peer = act & 0x80 ? &fuzz_backend : &fuzz_client;
	unsigned which = act & 15;
	static const char *const ends[] = {
		NULL, "", "{\"id\":7,\"method\":\"begun\"", "{\"id\":7,\"method\":\"whole\"}"};

	switch (act >> 4 & 7) {
	case 0:
	case 1:
		fuzz_say(peer, fuzz_text((act >> 2) & 7), which & 1, which & 2);
		break;
	case 2:
		fuzz_ping(peer);
		break;
	case 3:
		peer->deaf = which % 2 == 1;
		break;
	case 4:
		fuzz_memory_left = which;
		break;
	case 5:
		fuzz_end(peer, ends[which % 4]);
		break;
	case 6:
		if (which == 0)
			fuzz_break(peer);
		break;
	case 7:
		if (which == 0)
			fuzz_leave(peer);
		break;
	default:
		break;
	}
}

static void fuzz_peer_init(
	struct fuzz_peer *peer, const struct side_ops *side, bool is_client, int *fd)
{
	peer->side = side;
	peer->is_client = is_client;
	peer->trims = peer->json_only = false;
	peer->fd = fd;
	peer->size = peer->sent = peer->said_size = peer->checked = 0;
	peer->deaf = peer->closed = false;
	peers_heard_init(&peer->heard, side, is_client, FUZZ_ROOM);
}

static void fuzz_begin_once(void)
{
	static const char *const flags[] = {
		"--backlog-bytes-max=64KiB", "--child-linger=0s", "--child-grace=0s", NULL};
	static bool begun;

	if (begun)
		return;
	begun = true;
	event_set_mem_functions(fuzz_malloc, fuzz_realloc, free);
	log_level_set(LOG_ERROR);
	log_lines_max_set(1);
	peers_init(&peers, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct side_ops *const *pair;
	size_t i;

	if (size == 0 || size > FUZZ_ACTS_MAX)
		return 0;
	fuzz_begin_once();
	pair = fuzz_pairs[bytes[0] % (sizeof fuzz_pairs / sizeof fuzz_pairs[0])];
	peers_open(&peers, pair[0], pair[1]);
	fuzz_peer_init(&fuzz_client, pair[0], true, &peers.client);
	fuzz_peer_init(&fuzz_backend, pair[1], false, &peers.backend);
	fuzz_client.heard.trims = fuzz_backend.trims = pair[0] == &side_length;
	fuzz_backend.heard.trims = fuzz_client.trims = pair[1] == &side_length;
	if (pair[0] == &side_concat || pair[1] == &side_concat)
		fuzz_client.trims = fuzz_backend.trims = fuzz_client.json_only =
			fuzz_backend.json_only = true;
	fuzz_undisturbed = true;
	fuzz_memory_left = -1;
	peers_connect(&peers);
	fuzz_require(peers_shake(&peers));
	for (i = 1; i < size; i++) {
		fuzz_act(bytes[i]);
		fuzz_turn();
	}
	fuzz_memory_left = -1;
	fuzz_check_end();
	peers_close(&peers);
	peers_heard_done(&fuzz_client.heard);
	peers_heard_done(&fuzz_backend.heard);
	return 0;
}
