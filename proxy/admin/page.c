/*
 * What a browser may do with the page; see page.h. Hashes are made of what is served, not written
 * down: so they cannot be those of another version. OpenSSL can fail for want of memory.
 */
#include "proxy/admin/page.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define PAGE_HASH_SIZE 32
/* As base64 has it, terminated. */
#define PAGE_HASH_MAX (4 * ((PAGE_HASH_SIZE + 2) / 3) + 1)

/* Of what is between the first begin and the end behind it (CSP 3, section 8.3). 0 or -1. */
static int page_hash(char hash[PAGE_HASH_MAX], const char *text, const char *begin, const char *end)
{
	uint8_t bytes[EVP_MAX_MD_SIZE];
	const char *from = strstr(text, begin);
	const char *to = from != NULL ? strstr(from, end) : NULL;
	unsigned size;

	if (to == NULL)
		return -1;
	from += strlen(begin);
	if (EVP_Digest(from, (size_t)(to - from), bytes, &size, EVP_sha256(), NULL) != 1)
		return -1;
	(void)EVP_EncodeBlock((unsigned char *)hash, bytes, (int)size); /* cannot fail */
	return 0;
}

int page_fields(char fields[PAGE_FIELDS_MAX], const char *text)
{
	char script[PAGE_HASH_MAX], style[PAGE_HASH_MAX];
	int size;

	if (page_hash(script, text, "<script>", "</script>") != 0 ||
		page_hash(style, text, "<style>", "</style>") != 0)
		return -1;
	size = snprintf(fields, PAGE_FIELDS_MAX,
		"Content-Security-Policy: default-src 'none'; script-src 'sha256-%s'; "
		"style-src 'sha256-%s'; connect-src 'self'; img-src data:; base-uri 'none'; "
		"form-action 'none'; frame-ancestors 'none'\r\n"
		"Referrer-Policy: no-referrer\r\n",
		script, style);
	return size > 0 && size < PAGE_FIELDS_MAX ? 0 : -1;
}
