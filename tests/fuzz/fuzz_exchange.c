/*
 * A client and a backend who speak HTTP through a session: whole messages and any bytes, cut
 * anywhere, in any order; one of them may not read, end or leave. Each byte of the input is an act:
 * see fuzz_act(). What each gets is what the other has said and was asked for, by a reading that
 * has nothing of the program in it, or its beginning; a client may get an answer of our own behind
 * that. Whoever reads what was passed on with looser habits reads the same. When all messages were
 * good and nobody left, all of them have come.
 */
#include "proxy/log.h"
#include "tests/fuzz/http_reading.h"
#include "tests/unit/peers.h"

enum { FUZZ_ACTS_MAX = 24, FUZZ_LONG = 20000, FUZZ_INPUT_MAX = 4096, FUZZ_BYTES = READING_ROOM };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static struct peers peers;

/* Bytes on one connection, one way, and what that and those before it say. */
struct fuzz_way {
	char bytes[FUZZ_BYTES];
	size_t size, sent;
	bool ended;
	struct reading reading;
	size_t from_size, from_begun, from_whole; /* of the reading, where the connection begins */
};

static struct fuzz_way fuzz_asked, fuzz_passed;   /* requests: said, and heard */
static struct fuzz_way fuzz_answered, fuzz_heard; /* answers: said, and heard */
static bool fuzz_client_deaf, fuzz_backend_deaf;
static bool fuzz_backend_unwanted; /* has said what nobody asked for, on this connection */
static bool fuzz_undisturbed;      /* all was good, and is to arrive */
static bool fuzz_has_carrier;      /* the client has put something like one into its messages */

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

/* ---- what was said ---- */

/* Nothing so far. */
static void fuzz_way_init(struct fuzz_way *way)
{
	way->size = way->sent = 0;
	way->ended = false;
	way->reading.size = way->reading.begun = way->reading.whole = 0;
	way->reading.bad = false;
	way->from_size = way->from_begun = way->from_whole = 0;
}

/* Another connection begins. What was incomplete on the one before was the last. */
static void fuzz_way_next(struct fuzz_way *way)
{
	way->from_size = way->reading.size;
	way->from_begun = way->reading.begun;
	way->from_whole = way->reading.whole;
	way->size = way->sent = 0;
	way->ended = false;
}

/* more: answers beyond what was asked, as to what was no request. */
static void fuzz_way_read(
	struct fuzz_way *way, unsigned habits, const struct reading *asked, size_t more)
{
	way->reading.size = way->from_size;
	way->reading.begun = way->from_begun;
	way->reading.whole = way->from_whole;
	way->reading.bad = false;
	reading_all(&way->reading, way->bytes, way->size, way->ended, habits, asked,
		asked != NULL ? asked->begun + more : 0);
}

/* ---- what must hold ---- */

/* An answer that we give instead of the backend, and the last one. */
static bool fuzz_is_ours(const struct reading *heard, size_t number)
{
	static const char fields[] = "\nContent-Type: text/plain\nContent-Length: ",
			  json[] = "\nContent-Type: application/json\nContent-Length: ";
	const char *text = heard->text + heard->messages[number].text;
	const char *line = memchr(text, '\n', heard->size - heard->messages[number].text);

	return number + 1 == heard->begun && strncmp(text, "HTTP/1.1 ", 9) == 0 &&
	       (text[9] == '4' || text[9] == '5') && line != NULL &&
	       (strncmp(line, fields, sizeof fields - 1) == 0 ||
		       strncmp(line, json, sizeof json - 1) == 0);
}

/* How much of it our carrier can be, cut off where its reader was cut off. */
static bool fuzz_is_added(const char *text, size_t size)
{
	static const char carrier[] = ",\"trace\":{\"traceparent\":\"00-";
	size_t known = sizeof carrier - 1, i;

	for (i = 0; i < size && text[i] == ' '; i++)
		;
	return i == size || (memcmp(text, carrier, size < known ? size : known) == 0 && size < 200);
}

