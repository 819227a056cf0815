#ifndef EXPORTER_VERIFY_H
#define EXPORTER_VERIFY_H

#include <stddef.h>

struct exporter_config;

/* 0, or -1 with a one-line text in error. */
int verify_config(const struct exporter_config *config, char *error, size_t error_size);

#endif
