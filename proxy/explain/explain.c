/*
 * What recorded messages come to; see explain.h. In the order of the work: a line of the recording
 * is read; the seconds that have passed since the one before are ticked off; the message goes
 * through splice and its hooks to the tracer, as in a pump, or the end of a side is told as a
 * session does. What the tracer has to say comes out below the line's heading, which is written
 * when the first thing is known about the message. Spans are kept by an exporter that is started
 * when all is over.
 *
 * A recording that is wrong ends the work at that line, with what came before it written.
 */
#include "proxy/explain/explain.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/list.h"
#include "config/profile/profile.h"
#include "exporter/exporter.h"
#include "proxy/explain/listing.h"
#include "proxy/explain/pending.h"
#include "proxy/explain/recording.h"
#include "proxy/message/splice.h"
#include "proxy/telemetry.h"
#include "proxy/trace/requests/request.h"
#include "proxy/trace/tracer.h"
#include "w3c/ids.h"

#define EXPLAIN_SECOND_NS  1000000000ull
#define EXPLAIN_WALL_NS    (1000000000 * EXPLAIN_SECOND_NS) /* later times are unix time */
#define EXPLAIN_DIGITS_MAX 18

struct explain_connection {
	struct inflight_entry entry;     /* first: the table hands back pointers to it */
	struct tracer_connection *trace; /* owned; NULL: it is over */
	struct pending pending[2];       /* by enum recording_side: who asked */
	bool has_name;
	bool own_backend;                  /* a server that serves nobody else, as a wrapped one */
	bool ended[2];                     /* by enum recording_side */
	char name[RECORDING_NAME_MAX + 1]; /* the entry's key */
	char transport[RECORDING_NAME_MAX + 1];
};

_Static_assert(offsetof(struct explain_connection, entry) == 0, "the table's entry is cast to it");

struct explain {
	const struct config *config; /* borrowed, as is what comes before recording */
	const char *name;            /* of the recording, for messages */
	char *error;
	size_t error_size;
	struct recording *recording; /* owned, as are all below */
	struct exporter *exporter;
	struct tracer *tracer;
	struct splice *splice;
	struct inflight connections; /* all that there were, by name */
	struct listing listing;
	struct ids ids;

	/* what is going on */
	struct recording_line line;
	struct explain_connection *connection; /* of the line; NULL: of none */
	uint64_t now_ns;                       /* our clock */
	uint64_t ticked_ns;                    /* up to here seconds have been ticked off */
	unsigned ticks;
	bool noted;       /* a rule had something to do */
	size_t envelopes; /* in this message */

	struct tracer_counters told; /* as they were when they were last looked at */
	uint64_t messages, not_json, without_rule;
};

/* ---- what the tracer has to say ---- */

/* The engine tells what a rule does. */
static void explain_on_note(void *arg, const char *text)
{
	struct explain *explain = arg;

	explain->noted = true;
	listing_write_note(&explain->listing, text);
}

/* What was counted since the last look. */
static const struct {
	size_t counter; /* offset in struct tracer_counters */
	const char *text;
} explain_findings[] = {
	{offsetof(struct tracer_counters, replies_unmatched), "no request waits for this answer"},
	{offsetof(struct tracer_counters, carriers_invalid),
		"the trace carrier is invalid: a new trace begins"},
	{offsetof(struct tracer_counters, tracestates_dropped),
		"the tracestate is invalid: it is dropped"},
	{offsetof(struct tracer_counters, ids_unusable), "no answer could have this id: no span"},
	{offsetof(struct tracer_counters, ids_reused),
		"the id is in use: the request that had it ends"},
	{offsetof(struct tracer_counters, evicted_for_room),
		"inflight.bytes_max is reached: the oldest request of who has most ends"},
	{offsetof(struct tracer_counters, evicted),
		"inflight.max is reached: the oldest request ends"},
	{offsetof(struct tracer_counters, expired),
		"inflight.max_age has passed: a request ends without an answer"},
	{offsetof(struct tracer_counters, requests_no_memory), "out of memory: no span"},
};

static uint64_t explain_counter(const struct tracer_counters *counters, size_t offset)
{
	return *(const uint64_t *)((const char *)counters + offset);
}

