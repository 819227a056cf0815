/*
 * Files of TLS. OpenSSL reads them; what it has to say of them, with file and function, is put into
 * a few words here. Keys with a passphrase are refused: nobody may be there to type it.
 */
#include "config/certificates.h"

#include <errno.h>
#include <stdbool.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#include "config/settings.h"
#include "config/value.h"

#define CERTIFICATES_NAME_SIZE 320

static int certificates_no_passphrase(char *text, int size, int writes, void *arg)
{
	(void)text;
	(void)size;
	(void)writes;
	(void)arg;
	return -1;
}

static int certificates_use(
	struct ssl_ctx_st *context, enum certificates_file file, const char *path)
{
	switch (file) {
	case CERTIFICATES_OWN:
		return SSL_CTX_use_certificate_chain_file(context, path);
	case CERTIFICATES_KEY:
		return SSL_CTX_use_PrivateKey_file(context, path, SSL_FILETYPE_PEM);
	case CERTIFICATES_ROOT:
		return SSL_CTX_load_verify_file(context, path);
	case CERTIFICATES_FILES:
		break;
	}
	return 0;
}

/* Why OpenSSL did not take the file. */
static const char *certificates_reason(enum certificates_file file, const char *path)
{
	bool is_other = false, is_locked = false;
	unsigned long error;

	while ((error = ERR_get_error()) != 0) {
		is_other |= ERR_GET_LIB(error) == ERR_LIB_X509 &&
			    ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH;
		is_locked |= ERR_GET_LIB(error) == ERR_LIB_PEM &&
			     ERR_GET_REASON(error) == PEM_R_BAD_PASSWORD_READ;
	}
	if (access(path, R_OK) != 0)
		return strerror(errno);
	if (file != CERTIFICATES_KEY)
		return "it has no certificate in PEM form";
	if (is_other)
		return "it is not the key of the certificate";
	if (is_locked)
		return "it has a passphrase; must be a key without one";
	return "it has no private key in PEM form";
}

const char *certificates_load(struct ssl_ctx_st *context,
	const char *const paths[CERTIFICATES_FILES], enum certificates_file *wrong)
{
	enum certificates_file file;

	SSL_CTX_set_default_passwd_cb(context, certificates_no_passphrase);
	for (file = CERTIFICATES_OWN; file < CERTIFICATES_FILES; file++) {
		if (paths[file] == NULL)
			continue;
		ERR_clear_error();
		if (certificates_use(context, file, paths[file]) == 1)
			continue;
		*wrong = file;
		return certificates_reason(file, paths[file]);
	}
	return NULL;
}

/* ---- at the start ---- */

static int certificates_refuse(
	struct settings *settings, enum option_index index, const char *path, const char *what)
{
	char name[CERTIFICATES_NAME_SIZE];
	char quote[VALUE_QUOTE_SIZE];

	settings_name(settings, index, name, sizeof name);
	return settings_fail(settings, "%s: %s: %s", name, value_quote(quote, path), what);
}

/* One role: what its files are called, and what stands in them. */
static int certificates_check_role(struct settings *settings,
	const enum option_index options[CERTIFICATES_FILES],
	const char *const paths[CERTIFICATES_FILES])
{
	enum certificates_file alone =
		paths[CERTIFICATES_OWN] != NULL ? CERTIFICATES_OWN : CERTIFICATES_KEY;
	enum certificates_file wrong = CERTIFICATES_OWN;
	struct ssl_ctx_st *context;
	const char *reason;

	if ((paths[CERTIFICATES_OWN] == NULL) != (paths[CERTIFICATES_KEY] == NULL))
		return certificates_refuse(settings, options[alone], paths[alone],
			alone == CERTIFICATES_OWN ? "must stand with the file of its key"
						  : "must stand with the file of its certificate");
	if (paths[CERTIFICATES_OWN] == NULL && paths[CERTIFICATES_ROOT] == NULL)
		return 0;
	context = SSL_CTX_new(TLS_method());
	if (context == NULL)
		return settings_fail(settings, "out of memory");
	reason = certificates_load(context, paths, &wrong);
	SSL_CTX_free(context);
	ERR_clear_error();
	return reason == NULL ? 0
			      : certificates_refuse(settings, options[wrong], paths[wrong], reason);
}

int certificates_check(struct settings *settings)
{
	static const enum option_index listen[] = {[CERTIFICATES_OWN] = OPTION_AT_tls_certificate,
		[CERTIFICATES_KEY] = OPTION_AT_tls_key,
		[CERTIFICATES_ROOT] = OPTION_AT_tls_client_ca};
	static const enum option_index upstream[] = {
		[CERTIFICATES_OWN] = OPTION_AT_tls_upstream_certificate,
		[CERTIFICATES_KEY] = OPTION_AT_tls_upstream_key,
		[CERTIFICATES_ROOT] = OPTION_AT_tls_upstream_ca};
	const struct config *config = settings->config;
	const char *const of_listen[] = {[CERTIFICATES_OWN] = config->tls_certificate,
		[CERTIFICATES_KEY] = config->tls_key,
		[CERTIFICATES_ROOT] = config->tls_client_ca};
	const char *const of_upstream[] = {[CERTIFICATES_OWN] = config->tls_upstream_certificate,
		[CERTIFICATES_KEY] = config->tls_upstream_key,
		[CERTIFICATES_ROOT] = config->tls_upstream_ca};

	if (certificates_check_role(settings, listen, of_listen) != 0)
		return -1;
	return certificates_check_role(settings, upstream, of_upstream);
}