/* Who hears gets a beginning of what was said; returns whether that is all of it. */
static bool fuzz_check(struct fuzz_way *heard, const struct fuzz_way *said, bool to_client)
{
	struct reading *got = &heard->reading;
	size_t both = got->size < said->reading.size ? got->size : said->reading.size;
	size_t same = memcmp(got->text, said->reading.text, both) == 0 ? both : 0, last;

	fuzz_require(!got->bad);
	while (same < got->size && same < said->reading.size &&
		got->text[same] == said->reading.text[same])
		same++;
	if (same == got->size)
		return got->size == said->reading.size;
	fuzz_require(got->begun > 0);
	last = got->begun - 1;
	if (to_client) {
		fuzz_require(same >= got->messages[last].text && fuzz_is_ours(got, last));
		fuzz_undisturbed = false;
	} else {
		fuzz_require(fuzz_has_carrier || got->begun > got->whole);
		fuzz_require(fuzz_has_carrier || fuzz_is_added(got->text + same, got->size - same));
	}
	return false;
}

/* Looser readers find the same in it. */
static void fuzz_check_habits(struct fuzz_way *way, const struct reading *asked, size_t more)
{
	static const unsigned habits[] = {READING_BARE_LF, READING_FOLDS, READING_BLANK_NAMES,
		READING_LENGTH_FIRST, READING_LAST_LENGTH, READING_ANY_CHUNKED,
		READING_LOOSE_NUMBERS, 127};
	static struct reading loose;
	size_t i, size = way->reading.size - way->from_size;

	for (i = 0; i < sizeof habits / sizeof habits[0]; i++) {
		loose.size = 0;
		loose.begun = way->from_begun;
		loose.whole = way->from_whole;
		loose.bad = false;
		reading_all(&loose, way->bytes, way->size, way->ended, habits[i], asked,
			asked != NULL ? asked->begun + more : 0);
		fuzz_require(loose.size == size && loose.whole == way->reading.whole);
		fuzz_require(memcmp(loose.text, way->reading.text + way->from_size, size) == 0);
	}
}

/* ---- the two ---- */

static void fuzz_hear(struct fuzz_way *way, int fd)
{
	ssize_t n = 1;

	while (fd >= 0 && n > 0) {
		fuzz_require(way->size < FUZZ_BYTES);
		n = peers_read(fd, way->bytes + way->size, FUZZ_BYTES - way->size);
		way->size += n > 0 ? (size_t)n : 0;
		way->ended |= n == 0;
	}
}

static void fuzz_backend_leaves(void)
{
	fuzz_answered.ended = true;
	fuzz_way_read(&fuzz_answered, 0, &fuzz_passed.reading, 0);
	fuzz_check_habits(&fuzz_passed, NULL, 0);
	peers_hang_up(&peers.backend);
	fuzz_way_next(&fuzz_passed);
	fuzz_way_next(&fuzz_answered);
	fuzz_backend_unwanted = fuzz_backend_deaf = false;
}

static void fuzz_turn(void)
{
	peers_turn(&peers);
	if (!fuzz_backend_deaf)
		fuzz_hear(&fuzz_passed, peers.backend);
	fuzz_way_read(&fuzz_passed, 0, NULL, 0);
	(void)fuzz_check(&fuzz_passed, &fuzz_asked, false);
	fuzz_way_read(&fuzz_answered, 0, &fuzz_passed.reading, 0);
	fuzz_require(fuzz_passed.reading.begun <= fuzz_answered.reading.whole + 1);
	if (!fuzz_client_deaf)
		fuzz_hear(&fuzz_heard, peers.client);
	fuzz_way_read(&fuzz_heard, 0, &fuzz_asked.reading, 1);
	(void)fuzz_check(&fuzz_heard, &fuzz_answered, true);
	if (fuzz_passed.ended)
		fuzz_backend_leaves();
}

static void fuzz_client_says(const char *bytes, size_t size)
{
	ssize_t n = peers.client < 0 ? 0 : peers_write(peers.client, bytes, size);

	n = n > 0 ? n : 0;
	fuzz_undisturbed &= (size_t)n == size;
	memcpy(fuzz_asked.bytes + fuzz_asked.size, bytes, (size_t)n);
	fuzz_asked.size += (size_t)n;
	fuzz_has_carrier |= memmem(fuzz_asked.bytes, fuzz_asked.size, "trace", 5) != NULL ||
			    memchr(bytes, '\\', size) != NULL;
	fuzz_way_read(&fuzz_asked, 0, NULL, 0);
	fuzz_undisturbed &= !fuzz_has_carrier && !fuzz_asked.reading.bad;
}

