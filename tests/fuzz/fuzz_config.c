/*
 * The text of a file: as settings, and as a profile with its settings. Whatever it is, a refusal
 * has a text of one line, and what is accepted can be printed and comes out of its own text the
 * same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config_load.h"
#include "config/file.h"
#include "config/map.h"
#include "config/consistency.h"
#include "config/settings.h"
#include "config/value.h"
#include "config/profile/profile_load.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static char *const fuzz_environment[] = {(char[]){"NAME=value"}, (char[]){"EMPTY="}, NULL};

static void fuzz_require(int holds)
{
	if (!holds)
		abort();
}

/* What is printed of a value is a text of that value. */
static void fuzz_print(const struct config *config)
{
	char text[8192], again[8192];
	const struct option *option;
	const char *reason;
	struct config copy;
	struct value value;
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		option = option_at(i);
		value_print(option, config, text, sizeof text);
		if (option->type == OPTION_TYPE_MAP || strcmp(text, "-") == 0)
			continue; /* printed for people */
		memset(&copy, 0, sizeof copy);
		fuzz_require(value_parse(&value, option, text, CONFIG_FLAG, &reason) == VALUE_OK);
		value_store(&value, option, &copy);
		value_print(option, &copy, again, sizeof again);
		fuzz_require(strcmp(text, again) == 0);
		memset(&value, 0, sizeof value);
		if (option->type >= OPTION_TYPE_TEXT)
			value_store(&value, option, &copy); /* frees the text */
	}
}

/* One that says nothing, as every configuration has one by then. */
static struct profile *fuzz_profile(void)
{
	static const char text[] = "{\"name\": \"none\"}";
	char error[CONFIG_ERROR_SIZE] = "";
	struct file *file =
		file_parse("p", text, sizeof text - 1, fuzz_environment, error, sizeof error);
	struct profile *profile;

	fuzz_require(file != NULL);
	profile = profile_new(file, error, sizeof error);
	fuzz_require(profile != NULL);
	file_free(file);
	return profile;
}

static void fuzz_settings(
	const struct file *file, const struct file_node *object, enum config_source source)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct config *config = calloc(1, sizeof *config);
	struct settings settings;
	int result;

	fuzz_require(config != NULL);
	config->profile = fuzz_profile();
	result = settings_init(&settings, config, fuzz_environment, error);
	fuzz_require(result == 0);
	result = settings_apply(&settings, file, object, source);
	if (result == 0) {
		fuzz_print(config);
		result = consistency_apply(&settings, true);
	}
	fuzz_require((result == 0) == (error[0] == '\0'));
	fuzz_require(strpbrk(error, "\r\n\033") == NULL);
	settings_done(&settings);
	config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct file *file =
		file_parse("f", (const char *)bytes, size, fuzz_environment, error, sizeof error);
	const struct file_node *node;
	struct profile *profile;

	fuzz_require((file == NULL) == (error[0] != '\0'));
	if (file == NULL)
		return 0;
	fuzz_settings(file, file->root, CONFIG_FILE);
	profile = profile_new(file, error, sizeof error);
	fuzz_require((profile == NULL) == (error[0] != '\0'));
	fuzz_require(strchr(error, '\n') == NULL);
	node = file_member(file->root, "settings");
	if (profile != NULL && node != NULL)
		fuzz_settings(file, node, CONFIG_PROFILE);
	profile_free(profile);
	file_free(file);
	return 0;
}
