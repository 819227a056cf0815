/* Where a request's parent comes from, and what becomes a link: every mix of what may say so. */
#include <stdio.h>
#include <string.h>

#include "proxy/trace/requests/parent.h"
#include "tests/unit/unit.h"

#define BODY   "11111111111111111111111111111111-1111111111111111"
#define FIELDS "22222222222222222222222222222222-2222222222222222"
#define OURS   "33333333333333333333333333333333-3333333333333333" /* the environment's */
#define NONE   "-"

#define OF(context) "00-" context "-01"

static const struct {
	enum config_trust trust;
	const char *body, *fields, *environment; /* traceparents; NULL: none */
	const char *parent;
	const char *links; /* one behind the other */
} rows[] = {
	{CONFIG_TRUST_CONTINUE, NULL, NULL, NULL, NONE, ""},
	{CONFIG_TRUST_CONTINUE, OF(BODY), NULL, NULL, BODY, ""},
	{CONFIG_TRUST_CONTINUE, NULL, OF(FIELDS), NULL, FIELDS, ""},
	{CONFIG_TRUST_CONTINUE, OF(BODY), OF(FIELDS), NULL, BODY, FIELDS},
	{CONFIG_TRUST_CONTINUE, OF(BODY), OF(BODY), NULL, BODY, ""},
	{CONFIG_TRUST_CONTINUE, OF(BODY), "no", NULL, BODY, ""},
	{CONFIG_TRUST_CONTINUE, "no", OF(FIELDS), NULL, NONE, FIELDS},
	{CONFIG_TRUST_CONTINUE, "no", NULL, OF(OURS), NONE, ""},
	{CONFIG_TRUST_CONTINUE, NULL, NULL, OF(OURS), OURS, ""},
	{CONFIG_TRUST_CONTINUE, OF(BODY), OF(FIELDS), OF(OURS), BODY, FIELDS OURS},
	{CONFIG_TRUST_CONTINUE, OF(OURS), NULL, OF(OURS), OURS, ""},
	{CONFIG_TRUST_CONTINUE, OF(BODY), OF(OURS), OF(OURS), BODY, OURS},
	{CONFIG_TRUST_LINK, NULL, NULL, NULL, NONE, ""},
	{CONFIG_TRUST_LINK, OF(BODY), NULL, NULL, NONE, BODY},
	{CONFIG_TRUST_LINK, OF(BODY), OF(FIELDS), NULL, NONE, BODY FIELDS},
	{CONFIG_TRUST_LINK, OF(BODY), OF(BODY), NULL, NONE, BODY},
	{CONFIG_TRUST_LINK, "no", OF(FIELDS), OF(OURS), NONE, FIELDS},
	{CONFIG_TRUST_LINK, OF(BODY), OF(FIELDS), OF(OURS), OURS, BODY FIELDS},
	{CONFIG_TRUST_LINK, OF(OURS), NULL, OF(OURS), OURS, ""},
	{CONFIG_TRUST_RESTART, OF(BODY), OF(FIELDS), NULL, NONE, ""},
	{CONFIG_TRUST_RESTART, "no", NULL, NULL, NONE, ""},
	{CONFIG_TRUST_RESTART, OF(BODY), OF(FIELDS), OF(OURS), OURS, ""},
	{CONFIG_TRUST_RESTART, NULL, NULL, OF(OURS), OURS, ""},
};

/* Writes a context as the rows have it. */
static void tell(char *text, const uint8_t trace_id[TRACE_ID_SIZE], const uint8_t *span_id)
{
	struct traceparent context = {.flags = 0};
	char whole[TRACEPARENT_SIZE];

	memcpy(context.trace_id, trace_id, TRACE_ID_SIZE);
	memcpy(context.span_id, span_id, SPAN_ID_SIZE);
	traceparent_format(whole, &context);
	(void)snprintf(text, sizeof BODY, "%.*s", (int)sizeof BODY - 1, whole + strlen("00-"));
}

static struct carrier_view view_of(const char *traceparent)
{
	static const char state[] = "a=1";

	if (traceparent == NULL)
		return (struct carrier_view){.found = false};
	return (struct carrier_view){
		.found = true,
		.traceparent = {traceparent, strlen(traceparent)},
		.tracestate = {state, sizeof state - 1},
	};
}

