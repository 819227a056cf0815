/* From URLs to socket addresses and back to texts. Blocks only in address_resolve(). */
#include "proxy/address.h"

#include <assert.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static size_t address_unix(struct address *address, const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	size_t size = strlen(path);

	if (size >= sizeof name.sun_path)
		return 0; /* the URL was checked: does not happen */
	memcpy(name.sun_path, path, size + 1);
	address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size + 1);
	memcpy(&address->storage, &name, sizeof name);
	return 1;
}

size_t address_resolve(
	struct address *list, size_t max, const struct url *url, char *error, size_t error_size)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV,
	};
	struct addrinfo *found, *at;
	char port[8];
	size_t count = 0;
	int failed;

	assert(max > 0);
	if (url->scheme == URL_UNIX || url->scheme == URL_WS_UNIX)
		return address_unix(&list[0], url->path);
	(void)snprintf(port, sizeof port, "%u", (unsigned)url->port); /* fits: 16 bits */
	failed = getaddrinfo(url->host, port, &hints, &found);
	if (failed != 0) {
		(void)snprintf(error, error_size, "%s: %s", url->host, gai_strerror(failed));
		return 0;
	}
	for (at = found; at != NULL && count < max; at = at->ai_next, count++) {
		memcpy(&list[count].storage, at->ai_addr, at->ai_addrlen);
		list[count].size = at->ai_addrlen;
	}
	freeaddrinfo(found);
	return count;
}

bool address_is_name(const struct url *url)
{
	struct in_addr in;
	struct in6_addr in6;

	return url->scheme != URL_UNIX && url->scheme != URL_WS_UNIX &&
	       inet_pton(AF_INET, url->host, &in) != 1 && inet_pton(AF_INET6, url->host, &in6) != 1;
}

bool address_is_loopback(const struct address *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	switch (address->storage.ss_family) {
	case AF_INET:
		memcpy(&in, &address->storage, sizeof in);
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	case AF_INET6:
		memcpy(&in6, &address->storage, sizeof in6);
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	default:
		return true;
	}
}

bool address_has_host(const struct address *address, const struct authority *host)
{
	struct in6_addr number;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (!authority_to_address(host, &number))
		return false;
	switch (address->storage.ss_family) {
	case AF_INET:
		memcpy(&in, &address->storage, sizeof in);
		return IN6_IS_ADDR_V4MAPPED(&number) &&
		       memcmp(number.s6_addr + 12, &in.sin_addr, sizeof in.sin_addr) == 0;
	case AF_INET6:
		memcpy(&in6, &address->storage, sizeof in6);
		return memcmp(&number, &in6.sin6_addr, sizeof number) == 0;
	default:
		return false;
	}
}

const char *address_text(const struct address *address, char *text)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];
	const struct sockaddr *name = (const struct sockaddr *)&address->storage;
	struct sockaddr_un path;

	if (name->sa_family == AF_UNIX) {
		memcpy(&path, &address->storage, sizeof path);
		(void)snprintf(text, ADDRESS_TEXT_MAX, "%s", path.sun_path); /* clipped at worst */
	} else if (getnameinfo(name, address->size, host, sizeof host, port, sizeof port,
			   NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
		(void)snprintf(text, ADDRESS_TEXT_MAX,
			name->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
			port); /* numeric, so short */
	} else {
		(void)snprintf(text, ADDRESS_TEXT_MAX, "?");
	}
	return text;
}

unsigned address_port(const struct address *address)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (address->storage.ss_family == AF_INET6) {
		memcpy(&in6, &address->storage, sizeof in6);
		return ntohs(in6.sin6_port);
	}
	memcpy(&in, &address->storage, sizeof in);
	return address->storage.ss_family == AF_INET ? ntohs(in.sin_port) : 0;
}

void address_set_port(struct address *address, unsigned port)
{
	in_port_t value = htons((uint16_t)port);

	if (address->storage.ss_family == AF_INET6)
		memcpy((char *)&address->storage + offsetof(struct sockaddr_in6, sin6_port), &value,
			sizeof value);
	else if (address->storage.ss_family == AF_INET)
		memcpy((char *)&address->storage + offsetof(struct sockaddr_in, sin_port), &value,
			sizeof value);
}
