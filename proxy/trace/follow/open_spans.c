/*
 * Opening and ending spans. All ends go through open_spans_end(), which emits and frees; a span
 * that was closed is remembered under everything that a late copy of a message could open it by.
 */
#include "proxy/trace/follow/open_spans.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "proxy/trace/follow/emit.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/sampler.h"
#include "w3c/ids.h"

#define OPEN_SPANS_NOTE_MAX 1024

/* What is said of each end. */
static const struct {
	const char *reason;
	const char *error; /* the server died: the status is an error with this message */
} end_reasons[] = {
	[END_CLOSED] = {"closed", NULL},
	[END_ANSWERED] = {"answered", NULL},
	[END_REFUSED] = {"error", NULL},
	[END_IDLE] = {"idle", NULL},
	[END_PARENT_ENDED] = {"parent_ended", NULL},
	[END_SUPERSEDED] = {"superseded", NULL},
	[END_CONNECTION_CLOSED] = {"connection_closed", NULL},
	[END_BACKEND_EXITED] = {"backend_exited", "the server ended"},
	[END_EXPIRED] = {"expired", NULL},
	[END_EVICTED] = {"evicted", NULL},
	[END_SHUTDOWN] = {"shutdown", NULL},
};

void open_spans_init(struct open_spans *spans, struct follow_setup *setup)
{
	uint64_t seed;

	*spans = (struct open_spans){.setup = setup};
	ids_random(setup->ids, (uint8_t *)&seed, sizeof seed);
	span_index_init(&spans->by_key, seed);
	memories_init(&spans->memories, seed);
}

void open_spans_done(struct open_spans *spans)
{
	span_index_done(&spans->by_key);
	closed_spans_done(&spans->closed);
	closed_spans_done(&spans->closed_nested);
	evicted_done(&spans->evicted);
	memories_done(&spans->memories, &spans->setup->counters.budget);
}

/* ---- notes ---- */

void open_spans_note(const struct open_spans *spans, const struct matcher_rule *rule,
	const struct open_span *span, const char *format, ...)
{
	const struct follow_setup *setup = spans->setup;
	char what[OPEN_SPANS_NOTE_MAX / 2], key[OPEN_SPANS_NOTE_MAX / 4], line[OPEN_SPANS_NOTE_MAX];
	va_list arguments;

	if (setup->note == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments); /* clipped is fine */
	va_end(arguments);
	(void)snprintf(line, sizeof line, "%s%s%s%s%s%s", rule == NULL ? "" : rule->row->name,
		rule == NULL ? "" : ": ", span == NULL ? "" : span->row->name,
		span == NULL ? "" : " ",
		span == NULL ? "" : open_span_describe(span, key, sizeof key), what);
	setup->note(setup->note_arg, line);
}

/* Tells of a value that was set. */
static void open_spans_note_value(const struct open_spans *spans, const struct matcher_rule *rule,
	uint8_t attribute, const struct look_value *value)
{
	const char *name = spans->setup->matcher.attributes[attribute];

	if (spans->setup->note == NULL)
		return;
	if (value->type == SPAN_VALUE_INT)
		open_spans_note(spans, rule, NULL, "%s %s %lld", name, value->sum ? "+=" : "=",
			(long long)value->integer);
	else if (value->type == SPAN_VALUE_DOUBLE)
		open_spans_note(spans, rule, NULL, "%s = %g", name, value->real);
	else if (value->type == SPAN_VALUE_BOOL)
		open_spans_note(
			spans, rule, NULL, "%s = %s", name, value->boolean ? "true" : "false");
	else
		open_spans_note(spans, rule, NULL, "%s = \"%.*s\"", name, (int)value->text.size,
			value->text.bytes);
}

/* ---- small things ---- */

const struct lifecycle_span *open_spans_row(const struct open_spans *spans, size_t type)
{
	/* Of requests that are only requests. */
	static char name[] = "request";
	static const struct lifecycle_span request = {.name = name};

	return type == LIFECYCLE_REQUEST ? &request : &spans->setup->matcher.lifecycle->spans[type];
}

bool open_spans_is_top(const struct open_spans *spans, size_t type)
{
	return spans->setup->matcher.types[type].parents.count == 0;
}

