/*
 * URLs of the two sides and of the collector: taken apart once, at load, so that nobody else has to
 * look at their text. What can be wrong is told as a short reason; url_parse() leaves URL_NONE
 * then.
 */
#include "config/url.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *prefix;
	enum url_scheme scheme;
	enum url_framing framing;
	bool tls;
} url_schemes[] = {
	{"ws+unix://", URL_WS_UNIX, URL_LINES, false},
	{"unix://", URL_UNIX, URL_LINES, false},
	{"ws://", URL_WS, URL_LINES, false},
	{"tcp://", URL_TCP, URL_LINES, false},
	{"lsp+tcp://", URL_TCP, URL_LENGTH, false},
	{"lsp+unix://", URL_UNIX, URL_LENGTH, false},
	{"http://", URL_WS, URL_HTTP, false},
	{"http+unix://", URL_WS_UNIX, URL_HTTP, false},
	{"json+tcp://", URL_TCP, URL_CONCAT, false},
	{"json+unix://", URL_UNIX, URL_CONCAT, false},
	{"wss://", URL_WS, URL_LINES, true},
	{"https://", URL_WS, URL_HTTP, true},
	{"tls+tcp://", URL_TCP, URL_LINES, true},
};

#define URL_SCHEME_COUNT (sizeof url_schemes / sizeof *url_schemes)

static int url_refuse(const char **reason, const char *text)
{
	*reason = text;
	return -1;
}

/* Visible ASCII only: the text becomes a part of HTTP heads and log lines. */
static bool url_is_clean(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static bool url_is_name(const char *text, size_t size)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";

	return size > 0 && strspn(text, allowed) >= size;
}

/* Takes the host from the start of text. Returns what follows it, or NULL. */
static const char *url_parse_host(struct url *url, const char *text, const char **reason)
{
	const char *end;
	struct in6_addr address;

	if (*text == '[') {
		end = strchr(++text, ']');
		if (end == NULL || end - text >= INET6_ADDRSTRLEN) {
			*reason = "the IPv6 address has no end";
			return NULL;
		}
	} else {
		end = text + strcspn(text, ":/?#");
		if (end - text > URL_HOST_MAX || !url_is_name(text, (size_t)(end - text))) {
			*reason = end == text ? "the host is missing"
					      : "the host is not a name or address";
			return NULL;
		}
	}
	memcpy(url->host, text, (size_t)(end - text));
	url->host[end - text] = '\0';
	if (*end != ']')
		return end;
	if (inet_pton(AF_INET6, url->host, &address) != 1) {
		*reason = "what is in brackets is not an IPv6 address";
		return NULL;
	}
	return end + 1;
}

/* Takes ":PORT" from the start of text. Returns what follows it, or NULL. */
static const char *url_parse_port(struct url *url, const char *text, const char **reason)
{
	size_t digits;
	long port;

	if (*text != ':') {
		*reason = "the port is missing";
		return NULL;
	}
	text++;
	digits = strspn(text, "0123456789");
	if (text[digits] == ':') {
		*reason = "an IPv6 address needs brackets: [::1]";
		return NULL;
	}
	port = digits > 0 && digits <= 5 ? strtol(text, NULL, 10) : -1;
	if (port < 0 || port > UINT16_MAX) {
		*reason = "the port is not a number from 0 to 65535";
		return NULL;
	}
	url->port = (uint16_t)port;
	return text + digits;
}

static int url_parse_unix(struct url *url, const char *text, const char **reason)
{
	size_t size = strlen(text);

	if (*text != '/' || size < 2)
		return url_refuse(
			reason, "the path of the socket must be absolute, after three slashes");
	if (text[size - 1] == '/')
		return url_refuse(reason, "the path of the socket is a folder");
	if (size > URL_UNIX_MAX)
		return url_refuse(reason, "the path of the socket is longer than 107 bytes");
	memcpy(url->path, text, size + 1);
	return 0;
}

static int url_parse_inet(struct url *url, const char *text, const char **reason)
{
	text = url_parse_host(url, text, reason);
	if (text != NULL)
		text = url_parse_port(url, text, reason);
	if (text == NULL)
		return -1;
	if (*text == '\0' || strcmp(text, "/") == 0)
		return 0;
	if (url->scheme != URL_WS)
		return url_refuse(reason, "nothing may follow the port");
	if (*text != '/')
		return url_refuse(reason, "the port is not followed by a path");
	if (!url_is_clean(text) || strchr(text, '#') != NULL)
		return url_refuse(reason, "the path has a character that must be percent-encoded");
	if (strlen(text) > URL_PATH_MAX)
		return url_refuse(reason, "the path is longer than 1024 bytes");
	memcpy(url->path, text, strlen(text) + 1);
	return 0;
}

int url_parse(struct url *url, const char *text, const char **reason)
{
	size_t size;
	size_t i;
	int result;

	memset(url, 0, sizeof *url);
	for (i = 0; i < URL_SCHEME_COUNT; i++) {
		size = strlen(url_schemes[i].prefix);
		if (strncasecmp(text, url_schemes[i].prefix, size) == 0)
			break;
	}
	if (i == URL_SCHEME_COUNT)
		return url_refuse(reason, "the scheme is not known");
	url->scheme = url_schemes[i].scheme;
	url->framing = url_schemes[i].framing;
	url->tls = url_schemes[i].tls;
	if (url->scheme == URL_UNIX || url->scheme == URL_WS_UNIX)
		result = url_parse_unix(url, text + size, reason);
	else
		result = url_parse_inet(url, text + size, reason);
	if (result != 0)
		memset(url, 0, sizeof *url);
	return result;
}

