/*
 * sidespan: puts the parts together and takes them apart again. Order: configuration, exporter,
 * tracer, loop, then either one session on stdin/stdout or a listener; signals; the end, when the
 * conversation is over or we were told to stop; the last spans; the exit status.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "config/config_load.h"
#include "exporter/escape.h"
#include "exporter/exporter.h"
#include "proxy/admin/admin.h"
#include "proxy/counters.h"
#include "proxy/doctor/doctor.h"
#include "proxy/doctor/ready.h"
#include "proxy/side/handshake.h"
#include "proxy/side/side.h"
#include "proxy/ending.h"
#include "proxy/endpoint/child.h"
#include "proxy/endpoint/inherit.h"
#include "proxy/explain/explain.h"
#include "proxy/explain/recorder.h"
#include "proxy/explain/replay.h"
#include "proxy/listener.h"
#include "proxy/log.h"
#include "proxy/loop.h"
#include "proxy/measures.h"
#include "proxy/meter.h"
#include "proxy/reload.h"
#include "proxy/resolver.h"
#include "proxy/sandbox.h"
#include "proxy/service.h"
#include "proxy/stream/tls_context.h"
#include "proxy/life.h"
#include "proxy/telemetry.h"
#include "proxy/top/top.h"
#include "proxy/trace/tracer.h"

enum {
	MAIN_EXIT_FAILURE = 1,
	MAIN_EXIT_USAGE = 2,
	MAIN_EXIT_NOT_EXECUTABLE = 126,
	MAIN_EXIT_NOT_FOUND = 127,
	MAIN_EXIT_SIGNAL = 128,
};

enum { MAIN_LARGE_BLOCK = 128 * 1024 };

_Static_assert((int)CONFIG_LOG_ERROR == (int)LOG_ERROR && (int)CONFIG_LOG_WARN == (int)LOG_WARN &&
		       (int)CONFIG_LOG_INFO == (int)LOG_INFO &&
		       (int)CONFIG_LOG_DEBUG == (int)LOG_DEBUG,
	"a level of the settings is cast to one of the log");

static const struct {
	int number;
	bool stops; /* us, unless it is for a command that we wrap; the others are only for that */
} main_signals[] = {
	{SIGTERM, true},
	{SIGINT, true},
	{SIGHUP, true},
	{SIGQUIT, false},
	{SIGUSR1, false},
	{SIGUSR2, false},
	{SIGALRM, false},
	{SIGWINCH, false},
};

#define MAIN_SIGNALS (sizeof main_signals / sizeof main_signals[0])

struct program {
	char **arguments;          /* of main() */
	char *notes;               /* owned; of the settings, for the doctor; NULL: none */
	struct config *config;     /* owned; of the start: see loop.config */
	struct reload reload;      /* what they are read again from */
	struct exporter *exporter; /* owned; NULL: no spans are sent */
	struct tracer *tracer;     /* owned */
	struct measures *measures; /* owned; NULL: nobody asks */
	struct meter *meter;       /* owned; NULL: metrics are sent to nobody */
	struct recorder *recorder; /* owned; NULL: nothing is recorded */
	struct event_base *base;   /* owned */
	struct loop loop;
	struct children *children; /* owned */
	struct listener *listener; /* owned; NULL when wrapping */
	struct admin *admin;       /* owned; NULL: nothing is told to operators */
	struct route route;
	char upstream_host[URL_AUTHORITY_SIZE];
	char upstream_shown[URL_HOST_MAX + 64]; /* may be cut */
	struct event *on_signal[MAIN_SIGNALS];  /* owned */
	struct event *drain;                    /* owned; the deadline after a stop signal */
	struct event *seal;                     /* owned; the longest wait of a finished span */
	struct event *watchdog;                 /* owned; NULL: nobody wants to hear that we live */
	bool started;
	bool stopping;
	int status; /* what we exit with */
};

/* ---- what is spoken where ---- */