/* What nobody has asked for counts as not said. Who does not listen cannot know what was asked. */
static void fuzz_backend_says(const char *bytes, size_t size)
{
	struct fuzz_way *way = &fuzz_answered;
	size_t asked = fuzz_passed.reading.begun;
	ssize_t n;

	if (peers.backend < 0 || fuzz_backend_deaf)
		return;
	n = peers_write(peers.backend, bytes, size);
	n = n > 0 ? n : 0;
	fuzz_undisturbed &= (size_t)n == size && fuzz_passed.reading.whole == asked;
	fuzz_backend_unwanted |= asked == way->reading.whole;
	if (!fuzz_backend_unwanted) {
		memcpy(way->bytes + way->size, bytes, (size_t)n);
		way->size += (size_t)n;
		fuzz_way_read(way, 0, &fuzz_passed.reading, 0);
		fuzz_backend_unwanted =
			asked == way->reading.whole && way->reading.used < way->size;
		way->size = fuzz_backend_unwanted ? way->reading.used : way->size;
	}
	fuzz_undisturbed &= !fuzz_backend_unwanted && !way->reading.bad;
}

/* ---- acts ---- */

#define FUZZ_HOST  "Host: h\r\n"
#define FUZZ_CODED "Transfer-Encoding: chunked\r\n\r\n"
#define FUZZ_CALL  "{\"id\":1,\"method\":\"turn/start\",\"params\":{}}"
#define FUZZ_DONE  "{\"id\":1,\"result\":{\"turn\":{\"id\":\"u\"}}}"
#define FUZZ_JSON  "Content-Type: application/json\r\n"

enum fuzz_filling { FUZZ_WHOLE, FUZZ_FILLED, FUZZ_FILLED_CHUNK };

/* Whole messages, in which FUZZ_LONG bytes may come between head and tail. */
struct fuzz_template {
	const char *head, *tail;
	bool disturbs; /* the last one on its connection, or wrong */
};

static const struct fuzz_template fuzz_requests[16] = {
	{"GET /a HTTP/1.1\r\n" FUZZ_HOST "\r\n", NULL, false},
	{"HEAD /b HTTP/1.1\r\n" FUZZ_HOST "Accept: */*\r\n\r\n", NULL, false},
	{"POST /c HTTP/1.1\r\n" FUZZ_HOST FUZZ_JSON "Content-Length: 42\r\n\r\n" FUZZ_CALL, NULL,
		false},
	{"POST /d HTTP/1.1\r\n" FUZZ_HOST FUZZ_JSON FUZZ_CODED "7;a=b\r\n{\"id\":2\r\n"
	 "1\r\n,\r\n0c \r\n\"method\":\"m\"\r\n1\r\n}\r\n0\r\nT: r\r\n\r\n",
		NULL, false},
	{"POST /e HTTP/1.1\r\n" FUZZ_HOST "content-length:  0009 \r\n\r\njust text", NULL, false},
	{"GET /f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", NULL, false},
	{"GET /g HTTP/1.0\r\n\r\n", NULL, true},
	{"POST /h HTTP/1.1\r\n" FUZZ_HOST "Content-Length: 20027\r\n\r\n{\"id\":\"",
		"\",\"method\":\"long\"}  ", false},
	{"POST /i HTTP/1.1\r\n" FUZZ_HOST FUZZ_CODED "4E3C\r\n{\"id\":3,\"method\":\"m\",\"p\":\"",
		"\"}\r\n0\r\n\r\n", false},
	{"GET /j HTTP/1.1\r\n" FUZZ_HOST "Connection: close\r\n\r\n", NULL, true},
	{"POST /k HTTP/1.1\r\n" FUZZ_HOST
	 "Expect: 100-continue\r\nContent-Length: 42\r\n\r\n" FUZZ_CALL,
		NULL, false},
	{"POST /l HTTP/1.1\r\n" FUZZ_HOST "Connection: X, keep-alive\r\nX: 1\r\nKeep-Alive: 5\r\n"
	 "Content-Length: 89\r\n\r\n[" FUZZ_CALL ", " FUZZ_CALL " ]",
		NULL, false},
	{"GET /m HTTP/1.1\r\n" FUZZ_HOST "\r\nPOST /n HTTP/1.1\r\n" FUZZ_HOST
	 "Content-Length: 3\r\n\r\n[1]\r\nHEAD /o HTTP/1.1\r\n" FUZZ_HOST "\r\n",
		NULL, false},
	{"POST /p HTTP/1.1\r\n" FUZZ_HOST "Content-Length: 5\r\n" FUZZ_CODED "0\r\n\r\nGET / ",
		NULL, true},
	{"DELETE /q HTTP/1.1\r\n" FUZZ_HOST "Content-Length: 0\r\n\r\n", NULL, false},
	{"POST /r HTTP/1.1\r\n" FUZZ_HOST "Transfer-Encoding: gzip\r\n" FUZZ_CODED "0\r\n\r\n",
		NULL, false},
};

