/* What a message says at its places: the texts of a carrier, which w3c/carrier judges. */
#include "proxy/message/carriers.h"

#include "proxy/message/envelope.h"
#include "proxy/message/place.h"

static const struct carrier_text carriers_no_text = {CARRIER_NO_TEXT, sizeof(CARRIER_NO_TEXT) - 1};

/* A member of a carrier; null is as good as none. */
static inline struct carrier_text carriers_text(const struct envelope_value *value)
{
	if (value->type == JSON_STRING)
		return (struct carrier_text){value->text, value->size};
	return value->type > JSON_NULL ? carriers_no_text : (struct carrier_text){.bytes = NULL};
}

static void carriers_view(
	struct carrier_view *view, const struct place_slots *place, const struct envelope *envelope)
{
	enum json_type type = envelope_value(envelope, place->object)->type;
	const struct envelope_value *traceparent, *tracestate, *baggage;
	bool list = type == JSON_ARRAY && !place->shared;

	view->found = false;
	view->baggage.bytes = NULL;
	if (type <= JSON_NULL)
		return;
	if (type != JSON_OBJECT && !list) {
		view->found = !place->shared;
		view->traceparent = carriers_no_text;
		view->tracestate.bytes = NULL;
		return;
	}
	traceparent = envelope_value(envelope, list ? place->traceparent_pos : place->traceparent);
	tracestate = envelope_value(envelope, list ? place->tracestate_pos : place->tracestate);
	baggage = envelope_value(envelope, place->baggage); /* no list has that */
	view->traceparent = carriers_text(traceparent);
	view->tracestate = tracestate->cut ? carriers_no_text : carriers_text(tracestate);
	view->baggage = carriers_text(baggage);
	view->baggage_cut = baggage->cut;
	view->found = view->traceparent.bytes != NULL;
}

void carriers_find(struct carrier_view *view, const struct place_slots *places, size_t count,
	const struct envelope *envelope)
{
	struct carrier_view next;
	size_t i;

	carriers_view(view, &places[0], envelope);
	for (i = 1; !view->found && i < count; i++) {
		carriers_view(&next, &places[i], envelope);
		if (next.found || view->baggage.bytes == NULL)
			*view = next;
	}
}
