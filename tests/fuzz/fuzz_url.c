/*
 * URLs, and what was meant to be one. What is taken is the same when it is written again; what is
 * refused has a reason; what is posted to stays good when it is joined; no secret is ever shown.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/url.h"

#define FUZZ_SECRET "S3CR3T"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void fuzz_require(bool holds)
{
	if (!holds)
		abort();
}

static bool fuzz_is_line(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static void fuzz_parse(const char *text)
{
	static const char *const schemes[] = {
		[URL_WS] = "ws", [URL_WS_UNIX] = "ws+unix", [URL_TCP] = "tcp", [URL_UNIX] = "unix"};
	char written[URL_HOST_MAX + URL_PATH_MAX + 32];
	const char *reason = NULL;
	struct url url, again;

	if (url_parse(&url, text, &reason) != 0) {
		fuzz_require(reason != NULL && fuzz_is_line(reason) && url.scheme == URL_NONE);
		return;
	}
	if (url.scheme == URL_UNIX || url.scheme == URL_WS_UNIX)
		(void)snprintf(written, sizeof written, "%s://%s", schemes[url.scheme], url.path);
	else
		(void)snprintf(written, sizeof written,
			strchr(url.host, ':') != NULL ? "%s://[%s]:%u%s" : "%s://%s:%u%s",
			schemes[url.scheme], url.host, (unsigned)url.port, url.path);
	fuzz_require(url_parse(&again, written, &reason) == 0);
	fuzz_require(url.scheme == again.scheme && url.port == again.port);
	fuzz_require(strcmp(url.host, again.host) == 0 && strcmp(url.path, again.path) == 0);
	fuzz_require(url_equals(&url, &again) == (url.host[0] == '\0' || url.port != 0));
	fuzz_require(fuzz_is_line(url.host));
	if (url.scheme == URL_UNIX || url.scheme == URL_WS_UNIX)
		fuzz_require(url.path[0] == '/' && strlen(url.path) <= URL_UNIX_MAX);
	else
		fuzz_require(fuzz_is_line(url.path) && url.host[0] != '\0');
}

/* What is joined can be posted to, keeps its query, and has one slash where it was joined. */
static void fuzz_join(const char *text)
{
	const char *query = text + strcspn(text, "?"), *reason, *at;
	char *whole = url_join_http(text, NULL), *again, *joined;

	fuzz_require(whole != NULL && url_check_http(whole, &reason) == 0);
	again = url_join_http(whole, NULL);
	fuzz_require(again != NULL && strcmp(whole, again) == 0);
	joined = url_join_http(text, "v1/traces");
	fuzz_require(joined != NULL && url_check_http(joined, &reason) == 0);
	fuzz_require(strcmp(joined + strcspn(joined, "?"), query) == 0);
	at = joined + strcspn(joined, "?") - strlen("/v1/traces");
	fuzz_require(memcmp(at, "/v1/traces", strlen("/v1/traces")) == 0 && at[-1] != '/');
	free(whole);
	free(again);
	free(joined);
}

static void fuzz_bare(const char *text)
{
	char *bare = url_bare_http(text), *again = url_bare_http(bare);
	size_t prefix = strncasecmp(bare, "http://", 7) == 0    ? 7
			: strncasecmp(bare, "https://", 8) == 0 ? 8
								: 0;

	fuzz_require(strchr(bare, '#') == NULL && strlen(bare) <= strlen(text));
	fuzz_require(strcmp(bare, again) == 0);
	if (prefix > 0)
		fuzz_require(memchr(bare + prefix, '@', strcspn(bare + prefix, "/?")) == NULL);
	free(bare);
	free(again);
}

/* Shown in a line, whole or cut, with secrets in each of the places for them. */
static void fuzz_show(const char *text)
{
	char shown[64], with[4096];

	(void)snprintf(with, sizeof with, "ws://u:" FUZZ_SECRET "@%s", text);
	url_show(shown, sizeof shown, with);
	fuzz_require(strstr(shown, FUZZ_SECRET) == NULL && strlen(shown) < sizeof shown);
	(void)snprintf(with, sizeof with, "%s?" FUZZ_SECRET, text);
	url_show(shown, sizeof shown, with);
	fuzz_require(strstr(shown, FUZZ_SECRET) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text;
	const char *reason = NULL;

	if (size > 2048)
		return 0;
	text = strndup((const char *)bytes, size); /* of its own size: nothing is read behind it */
	fuzz_require(text != NULL);
	fuzz_parse(text);
	if (url_check_http(text, &reason) == 0)
		fuzz_join(text);
	else
		fuzz_require(reason != NULL && fuzz_is_line(reason));
	fuzz_bare(text);
	if (strstr(text, FUZZ_SECRET) == NULL)
		fuzz_show(text);
	free(text);
	return 0;
}
