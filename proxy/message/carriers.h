#ifndef PROXY_MESSAGE_CARRIERS_H
#define PROXY_MESSAGE_CARRIERS_H

#include <stddef.h>

#include "w3c/carrier.h"

struct envelope;
struct place_slots;

/*
 * What an envelope says at the first of count places, one at least, that has a carrier. When none
 * has, none is found, and the baggage is that of the first place that has some. The texts are
 * borrowed from the envelope.
 */
void carriers_find(struct carrier_view *view, const struct place_slots *places, size_t count,
	const struct envelope *envelope);

#endif
