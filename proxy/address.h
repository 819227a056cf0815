#ifndef PROXY_ADDRESS_H
#define PROXY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "config/authority.h"
#include "config/url.h"

/*
 * Socket addresses from URLs, and their texts.
 */
#define ADDRESS_TEXT_MAX 192
#define ADDRESS_LIST_MAX 8 /* of one name; further ones are left out */

struct address {
	struct sockaddr_storage storage;
	socklen_t size;
};

/*
 * Fills list (room for max) with the addresses that url stands for. Blocks while a name is looked
 * up. Returns how many, at least 1; 0 with a text in error.
 */
size_t address_resolve(
	struct address *list, size_t max, const struct url *url, char *error, size_t error_size);

/* Whether address_resolve() would look a name up, and so block. */
bool address_is_name(const struct url *url);

/* Whether only this machine can reach it: a loopback address, or a Unix socket. */
bool address_is_loopback(const struct address *address);

/* Whether host is the address's own, as a number. */
bool address_has_host(const struct address *address, const struct authority *host);

/* "127.0.0.1:8080", "[::1]:8080", "/run/x.sock"; text has ADDRESS_TEXT_MAX bytes. Returns text. */
const char *address_text(const struct address *address, char *text);

unsigned address_port(const struct address *address);
void address_set_port(struct address *address, unsigned port);

#endif