/* rpc.transport: how the client reaches us */
static const char *const main_transports[] = {
	[URL_NONE] = "stdio",
	[URL_WS] = "websocket",
	[URL_WS_UNIX] = "unix_socket",
	[URL_TCP] = "tcp",
	[URL_UNIX] = "unix_socket",
};

/* What a peer speaks; NULL: a peer without a URL may speak what the other one does. */
static const struct side_ops *main_side(const struct config *config, const struct url *url)
{
	static const struct side_ops *const framings[] = {
		[URL_LINES] = &side_line,
		[URL_LENGTH] = &side_length,
		[URL_CONCAT] = &side_concat,
	};
	static const struct side_ops *const words[] = {
		[CONFIG_FRAMING_AUTO] = NULL,
		[CONFIG_FRAMING_LINES] = &side_line,
		[CONFIG_FRAMING_LENGTH] = &side_length,
		[CONFIG_FRAMING_CONCAT] = &side_concat,
	};

	if (url->scheme == URL_NONE)
		return words[config->framing];
	return url_is_websocket(url) ? &side_websocket : framings[url->framing];
}

/* Of two sides the one that is not known: as the other one, but handshakes are for URLs. */
static const struct side_ops *main_side_beside(
	const struct side_ops *side, const struct side_ops *other)
{
	if (side != NULL)
		return side;
	return other != NULL && other->shake == NULL ? other : &side_line;
}

static void main_choose_sides(const struct config *config, struct route *route)
{
	const struct side_ops *client = main_side(config, &config->listen_url);
	const struct side_ops *backend = main_side(config, &config->upstream_url);

	route->client_side = main_side_beside(client, backend);
	route->backend_side = main_side_beside(backend, client);
	if (route->client_side == &side_line && route->backend_side == &side_line &&
		config->framing != CONFIG_FRAMING_LINES)
		route->client_side = route->backend_side = &side_guess;
}

static void main_name_upstream(struct program *program)
{
	const struct url *url = &program->config->upstream_url;
	struct route *route = &program->route;

	url_show(
		program->upstream_shown, sizeof program->upstream_shown, program->config->upstream);
	route->upstream = program->upstream_shown;
	route->upstream_path = url->scheme == URL_WS && url->path[0] != '\0' ? url->path : "/";
	url_authority(program->upstream_host, url);
	route->upstream_host = program->upstream_host;
}

static void main_make_route(struct program *program)
{
	const struct config *config = program->config;
	struct route *route = &program->route;

	main_choose_sides(config, route);
	route->transport = main_transports[config->listen_url.scheme];
	if (config->listen_url.scheme == URL_WS && config->listen_url.path[0] != '\0' &&
		strcmp(config->listen_url.path, "/") != 0)
		route->listen_path = config->listen_url.path;
	guard_init(&route->guard, config);
	route->command = config->command;
	if (config->command == NULL)
		main_name_upstream(program);
	else
		route->upstream = config->command[0];
}

/* ---- the end ---- */

static void main_check_over(struct program *program)
{
	bool waiting = program->listener != NULL;

	if (!waiting && program->loop.guest_count == 0 && children_count(program->children) == 0)
		(void)event_base_loopbreak(program->base); /* always succeeds */
}

static int main_start_failed(enum child_outcome outcome)
{
	if (outcome == CHILD_NOT_FOUND)
		return MAIN_EXIT_NOT_FOUND;
	return outcome == CHILD_NOT_EXECUTABLE ? MAIN_EXIT_NOT_EXECUTABLE : MAIN_EXIT_FAILURE;
}

/* Accepting may go on: some time has passed, or something has ended. */
static void main_on_tick(void *arg)
{
	struct program *program = arg;

	if (program->listener != NULL)
		listener_resume(program->listener);
}

static void main_on_reaped(void *arg, const struct session *session)
{
	struct program *program = arg;

	if (program->config->listen_url.scheme == URL_NONE) {
		if (session->start_failure != CHILD_STARTED) {
			program->status = main_start_failed(session->start_failure);
			program->started = false; /* there is nothing to report on */
		} else if (program->route.command == NULL && session->pair.reason != PAIR_ENDED &&
			   session->pair.reason != PAIR_BACKEND_GONE &&
			   !(session->pair.reason == PAIR_CLIENT_GONE && session->client_left)) {
			program->status = MAIN_EXIT_FAILURE;
		}
	}
	main_on_tick(program);
	main_check_over(program);
}