static void explain_write_findings(struct explain *explain)
{
	const struct tracer_counters *counters = tracer_counters(explain->tracer);
	size_t i;

	for (i = 0; i < sizeof explain_findings / sizeof explain_findings[0]; i++)
		if (explain_counter(counters, explain_findings[i].counter) !=
			explain_counter(&explain->told, explain_findings[i].counter))
			listing_write_note(&explain->listing, explain_findings[i].text);
	explain->told = *counters;
}

/* ---- messages, as a pump carries them ---- */

static size_t explain_on_carrier(void *arg, struct envelope *envelope, const char **text)
{
	struct explain *explain = arg;

	listing_write_envelope(&explain->listing, envelope, explain->connection->pending);
	if (explain->line.side == RECORDING_BACKEND)
		return tracer_server_carrier(
			explain->connection->trace, envelope, explain->now_ns, text);
	return tracer_carrier(explain->connection->trace, envelope, text);
}

static void explain_on_envelope(void *arg, const struct envelope *envelope)
{
	struct explain *explain = arg;
	struct tracer_connection *trace = explain->connection->trace;

	listing_write_envelope(&explain->listing, envelope, explain->connection->pending);
	if (explain->line.side == RECORDING_CLIENT)
		tracer_client_message(trace, envelope, explain->now_ns, explain->now_ns);
	else
		tracer_backend_message(trace, envelope, explain->now_ns);
	explain_write_findings(explain);
	explain->listing.headed = false; /* another one may follow, in a batch */
	explain->envelopes++;
}

static const struct splice_hooks explain_hooks = {
	.carrier = explain_on_carrier,
	.envelope = explain_on_envelope,
};

static enum splice_mode explain_splice_mode(const struct explain *explain)
{
	const struct config *config = explain->config;
	bool from_client = explain->line.side == RECORDING_CLIENT;
	bool injects = list_place(&config->propagation_inject) != NULL &&
		       (from_client || config->propagation_inject_server_requests);

	if (from_client && tracer_strips(config))
		return injects ? SPLICE_REPLACE : SPLICE_STRIP;
	return injects ? SPLICE_INJECT : SPLICE_WATCH;
}

static const struct {
	enum splice_trouble trouble;
	const char *text;
} explain_troubles[] = {
	{SPLICE_NOT_JSON, "not JSON"},
	{SPLICE_TOO_DEEP, "nested too deeply"},
	{SPLICE_UNDECIDED, "too long before it is clear what it is"},
	{SPLICE_ENVELOPE_LARGE, "too much in its envelope"},
	{SPLICE_NO_MEMORY, "out of memory"},
	{SPLICE_NO_PLACE, "a request without a place for a trace context"},
};

static void explain_write_troubles(struct explain *explain, unsigned troubles)
{
	size_t i;

	if (explain->envelopes == 0 && !explain->listing.headed)
		listing_write_heading(&explain->listing,
			troubles != 0 ? "nothing that can be read" : "not JSON-RPC");
	explain->listing.headed = true;
	for (i = 0; i < sizeof explain_troubles / sizeof explain_troubles[0]; i++)
		if ((troubles & explain_troubles[i].trouble) != 0)
			listing_write_note(&explain->listing, explain_troubles[i].text);
}

static void explain_message(struct explain *explain)
{
	enum splice_mode mode = explain_splice_mode(explain);
	unsigned troubles;

	explain->messages++;
	explain->noted = false;
	explain->envelopes = 0;
	if (explain->line.size == 0) {
		listing_write_heading(&explain->listing, "a blank line");
		return;
	}
	splice_begin(explain->splice, mode, &explain_hooks, explain);
	splice_feed(explain->splice, explain->line.text, explain->line.size, true);
	troubles = splice_troubles(explain->splice);
	explain_write_troubles(explain, troubles);
	explain->not_json += (troubles & SPLICE_NOT_JSON) != 0;
	explain->without_rule += troubles == 0 && !explain->noted;
}

/* ---- time, as the loop's ticker tells it ---- */

static void explain_tick(struct explain *explain, uint64_t now_ns)
{
	struct inflight_entry *entry = explain->connections.oldest;

	explain->now_ns = now_ns;
	tracer_tick(explain->tracer, now_ns);
	for (; entry != NULL; entry = entry->newer) {
		struct explain_connection *connection = (struct explain_connection *)entry;

		if (connection->trace != NULL)
			tracer_connection_expire(connection->trace, now_ns);
	}
	explain_write_findings(explain);
}

