/*
 * One POST after the other over one kept connection, by libcurl; no other file knows it. A request
 * runs in the multi interface: each step does what can be done, and whoever calls may give it up.
 * Redirects are answers like others. What can fail becomes a sender_result; nothing of a header or
 * of the URL's user part is ever in an error text.
 */
#include "exporter/otlp/sender.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

#include "exporter/exporter.h"

/* A wait is no longer, in case a sender_wake() fails. */
static const int64_t sender_wait_ms_max = 1000;
/* An answer's memory is kept for the next up to this. */
static const size_t sender_keep_bytes = 65536;
/* A longer copy is one of the C library's for large memory. */
static const size_t sender_copy_bytes = 2048;

struct sender {
	CURLM *multi; /* owned */
	CURL *easy;   /* owned; in multi while it is posting only */
	bool posting;
	struct sender_body body; /* borrowed while it is posted */
	size_t body_sent;
	struct curl_slist *headers[2][2]; /* owned; by protobuf, gzipped */
	bool curl_is_up;
	size_t response_bytes_max;
	bool response_is_too_large;
	CURLcode code; /* how the request ended, when it is not posting */
	struct sender_answer answer;
	char error[CURL_ERROR_SIZE];
};

/*
 * What a failed request means; codes not listed are SENDER_UNREACHABLE: trying again is harmless.
 */
static const struct {
	CURLcode code;
	enum sender_result result;
} sender_results[] = {
	{CURLE_OK, SENDER_ANSWERED},
	{CURLE_OUT_OF_MEMORY, SENDER_NO_MEMORY},
	{CURLE_UNSUPPORTED_PROTOCOL, SENDER_UNUSABLE},
	{CURLE_URL_MALFORMAT, SENDER_UNUSABLE},
	{CURLE_WEIRD_SERVER_REPLY, SENDER_UNUSABLE},
	{CURLE_SSL_CERTPROBLEM, SENDER_UNUSABLE},
	{CURLE_SSL_CACERT_BADFILE, SENDER_UNUSABLE},
	{CURLE_PEER_FAILED_VERIFICATION, SENDER_UNUSABLE},
	{CURLE_SSL_ISSUER_ERROR, SENDER_UNUSABLE},
	{CURLE_SSL_CIPHER, SENDER_UNUSABLE},
	{CURLE_SSL_ENGINE_NOTFOUND, SENDER_UNUSABLE},
	{CURLE_BAD_CONTENT_ENCODING, SENDER_UNUSABLE},
	{CURLE_BAD_FUNCTION_ARGUMENT, SENDER_UNUSABLE},
};

static enum sender_result sender_judge(CURLcode code)
{
	size_t i;

	for (i = 0; i < sizeof sender_results / sizeof *sender_results; i++)
		if (sender_results[i].code == code)
			return sender_results[i].result;
	return SENDER_UNREACHABLE;
}

/*
 * CURLOPT_READFUNCTION: the next part of what is posted. libcurl would copy it as well, by 64 KiB,
 * for which the C library takes an instruction that repeats itself, as compilers do for a memcpy()
 * that is short. In short moves it takes 7 % less time, and 100 steps a span instead of 930.
 */
static size_t sender_on_read(char *to, size_t one, size_t size, void *arg)
{
	struct sender *sender = arg;
	const char *from = sender->body.bytes + sender->body_sent;
	size_t left = sender->body.size - sender->body_sent, taken = left < size ? left : size;
	size_t at, part;

	(void)one; /* is always 1 */
	for (at = 0; at < taken; at += part) {
		part = taken - at < sender_copy_bytes ? taken - at : sender_copy_bytes;
		memmove(to + at, from + at, part);
	}
	sender->body_sent += taken;
	return taken;
}

