/*
 * Whether an exporter can be made of a configuration: what can be known before the first request.
 * Secrets, such as a header's value or what is not shown of a URL, are in no error text.
 */
#include "exporter/verify.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "exporter/settings.h"

static int verify_endpoint(const struct exporter_config *config, char *error, size_t size)
{
	if (config->endpoint != NULL && (strncasecmp(config->endpoint, "http://", 7) == 0 ||
						strncasecmp(config->endpoint, "https://", 8) == 0))
		return 0;
	(void)snprintf(error, size, "endpoint \"%s\": must start with http:// or https://",
		config->endpoint_shown != NULL ? config->endpoint_shown : ""); /* may be cut */
	return -1;
}

/* A name is a token, a value has no control characters (RFC 9110, section 5). */
static bool verify_header_is_good(const struct exporter_header *header)
{
	const char *p;

	for (p = header->name; *p != '\0'; p++)
		if (!isalnum((unsigned char)*p) && strchr("!#$%&'*+-.^_`|~", *p) == NULL)
			return false;
	for (p = header->value; *p != '\0'; p++)
		if (iscntrl((unsigned char)*p) && *p != '\t')
			return false;
	return header->name[0] != '\0';
}

static int verify_headers(const struct exporter_config *config, char *error, size_t size)
{
	size_t i;

	for (i = 0; i < config->header_count; i++) {
		if (verify_header_is_good(&config->headers[i]))
			continue;
		(void)snprintf(error, size, "header number %zu: not a header of HTTP",
			i + 1); /* may be cut */
		return -1;
	}
	return 0;
}

static int verify_file(const char *what, const char *path, char *error, size_t size)
{
	if (path == NULL || access(path, R_OK) == 0)
		return 0;
	(void)snprintf(error, size, "%s %s: %m", what, path); /* may be cut */
	return -1;
}

int verify_config(const struct exporter_config *config, char *error, size_t size)
{
	if (config->target != EXPORTER_OTLP)
		return 0;
	if (verify_endpoint(config, error, size) != 0 || verify_headers(config, error, size) != 0 ||
		verify_file("certificate", config->certificate, error, size) != 0 ||
		verify_file("client key", config->client_key, error, size) != 0 ||
		verify_file("client certificate", config->client_certificate, error, size) != 0)
		return -1;
	return 0;
}