/* Ticks off the full seconds up to now. */
static void explain_advance(struct explain *explain, uint64_t now_ns)
{
	explain->connection = NULL;
	listing_turn_to_moment(&explain->listing, "time passes");
	if (explain->ticked_ns == 0) /* the first line: nothing was before it */
		explain->ticked_ns = now_ns - now_ns % EXPLAIN_SECOND_NS;
	while (now_ns - explain->ticked_ns >= EXPLAIN_SECOND_NS) {
		if (explain->ticks++ < EXPLAIN_TICKS_MAX)
			explain->ticked_ns += EXPLAIN_SECOND_NS;
		else
			explain->ticked_ns = now_ns - now_ns % EXPLAIN_SECOND_NS;
		explain->listing.headed = false;
		explain_tick(explain, explain->ticked_ns);
	}
	explain->now_ns = now_ns;
}

/* ---- connections, as sessions open and end them ---- */

static void explain_free_connection(struct explain *explain, struct explain_connection *connection)
{
	size_t side;

	inflight_remove(&explain->connections, &connection->entry);
	for (side = 0; side < 2; side++)
		pending_done(&connection->pending[side]);
	tracer_connection_free(connection->trace, TRACER_SHUTDOWN, explain->now_ns);
	free(connection);
}

static uint64_t explain_seed(struct explain *explain)
{
	uint64_t seed;

	ids_random(&explain->ids, (uint8_t *)&seed, sizeof seed);
	return seed;
}

static struct explain_connection *explain_new_connection(struct explain *explain)
{
	const struct recording_line *line = &explain->line;
	struct explain_connection *connection = calloc(1, sizeof *connection);

	if (connection == NULL)
		return NULL;
	memcpy(connection->name, line->connection, sizeof connection->name);
	memcpy(connection->transport, line->transport, sizeof connection->transport);
	connection->has_name = line->has_connection;
	if (line->server != RECORDING_SERVER_UNSAID)
		connection->own_backend = line->server == RECORDING_SERVER_OWN;
	else
		connection->own_backend = line->transport[0] != '\0'
						  ? strcmp(line->transport, "stdio") == 0
						  : !line->has_connection;
	if (connection->transport[0] == '\0')
		(void)snprintf(connection->transport, sizeof connection->transport, "%s",
			connection->own_backend ? "stdio" : "websocket"); /* fits */
	pending_init(&connection->pending[RECORDING_CLIENT], explain_seed(explain));
	pending_init(&connection->pending[RECORDING_BACKEND], explain_seed(explain));
	return connection;
}

static int explain_add(
	struct inflight *inflight, struct inflight_entry *entry, char *key, size_t size)
{
	entry->key = key;
	entry->key_size = (uint16_t)size;
	entry->hash = inflight_hash(inflight, key, size);
	return inflight_add(inflight, entry);
}

/* A connection that is called by a number has that one, as when it was recorded. */
static uint64_t explain_number(const struct explain *explain)
{
	const char *name = explain->line.connection;
	size_t digits = strspn(name, "0123456789");

	if (digits == 0 || digits > EXPLAIN_DIGITS_MAX || name[digits] != '\0')
		return explain->connections.count;
	return strtoull(name, NULL, 10);
}

static struct explain_connection *explain_open(struct explain *explain)
{
	struct explain_connection *connection = explain_new_connection(explain);

	if (connection == NULL)
		return NULL;
	connection->trace = tracer_connection_new(explain->tracer, explain_number(explain),
		connection->transport, connection->own_backend);
	if (connection->trace != NULL && explain_add(&explain->connections, &connection->entry,
						 connection->name, strlen(connection->name)) == 0)
		return connection;
	tracer_connection_free(connection->trace, TRACER_SHUTDOWN, explain->now_ns);
	free(connection);
	return NULL;
}

/* A wrapped server may still answer when its input has ended; a socket is closed as a whole. */
static void explain_end(struct explain *explain)
{
	struct explain_connection *connection = explain->connection;
	bool over = connection->ended[RECORDING_BACKEND] || !connection->own_backend;

	listing_write_heading(&explain->listing,
		explain->line.side == RECORDING_CLIENT ? "the client ends" : "the server ends");
	if (!over)
		return;
	tracer_connection_free(connection->trace,
		connection->ended[RECORDING_CLIENT] ? TRACER_CONNECTION_CLOSED
						    : TRACER_BACKEND_EXITED,
		explain->now_ns);
	connection->trace = NULL;
	explain_write_findings(explain);
}

