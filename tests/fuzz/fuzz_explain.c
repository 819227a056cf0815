/*
 * Any file, explained: the same text each time, that may be shown; a line for each line of the
 * recording, in its order; as many messages counted as there are; or an error of one line. The
 * first byte chooses the profile.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config_load.h"
#include "proxy/explain/explain.h"
#include "proxy/explain/recording.h"
#include "proxy/log.h"

enum { FUZZ_PROFILES = 2, FUZZ_TEXT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static void fuzz_warn(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static const struct config *fuzz_config(unsigned number)
{
	static struct config *configs[FUZZ_PROFILES];
	char profiles[FUZZ_PROFILES][32] = {"--profile=codex", "--profile=generic"};
	char program[] = "sidespan", flag[] = "--explain", file[] = "x", error[CONFIG_ERROR_SIZE];
	char *argv[] = {program, profiles[number], flag, file, NULL}, *environment[] = {NULL};

	if (configs[number] == NULL)
		fuzz_require(config_load(&configs[number], 4, argv, environment, stdout, fuzz_warn,
				     NULL, error) == CONFIG_RUN);
	log_level_set(LOG_ERROR); /* as the program does */
	return configs[number];
}

/* Explains into a text that the caller frees. */
static char *fuzz_explain(const struct config *config, char *bytes, size_t size,
	enum explain_outcome *outcome, char *error, size_t error_size)
{
	FILE *file = fmemopen(bytes, size, "r"), *out = fdopen(memfd_create("out", 0), "w+");
	char *text;
	long end;

	fuzz_require(file != NULL && out != NULL);
	error[0] = '\0';
	*outcome = explain_recording(config, file, "x", out, error, error_size);
	fuzz_require(fseek(out, 0, SEEK_END) == 0);
	end = ftell(out);
	fuzz_require(end >= 0 && end < FUZZ_TEXT_MAX);
	rewind(out);
	text = malloc((size_t)end + 1);
	fuzz_require(text != NULL && fread(text, 1, (size_t)end, out) == (size_t)end);
	text[end] = '\0';
	fuzz_require(strlen(text) == (size_t)end); /* no zeros */
	(void)fclose(file);                        /* only read */
	(void)fclose(out);                         /* the same by now */
	return text;
}

static void fuzz_check_shown(const char *text)
{
	for (; *text != '\0'; text++)
		fuzz_require((uint8_t)*text >= 0x20 || *text == '\n');
}

/* The number at the start of a line that tells of a message; 0 where it does not. */
static unsigned long long fuzz_number(const char *line)
{
	const char *digits = line + strspn(line, " ");
	char *end;
	unsigned long long number = strtoull(digits, &end, 10);

	return digits - line < 4 && isdigit((unsigned char)*digits) && end[0] == ' ' &&
			       end[1] == ' '
		       ? number
		       : 0;
}

/* The next such line; NULL when there is none. */
static const char *fuzz_next(const char *at)
{
	while (*at != '\0' && fuzz_number(at) == 0) {
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return *at != '\0' ? at : NULL;
}

static void fuzz_check_lines(const char *text, char *bytes, size_t size)
{
	FILE *file = fmemopen(bytes, size, "r");
	struct recording *recording = recording_new(file, "x");
	struct recording_line line;
	unsigned long messages = 0;
	char error[512], counts[64];
	const char *at = text;

	fuzz_require(file != NULL && recording != NULL);
	while (recording_next(recording, &line, error, sizeof error) == RECORDING_LINE) {
		at = fuzz_next(at);
		fuzz_require(at != NULL && fuzz_number(at) == line.number);
		at += strcspn(at, "\n");
		messages += !line.is_end;
	}
	(void)snprintf(counts, sizeof counts, "\nmessages=%lu spans=", messages);
	fuzz_require(strstr(at, counts) != NULL);
	recording_free(recording);
	(void)fclose(file); /* only read */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	const struct config *config;
	char *copy, *text, *again, error[1024], error_again[1024];
	enum explain_outcome outcome, outcome_again;

	if (size < 1 || size > 1 << 16)
		return 0;
	config = fuzz_config(bytes[0] % FUZZ_PROFILES);
	copy = malloc(size);
	fuzz_require(copy != NULL);
	memcpy(copy, bytes + 1, size - 1);
	copy[size - 1] = '\n'; /* fmemopen() has no empty files */
	text = fuzz_explain(config, copy, size, &outcome, error, sizeof error);
	again = fuzz_explain(config, copy, size, &outcome_again, error_again, sizeof error_again);
	fuzz_require(outcome == outcome_again && strcmp(text, again) == 0);
	fuzz_require(outcome != EXPLAIN_FAILED);
	fuzz_check_shown(text);
	if (outcome == EXPLAIN_DONE)
		fuzz_check_lines(text, copy, size);
	else
		fuzz_require(error[0] != '\0' && strpbrk(error, "\n\033") == NULL &&
			     strcmp(error, error_again) == 0);
	free(copy);
	free(text);
	free(again);
	return 0;
}
