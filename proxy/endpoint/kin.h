#ifndef PROXY_ENDPOINT_KIN_H
#define PROXY_ENDPOINT_KIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * The processes below one of ours, as /proc shows them: its children, what they started, and so on,
 * whatever groups and sessions they are in. Once kin_adopt() was called, those whose parents end
 * stay below us.
 */

/* From now on we are the parent of what processes below us leave behind, and have to reap it. */
void kin_adopt(void);

/*
 * Sends a signal to all below root, parents first, but not to spared and what is below it, nor to
 * the members of spared_group (0: none). Returns how many were there: 0 also where /proc does not
 * tell.
 */
size_t kin_signal(pid_t root, int signal_number, pid_t spared, pid_t spared_group);

/* Whether we have a child other than spared; one that has ended and was not reaped counts. */
bool kin_exist(pid_t spared);

#endif