static void main_on_child_started(void *arg, void *owner, enum child_outcome outcome, int error)
{
	struct program *program = arg;

	loop_clock(&program->loop);
	if (owner != NULL)
		life_child_started(owner, outcome, error);
}

static void main_on_child_ended(void *arg, void *owner, int status)
{
	struct program *program = arg;

	loop_clock(&program->loop);
	if (program->config->listen_url.scheme == URL_NONE)
		program->status = WIFSIGNALED(status) ? MAIN_EXIT_SIGNAL + WTERMSIG(status)
						      : WEXITSTATUS(status);
	else
		log_line(LOG_DEBUG, "a command ended with status %d", status);
	if (owner != NULL)
		ending_child_exited(owner);
	main_on_tick(program);
}

static void main_on_idle(void *arg)
{
	main_check_over(arg);
}

static const struct child_hooks main_child_hooks = {
	.started = main_on_child_started,
	.ended = main_on_child_ended,
	.idle = main_on_idle,
};

static void main_on_drain(int fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	log_line(LOG_INFO, "%zu connections did not end in time", program->loop.guest_count);
	(void)event_base_loopbreak(program->base); /* always succeeds */
}

/* Accepts no more and lets the sessions end, but not for ever. */
static void main_stop(struct program *program, int signal_number)
{
	int64_t ms = program->loop.config->shutdown_drain_ms;
	struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (program->stopping) {                           /* told twice */
		(void)event_base_loopbreak(program->base); /* always succeeds */
		return;
	}
	program->stopping = true;
	service_tell("STOPPING=1");
	log_line(LOG_INFO, "%s: %zu connections to end", strsignal(signal_number),
		program->loop.guest_count);
	listener_free(program->listener);
	program->listener = NULL;
	if (program->admin != NULL)
		admin_drain(program->admin);
	children_signal(program->children, signal_number);
	loop_clock(&program->loop);
	loop_wind_up(&program->loop);
	if (event_add(program->drain, &wait) != 0)
		(void)event_base_loopbreak(program->base); /* always succeeds */
	main_check_over(program);
}

static bool main_wraps(const struct program *program)
{
	return program->config->listen_url.scheme == URL_NONE && program->route.command != NULL;
}

static bool main_is_stop(int signal_number)
{
	size_t i;

	for (i = 0; main_signals[i].number != signal_number; i++)
		assert(i + 1 < MAIN_SIGNALS);
	return main_signals[i].stops;
}

/* What the server is shown, and whom we believe of it. */
static void main_renew_upstream(struct program *program)
{
	char error[LOG_LINE_MAX / 2];

	switch (tls_context_renew(program->route.backend_tls, error, sizeof error)) {
	case 0:
		break;
	case 1:
		program->loop.counters.certificates_renewed++;
		log_line(LOG_INFO, "tls.upstream files have changed and are used from now on");
		break;
	default:
		log_line(LOG_ERROR, "the changed tls.upstream files are not used: %s", error);
		break;
	}
}

static void main_reload(struct program *program)
{
	loop_clock(&program->loop);
	if (program->route.client_tls != NULL)
		listener_renew(program->listener);
	if (program->route.backend_tls != NULL)
		main_renew_upstream(program);
	reload_run(&program->reload, &(struct reload_subjects){.loop = &program->loop,
					     .route = &program->route,
					     .exporter = program->exporter,
					     .measures = program->measures,
					     .admin = program->admin});
	listener_resume(program->listener); /* connections.max may be larger */
}

