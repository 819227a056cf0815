#ifndef PROXY_SANDBOX_H
#define PROXY_SANDBOX_H

#include <stddef.h>

/*
 * What a proxy without a command gives up once everything is opened: gaining privileges, running
 * programs, writing to files, system calls that it never makes. A hole in a parser is then worth
 * less. Whoever wraps a command stays as it is: a child inherits all of it.
 */
enum sandbox_part {
	SANDBOX_PRIVILEGES = 1 << 0, /* no_new_privs */
	SANDBOX_FILES = 1 << 1,      /* Landlock: no writing, no programs, no new TCP listener */
	SANDBOX_CALLS = 1 << 2,      /* seccomp: what is refused stands in sandbox.c */
};

/*
 * Enters the sandbox, for good; call it while there is one thread. directories: where files may
 * still be removed and made, such as that of the socket that we listen on. Returns the parts that
 * hold now: what the kernel or the build lacks is left out, since tracing goes on without.
 */
unsigned sandbox_enter(const char *const *directories, size_t count);

/* The parts as words for a log line, into text, which is returned. */
const char *sandbox_text(unsigned parts, char *text, size_t size);

#endif