/* CURLOPT_SEEKFUNCTION: a kept connection has died, and all is posted again over another one. */
static int sender_on_seek(void *arg, curl_off_t offset, int origin)
{
	struct sender *sender = arg;

	if (origin != SEEK_SET || offset < 0 || (uint64_t)offset > sender->body.size)
		return CURL_SEEKFUNC_FAIL;
	sender->body_sent = (size_t)offset;
	return CURL_SEEKFUNC_OK;
}

/* CURLOPT_WRITEFUNCTION: the body, already decompressed. */
static size_t sender_on_body(char *bytes, size_t one, size_t size, void *arg)
{
	struct sender *sender = arg;
	struct text *body = &sender->answer.body;

	(void)one; /* is always 1 */
	if (size > sender->response_bytes_max - body->size) {
		sender->response_is_too_large = true;
		return 0;
	}
	text_append(body, bytes, size);
	return body->error == TEXT_OK ? size : 0;
}

static bool sender_is_blank(char byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Takes what stands behind the colon, unless it is too long to be what it should be. */
static void sender_take_field(char value[SENDER_FIELD_SIZE], const char *text, size_t size)
{
	while (size > 0 && sender_is_blank(text[0]))
		text++, size--;
	while (size > 0 && sender_is_blank(text[size - 1]))
		size--;
	if (size >= SENDER_FIELD_SIZE)
		return;
	memcpy(value, text, size);
	value[size] = '\0';
}

/* CURLOPT_HEADERFUNCTION: one line of the head. */
static size_t sender_on_header(char *line, size_t one, size_t size, void *arg)
{
	static const char retry_after[] = "retry-after:", date[] = "date:";
	const size_t retry_size = sizeof retry_after - 1, date_size = sizeof date - 1;
	struct sender *sender = arg;

	(void)one;                                      /* is always 1 */
	if (size >= 5 && memcmp(line, "HTTP/", 5) == 0) /* what came before was an interim answer */
		sender->answer.retry_after[0] = sender->answer.date[0] = '\0';
	if (size >= retry_size && strncasecmp(line, retry_after, retry_size) == 0)
		sender_take_field(sender->answer.retry_after, line + retry_size, size - retry_size);
	else if (size >= date_size && strncasecmp(line, date, date_size) == 0)
		sender_take_field(sender->answer.date, line + date_size, size - date_size);
	return size;
}

static int sender_header_add(struct curl_slist **list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(*list, line);

	if (longer == NULL)
		return -1;
	*list = longer;
	return 0;
}

static int sender_header_add_pair(struct curl_slist **list, const struct exporter_header *header)
{
	/* libcurl wants a header without a value to end in a semicolon */
	bool empty = header->value[0] == '\0';
	size_t size = strlen(header->name) + strlen(header->value) + 3;
	char *line = malloc(size);
	int result = -1;

	if (line == NULL)
		return -1;
	(void)snprintf(line, size, "%s%s%s", header->name, empty ? ";" : ": ", header->value);
	result = sender_header_add(list, line);
	free(line);
	return result;
}

static int sender_headers_build(
	struct curl_slist **list, const struct exporter_config *config, bool protobuf, bool gzipped)
{
	size_t i;

	if (sender_header_add(list, protobuf ? "Content-Type: application/x-protobuf"
					     : "Content-Type: application/json") != 0 ||
		sender_header_add(list, "Expect:") != 0)
		return -1;
	if (gzipped && sender_header_add(list, "Content-Encoding: gzip") != 0)
		return -1;
	for (i = 0; i < config->header_count; i++)
		if (sender_header_add_pair(list, &config->headers[i]) != 0)
			return -1;
	return 0;
}

#define SENDER_SET(sender, option, value) curl_easy_setopt((sender)->easy, (option), (value))

static CURLcode sender_restrict_protocols(struct sender *sender)
{
#if LIBCURL_VERSION_NUM >= 0x075500
	return SENDER_SET(sender, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	return SENDER_SET(sender, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

/* Without it, giving up on a slow name server would wait for that name server. */
static CURLcode sender_quit_quickly(struct sender *sender)
{
#if LIBCURL_VERSION_NUM >= 0x075700
	return SENDER_SET(sender, CURLOPT_QUICK_EXIT, 1L);
#else
	(void)sender;
	return CURLE_OK;
#endif
}

/* Only when given: NULL would take away libcurl's own default. */
static CURLcode sender_set_authority(struct sender *sender, const char *certificate)
{
	return certificate == NULL ? CURLE_OK : SENDER_SET(sender, CURLOPT_CAINFO, certificate);
}

static bool sender_set_connection(struct sender *sender, const struct exporter_config *config)
{
	return SENDER_SET(sender, CURLOPT_URL, config->endpoint) == CURLE_OK &&
	       sender_restrict_protocols(sender) == CURLE_OK &&
	       sender_quit_quickly(sender) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) == CURLE_OK &&
	       sender_set_authority(sender, config->certificate) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_SSLKEY, config->client_key) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_SSLCERT, config->client_certificate) == CURLE_OK;
}

static bool sender_set_request(struct sender *sender, const struct exporter_config *config)
{
	return SENDER_SET(sender, CURLOPT_POST, 1L) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_USERAGENT, config->user_agent) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_ACCEPT_ENCODING, "gzip") == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_ERRORBUFFER, sender->error) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_READFUNCTION, sender_on_read) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_READDATA, sender) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_SEEKFUNCTION, sender_on_seek) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_SEEKDATA, sender) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_WRITEFUNCTION, sender_on_body) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_WRITEDATA, sender) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_HEADERFUNCTION, sender_on_header) == CURLE_OK &&
	       SENDER_SET(sender, CURLOPT_HEADERDATA, sender) == CURLE_OK;
}

