/*
 * From messages to actions. What is open is in the work, requests that submit some in the claims;
 * all connections of one backend share both, so that copies change nothing: the first opener and
 * the first closer win. Spans end by rule, with their parent, with what carried their messages, by
 * age or for want of room.
 */
#include "proxy/trace/follow/follower.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/trace/names/text.h"

struct follower {
	struct work work;
	struct claims claims;
};

static struct action follower_action(struct follower *follower,
	const struct action_message *message, const struct matcher_method *method)
{
	return (struct action){
		.work = &follower->work,
		.claims = &follower->claims,
		.message = message,
		.method = method,
	};
}

static struct action follower_look_up(
	struct follower *follower, const struct action_message *message)
{
	const struct work_common *common = follower->work.common;
	unsigned number =
		methods_find(common->methods, text_in_slot(message->envelope, ENVELOPE_METHOD));

	return follower_action(follower, message, matcher_method(&common->matcher, number));
}

/* ---- requests of the client ---- */

struct submission *follower_request(struct follower *follower,
	const struct submission_request *request, const struct envelope *envelope,
	const uint8_t *promise)
{
	return claims_request(&follower->claims, request, envelope, promise);
}

void follower_answered(struct follower *follower, const struct matcher_method *method,
	struct submission *submission, const struct action_message *message, bool ok,
	struct traceparent *context)
{
	struct action action = follower_action(follower, message, method);

	if (!ok) {
		claims_unanswered(&follower->claims, submission, context);
		return;
	}
	action.submission = submission;
	action_run(&action, LIFECYCLE_ON_REPLY);
	if (submission != NULL)
		claims_settle(
			&follower->claims, submission, action.about, context, message->now_ns);
	work_release(&follower->work, action.about);
}

void follower_unanswered(
	struct follower *follower, struct submission *submission, struct traceparent *context)
{
	claims_unanswered(&follower->claims, submission, context);
}

/* ---- messages of the server, answers to it ---- */

void follower_notification(struct follower *follower, const struct action_message *message)
{
	struct action action = follower_look_up(follower, message);

	action_run(&action, LIFECYCLE_ON_NOTIFICATION);
}

void follower_server_request(struct follower *follower, const struct action_message *message,
	const struct traceparent *context)
{
	struct action action = follower_look_up(follower, message);

	action.context = context;
	action_run(&action, LIFECYCLE_ON_SERVER_REQUEST);
}

/* The open request of the server with that id that the connection has got. */
static struct live *follower_find_call(
	const struct follower *follower, size_t type, struct span_text call, uint64_t connection)
{
	struct registry_entry *entry =
		registry_find(&follower->work.registry, REGISTRY_CALL, type, call);

	while (entry != NULL && !live_is_watched(entry->live, connection))
		entry = registry_next(entry);
	return entry == NULL ? NULL : entry->live;
}

void follower_client_reply(struct follower *follower, const struct action_message *message)
{
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(message->envelope, bytes)};
	size_t type;

	for (type = 0; type < follower->work.common->matcher.lifecycle->span_count; type++) {
		struct live *live = follower_find_call(follower, type, call, message->connection);
		struct action action;

		if (live == NULL)
			continue;
		action = follower_action(follower, message, live->method);
		action.call = live;
		action_run(&action, LIFECYCLE_ON_CLIENT_REPLY);
	}
}

/* The first rule that opens a span for such a request, or NULL. */
static const struct matcher_rule *follower_call_rule(const struct action *action)
{
	uint64_t left = action->method->rules[LIFECYCLE_ON_SERVER_REQUEST];

	for (; left != 0; left &= left - 1) {
		const struct matcher_rule *rule =
			&action->work->common->matcher.rules[__builtin_ctzll(left)];

		if (rule->row->action == LIFECYCLE_OPEN &&
			matcher_holds(rule, action->message->envelope))
			return rule;
	}
	return NULL;
}

/* What a request of the server that is open, or was, carries; false: it is not known. */
static bool follower_known_call(const struct work *work, size_t type, struct span_text call,
	const struct key *key, struct follower_told *told)
{
	const struct live *same = work_find_call(work, type, call, key);
	const struct traceparent *closed;

	if (same != NULL) {
		told->context = same->context;
		told->tracestate = same->tracestate;
		return true;
	}
	closed = work_recall_call(work, type, call, key);
	if (closed != NULL)
		told->context = *closed;
	return closed != NULL;
}

bool follower_server_context(
	struct follower *follower, const struct action_message *message, struct follower_told *told)
{
	struct work *work = &follower->work;
	struct action action = follower_look_up(follower, message);
	const struct matcher_rule *rule = follower_call_rule(&action);
	char bytes[ENVELOPE_KEY_MAX];
	struct span_text call = {.bytes = bytes, .size = envelope_id_key(message->envelope, bytes)};
	const struct live *parent;
	struct key key;

