#ifndef PROXY_SIDE_MASK_H
#define PROXY_SIDE_MASK_H

#include <stddef.h>
#include <stdint.h>

/*
 * Masking of WebSocket payload (RFC 6455, 5.3): byte i of a frame is exclusive-ored with byte
 * i mod 4 of the frame's key. phase is i of the first byte (any number; only phase mod 4 counts).
 */

/* Masks or unmasks in place. */
void mask_apply(uint8_t *bytes, size_t size, const uint8_t key[4], uint32_t phase);

/* The same into another place; the two are equal or do not overlap. */
void mask_copy(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4], uint32_t phase);

#endif