static void main_on_signal(int signal_number, short what, void *arg)
{
	struct program *program = arg;

	(void)what;
	if (signal_number == SIGHUP && program->listener != NULL) {
		if (program->reload.given.argv != NULL) /* else the doctor tries something */
			main_reload(program);
		return;
	}
	if (!main_wraps(program))
		main_stop(program, signal_number);
	else if (!children_signal(program->children, signal_number) && main_is_stop(signal_number))
		(void)event_base_loopbreak(program->base); /* only what it left is still here */
}

/* ---- the beginning ---- */

static void main_warn(void *arg, const char *line)
{
	(void)arg;
	log_line(LOG_WARN, "%s", line);
}

/* Prints lines for people: no name or value of a configuration does something to a terminal. */
static void main_show(const char *lines, size_t size)
{
	struct text shown;
	size_t line;

	text_init(&shown, TEXT_UNLIMITED);
	for (; size > 0; lines += line + 1, size -= line + 1) {
		line = strcspn(lines, "\n"); /* each has one */
		escape_append_shown(&shown, lines, line, SIZE_MAX);
		TEXT_APPEND(&shown, "\n");
	}
	(void)fwrite(shown.bytes, 1, shown.size, stdout); /* nobody is told that nobody reads */
	text_done(&shown);
}

static enum config_outcome main_load(
	struct program *program, int argc, char **argv, char **environment, char *error)
{
	enum config_outcome outcome;
	size_t said_size = 0;
	char *said = NULL;
	FILE *out = open_memstream(&said, &said_size);

	(void)snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (out == NULL)
		return CONFIG_WRONG;
	if (argc == 2 && strcmp(argv[1], "--manual-counters") == 0) {
		counters_print_manual(out);
		outcome = CONFIG_DONE;
	} else {
		outcome = config_load(
			&program->config, argc, argv, environment, out, main_warn, NULL, error);
	}
	if (fclose(out) == 0 && outcome == CONFIG_DONE)
		main_show(said, said_size);
	if (outcome == CONFIG_RUN && program->config->doctor)
		program->notes = said;
	else
		free(said);
	return outcome;
}

static int main_watch_signals(struct program *program)
{
	struct sigaction found;
	size_t i;

	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal: cannot fail */
	for (i = 0; i < MAIN_SIGNALS; i++) {
		int number = main_signals[i].number;

		if (!main_signals[i].stops && !main_wraps(program))
			continue;
		if (sigaction(number, NULL, &found) == 0 && found.sa_handler == SIG_IGN)
			continue; /* as under nohup */
		program->on_signal[i] =
			evsignal_new(program->base, number, main_on_signal, program);
		if (program->on_signal[i] == NULL || event_add(program->on_signal[i], NULL) != 0)
			return -1;
	}
	program->drain = evtimer_new(program->base, main_on_drain, program);
	return program->drain != NULL ? 0 : -1;
}

static void main_on_seal(int fd, short what, void *arg)
{
	struct program *program = arg;

	(void)fd;
	(void)what;
	loop_clock_idle(&program->loop);
	exporter_tick(program->exporter, (int64_t)(program->loop.now_ns / 1000000));
}

/* Starts the exporter's thread and the timer that keeps finished spans from waiting too long. */
static int main_start_exporter(struct program *program, char *error, size_t error_size)
{
	bool console = program->config->exporter == CONFIG_EXPORTER_CONSOLE;
	int64_t ms = program->config->batch_delay_ms;
	struct timeval period = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (program->exporter == NULL || program->config->exporter == CONFIG_EXPORTER_NONE)
		return 0; /* nothing is sent */
	if (exporter_start(program->exporter, error, error_size) != 0)
		return -1;
	if (ms == 0 && !console)
		return 0; /* every span is a batch of its own: see telemetry_settings() */
	if (ms == 0)
		period.tv_sec = 1; /* there may be spans that wait for their trace */
	(void)snprintf(error, error_size, "out of memory");
	program->seal = event_new(program->base, -1, EV_PERSIST, main_on_seal, program);
	return program->seal != NULL ? event_add(program->seal, &period) : -1;
}

static int main_start_meter(struct program *program, char *error, size_t error_size)
{
	if (program->meter == NULL)
		return 0;
	return meter_start(program->meter, &program->loop, program->exporter,
		measures_metrics(program->measures), error, error_size);
}