/* A new sender may be made while another thread frees the one before: libcurl may not like that. */
static pthread_mutex_t sender_curl_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool sender_curl_begin(void)
{
	bool is_up;

	(void)pthread_mutex_lock(&sender_curl_mutex); /* a plain one: cannot fail */
	is_up = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	(void)pthread_mutex_unlock(&sender_curl_mutex);
	return is_up;
}

static void sender_curl_end(void)
{
	(void)pthread_mutex_lock(&sender_curl_mutex); /* a plain one: cannot fail */
	curl_global_cleanup();
	(void)pthread_mutex_unlock(&sender_curl_mutex);
}

static int sender_setup(struct sender *sender, const struct exporter_config *config)
{
	unsigned i;

	sender->curl_is_up = sender_curl_begin();
	if (!sender->curl_is_up)
		return -1;
	sender->easy = curl_easy_init();
	sender->multi = curl_multi_init();
	if (sender->easy == NULL || sender->multi == NULL)
		return -1;
	for (i = 0; i < 4; i++)
		if (sender_headers_build(&sender->headers[i / 2][i % 2], config, i / 2, i % 2) != 0)
			return -1;
	if (!sender_set_connection(sender, config) || !sender_set_request(sender, config))
		return -1;
	return 0;
}

struct sender *sender_new(const struct exporter_config *config, char *error, size_t error_size)
{
	struct sender *sender = calloc(1, sizeof *sender);

	if (sender == NULL)
		goto fail;
	sender->response_bytes_max = config->response_bytes_max;
	text_init(&sender->answer.body, config->response_bytes_max);
	if (sender_setup(sender, config) == 0)
		return sender;
fail:
	(void)snprintf(error, error_size, "cannot set up the HTTP client"); /* may be cut */
	sender_free(sender);
	return NULL;
}

void sender_free(struct sender *sender)
{
	unsigned i;

	if (sender == NULL)
		return;
	sender_cancel(sender);
	curl_easy_cleanup(sender->easy);
	if (sender->multi != NULL)
		(void)curl_multi_cleanup(sender->multi); /* nothing is in it */
	for (i = 0; i < 4; i++)
		curl_slist_free_all(sender->headers[i / 2][i % 2]);
	text_done(&sender->answer.body);
	if (sender->curl_is_up)
		sender_curl_end();
	free(sender);
}

