#ifndef TESTS_UNIT_CONVERSATION_CASE_H
#define TESTS_UNIT_CONVERSATION_CASE_H

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "proxy/trace/tracer.h"
#include "proxy/trace/follow/emit.h"
#include "tests/unit/config_case.h"
#include "tests/unit/envelope_case.h"
#include "tests/unit/unit.h"
#include "w3c/carrier.h"

/*
 * Conversations through the tracer, and the spans that come of them. The exporter's part is played
 * by this file, which keeps what it is given. A conversation is a list of lines; each begins with
 * the connections that it is about, as digits, then:
 *
 *	1>{...}		a message of the client is forwarded, with our carrier if it is a request
 *	12<{...}	a message of the server comes, on 1, then on 2
 *	1?{...}		the same, a request that is forwarded to the client with our carrier
 *	1-		the client goes away
 *	1!		the server, or its connection, ends
 *	+2000		so many milliseconds go by, with a tick at their end
 *
 * In messages ' stands for ". Connections are made when they are first named; at the end all is
 * shut down. Each message takes a millisecond.
 */
#define CONVERSATION_STEP_NS  UINT64_C(1000000)
#define CONVERSATION_START_NS UINT64_C(1000000000)
#define CONVERSATION_WALL_NS  UINT64_C(1700000000000000000)

#define CONVERSATION_CLIENT_TRACE  "0af7651916cd43dd8448eb211c80319c"
#define CONVERSATION_CLIENT(flags) "00-" CONVERSATION_CLIENT_TRACE "-b7ad6b7169203331-" flags
#define CONVERSATION_ENVIRONMENT   "00-11111111111111111111111111111111-2222222222222222-01"

enum {
	CONVERSATION_SPANS_MAX = 4096,
	CONVERSATION_TOLD_MAX = 8192,
	CONVERSATION_TEXT_MAX = 3072,
	CONVERSATION_LINE_MAX = 16384,
	CONVERSATION_CONNECTIONS_MAX = 9,
};

#define COUNT(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

/*
 * What is asked very often, also while there is no memory: unlike ck_assert(), which tells the
 * runner each time, this costs nothing when it holds.
 */
#define MUST(holds, ...)                                                                           \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			unit_alloc_fail_never();                                                   \
			ck_abort_msg(__VA_ARGS__);                                                 \
		}                                                                                  \
	} while (0)

/* --- the exporter --- */

struct kept {
	struct traceparent context;
	bool has_parent, parent_is_remote;
	uint8_t parent[SPAN_ID_SIZE];
	char tracestate[64];
	char name[600];
	char attributes[CONVERSATION_TEXT_MAX]; /* " name=value name=value " */
	char events[CONVERSATION_TEXT_MAX];     /* " *name name=value *name" */
	size_t event_count;
	char message[600];
	enum span_status status;
	enum span_kind kind;
	uint64_t start_unix_ns, end_unix_ns;
	size_t link_count;
	struct span_link link;
};

struct exporter {
	struct kept spans[CONVERSATION_SPANS_MAX];
	size_t count;
	size_t begun_count; /* told by exporter_begin(), not submitted yet */
};

struct span_shared {
	int nothing;
};

static inline void text_append(char *text, size_t text_size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static inline void text_append(char *text, size_t text_size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, format);
	used += (size_t)vsnprintf(text + used, text_size - used, format, ap);
	va_end(ap);
	if (used >= text_size)
		abort();
}

static inline void text_put(char *text, size_t text_size, struct span_text put)
{
	if (put.size > 0)
		text_append(text, text_size, "%.*s", (int)put.size, put.bytes);
}

struct span_shared *exporter_share(
	const struct exporter *exporter, const struct span_attribute *attributes, size_t count)
{
	(void)exporter;
	(void)attributes;
	(void)count;
	return calloc(1, sizeof(struct span_shared));
}

void span_shared_free(struct span_shared *shared)
{
	free(shared);
}

