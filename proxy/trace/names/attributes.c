/* Names of attributes; see attributes.h. */
#include "proxy/trace/names/attributes.h"

/* Before, and as of 1.44 of the semantic conventions; NULL: there is none. */
static const struct {
	const char *legacy;
	const char *current;
} attributes_conventions[ATTRIBUTES_NAMES] = {
	[ATTRIBUTES_SYSTEM] = {"rpc.system", "rpc.system.name"},
	[ATTRIBUTES_SERVICE] = {"rpc.service", NULL},
	[ATTRIBUTES_METHOD] = {"rpc.method", "rpc.method"},
	[ATTRIBUTES_TRANSPORT] = {"rpc.transport", "rpc.transport"},
	[ATTRIBUTES_REQUEST_ID] = {"rpc.request_id", "jsonrpc.request.id"},
	[ATTRIBUTES_STATUS_CODE] = {"rpc.response.status_code", "rpc.response.status_code"},
	[ATTRIBUTES_PROTOCOL_VERSION] = {NULL, "jsonrpc.protocol.version"},
	[ATTRIBUTES_CONNECTION_ID] = {"app_server.connection_id", "app_server.connection_id"},
	[ATTRIBUTES_ERROR_TYPE] = {"error.type", "error.type"},
	[ATTRIBUTES_END_REASON] = {"sidespan.end_reason", "sidespan.end_reason"},
};

static void attributes_set_name(
	struct attributes_names *names, enum attributes_name name, size_t which, const char *text)
{
	names->texts[name][which] = text;
	if (text != NULL)
		span_key_init(&names->rendered[name][which], text);
}

void attributes_choose_names(struct attributes_names *names, enum config_semconv semconv)
{
	size_t i;

	for (i = 0; i < ATTRIBUTES_NAMES; i++) {
		const char *legacy = attributes_conventions[i].legacy;
		const char *current = attributes_conventions[i].current;

		if (semconv == CONFIG_SEMCONV_RPC)
			legacy = NULL;
		if (semconv == CONFIG_SEMCONV_LEGACY ||
			(legacy != NULL && current != NULL && strcmp(legacy, current) == 0))
			current = NULL;
		attributes_set_name(names, (enum attributes_name)i, 0, legacy);
		attributes_set_name(names, (enum attributes_name)i, 1, current);
	}
}
