#ifndef PROXY_DOCTOR_MACHINE_H
#define PROXY_DOCTOR_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* What the machine grants us, as far as it says so. */
enum machine_clock {
	MACHINE_CLOCK_KEPT,    /* something keeps it right */
	MACHINE_CLOCK_ALONE,   /* nothing does */
	MACHINE_CLOCK_UNKNOWN, /* this is not told here */
};

enum machine_clock machine_clock(void);

/*
 * Bytes that the tightest of the control groups that we are in has; -1: there is no limit. root:
 * "", or where proc/ and sys/ lie instead, for tests.
 */
int64_t machine_memory(const char *root);

/* Descriptors that we may have open, and how many are. SIZE_MAX: no limit. */
size_t machine_descriptors(size_t *open);

#endif