	*told = (struct follower_told){.tracestate = span_text_of("")};
	if (rule == NULL)
		return false;
	(void)action_take_key(&action, rule, &key); /* as far as it goes */
	if (follower_known_call(work, rule->row->span, call, &key, told))
		return true;
	parent = work_find_parent(work, rule->row->span, &key);
	if (parent != NULL)
		told->tracestate = parent->tracestate;
	told->made = work->common->switches[work_row(work, rule->row->span)->switched];
	if (told->made)
		told->context = work_new_context(work, parent != NULL ? &parent->context : NULL);
	else if (parent != NULL)
		told->context = parent->context;
	return told->made || parent != NULL;
}

/* ---- what ends without being told ---- */

/* The next span at the top, which does not end when this one does. */
static struct live *follower_next(const struct live *live)
{
	struct live *next = TAILQ_NEXT(live, age);

	while (next != NULL && next->parent != NULL)
		next = TAILQ_NEXT(next, age);
	return next;
}

/* For the spans that are followed on that connection another one is to be found. */
static void follower_unfollow(struct follower *follower, uint64_t connection)
{
	struct live *live;

	TAILQ_FOREACH(live, &follower->work.registry.ages, age)
	{
		if (live->leader == connection)
			live->leader = 0;
	}
}

void follower_connection_gone(struct follower *follower, uint64_t connection, bool last,
	bool backend_lost, uint64_t now_ns)
{
	struct live *live, *next;

	follower_unfollow(follower, connection);
	for (live = TAILQ_FIRST(&follower->work.registry.ages); live != NULL; live = next) {
		bool unseen = live_unwatch(live, connection, last);

		next = follower_next(live);                  /* the first of all is at the top */
		if (live->told != NULL && live->leader == 0) /* no more will be said of it */
			work_give_up(&follower->work, live, WORK_CLOSED, now_ns);
		else if (!unseen)
			continue;
		else if (backend_lost)
			work_give_up(&follower->work, live, WORK_BACKEND_EXITED, now_ns);
		else if (live->by_call.size > 0) /* nobody is left to answer; others go on */
			work_give_up(&follower->work, live, WORK_CONNECTION_CLOSED, now_ns);
	}
}

void follower_end_all(struct follower *follower, enum work_reason reason, uint64_t now_ns)
{
	struct live *live;

	while ((live = TAILQ_FIRST(&follower->work.registry.ages)) != NULL)
		work_give_up(&follower->work, live, reason, now_ns);
	claims_expire(&follower->claims, now_ns, 0);
}

static void follower_announce(struct follower *follower, struct live *live)
{
	live->announced = true;
	follower->work.common->counters.announced++;
	work_note(&follower->work, NULL, live, " announced");
	emitter_announce(follower->work.common, live);
}

static void follower_tick_live(struct follower *follower, struct live *live, uint64_t now_ns)
{
	struct work_common *common = follower->work.common;
	uint64_t age_ns = now_ns - live->start_ns;

	if (live->told != NULL && now_ns - live->told->now_ns >= common->grace_ns)
		work_give_up(&follower->work, live, WORK_CLOSED, now_ns);
	else if (live->lapse_ns != 0 && now_ns - live->lapse_ns >= common->grace_ns)
		work_give_up(&follower->work, live, WORK_IDLE, live->lapse_ns);
	else if (age_ns >= common->max_age_ns) {
		common->counters.expired++;
		work_give_up(&follower->work, live, WORK_EXPIRED, now_ns);
	} else if (!live->announced && live->row->announce != NULL &&
		   common->announce_after_ns > 0 && age_ns >= common->announce_after_ns)
		follower_announce(follower, live);
}

void follower_tick(struct follower *follower, uint64_t now_ns)
{
	struct live *live, *next;

	for (live = TAILQ_FIRST(&follower->work.registry.ages); live != NULL; live = next) {
		next = follower_next(live);
		follower_tick_live(follower, live, now_ns);
	}
	claims_expire(&follower->claims, now_ns, FOLLOWER_CLAIM_NS);
}

/* ---- the follower ---- */

struct follower *follower_new(struct work_common *common)
{
	struct follower *follower = malloc(sizeof *follower);

	if (follower == NULL)
		return NULL;
	work_init(&follower->work, common);
	claims_init(&follower->claims, &follower->work);
	return follower;
}

void follower_free(struct follower *follower, enum work_reason reason, uint64_t now_ns)
{
	if (follower == NULL)
		return;
	follower_end_all(follower, reason, now_ns);
	assert(follower->claims.count == 0);
	work_done(&follower->work);
	free(follower);
}