static inline void kept_attributes(
	char text[CONVERSATION_TEXT_MAX], const struct span_attribute *attributes, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		const struct span_attribute *attribute = &attributes[i];

		text_append(text, CONVERSATION_TEXT_MAX, "%s=", attribute->key);
		if (attribute->type == SPAN_VALUE_STRING)
			text_put(text, CONVERSATION_TEXT_MAX, attribute->value.string);
		else if (attribute->type == SPAN_VALUE_INT)
			text_append(text, CONVERSATION_TEXT_MAX, "%lld",
				(long long)attribute->value.integer);
		else if (attribute->type == SPAN_VALUE_BOOL)
			text_append(text, CONVERSATION_TEXT_MAX, "%s",
				attribute->value.boolean ? "true" : "false");
		else
			text_append(text, CONVERSATION_TEXT_MAX, "%g", attribute->value.real);
		text_append(text, CONVERSATION_TEXT_MAX, " ");
	}
}

static inline void kept_events(struct kept *kept, const struct span *span)
{
	size_t i;

	kept->event_count = span->event_count;
	for (i = 0; i < span->event_count; i++) {
		const struct span_event *event = &span->events[i];

		MUST(event->time_unix_ns >= span->start_unix_ns &&
				event->time_unix_ns <= span->end_unix_ns,
			"%s: not within its span", event->name);
		text_append(kept->events, sizeof kept->events, " *%s ", event->name);
		kept_attributes(kept->events, event->attributes, event->attribute_count);
	}
}

/* No attribute is there twice. */
static inline void kept_check_keys(const struct span *span)
{
	size_t i, j;

	for (i = 0; i < span->attribute_count; i++)
		for (j = 0; j < i; j++)
			MUST(strcmp(span->attributes[i].key, span->attributes[j].key) != 0,
				"%s twice in a span", span->attributes[i].key);
}

void exporter_begin(struct exporter *exporter, const struct traceparent *context)
{
	MUST((context->flags & TRACE_FLAG_SAMPLED) != 0, "not of a trace that is recorded");
	exporter->begun_count++;
}

void exporter_submit(struct exporter *exporter, const struct span *span)
{
	struct kept *kept = &exporter->spans[exporter->count];

	MUST(!span->begun || exporter->begun_count-- > 0, "submitted, but was not begun");
	if (exporter->count++ == CONVERSATION_SPANS_MAX)
		abort();
	kept_check_keys(span);
	kept->context = span->context;
	kept->has_parent = span->has_parent;
	kept->parent_is_remote = span->parent_is_remote;
	memcpy(kept->parent, span->parent_span_id, SPAN_ID_SIZE);
	kept->tracestate[0] = kept->name[0] = kept->message[0] = kept->events[0] = '\0';
	strcpy(kept->attributes, " ");
	text_put(kept->tracestate, sizeof kept->tracestate, span->tracestate);
	text_put(kept->name, sizeof kept->name, span->name);
	text_put(kept->message, sizeof kept->message, span->status_message);
	kept_attributes(kept->attributes, span->attributes, span->attribute_count);
	kept->status = span->status;
	kept->kind = span->kind;
	kept->start_unix_ns = span->start_unix_ns;
	kept->end_unix_ns = span->end_unix_ns;
	kept->link_count = span->link_count;
	if (span->link_count > 0)
		kept->link = span->links[0];
	kept_events(kept, span);
}

/* --- a conversation --- */

struct conversation {
	struct config_case load;
	struct exporter *exporter; /* borrowed */
	struct tracer *tracer;
	struct tracer_connection *connections[CONVERSATION_CONNECTIONS_MAX + 1];
	bool own_backends;
	struct envelope_case reader;
	char text[CONVERSATION_LINE_MAX]; /* the message that is read: its envelope borrows from it
					   */
	uint64_t now_ns;
	struct traceparent told[CONVERSATION_TOLD_MAX]; /* in carriers */
	size_t told_count;
	char carrier[CARRIER_TEXT_MAX + 1]; /* the last one; "": none */
	uint64_t no_memory;
	bool quiet;              /* nothing is recorded */
	const char *environment; /* TRACEPARENT or NULL */
};

/* Large, and of one test alone: check runs each in a process of its own. */
static struct exporter conversation_exporter;
static struct conversation conversation_only;

