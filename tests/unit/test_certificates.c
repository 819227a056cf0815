/* The files of TLS at the start: which of them are taken, and what is said of the others. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/config_case.h"
#include "tests/unit/tls_files.h"
#include "tests/unit/unit.h"

static const char *const names[] = {
	"own.pem", "own.key", "other.pem", "other.key", "locked.key", "text"};

enum { NAMES = sizeof names / sizeof names[0], FLAGS_MAX = 8 };

static char folder[64];

static const char *path_of(const char *name)
{
	static char paths[4][128];
	static size_t next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

/* A key with a passphrase. */
static void write_locked(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	FILE *file = fopen(path, "w");

	tls_files_need(key != NULL && file != NULL);
	tls_files_need(PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
			       (const unsigned char *)"secret", 6, NULL, NULL) == 1);
	tls_files_need(fclose(file) == 0);
	EVP_PKEY_free(key);
}

static void certificates_setup(void)
{
	FILE *text;

	strcpy(folder, "/tmp/sidespan_certificates_XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	tls_files_write(path_of("own.pem"), path_of("own.key"));
	tls_files_write(path_of("other.pem"), path_of("other.key"));
	write_locked(path_of("locked.key"));
	text = fopen(path_of("text"), "w");
	ck_assert_ptr_nonnull(text);
	ck_assert_int_ge(fputs("no PEM\n", text), 0);
	ck_assert_int_eq(fclose(text), 0);
}

static void certificates_teardown(void)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		ck_assert_int_eq(unlink(path_of(names[i])), 0);
	ck_assert_int_eq(rmdir(folder), 0);
}

/* Options without --tls- or --tls-upstream-, a blank between them; ~ is the folder. */
static const struct {
	const char *options;
	const char *wrong; /* the option that is refused, without tls-; NULL: none is */
	const char *name, *why;
} rows[] = {
	{"", NULL, NULL, NULL},
	{"certificate=~/own.pem key=~/own.key", NULL, NULL, NULL},
	{"ca=~/own.pem", NULL, NULL, NULL},
	{"certificate=~/own.pem key=~/own.key ca=~/other.pem", NULL, NULL, NULL},
	{"certificate=~/own.pem", "certificate", "own.pem", "must stand with the file of its key"},
	{"key=~/own.key", "key", "own.key", "must stand with the file of its certificate"},
	{"certificate=~/none key=~/own.key", "certificate", "none",
		"No such file or directory; must be the name of a file that can be read"},
	{"certificate=~/own.pem key=~/none", "key", "none",
		"No such file or directory; must be the name of a file that can be read"},
	{"ca=~/none", "ca", "none",
		"No such file or directory; must be the name of a file that can be read"},
	{"certificate=~/text key=~/own.key", "certificate", "text",
		"it has no certificate in PEM form"},
	{"certificate=~/own.key key=~/own.key", "certificate", "own.key",
		"it has no certificate in PEM form"},
	{"certificate=~/own.pem key=~/own.key ca=~/text", "ca", "text",
		"it has no certificate in PEM form"},
	{"certificate=~/own.pem key=~/text", "key", "text", "it has no private key in PEM form"},
	{"certificate=~/own.pem key=~/own.pem", "key", "own.pem",
		"it has no private key in PEM form"},
	{"certificate=~/own.pem key=~/other.key", "key", "other.key",
		"it is not the key of the certificate"},
	{"certificate=~/own.pem key=~/locked.key", "key", "locked.key",
		"it has a passphrase; must be a key without one"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* Adds the options of a row; those of a client's certificate have another name for us. */
static size_t add_flags(char flags[FLAGS_MAX][256], const char *options, bool is_upstream)
{
	size_t count = 0;
	char words[256], *word, *rest = words;

	snprintf(words, sizeof words, "%s", options);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		char *at = strchr(word, '=');

		snprintf(flags[count++], sizeof flags[0], "--tls-%s%.*s=%s%s",
			is_upstream                   ? "upstream-"
			: strncmp(word, "ca", 2) == 0 ? "client-"
						      : "",
			(int)(at - word), word, folder, at + 2);
	}
	return count;
}

START_TEST(test_files)
{
	static const char *const nothing[] = {NULL};
	bool is_upstream = _i % 2 == 1;
	char texts[FLAGS_MAX][256], expected[512];
	const char *flags[FLAGS_MAX + 4] = {"--listen=wss://127.0.0.1:0", "--upstream=wss://h:1"};
	size_t count = add_flags(texts, rows[_i / 2].options, is_upstream), used = 2, i;
	bool has_own = strstr(rows[_i / 2].options, "certificate=") != NULL;
	struct config_case load;

	if (is_upstream || !has_own)
		flags[0] = "--listen=ws://127.0.0.1:0";
	for (i = 0; i < count; i++)
		flags[used++] = texts[i];
	flags[used] = NULL;
	config_case_load(&load, flags, nothing);
	if (rows[_i / 2].wrong == NULL) {
		ck_assert_msg(load.outcome == CONFIG_RUN, "%s", load.error);
	} else {
		snprintf(expected, sizeof expected, "--tls-%s%s: \"%s\": %s",
			is_upstream                             ? "upstream-"
			: strcmp(rows[_i / 2].wrong, "ca") == 0 ? "client-"
								: "",
			rows[_i / 2].wrong, path_of(rows[_i / 2].name), rows[_i / 2].why);
		ck_assert_int_eq(load.outcome, CONFIG_WRONG);
		ck_assert_str_eq(load.error, expected);
	}
	config_case_done(&load);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("certificates");

	unit_fixture(certificates_setup, certificates_teardown);
	tcase_add_loop_test(tc, test_files, 0, 2 * ROWS);
	return unit_run("certificates", tc);
}
