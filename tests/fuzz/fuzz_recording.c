/*
 * Any file as a recording: no crash, lines within their limits, one error line that may be shown.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/explain/recording.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_check(bool fact)
{
	if (!fact)
		abort();
}

static void fuzz_check_line(const struct recording_line *line, const struct recording_line *before)
{
	fuzz_check(line->number > before->number && line->time_ns >= before->time_ns);
	fuzz_check(strlen(line->connection) <= RECORDING_NAME_MAX);
	fuzz_check(strlen(line->transport) <= RECORDING_NAME_MAX);
	fuzz_check((line->connection[0] != '\0') == line->has_connection);
	fuzz_check(line->size <= RECORDING_MESSAGE_MAX && (line->size == 0 || !line->is_end));
}

static void fuzz_check_error(const char *error)
{
	const char *p;

	fuzz_check(strncmp(error, "x:", 2) == 0);
	for (p = error; *p != '\0'; p++)
		fuzz_check((uint8_t)*p >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *copy = malloc(size + 1);
	FILE *file;
	struct recording *recording;
	struct recording_line line, before = {.number = 0};
	enum recording_result result;
	char error[512] = "";

	fuzz_check(copy != NULL);
	if (size > 0)
		memcpy(copy, bytes, size);
	copy[size] = '\n'; /* fmemopen() has no empty files */
	file = fmemopen(copy, size + 1, "r");
	fuzz_check(file != NULL);
	recording = recording_new(file, "x");
	while ((result = recording_next(recording, &line, error, sizeof error)) == RECORDING_LINE) {
		fuzz_check_line(&line, &before);
		before = line;
	}
	fuzz_check(result == RECORDING_END || result == RECORDING_BAD);
	if (result == RECORDING_BAD)
		fuzz_check_error(error);
	recording_free(recording);
	(void)fclose(file); /* only read */
	free(copy);
	return 0;
}
