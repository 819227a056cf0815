/*
 * Values of a profile's rules, of each kind, on their way into names, attributes and other spans.
 */
#include "tests/unit/conversation_case.h"

static const char begin[] =
	"1<{'method':'begin','params':{'id':'i','text':'t','number':-5,'yes':true,'no':false,"
	"'real':1.5}}";
static const char end[] = "1<{'method':'end','params':{'id':'i'}}";

enum { LINES = 6 };

static const struct {
	const char *flags[4];
	const char *lines[LINES];
	const char *name;          /* of the span, */
	const char *attributes[5]; /* and what is among its own */
	const char *absent;        /* that is not; NULL: anything may be */
} rows[] = {
	{{NULL}, {begin, end}, "work t -5 true false",
		{" w.number=-5 ", " w.yes=true ", " w.no=false ", " w.real=1.5 ",
			" w.always=true w.never=false w.seven=7 "},
		NULL},
	{{NULL}, {begin, "1<{'method':'say','params':{'id':'i','said':'secret'}}", end},
		"work t -5 true false", {" w.text=t "}, "secret"},
	{{"--telemetry-contents", NULL},
		{begin, "1<{'method':'say','params':{'id':'i','said':'secret'}}", end},
		"work t -5 true false", {" w.said=secret "}, NULL},
	{{"--telemetry-contents", NULL},
		{begin, "1<{'method':'say','params':{'id':'i','said':5}}",
			"1<{'method':'say','params':{'id':'i','said':''}}", end},
		"work t -5 true false", {" w.text=t "}, "w.said"},
	{{"--telemetry-contents", "--telemetry-contents-bytes-max=64", NULL},
		{begin,
			"1<{'method':'say','params':{'id':'i','said':'"
			"0123456789012345678901234567890123456789012345678901234567890123456789'}}",
			end},
		"work t -5 true false", {" w.said=01234567890123456789012345678901234567890123456"},
		"012345678901234567890123456789012345678901234567890123456789012345"},
	/* a mark 2 ms behind the beginning: each message takes one */
	{{NULL},
		{begin, "+1", "1<{'method':'mark','params':{'id':'i'}}",
			"1<{'method':'part','params':{'id':'i'}}", end},
		"part t",
		{" w.number=-5 ", " w.yes=true ", " p.s=0.002 ", " p.ms=2 p.us=2000 p.ns=2000000 "},
		NULL},
	/* a request is a span without any rule about it */
	{{NULL}, {"1>{'id':1,'method':'call','params':{'id':'k'}}", "1<{'id':1,'result':0}"},
		"asked", {" rpc.method=call "}, NULL},
	/* nor does it count for a span that begins behind it */
	{{NULL},
		{begin, "1<{'method':'mark','params':{'id':'i'}}",
			"1<{'method':'part','params':{'id':'i'}}",
			"1<{'method':'part','params':{'id':'i'}}", end},
		"part t", {" w.number=-5 "}, " p."},
	/* no mark, no value */
	{{NULL}, {begin, "1<{'method':'part','params':{'id':'i'}}", end}, "part t",
		{" w.number=-5 "}, " p."},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* The last one of that name. */
static const struct kept *find(const struct conversation *talk, const char *name)
{
	size_t i;

	for (i = talk->exporter->count; i-- > 0;)
		if (strcmp(talk->exporter->spans[i].name, name) == 0)
			return &talk->exporter->spans[i];
	for (i = 0; i < talk->exporter->count; i++)
		fprintf(stderr, "%s: %s\n", talk->exporter->spans[i].name,
			talk->exporter->spans[i].attributes);
	ck_abort_msg("no %s", name);
}

START_TEST(test_values)
{
	const char *flags[6] = {"--profile=tests/unit/data/profiles/values.json"};
	struct conversation *talk;
	const struct kept *kept;
	size_t i;

	memcpy(flags + 1, rows[_i].flags, sizeof rows[_i].flags);
	conversation_load(flags);
	talk = conversation_begin();
	for (i = 0; i < LINES && rows[_i].lines[i] != NULL; i++)
		conversation_line(talk, rows[_i].lines[i]);
	kept = find(talk, rows[_i].name);
	for (i = 0; i < 5 && rows[_i].attributes[i] != NULL; i++)
		ck_assert_msg(strstr(kept->attributes, rows[_i].attributes[i]) != NULL, "%s",
			kept->attributes);
	if (rows[_i].absent != NULL)
		ck_assert_msg(
			strstr(kept->attributes, rows[_i].absent) == NULL, "%s", kept->attributes);
	conversation_shut_down(talk);
	conversation_end(talk);
	conversation_unload();
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("values");

	tcase_add_loop_test(tc, test_values, 0, ROWS);
	return unit_run("values", tc);
}