struct traceparent open_spans_new_context(
	const struct open_spans *spans, const struct traceparent *parent)
{
	struct follow_setup *setup = spans->setup;
	struct traceparent context;

	if (parent != NULL)
		context = *parent;
	else {
		ids_trace_id(setup->ids, context.trace_id);
		context.flags = TRACE_FLAG_RANDOM;
		if (sampler_decide(setup->sampler, context.trace_id, NULL))
			context.flags |= TRACE_FLAG_SAMPLED;
	}
	ids_span_id(setup->ids, context.span_id);
	return context;
}

struct span_text open_spans_root_state(
	const struct open_spans *spans, const struct traceparent *context)
{
	return sampler_share_state(&spans->setup->sampler->own, context->flags);
}

/* ---- the memory of spans that were closed ---- */

/*
 * The id of a request of the server may be used again for another key, or on another connection: an
 * empty key does not tell of whose it is.
 */
static uint64_t open_spans_hash_call(const struct open_spans *spans, uint64_t call_hash,
	struct span_text key, uint64_t of_connection)
{
	return text_mix(text_mix(call_hash, of_connection),
		text_hash(spans->by_key.seed, key.bytes, key.size));
}

/* All by which a late message would open the span once more. */
static size_t open_spans_take_hashes(const struct open_spans *spans, const struct open_span *span,
	uint64_t hashes[1 + OPEN_SPAN_ALIASES_MAX])
{
	size_t i;

	hashes[0] = span->by_call.size == 0 ? span->by_key.hash
					    : open_spans_hash_call(spans, span->by_call.hash,
						      open_span_key(span), span->of_connection);
	for (i = 0; i < span->alias_count; i++) {
		const struct span_index_entry *alias = &span->aliases[i]->entry;

		hashes[1 + i] = span_index_hash(&spans->by_key, SPAN_INDEX_KEY, span->type,
			(struct span_text){.bytes = alias->bytes, .size = alias->size});
	}
	return 1 + span->alias_count;
}

static void open_spans_remember(struct open_spans *spans, const struct open_span *span)
{
	bool top = span->by_call.size == 0 && open_spans_is_top(spans, span->type);
	struct closed_spans *closed = top ? &spans->closed : &spans->closed_nested;
	uint64_t hashes[1 + OPEN_SPAN_ALIASES_MAX];
	size_t count = open_spans_take_hashes(spans, span, hashes), i;

	if (span->row->is_made || span->row->requests != NULL || !span->listed)
		return; /* nothing opens it */
	if (span->row->is_measured)
		return; /* there may be another one under that key, as of a thread loaded again */
	for (i = 0; i < count; i++)
		closed_spans_remember(closed, hashes[i], &span->context);
	if (!top)
		return;
	closed_spans_remember(closed, span->by_id.hash, &span->context);
	if (!span->superseded) /* then the next one is the last of its group */
		closed_spans_remember(closed, span->by_group.hash, &span->context);
}

const struct traceparent *open_spans_recall(const struct open_spans *spans,
	enum span_index_role role, size_t type, struct span_text text)
{
	return closed_spans_recall(
		open_spans_is_top(spans, type) ? &spans->closed : &spans->closed_nested,
		span_index_hash(&spans->by_key, role, type, text));
}

const struct traceparent *open_spans_recall_call(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key)
{
	uint64_t hash = span_index_hash(&spans->by_key, SPAN_INDEX_CALL, type, call);

	return closed_spans_recall(&spans->closed_nested,
		open_spans_hash_call(spans, hash, key_whole(key), key->connection));
}

bool open_spans_was_open(const struct open_spans *spans, size_t type, const struct key *key)
{
	struct span_text whole = key_whole(key);

	return open_spans_recall(spans, SPAN_INDEX_KEY, type, whole) != NULL ||
	       evicted_knows(&spans->evicted,
		       span_index_hash(&spans->by_key, SPAN_INDEX_KEY, type, whole));
}

bool open_spans_call_was_open(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key)
{
	uint64_t hash = span_index_hash(&spans->by_key, SPAN_INDEX_CALL, type, call);

	return open_spans_recall_call(spans, type, call, key) != NULL ||
	       evicted_knows(&spans->evicted,
		       open_spans_hash_call(spans, hash, key_whole(key), key->connection));
}

/* ---- ends ---- */

