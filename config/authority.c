/* Hosts and origins: taken apart, and compared. */
#include "config/authority.h"

#include <assert.h>
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define AUTHORITY_HOST_MAX 255

static bool authority_is_name(const char *text, size_t size)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t i;

	for (i = 0; i < size; i++)
		if (text[i] == '\0' || strchr(allowed, text[i]) == NULL)
			return false;
	return size > 0 && size <= AUTHORITY_HOST_MAX;
}

/* A name without the root's dot. */
static struct authority authority_undotted(const struct authority *authority)
{
	struct authority name = *authority;

	if (!name.is_ipv6 && name.host_size > 1 && name.host[name.host_size - 1] == '.')
		name.host_size--;
	return name;
}

bool authority_to_address(const struct authority *authority, struct in6_addr *address)
{
	struct authority host = authority_undotted(authority);
	char text[INET6_ADDRSTRLEN];
	struct in_addr ipv4;

	if (host.host_size >= sizeof text || memchr(host.host, '\0', host.host_size) != NULL)
		return false;
	memcpy(text, host.host, host.host_size);
	text[host.host_size] = '\0';
	if (host.is_ipv6)
		return inet_pton(AF_INET6, text, address) == 1;
	if (inet_pton(AF_INET, text, &ipv4) != 1)
		return false;
	memset(address, 0, 10);
	memset(address->s6_addr + 10, 0xff, 2);
	memcpy(address->s6_addr + 12, &ipv4, sizeof ipv4);
	return true;
}

/*
 * Of ":PORT", or nothing. -1: not given; -2: neither. A colon alone is allowed (RFC 3986, 3.2.3).
 */
static int authority_port(const char *text, size_t size)
{
	int port = 0;
	size_t i;

	if (size > 0 && text[0] != ':')
		return -2;
	if (size <= 1)
		return -1;
	for (i = 1; i < size; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -2;
		port = port * 10 + (text[i] - '0');
		if (port > 65535)
			return -2;
	}
	return port;
}

int authority_parse(struct authority *authority, const char *text, size_t size)
{
	struct in6_addr address;
	const char *end;

	assert(text != NULL || size == 0);
	*authority = (struct authority){.host = text, .is_ipv6 = size > 0 && text[0] == '['};
	end = size > 0 ? memchr(text, authority->is_ipv6 ? ']' : ':', size) : NULL;
	if (authority->is_ipv6) {
		if (end == NULL)
			return -1;
		authority->host = text + 1;
		authority->host_size = (size_t)(end - text) - 1;
		end++;
		if (!authority_to_address(authority, &address))
			return -1;
	} else {
		end = end != NULL ? end : text + size;
		authority->host_size = (size_t)(end - text);
		if (!authority_is_name(text, authority->host_size))
			return -1;
	}
	authority->port = authority_port(end, size - (size_t)(end - text));
	return authority->port == -2 ? -1 : 0;
}

bool authority_is_loopback(const struct authority *authority)
{
	static const char localhost[] = ".localhost";
	const size_t size = sizeof localhost - 1;
	struct authority name = authority_undotted(authority);
	const char *end = name.host + name.host_size;
	struct in6_addr address;

	if (authority_to_address(authority, &address))
		return IN6_IS_ADDR_LOOPBACK(&address) ||
		       (IN6_IS_ADDR_V4MAPPED(&address) && address.s6_addr[12] == 127);
	if (name.host_size == size - 1)
		return strncasecmp(name.host, localhost + 1, size - 1) == 0;
	return name.host_size > size && strncasecmp(end - size, localhost, size) == 0;
}

bool authority_same_host(const struct authority *one, const struct authority *other)
{
	struct authority name = authority_undotted(one), other_name = authority_undotted(other);
	struct in6_addr address, other_address;

	if (authority_to_address(one, &address))
		return authority_to_address(other, &other_address) &&
		       memcmp(&address, &other_address, sizeof address) == 0;
	return name.host_size == other_name.host_size &&
	       strncasecmp(name.host, other_name.host, name.host_size) == 0;
}

/* ---- origins ---- */

struct origin {
	const char *scheme; /* borrowed */
	size_t scheme_size;
	struct authority authority;
};

static const struct {
	const char *scheme;
	int port;
} origin_ports[] = {{"http", 80}, {"https", 443}, {"ws", 80}, {"wss", 443}};

static int origin_parse(struct origin *origin, const char *text, size_t size)
{
	static const char allowed[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-.";
	size_t scheme = 0, i;

	while (scheme < size && text[scheme] != '\0' && strchr(allowed, text[scheme]) != NULL)
		scheme++;
	if (scheme == 0 || size - scheme < 3 || memcmp(text + scheme, "://", 3) != 0)
		return -1;
	origin->scheme = text;
	origin->scheme_size = scheme;
	if (authority_parse(&origin->authority, text + scheme + 3, size - scheme - 3) != 0)
		return -1;
	for (i = 0; i < sizeof origin_ports / sizeof *origin_ports; i++)
		if (origin->authority.port == -1 && strlen(origin_ports[i].scheme) == scheme &&
			strncasecmp(text, origin_ports[i].scheme, scheme) == 0)
			origin->authority.port = origin_ports[i].port;
	return 0;
}

bool origin_equals(const char *one, size_t one_size, const char *other, size_t other_size)
{
	static const char null[] = "null";
	const size_t null_size = sizeof null - 1;
	struct origin origin, other_origin;
	bool is_null = one_size == null_size && memcmp(one, null, null_size) == 0;

	if (is_null)
		return other_size == null_size && memcmp(other, null, null_size) == 0;
	return origin_parse(&origin, one, one_size) == 0 &&
	       origin_parse(&other_origin, other, other_size) == 0 &&
	       origin.scheme_size == other_origin.scheme_size &&
	       strncasecmp(origin.scheme, other_origin.scheme, origin.scheme_size) == 0 &&
	       origin.authority.port == other_origin.authority.port &&
	       origin.authority.is_ipv6 == other_origin.authority.is_ipv6 &&
	       (origin.authority.is_ipv6 || /* with or without the root's dot they are two */
		       origin.authority.host_size == other_origin.authority.host_size) &&
	       authority_same_host(&origin.authority, &other_origin.authority);
}
