/*
 * sidespan top; see top.h. A round asks for what runs and for the numbers, one after the other,
 * then shows both and, on a terminal, waits a second. What fails in the first round is the end;
 * later it is told of above what was shown last, until it works again. Keys are looked at between
 * events, once there is something to see. The terminal is left as it was found.
 */
#include "proxy/top/top.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "config/consistency.h"
#include "config/secret.h"
#include "config/token.h"
#include "config/url.h"
#include "exporter/text.h"
#include "proxy/address.h"
#include "proxy/log.h"
#include "proxy/top/board.h"
#include "proxy/top/query.h"
#include "proxy/top/report.h"

enum { TOP_FAILED = 1, TOP_USAGE = 2 };

#define TOP_CTRL_D 0x04

/* The other screen, without a cursor; and back. */
#define TOP_ENTER "\x1b[?1049h\x1b[?25l"
#define TOP_LEAVE "\x1b[?25h\x1b[?1049l"

static const char top_usage[] =
	"usage: sidespan top [--once] [--token-file FILE] URL|SOCKET\n"
	"\n"
	"Lists what a running sidespan does now, oldest first: requests, turns, tools, waits.\n"
	"URL is what its admin.listen says, http://HOST:PORT or unix:///PATH; SOCKET a path.\n"
	"\n"
	"  --once             Print it once, as where input and output are not both terminals\n"
	"  --token-file FILE  The token that it asks for, as in its listen.token_file\n"
	"  --help, -h         Print this text\n"
	"\n"
	"On a terminal it is shown anew each second; q ends that.\n";

static const char *const top_paths[] = {"/open", "/stats"};

static const int top_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP};

enum { TOP_SIGNALS = sizeof top_signals / sizeof *top_signals };

struct top {
	const char *where; /* borrowed; as it was called */
	bool is_live;
	bool has_shown;
	bool has_entered; /* the terminal is ours */
	bool is_over;
	int status;
	struct address addresses[ADDRESS_LIST_MAX];
	struct query_target target;
	char host[URL_AUTHORITY_SIZE];
	char token[SECRET_SIZE_MAX + 2];      /* as large as the file may be, and one byte more */
	struct event_base *base;              /* owned */
	struct query *query;                  /* owned; of this round */
	size_t path;                          /* that it asks for */
	struct event *pause;                  /* owned; to the next round */
	struct event *key;                    /* owned */
	struct event *on_signal[TOP_SIGNALS]; /* owned */
	struct report report;
	char why[QUERY_WHY_SIZE]; /* the last round failed; "": it did not */
	bool has_terminal;        /* of which this is how it was found */
	struct termios found;
};

/* ---- the terminal ---- */

static void top_write(const char *bytes, size_t size)
{
	(void)fwrite(bytes, 1, size, stdout); /* nobody is told that nobody reads */
	(void)fflush(stdout);
}

static void top_enter(struct top *top)
{
	struct termios raw;

	if (!top->is_live || top->has_entered)
		return;
	top->has_entered = true;
	top->has_terminal = tcgetattr(STDIN_FILENO, &top->found) == 0;
	if (top->has_terminal) {
		raw = top->found;
		raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		raw.c_lflag |= NOFLSH; /* keys that end it do not take away how we leave */
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw); /* else keys come line by line */
	}
	top_write(TOP_ENTER, strlen(TOP_ENTER));
}

static void top_leave(struct top *top)
{
	if (!top->has_entered)
		return;
	top->has_entered = false;
	top_write(TOP_LEAVE, strlen(TOP_LEAVE));
	if (top->has_terminal)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &top->found); /* as above */
}

/* The first end counts. What is told of it from now on stays on the terminal. */
static void top_end(struct top *top, int status)
{
	if (top->is_over)
		return;
	top_leave(top);
	top->is_over = true;
	top->status = status;
	(void)event_base_loopbreak(top->base); /* always succeeds */
}

/* ---- showing ---- */

/* Each line over what was there, and nothing below the last one. */
static void top_append_screen(struct text *out, const char *lines, size_t size)
{
	size_t line;

	assert(size == 0 || lines[size - 1] == '\n');
	TEXT_APPEND(out, "\x1b[H");
	for (; size > 0; lines += line + 1, size -= line + 1) {
		line = strcspn(lines, "\n"); /* each has one */
		text_append(out, lines, line);
		TEXT_APPEND(out, "\x1b[K");
		if (size > line + 1)
			TEXT_APPEND(out, "\r\n");
	}
	TEXT_APPEND(out, "\x1b[J");
}