/* ---- the recording ---- */

static enum explain_outcome explain_fail(
	struct explain *explain, enum explain_outcome outcome, const char *what)
{
	(void)snprintf(explain->error, explain->error_size, "%s:%llu: %s", explain->name,
		explain->line.number, what); /* may be cut */
	return outcome;
}

static struct inflight_entry *explain_find(
	const struct inflight *inflight, const char *key, size_t size)
{
	return inflight_find(inflight, key, size, inflight_hash(inflight, key, size));
}

/* Finds or opens the connection of the line, which may say what it says: else the reason. */
static const char *explain_find_connection(struct explain *explain)
{
	const struct recording_line *line = &explain->line;
	struct explain_connection *connection = (struct explain_connection *)explain_find(
		&explain->connections, line->connection, strlen(line->connection));

	if (connection == NULL && explain->connections.count >= EXPLAIN_CONNECTIONS_MAX)
		return "\"conn\": too many; must be 1000 different ones at most";
	if (connection == NULL)
		connection = explain_open(explain);
	explain->connection = connection;
	if (connection == NULL)
		return NULL;
	if (connection->ended[line->side])
		return "this side has ended; must stand before its end";
	if (connection->trace == NULL && !line->is_end)
		return "the connection is over; must stand before its end";
	connection->ended[line->side] = line->is_end;
	return NULL;
}

/* Our clock at the line. That of the wall is told to the tracer. */
static uint64_t explain_now(struct explain *explain)
{
	uint64_t time_ns = explain->line.time_ns, now_ns;

	if (explain->ticked_ns == 0 && time_ns >= EXPLAIN_WALL_NS)
		explain->listing.zero_ns = time_ns - time_ns % EXPLAIN_SECOND_NS;
	now_ns = time_ns - explain->listing.zero_ns + LISTING_EPOCH_NS;
	if (explain->listing.zero_ns > 0)
		tracer_clock(explain->tracer, now_ns, time_ns);
	return now_ns;
}

static enum explain_outcome explain_line(struct explain *explain)
{
	const char *wrong;

	explain_advance(explain, explain_now(explain));
	wrong = explain_find_connection(explain);
	if (wrong != NULL)
		return explain_fail(explain, EXPLAIN_WRONG, wrong);
	if (explain->connection == NULL)
		return explain_fail(explain, EXPLAIN_FAILED, "out of memory");
	listing_turn_to_line(&explain->listing, &explain->line,
		explain->connection->has_name ? explain->connection->name : NULL);
	if (explain->line.is_end)
		explain_end(explain);
	else
		explain_message(explain);
	return EXPLAIN_DONE;
}

static enum explain_outcome explain_lines(struct explain *explain)
{
	enum explain_outcome outcome = EXPLAIN_DONE;

	while (outcome == EXPLAIN_DONE) {
		switch (recording_next(
			explain->recording, &explain->line, explain->error, explain->error_size)) {
		case RECORDING_LINE:
			outcome = explain_line(explain);
			break;
		case RECORDING_END:
			return EXPLAIN_DONE;
		case RECORDING_BAD:
			return EXPLAIN_WRONG;
		case RECORDING_NO_MEMORY:
			return EXPLAIN_FAILED;
		}
	}
	return outcome;
}

/* ---- all of it ---- */

/* What is still open ends as at a shutdown. */
static void explain_end_connections(struct explain *explain)
{
	while (explain->connections.oldest != NULL)
		explain_free_connection(
			explain, (struct explain_connection *)explain->connections.oldest);
}

static void explain_end_recording(struct explain *explain)
{
	explain->connection = NULL;
	listing_turn_to_moment(&explain->listing, "the recording ends");
	explain_end_connections(explain);
	tracer_end(explain->tracer, TRACER_SHUTDOWN, explain->now_ns);
	explain_write_findings(explain);
}

/* The exporter writes all that it has got, past out's buffer. */
static int explain_write_trees(struct explain *explain, struct exporter_counters *at)
{
	exporter_counters_read(explain->exporter, at);
	if (at->created > 0)
		(void)fputc('\n', explain->listing.out); /* a failure shows at the end */
	if (fflush(explain->listing.out) != 0 ||
		exporter_start(explain->exporter, explain->error, explain->error_size) != 0)
		return -1;
	exporter_stop(explain->exporter, INT64_MAX / 2); /* as long as it takes to be read */
	exporter_counters_read(explain->exporter, at);
	return at->sent == at->created ? 0 : -1;
}

