#ifndef CONFIG_HEADERS_H
#define CONFIG_HEADERS_H

struct settings;

/*
 * Adds the headers of otlp.headers_file to otlp.headers, once both options have their values. A
 * line is "NAME: VALUE", VALUE as it is without the blanks around it, or "NAME=VALUE" with what
 * follows as in otlp.headers, percent-encoded, with more after a comma. Empty lines and those that
 * begin with # are skipped. The stronger of the two options counts alone; of equally strong ones
 * the file wins for a name that both have. 0, or -1 with the error set.
 */
int headers_load(struct settings *settings);

#endif
