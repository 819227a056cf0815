#ifndef TESTS_UNIT_TLS_FILES_H
#define TESTS_UNIT_TLS_FILES_H

/* A certificate and its key, made anew. */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static inline void tls_files_need(bool holds)
{
	if (!holds)
		abort();
}

static inline void tls_files_put(const char *path, EVP_PKEY *key, X509 *certificate)
{
	FILE *file = fopen(path, "w");

	tls_files_need(file != NULL);
	tls_files_need((certificate != NULL ? PEM_write_X509(file, certificate)
					    : PEM_write_PrivateKey(
						      file, key, NULL, NULL, 0, NULL, NULL)) == 1);
	tls_files_need(fclose(file) == 0);
}

/* Of its own making, for localhost. */
static inline void tls_files_write(const char *own_path, const char *key_path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_NAME *name;

	tls_files_need(key != NULL && certificate != NULL);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_set_version(certificate, X509_VERSION_3);
	X509_set_pubkey(certificate, key);
	name = X509_get_subject_name(certificate);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(certificate, name);
	tls_files_need(X509_sign(certificate, key, EVP_sha256()) > 0);
	tls_files_put(own_path, NULL, certificate);
	tls_files_put(key_path, key, NULL);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

#endif