static void sender_answer_reset(struct sender *sender)
{
	struct sender_answer *answer = &sender->answer;

	text_rewind(&answer->body, 0);
	if (answer->body.capacity > sender_keep_bytes)
		text_done(&answer->body);
	answer->status = 0;
	answer->retry_after[0] = answer->date[0] = '\0';
	answer->error[0] = '\0';
	sender->response_is_too_large = false;
	sender->error[0] = '\0';
}

static CURLcode sender_load(struct sender *sender, const struct sender_body *body)
{
	CURLcode code = SENDER_SET(sender, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);

	sender->body = *body;
	sender->body_sent = 0;
	if (code == CURLE_OK)
		code = SENDER_SET(
			sender, CURLOPT_HTTPHEADER, sender->headers[body->protobuf][body->gzipped]);
	return code;
}

/* The request is over: code says how. */
static void sender_end(struct sender *sender, CURLcode code)
{
	if (sender->posting)
		(void)curl_multi_remove_handle(sender->multi, sender->easy); /* it is in there */
	sender->posting = false;
	sender->code = code;
}

static void sender_answer_fill(struct sender *sender)
{
	struct sender_answer *answer = &sender->answer;
	CURLcode code = sender->code;
	const char *text = sender->error[0] != '\0' ? sender->error : curl_easy_strerror(code);
	long status = 0;

	answer->result = sender_judge(code);
	if (sender->response_is_too_large) {
		answer->result = SENDER_TOO_LARGE;
		text = "the answer is longer than response_bytes_max";
	} else if (answer->body.error != TEXT_OK) {
		answer->result = SENDER_NO_MEMORY;
	} else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY) {
		text = "the answer is not HTTP/1.1: a port for gRPC, such as 4317? "
		       "OTLP over HTTP has 4318";
	}
	if (answer->result == SENDER_ANSWERED) {
		(void)curl_easy_getinfo(sender->easy, CURLINFO_RESPONSE_CODE, &status);
		answer->status = (int)status;
	} else {
		(void)snprintf(answer->error, sizeof answer->error, "%s", text); /* may be cut */
	}
}

void sender_begin(struct sender *sender, const struct sender_body *body)
{
	assert(!sender->posting);
	sender_answer_reset(sender);
	sender->answer.protobuf = body->protobuf;
	sender->code = sender_load(sender, body);
	if (sender->code != CURLE_OK)
		return;
	if (curl_multi_add_handle(sender->multi, sender->easy) == CURLM_OK)
		sender->posting = true;
	else
		sender->code = CURLE_OUT_OF_MEMORY;
}

const struct sender_answer *sender_step(struct sender *sender)
{
	CURLMsg *message;
	int running, left;

	if (sender->posting && curl_multi_perform(sender->multi, &running) != CURLM_OK)
		sender_end(sender, CURLE_OUT_OF_MEMORY);
	while (sender->posting && (message = curl_multi_info_read(sender->multi, &left)) != NULL)
		if (message->msg == CURLMSG_DONE)
			sender_end(sender, message->data.result);
	if (sender->posting)
		return NULL;
	sender_answer_fill(sender);
	return &sender->answer;
}

void sender_cancel(struct sender *sender)
{
	sender_end(sender, CURLE_OPERATION_TIMEDOUT);
}

void sender_wait(struct sender *sender, int64_t wait_ms)
{
	int64_t ms = wait_ms < sender_wait_ms_max ? wait_ms : sender_wait_ms_max;

	assert(wait_ms >= 0);
	if (curl_multi_poll(sender->multi, NULL, 0, (int)ms, NULL) != CURLM_OK && sender->posting)
		sender_end(sender, CURLE_OUT_OF_MEMORY);
}

void sender_rest(struct sender *sender)
{
	assert(!sender->posting);
	text_done(&sender->answer.body);
}

void sender_wake(struct sender *sender)
{
	(void)curl_multi_wakeup(sender->multi); /* sender_wait_ms_max will do otherwise */
}
