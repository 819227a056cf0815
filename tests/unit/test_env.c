/* Environment variables, a row of cases for each that OpenTelemetry defines and we obey. */
#include "config/env.h"
#include "config/variables.h"

#include "config/options.h"
#include "config/value.h"
#include "tests/unit/config_case.h"

#define ENV_VARIABLES 4

static const char *const env_command[] = {"--", "server", NULL};

/* What the option has after a load with the variables, and how the only warning begins. */
static const struct {
	enum option_index index;
	const char *variables[ENV_VARIABLES];
	const char *value;
	const char *warning; /* NULL: none */
} env_rows[] = {
	{OPTION_AT_disabled, {NULL}, "false", NULL},
	{OPTION_AT_disabled, {"OTEL_SDK_DISABLED="}, "false", NULL},
	{OPTION_AT_disabled, {"OTEL_SDK_DISABLED=TRUE"}, "true", NULL},
	{OPTION_AT_disabled, {"OTEL_SDK_DISABLED=false"}, "false", NULL},
	{OPTION_AT_disabled, {"OTEL_SDK_DISABLED=1"}, "false",
		"OTEL_SDK_DISABLED: \"1\": must be true or false; taken as false"},

	{OPTION_AT_service_name, {"OTEL_SERVICE_NAME="}, "server-sidespan", NULL},
	{OPTION_AT_service_name, {"OTEL_SERVICE_NAME=a b"}, "a b", NULL},
	{OPTION_AT_service_name, {"OTEL_SERVICE_NAME=a\nb"}, "server-sidespan",
		"OTEL_SERVICE_NAME: \"a?b\": it has a control character or is not UTF-8; must be a "
		"text "
		"of 1 to 255 bytes; ignored"},
	{OPTION_AT_service_name, {"OTEL_RESOURCE_ATTRIBUTES=service.name=r,x=y"}, "r", NULL},
	{OPTION_AT_service_name,
		{"OTEL_RESOURCE_ATTRIBUTES=service.name=r,x=y", "OTEL_SERVICE_NAME=s"}, "s", NULL},
	{OPTION_AT_service_name,
		{"OTEL_SERVICE_NAME=s", "OTEL_RESOURCE_ATTRIBUTES=service.name=r,x=y"}, "s", NULL},
	{OPTION_AT_service_name, {"OTEL_RESOURCE_ATTRIBUTES=service.name=r,bad"}, "server-sidespan",
		"OTEL_RESOURCE_ATTRIBUTES: \"service.name=r,bad\": a pair has no =; must be "},

	{OPTION_AT_resource_attributes, {"OTEL_RESOURCE_ATTRIBUTES="}, "-", NULL},
	{OPTION_AT_resource_attributes, {"OTEL_RESOURCE_ATTRIBUTES=service.name=r,x=%2c%3D,y="},
		"x=,=,y=", NULL},
	{OPTION_AT_resource_attributes, {"OTEL_RESOURCE_ATTRIBUTES=x=1,y=%g1"}, "-",
		"OTEL_RESOURCE_ATTRIBUTES: \"x=1,y=%g1\": a % is not followed by two hexadecimal "
		"digits"},
	{OPTION_AT_resource_attributes, {"OTEL_RESOURCE_ATTRIBUTES=x=1,y=a=b"}, "-",
		"OTEL_RESOURCE_ATTRIBUTES: \"x=1,y=a=b\": a value has a = that is not written %3D"},
	{OPTION_AT_resource_attributes, {"OTEL_RESOURCE_ATTRIBUTES=x=1,y=%ff"}, "-",
		"OTEL_RESOURCE_ATTRIBUTES: \"x=1,y=%ff\": it has a control character or is not "
		"UTF-8"},

	{OPTION_AT_exporter, {"OTEL_TRACES_EXPORTER="}, "otlp", NULL},
	{OPTION_AT_exporter, {"OTEL_TRACES_EXPORTER=Console"}, "console", NULL},
	{OPTION_AT_exporter, {"OTEL_TRACES_EXPORTER=none"}, "none", NULL},
	{OPTION_AT_exporter, {"OTEL_TRACES_EXPORTER=zipkin"}, "otlp",
		"OTEL_TRACES_EXPORTER: \"zipkin\": must be one of otlp, console, none; ignored"},

	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT="}, "http://localhost:4318", NULL},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=https://c:1/x"}, "https://c:1/x",
		NULL},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=c:1"}, "http://localhost:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"c:1\": the scheme is not http:// or https://; must "
		"be "},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:1/x?k=v"},
		"http://c:1/x?***", NULL},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:geheim@c:1/x#y"},
		"http://c:1/x",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"http://***@c:1/x#y\": user, password and fragment "
		"are ignored, the rest is used; credentials belong into "
		"OTEL_EXPORTER_OTLP_HEADERS\n"},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://c/#"}, "http://c/",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"http://c/#\": user, password and fragment "},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:geheim@:1"},
		"http://localhost:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"http://***@:1\": credentials belong into "
		"otlp.headers; must be "},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=grpc://c:4317#x"},
		"http://localhost:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"grpc://c:4317#x\": the scheme is not http:// or "
		"https://; must be "},
	{OPTION_AT_otlp_endpoint, {"OTEL_EXPORTER_OTLP_ENDPOINT=http://c:port/"},
		"http://localhost:4318",
		"OTEL_EXPORTER_OTLP_ENDPOINT: \"http://c:port/\": the port is not a number "},
	{OPTION_AT_otlp_traces_endpoint, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="}, "-", NULL},
	{OPTION_AT_otlp_traces_endpoint,
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://t",
			"OTEL_EXPORTER_OTLP_ENDPOINT=http://g"},
		"http://t", NULL},
	{OPTION_AT_otlp_traces_endpoint, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://"}, "-",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: \"http://\": the host is missing; must be "},

	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS="}, "-", NULL},
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=b%20c,d=e"}, "a=***,d=***", NULL},
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=hunter2"}, "-",
		"OTEL_EXPORTER_OTLP_HEADERS: ***: a pair has no =; must be "},
	{OPTION_AT_otlp_headers,
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=t=1", "OTEL_EXPORTER_OTLP_HEADERS=g=1"},
		"t=***", NULL},
	{OPTION_AT_otlp_headers,
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=t=%0a", "OTEL_EXPORTER_OTLP_HEADERS=g=1"},
		"g=***", "OTEL_EXPORTER_OTLP_TRACES_HEADERS: ***: it has a control character"},

	/* one that is bad leaves the others */
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=1,geheim,b=2"}, "a=***,b=***",
		"OTEL_EXPORTER_OTLP_HEADERS: ***: a pair has no =; the others are taken\n"},
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=%0ageheim,b=2"}, "b=***",
		"OTEL_EXPORTER_OTLP_HEADERS: ***: it has a control character"},
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=gehe\nim,b=2"}, "b=***",
		"OTEL_EXPORTER_OTLP_HEADERS: ***: it has a control character"},
	{OPTION_AT_otlp_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=1,b=%zz,c d=3,content-length=4"},
		"a=***", "OTEL_EXPORTER_OTLP_HEADERS: ***: a header has a name that sidespan "},
	{OPTION_AT_otlp_headers,
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS=geheim,t=1", "OTEL_EXPORTER_OTLP_HEADERS=g=1"},
		"t=***", "OTEL_EXPORTER_OTLP_TRACES_HEADERS: ***: a pair has no =; "},

	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT="}, "10s", NULL},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=250"}, "250ms", NULL},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=0"}, "0ms", NULL},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=2147483647"}, "2147483647ms",
		NULL},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=-1"}, "10s",
		"OTEL_EXPORTER_OTLP_TIMEOUT: \"-1\": must be a plain number of milliseconds; "
		"ignored"},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=5s"}, "10s",
		"OTEL_EXPORTER_OTLP_TIMEOUT: \"5s\": must be a plain number of milliseconds; "
		"ignored"},
	{OPTION_AT_otlp_timeout_ms, {"OTEL_EXPORTER_OTLP_TIMEOUT=2147483648"}, "10s",
		"OTEL_EXPORTER_OTLP_TIMEOUT: \"2147483648\": too large; must be "},
	{OPTION_AT_otlp_timeout_ms,
		{"OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=2"}, "2ms",
		NULL},
	{OPTION_AT_otlp_timeout_ms,
		{"OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT=x"}, "1ms",
		"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: \"x\": "},
	{OPTION_AT_otlp_timeout_ms,
		{"OTEL_EXPORTER_OTLP_TIMEOUT=1", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="}, "1ms",
		NULL},

	{OPTION_AT_otlp_compression, {"OTEL_EXPORTER_OTLP_COMPRESSION="}, "none", NULL},
	{OPTION_AT_otlp_compression, {"OTEL_EXPORTER_OTLP_COMPRESSION=GZIP"}, "gzip", NULL},
	{OPTION_AT_otlp_compression, {"OTEL_EXPORTER_OTLP_COMPRESSION=zstd"}, "none",
		"OTEL_EXPORTER_OTLP_COMPRESSION: \"zstd\": must be one of none, gzip; ignored"},
	{OPTION_AT_otlp_compression,
		{"OTEL_EXPORTER_OTLP_TRACES_COMPRESSION=none",
			"OTEL_EXPORTER_OTLP_COMPRESSION=gzip"},
		"none", NULL},

	{OPTION_AT_otlp_certificate, {"OTEL_EXPORTER_OTLP_CERTIFICATE="}, "-", NULL},
	{OPTION_AT_otlp_certificate, {"OTEL_EXPORTER_OTLP_CERTIFICATE=/dev/null"}, "/dev/null",
		NULL},
	{OPTION_AT_otlp_certificate, {"OTEL_EXPORTER_OTLP_CERTIFICATE=/nowhere/x"}, "-",
		"OTEL_EXPORTER_OTLP_CERTIFICATE: \"/nowhere/x\": No such file or directory; must "
		"be "},
	{OPTION_AT_otlp_certificate,
		{"OTEL_EXPORTER_OTLP_CERTIFICATE=/dev/zero",
			"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE=/dev/null"},
		"/dev/null", NULL},
	{OPTION_AT_otlp_client_key,
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY=/dev/null",
			"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/dev/null"},
		"/dev/null", NULL},
	{OPTION_AT_otlp_client_key, {"OTEL_EXPORTER_OTLP_CLIENT_KEY=/"}, "-",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY: \"/\": Is a directory; must be the name of a file "
		"that can be read; ignored\n"},
	{OPTION_AT_otlp_client_key, {"OTEL_EXPORTER_OTLP_CLIENT_KEY=/nowhere/x"}, "-",
		"OTEL_EXPORTER_OTLP_CLIENT_KEY: \"/nowhere/x\": "},
	{OPTION_AT_otlp_client_key,
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY=/dev/zero",
			"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY=/dev/null"},
		"/dev/null", NULL},
	{OPTION_AT_otlp_client_certificate,
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/dev/zero",
			"OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE=/dev/null"},
		"/dev/null", NULL},
	{OPTION_AT_otlp_client_certificate, {"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=/nowhere/x"},
		"-", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: \"/nowhere/x\": "},

	{OPTION_AT_batch_delay_ms, {"OTEL_BSP_SCHEDULE_DELAY="}, "5s", NULL},
	{OPTION_AT_batch_delay_ms, {"OTEL_BSP_SCHEDULE_DELAY=0"}, "0ms", NULL},
	{OPTION_AT_batch_delay_ms, {"OTEL_BSP_SCHEDULE_DELAY=1500"}, "1500ms", NULL},
	{OPTION_AT_batch_delay_ms, {"OTEL_BSP_SCHEDULE_DELAY=1.5"}, "5s",
		"OTEL_BSP_SCHEDULE_DELAY: \"1.5\": must be a plain number of milliseconds; "
		"ignored"},
	{OPTION_AT_batch_export_timeout_ms, {"OTEL_BSP_EXPORT_TIMEOUT="}, "30s", NULL},
	{OPTION_AT_batch_export_timeout_ms, {"OTEL_BSP_EXPORT_TIMEOUT=0"}, "0ms", NULL},
	{OPTION_AT_batch_export_timeout_ms, {"OTEL_BSP_EXPORT_TIMEOUT=no"}, "30s",
		"OTEL_BSP_EXPORT_TIMEOUT: \"no\": "},
	{OPTION_AT_batch_queue_max, {"OTEL_BSP_MAX_QUEUE_SIZE="}, "0", NULL},
	{OPTION_AT_batch_queue_max, {"OTEL_BSP_MAX_QUEUE_SIZE=2147483647"}, "2147483647", NULL},
	{OPTION_AT_batch_queue_max, {"OTEL_BSP_MAX_QUEUE_SIZE=0"}, "0", NULL},
	{OPTION_AT_batch_queue_max, {"OTEL_BSP_MAX_QUEUE_SIZE=2147483648"}, "0",
		"OTEL_BSP_MAX_QUEUE_SIZE: \"2147483648\": too large; must be "},
	{OPTION_AT_batch_queue_max, {"OTEL_BSP_MAX_QUEUE_SIZE=-5"}, "0",
		"OTEL_BSP_MAX_QUEUE_SIZE: \"-5\": must be a plain number; ignored"},
	{OPTION_AT_batch_spans_max, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE="}, "512", NULL},
	{OPTION_AT_batch_spans_max, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=100"}, "100", NULL},
	{OPTION_AT_batch_spans_max, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=0"}, "512",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE: \"0\": too small; must be "},
	{OPTION_AT_batch_spans_max, {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4096"}, "4096", NULL},
	{OPTION_AT_batch_spans_max,
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE=4096", "OTEL_BSP_MAX_QUEUE_SIZE=2048"}, "2048",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE: \"4096\": must be at most batch.queue_max, 2048, "
		"which is used"},
	{OPTION_AT_batch_spans_max, {"OTEL_BSP_MAX_QUEUE_SIZE=100"}, "100", NULL},

	{OPTION_AT_sampler, {"OTEL_TRACES_SAMPLER="}, "parentbased_always_on", NULL},
	{OPTION_AT_sampler, {"OTEL_TRACES_SAMPLER=Always_Off"}, "always_off", NULL},
	{OPTION_AT_sampler, {"OTEL_TRACES_SAMPLER=traceidratio"}, "traceidratio", NULL},
	{OPTION_AT_sampler, {"OTEL_TRACES_SAMPLER=jaeger_remote"}, "parentbased_always_on",
		"OTEL_TRACES_SAMPLER: \"jaeger_remote\": must be one of always_on, "},
	{OPTION_AT_sampler_arg, {"OTEL_TRACES_SAMPLER=traceidratio"}, "1", NULL},
	{OPTION_AT_sampler_arg,
		{"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=0.25"}, "0.25", NULL},
	{OPTION_AT_sampler_arg, {"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG="},
		"1", NULL},
	{OPTION_AT_sampler_arg, {"OTEL_TRACES_SAMPLER=traceidratio", "OTEL_TRACES_SAMPLER_ARG=2"},
		"1", "OTEL_TRACES_SAMPLER_ARG: \"2\": must be a number from 0 to 1; ignored"},
	{OPTION_AT_sampler_arg, {"OTEL_TRACES_SAMPLER_ARG=0.25"}, "1",
		"OTEL_TRACES_SAMPLER_ARG: ignored without a good OTEL_TRACES_SAMPLER"},

	{OPTION_AT_log_level, {"OTEL_LOG_LEVEL="}, "info", NULL},
	{OPTION_AT_log_level, {"OTEL_LOG_LEVEL=DEBUG"}, "debug", NULL},
	{OPTION_AT_log_level, {"OTEL_LOG_LEVEL=loud"}, "info",
		"OTEL_LOG_LEVEL: \"loud\": must be one of error, warn, info, debug; ignored"},

	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN="}, "legacy", NULL},
	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN=rpc"}, "rpc", NULL},
	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN=http, rpc/dup ,rpc"}, "rpc/dup", NULL},
	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN=http/dup,database"}, "legacy", NULL},
	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN=rpcs"}, "legacy", NULL},
	{OPTION_AT_semconv, {"OTEL_SEMCONV_STABILITY_OPT_IN=rpc\nhttp"}, "legacy",
		"OTEL_SEMCONV_STABILITY_OPT_IN: \"rpc?http\": it has a line break; must be a "
		"list\n"},

	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS="}, "true", NULL},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=baggage, TraceContext"}, "true", NULL},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=none"}, "false", NULL},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=tracecontext,tracecontext"}, "true",
		NULL},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=tracecontext,b3"}, "true",
		"OTEL_PROPAGATORS: \"b3\": must be tracecontext, baggage or none; ignored"},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=baggage"}, "false",
		"OTEL_PROPAGATORS: without tracecontext, context is neither read from requests "
		"nor "},
	{OPTION_AT_propagation_extract, {"OTEL_PROPAGATORS=what"}, "true",
		"OTEL_PROPAGATORS: \"what\": must be tracecontext, baggage or none; ignored"},

	{OPTION_AT_otlp_protocol, {"OTEL_EXPORTER_OTLP_PROTOCOL="}, "http/json", NULL},
	{OPTION_AT_otlp_protocol, {"OTEL_EXPORTER_OTLP_PROTOCOL=http/json"}, "http/json", NULL},
	{OPTION_AT_otlp_protocol, {"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"}, "http/protobuf",
		NULL},
	{OPTION_AT_otlp_protocol, {"OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "http/json",
		"OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\": must be one of http/json, "
		"http/protobuf; ignored"},
	{OPTION_AT_otlp_protocol,
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"},
		"http/json", NULL},
	{OPTION_AT_otlp_protocol,
		{"OTEL_EXPORTER_OTLP_PROTOCOL=http/json",
			"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc"},
		"http/json",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: \"grpc\": must be one of "
		"http/json, http/protobuf; ignored"},
	{OPTION_AT_exporter, {"OTEL_CONFIG_FILE=/x.yaml"}, "otlp", "OTEL_CONFIG_FILE: "},
	{OPTION_AT_exporter, {"OTEL_CONFIG_FILE="}, "otlp", NULL},
	{OPTION_AT_exporter, {"OTEL_EXPERIMENTAL_CONFIG_FILE=/x.yaml"}, "otlp",
		"OTEL_EXPERIMENTAL_CONFIG_FILE: "},
	{OPTION_AT_exporter, {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT=2"}, "otlp",
		"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: not obeyed"},
	{OPTION_AT_exporter,
		{"OTEL_METRICS_EXPORTER=None", "OTEL_BLRP_SCHEDULE_DELAY=x", "OTEL_X=y"}, "otlp",
		NULL},
	{OPTION_AT_exporter, {"OTEL_METRICS_EXPORTER=", "OTEL_LOGS_EXPORTER=none"}, "otlp", NULL},
	{OPTION_AT_exporter, {"OTEL_LOGS_EXPORTER=console"}, "otlp",
		"OTEL_LOGS_EXPORTER: traces and metrics are exported here, no logs; must be none, "
		"which is used\n"},
	{OPTION_AT_metrics_exporter, {"OTEL_METRICS_EXPORTER=otlp", "OTEL_LOGS_EXPORTER=none"},
		"otlp", NULL},
	{OPTION_AT_metrics_exporter, {"OTEL_METRICS_EXPORTER=none"}, "none", NULL},
	{OPTION_AT_metrics_exporter, {"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc"}, "none", NULL},
	{OPTION_AT_metrics_exporter,
		{"OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=grpc"}, "otlp",
		"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL: not obeyed: metrics are sent as http/json"},
	{OPTION_AT_metrics_exporter,
		{"OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/json"},
		"otlp", NULL},
	{OPTION_AT_metrics_exporter,
		{"OTEL_METRICS_EXPORTER=otlp",
			"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta"},
		"otlp", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: not obeyed: metrics "},
	{OPTION_AT_metrics_exporter,
		{"OTEL_METRICS_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT=1"}, "otlp",
		"OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: not obeyed: what is said for all"},
	{OPTION_AT_metrics_exporter, {"OTEL_METRICS_EXPORTER=prometheus"}, "none",
		"OTEL_METRICS_EXPORTER: \"prometheus\": must be one of none, otlp; ignored"},
	{OPTION_AT_metrics_interval_ms, {"OTEL_METRIC_EXPORT_INTERVAL=1500"}, "1500ms", NULL},
	{OPTION_AT_metrics_interval_ms, {"OTEL_METRIC_EXPORT_INTERVAL=0"}, "1m",
		"OTEL_METRIC_EXPORT_INTERVAL: "},
	{OPTION_AT_otlp_metrics_endpoint,
		{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=https://m.example/x"}, "https://m.example/x",
		NULL},
	{OPTION_AT_otlp_metrics_headers, {"OTEL_EXPORTER_OTLP_METRICS_HEADERS=a=b"}, "a=***", NULL},
	{OPTION_AT_otlp_metrics_headers, {"OTEL_EXPORTER_OTLP_HEADERS=a=b"}, "-", NULL},
	{OPTION_AT_otlp_metrics_headers,
		{"OTEL_EXPORTER_OTLP_HEADERS=a=b", "OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=c"},
		"a=***", NULL},
	{OPTION_AT_otlp_metrics_headers, {"OTEL_EXPORTER_OTLP_TRACES_HEADERS=a=c"}, "-", NULL},
};

START_TEST(test_env_otel)
{
	struct config_case load;
	char value[256];
	const char *warning = env_rows[_i].warning;

	config_case_load(&load, env_command, env_rows[_i].variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	value_print(option_at(env_rows[_i].index), load.config, value, sizeof value);
	ck_assert_str_eq(value, env_rows[_i].value);
	if (warning == NULL)
		ck_assert_str_eq(load.warnings, "");
	else
		ck_assert_msg(strncmp(load.warnings, warning, strlen(warning)) == 0 &&
				      strchr(load.warnings, '\n')[1] == '\0',
			"%s", load.warnings);
	config_case_done(&load);
}
END_TEST

/* Blanks and line ends around a value are none of it; nothing is said of them. */
START_TEST(test_env_trimmed)
{
	static const char *const variables[] = {"OTEL_SDK_DISABLED= \t\r\ntrue \t\r\n",
		"OTEL_SERVICE_NAME=\n a b\r\n", "OTEL_RESOURCE_ATTRIBUTES=x=y , z=w\n",
		"OTEL_TRACES_EXPORTER=none\n", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c:1/x\r\n",
		"OTEL_EXPORTER_OTLP_HEADERS=a=Bearer%20geheim \n", "OTEL_BSP_SCHEDULE_DELAY= 100\n",
		"OTEL_TRACES_SAMPLER=traceidratio\n", "OTEL_TRACES_SAMPLER_ARG=0.5\n",
		"OTEL_SEMCONV_STABILITY_OPT_IN=http,rpc\n", "OTEL_PROPAGATORS=none\n",
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/json\n", "OTEL_CONFIG_FILE=\n",
		"OTEL_LOG_LEVEL= \t", "SIDESPAN_ENV=staging\n",
		"SIDESPAN_INFLIGHT_MAX= \t\r\n9 \t\r\n", "SIDESPAN_NOTHING=\n",
		"TRACEPARENT=\n00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n",
		"TRACESTATE=\ta=1 \r\n", NULL};
	static const struct {
		enum option_index index;
		const char *value;
	} rows[] = {{OPTION_AT_disabled, "true"}, {OPTION_AT_service_name, "a b"},
		{OPTION_AT_resource_attributes, "deployment.environment.name=staging,x=y,z=w"},
		{OPTION_AT_exporter, "none"}, {OPTION_AT_otlp_endpoint, "http://c:1/x"},
		{OPTION_AT_batch_delay_ms, "100ms"}, {OPTION_AT_sampler, "traceidratio"},
		{OPTION_AT_sampler_arg, "0.5"}, {OPTION_AT_semconv, "rpc"},
		{OPTION_AT_propagation_extract, "false"}, {OPTION_AT_inflight_max, "9"}};
	struct config_case load;
	char value[256];
	size_t i;

	config_case_load(&load, env_command, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.warnings, "");
	for (i = 0; i < sizeof rows / sizeof *rows; i++) {
		value_print(option_at(rows[i].index), load.config, value, sizeof value);
		ck_assert_str_eq(value, rows[i].value);
	}
	ck_assert_str_eq(load.config->otlp_headers.pairs[0].value, "Bearer geheim");
	ck_assert_str_eq(load.config->traceparent,
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	ck_assert_str_eq(load.config->tracestate, "a=1");
	config_case_done(&load);
	config_case_load(&load, env_command, variables + sizeof variables / sizeof *variables - 1);
	ck_assert_ptr_null(load.config->traceparent);
	ck_assert_ptr_null(load.config->tracestate);
	config_case_done(&load);
}
END_TEST

static char *const env_untrimmed[] = {(char[]){"A=\n b\nc \r"}, (char[]){"B"}, (char[]){"C="},
	(char[]){"D=\n"}, (char[]){" E =x=\t"}, (char[]){""}, NULL};

/* What is within stays; entries without a = are no variables. */
START_TEST(test_env_trim)
{
	static const char *const expected[] = {"A=b\nc", "B", "C=", "D=", " E =x=", ""};
	char **trimmed = variables_trim(env_untrimmed);
	size_t i;

	for (i = 0; i < sizeof expected / sizeof *expected; i++)
		ck_assert_str_eq(trimmed[i], expected[i]);
	ck_assert_ptr_null(trimmed[i]);
	free(trimmed);
	trimmed = variables_trim(env_untrimmed + i);
	ck_assert_ptr_null(trimmed[0]);
	free(trimmed);
}
END_TEST

/* Secrets get into files as references to variables. */
START_TEST(test_env_trimmed_in_files)
{
	char *file = config_case_file("{\"otlp.headers\": {\"a\": \"Bearer ${TOKEN}\"}}");
	const char *flags[] = {"--config", file, "--", "server", NULL};
	static const char *const variables[] = {"TOKEN=geheim\n", NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.config->otlp_headers.pairs[0].value, "Bearer geheim");
	config_case_done(&load);
	config_case_unlink(file);
}
END_TEST

/* Every option with an OTEL_ variable has rows above. */
START_TEST(test_env_all_covered)
{
	const size_t count = sizeof env_rows / sizeof *env_rows;
	size_t i, row;

	for (i = 0; i < OPTION_COUNT; i++) {
		for (row = 0; row < count && env_rows[row].index != i; row++)
			;
		ck_assert_msg(option_at(i)->otel == NULL || row < count, "%s", option_at(i)->name);
	}
}
END_TEST

START_TEST(test_env_propagators_stop_injection)
{
	static const char *const variables[] = {"OTEL_PROPAGATORS=none", NULL};
	static const char *const flags[] = {
		"--profile", "codex", "--propagation-inject-server-requests", "--", "server", NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	ck_assert_str_eq(load.config->propagation_inject.items[0], "none");
	ck_assert_uint_eq(load.config->propagation_extract.count, 1);
	ck_assert_str_eq(load.config->propagation_extract.items[0], "false");
	config_case_done(&load);
}
END_TEST

/* What a header's value is must be nowhere in what we say. */
START_TEST(test_env_secret)
{
	static const char *const variables[] = {
		"SIDESPAN_OTLP_HEADERS=authorization=hunter2", NULL};
	static const char *const wrong[] = {"SIDESPAN_OTLP_HEADERS=hunter2", NULL};
	static const char *const flags[] = {"--check", "--", "server", NULL};
	struct config_case load;

	config_case_load(&load, flags, variables);
	ck_assert_int_eq(load.outcome, CONFIG_DONE);
	ck_assert_ptr_nonnull(strstr(load.out, "authorization=***"));
	ck_assert_ptr_null(strstr(load.out, "hunter2"));
	config_case_done(&load);
	config_case_load(&load, env_command, variables);
	ck_assert_str_eq(load.config->otlp_headers.pairs[0].value, "hunter2");
	config_case_done(&load);
	config_case_load(&load, env_command, wrong);
	ck_assert_int_eq(load.outcome, CONFIG_WRONG);
	ck_assert_ptr_null(strstr(load.error, "hunter2"));
	config_case_done(&load);
}
END_TEST

static const struct {
	const char *variable;
	const char *error; /* how it begins; NULL: none */
} env_own[] = {
	{"SIDESPAN_BATCH_DELAY=5s", NULL},
	{"SIDESPAN_BATCH_DELAY=", NULL},
	{"SIDESPAN_NONSENSE=", NULL},
	{"SIDESPAN_ENV=production", NULL},
	{"SIDESPAN_ENV=", NULL},
	{"SIDESPAN_SERVICE_HOST=10.0.0.1", NULL},
	{"SIDESPAN_SERVICE_PORT=4500", NULL},
	{"SIDESPAN_SERVICE_PORT_WS=4500", NULL},
	{"SIDESPAN_PORT=tcp://10.0.0.1:4500", NULL},
	{"SIDESPAN_PORT_4500_TCP=tcp://10.0.0.1:4500", NULL},
	{"SIDESPAN_PORT_4500_TCP_ADDR=10.0.0.1", NULL},
	{"sidespan_batch_dely=5s", NULL},
	{"SIDESPAN_BATCH_DELAY=5 s",
		"SIDESPAN_BATCH_DELAY: \"5 s\": must be a time from 0ms to 2147483647ms"},
	{"SIDESPAN_BATCH_DELAYS=5s",
		"environment: \"SIDESPAN_BATCH_DELAYS\": no such option; did you mean "
		"SIDESPAN_BATCH_DELAY?"},
	{"SIDESPAN_PORT_NUMBER=1", "environment: \"SIDESPAN_PORT_NUMBER\": no such option; "},
	{"SIDESPAN_=1",
		"environment: \"SIDESPAN_\": no such option; must be one that --help lists"},
	{"SIDESPAN_ENV=nowhere", "environment \"nowhere\": no such environment; must be one of "
				 "development, production, "
				 "staging"},
	{"SIDESPAN_SERVICE_NAME=a\nb",
		"SIDESPAN_SERVICE_NAME: \"a?b\": it has a control character or is not UTF-8; "},
	{"SIDESPAN_OTLP_HEADERS=a=1\nb=2", "SIDESPAN_OTLP_HEADERS: ***: it has a control "},
	{"SIDESPAN_OTLP_HEADERS=a=1,geheim", "SIDESPAN_OTLP_HEADERS: ***: a pair has no =; "},
	{"SIDESPAN_DISABLED=yes", "SIDESPAN_DISABLED: \"yes\": must be true or false"},
	{"SIDESPAN_RESOURCE_ATTRIBUTES=service.name=x",
		"SIDESPAN_RESOURCE_ATTRIBUTES: resource.attributes: service.name has an option of "
		"its "
		"own, service.name"},
};

START_TEST(test_env_own)
{
	const char *const variables[] = {env_own[_i].variable, NULL};
	const char *error = env_own[_i].error;
	struct config_case load;

	config_case_load(&load, env_command, variables);
	ck_assert_msg(
		load.outcome == (error == NULL ? CONFIG_RUN : CONFIG_WRONG), "%s", load.error);
	if (error != NULL)
		ck_assert_msg(strncmp(load.error, error, strlen(error)) == 0, "%s", load.error);
	ck_assert_str_eq(load.warnings, "");
	config_case_done(&load);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("env");

	tcase_add_loop_test(tc, test_env_otel, 0, sizeof env_rows / sizeof *env_rows);
	tcase_add_test(tc, test_env_trimmed);
	tcase_add_test(tc, test_env_trim);
	tcase_add_test(tc, test_env_trimmed_in_files);
	tcase_add_test(tc, test_env_all_covered);
	tcase_add_test(tc, test_env_propagators_stop_injection);
	tcase_add_test(tc, test_env_secret);
	tcase_add_loop_test(tc, test_env_own, 0, sizeof env_own / sizeof *env_own);
	return unit_run("env", tc);
}
