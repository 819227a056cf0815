/*
 * What must hold of the trees of any session with codex: the recordings as they are, and torn:
 * messages lost, told twice, in another order, from the middle on, answered with errors, two
 * recordings at once. Times are those of the recordings.
 */
#include <dirent.h>
#include <string.h>

#include "proxy/explain/recording.h"
#include "proxy/message/splice.h"
#include "tests/unit/conversation_case.h"

#define TREES_FOLDER "tests/golden"

enum {
	TREES_FILES_MAX = 128,
	TREES_LINES_MAX = 2048,
	TREES_CONNECTIONS_MAX = CONVERSATION_CONNECTIONS_MAX,
};

/* --- recordings --- */

struct line {
	uint64_t time_ns;
	bool is_end, own_backend;
	enum recording_side side;
	size_t connection; /* from 1 on */
	char *text;        /* owned */
	size_t size;
};

struct script {
	struct line lines[TREES_LINES_MAX];
	size_t count;
};

static struct script script, other, torn;
static char *files[TREES_FILES_MAX];
static size_t file_count;

/* What is played, for messages. */
static const char *trees_now = "";
static int trees_run;

static int trees_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void trees_list_files(void)
{
	DIR *folder = opendir(TREES_FOLDER);
	const struct dirent *entry;
	char path[512];

	ck_assert_msg(folder != NULL, "no " TREES_FOLDER);
	while ((entry = readdir(folder)) != NULL) {
		size_t size = strlen(entry->d_name);

		if (size < 6 || strcmp(entry->d_name + size - 6, ".jsonl") != 0)
			continue;
		ck_assert_uint_lt(file_count, TREES_FILES_MAX);
		snprintf(path, sizeof path, TREES_FOLDER "/%s", entry->d_name);
		files[file_count++] = strdup(path);
	}
	closedir(folder);
	ck_assert_uint_gt(file_count, 60);
	qsort(files, file_count, sizeof files[0], trees_compare);
}

static void script_clear(struct script *read)
{
	while (read->count > 0)
		free(read->lines[--read->count].text);
}

static void trees_end(void)
{
	script_clear(&script);
	while (file_count > 0)
		free(files[--file_count]);
	conversation_unload();
}

/* Connections get numbers in the order in which they turn up, from first on. */
static void script_read(struct script *read, const char *path, size_t first)
{
	char names[TREES_CONNECTIONS_MAX][RECORDING_NAME_MAX + 1], error[256];
	bool own[TREES_CONNECTIONS_MAX];
	FILE *file = fopen(path, "re");
	struct recording *recording = recording_new(file, path);
	struct recording_line from;
	size_t count = 0, i;

	script_clear(read);
	while (recording_next(recording, &from, error, sizeof error) == RECORDING_LINE) {
		struct line *line = &read->lines[read->count++];

		ck_assert_uint_lt(read->count, TREES_LINES_MAX);
		for (i = 0; i < count && strcmp(names[i], from.connection) != 0; i++)
			;
		if (i == count) {
			strcpy(names[count], from.connection);
			own[count++] = strcmp(from.transport, "stdio") == 0;
		}
		ck_assert_uint_le(first + i, TREES_CONNECTIONS_MAX);
		*line = (struct line){.time_ns = from.time_ns,
			.is_end = from.is_end,
			.own_backend = own[i],
			.side = from.side,
			.connection = first + i,
			.size = from.size};
		if (from.is_end)
			continue;
		line->text = malloc(from.size + 1);
		memcpy(line->text, from.text, from.size);
		line->text[from.size] = '\0';
	}
	recording_free(recording);
	fclose(file);
}

static void script_add(struct script *to, const struct line *line)
{
	struct line *added = &to->lines[to->count++];

	ck_assert_uint_lt(to->count, TREES_LINES_MAX);
	*added = *line;
	added->text = line->text == NULL ? NULL : strdup(line->text);
}

/* --- through the tracer --- */

