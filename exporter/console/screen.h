#ifndef EXPORTER_CONSOLE_SCREEN_H
#define EXPORTER_CONSOLE_SCREEN_H

#include <stddef.h>
#include <stdint.h>

/* Columns of the terminal that fd is, or SCREEN_WIDTH if it is none. */
enum { SCREEN_WIDTH = 100 };

size_t screen_width(int fd);

enum screen_result { SCREEN_WRITTEN, SCREEN_FULL, SCREEN_FAILED };

/*
 * Writes to fd, which may be blocking, as most terminals are, as much as there is room for, and no
 * more than a good piece: *done bytes of size are written, and count on. SCREEN_FULL: go on later.
 */
enum screen_result screen_write(int fd, const char *bytes, size_t size, size_t *done);

/* Waits for room, that long at most, and never long. */
void screen_wait(int fd, int64_t wait_ms);

#endif
