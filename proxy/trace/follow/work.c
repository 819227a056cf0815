/*
 * Opening and ending spans. All ends go through work_end(), which emits and frees; a span that was
 * closed is remembered under everything that a late copy of a message could open it by.
 */
#include "proxy/trace/follow/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/trace/follow/work_common.h"
#include "proxy/trace/names/sampler.h"
#include "proxy/trace/names/text.h"
#include "w3c/ids.h"

#define WORK_NOTE_MAX 1024

/* What is said of each end. */
static const struct {
	const char *reason;
	const char *error; /* the server died: the status is an error with this message */
} work_reasons[] = {
	[WORK_CLOSED] = {"closed", NULL},
	[WORK_ANSWERED] = {"answered", NULL},
	[WORK_REFUSED] = {"error", NULL},
	[WORK_IDLE] = {"idle", NULL},
	[WORK_PARENT_ENDED] = {"parent_ended", NULL},
	[WORK_CONNECTION_CLOSED] = {"connection_closed", NULL},
	[WORK_BACKEND_EXITED] = {"backend_exited", "the backend ended"},
	[WORK_EXPIRED] = {"expired", NULL},
	[WORK_EVICTED] = {"evicted", NULL},
	[WORK_SHUTDOWN] = {"shutdown", NULL},
};

void work_init(struct work *work, struct work_common *common)
{
	uint64_t seed;

	*work = (struct work){.common = common};
	ids_random(common->ids, (uint8_t *)&seed, sizeof seed);
	registry_init(&work->registry, seed);
}

void work_done(struct work *work)
{
	registry_done(&work->registry);
	history_done(&work->closed);
	history_done(&work->closed_nested);
}

/* ---- notes ---- */

