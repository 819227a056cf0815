#ifndef EXPORTER_SHARED_H
#define EXPORTER_SHARED_H

#include "exporter/span.h"
#include "exporter/text.h"

/* What span.h keeps closed: the attributes once for each target, comma or blank separated. */
struct span_shared {
	struct text otlp;
	struct text console;
};

#endif
