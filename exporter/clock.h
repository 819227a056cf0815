#ifndef EXPORTER_CLOCK_H
#define EXPORTER_CLOCK_H

#include <stdint.h>
#include <time.h>

/* For durations, in threads and commands that wait; what the event loop runs is told the time. */
static inline int64_t clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now); /* it always exists */
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