static enum explain_outcome explain_finish(struct explain *explain)
{
	struct exporter_counters at;

	explain_end_recording(explain);
	(void)snprintf(explain->error, explain->error_size,
		"not all was written: memory is short, or standard output takes no more");
	if (explain_write_trees(explain, &at) != 0)
		return EXPLAIN_FAILED;
	(void)fprintf(explain->listing.out,
		"\nmessages=%llu spans=%llu not_json=%llu without_rule=%llu\n",
		(unsigned long long)explain->messages, (unsigned long long)at.created,
		(unsigned long long)explain->not_json, (unsigned long long)explain->without_rule);
	return fflush(explain->listing.out) == 0 && !ferror(explain->listing.out) &&
			       !explain->listing.failed
		       ? EXPLAIN_DONE
		       : EXPLAIN_FAILED;
}

static int explain_init(struct explain *explain, FILE *file)
{
	const struct config *config = explain->config;
	const struct place_rules rules = tracer_place_rules(config);

	ids_init(&explain->ids);
	inflight_init(&explain->connections, explain_seed(explain));
	explain->exporter = telemetry_trees_new(
		fileno(explain->listing.out), explain->error, explain->error_size);
	if (explain->exporter == NULL)
		return -1;
	/* no TRACEPARENT: it is about us, not about what was recorded */
	explain->tracer = tracer_new(
		config, explain->exporter, NULL, NULL, explain->error, explain->error_size);
	if (explain->tracer == NULL)
		return -1;
	tracer_watch(explain->tracer, explain_on_note, explain);
	tracer_ask_why(explain->tracer, config->explain_why);
	(void)snprintf(explain->error, explain->error_size, "out of memory");
	explain->splice = splice_new(tracer_pointers(explain->tracer), &rules);
	explain->recording = recording_new(file, explain->name);
	if (explain->splice == NULL || explain->recording == NULL)
		return -1;
	if (config->explain_plain)
		recording_take_as_plain(explain->recording,
			config->explain_from_server ? RECORDING_BACKEND : RECORDING_CLIENT);
	return 0;
}

static void explain_done(struct explain *explain)
{
	if (explain->tracer != NULL)
		tracer_watch(explain->tracer, NULL, NULL);
	explain_end_connections(explain);
	inflight_done(&explain->connections);
	recording_free(explain->recording);
	splice_free(explain->splice);
	tracer_free(explain->tracer);
	exporter_free(explain->exporter);
	listing_done(&explain->listing);
}

enum explain_outcome explain_recording(const struct config *config, FILE *file, const char *name,
	FILE *out, char *error, size_t error_size)
{
	enum explain_outcome outcome = EXPLAIN_FAILED;
	struct explain explain = {
		.config = config,
		.name = name,
		.error = error,
		.error_size = error_size,
		.now_ns = LISTING_EPOCH_NS,
	};

	listing_init(&explain.listing, out, &explain.now_ns);
	if (strcmp(config->profile_name, "auto") == 0 || config->explain_why != NULL)
		(void)fprintf(out, "profile %s (%s)\n\n", config->profile->name,
			config->profile_source); /* a failure shows at the end */
	if (explain_init(&explain, file) == 0)
		outcome = explain_lines(&explain);
	if (outcome == EXPLAIN_DONE)
		outcome = explain_finish(&explain);
	explain_done(&explain);
	return outcome;
}

enum explain_outcome explain_file(const struct config *config, char *error, size_t error_size)
{
	const char *name = config->explain;
	bool is_stdin = strcmp(name, "-") == 0;
	FILE *file = is_stdin ? stdin : fopen(name, "re");
	enum explain_outcome outcome;

	if (file == NULL) {
		(void)snprintf(error, error_size, "%s: cannot be opened: %s", name,
			strerror(errno)); /* may be cut */
		return EXPLAIN_WRONG;
	}
	outcome = explain_recording(
		config, file, is_stdin ? "standard input" : name, stdout, error, error_size);
	if (!is_stdin)
		(void)fclose(file); /* only read */
	return outcome;
}
