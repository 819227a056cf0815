/* What the semantic conventions call an attribute; see attributes.h. */
#include "proxy/trace/attributes.h"

/* Before, and as of 1.44; NULL: there is none. */
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
};

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
		names->texts[i][0] = legacy;
		names->texts[i][1] = current;
	}
}
