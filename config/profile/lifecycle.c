/* What follows from the rules and types of a lifecycle. */
#include "config/profile/lifecycle.h"

#include <assert.h>
#include <string.h>

/* Whether own, which may be NULL, is that word. */
static bool lifecycle_is_word(const char *own, const char *word, size_t size)
{
	return own != NULL && strlen(own) == size && memcmp(own, word, size) == 0;
}

static bool lifecycle_source_opts_in(
	const struct lifecycle_source *source, const char *word, size_t size)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++)
		if (lifecycle_is_word(source->choices[i].opt_in, word, size))
			return true;
	return false;
}

bool lifecycle_source_sums(const struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++)
		if (source->choices[i].take == LIFECYCLE_TAKE_SUM)
			return true;
	return false;
}

bool lifecycle_source_has_level(const struct lifecycle_source *source)
{
	size_t i;

	for (i = 0; i < source->choice_count; i++)
		if (source->choices[i].take == LIFECYCLE_TAKE_INCREASE)
			return true;
	return false;
}

size_t lifecycle_source_contents(const struct lifecycle_source *source)
{
	size_t count = 0, i;

	for (i = 0; i < source->choice_count; i++)
		count += source->choices[i].contents;
	return count;
}

bool lifecycle_opens(const struct lifecycle_rule *rule, size_t span)
{
	return rule->action == LIFECYCLE_OPEN && rule->span == span;
}

bool lifecycle_is_call(const struct lifecycle *lifecycle, size_t span)
{
	size_t i;

	for (i = 0; i < lifecycle->rule_count; i++)
		if (lifecycle_opens(&lifecycle->rules[i], span) &&
			lifecycle->rules[i].on == LIFECYCLE_ON_SERVER_REQUEST)
			return true;
	return false;
}

bool lifecycle_key_begins(
	const struct lifecycle_span *child, const struct lifecycle_span *parent, size_t own)
{
	size_t i;

	assert(own <= 1);
	if (parent->key_count == 0 || parent->key_count + own > child->key_count)
		return false;
	for (i = 0; i < parent->key_count; i++)
		if (strcmp(parent->key[i].attribute, child->key[i].attribute) != 0)
			return false;
	return true;
}

bool lifecycle_is_below(const struct lifecycle *lifecycle, size_t child, size_t parent)
{
	const struct lifecycle_span *above = &lifecycle->spans[parent];
	const struct lifecycle_span *below = &lifecycle->spans[child];
	bool whole;

	assert(child < lifecycle->span_count && parent < lifecycle->span_count);
	whole = below->is_made || lifecycle_is_call(lifecycle, child);
	return child != parent && !above->is_memory && !above->is_made && !above->is_measured &&
	       !lifecycle_is_call(lifecycle, parent) &&
	       lifecycle_key_begins(below, above, whole ? 0 : 1);
}

size_t lifecycle_contents_count(const struct lifecycle *lifecycle)
{
	size_t count = 0, i, j, k;

	for (i = 0; i < lifecycle->rule_count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		const struct lifecycle_set *sets[] = {&rule->set, &rule->set_new, &rule->set_root};

		for (j = 0; j < sizeof sets / sizeof sets[0]; j++)
			for (k = 0; k < sets[j]->count; k++)
				count += lifecycle_source_contents(&sets[j]->list[k].source);
	}
	return count;
}

bool lifecycle_has_opt_in(const struct lifecycle *lifecycle, const char *word, size_t size)
{
	size_t i, j, k;

	for (i = 0; i < lifecycle->span_count; i++)
		for (j = 0; j < lifecycle->spans[i].key_count; j++)
			if (lifecycle_is_word(lifecycle->spans[i].key[j].opt_in, word, size))
				return true;
	for (i = 0; i < lifecycle->rule_count; i++) {
		const struct lifecycle_rule *rule = &lifecycle->rules[i];
		const struct lifecycle_set *sets[] = {&rule->set, &rule->set_new, &rule->set_root};

		if (lifecycle_is_word(rule->unless, word, size))
			return true;
		for (j = 0; j < sizeof sets / sizeof sets[0]; j++)
			for (k = 0; k < sets[j]->count; k++)
				if (lifecycle_source_opts_in(&sets[j]->list[k].source, word, size))
					return true;
	}
	return false;
}

bool lifecycle_quotes(const char *pointer)
{
	return strncmp(pointer, "/params", 7) == 0 && (pointer[7] == '\0' || pointer[7] == '/');
}