static void main_on_watchdog(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	service_tell("WATCHDOG=1");
}

/*
 * Tells the service manager that clients may come, and, twice as often as it wants, that we live.
 */
static int main_tell_service(struct program *program, char *error, size_t error_size)
{
	int64_t ms = service_watchdog_ms() / 2;
	struct timeval period = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (ms > 0) {
		(void)snprintf(error, error_size, "the service manager's watchdog: out of memory");
		program->watchdog =
			event_new(program->base, -1, EV_PERSIST, main_on_watchdog, program);
		if (program->watchdog == NULL || event_add(program->watchdog, &period) != 0)
			return -1;
	}
	service_tell_ready();
	return 0;
}

static int main_make_telemetry(struct program *program, char *error, size_t error_size)
{
	const struct config *config = program->config;

	if (telemetry_has_exporter(config)) {
		program->exporter = telemetry_exporter_new(config, error, error_size);
		if (program->exporter == NULL)
			return -1;
	}
	program->tracer = tracer_new(config, program->exporter, config->traceparent,
		config->tracestate, error, error_size);
	if (program->tracer == NULL)
		return -1;
	if (telemetry_has_metrics(config)) {
		program->meter = meter_new(config, error, error_size);
		if (program->meter == NULL)
			return -1;
	}
	if (program->meter == NULL && config->admin_url.scheme == URL_NONE)
		return 0;
	(void)snprintf(error, error_size, "out of memory");
	program->measures = measures_new(config, program->route.transport);
	if (program->measures == NULL)
		return -1;
	tracer_measure(program->tracer, measures_metrics(program->measures));
	return 0;
}

/* The loop knows its clock by now. */
static int main_make_recorder(struct program *program, char *error, size_t error_size)
{
	struct timespec wall;

	if (program->config->record_file == NULL)
		return 0;
	(void)clock_gettime(CLOCK_REALTIME, &wall); /* it always exists */
	program->recorder = recorder_new(program->config, tracer_pointers(program->tracer),
		program->loop.now_ns, (uint64_t)wall.tv_sec * 1000000000 + (uint64_t)wall.tv_nsec,
		error, error_size);
	program->loop.recorder = program->recorder;
	return program->recorder != NULL ? 0 : -1;
}

static struct event_base *main_make_base(void)
{
	struct event_config *settings = event_config_new();
	struct event_base *base = NULL;

	if (settings == NULL)
		return NULL;
	if (event_config_set_flag(settings, EVENT_BASE_FLAG_NOLOCK) == 0)
		base = event_base_new_with_config(settings);
	event_config_free(settings);
	return base;
}

/* 0, or -1 with the error set. */
static int main_make_tls(struct program *program, char *error, size_t error_size)
{
	const struct config *config = program->config;
	struct route *route = &program->route;
	struct tls_settings listens = {
		.is_server = true,
		.is_http = url_is_websocket(&config->listen_url),
		.paths = {[CERTIFICATES_OWN] = config->tls_certificate,
			[CERTIFICATES_KEY] = config->tls_key,
			[CERTIFICATES_ROOT] = config->tls_client_ca},
	};
	struct tls_settings dials = {
		.is_http = url_is_websocket(&config->upstream_url),
		.paths = {[CERTIFICATES_OWN] = config->tls_upstream_certificate,
			[CERTIFICATES_KEY] = config->tls_upstream_key,
			[CERTIFICATES_ROOT] = config->tls_upstream_ca},
		.name = config->tls_server_name != NULL ? config->tls_server_name
							: config->upstream_url.host,
	};

	if (config->listen_url.tls &&
		(route->client_tls = tls_context_new(&listens, error, error_size)) == NULL)
		return -1;
	if (config->upstream_url.tls &&
		(route->backend_tls = tls_context_new(&dials, error, error_size)) == NULL)
		return -1;
	return 0;
}

