#ifndef PROXY_ADMIN_SOURCES_H
#define PROXY_ADMIN_SOURCES_H

struct exporter;
struct loop;
struct metrics;
struct resolver;

/* Who knows what operators are told; all are borrowed. */
struct admin_sources {
	struct loop *loop;
	struct exporter *exporter; /* NULL: nothing is recorded */
	struct metrics *metrics;
	struct resolver *resolver; /* NULL: a COMMAND is the server */
};

#endif
