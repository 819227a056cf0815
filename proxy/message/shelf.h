#ifndef PROXY_MESSAGE_SHELF_H
#define PROXY_MESSAGE_SHELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The envelopes of a batch wait here until the whole batch is known to be JSON: copies of what is
 * wanted from them, in order. It starts without memory and has none when it is empty.
 *
 * A batch has room for SHELF_BYTES_MAX, all batches that are under way together for
 * SHELVES_BYTES_MAX.
 */
#define SHELF_BYTES_MAX   (1u << 20)
#define SHELVES_BYTES_MAX (16u << 20)

struct envelope;

struct shelf {
	uint8_t *bytes; /* owned */
	size_t used, size;
};

enum shelf_result { SHELF_KEPT, SHELF_FULL, SHELF_NO_MEMORY };

/* Whether any envelope would find room. */
bool shelf_has_room(const struct shelf *shelf);

/* Puts a copy behind the others. */
enum shelf_result shelf_put(struct shelf *shelf, const struct envelope *envelope);

/*
 * Fills envelope with the copy that begins at *at, which is moved on to the next one; false when
 * there is none. Its texts are borrowed from the shelf.
 */
bool shelf_take(const struct shelf *shelf, size_t *at, struct envelope *envelope);

/* Drops all that is on it. */
void shelf_clear(struct shelf *shelf);

#endif