/* What a span adds to the one at the top: when it opens, and when it ends. */
static void open_spans_add(struct open_spans *spans, struct open_span *span)
{
	const struct matcher_type *types = spans->setup->matcher.types;
	struct open_span *above = open_span_top(span);
	size_t i, place;

	if (span->row->add_count == 0 || above == span)
		return;
	if (above->sums == NULL)
		above->sums = calloc(types[above->type].sum_count, sizeof *above->sums);
	if (above->sums == NULL) {
		spans->setup->counters.followed_no_memory++;
		return;
	}
	for (i = 0; i < span->row->add_count; i++) {
		for (place = 0; types[above->type].sums[place] != types[span->type].adds[i];)
			place++; /* it is there: matcher_add_sums() */
		above->sums[place].count++;
		if (above->sums[place].open++ == 0)
			above->sums[place].since_ns = span->start_ns;
		above->sums[place].is_time = span->row->adds[i].is_time;
	}
	span->adds = true;
}

static void open_spans_added(
	const struct open_spans *spans, struct open_span *span, uint64_t end_ns)
{
	const struct matcher_type *types = spans->setup->matcher.types;
	struct open_span *above = open_span_top(span);
	size_t i, place;

	for (i = 0; span->adds && i < span->row->add_count; i++) {
		for (place = 0; types[above->type].sums[place] != types[span->type].adds[i];)
			place++;
		if (--above->sums[place].open == 0 && end_ns > above->sums[place].since_ns)
			above->sums[place].busy_ns += end_ns - above->sums[place].since_ns;
	}
}

void open_spans_drop(struct open_spans *spans, struct open_span *span)
{
	assert(TAILQ_EMPTY(&span->children));
	open_spans_remember(spans, span);
	span_index_remove(&spans->by_key, span);
	if (span->listed)
		shares_remove(&spans->setup->shares, span);
	else
		spans->setup->request_span_count--;
	spans->lapsed_count -= span->lapse_ns != 0;
	if (spans->recent[span->type] == span)
		spans->recent[span->type] = NULL;
	if (span->parent != NULL)
		TAILQ_REMOVE(&span->parent->children, span, sibling);
	span->ended = true;
	if (!span->held)
		open_span_free(span, &spans->setup->counters.budget);
}

/* Emits a span without children, takes it out of everything and frees it. */
static void open_spans_end_leaf(
	struct open_spans *spans, struct open_span *span, const struct span_end *end)
{
	struct span_end own = *end;

	if (own.now_ns < span->start_ns)
		own.now_ns = span->start_ns;
	if (own.now_ns < span->latest_ns)
		own.now_ns = span->latest_ns; /* what was below it is inside it */
	if (span->parent != NULL && span->parent->latest_ns < own.now_ns)
		span->parent->latest_ns = own.now_ns;
	emit_span(spans->setup, span, &own);
	open_spans_added(spans, span, own.now_ns);
	open_spans_drop(spans, span);
}

void open_spans_hold(struct open_span *span)
{
	assert(!span->held || span->ended);
	span->held = true;
}

void open_spans_release(struct open_spans *spans, struct open_span *span)
{
	if (span == NULL)
		return;
	span->held = false;
	if (span->ended)
		open_span_free(span, &spans->setup->counters.budget);
}

struct span_end open_spans_make_end(enum end_reason reason, uint64_t now_ns)
{
	struct span_end end = {.reason = end_reasons[reason].reason, .now_ns = now_ns};
	const char *error = end_reasons[reason].error;

	if (error != NULL) {
		end.status = SPAN_STATUS_ERROR;
		end.message = span_text_of(error);
		end.type = span_text_of(end.reason);
	}
	return end;
}

void open_spans_end_below(
	struct open_spans *spans, struct open_span *span, enum end_reason reason, uint64_t now_ns)
{
	struct span_end end = open_spans_make_end(reason, now_ns);

	while (!TAILQ_EMPTY(&span->children)) {
		struct open_span *leaf = TAILQ_LAST(&span->children, open_span_children);

		while (!TAILQ_EMPTY(&leaf->children))
			leaf = TAILQ_LAST(&leaf->children, open_span_children);
		open_spans_note(spans, NULL, leaf, " ended: %s", end.reason);
		open_spans_end_leaf(spans, leaf, &end);
	}
}

void open_spans_end(struct open_spans *spans, struct open_span *span, const struct span_end *end,
	enum end_reason below)
{
	open_spans_end_below(spans, span, below, end->now_ns);
	open_spans_end_leaf(spans, span, end);
}

