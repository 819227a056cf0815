#ifndef TESTS_DEMO_REPORT_H
#define TESTS_DEMO_REPORT_H

/*
 * The client's own spans, as a tracing library would report them: an OTLP/HTTP JSON request with
 * all of them at the end. Without a span of the client's the requests' spans would have a parent
 * that nobody knows.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curl/curl.h>

#define REPORT_SERVICE "demo-client"

enum { REPORT_BODY_MAX = 16384, REPORT_HOST_MAX = 256, REPORT_TIMEOUT_S = 5 };

struct report_span {
	char trace_id[33], span_id[17];
	uint64_t start_unix_ns;
};

struct report {
	char body[REPORT_BODY_MAX]; /* what is there of the request */
	size_t size;
};

static uint64_t report_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Adds a span that ends now. name is JSON text without quotes. */
static void report_end(
	struct report *report, const struct report_span *span, const char *name, bool failed)
{
	char host[REPORT_HOST_MAX] = "localhost";

	gethostname(host, sizeof host - 1);
	if (report->size == 0)
		report->size = (size_t)snprintf(report->body, sizeof report->body,
			"{\"resourceSpans\":[{\"resource\":{\"attributes\":["
			"{\"key\":\"service.name\",\"value\":{\"stringValue\":\"" REPORT_SERVICE
			"\"}},"
			"{\"key\":\"host.name\",\"value\":{\"stringValue\":\"%s\"}}]},"
			"\"scopeSpans\":[{\"scope\":{\"name\":\"" REPORT_SERVICE "\"},\"spans\":[",
			host);
	report->size += (size_t)snprintf(report->body + report->size,
		sizeof report->body - report->size,
		"%s{\"traceId\":\"%s\",\"spanId\":\"%s\",\"name\":\"%s\",\"kind\":3,"
		"\"startTimeUnixNano\":\"%" PRIu64 "\",\"endTimeUnixNano\":\"%" PRIu64 "\"%s}",
		report->body[report->size - 1] == '}' ? "," : "", span->trace_id, span->span_id,
		name, span->start_unix_ns, report_now_ns(),
		failed ? ",\"status\":{\"code\":2}" : "");
}

static size_t report_ignore(char *bytes, size_t size, size_t count, void *arg)
{
	(void)bytes;
	(void)arg;
	return size * count;
}

/* "NAME=VALUE,NAME=VALUE", values percent-encoded, as headers of HTTP. */
static struct curl_slist *report_headers(CURL *curl, const char *list)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char line[1024], *value;
	int size;

	while (list && *list) {
		size = (int)strcspn(list, ",");
		snprintf(line, sizeof line, "%.*s", size, list);
		value = strchr(line, '=');
		if (value) {
			char *plain = curl_easy_unescape(curl, value + 1, 0, NULL);

			snprintf(value, sizeof line - (size_t)(value - line), ": %s", plain);
			curl_free(plain);
			headers = curl_slist_append(headers, line);
		}
		list += size + (list[size] == ',');
	}
	return headers;
}

/* Sends what there is to the collector at that base URL. NULL, or what went wrong. */
static const char *report_send(struct report *report, const char *endpoint)
{
	char url[1024], error[CURL_ERROR_SIZE] = "";
	static char why[sizeof error + 64];
	struct curl_slist *headers = NULL;
	CURL *curl = curl_easy_init();
	long status = 0;

	if (!curl || report->size + 8 > sizeof report->body)
		return "out of memory";
	strcpy(report->body + report->size, "]}]}]}");
	snprintf(url, sizeof url, "%s/v1/traces", endpoint);
	headers = report_headers(curl, getenv("OTEL_EXPORTER_OTLP_HEADERS"));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "OTel-OTLP-Exporter-Demo/1.0");
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, report->body);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REPORT_TIMEOUT_S);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, report_ignore);
	if (curl_easy_perform(curl) != CURLE_OK)
		snprintf(why, sizeof why, "%s", error[0] ? error : "no answer");
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && !why[0])
		snprintf(why, sizeof why, "status %ld", status);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	return why[0] ? why : NULL;
}

#endif