static int main_set_up(
	struct program *program, char *const *arguments, char *error, size_t error_size)
{
	const struct config *config = program->config;

	main_make_route(program);
	if (main_make_tls(program, error, error_size) != 0)
		return -1;
	if (main_make_telemetry(program, error, error_size) != 0)
		return -1;
	errno = ENOMEM; /* libevent does not say it */
	program->base = main_make_base();
	if (program->base == NULL || main_watch_signals(program) != 0 ||
		loop_init(&program->loop, program->base, config, program->tracer) != 0)
		goto fail;
	if (config->command == NULL) {
		program->route.resolver = resolver_new(&program->loop, &config->upstream_url);
		if (program->route.resolver == NULL)
			goto fail;
	}
	if (main_make_recorder(program, error, error_size) != 0)
		return -1;
	if (program->meter != NULL)
		program->loop.poster = meter_poster(program->meter);
	program->route.reaped = main_on_reaped;
	program->route.reaped_arg = program;
	program->loop.ticked = main_on_tick;
	program->loop.ticked_arg = program;
	if (config->command != NULL && config->child_host_name &&
		telemetry_share_host_name(config) != 0)
		return -1;
	program->children = children_new(program->base,
		&(struct child_settings){
			.grace_ms = config->child_grace_ms,
			.environment = environ,
			.arguments = arguments,
			.otlp_headers = config->child_inherit_otlp_headers,
			.own_groups = config->listen_url.scheme != URL_NONE,
		},
		&main_child_hooks, program);
	program->loop.children = program->children;
	if (program->children != NULL)
		return 0;
fail:
	(void)snprintf(error, error_size, "the event loop cannot be set up: %s", strerror(errno));
	return -1;
}

/*
 * Large blocks come from the system one by one and go back to it when they are freed, however the
 * heap looks by then; the C library would get into the way of keeping them for another use.
 */
static void main_set_heap(void)
{
#ifdef __GLIBC__
	(void)mallopt(M_MMAP_THRESHOLD, MAIN_LARGE_BLOCK); /* a size that it takes */
#endif
}

/* The folder of a Unix socket, whose file is removed at the end. False: the URL is none. */
static bool main_socket_folder(const struct url *url, char folder[URL_PATH_MAX + 1])
{
	const char *slash = strrchr(url->path, '/');

	if (url->scheme != URL_UNIX && url->scheme != URL_WS_UNIX)
		return false;
	assert(slash != NULL); /* the path is absolute */
	(void)snprintf(folder, URL_PATH_MAX + 1, "%.*s", (int)(slash - url->path + 1),
		url->path); /* fits: it is a part */
	return true;
}

/* A command would inherit all of it; what there was to open is open. */
static void main_enter_sandbox(const struct program *program)
{
	const struct config *config = program->config;
	const struct url *const urls[] = {&config->listen_url, &config->admin_url};
	char folders[2][URL_PATH_MAX + 1], text[64];
	const char *list[3], *spool = config->spool_directory;
	size_t count = 0, i;

	if (!config->sandbox || config->command != NULL)
		return;
	for (i = 0; i < 2; i++) {
		list[count] = folders[count];
		if (main_socket_folder(urls[i], folders[count]))
			count++;
	}
	if (spool != NULL && access(spool, W_OK) == 0) /* or it is done without */
		list[count++] = spool;
	log_line(LOG_DEBUG, "sandbox: %s",
		sandbox_text(sandbox_enter(list, count), text, sizeof text));
}

/* What is for operators must not keep a COMMAND from being wrapped. 0, or -1 with the error set. */
static int main_start_admin(struct program *program, char *error, size_t error_size)
{
	char serving[LOG_LINE_MAX / 2];

	if (program->config->admin_url.scheme == URL_NONE)
		return 0;
	program->admin = admin_new(&(struct admin_sources){.loop = &program->loop,
					   .exporter = program->exporter,
					   .metrics = measures_metrics(program->measures),
					   .resolver = program->route.resolver},
		error, error_size);
	if (program->admin != NULL) {
		admin_describe(program->admin, serving, sizeof serving);
		log_line(LOG_INFO, "health and metrics at %s", serving);
		return 0;
	}
	if (!main_wraps(program))
		return -1;
	log_line(LOG_WARN, "%s; it goes without", error);
	error[0] = '\0';
	return 0;
}