void open_spans_learn_end(
	struct open_spans *spans, struct open_span *span, const struct span_end *end)
{
	struct open_span_known_end *told =
		malloc(sizeof *told + end->message.size + end->type.size);
	char *texts;

	if (told == NULL) {
		open_spans_end(spans, span, end, END_PARENT_ENDED);
		return;
	}
	texts = (char *)(told + 1);
	*told = (struct open_span_known_end){
		.now_ns = end->now_ns,
		.status = end->status,
		.reason = end->reason,
		.message = {.bytes = texts, .size = end->message.size},
		.type = {.bytes = texts + end->message.size, .size = end->type.size},
	};
	if (end->message.size > 0)
		memcpy(texts, end->message.bytes, end->message.size);
	if (end->type.size > 0)
		memcpy(texts + end->message.size, end->type.bytes, end->type.size);
	span->known_end = told;
}

/* The end that another connection has told. */
static struct span_end open_spans_known_end(const struct open_span_known_end *told)
{
	return (struct span_end){
		.status = told->status,
		.message = told->message,
		.type = told->type,
		.reason = told->reason,
		.now_ns = told->now_ns,
	};
}

void open_spans_give_up(
	struct open_spans *spans, struct open_span *span, enum end_reason reason, uint64_t now_ns)
{
	struct span_end end;

	if (span->lapse_ns != 0) { /* it was over before */
		reason = span->superseded ? END_SUPERSEDED : END_IDLE;
		now_ns = span->superseded ? span->heard_ns : span->lapse_ns;
	}
	end = span->known_end != NULL ? open_spans_known_end(span->known_end)
				      : open_spans_make_end(reason, now_ns);
	if (span->known_end == NULL && spans->at_end != NULL)
		spans->at_end(spans, span, &end);
	if (span->known_end != NULL || reason == END_IDLE || reason == END_EVICTED)
		reason = END_PARENT_ENDED; /* of what is below */
	open_spans_note(spans, NULL, span, " ended: %s", end.reason);
	open_spans_end(spans, span, &end, reason);
}

/* ---- opening ---- */

void open_spans_set_above(struct span_opening *opening, const struct traceparent *above)
{
	opening->has_above = true;
	memcpy(opening->above, above->span_id, SPAN_ID_SIZE);
}

static void open_spans_evict(struct open_spans *spans, struct open_span *span, uint64_t now_ns)
{
	uint64_t hashes[1 + OPEN_SPAN_ALIASES_MAX];
	size_t count = open_spans_take_hashes(spans, span, hashes), i;

	for (i = 0; i < count; i++)
		spans->setup->counters.evicted_forgotten +=
			evicted_remember(&spans->evicted, hashes[i], now_ns);
	spans->setup->counters.followed_evicted++;
	open_spans_give_up(spans, span, END_EVICTED, now_ns);
}

void open_spans_make_room(struct open_spans *spans, struct open_span *above, uint64_t now_ns)
{
	struct follow_setup *setup = spans->setup;

	if (above != NULL)
		shares_touch(above);
	while (setup->shares.span_count >= setup->spans_max) {
		struct open_span *span = shares_find(&setup->shares, &spans);

		open_spans_evict(spans, span, now_ns);
	}
}

static void open_spans_place(
	struct open_spans *spans, struct open_span *span, const struct span_opening *opening)
{
	span->context = opening->context;
	span->has_parent = opening->has_above;
	span->parent_is_remote = opening->above_is_remote;
	memcpy(span->parent_span_id, opening->above, SPAN_ID_SIZE);
	if (span->row->is_measured) /* nobody will find that trace */
		span->context.flags &= (uint8_t)~TRACE_FLAG_SAMPLED;
	span->recorded =
		spans->setup->exporter != NULL && (span->context.flags & TRACE_FLAG_SAMPLED) != 0;
	if (opening->link != NULL)
		open_span_link(span, opening->context.trace_id, opening->link);
	span->start_ns = opening->start_ns;
	span->heard_ns = opening->now_ns;
	span->opener = opening->connection;
	span->leader = opening->connection;
	open_span_watch(span, opening->connection);
	span->parent = opening->parent;
	if (span->parent != NULL)
		TAILQ_INSERT_TAIL(&span->parent->children, span, sibling);
}

