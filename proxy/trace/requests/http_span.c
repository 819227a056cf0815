/* One piece of memory: the struct, then the method and the path. */
#include "proxy/trace/requests/http_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exporter/exporter.h"
#include "proxy/trace/names/attributes.h"
#include "proxy/trace/names/text.h"
#include "proxy/trace/requests/parent.h"

#define HTTP_SPAN_METHOD_MAX 64 /* longer ones are cut off, as are paths */
#define HTTP_SPAN_PATH_MAX   1024

struct http_span {
	struct traceparent context;
	struct parent parent;
	struct span_link links[PARENT_LINKS_MAX];
	size_t link_count;
	uint64_t start_unix_ns;
	const char *scheme;
	size_t method_size, path_size;
	char text[]; /* both */
};

/* What may be a span's name: others could have any number of values. */
static const char *const http_span_methods[] = {
	"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"};

struct http_span *http_span_new(const struct http_span_request *request,
	const struct forwarded *forwarded, const struct span_link *links, size_t link_count,
	uint64_t start_unix_ns)
{
	size_t method_size = request->method.size < HTTP_SPAN_METHOD_MAX ? request->method.size
									 : HTTP_SPAN_METHOD_MAX;
	size_t path_size =
		request->path.size < HTTP_SPAN_PATH_MAX ? request->path.size : HTTP_SPAN_PATH_MAX;
	struct http_span *http = malloc(sizeof *http + method_size + path_size);

	if (http == NULL)
		return NULL;
	http->context = forwarded->context;
	http->parent = forwarded->parent;
	http->link_count = link_count;
	memcpy(http->links, links, link_count * sizeof *links);
	http->start_unix_ns = start_unix_ns;
	http->scheme = request->scheme;
	http->method_size = method_size;
	http->path_size = path_size;
	memcpy(http->text, request->method.bytes, method_size);
	memcpy(http->text + method_size, request->path.bytes, path_size);
	return http;
}

/* The name of the span, by a method that is known; others are told beside it. */
static struct span_text http_span_put_method(
	const struct http_span *http, struct attributes *attributes)
{
	struct span_text method = {http->text, http->method_size};
	size_t i;

	for (i = 0; i < sizeof http_span_methods / sizeof http_span_methods[0]; i++) {
		if (method.size != strlen(http_span_methods[i]) ||
			!text_equal(method.bytes, http_span_methods[i], method.size))
			continue;
		attributes_put(attributes, "http.request.method", method);
		return method;
	}
	attributes_put(attributes, "http.request.method", span_text_of("_OTHER"));
	attributes_put(attributes, "http.request.method_original", method);
	return span_text_of("HTTP");
}

/* What the answer is, or that there is none. error: room for its type. */
static void http_span_put_status(struct span *span, struct attributes *attributes,
	const struct attributes_names *names, unsigned status, char error[12])
{
	struct span_text type = span_text_of("connection_closed");

	if (status != 0)
		attributes_set(
			attributes, &(struct span_attribute){.key = "http.response.status_code",
					    .type = SPAN_VALUE_INT,
					    .value.integer = status});
	if (status != 0 && status < 500)
		return;
	span->status = SPAN_STATUS_ERROR;
	if (status != 0) {
		(void)snprintf(error, 12, "%u", status); /* fits */
		type = span_text_of(error);
	}
	attributes_put_named(attributes, names, ATTRIBUTES_ERROR_TYPE, type);
}

void http_span_emit(const struct http_span *http, struct exporter *exporter,
	const struct attribute_settings *settings, unsigned status, uint64_t end_unix_ns)
{
	struct attributes attributes;
	char error[12];
	struct span span = {
		.context = http->context,
		.has_parent = http->parent.present,
		.parent_is_remote = true,
		.tracestate = http->parent.tracestate,
		.kind = SPAN_KIND_SERVER,
		.links = http->links,
		.link_count = http->link_count,
		.start_unix_ns = http->start_unix_ns,
		.end_unix_ns = end_unix_ns,
		.status = SPAN_STATUS_UNSET,
	};

	attributes.count = 0;
	memcpy(span.parent_span_id, http->parent.traceparent.span_id, SPAN_ID_SIZE);
	span.name = http_span_put_method(http, &attributes);
	attributes_put(&attributes, "url.path",
		(struct span_text){http->text + http->method_size, http->path_size});
	attributes_put(&attributes, "url.scheme", span_text_of(http->scheme));
	http_span_put_status(&span, &attributes, &settings->names, status, error);
	attributes_put_server(settings, &attributes);
	attributes_put_extra(settings, &attributes);
	span.attributes = attributes.list;
	span.attribute_count = attributes.count;
	exporter_submit(exporter, &span);
}

void http_span_free(struct http_span *http)
{
	free(http);
}
