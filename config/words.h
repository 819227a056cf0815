#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

/*
 * The words of every option that is one of a list: WORD(constant, "text as it is written"). The
 * enums of config.h and the texts that are parsed and printed both come from here.
 */
#define CHECK_WORDS(WORD)                                                                          \
	WORD(CONFIG_CHECK_AUTO, "auto")                                                            \
	WORD(CONFIG_CHECK_ALWAYS, "always")                                                        \
	WORD(CONFIG_CHECK_NEVER, "never")

#define FRAMING_WORDS(WORD)                                                                        \
	WORD(CONFIG_FRAMING_AUTO, "auto")                                                          \
	WORD(CONFIG_FRAMING_LINES, "lines")                                                        \
	WORD(CONFIG_FRAMING_LENGTH, "content-length")                                              \
	WORD(CONFIG_FRAMING_CONCAT, "concatenated")

#define SAMPLER_WORDS(WORD)                                                                        \
	WORD(CONFIG_SAMPLER_ALWAYS_ON, "always_on")                                                \
	WORD(CONFIG_SAMPLER_ALWAYS_OFF, "always_off")                                              \
	WORD(CONFIG_SAMPLER_RATIO, "traceidratio")                                                 \
	WORD(CONFIG_SAMPLER_PARENT_ALWAYS_ON, "parentbased_always_on")                             \
	WORD(CONFIG_SAMPLER_PARENT_ALWAYS_OFF, "parentbased_always_off")                           \
	WORD(CONFIG_SAMPLER_PARENT_RATIO, "parentbased_traceidratio")

#define SEMCONV_WORDS(WORD)                                                                        \
	WORD(CONFIG_SEMCONV_LEGACY, "legacy")                                                      \
	WORD(CONFIG_SEMCONV_RPC, "rpc")                                                            \
	WORD(CONFIG_SEMCONV_RPC_DUP, "rpc/dup")

#define LIFECYCLE_WORDS(WORD)                                                                      \
	WORD(CONFIG_LIFECYCLE_OFF, "off")                                                          \
	WORD(CONFIG_LIFECYCLE_ON, "on")

#define FLAGS_WORDS(WORD)                                                                          \
	WORD(CONFIG_FLAGS_LEVEL_1, "01")                                                           \
	WORD(CONFIG_FLAGS_LEVEL_2, "03")

#define TRUST_WORDS(WORD)                                                                          \
	WORD(CONFIG_TRUST_CONTINUE, "continue")                                                    \
	WORD(CONFIG_TRUST_LINK, "restart-with-link")                                               \
	WORD(CONFIG_TRUST_RESTART, "restart")

#define HTTP_SPANS_WORDS(WORD)                                                                     \
	WORD(CONFIG_HTTP_SPANS_RPC, "rpc")                                                         \
	WORD(CONFIG_HTTP_SPANS_ALL, "all")

#define BAGGAGE_WORDS(WORD)                                                                        \
	WORD(CONFIG_BAGGAGE_KEEP, "keep")                                                          \
	WORD(CONFIG_BAGGAGE_STRIP, "strip")

#define DISPATCH_WORDS(WORD)                                                                       \
	WORD(CONFIG_DISPATCH_ALL, "all")                                                           \
	WORD(CONFIG_DISPATCH_TURNS, "turns")                                                       \
	WORD(CONFIG_DISPATCH_NONE, "none")

#define BELOW_WORDS(WORD)                                                                          \
	WORD(CONFIG_BELOW_DISPATCH, "dispatch")                                                    \
	WORD(CONFIG_BELOW_CLIENT, "client")

#define EXPORTER_WORDS(WORD)                                                                       \
	WORD(CONFIG_EXPORTER_OTLP, "otlp")                                                         \
	WORD(CONFIG_EXPORTER_CONSOLE, "console")                                                   \
	WORD(CONFIG_EXPORTER_NONE, "none")

#define METRICS_WORDS(WORD)                                                                        \
	WORD(CONFIG_METRICS_NONE, "none")                                                          \
	WORD(CONFIG_METRICS_OTLP, "otlp")

#define COMPRESSION_WORDS(WORD)                                                                    \
	WORD(CONFIG_COMPRESSION_NONE, "none")                                                      \
	WORD(CONFIG_COMPRESSION_GZIP, "gzip")

#define PROTOCOL_WORDS(WORD)                                                                       \
	WORD(CONFIG_PROTOCOL_JSON, "http/json")                                                    \
	WORD(CONFIG_PROTOCOL_PROTOBUF, "http/protobuf")

#define SYNC_WORDS(WORD)                                                                           \
	WORD(CONFIG_SYNC_BATCH, "batch")                                                           \
	WORD(CONFIG_SYNC_INTERVAL, "interval")                                                     \
	WORD(CONFIG_SYNC_NEVER, "never")

#define LOG_LEVEL_WORDS(WORD)                                                                      \
	WORD(CONFIG_LOG_ERROR, "error")                                                            \
	WORD(CONFIG_LOG_WARN, "warn")                                                              \
	WORD(CONFIG_LOG_INFO, "info")                                                              \
	WORD(CONFIG_LOG_DEBUG, "debug")

#define LOG_FORMAT_WORDS(WORD)                                                                     \
	WORD(CONFIG_LOG_TEXT, "text")                                                              \
	WORD(CONFIG_LOG_JSON, "json")

#endif