START_TEST(test_parent_and_links)
{
	struct carrier_view views[PARENT_VIEWS_MAX] = {
		view_of(rows[_i].body), view_of(rows[_i].fields)};
	struct span_link links[PARENT_LINKS_MAX];
	char text[PARENT_LINKS_MAX * sizeof BODY] = NONE;
	struct parents parents;
	struct parent parent;
	size_t count, i;

	ck_assert_int_eq(
		parents_init(&parents, true, rows[_i].trust, rows[_i].environment, "b=2"), 0);
	parent_find(&parent, &parents, &views[rows[_i].body == NULL]);
	if (parent.present)
		tell(text, parent.traceparent.trace_id, parent.traceparent.span_id);
	ck_assert_str_eq(text, rows[_i].parent);
	ck_assert_uint_eq(parent.tracestate.size, parent.present ? strlen("a=1") : 0);
	if (parent.present)
		ck_assert_int_eq(*parent.tracestate.bytes,
			rows[_i].environment != NULL && strcmp(text, OURS) == 0 &&
					(rows[_i].body == NULL ||
						rows[_i].trust != CONFIG_TRUST_CONTINUE)
				? 'b'
				: 'a');
	count = parents_find_links(&parents, &parent, views, PARENT_VIEWS_MAX, links);
	text[0] = '\0';
	for (i = 0; i < count; i++)
		tell(text + strlen(text), links[i].trace_id, links[i].span_id);
	ck_assert_str_eq(text, rows[_i].links);
	parents_done(&parents);
}
END_TEST

/* Where no parents are wanted there are no links either. */
START_TEST(test_nothing_wanted)
{
	struct carrier_view view = view_of(OF(BODY));
	struct span_link links[PARENT_LINKS_MAX];
	struct parents parents;
	struct parent parent;

	ck_assert_int_eq(parents_init(&parents, false, CONFIG_TRUST_LINK, OF(OURS), NULL), 0);
	parent_find(&parent, &parents, &view);
	ck_assert(!parent.present);
	ck_assert_uint_eq(parents_find_links(&parents, &parent, &view, 1, links), 0);
	ck_assert(!parents_link(&parents));
	parents_done(&parents);
}
END_TEST

/* What is wrong with the environment's is told once, and what is left of it counts. */
START_TEST(test_environment)
{
	static const struct {
		const char *traceparent, *tracestate;
		int parent_said, state_said;
		const char *state; /* NULL: no parent */
	} environments[] = {
		{OF(OURS), "b=2", 0, 0, "b=2"},
		{OF(OURS), NULL, 0, 0, ""},
		{OF(OURS), "=", 0, 1, ""},
		{"no", "b=2", 1, 0, NULL},
		{"", "b=2", 0, 0, NULL},
		{NULL, "b=2", 0, 0, NULL},
	};
	const struct carrier_view nothing = {.found = false};
	struct parents parents;
	struct parent parent;

	unit_hear_stderr();
	ck_assert_int_eq(parents_init(&parents, true, CONFIG_TRUST_CONTINUE,
				 environments[_i].traceparent, environments[_i].tracestate),
		0);
	ck_assert_int_eq(unit_said("ignoring the invalid TRACEPARENT of the environment"),
		environments[_i].parent_said);
	ck_assert_int_eq(unit_said("ignoring the invalid TRACESTATE of the environment"),
		environments[_i].state_said);
	parent_find(&parent, &parents, &nothing);
	ck_assert_int_eq(parent.present, environments[_i].state != NULL);
	ck_assert_uint_eq(parent.tracestate.size,
		environments[_i].state != NULL ? strlen(environments[_i].state) : 0);
	parents_done(&parents);
	if (environments[_i].state != NULL && environments[_i].state[0] != '\0') {
		unit_alloc_fail_after(0);
		ck_assert_int_eq(parents_init(&parents, true, CONFIG_TRUST_CONTINUE,
					 environments[_i].traceparent, environments[_i].tracestate),
			-1);
		unit_alloc_fail_never();
		parents_done(&parents);
	}
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("parent");

	tcase_add_loop_test(tc, test_parent_and_links, 0, sizeof rows / sizeof rows[0]);
	tcase_add_test(tc, test_nothing_wanted);
	tcase_add_loop_test(tc, test_environment, 0, 6);
	return unit_run("parent", tc);
}
