/* Attributes by their names: who sets them; see names.h. */
#include "config/profile/names.h"

#include <assert.h>
#include <string.h>

#include "config/file.h"
#include "config/profile/lifecycle.h"
#include "config/profile/profile.h"
#include "config/profile/reader.h"

/* What every request has, whichever the conventions call it. */
static const char *const names_of_requests[] = {
	"rpc.method",
	"rpc.request_id",
	"jsonrpc.request.id",
	NULL,
};

/* The same, beside what its connection has. */
static const char *const names_of_connections[] = {
	"rpc.system",
	"rpc.system.name",
	"rpc.service",
	"rpc.transport",
	"app_server.connection_id",
	"tls.client.subject",
	"sidespan.connection.id",
	NULL,
};

/* The same, when it has been answered, or will not be. */
static const char *const names_of_ends[] = {
	"rpc.response.status_code",
	"rpc.status_code",
	"jsonrpc.protocol.version",
	"error.type",
	"sidespan.end_reason",
	"sidespan.sampled_by",
	NULL,
};

static bool names_equal(const char *name, const char *other, size_t size)
{
	return name != NULL && strncmp(name, other, size) == 0 && name[size] == '\0';
}

static bool names_are_in(const char *const *names, const char *name, size_t size)
{
	for (; *names != NULL; names++)
		if (names_equal(*names, name, size))
			return true;
	return false;
}

static bool names_set_has(const struct lifecycle_set *set, const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (names_equal(set->list[i].attribute, name, size))
			return true;
	return false;
}

/* Whether a rule sets the attribute on the spans that it is about. */
static bool names_rule_has(const struct lifecycle_rule *rule, const char *name, size_t size)
{
	if (rule->action == LIFECYCLE_EVENT)
		return false;
	return names_set_has(&rule->set, name, size) || names_set_has(&rule->set_new, name, size) ||
	       names_set_has(&rule->set_root, name, size) ||
	       names_equal(rule->stream.count, name, size) ||
	       names_equal(rule->stream.bytes, name, size) ||
	       names_equal(rule->stream.first, name, size);
}

static bool names_rules_have(
	const struct lifecycle *lifecycle, size_t span, const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle->rules[i].span == span &&
			names_rule_has(&lifecycle->rules[i], name, size))
			return true;
	return false;
}

static bool names_captured(const struct profile *profile, const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < profile->capture_count; i++)
		if (names_equal(profile->captures[i].attribute, name, size))
			return true;
	for (i = 0; i < profile->constant_count; i++)
		if (names_equal(profile->constants[i].attribute, name, size))
			return true;
	return names_are_in(names_of_requests, name, size) ||
	       names_are_in(names_of_connections, name, size);
}

/* ---- one attribute is given by one ---- */

static bool names_are_ours(const char *name)
{
	size_t size = strlen(name);

	return names_are_in(names_of_requests, name, size) ||
	       names_are_in(names_of_connections, name, size) ||
	       names_are_in(names_of_ends, name, size);
}

static bool names_is_constant(const struct profile *profile, const char *name)
{
	size_t i;

	for (i = 0; i < profile->constant_count; i++)
		if (strcmp(profile->constants[i].attribute, name) == 0)
			return true;
	return false;
}

static bool names_is_in_a_key(const struct lifecycle *lifecycle, const char *name)
{
	size_t i, j;

	for (i = 0; i < lifecycle->span_count; i++)
		for (j = 0; j < lifecycle->spans[i].key_count; j++)
			if (strcmp(lifecycle->spans[i].key[j].attribute, name) == 0)
				return true;
	return false;
}

const char *names_taken(const struct profile *profile, const char *name)
{
	if (names_are_ours(name))
		return "sidespan sets it; must have another name";
	if (names_is_constant(profile, name))
		return "is a constant of the profile; must have another name";
	if (profile->lifecycle != NULL && names_is_in_a_key(profile->lifecycle, name))
		return "is in a key of the profile's spans; must have another name";
	return NULL;
}

/* Whether one of the first captures gives the attribute. */
static bool names_are_captured(const struct profile *profile, size_t first, const char *name)
{
	size_t i;

	for (i = 0; i < first; i++)
		if (strcmp(profile->captures[i].attribute, name) == 0)
			return true;
	return false;
}