static void top_show(struct top *top)
{
	struct board_style style = {
		.color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL,
		.note = top->why[0] != '\0' ? top->why : NULL,
	};
	struct winsize size;
	struct text lines, screen;

	text_init(&lines, TEXT_UNLIMITED);
	text_init(&screen, TEXT_UNLIMITED);
	if (top->is_live && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
		style.width = size.ws_col;
		style.height = size.ws_row;
	}
	if (board_draw(&lines, &top->report, &style) != 0) {
		top_end(top, TOP_FAILED);
		log_line(LOG_ERROR, "out of memory");
	} else if (top->is_live) {
		top_append_screen(&screen, lines.bytes, lines.size);
		top_write(screen.bytes, screen.size);
	} else {
		top_write(lines.bytes, lines.size);
	}
	text_done(&screen);
	text_done(&lines);
	top->has_shown = true;
}

/* ---- asking ---- */

static void top_on_answer(void *arg, const char *body, size_t size, const char *why);

static void top_ask(struct top *top)
{
	assert(!top->is_over && top->path < sizeof top_paths / sizeof *top_paths);
	query_free(top->query);
	top->query = query_new(top->base, &top->target, top_paths[top->path], top_on_answer, top);
	if (top->query == NULL) {
		top_end(top, TOP_FAILED);
		log_line(LOG_ERROR, "out of memory");
	}
}

static void top_on_pause(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	top_ask(arg);
}

static void top_pause(struct top *top, time_t seconds)
{
	const struct timeval wait = {.tv_sec = seconds};

	if (evtimer_add(top->pause, &wait) != 0)
		top_end(top, TOP_FAILED); /* UNTESTED: libevent's memory */
}

static void top_end_round(struct top *top)
{
	top->path = 0;
	top_enter(top);
	top_show(top);
	if (!top->is_live || event_add(top->key, NULL) != 0) /* nobody could end it */
		top_end(top, EXIT_SUCCESS);
	else
		top_pause(top, 1);
}

/* What runs is what it is about: it is shown without the numbers as well. */
static void top_on_answer(void *arg, const char *body, size_t size, const char *why)
{
	struct top *top = arg;
	int failed = body == NULL;

	if (top->path > 0) {
		if (failed || report_read_stats(&top->report, body, size, &why) != 0)
			top->report.has_stats = false;
		top_end_round(top);
		return;
	}
	if (!failed)
		failed = report_read_open(&top->report, body, size, &why);
	top->why[0] = '\0';
	if (failed == 0) {
		top->path++;
		top_pause(top, 0); /* a query is not freed from within */
	} else if (top->has_shown) {
		(void)snprintf(top->why, sizeof top->why, "%s", why); /* of that size at most */
		top_end_round(top);
	} else {
		log_line(LOG_ERROR, "top: %s: %s", top->where, why);
		top_end(top, TOP_FAILED);
	}
}

/* ---- who looks ---- */

static void top_on_key(int fd, short what, void *arg)
{
	char keys[64];
	ssize_t count = read(fd, keys, sizeof keys), i;

	(void)what;
	if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
		top_end(arg, EXIT_SUCCESS);
	for (i = 0; i < count; i++)
		if (keys[i] == 'q' || keys[i] == 'Q' || keys[i] == TOP_CTRL_D)
			top_end(arg, EXIT_SUCCESS);
}

static void top_on_signal(int number, short what, void *arg)
{
	struct top *top = arg;

	(void)what;
	switch (number) {
	case SIGTSTP:
		top_leave(top);
		(void)raise(SIGSTOP); /* cannot fail; back when we are continued */
		if (top->has_shown)
			top_enter(top);
		break;
	case SIGWINCH:
		break;
	default:
		top_end(top, EXIT_SUCCESS);
		return;
	}
	if (top->has_shown)
		top_show(top);
}

/* ---- the arguments ---- */

/* Nothing else gets into a request's head. */
static int top_read_token(struct top *top, const char *path)
{
	FILE *file = fopen(path, "re");
	const char *reason;

	if (file == NULL) {
		log_line(LOG_ERROR, "top: --token-file: %s: %s", path, strerror(errno));
		return -1;
	}
	reason = secret_read_stream(file, top->token);
	(void)fclose(file); /* it was only read */
	if (reason == NULL)
		reason = token_trim(top->token);
	if (reason != NULL) {
		log_line(LOG_ERROR, "top: --token-file: %s: %s; " TOKEN_WANTED, path, reason);
		return -1;
	}
	top->target.token = top->token;
	return 0;
}

