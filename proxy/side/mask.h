#ifndef PROXY_SIDE_MASK_H
#define PROXY_SIDE_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Masking of WebSocket payload (RFC 6455, 5.3): byte i of a frame is exclusive-ored with byte
 * i mod 4 of the frame's key. phase is i of the first byte (any number; only phase mod 4 counts).
 */

/* Masks or unmasks in place. */
void mask_apply(uint8_t *bytes, size_t size, const uint8_t key[4], uint32_t phase);

/*
 * Unmasks from the beginning of a frame, in place. True if all is ASCII: to look while the bytes
 * are at hand takes 50 instructions less a traced round trip than to check them afterwards. False
 * when that is not known.
 */
bool mask_apply_ascii(uint8_t *bytes, size_t size, const uint8_t key[4]);

/* As mask_apply() into another place; the two are equal or do not overlap. */
void mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase);

#endif