static inline void conversation_load(const char *const *flags)
{
	static const char *const no_variables[] = {NULL};
	const char *all[32];
	size_t count = 0, i;

	all[count++] = "--profile=tests/unit/data/profiles/turns.json";
	for (i = 0; flags != NULL && flags[i] != NULL; i++)
		if (strncmp(flags[i], "--profile=", 10) == 0)
			all[0] = flags[i];
		else
			all[count++] = flags[i];
	all[count++] = "--";
	all[count++] = "server";
	all[count] = NULL;
	config_case_load(&conversation_only.load, all, no_variables);
	ck_assert_msg(
		conversation_only.load.outcome == CONFIG_RUN, "%s", conversation_only.load.error);
}

/* What was loaded stays; all else begins anew. */
static inline struct conversation *conversation_begin(void)
{
	struct conversation *talk = &conversation_only;
	char error[256];

	talk->exporter = &conversation_exporter;
	talk->exporter->count = 0;
	talk->told_count = 0;
	talk->now_ns = CONVERSATION_START_NS;
	talk->tracer = tracer_new(talk->load.config, talk->quiet ? NULL : talk->exporter,
		talk->environment, NULL, error, sizeof error);
	ck_assert_msg(talk->tracer != NULL, "%s", error);
	tracer_clock(talk->tracer, talk->now_ns, CONVERSATION_WALL_NS);
	envelope_case_init(&talk->reader, tracer_pointers(talk->tracer));
	return talk;
}

static inline void conversation_leave(
	struct conversation *talk, size_t number, enum tracer_end reason)
{
	tracer_connection_free(talk->connections[number], reason, talk->now_ns);
	talk->connections[number] = NULL;
}

/* All that is left is shut down; the spans and the counters can be looked at. */
static inline void conversation_shut_down(struct conversation *talk)
{
	size_t i;

	for (i = 1; i <= CONVERSATION_CONNECTIONS_MAX; i++)
		conversation_leave(talk, i, TRACER_SHUTDOWN);
	tracer_end(talk->tracer, TRACER_SHUTDOWN, talk->now_ns);
	MUST(talk->exporter->begun_count == 0, "a span that was begun was not submitted");
	talk->no_memory = tracer_counters(talk->tracer)->requests_no_memory +
			  tracer_follow_counters(talk->tracer)->followed_no_memory;
}

static inline void conversation_end(struct conversation *talk)
{
	envelope_case_done(&talk->reader);
	tracer_free(talk->tracer);
	talk->tracer = NULL;
}

static inline void conversation_unload(void)
{
	config_case_done(&conversation_only.load);
}

static inline const struct follow_counters *conversation_counters(const struct conversation *talk)
{
	return tracer_follow_counters(talk->tracer);
}

static inline struct tracer_connection *conversation_connection(
	struct conversation *talk, size_t number)
{
	struct tracer_connection **connection = &talk->connections[number];

	if (*connection == NULL)
		*connection =
			tracer_connection_new(talk->tracer, number, "stdio", talk->own_backends);
	return *connection;
}

/* Keeps the context of a carrier, {"traceparent":"00-...","tracestate":"..."}. */
static inline void conversation_told(struct conversation *talk, const char *text, size_t size)
{
	struct traceparent *told = &talk->told[talk->told_count];
	const char *at;

	snprintf(talk->carrier, sizeof talk->carrier, "%.*s", (int)size, text);
	if (size == 0)
		return;
	at = strstr(talk->carrier, "00-");
	MUST(talk->told_count < CONVERSATION_TOLD_MAX, "too long");
	MUST(at != NULL, "no traceparent: %s", text);
	MUST(traceparent_parse(told, at, TRACEPARENT_SIZE) == 0, "no traceparent");
	talk->told_count++;
}

static inline void conversation_client(
	struct conversation *talk, size_t number, struct envelope *envelope)
{
	struct tracer_connection *connection = conversation_connection(talk, number);
	const char *text = "";
	size_t size;

	if (connection == NULL)
		return; /* no memory */
	size = tracer_carrier(connection, envelope, &text);
	conversation_told(talk, text, size);
	tracer_client_message(connection, envelope, talk->now_ns, talk->now_ns + 1000);
	talk->now_ns += CONVERSATION_STEP_NS;
}