/* What was written as URL, HOST:PORT or SOCKET. 0, or -1 with a short text in *reason (static). */
static int top_parse_where(struct url *url, const char *where, const char **reason)
{
	char text[URL_HOST_MAX + 32];
	const char *wrong; /* not what is told: it knows more kinds of URLs */

	*url = (struct url){.scheme = URL_UNIX};
	*reason = "must be http://HOST:PORT, unix:///PATH or the path of a socket";
	if (strstr(where, "://") != NULL)
		return url_parse(url, where, &wrong) == 0 && consistency_may_serve(url) ? 0 : -1;
	if (strchr(where, '/') == NULL && strchr(where, ':') != NULL) {
		(void)snprintf(text, sizeof text, "http://%s", where); /* cut, it is too long */
		return url_parse(url, text, reason);
	}
	if (where[0] == '\0' || strlen(where) > URL_UNIX_MAX)
		return -1;
	memcpy(url->path, where, strlen(where) + 1);
	return 0;
}

/* Whom to ask. As top_read_arguments(). */
static int top_find(struct top *top)
{
	char error[QUERY_WHY_SIZE];
	const char *reason;
	struct url url;

	if (top_parse_where(&url, top->where, &reason) != 0) {
		log_line(LOG_ERROR, "top: %s: %s", top->where, reason);
		return TOP_USAGE;
	}
	top->target.address_count =
		address_resolve(top->addresses, ADDRESS_LIST_MAX, &url, error, sizeof error);
	if (top->target.address_count == 0) {
		log_line(LOG_ERROR, "top: %s", error);
		return TOP_FAILED;
	}
	url_authority(top->host, &url);
	top->target.addresses = top->addresses;
	top->target.host = top->host;
	return -1;
}

/* Fills top->where, and the token if there is one. -1: go on; else the status to exit with. */
static int top_read_arguments(struct top *top, int argc, char **argv)
{
	int i;

	top->is_live = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	for (i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			top_write(top_usage, strlen(top_usage));
			return EXIT_SUCCESS;
		}
		if (strcmp(argv[i], "--once") == 0) {
			top->is_live = false;
		} else if (strcmp(argv[i], "--token-file") == 0 && i + 1 < argc) {
			if (top_read_token(top, argv[++i]) != 0)
				return TOP_USAGE;
		} else if (argv[i][0] == '-' || top->where != NULL) {
			log_line(LOG_ERROR, "top: %s: %s", argv[i],
				strcmp(argv[i], "--token-file") == 0 ? "must be followed by a FILE"
				: argv[i][0] == '-' ? "no such option; see sidespan top --help"
						    : "a second one; must be one URL or SOCKET");
			return TOP_USAGE;
		} else {
			top->where = argv[i];
		}
	}
	if (top->where != NULL)
		return -1;
	log_line(LOG_ERROR, "top: must be followed by what admin.listen of a running sidespan is: "
			    "sidespan top URL|SOCKET");
	return TOP_USAGE;
}

/* ---- its life ---- */

static int top_set_up(struct top *top)
{
	size_t i;

	(void)signal(SIGPIPE, SIG_IGN); /* a valid signal: cannot fail */
	top->base = event_base_new();
	if (top->base == NULL)
		return -1;
	top->pause = evtimer_new(top->base, top_on_pause, top);
	top->key = event_new(top->base, STDIN_FILENO, EV_READ | EV_PERSIST, top_on_key, top);
	if (top->pause == NULL || top->key == NULL)
		return -1;
	for (i = 0; i < TOP_SIGNALS && top->is_live; i++) {
		top->on_signal[i] = evsignal_new(top->base, top_signals[i], top_on_signal, top);
		if (top->on_signal[i] == NULL || event_add(top->on_signal[i], NULL) != 0)
			return -1;
	}
	return 0;
}

static void top_tear_down(struct top *top)
{
	size_t i;

	query_free(top->query);
	for (i = 0; i < TOP_SIGNALS; i++)
		if (top->on_signal[i] != NULL)
			event_free(top->on_signal[i]);
	if (top->key != NULL)
		event_free(top->key);
	if (top->pause != NULL)
		event_free(top->pause);
	if (top->base != NULL)
		event_base_free(top->base);
	report_done(&top->report);
}

int top_main(int argc, char **argv)
{
	struct top top = {.status = TOP_FAILED};
	int wrong = top_read_arguments(&top, argc, argv);

	if (wrong < 0)
		wrong = top_find(&top);
	if (wrong >= 0)
		return wrong;
	if (top_set_up(&top) != 0) {
		log_line(LOG_ERROR, "the event loop cannot be set up: %s", strerror(errno));
	} else {
		top_ask(&top);
		if (!top.is_over)
			(void)event_base_dispatch(top.base); /* it ends by loopbreak */
	}
	top_tear_down(&top);
	return top.status;
}
