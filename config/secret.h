#ifndef CONFIG_SECRET_H
#define CONFIG_SECRET_H

#include <stdio.h>

#include "config/settings.h"

#define SECRET_SIZE_MAX 65536 /* bytes of a file with secrets */

/*
 * Reads the file that an option of ours names, which is set, into *text: terminated, without NUL,
 * the caller frees. What is in it is in no message. That others may read it is warned about. When
 * not SETTINGS_TAKEN, *text is NULL.
 */
enum settings_result secret_read(
	struct settings *settings, enum option_index index, const char *path, char **text);

/* All of such a file, terminated. NULL, or why it is not there; it may be static or strerror()'s.
 */
const char *secret_read_stream(FILE *stream, char text[SECRET_SIZE_MAX + 1]);

#endif