static inline void conversation_backend(
	struct conversation *talk, size_t number, struct envelope *envelope, bool injected)
{
	struct tracer_connection *connection = conversation_connection(talk, number);
	const char *text = "";
	size_t size;

	if (connection == NULL)
		return; /* no memory */
	if (injected) {
		size = tracer_server_carrier(connection, envelope, talk->now_ns, &text);
		conversation_told(talk, text, size);
	}
	tracer_backend_message(connection, envelope, talk->now_ns);
	talk->now_ns += CONVERSATION_STEP_NS;
}

static inline void conversation_pass(struct conversation *talk, uint64_t ms)
{
	size_t i;

	talk->now_ns += ms * 1000000;
	for (i = 1; i <= CONVERSATION_CONNECTIONS_MAX; i++)
		if (talk->connections[i] != NULL)
			tracer_connection_expire(talk->connections[i], talk->now_ns);
	tracer_tick(talk->tracer, talk->now_ns);
}

/* Reads a message in which ' stands for ". */
static inline struct envelope *conversation_read(struct conversation *talk, const char *message)
{
	char *text = talk->text;
	size_t size = strlen(message);
	const uint8_t *read = (const uint8_t *)text;
	char *at;

	MUST(size < sizeof talk->text, "too long");
	memcpy(text, message, size + 1);
	for (at = text; (at = strchr(at, '\'')) != NULL;)
		*at = '"';
	skim_begin(&talk->reader.skim, SKIM_WATCH);
	MUST(skim_run(&talk->reader.skim, &read, read + size) == SKIM_ENVELOPE_END,
		"not an object: %s", text);
	(void)envelope_judge(&talk->reader.envelope);
	return &talk->reader.envelope;
}

static inline void conversation_act(
	struct conversation *talk, size_t number, char what, const char *message)
{
	switch (what) {
	case '>':
		conversation_client(talk, number, conversation_read(talk, message));
		break;
	case '<':
	case '?':
		conversation_backend(talk, number, conversation_read(talk, message), what == '?');
		break;
	case '-':
		conversation_leave(talk, number, TRACER_CONNECTION_CLOSED);
		break;
	case '!':
		conversation_leave(talk, number, TRACER_BACKEND_EXITED);
		break;
	default:
		ck_abort_msg("no such line: %c%s", what, message);
	}
}

static inline void conversation_line(struct conversation *talk, const char *line)
{
	size_t connections = strspn(line, "123456789"), i;

	if (line[0] == '+') {
		conversation_pass(talk, strtoull(line + 1, NULL, 10));
		return;
	}
	for (i = 0; i < connections; i++)
		conversation_act(
			talk, (size_t)(line[i] - '0'), line[connections], line + connections + 1);
}

/* --- what must hold of the spans of any conversation --- */

static inline const struct kept *kept_find(
	const struct exporter *exporter, const uint8_t span_id[SPAN_ID_SIZE])
{
	size_t i;

	for (i = 0; i < exporter->count; i++)
		if (memcmp(exporter->spans[i].context.span_id, span_id, SPAN_ID_SIZE) == 0)
			return &exporter->spans[i];
	return NULL;
}

static inline bool kept_is_foreign(const uint8_t span_id[SPAN_ID_SIZE])
{
	struct traceparent client, environment;

	MUST(traceparent_parse(&client, CONVERSATION_CLIENT("01"), TRACEPARENT_SIZE) == 0,
		"no traceparent");
	MUST(traceparent_parse(&environment, CONVERSATION_ENVIRONMENT, TRACEPARENT_SIZE) == 0,
		"no traceparent");
	return memcmp(span_id, client.span_id, SPAN_ID_SIZE) == 0 ||
	       memcmp(span_id, environment.span_id, SPAN_ID_SIZE) == 0;
}