/* Opens what there is to serve. 0, or -1 with program->status set. */
static int main_start(struct program *program, char *error, size_t error_size)
{
	char listening[LOG_LINE_MAX / 2];

	program->status = MAIN_EXIT_FAILURE;
	error[0] = '\0';
	if (program->config->listen_url.scheme != URL_NONE) {
		program->listener =
			listener_new(&program->loop, &program->route, error, error_size);
		if (program->listener == NULL)
			return -1;
		listener_describe(program->listener, listening, sizeof listening);
	}
	if (main_start_admin(program, error, error_size) != 0)
		return -1;
	telemetry_introduce(program->config, program->listener != NULL ? listening : NULL);
	if (program->listener == NULL && life_stdio(&program->loop, &program->route) == NULL) {
		return -1; /* it has been logged */
	}
	main_enter_sandbox(program); /* before there is a second thread */
	if (main_start_exporter(program, error, error_size) != 0 ||
		main_start_meter(program, error, error_size) != 0 ||
		main_tell_service(program, error, error_size) != 0)
		return -1;
	program->status = EXIT_SUCCESS;
	program->started = true;
	loop_trim(&program->loop); /* the settings' files have been read and are gone */
	return 0;
}

static void main_run(struct program *program)
{
	if (event_base_dispatch(program->base) != 0) { /* it ends by loopbreak */
		log_line(LOG_ERROR, "the event loop has failed: %s", strerror(errno));
		program->status = MAIN_EXIT_FAILURE;
	}
	if (program->config->listen_url.scheme == URL_NONE &&
		program->loop.counters.connections_failed > 0 && program->status == EXIT_SUCCESS)
		program->status = MAIN_EXIT_FAILURE; /* whatever the command has made of it */
}

static void main_tear_down(struct program *program)
{
	size_t i;

	listener_free(program->listener);
	admin_free(program->admin);
	loop_end(&program->loop);
	tls_context_free(program->route.client_tls);
	tls_context_free(program->route.backend_tls);
	children_free(program->children);
	log_end();
	if (program->meter != NULL)
		meter_flush(program->meter);
	if (program->started)
		telemetry_report(&program->loop, program->exporter);
	meter_free(program->meter);
	resolver_free(program->route.resolver);
	loop_done(&program->loop);
	exporter_free(program->exporter);
	recorder_free(program->recorder);
	tracer_free(program->tracer);
	measures_free(program->measures);
	for (i = 0; i < MAIN_SIGNALS; i++) {
		if (program->on_signal[i] == NULL)
			continue;
		event_free(program->on_signal[i]);
		(void)signal(main_signals[i].number, SIG_IGN); /* the exit status is decided */
	}
	if (program->drain != NULL)
		event_free(program->drain);
	if (program->seal != NULL)
		event_free(program->seal);
	if (program->watchdog != NULL)
		event_free(program->watchdog);
	if (program->base != NULL)
		event_base_free(program->base);
	reload_done(&program->reload);
	config_free(program->config);
	free(program->notes);
}

static int main_explain(const struct config *config, char *error, size_t error_size)
{
	enum explain_outcome outcome;

	log_level_set(LOG_ERROR); /* what else would be logged is a note below its message */
	log_style_set(LOG_PLAIN);
	outcome = explain_file(config, error, error_size);
	if (outcome == EXPLAIN_DONE)
		return EXIT_SUCCESS;
	log_line(LOG_ERROR, "%s", error);
	return outcome == EXPLAIN_WRONG ? MAIN_EXIT_USAGE : MAIN_EXIT_FAILURE;
}

