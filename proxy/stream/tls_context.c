/*
 * What TLS connections share; see tls.h. A context is made anew when one of its files has changed:
 * those who have the old one keep it alive until they end.
 */
#include "proxy/stream/tls_context.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* For TLS 1.2; what 1.3 has is all good. Forward secrecy, and integrity with the encryption. */
#define TLS_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* How a file looked when it was read. */
struct tls_stamp {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

struct tls_context {
	struct tls_settings settings;
	SSL_CTX *shared; /* owned, one reference */
	struct tls_stamp stamps[CERTIFICATES_FILES];
};

/*
 * ALPN's form: each behind its size. What we ask a server for comes first, and is all we ask for.
 */
static const unsigned char tls_http[] = "\x08http/1.1\x08http/1.0";

#define TLS_HTTP_ASKED (sizeof "\x08http/1.1" - 1)

static int tls_choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_size,
	const unsigned char *offered, unsigned offered_size, void *arg)
{
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, out_size, tls_http, sizeof tls_http - 1, offered,
		    offered_size) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; /* HTTP/2 and nothing else */
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int tls_set_server(SSL_CTX *shared, const struct tls_settings *settings)
{
	static const unsigned char name[] = "sidespan";
	const char *root = settings->paths[CERTIFICATES_ROOT];
	STACK_OF(X509_NAME) * names;

	if (settings->is_http)
		SSL_CTX_set_alpn_select_cb(shared, tls_choose_protocol, NULL);
	if (root == NULL)
		return 0;
	SSL_CTX_set_verify(shared, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	names = SSL_load_client_CA_file(root);
	if (names == NULL)
		return -1;
	SSL_CTX_set_client_CA_list(shared, names); /* takes them */
	/* a resumed session counts only where its client was asked */
	return SSL_CTX_set_session_id_context(shared, name, sizeof name - 1) == 1 ? 0 : -1;
}

static bool tls_is_address(const char *name)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static int tls_set_client(SSL_CTX *shared, const struct tls_settings *settings)
{
	X509_VERIFY_PARAM *wanted = SSL_CTX_get0_param(shared);

	assert(settings->name != NULL);
	SSL_CTX_set_verify(shared, SSL_VERIFY_PEER, NULL);
	if (settings->is_http && SSL_CTX_set_alpn_protos(shared, tls_http, TLS_HTTP_ASKED) != 0)
		return -1;
	if (settings->paths[CERTIFICATES_ROOT] == NULL &&
		SSL_CTX_set_default_verify_paths(shared) != 1)
		return -1;
	if (tls_is_address(settings->name))
		return X509_VERIFY_PARAM_set1_ip_asc(wanted, settings->name) == 1 ? 0 : -1;
	X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return X509_VERIFY_PARAM_set1_host(wanted, settings->name, 0) == 1 ? 0 : -1;
}

/*
 * OpenSSL reads what a root may be used for when it is first met, and remembers if that failed:
 * without memory at that moment a good one would be none for all later connections. So now.
 */
static void tls_meet_roots(SSL_CTX *shared)
{
	STACK_OF(X509_OBJECT) *known = X509_STORE_get0_objects(SSL_CTX_get_cert_store(shared));
	X509 *root;
	int i;

	for (i = 0; i < sk_X509_OBJECT_num(known); i++) {
		root = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(known, i));
		if (root != NULL)
			(void)X509_check_purpose(root, -1, 0); /* whatever it is good for */
	}
}

static SSL_CTX *tls_make(const struct tls_settings *settings, char *error, size_t error_size)
{
	SSL_CTX *shared =
		SSL_CTX_new(settings->is_server ? TLS_server_method() : TLS_client_method());
	enum certificates_file wrong = CERTIFICATES_OWN;
	const char *reason;

	(void)snprintf(error, error_size, "TLS cannot be set up: out of memory");
	if (shared == NULL)
		return NULL;
	(void)SSL_CTX_set_options(
		shared, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
				SSL_OP_CIPHER_SERVER_PREFERENCE); /* gives what is set now */
	(void)SSL_CTX_set_mode(shared, SSL_MODE_ENABLE_PARTIAL_WRITE |
					       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					       SSL_MODE_RELEASE_BUFFERS); /* the same */
	if (SSL_CTX_set_min_proto_version(shared, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(shared, TLS_CIPHERS) != 1)
		goto fail;
	reason = certificates_load(shared, settings->paths, &wrong);
	if (reason != NULL) {
		(void)snprintf(error, error_size, "%s: %s", settings->paths[wrong], reason);
		goto fail;
	}
	if ((settings->is_server ? tls_set_server : tls_set_client)(shared, settings) == 0) {
		tls_meet_roots(shared);
		return shared;
	}
fail:
	SSL_CTX_free(shared);
	ERR_clear_error();
	return NULL;
}

/* ---- renewal ---- */

/* Whether one of the files is not as it was; notes how they are. */
static bool tls_look(struct tls_context *context)
{
	bool changed = false;
	size_t i;

	for (i = 0; i < CERTIFICATES_FILES; i++) {
		const char *path = context->settings.paths[i];
		struct tls_stamp *old = &context->stamps[i], now = {0};
		struct stat found;

		if (path == NULL || stat(path, &found) != 0)
			continue; /* gone: it may come back in a moment */
		now.device = found.st_dev;
		now.inode = found.st_ino;
		now.size = found.st_size;
		now.changed = found.st_mtim;
		changed |= now.device != old->device || now.inode != old->inode ||
			   now.size != old->size || now.changed.tv_sec != old->changed.tv_sec ||
			   now.changed.tv_nsec != old->changed.tv_nsec;
		*old = now;
	}
	return changed;
}

int tls_context_renew(struct tls_context *context, char *error, size_t error_size)
{
	SSL_CTX *shared;

	if (!tls_look(context))
		return 0;
	shared = tls_make(&context->settings, error, error_size);
	if (shared == NULL)
		return -1;
	SSL_CTX_free(context->shared);
	context->shared = shared;
	return 1;
}

/* ---- life ---- */

struct tls_context *tls_context_new(
	const struct tls_settings *settings, char *error, size_t error_size)
{
	struct tls_context *context = calloc(1, sizeof *context);

	(void)snprintf(error, error_size, "TLS cannot be set up: out of memory");
	if (context == NULL)
		return NULL;
	context->settings = *settings;
	(void)tls_look(context);
	context->shared = tls_make(settings, error, error_size);
	if (context->shared != NULL)
		return context;
	free(context);
	return NULL;
}

void tls_context_free(struct tls_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->shared);
	free(context);
}

struct ssl_st *tls_context_open(struct tls_context *context, int fd)
{
	const struct tls_settings *settings = &context->settings;
	SSL *ssl = SSL_new(context->shared);
	char name[TLSEXT_MAXLEN_host_name + 1]; /* OpenSSL wants one that it could write to */

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
		goto fail;
	if (settings->is_server) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_set_connect_state(ssl);
	(void)snprintf(name, sizeof name, "%s", settings->name); /* fits: a host is bounded */
	if (tls_is_address(name) || SSL_set_tlsext_host_name(ssl, name) == 1)
		return ssl;
fail:
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}
