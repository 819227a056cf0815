#ifndef PROXY_NUMBERS_H
#define PROXY_NUMBERS_H

/*
 * The one list of what operators are told in numbers beside histograms: at /metrics, and by OTLP.
 */
struct exporter;
struct loop;
struct number;

/* exporter: NULL, nothing is recorded. What take() gets is gone when it returns. */
void numbers_tell(const struct loop *loop, struct exporter *exporter,
	void (*take)(void *arg, const struct number *number), void *arg);

#endif
