#ifndef CONFIG_CERTIFICATES_H
#define CONFIG_CERTIFICATES_H

/*
 * The files that TLS has for one role. What refuses them at the start, and in --check, is what
 * reads them later.
 */
struct settings;
struct ssl_ctx_st;

enum certificates_file {
	CERTIFICATES_OWN,  /* a certificate with those between it and its root, PEM */
	CERTIFICATES_KEY,  /* its private key, PEM, without a passphrase */
	CERTIFICATES_ROOT, /* whom to trust, PEM */
	CERTIFICATES_FILES,
};

/*
 * Has the context use the files, of which NULL is none. NULL; or why not (static), with *wrong as
 * the file that it is about.
 */
const char *certificates_load(struct ssl_ctx_st *context,
	const char *const paths[CERTIFICATES_FILES], enum certificates_file *wrong);

/*
 * Looks at the files of the tls.* options. 0, or -1 with the error set, whatever they came from:
 * who wants TLS does not want to do without.
 */
int certificates_check(struct settings *settings);

#endif