static void open_spans_set_defaults(struct open_spans *spans, struct open_span *span)
{
	const uint8_t *attributes = spans->setup->matcher.types[span->type].defaults;
	size_t i;

	for (i = 0; i < span->row->default_count; i++) {
		struct look_value value = {
			.type = SPAN_VALUE_STRING,
			.text = span_text_of(span->row->defaults[i].value),
		};

		open_span_set(&span->values, &spans->setup->counters.budget, attributes[i], &value);
	}
}

/* ---- what a span inherits ---- */

/* The value that an open span has for an attribute, or a part of its key. */
static bool open_spans_own_value(const struct open_spans *spans, const struct open_span *span,
	uint8_t attribute, struct look_value *value)
{
	const struct open_span_value *own = open_span_find(&span->values, attribute);
	size_t i;

	if (own != NULL) {
		*value = open_span_look(own);
		return true;
	}
	for (i = 0; i < span->key_count; i++)
		if (spans->setup->matcher.types[span->type].key[i] == attribute) {
			*value = (struct look_value){.text = open_span_key_part(span, i)};
			return true;
		}
	return false;
}

/* The value that is remembered for the span's key. */
static bool open_spans_remembered(struct open_spans *spans, const struct open_span *span,
	const struct key *key, uint8_t attribute, struct look_value *value)
{
	const struct matcher_parents *types = &spans->setup->matcher.types[span->type].memories;
	size_t i;

	for (i = 0; i < types->count; i++) {
		const struct memory *memory = memories_find(&spans->memories, types->types[i], key,
			open_spans_row(spans, types->types[i])->key_count);
		const struct open_span_value *known =
			memory == NULL ? NULL : open_span_find(&memory->values, attribute);

		if (known == NULL)
			continue;
		*value = open_span_look(known);
		return true;
	}
	return false;
}

/* From the request that the span is for, from those above it, from memory, from its connection. */
static bool open_spans_inherited(struct open_spans *spans, const struct open_span *span,
	const struct span_opening *opening, uint8_t attribute, struct look_value *value)
{
	const char *name = spans->setup->matcher.attributes[attribute];
	const struct span_attribute *asked =
		span_attribute_find(opening->asked, opening->asked_count, name, strlen(name));
	const struct open_span *above;

	*value = (struct look_value){.type = SPAN_VALUE_STRING};
	if (asked != NULL) {
		value->text = asked->value.string;
		return true;
	}
	for (above = span->parent; above != NULL; above = above->parent)
		if (open_spans_own_value(spans, above, attribute, value))
			return true;
	if (opening->identity.key->count > 0 &&
		open_spans_remembered(spans, span, opening->identity.key, attribute, value))
		return true;
	return opening->attributes != NULL &&
	       connection_attributes_find(opening->attributes, name, &value->text);
}

static void open_spans_inherit(
	struct open_spans *spans, struct open_span *span, const struct span_opening *opening)
{
	const struct matcher_type *type = &spans->setup->matcher.types[span->type];
	struct look_value value;
	size_t i;

	for (i = 0; i < type->inherit_count; i++)
		if (open_spans_inherited(spans, span, opening, type->inherit[i], &value))
			open_span_set(&span->values, &spans->setup->counters.budget,
				type->inherit[i], &value);
}

struct open_span *open_spans_open(struct open_spans *spans, const struct span_opening *opening)
{
	const struct open_span_identity *identity = &opening->identity;
	bool grouped = open_spans_is_top(spans, identity->type) && identity->call.size == 0 &&
		       !opening->unlisted;
	struct open_span *span = open_span_new(identity);

	if (span == NULL)
		goto no_memory;
	span->listed = !opening->unlisted;
	if (span_index_add(&spans->by_key, span, grouped) != 0)
		goto no_index;
	if (span->listed && shares_add(&spans->setup->shares, opening->share, spans,
				    opening->parent, span) != 0)
		goto no_share;
	spans->recent[identity->type] = NULL; /* this one may have its key */
	open_spans_place(spans, span, opening);
	open_spans_set_defaults(spans, span);
	open_spans_inherit(spans, span, opening);
	open_spans_add(spans, span);
	if (span->recorded && !opening->unlisted)
		exporter_begin(spans->setup->exporter, &span->context);
	spans->setup->counters.followed += !opening->unlisted;
	spans->setup->request_span_count += opening->unlisted;
	return span;
no_share:
	span_index_remove(&spans->by_key, span);
no_index:
	open_span_free(span, &spans->setup->counters.budget);
no_memory:
	spans->setup->counters.followed_no_memory++;
	return NULL;
}