bool names_capture(const struct profile *profile, const char *name)
{
	return names_are_captured(profile, profile->capture_count, name);
}

size_t names_capture_count(const struct profile *profile)
{
	size_t count = 0, i;

	for (i = 0; i < profile->capture_count; i++)
		count += !names_are_captured(profile, i, profile->captures[i].attribute);
	return count;
}

static int names_check_own(struct reader *reader, const struct file_node *node, const char *name)
{
	if (!names_are_ours(name))
		return 0;
	return reader_fail(
		reader, node, "attribute \"%s\": sidespan sets it; must have another name", name);
}

static int names_check_constants(
	struct reader *reader, const struct file_node *node, const struct profile *profile)
{
	size_t i;

	for (node = node->child, i = 0; i < profile->constant_count; i++, node = node->next)
		if (names_check_own(reader, node, profile->constants[i].attribute) != 0)
			return -1;
	return 0;
}

static int names_check_captures(
	struct reader *reader, const struct file_node *node, const struct profile *profile)
{
	size_t count = 0, i;

	for (node = node->child, i = 0; i < profile->capture_count; i++, node = node->next) {
		const struct file_node *at = file_member(node, "attribute");
		const char *name = profile->captures[i].attribute;

		if (names_check_own(reader, at, name) != 0)
			return -1;
		if (names_is_constant(profile, name))
			return reader_fail(
				reader, at, "\"%s\": is a constant; must have another name", name);
		count += !names_are_captured(profile, i, name);
		if (count > PROFILE_ATTRIBUTES_MAX)
			return reader_fail(reader, at,
				"\"%s\": is one too many; captures must give at most %d "
				"different attributes",
				name, PROFILE_ATTRIBUTES_MAX);
	}
	return 0;
}

/* ---- what is named is there ---- */

/* Whether spans of that type can have the attribute. */
static bool names_span_has(
	const struct profile *profile, size_t type, const char *name, size_t size)
{
	const struct lifecycle *lifecycle = profile->lifecycle;
	const struct lifecycle_span *span = &lifecycle->spans[type];
	size_t i, j;

	for (i = 0; i < span->key_count; i++)
		if (names_equal(span->key[i].attribute, name, size))
			return true;
	for (i = 0; i < span->default_count; i++)
		if (names_equal(span->defaults[i].attribute, name, size))
			return true;
	for (i = 0; i < span->inherit_count; i++)
		if (names_equal(span->inherit[i], name, size))
			return true;
	for (i = 0; i < lifecycle->span_count; i++)
		for (j = 0; j < lifecycle->spans[i].add_count; j++)
			if (names_equal(lifecycle->spans[i].adds[j].attribute, name, size) &&
				lifecycle_is_below(lifecycle, i, type))
				return true;
	if (lifecycle_is_call(lifecycle, type) && names_are_in(names_of_requests, name, size))
		return true;
	if (span->requests != NULL &&
		(names_captured(profile, name, size) || names_equal("method", name, size) ||
			names_rules_have(lifecycle, LIFECYCLE_REQUEST, name, size)))
		return true;
	return names_rules_have(lifecycle, type, name, size);
}

/* Whether a request has the attribute, and not as its whole connection has it. */
static bool names_request_has(const struct profile *profile, const char *name, size_t size)
{
	size_t i;

	for (i = 0; i < profile->capture_count; i++)
		if (profile->captures[i].keep == PROFILE_KEEP_SPAN &&
			names_equal(profile->captures[i].attribute, name, size))
			return true;
	return names_are_in(names_of_requests, name, size) ||
	       (profile->lifecycle != NULL &&
		       names_rules_have(profile->lifecycle, LIFECYCLE_REQUEST, name, size));
}

bool names_measured(const struct profile *profile, const char *span, const char *name)
{
	const struct lifecycle *lifecycle = profile->lifecycle;
	size_t size = strlen(name), i;

	if (names_are_in(names_of_ends, name, size))
		return true;
	if (strcmp(span, "request") == 0)
		return names_request_has(profile, name, size);
	for (i = 0; lifecycle != NULL && i < lifecycle->span_count; i++)
		if (strcmp(lifecycle->spans[i].name, span) == 0)
			return names_span_has(profile, i, name, size);
	return false;
}