static inline void conversation_check_span(const struct exporter *exporter, const struct kept *span)
{
	const struct kept *parent;

	MUST(kept_find(exporter, span->context.span_id) == span, "%s: id twice", span->name);
	MUST(span->start_unix_ns <= span->end_unix_ns, "%s: ends early", span->name);
	MUST(span->link_count <= 1, "%s: links", span->name);
	if (!span->has_parent)
		return;
	parent = kept_find(exporter, span->parent);
	if (parent == NULL) {
		MUST(kept_is_foreign(span->parent), "%s: an orphan", span->name);
		MUST(span->parent_is_remote, "%s: below a foreign span", span->name);
		return;
	}
	MUST(!span->parent_is_remote, "%s: below one of ours", span->name);
	MUST(strcmp(parent->tracestate, span->tracestate) == 0, "%s: not with the tracestate of %s",
		span->name, parent->name);
	MUST(parent->start_unix_ns <= span->start_unix_ns, "%s: begins before %s", span->name,
		parent->name);
	MUST(memcmp(parent->context.trace_id, span->context.trace_id, TRACE_ID_SIZE) == 0,
		"%s: not in the trace of %s", span->name, parent->name);
}

static inline size_t conversation_count(const struct conversation *talk, const char *prefix)
{
	size_t count = 0, i;

	for (i = 0; i < talk->exporter->count; i++)
		count += strncmp(talk->exporter->spans[i].name, prefix, strlen(prefix)) == 0;
	return count;
}

