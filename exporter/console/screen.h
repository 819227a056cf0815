#ifndef EXPORTER_CONSOLE_SCREEN_H
#define EXPORTER_CONSOLE_SCREEN_H

#include <stddef.h>
#include <stdint.h>

/* Columns of the terminal that fd is, or SCREEN_WIDTH if it is none. */
enum { SCREEN_WIDTH = 100 };

size_t screen_width(int fd);

enum screen_result { SCREEN_WRITTEN, SCREEN_FAILED, SCREEN_TIMED_OUT };

/*
 * Writes all bytes to fd, which may be blocking, as most terminals are: never waits longer than
 * left_ms(arg) says, which is asked again and again.
 */
enum screen_result screen_write(
	int fd, const char *bytes, size_t size, int64_t (*left_ms)(void *arg), void *arg);

#endif