static const struct fuzz_template fuzz_answers[16] = {
	{"HTTP/1.1 200 OK\r\n" FUZZ_JSON "Content-Length: 37\r\n\r\n" FUZZ_DONE, NULL, false},
	{"HTTP/1.1 200 OK\r\n" FUZZ_CODED "5;a\r\nthis \r\n0a\r\nin chunks.\r\n0\r\nT: r\r\n\r\n",
		NULL, false},
	{"HTTP/1.1 204 None\r\nContent-Length: 7\r\n\r\n", NULL, false},
	{"HTTP/1.1 304 Same\r\nContent-Length: 100\r\n\r\n", NULL, false},
	{"HTTP/1.1 100 Go on\r\n\r\n", NULL, false},
	{"HTTP/1.1 103 Hints\r\nLink: a\r\nConnection: b\r\nB: c\r\n\r\n", NULL, false},
	{"HTTP/1.1 200 OK\r\n\r\nto the end", NULL, true},
	{"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" FUZZ_CODED
	 "a\r\nid: 1\ndata\r\n31\r\n: " FUZZ_DONE "\r\n\r\ndata: \r\n0\r\n\r\n",
		NULL, false},
	{"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", NULL, true},
	{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nend", NULL, true},
	{"HTTP/1.1 200 OK\r\nContent-Length: 20002\r\n\r\n[", "]", false},
	{"HTTP/1.1 200 OK\r\n" FUZZ_CODED "4e20\r\n", "\r\n0\r\n\r\n", false},
	{"HTTP/1.1 401\r\nConnection: keep-alive, X\r\nX: 1\r\nContent-Length: 2\r\n\r\nno", NULL,
		false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n" FUZZ_CODED "0\r\n\r\n", NULL, true},
	{"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", NULL, false},
	{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", NULL, true},
};

/* The text of one; returns its size. */
static size_t fuzz_fill(char text[FUZZ_LONG + 512], const struct fuzz_template *template)
{
	size_t size = strlen(template->head);

	memcpy(text, template->head, size);
	if (template->tail == NULL)
		return size;
	memset(text + size, 'x', FUZZ_LONG);
	size += FUZZ_LONG;
	memcpy(text + size, template->tail, strlen(template->tail));
	return size + strlen(template->tail);
}

/* In pieces of step bytes, each of which is looked at. */
static void fuzz_say(bool client, const char *text, size_t size, size_t step)
{
	size_t piece;

	for (; size > 0; text += piece, size -= piece) {
		piece = size < step ? size : step;
		if (client)
			fuzz_client_says(text, piece);
		else
			fuzz_backend_says(text, piece);
		fuzz_turn();
	}
}

static void fuzz_say_template(bool client, unsigned which, size_t step)
{
	static char text[FUZZ_LONG + 512];
	const struct fuzz_template *template =
		client ? &fuzz_requests[which] : &fuzz_answers[which];
	const struct reading *asked = &fuzz_passed.reading;
	size_t size = fuzz_fill(text, template);
	const char *end = strstr(template->head, "\r\n\r\n");

	if (!client && asked->begun > 0 && asked->messages[asked->begun - 1].to_head)
		size = (size_t)(end - template->head) + 4;
	fuzz_undisturbed &= !template->disturbs;
	fuzz_say(client, text, size, template->tail != NULL && step < 1000 ? 1000 * step : step);
}

static void fuzz_end(bool client, bool leaves)
{
	int *fd = client ? &peers.client : &peers.backend;

	fuzz_undisturbed = false;
	if (*fd >= 0 && !leaves)
		(void)shutdown(*fd, SHUT_WR);
	if (*fd >= 0 && !client)
		fuzz_answered.ended = true;
	if (leaves && client)
		peers_hang_up(fd);
	else if (leaves && *fd >= 0)
		fuzz_backend_leaves();
}

/* Bit 7: the client's. Bits 4 to 6: of what kind; 0 to 3: which. Returns the bytes that it took. */
static size_t fuzz_act(const uint8_t *bytes, size_t size)
{
	bool client = (bytes[0] & 0x80) == 0;
	unsigned which = bytes[0] & 15;
	size_t more;

	switch (bytes[0] >> 4 & 7) {
	case 0:
		fuzz_say_template(client, which, SIZE_MAX);
		return 1;
	case 1:
		fuzz_say_template(client, which, 7);
		return 1;
	case 2:
		fuzz_say_template(client, which, 1);
		return 1;
	case 3:
		more = size > 1 ? bytes[1] : 0;
		more = size > 2 && more > size - 2 ? size - 2 : more;
		fuzz_undisturbed = false;
		if (size > 2)
			fuzz_say(client, (const char *)bytes + 2, more,
				which == 0 ? SIZE_MAX : which);
		return size > 2 ? 2 + more : size;
	case 4:
		*(client ? &fuzz_client_deaf : &fuzz_backend_deaf) = (which & 1) != 0;
		return 1;
	case 5:
		fuzz_end(client, (which & 1) != 0);
		return 1;
	default:
		return 1;
	}
}

/* ---- the end ---- */

static void fuzz_check_end(void)
{
	size_t before, now = 0;

	fuzz_client_deaf = fuzz_backend_deaf = false;
	do {
		before = now;
		fuzz_turn();
		fuzz_turn();
		now = fuzz_passed.size + fuzz_passed.reading.size + fuzz_heard.size;
	} while (now != before);
	if (fuzz_undisturbed && peers.session != NULL) {
		size_t answered = fuzz_answered.reading.whole;

		fuzz_require(peers.session->pair.state == PAIR_EXCHANGE);
		fuzz_require(fuzz_heard.reading.size == fuzz_answered.reading.size);
		fuzz_require(fuzz_passed.reading.begun ==
			     (fuzz_asked.reading.begun > answered ? answered + 1 : answered));
		fuzz_require(!fuzz_heard.ended && !fuzz_passed.ended);
	}
	fuzz_require(!fuzz_undisturbed || peers.session != NULL);
	fuzz_check_habits(&fuzz_passed, NULL, 0);
	fuzz_check_habits(&fuzz_heard, &fuzz_asked.reading, 1);
	peers_hang_up(&peers.client);
	peers_hang_up(&peers.backend);
	peers_turn(&peers);
	peers_turn(&peers);
	fuzz_require(peers.session == NULL);
}

static void fuzz_begin_once(void)
{
	static const char *const flags[] = {"--backlog-bytes-max=64KiB", NULL};
	static bool begun;

	if (begun)
		return;
	begun = true;
	log_level_set(LOG_ERROR);
	log_lines_max_set(1);
	peers_init(&peers, flags);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned acts;
	size_t used;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	fuzz_begin_once();
	peers_open(&peers, &side_websocket, &side_websocket);
	fuzz_way_init(&fuzz_asked);
	fuzz_way_init(&fuzz_passed);
	fuzz_way_init(&fuzz_answered);
	fuzz_way_init(&fuzz_heard);
	fuzz_client_deaf = fuzz_backend_deaf = fuzz_backend_unwanted = fuzz_has_carrier = false;
	fuzz_undisturbed = true;
	peers_connect(&peers);
	for (acts = 0; size > 0 && acts < FUZZ_ACTS_MAX; acts++, bytes += used, size -= used) {
		used = fuzz_act(bytes, size);
		fuzz_turn();
		if (peers.session != NULL && peers.session->pair.state == PAIR_OPEN)
			break; /* a WebSocket: see fuzz_session */
	}
	if (peers.session == NULL || peers.session->pair.state != PAIR_OPEN)
		fuzz_check_end();
	peers_close(&peers);
	return 0;
}
