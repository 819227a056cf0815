#ifndef CONFIG_AUTHORITY_H
#define CONFIG_AUTHORITY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Who is meant: HOST[:PORT] of a Host field, and SCHEME://HOST[:PORT] or null of an Origin field.
 * Pure: nothing is resolved.
 */
struct authority {
	const char *host; /* borrowed; a name or an address, IPv6 without brackets */
	size_t host_size;
	bool is_ipv6;
	int port; /* -1: not given */
};

/* 0, or -1: the text is none. */
int authority_parse(struct authority *authority, const char *text, size_t size);

/* The address that the host is, an IPv4 one as ::ffff:A.B.C.D. False: it is a name. */
bool authority_to_address(const struct authority *authority, struct in6_addr *address);

/*
 * Whether the host is this machine by name or address: localhost, what ends in .localhost
 * (RFC 6761, 6.3), 127.0.0.0/8, ::1. A name may end with the root's dot.
 */
bool authority_is_loopback(const struct authority *authority);

/* Whether two name the same host: addresses as addresses, names in any case. */
bool authority_same_host(const struct authority *one, const struct authority *other);

/*
 * Whether two origins are the same: scheme and host in any case, a default port as if it were not
 * given. False when one of them is none; null is one, which only equals itself.
 */
bool origin_equals(const char *one, size_t one_size, const char *other, size_t other_size);

#endif