bool open_spans_keep(
	struct open_spans *spans, struct open_span *span, struct share **share, uint64_t now_ns)
{
	open_spans_make_room(spans, NULL, now_ns);
	if (shares_add(&spans->setup->shares, share, spans, NULL, span) != 0) {
		spans->setup->counters.followed_no_memory++;
		return false;
	}
	TAILQ_INSERT_TAIL(&spans->by_key.ages, span, age);
	span->listed = true;
	spans->setup->counters.followed++;
	spans->setup->request_span_count--;
	return true;
}

void open_spans_set_values(struct open_spans *spans, struct open_span_values *values,
	const struct matcher_rule *rule, const struct matcher_set *set, const struct look *look)
{
	struct look_value value;
	size_t i;

	for (i = 0; i < set->count; i++)
		if (look_take(&set->list[i].source, look, &value)) {
			open_spans_note_value(spans, rule, set->list[i].attribute, &value);
			open_span_set(values, &spans->setup->counters.budget,
				set->list[i].attribute, &value);
		}
}

void open_spans_set(struct open_spans *spans, struct open_span *span,
	const struct matcher_rule *rule, const struct matcher_set *set, const struct look *look)
{
	open_spans_set_values(spans, &span->values, rule, set, look);
}

struct span_end open_spans_judge(const struct matcher_rule *rule, const struct look *look,
	struct look_value *message, struct look_value *type)
{
	struct span_end end = {.status = look_status(rule, look)};

	if (end.status != SPAN_STATUS_ERROR)
		return end;
	if (look_take(&rule->message, look, message))
		end.message = message->text;
	end.type = look_take(&rule->type, look, type) ? type->text : span_text_of("_OTHER");
	return end;
}

void open_spans_watch(struct open_span *span, uint64_t connection)
{
	struct open_span *top = open_span_top(span);

	if (top->leader == 0)
		top->leader = connection;
	if (top->watchers[0] != connection || top->watcher_count == 0)
		open_span_watch(top, connection);
}

void open_spans_lapse(struct open_spans *spans, struct open_span *span, uint64_t now_ns)
{
	spans->lapsed_count += span->lapse_ns == 0;
	span->lapse_ns = now_ns;
}

void open_spans_wake(struct open_spans *spans, struct open_span *span)
{
	if (span->superseded)
		return;
	spans->lapsed_count -= span->lapse_ns != 0;
	span->lapse_ns = 0;
}

void open_spans_supersede(struct open_spans *spans, struct open_span *span, uint64_t now_ns)
{
	assert(spans->setup != NULL && span->parent == NULL);
	open_spans_lapse(spans, span, now_ns);
	span->superseded = true;
	closed_spans_remember(&spans->closed, span->by_group.hash, &span->context);
	open_spans_note(spans, NULL, span, " is superseded");
}

void open_spans_touch(
	struct open_spans *spans, struct open_span *span, uint64_t connection, uint64_t now_ns)
{
	struct open_span *top = open_span_top(span);

	open_spans_wake(spans, top);
	top->heard_ns = now_ns;
	open_spans_watch(span, connection);
}

bool open_spans_leads(struct open_span *span, uint64_t connection)
{
	if (span->leader == 0)
		span->leader = connection;
	return span->leader == connection;
}

bool open_spans_tells(struct open_span *span, uint64_t connection)
{
	if (!span->told)
		span->leader = connection; /* who has opened it may hear no more of it */
	span->told = true;
	return open_spans_leads(span, connection);
}

struct open_span *open_spans_find_call(
	const struct open_spans *spans, size_t type, struct span_text call, const struct key *key)
{
	struct span_index_entry *entry =
		span_index_find(&spans->by_key, SPAN_INDEX_CALL, type, call);

	while (entry != NULL && !open_span_key_begins(entry->span, key))
		entry = span_index_next(entry);
	return entry == NULL ? NULL : entry->span;
}

struct open_span *open_spans_find_parent(
	const struct open_spans *spans, size_t type, const struct key *key)
{
	const struct matcher_parents *parents = &spans->setup->matcher.types[type].parents;
	size_t i;

	for (i = 0; i < parents->count; i++) {
		size_t parts = open_spans_row(spans, parents->types[i])->key_count;
		struct open_span *span =
			parts <= key->count
				? span_index_find_key(&spans->by_key, parents->types[i], key, parts)
				: NULL;

		if (span != NULL)
			return span;
	}
	return NULL;
}
