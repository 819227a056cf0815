#ifndef CONFIG_ENV_H
#define CONFIG_ENV_H

struct settings;

/*
 * Applies the SIDESPAN_* variables. A name that is no option is an error, as it is a typing
 * mistake: but for SIDESPAN_ENV, which selects the environment, and for what Kubernetes makes of a
 * service called sidespan (SIDESPAN_SERVICE_HOST, SIDESPAN_PORT_4500_TCP, ...). 0, or -1 with the
 * error set.
 */
int env_load_sidespan(struct settings *settings);

/*
 * Applies the OTEL_* variables, by the rules of OpenTelemetry's environment variable specification:
 * what cannot be understood is warned about and ignored. 0, or -1 when memory is out.
 */
int env_load_otel(struct settings *settings);

#endif