/* No counter has gone below zero. */
static inline void conversation_check_counters(const struct conversation *talk)
{
	const struct follow_counters *follow = conversation_counters(talk);
	const struct tracer_counters *tracer = tracer_counters(talk->tracer);

#define COUNTER_TRACER(name, kind, help) MUST(tracer->name <= INT32_MAX, #name " is below zero");
#define COUNTER_FOLLOW(name, kind, help) MUST(follow->name <= INT32_MAX, #name " is below zero");
#define COUNTER_BUDGET(name, kind, help)                                                           \
	MUST(follow->budget.name <= INT32_MAX, #name " is below zero");
#include "proxy/counters.def"
}

/*
 * After conversation_shut_down(): everything that was opened has ended, once, and hangs together.
 */
static inline void conversation_check(const struct conversation *talk)
{
	const struct follow_counters *counters = conversation_counters(talk);
	const struct exporter *exporter = talk->exporter;
	size_t i;

	conversation_check_counters(talk);
	MUST(counters->budget.bytes == 0, "%zu bytes are left", counters->budget.bytes);
	for (i = 0; i < exporter->count; i++)
		conversation_check_span(exporter, &exporter->spans[i]);
	for (i = 0; i < talk->told_count; i++)
		if ((talk->told[i].flags & TRACE_FLAG_SAMPLED) != 0 && !talk->quiet &&
			talk->no_memory == 0)
			MUST(kept_find(exporter, talk->told[i].span_id) != NULL,
				"promise %zu of %zu was not kept", i, talk->told_count);
}

/* The same where all that happens is recorded. */
static inline void conversation_check_all(const struct conversation *talk)
{
	const struct follow_counters *counters = conversation_counters(talk);
	size_t requests = conversation_count(talk, "app_server.request ");
	size_t dispatched = conversation_count(talk, "app_server.dispatch ");

	conversation_check(talk);
	ck_assert_uint_eq(requests, tracer_counters(talk->tracer)->requests);
	ck_assert_uint_eq(dispatched, counters->dispatched);
	ck_assert_uint_eq(talk->exporter->count - requests - dispatched,
		counters->followed + counters->announced);
}

/* --- the spans as a tree --- */

struct conversation_tree {
	const struct exporter *exporter;
	const char *show; /* further attributes, with blanks around: " turn.kind turn.status " */
	char text[CONVERSATION_LINE_MAX];
};

/* The value of an attribute, up to the next blank. */
static inline bool kept_value(
	const struct kept *span, const char *key, size_t key_size, struct span_text *value)
{
	const char *at = span->attributes;

	while ((at = strchr(at, ' ')) != NULL && at[1] != '\0') {
		at++;
		if (strncmp(at, key, key_size) == 0 && at[key_size] == '=') {
			value->bytes = at + key_size + 1;
			value->size = strcspn(value->bytes, " ");
			return true;
		}
	}
	return false;
}

static inline void tree_put_value(
	struct conversation_tree *tree, const struct kept *span, const char *key, bool named)
{
	size_t size = strcspn(key, " ");
	struct span_text value;

	if (!kept_value(span, key, size, &value))
		return;
	text_append(tree->text, sizeof tree->text, " ");
	if (named)
		text_append(tree->text, sizeof tree->text, "%.*s=", (int)size, key);
	text_put(tree->text, sizeof tree->text, value);
}

/* "turn u", "item reasoning i", "turn/start". */
static inline void tree_put_label(struct conversation_tree *tree, const struct kept *span)
{
	const char *name = span->name;

	if (strncmp(name, "app_server.", 11) == 0)
		name += 11;
	if (strncmp(name, "request ", 8) == 0)
		name += 8;
	text_append(tree->text, sizeof tree->text, "%s", name);
	if (strncmp(name, "turn", 4) == 0 && name[4] != '/')
		tree_put_value(tree, span, "turn.id", false);
	if (strncmp(name, "item ", 5) == 0)
		tree_put_value(tree, span, "item.id", false);
}

static inline void tree_put_span(struct conversation_tree *tree, const struct kept *span)
{
	static const char *const states[] = {"", " OK", " ERROR"};
	const struct kept *linked;
	const char *show;

	tree_put_label(tree, span);
	tree_put_value(tree, span, "sidespan.end_reason", false);
	text_append(tree->text, sizeof tree->text, "%s%s%s", states[span->status],
		span->message[0] != '\0' ? ": " : "", span->message);
	for (show = tree->show; show[0] == ' ' && show[1] != '\0'; show += strcspn(show, " "))
		tree_put_value(tree, span, ++show, true);
	if (span->link_count > 0) {
		linked = kept_find(tree->exporter, span->link.span_id);
		text_append(tree->text, sizeof tree->text, " -> ");
		if (linked != NULL)
			tree_put_label(tree, linked);
	}
	text_append(tree->text, sizeof tree->text, "\n");
}

static inline bool kept_is_below(
	const struct exporter *exporter, const struct kept *span, const struct kept *parent)
{
	const struct kept *found = span->has_parent ? kept_find(exporter, span->parent) : NULL;

	return found == parent;
}

/* The next span below parent by its start, then in the order in which they came. */
static inline const struct kept *tree_next(
	const struct conversation_tree *tree, const struct kept *parent, const struct kept *last)
{
	const struct kept *best = NULL, *span = tree->exporter->spans;
	const struct kept *end = span + tree->exporter->count;

	for (; span < end; span++) {
		if (!kept_is_below(tree->exporter, span, parent))
			continue;
		if (last != NULL &&
			(span->start_unix_ns < last->start_unix_ns ||
				(span->start_unix_ns == last->start_unix_ns && span <= last)))
			continue;
		if (best == NULL || span->start_unix_ns < best->start_unix_ns)
			best = span;
	}
	return best;
}

static inline void tree_put_below(
	struct conversation_tree *tree, const struct kept *parent, int depth)
{
	const struct kept *span = NULL;

	while ((span = tree_next(tree, parent, span)) != NULL) {
		text_append(tree->text, sizeof tree->text, "%*s", 2 * depth, "");
		tree_put_span(tree, span);
		tree_put_below(tree, span, depth + 1);
	}
}

/* A line per span, two blanks further right than its parent's; valid until the next call. */
static inline const char *conversation_tree(const struct conversation *talk, const char *show)
{
	static struct conversation_tree tree;

	tree.exporter = talk->exporter;
	tree.show = show == NULL ? "" : show;
	tree.text[0] = '\0';
	tree_put_below(&tree, NULL, 0);
	return tree.text;
}

/* The first span of that name, which must be there. */
static inline const struct kept *conversation_span(
	const struct conversation *talk, const char *name)
{
	size_t i;

	for (i = 0; i < talk->exporter->count; i++)
		if (strcmp(talk->exporter->spans[i].name, name) == 0)
			return &talk->exporter->spans[i];
	ck_abort_msg("no span %s", name);
	return NULL;
}

static inline void text_has(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in: %s", part, text);
}

static inline void text_has_not(const char *text, const char *part)
{
	ck_assert_msg(strstr(text, part) == NULL, "\"%s\" in: %s", part, text);
}

#endif
