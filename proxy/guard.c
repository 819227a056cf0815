/*
 * The guard, in this order: Host (RFC 9110, 7.2; a name that an attacker made point here, "DNS
 * rebinding", is not ours), Origin (RFC 6455, 10.2) or what a browser says in its place (Fetch
 * Metadata, 2), token (RFC 6750, 2.1).
 */
#include "proxy/guard.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "proxy/address.h"
#include "proxy/side/http.h"
#include "proxy/log.h"

static void guard_init_at(
	struct guard *guard, const struct config *config, const struct url *url, bool checks)
{
	*guard = (struct guard){
		.config = config,
		.token = config->listen_token,
		.checks_origin = checks,
		/* nobody looks up the name of a Unix socket: clients put anything there */
		.checks_host = checks && url->scheme == URL_WS,
		.own = {.host = url->host,
			.host_size = strlen(url->host),
			.is_ipv6 = strchr(url->host, ':') != NULL},
		.default_port = url->tls ? 443 : 80,
	};
}

void guard_init(struct guard *guard, const struct config *config)
{
	bool is_server = !url_is_websocket(&config->upstream_url);

	guard_init_at(guard, config, &config->listen_url,
		config->listen_check_origin == CONFIG_CHECK_ALWAYS ||
			(config->listen_check_origin == CONFIG_CHECK_AUTO && is_server));
}

void guard_init_own(struct guard *guard, const struct config *config, const struct url *url)
{
	guard_init_at(guard, config, url, true);
	guard->checks_site = true;
}

/* ---- hosts ---- */

/* A listed host without a port stands for all of them. */
static bool guard_is_listed(const struct guard *guard, const struct authority *host)
{
	const struct config_list *hosts = &guard->config->listen_allow_host;
	struct authority listed;
	size_t i;

	for (i = 0; i < hosts->count; i++)
		if (authority_parse(&listed, hosts->items[i], strlen(hosts->items[i])) == 0 &&
			authority_same_host(&listed, host) &&
			(listed.port == -1 || listed.port == (host->port == -1 ? guard->default_port
									       : host->port)))
			return true;
	return false;
}

/* With an absolute target, Host does not count (RFC 9112, 3.2.2). */
static enum guard_verdict guard_check_host(const struct guard *guard,
	const struct http_head *request, const struct address *local, char note[GUARD_NOTE_SIZE])
{
	const struct http_field *field = http_field_find(request, "Host");
	struct http_text text, path;
	struct authority host;
	char shown[GUARD_NOTE_SIZE / 2];

	if (field == NULL || http_field_count(request, "Host") != 1) {
		(void)snprintf(note, GUARD_NOTE_SIZE, "not one Host field");
		return GUARD_NO_HOST;
	}
	http_target_split(request->target, &text, &path);
	if (text.size == 0)
		text = field->value;
	log_escape(shown, sizeof shown, text.bytes, text.size);
	if (authority_parse(&host, text.bytes, text.size) != 0) {
		(void)snprintf(note, GUARD_NOTE_SIZE, "Host \"%s\" is none", shown);
		return GUARD_NO_HOST;
	}
	if (authority_is_loopback(&host) || address_has_host(local, &host) ||
		authority_same_host(&guard->own, &host) || guard_is_listed(guard, &host))
		return GUARD_ADMITTED;
	(void)snprintf(
		note, GUARD_NOTE_SIZE, "Host \"%s\" is not ours, nor in listen.allow_host", shown);
	return GUARD_FOREIGN_HOST;
}

/* ---- origins ---- */

/*
 * An image, a script or a frame is asked for without Origin, but browsers say whose page wants it.
 * Links to us may stand anywhere: then who has followed one looks at the answer, not the page.
 */
static enum guard_verdict guard_check_site(
	const struct http_head *request, char note[GUARD_NOTE_SIZE])
{
	const struct http_field *site = http_field_find(request, "Sec-Fetch-Site");
	const struct http_field *kind = http_field_find(request, "Sec-Fetch-Dest");
	char shown[GUARD_NOTE_SIZE / 2];

	if (site == NULL || http_text_is(site->value, HTTP_TEXT("same-origin")) ||
		http_text_is(site->value, HTTP_TEXT("none")) ||
		(kind != NULL && http_text_is(kind->value, HTTP_TEXT("document"))))
		return GUARD_ADMITTED;
	log_escape(shown, sizeof shown, site->value.bytes, site->value.size);
	(void)snprintf(note, GUARD_NOTE_SIZE, "a page of another site (\"%s\") embeds it", shown);
	return GUARD_FOREIGN_ORIGIN;
}

static enum guard_verdict guard_check_origin(
	const struct guard *guard, const struct http_head *request, char note[GUARD_NOTE_SIZE])
{
	const struct config_list *listed = &guard->config->listen_allow_origin;
	const struct http_field *field = http_field_find(request, "Origin");
	char shown[GUARD_NOTE_SIZE / 2];
	size_t i;

	if (field == NULL) /* no browser, or nothing that a script reads */
		return guard->checks_site ? guard_check_site(request, note) : GUARD_ADMITTED;
	if (http_field_count(request, "Origin") != 1) {
		(void)snprintf(note, GUARD_NOTE_SIZE, "several Origin fields");
		return GUARD_FOREIGN_ORIGIN;
	}
	for (i = 0; i < listed->count; i++)
		if (origin_equals(listed->items[i], strlen(listed->items[i]), field->value.bytes,
			    field->value.size))
			return GUARD_ADMITTED;
	log_escape(shown, sizeof shown, field->value.bytes, field->value.size);
	(void)snprintf(note, GUARD_NOTE_SIZE, "Origin \"%s\" is not in listen.allow_origin", shown);
	return GUARD_FOREIGN_ORIGIN;
}

/* ---- tokens ---- */

/* How long the comparison takes says nothing about where two tokens differ. */
static enum guard_verdict guard_check_token(
	const struct guard *guard, const struct http_head *request, char note[GUARD_NOTE_SIZE])
{
	struct http_text bearer = HTTP_TEXT("Bearer"), scheme, token;
	const struct http_field *field = http_field_find(request, "Authorization");

	assert(guard->token != NULL);
	(void)snprintf(note, GUARD_NOTE_SIZE, "no bearer token");
	if (field == NULL || http_field_count(request, "Authorization") != 1)
		return GUARD_NO_TOKEN;
	scheme = token = field->value;
	scheme.size = bearer.size;
	if (token.size <= bearer.size || token.bytes[bearer.size] != ' ' ||
		!http_text_is(scheme, bearer))
		return GUARD_NO_TOKEN;
	token.bytes += bearer.size;
	token.size -= bearer.size;
	while (token.size > 0 && *token.bytes == ' ') {
		token.bytes++;
		token.size--;
	}
	(void)snprintf(note, GUARD_NOTE_SIZE, "a wrong bearer token");
	if (token.size != strlen(guard->token) ||
		CRYPTO_memcmp(token.bytes, guard->token, token.size) != 0)
		return GUARD_NO_TOKEN;
	return GUARD_ADMITTED;
}

enum guard_verdict guard_check(const struct guard *guard, const struct http_head *request,
	const struct address *local, char note[GUARD_NOTE_SIZE])
{
	enum guard_verdict verdict = GUARD_ADMITTED;

	if (guard->checks_host)
		verdict = guard_check_host(guard, request, local, note);
	if (verdict == GUARD_ADMITTED && guard->checks_origin)
		verdict = guard_check_origin(guard, request, note);
	if (verdict == GUARD_ADMITTED && guard->token != NULL)
		verdict = guard_check_token(guard, request, note);
	return verdict;
}
