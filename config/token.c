/* The token that clients must have: read once, whole; nothing of it is ever told. */
#include "config/token.h"

#include <stdlib.h>
#include <string.h>

#include "config/secret.h"
#include "config/settings.h"
#include "config/value.h"

#define TOKEN_NAME_SIZE 320
#define TOKEN_BLANKS    " \t\r\n"

const char *token_trim(char *text)
{
	size_t begin = strspn(text, TOKEN_BLANKS), size, i;

	size = strlen(text + begin);
	memmove(text, text + begin, size + 1);
	while (size > 0 && strchr(TOKEN_BLANKS, text[size - 1]) != NULL)
		text[--size] = '\0';
	if (size == 0)
		return "it is empty";
	if (size > TOKEN_SIZE_MAX)
		return "it is too long";
	for (i = 0; i < size; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return "it has a blank, a line break or something else that no token has";
	return NULL;
}

int token_load(struct settings *settings)
{
	struct config *config = settings->config;
	const char *path = config->listen_token_file;
	char quote[VALUE_QUOTE_SIZE];
	char name[TOKEN_NAME_SIZE];
	const char *reason;
	char *text;

	if (path == NULL)
		return 0;
	settings_name(settings, OPTION_AT_listen_token_file, name, sizeof name);
	(void)value_quote(quote, path);
	if (config->listen != NULL && !url_is_websocket(&config->listen_url))
		return settings_fail(settings,
			"%s: %s: what listens there is not asked for HTTP, which has the token; "
			"must stand with ws:// or ws+unix://",
			name, quote);
	switch (secret_read(settings, OPTION_AT_listen_token_file, path, &text)) {
	case SETTINGS_TAKEN:
		break;
	case SETTINGS_IGNORED: /* it has been warned about */
		return settings_fail(settings, "%s: %s: cannot be read", name, quote);
	case SETTINGS_WRONG:
		return -1;
	}
	reason = token_trim(text);
	if (reason == NULL) {
		config->listen_token = text;
		return 0;
	}
	free(text);
	return settings_fail(settings, "%s: %s: %s; " TOKEN_WANTED, name, quote, reason);
}