void work_note(const struct work *work, const struct matcher_rule *rule, const struct live *live,
	const char *format, ...)
{
	const struct work_common *common = work->common;
	char what[WORK_NOTE_MAX / 2], key[WORK_NOTE_MAX / 4], line[WORK_NOTE_MAX];
	va_list arguments;

	if (common->note == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(what, sizeof what, format, arguments); /* clipped is fine */
	va_end(arguments);
	(void)snprintf(line, sizeof line, "%s%s%s%s%s%s", rule == NULL ? "" : rule->row->name,
		rule == NULL ? "" : ": ", live == NULL ? "" : live->row->name,
		live == NULL ? "" : " ", live == NULL ? "" : live_describe(live, key, sizeof key),
		what);
	common->note(common->note_arg, line);
}

/* Tells of a value that was set. */
static void work_note_value(const struct work *work, const struct matcher_rule *rule,
	uint8_t attribute, const struct matcher_value *value)
{
	const char *name = work->common->matcher.attributes[attribute];

	if (work->common->note == NULL)
		return;
	if (value->type == SPAN_VALUE_INT)
		work_note(work, rule, NULL, "%s %s %lld", name, value->sum ? "+=" : "=",
			(long long)value->integer);
	else if (value->type == SPAN_VALUE_BOOL)
		work_note(work, rule, NULL, "%s = %s", name, value->boolean ? "true" : "false");
	else
		work_note(work, rule, NULL, "%s = \"%.*s\"", name, (int)value->text.size,
			value->text.bytes);
}

/* ---- small things ---- */

const struct lifecycle_span *work_row(const struct work *work, size_t type)
{
	return &work->common->matcher.lifecycle->spans[type];
}

bool work_is_top(const struct work *work, size_t type)
{
	return work->common->matcher.parents[type].count == 0;
}

static struct live *work_top(struct live *live)
{
	while (live->parent != NULL)
		live = live->parent; /* as deep as there are types */
	return live;
}

struct traceparent work_new_context(const struct work *work, const struct traceparent *parent)
{
	struct work_common *common = work->common;
	struct traceparent context;

	if (parent != NULL)
		context = *parent;
	else {
		ids_trace_id(common->ids, context.trace_id);
		context.flags = TRACE_FLAG_RANDOM;
		if (sampler_decide(common->sampler, context.trace_id, NULL))
			context.flags |= TRACE_FLAG_SAMPLED;
	}
	ids_span_id(common->ids, context.span_id);
	return context;
}

/* ---- the memory of spans that were closed ---- */

/* The id of a request of the server may be used again for another key. */
static uint64_t work_hash_call(const struct work *work, uint64_t call_hash, struct span_text key)
{
	return text_mix(call_hash, text_hash(work->registry.seed, key.bytes, key.size));
}

/* Under its key and those that it had as well, under its group and its id. */
static void work_remember_top(struct work *work, const struct live *live)
{
	size_t i;

	history_remember(&work->closed, live->by_key.hash, &live->context);
	history_remember(&work->closed, live->by_id.hash, &live->context);
	history_remember(&work->closed, live->by_group.hash, &live->context);
	for (i = 0; i < live->alias_count; i++) {
		const struct registry_entry *alias = &live->aliases[i]->entry;
		struct span_text key = {.bytes = alias->bytes, .size = alias->size};

		history_remember(&work->closed,
			registry_hash(&work->registry, REGISTRY_KEY, live->type, key),
			&live->context);
	}
}

static void work_remember(struct work *work, const struct live *live)
{
	if (live->by_call.size > 0)
		history_remember(&work->closed_nested,
			work_hash_call(work, live->by_call.hash, live_key(live)), &live->context);
	else if (work_is_top(work, live->type))
		work_remember_top(work, live);
	else
		history_remember(&work->closed_nested, live->by_key.hash, &live->context);
}

const struct traceparent *work_recall(
	const struct work *work, enum registry_role role, size_t type, struct span_text text)
{
	return history_recall(work_is_top(work, type) ? &work->closed : &work->closed_nested,
		registry_hash(&work->registry, role, type, text));
}

const struct traceparent *work_recall_call(
	const struct work *work, size_t type, struct span_text call, const struct key *key)
{
	uint64_t hash = registry_hash(&work->registry, REGISTRY_CALL, type, call);

	return history_recall(&work->closed_nested, work_hash_call(work, hash, key_whole(key)));
}

/* ---- ends ---- */

/* Emits a span without children, takes it out of everything and frees it. */
static void work_end_leaf(struct work *work, struct live *live, const struct emitter_end *end)
{
	emitter_live(work->common, live, end);
	work_remember(work, live);
	registry_remove(&work->registry, live);
	work->lapsed_count -= live->lapse_ns != 0;
	if (work->recent[live->type] == live)
		work->recent[live->type] = NULL;
	if (live->parent != NULL)
		LIST_REMOVE(live, sibling);
	live->ended = true;
	if (!live->held)
		live_free(live, &work->common->counters.room);
}

void work_hold(struct live *live)
{
	live->held = true;
}

void work_release(struct work *work, struct live *live)
{
	if (live == NULL)
		return;
	live->held = false;
	if (live->ended)
		live_free(live, &work->common->counters.room);
}

struct emitter_end work_make_end(enum work_reason reason, uint64_t now_ns)
{
	struct emitter_end end = {.reason = work_reasons[reason].reason, .now_ns = now_ns};
	const char *error = work_reasons[reason].error;

	if (error != NULL) {
		end.status = SPAN_STATUS_ERROR;
		end.message = span_text_of(error);
		end.type = span_text_of(end.reason);
	}
	return end;
}

void work_end(
	struct work *work, struct live *live, const struct emitter_end *end, enum work_reason below)
{
	struct emitter_end below_end = work_make_end(below, end->now_ns);

	while (!LIST_EMPTY(&live->children)) {
		struct live *leaf = LIST_FIRST(&live->children);

		while (!LIST_EMPTY(&leaf->children))
			leaf = LIST_FIRST(&leaf->children);
		work_note(work, NULL, leaf, " ended: %s", below_end.reason);
		work_end_leaf(work, leaf, &below_end);
	}
	work_end_leaf(work, live, end);
}

void work_tell_end(struct work *work, struct live *live, const struct emitter_end *end)
{
	struct live_told *told = malloc(sizeof *told + end->message.size + end->type.size);
	char *texts;

	if (told == NULL) {
		work_end(work, live, end, WORK_PARENT_ENDED);
		return;
	}
	texts = (char *)(told + 1);
	*told = (struct live_told){
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
	live->told = told;
}

/* The end that another connection has told. */
static struct emitter_end work_told_end(const struct live_told *told)
{
	return (struct emitter_end){
		.status = told->status,
		.message = told->message,
		.type = told->type,
		.reason = told->reason,
		.now_ns = told->now_ns,
	};
}

void work_give_up(struct work *work, struct live *live, enum work_reason reason, uint64_t now_ns)
{
	struct emitter_end end;

	if (live->lapse_ns != 0) { /* it was over before */
		reason = WORK_IDLE;
		now_ns = live->lapse_ns;
	}
	end = live->told != NULL ? work_told_end(live->told) : work_make_end(reason, now_ns);
	if (live->told != NULL || reason == WORK_IDLE || reason == WORK_EVICTED)
		reason = WORK_PARENT_ENDED; /* of what is below */
	work_note(work, NULL, live, " ended: %s", end.reason);
	work_end(work, live, &end, reason);
}

/* ---- opening ---- */

void work_set_above(struct work_opening *opening, const struct traceparent *above)
{
	opening->has_above = true;
	memcpy(opening->above, above->span_id, SPAN_ID_SIZE);
}

void work_make_room(struct work *work, uint64_t now_ns)
{
	while (work->registry.live_count >= work->common->spans_max) {
		work->common->counters.evicted++;
		work_give_up(work, TAILQ_FIRST(&work->registry.ages), WORK_EVICTED, now_ns);
	}
}

static void work_place(struct work *work, struct live *live, const struct work_opening *opening)
{
	live->context = opening->context;
	live->has_parent = opening->has_above;
	memcpy(live->parent_span_id, opening->above, SPAN_ID_SIZE);
	live->recorded =
		work->common->exporter != NULL && (live->context.flags & TRACE_FLAG_SAMPLED) != 0;
	live->start_ns = opening->now_ns;
	live->leader = opening->connection;
	live_watch(live, opening->connection);
	live->parent = opening->parent;
	if (live->parent != NULL)
		LIST_INSERT_HEAD(&live->parent->children, live, sibling);
}

static void work_set_defaults(struct work *work, struct live *live)
{
	const uint8_t *attributes = work->common->matcher.default_attributes[live->type];
	size_t i;

	for (i = 0; i < live->row->default_count; i++) {
		struct matcher_value value = {
			.type = SPAN_VALUE_STRING,
			.text = span_text_of(live->row->defaults[i].value),
		};

		live_set(live, &work->common->counters.room, attributes[i], &value);
	}
}

struct live *work_open(struct work *work, const struct work_opening *opening)
{
	const struct live_identity *identity = &opening->identity;
	bool grouped = work_is_top(work, identity->type) && identity->call.size == 0;
	struct live *live = live_new(identity);

	if (live == NULL || registry_add(&work->registry, live, grouped) != 0) {
		work->common->counters.no_memory++;
		if (live != NULL)
			live_free(live, &work->common->counters.room);
		return NULL;
	}
	work_place(work, live, opening);
	work_set_defaults(work, live);
	work->common->counters.opened++;
	return live;
}

void work_set(struct work *work, struct live *live, const struct matcher_rule *rule,
	const struct envelope *envelope)
{
	struct matcher_value value;
	size_t i;

	for (i = 0; i < rule->row->setting_count; i++)
		if (matcher_take(&rule->settings[i].source, envelope, &value)) {
			work_note_value(work, rule, rule->settings[i].attribute, &value);
			live_set(live, &work->common->counters.room, rule->settings[i].attribute,
				&value);
		}
}

void work_watch(struct live *live, uint64_t connection)
{
	struct live *top = work_top(live);

	if (top->leader == 0)
		top->leader = connection;
	if (top->watchers[0] != connection || top->watcher_count == 0)
		live_watch(top, connection);
}

void work_lapse(struct work *work, struct live *live, uint64_t now_ns)
{
	work->lapsed_count += live->lapse_ns == 0;
	live->lapse_ns = now_ns;
}

void work_wake(struct work *work, struct live *live)
{
	work->lapsed_count -= live->lapse_ns != 0;
	live->lapse_ns = 0;
}

void work_touch(struct work *work, struct live *live, uint64_t connection)
{
	work_wake(work, work_top(live));
	work_watch(live, connection);
}

bool work_leads(struct live *live, uint64_t connection)
{
	if (live->leader == 0)
		live->leader = connection;
	return live->leader == connection;
}

struct live *work_find_call(
	const struct work *work, size_t type, struct span_text call, const struct key *key)
{
	struct registry_entry *entry = registry_find(&work->registry, REGISTRY_CALL, type, call);

	while (entry != NULL && !live_key_begins(entry->live, key))
		entry = registry_next(entry);
	return entry == NULL ? NULL : entry->live;
}

struct live *work_find_parent(const struct work *work, size_t type, const struct key *key)
{
	const struct matcher_parents *parents = &work->common->matcher.parents[type];
	size_t i;

	for (i = 0; i < parents->count; i++) {
		size_t parts = work_row(work, parents->types[i])->key_count;
		struct live *live = parts <= key->count ? registry_find_key(&work->registry,
								  parents->types[i], key, parts)
							: NULL;

		if (live != NULL)
			return live;
	}
	return NULL;
}