const char *url_prefix(const struct url *url)
{
	size_t i = 0;

	assert(url->scheme != URL_NONE);
	while (url_schemes[i].scheme != url->scheme || url_schemes[i].framing != url->framing ||
		url_schemes[i].tls != url->tls) {
		i++;
		assert(i < URL_SCHEME_COUNT);
	}
	return url_schemes[i].prefix;
}

void url_authority(char text[URL_AUTHORITY_SIZE], const struct url *url)
{
	if (url->host[0] == '\0')
		(void)snprintf(text, URL_AUTHORITY_SIZE, "localhost"); /* fits */
	else
		(void)snprintf(text, URL_AUTHORITY_SIZE,
			strchr(url->host, ':') != NULL ? "[%s]:%u" : "%s:%u", url->host,
			(unsigned)url->port); /* fits: the host is bounded */
}

bool url_is_local(const struct url *url)
{
	struct in_addr address;
	struct in6_addr address6;

	if (url->host[0] == '\0')
		return true;
	if (strcasecmp(url->host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, url->host, &address) == 1)
		return ntohl(address.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, url->host, &address6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&address6);
	return false;
}

bool url_is_websocket(const struct url *url)
{
	return url->scheme == URL_WS || url->scheme == URL_WS_UNIX;
}

bool url_equals(const struct url *one, const struct url *other)
{
	if (one->scheme == URL_NONE || other->scheme == URL_NONE)
		return false;
	if (one->host[0] == '\0' || other->host[0] == '\0')
		return one->host[0] == other->host[0] && strcmp(one->path, other->path) == 0;
	return one->port == other->port && one->port != 0 &&
	       strcasecmp(one->host, other->host) == 0;
}

static const char *url_skip_http(const char *text)
{
	if (strncasecmp(text, "http://", 7) == 0)
		return text + 7;
	if (strncasecmp(text, "https://", 8) == 0)
		return text + 8;
	return NULL;
}

int url_check_http(const char *text, const char **reason)
{
	struct url url;
	const char *rest = url_skip_http(text);

	if (rest == NULL)
		return url_refuse(reason, "the scheme is not http:// or https://");
	if (!url_is_clean(text))
		return url_refuse(reason, "it has a character that must be percent-encoded");
	if (strchr(text, '#') != NULL)
		return url_refuse(reason, "a fragment (#) is never sent");
	if (memchr(rest, '@', strcspn(rest, "/?")) != NULL)
		return url_refuse(reason, "credentials belong into otlp.headers");
	rest = url_parse_host(&url, rest, reason);
	if (rest != NULL && *rest == ':')
		rest = url_parse_port(&url, rest, reason);
	if (rest == NULL)
		return -1;
	if (*rest != '\0' && *rest != '/' && *rest != '?')
		return url_refuse(reason, "the host is not followed by a port or a path");
	return 0;
}

char *url_bare_http(const char *text)
{
	const char *rest = url_skip_http(text);
	const char *host = rest;
	char *bare = strndup(text, strcspn(text, "#"));
	size_t i;

	if (bare == NULL || rest == NULL)
		return bare;
	for (i = 0; rest[i] != '\0' && strchr("/?#", rest[i]) == NULL; i++)
		if (rest[i] == '@')
			host = rest + i + 1;
	i = (size_t)(rest - text);
	memmove(bare + i, bare + (host - text), strlen(bare) - (size_t)(host - text) + 1);
	return bare;
}

/* The size of "SCHEME://" at the start, 0 when there is none (RFC 3986, section 3.1). */
static size_t url_scheme_size(const char *text)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+.-";
	size_t size = strspn(text, allowed);

	return strncmp(text + size, "://", 3) == 0 ? size + 3 : 0;
}

static bool url_is_good(const char *text)
{
	const char *reason;
	struct url url;

	return url_check_http(text, &reason) == 0 || url_parse(&url, text, &reason) == 0;
}

void url_show(char *shown, size_t size, const char *text)
{
	const char *host = strrchr(text, '@');
	size_t scheme_size = url_scheme_size(text);
	const char *rest = text + scheme_size;
	bool secret = host != NULL && !url_is_good(text);
	size_t rest_size;

	assert(size > 0);
	if (secret)
		rest = host;
	rest_size = strcspn(rest, "?");
	(void)snprintf(shown, size, "%.*s%s%.*s%s", (int)scheme_size, text, secret ? "***" : "",
		(int)rest_size, rest, rest[rest_size] == '?' ? "?***" : "");
}

char *url_join_http(const char *text, const char *more)
{
	const char *rest = url_skip_http(text);
	size_t size = strcspn(text, "?");
	const char *query = text + size;
	bool has_path = memchr(rest, '/', (size_t)(query - rest)) != NULL;
	size_t room;
	char *joined;

	if (more != NULL) {
		while (text + size > rest && text[size - 1] == '/')
			size--;
		has_path = false;
	}
	more = more == NULL ? "" : more;
	room = strlen(text) + strlen(more) + sizeof "/";
	joined = malloc(room);
	if (joined != NULL)
		(void)snprintf(joined, room, "%.*s%s%s%s", (int)size, text, has_path ? "" : "/",
			more, query); /* it all fits in room */
	return joined;
}