/* The next {NAME} of a title, which is well-formed: its name, or NULL. */
static const char *names_next(const char **title, size_t *size)
{
	const char *name = strchr(*title, '{');

	if (name == NULL)
		return NULL;
	*size = strcspn(++name, "}");
	*title = name + *size + 1;
	return name;
}

static int names_check_title(struct reader *reader, const struct file_node *node,
	const struct profile *profile, size_t type, const char *title)
{
	const char *name;
	size_t size;

	while (title != NULL && (name = names_next(&title, &size)) != NULL)
		if (!names_span_has(profile, type, name, size))
			return reader_fail(reader, node,
				"{%.*s}: must be an attribute that something sets", (int)size,
				name);
	return 0;
}

static int names_check_spans(
	struct reader *reader, const struct file_node *spans, const struct profile *profile)
{
	const struct lifecycle *lifecycle = profile->lifecycle;
	const struct file_node *node;
	size_t i;

	for (i = 0; i < lifecycle->span_count; i++) {
		const struct lifecycle_span *span = &lifecycle->spans[i];

		if (span->is_memory)
			continue;
		node = file_member(spans, span->name);
		reader_enter(reader, node, "span \"%s\": ", span->name);
		if (names_check_title(reader, file_member(node, "name"), profile, i, span->title) !=
				0 ||
			names_check_title(reader, file_member(node, "announce"), profile, i,
				span->announce) != 0)
			return -1;
	}
	reader_leave(reader);
	return 0;
}

/* Whether a capture from requests gives the attribute. */
static bool names_from_request(const struct profile *profile, const char *name)
{
	size_t i;

	for (i = 0; i < profile->capture_count; i++)
		if (profile->captures[i].from == PROFILE_FROM_REQUEST &&
			strcmp(profile->captures[i].attribute, name) == 0)
			return true;
	return false;
}

static int names_check_rules(
	struct reader *reader, const struct file_node *rules, const struct profile *profile)
{
	const struct lifecycle_rule *rule = profile->lifecycle->rules;
	const struct file_node *node;

	for (node = rules->child; node != NULL; node = node->next, rule++)
		if (rule->span == LIFECYCLE_REQUEST && rule->key_count > 0 &&
			!names_from_request(profile, rule->key[0].attribute)) {
			reader_enter(reader, node, "rule \"%s\": ", rule->name);
			return reader_fail(reader, file_member(node, "key"),
				"\"%s\": must be an attribute that is captured from requests",
				rule->key[0].attribute);
		}
	return 0;
}

int names_check(struct reader *reader, const struct file_node *root, const struct profile *profile)
{
	const struct file_node *node = file_member(root, "lifecycle");
	const struct file_node *rules;

	if (profile->constant_count > 0 &&
		names_check_constants(reader, file_member(root, "constants"), profile) != 0)
		return -1;
	if (profile->capture_count > 0 &&
		names_check_captures(reader, file_member(root, "captures"), profile) != 0)
		return -1;
	if (node == NULL)
		return 0;
	rules = file_member(node, "rules");
	if (profile->lifecycle->span_count > 0 && file_member(node, "spans") != NULL &&
		names_check_spans(reader, file_member(node, "spans"), profile) != 0)
		return -1;
	return rules == NULL ? 0 : names_check_rules(reader, rules, profile);
}

const char *names_unknown(const struct profile *profile, const char *title, size_t *size)
{
	const char *name;
	size_t i;

	assert(profile != NULL && title != NULL);
	while ((name = names_next(&title, size)) != NULL) {
		bool known =
			names_equal("method", name, *size) || names_captured(profile, name, *size);

		for (i = 0;
			!known && profile->lifecycle != NULL && i < profile->lifecycle->span_count;
			i++)
			known = profile->lifecycle->spans[i].requests != NULL &&
				names_span_has(profile, i, name, *size);
		if (!known &&
			(profile->lifecycle == NULL || !names_rules_have(profile->lifecycle,
							       LIFECYCLE_REQUEST, name, *size)))
			return name;
	}
	return NULL;
}