static int main_replay(const struct config *config, char *error, size_t error_size)
{
	struct replay_counters counters;
	enum replay_outcome outcome;

	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal: cannot fail */
	outcome = replay_file(config, stdin, STDOUT_FILENO, &counters, error, error_size);
	if (outcome != REPLAY_DONE) {
		log_line(LOG_ERROR, "%s", error);
		return outcome == REPLAY_WRONG ? MAIN_EXIT_USAGE : MAIN_EXIT_FAILURE;
	}
	log_line(LOG_INFO, "replay: messages=%zu played=%zu unexpected=%zu", counters.recorded,
		counters.played, counters.unexpected);
	return EXIT_SUCCESS;
}

/* From the settings to the end. The exit status. */
static int main_serve(void *arg)
{
	struct program *program = arg;
	char error[CONFIG_ERROR_SIZE];

	if (program->config->listen_url.scheme != URL_NONE) /* else it is for the COMMAND */
		service_take();
	if (main_set_up(program, program->arguments, error, sizeof error) != 0) {
		log_line(LOG_ERROR, "%s", error);
		program->status = MAIN_EXIT_FAILURE;
	} else if (main_start(program, error, sizeof error) == 0) {
		main_run(program);
	} else if (error[0] != '\0') {
		log_line(LOG_ERROR, "%s", error);
	}
	main_tear_down(program);
	return program->status;
}

static int main_doctor(struct program *program)
{
	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal: cannot fail */
	return doctor_examine(program->config, program->notes, main_serve, program)
		       ? EXIT_SUCCESS
		       : MAIN_EXIT_FAILURE;
}

static int main_probe(const struct config *config)
{
	char answer[CONFIG_ERROR_SIZE], shown[CONFIG_ERROR_SIZE];
	bool ready = ready_ask(config, answer, sizeof answer);

	log_line(ready ? LOG_INFO : LOG_ERROR, "%s",
		log_escape(shown, sizeof shown, answer, strlen(answer)));
	return ready ? EXIT_SUCCESS : MAIN_EXIT_FAILURE;
}

/* Whoever started us may have closed stdin, stdout or stderr: no other file may get their place. */
static int main_fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd >= 0 ? close(fd) : -1;
}

/* What is no proxy: the first argument says so, which else begins with a dash. */
static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} main_commands[] = {{"top", top_main}};

int main(int argc, char **argv, char **environment)
{
	struct program program = {.arguments = argv, .status = EXIT_SUCCESS};
	char error[CONFIG_ERROR_SIZE];
	size_t i;

	main_set_heap();
	if (main_fill_stdio() != 0)
		return MAIN_EXIT_FAILURE; /* nobody could be told */
	if (inherit_note() != 0) {
		log_line(LOG_ERROR, "cannot list the open descriptors: %s", strerror(errno));
		return MAIN_EXIT_FAILURE;
	}
	log_open();
	for (i = 0; argc > 1 && i < sizeof main_commands / sizeof *main_commands; i++)
		if (strcmp(argv[1], main_commands[i].name) == 0)
			return main_commands[i].run(argc, argv);

	switch (main_load(&program, argc, argv, environment, error)) {
	case CONFIG_DONE:
		return EXIT_SUCCESS;
	case CONFIG_WRONG:
		log_line(LOG_ERROR, "%s", error);
		return MAIN_EXIT_USAGE;
	case CONFIG_RUN:
		break;
	}
	reload_log(program.config);
	if (program.config->explain != NULL) {
		program.status = main_explain(program.config, error, sizeof error);
		config_free(program.config);
		return program.status;
	}
	if (program.config->replay != NULL) {
		program.status = main_replay(program.config, error, sizeof error);
		config_free(program.config);
		return program.status;
	}
	if (program.config->doctor || program.config->probe) {
		program.status =
			program.config->doctor ? main_doctor(&program) : main_probe(program.config);
		config_free(program.config);
		free(program.notes);
		return program.status;
	}
	if (reload_init(&program.reload, argc, argv, environment) != 0) {
		log_line(LOG_ERROR, "out of memory");
		reload_done(&program.reload);
		config_free(program.config);
		return MAIN_EXIT_FAILURE;
	}
	return main_serve(&program);
}