struct player {
	struct conversation *said;
	struct splice *splice;
	const struct line *line;
	bool ended[TREES_CONNECTIONS_MAX + 1][2]; /* by enum recording_side */
};

static size_t player_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct player *player = arg;
	struct tracer_connection *connection = player->said->connections[player->line->connection];
	size_t size =
		player->line->side == RECORDING_CLIENT
			? tracer_carrier(connection, envelope, text)
			: tracer_server_carrier(connection, envelope, player->said->now_ns, text);

	conversation_told(player->said, *text, size);
	return size;
}

static void player_envelope(void *arg, const struct envelope *envelope)
{
	struct player *player = arg;
	struct tracer_connection *connection = player->said->connections[player->line->connection];

	if (player->line->side == RECORDING_CLIENT)
		tracer_client_message(
			connection, envelope, player->said->now_ns, player->said->now_ns);
	else
		tracer_backend_message(connection, envelope, player->said->now_ns);
}

static const struct splice_hooks player_hooks = {
	.carrier = player_carrier,
	.envelope = player_envelope,
};

/* A wrapped server may still answer when its input has ended; a socket is closed as a whole. */
static void player_end(struct player *player)
{
	const struct line *line = player->line;
	bool *ended = player->ended[line->connection];

	ended[line->side] = true;
	if (ended[RECORDING_BACKEND] || !line->own_backend)
		conversation_leave(player->said, line->connection,
			ended[RECORDING_CLIENT] ? TRACER_CONNECTION_CLOSED : TRACER_BACKEND_EXITED);
}

static void player_play(struct player *player, const struct line *line)
{
	struct conversation *said = player->said;

	player->line = line;
	while (said->now_ns + 1000000000 <= CONVERSATION_START_NS + line->time_ns)
		conversation_pass(said, 1000);
	if (said->now_ns < CONVERSATION_START_NS + line->time_ns)
		said->now_ns = CONVERSATION_START_NS + line->time_ns;
	if (said->connections[line->connection] == NULL) {
		if (line->is_end || player->ended[line->connection][RECORDING_CLIENT] ||
			player->ended[line->connection][RECORDING_BACKEND])
			return; /* it is gone: nobody hears it */
		said->connections[line->connection] = tracer_connection_new(
			said->tracer, line->connection, "test", line->own_backend);
	}
	if (line->is_end) {
		player_end(player);
		return;
	}
	splice_begin(player->splice, line->side == RECORDING_CLIENT ? SPLICE_INJECT : SPLICE_WATCH,
		&player_hooks, player);
	splice_feed(player->splice, (const uint8_t *)line->text, strlen(line->text), true);
}

static struct conversation *trees_play(const struct script *played)
{
	static struct player player;
	struct place_rules rules;
	size_t i;

	memset(&player, 0, sizeof player);
	player.said = conversation_begin();
	rules = tracer_place_rules(player.said->load.config);
	player.splice = splice_new(tracer_pointers(player.said->tracer), &rules);
	for (i = 0; i < played->count; i++)
		player_play(&player, &played->lines[i]);
	splice_free(player.splice);
	conversation_shut_down(player.said);
	return player.said;
}

/* --- what must hold --- */

