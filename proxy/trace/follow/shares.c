/*
 * Two levels of who has most: connections by their spans, and for each connection its trees by
 * theirs, which are known by the span at their top. A tree belongs to the connection that opened
 * it, whoever else adds to it, and for as long as it lives, though that connection may be gone.
 * Only spans that end by themselves count: the one at the top may be a request's, which does not.
 */
#include "proxy/trace/follow/shares.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/trace/follow/open_span.h"

struct share {
	struct fullest_member spans; /* first: the list hands back pointers to it */
	struct fullest trees;
	struct open_spans *of;
	struct share **place; /* where its connection keeps it; NULL: that is gone */
};

_Static_assert(offsetof(struct share, spans) == 0, "the list's member is cast to it");

static struct share *shares_take(
	struct shares *shares, struct share **place, struct open_spans *spans)
{
	struct share *share = *place;

	if (share != NULL)
		return share;
	share = calloc(1, sizeof *share);
	if (share == NULL || fullest_add(&shares->connections, &share->spans) != 0) {
		free(share);
		return NULL;
	}
	share->of = spans;
	share->place = place;
	*place = share;
	return share;
}

static void shares_drop(struct shares *shares, struct share *share)
{
	assert(share->trees.count == 0);
	fullest_remove(&shares->connections, &share->spans);
	if (share->place != NULL)
		*share->place = NULL;
	free(share);
}

/* One more span, or one less. */
static void shares_change(struct shares *shares, struct open_span *top, size_t spans)
{
	struct share *share = top->share;

	fullest_set(&share->trees, &top->tree, top->tree.weight + spans);
	fullest_set(&shares->connections, &share->spans, share->spans.weight + spans);
	shares->span_count += spans;
}

int shares_add(struct shares *shares, struct share **place, struct open_spans *spans,
	struct open_span *above, struct open_span *span)
{
	struct open_span *top = above != NULL ? open_span_top(above) : span;

	if (top->share == NULL) {
		struct share *share = shares_take(shares, place, spans);

		if (share == NULL || fullest_add(&share->trees, &top->tree) != 0)
			return -1;
		top->share = share;
	}
	shares_change(shares, top, 1);
	return 0;
}

void shares_remove(struct shares *shares, struct open_span *span)
{
	struct open_span *top = open_span_top(span);
	struct share *share = top->share;

	shares_change(shares, top, -(size_t)1);
	if (top->tree.weight > 0)
		return;
	fullest_remove(&share->trees, &top->tree);
	top->share = NULL;
	if (share->place == NULL && share->trees.count == 0)
		shares_drop(shares, share);
}

void shares_touch(struct open_span *span)
{
	struct open_span *top = open_span_top(span);

	if (top->share != NULL)
		fullest_set(&top->share->trees, &top->tree, top->tree.weight);
}

void shares_leave(struct shares *shares, struct share **place)
{
	struct share *share = *place;

	if (share == NULL)
		return;
	share->place = NULL;
	*place = NULL;
	if (share->trees.count == 0)
		shares_drop(shares, share);
}

struct open_span *shares_find(struct shares *shares, struct open_spans **spans)
{
	struct share *share = (struct share *)fullest_find(&shares->connections);
	struct fullest_member *tree = share == NULL ? NULL : fullest_find(&share->trees);
	struct open_span *span, *below;

	if (tree == NULL)
		return NULL;
	span = (struct open_span *)((char *)tree - offsetof(struct open_span, tree));
	while ((below = TAILQ_FIRST(&span->children)) != NULL)
		span = below; /* as deep as there are types */
	*spans = share->of;
	return span;
}

void shares_rest(struct shares *shares)
{
	size_t i;

	for (i = 0; shares->connections.sorted && i < shares->connections.count; i++)
		fullest_rest(&((struct share *)shares->connections.members[i])->trees);
	fullest_rest(&shares->connections);
}
