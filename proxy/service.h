#ifndef PROXY_SERVICE_H
#define PROXY_SERVICE_H

#include <stddef.h>
#include <stdint.h>

#include "proxy/address.h"

/*
 * What a service manager (systemd, or another with its protocol) is told, and what it hands us: it
 * hears when we are ready, that we still live, that we stop (sd_notify(3)); it may have opened the
 * sockets that we listen on (sd_listen_fds(3)). All of it stands in variables, which are ours and
 * no command's. Nothing can fail: who cannot be told is not there.
 */

/* Takes the variables away, and with them what they name. Once, before there is a command. */
void service_take(void);

/* The sockets that were opened for us, our caller's from now on. Returns how many; 0: none. */
size_t service_sockets(int fds[ADDRESS_LIST_MAX]);

/*
 * Says that clients may come: what starts only then waits for it, so this waits for room, some
 * seconds at most. Once, before there is anything else to do.
 */
void service_tell_ready(void);

/* Sends a state: "WATCHDOG=1". Does not block: without room it is not told. */
void service_tell(const char *state);

/* How often it wants to hear that we live; 0: it does not. */
int64_t service_watchdog_ms(void);

#endif