#define HOLDS(holds, format, ...)                                                                  \
	MUST(holds, "%s, run %d: " format, trees_now, trees_run, ##__VA_ARGS__)

static bool kept_begins(const struct kept *span, const char *prefix)
{
	return strncmp(span->name, prefix, strlen(prefix)) == 0;
}

static bool kept_has(const struct kept *span, const char *attribute)
{
	return strstr(span->attributes, attribute) != NULL;
}

static bool kept_is_turn(const struct kept *span)
{
	return strcmp(span->name, "app_server.turn") == 0;
}

static bool kept_is_call(const struct kept *span)
{
	return kept_has(span, " gen_ai.operation.name=chat ") && kept_has(span, " turn.id=") &&
	       span->kind == SPAN_KIND_CLIENT;
}

static bool kept_is_tool(const struct kept *span)
{
	return kept_has(span, " gen_ai.operation.name=execute_tool ");
}

static bool kept_is_same(const struct kept *span, const struct kept *than, const char *attribute)
{
	struct span_text a, b;

	return kept_value(span, attribute, strlen(attribute), &a) &&
	       kept_value(than, attribute, strlen(attribute), &b) && a.size == b.size &&
	       memcmp(a.bytes, b.bytes, a.size) == 0;
}

/* Of work that goes on, below what is there already. */
static bool kept_is_announcement(const struct kept *span)
{
	return strcmp(span->name, "app_server.turn started") == 0 ||
	       strcmp(span->name, "tool running") == 0 ||
	       strcmp(span->name, "approval pending") == 0;
}

/* Whether it is below what a request is below: with lifecycle.turn_below client. */
static bool kept_is_beside(const struct exporter *exporter, const struct kept *turn)
{
	const struct kept *span = exporter->spans, *end = span + exporter->count;

	while (span < end && (!kept_begins(span, "app_server.request ") || !span->has_parent ||
				     memcmp(span->parent, turn->parent, SPAN_ID_SIZE) != 0))
		span++;
	return span < end;
}

/* What is below another span ends within it: but turns, and requests that wait for an answer. */
static void trees_check_span(const struct exporter *exporter, const struct kept *span)
{
	const struct kept *parent;
	bool request = kept_begins(span, "app_server.request ");

	HOLDS(kept_find(exporter, span->context.span_id) == span, "%s: id twice", span->name);
	HOLDS(span->start_unix_ns <= span->end_unix_ns, "%s: ends early", span->name);
	if (!span->has_parent)
		return;
	parent = kept_find(exporter, span->parent);
	HOLDS(parent != NULL || request || (kept_is_turn(span) && kept_is_beside(exporter, span)),
		"%s: an orphan", span->name);
	if (parent == NULL)
		return; /* the client's */
	HOLDS(memcmp(parent->context.trace_id, span->context.trace_id, TRACE_ID_SIZE) == 0,
		"%s: not in the trace of %s", span->name, parent->name);
	HOLDS(strcmp(parent->tracestate, span->tracestate) == 0, "%s: tracestate", span->name);
	HOLDS(parent->start_unix_ns <= span->start_unix_ns, "%s: begins before %s", span->name,
		parent->name);
	if (!kept_is_turn(span) && !request && !kept_is_announcement(span))
		HOLDS(span->end_unix_ns <= parent->end_unix_ns, "%s: ends after %s (%lld ns)",
			span->name, parent->name,
			(long long)(span->end_unix_ns - parent->end_unix_ns));
}

/* A turn has one span; its thread has one turn after the other. */
static void trees_check_turn(const struct exporter *exporter, const struct kept *turn)
{
	const struct kept *span;

	for (span = exporter->spans; span < exporter->spans + exporter->count; span++) {
		if (span == turn || !kept_is_turn(span) || !kept_is_same(span, turn, "thread.id"))
			continue;
		HOLDS(!kept_is_same(span, turn, "turn.id"), "a turn twice");
	}
}

/* Calls of a turn come one after the other, and between them its tools. */
static void trees_check_call(
	const struct exporter *exporter, const struct kept *call, bool tools_apart)
{
	const struct kept *span;

	for (span = exporter->spans; span < exporter->spans + exporter->count; span++) {
		if (span == call || memcmp(span->parent, call->parent, SPAN_ID_SIZE) != 0)
			continue;
		if (!kept_is_call(span) && !(tools_apart && kept_is_tool(span)))
			continue;
		HOLDS(span->end_unix_ns <= call->start_unix_ns ||
				call->end_unix_ns <= span->start_unix_ns,
			"%s from %llu to %llu, %s from %llu to %llu", call->name,
			(unsigned long long)call->start_unix_ns,
			(unsigned long long)call->end_unix_ns, span->name,
			(unsigned long long)span->start_unix_ns,
			(unsigned long long)span->end_unix_ns);
	}
}

static void trees_check(const struct conversation *said, bool whole)
{
	const struct exporter *exporter = said->exporter;
	const struct follow_counters *counters = conversation_counters(said);
	const struct kept *span;
	size_t i;

	HOLDS(counters->budget.bytes == 0, "%zu bytes are left", counters->budget.bytes);
	HOLDS(said->no_memory == 0, "no memory");
	for (span = exporter->spans; span < exporter->spans + exporter->count; span++) {
		trees_check_span(exporter, span);
		if (kept_is_turn(span))
			trees_check_turn(exporter, span);
		if (kept_is_call(span))
			trees_check_call(exporter, span, whole);
	}
	for (i = 0; i < said->told_count; i++)
		HOLDS((said->told[i].flags & TRACE_FLAG_SAMPLED) == 0 ||
				kept_find(exporter, said->told[i].span_id) != NULL,
			"promise %zu of %zu was not kept", i, said->told_count);
}

/* --- the recordings as they are --- */

/* How much of a turn, up to the end of its last call, no calls, tools and compactions cover. */
static uint64_t trees_white_ns(const struct exporter *exporter, const struct kept *turn)
{
	const struct kept *end = exporter->spans + exporter->count, *span;
	uint64_t at = turn->start_unix_ns, last = 0, white = 0, from, to;

	for (span = exporter->spans; span < end; span++)
		if (memcmp(span->parent, turn->context.span_id, SPAN_ID_SIZE) == 0 &&
			kept_is_call(span) && span->end_unix_ns > last)
			last = span->end_unix_ns;
	for (; at < last; at = to) {
		from = to = last;
		for (span = exporter->spans; span < end; span++) {
			if (memcmp(span->parent, turn->context.span_id, SPAN_ID_SIZE) != 0 ||
				(!kept_is_call(span) && !kept_is_tool(span) &&
					strcmp(span->name, "contextCompaction") != 0) ||
				span->end_unix_ns <= at || span->start_unix_ns >= from)
				continue;
			from = span->start_unix_ns > at ? span->start_unix_ns : at;
			to = span->end_unix_ns;
		}
		white += from - at;
	}
	return white;
}

START_TEST(test_recorded)
{
	const struct kept *span;
	size_t i, turns = 0;

	trees_list_files();
	conversation_load((const char *[]){"--profile=codex", NULL});
	for (i = 0; i < file_count; i++) {
		struct conversation *said;

		script_read(&script, files[i], 1);
		trees_now = files[i];
		said = trees_play(&script);
		trees_check(said, true);
		for (span = said->exporter->spans;
			span < said->exporter->spans + said->exporter->count; span++)
			if (kept_is_turn(span)) {
				ck_assert_msg(trees_white_ns(said->exporter, span) == 0,
					"%s: white", files[i]);
				turns++;
			}
		conversation_end(said);
	}
	ck_assert_uint_gt(turns, 100);
	trees_end();
}
END_TEST

/* --- torn --- */

static uint64_t chance_state;

/* xorshift64: the same numbers in every run. */
static unsigned chance(unsigned below)
{
	chance_state ^= chance_state << 13;
	chance_state ^= chance_state >> 7;
	chance_state ^= chance_state << 17;
	return (unsigned)(chance_state >> 33) % below;
}

static void torn_drop(void)
{
	size_t i;

	for (i = 0; i < script.count; i++)
		if (chance(8) > 0)
			script_add(&torn, &script.lines[i]);
}

static void torn_begin_later(void)
{
	size_t i;

	for (i = chance((unsigned)script.count); i < script.count; i++)
		script_add(&torn, &script.lines[i]);
}

static void torn_repeat(void)
{
	size_t i;

	for (i = 0; i < script.count; i++) {
		script_add(&torn, &script.lines[i]);
		if (chance(6) == 0 && torn.count + 2 * script.count < TREES_LINES_MAX)
			script_add(&torn, &script.lines[i - chance(i < 5 ? (unsigned)i + 1 : 5)]);
	}
}

/* Times stay in order: it is the messages that change places. */
static void torn_swap(void)
{
	size_t i;

	for (i = 0; i < script.count; i++)
		script_add(&torn, &script.lines[i]);
	for (i = 0; i + 1 < torn.count; i++) {
		struct line *line = &torn.lines[i], *next = line + 1, held = *line;

		if (chance(4) > 0 || line->is_end || next->is_end)
			continue;
		*line = *next;
		*next = held;
		next->time_ns = line->time_ns;
		line->time_ns = held.time_ns;
	}
}

/* Answers are errors. */
static void torn_refuse(void)
{
	static const char from[] = "\"result\":", to[] = "\"error\": ";
	size_t i;

	for (i = 0; i < script.count; i++) {
		char *at;

		script_add(&torn, &script.lines[i]);
		at = torn.lines[i].text == NULL ? NULL : strstr(torn.lines[i].text, from);
		if (at != NULL && chance(3) == 0)
			memcpy(at, to, sizeof to - 1);
	}
}

/* Another recording is heard on other connections of the same server, whose threads are called the
 * same: as when two clients tell of one thread, but not the same. */
static void torn_mix(void)
{
	size_t i = 0, j = 0;
	const char *path;

	do
		path = files[chance((unsigned)file_count)];
	while (strstr(path, "/ws-") == NULL);
	if (!script.lines[0].own_backend) /* else they are different servers */
		script_read(&other, path, 5);
	while (i < script.count || j < other.count)
		if (j == other.count ||
			(i < script.count && script.lines[i].time_ns <= other.lines[j].time_ns))
			script_add(&torn, &script.lines[i++]);
		else
			script_add(&torn, &other.lines[j++]);
	script_clear(&other);
}

/* A connection ends in the middle; what it goes on to say is not heard. */
static void torn_end(void)
{
	size_t at = chance((unsigned)script.count), i;

	for (i = 0; i < script.count; i++) {
		script_add(&torn, &script.lines[i]);
		if (i != at)
			continue;
		torn.lines[i].is_end = true;
		torn.lines[i].side = chance(2) == 0 ? RECORDING_CLIENT : RECORDING_BACKEND;
	}
}

static void (*const tears[])(void) = {
	torn_drop, torn_begin_later, torn_repeat, torn_swap, torn_refuse, torn_mix, torn_end};

static const char *const torn_flags[][3] = {
	{"--profile=codex", NULL},
	{"--profile=codex", "--lifecycle-turn-below=client", NULL},
	{"--profile=codex", "--lifecycle-dispatch=none", NULL},
	{"--profile=codex", "--lifecycle-announce-after=1s", NULL},
};

/* Each in two ways; sanitizers are slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEARS_RUNS 1
#else
#define TEARS_RUNS 2
#endif

START_TEST(test_torn)
{
	size_t i;
	int run;

	trees_list_files();
	conversation_load(torn_flags[_i]);
	for (i = 0; i < file_count; i++) {
		script_read(&script, files[i], 1);
		if (script.count > 400)
			continue; /* much the same many times */
		for (run = 0; run < TEARS_RUNS * COUNT(tears); run++) {
			struct conversation *said;

			chance_state = UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(1 + run + 100 * i);
			tears[run % COUNT(tears)]();
			trees_now = files[i];
			trees_run = run;
			said = trees_play(&torn);
			trees_check(said, false);
			conversation_end(said);
			script_clear(&torn);
		}
	}
	trees_end();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("trees");

	tcase_set_timeout(tc, 170);
	tcase_add_test(tc, test_recorded);
	tcase_add_loop_test(tc, test_torn, 0, COUNT(torn_flags));
	return unit_run("trees", tc);
}
