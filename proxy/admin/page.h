#ifndef PROXY_ADMIN_PAGE_H
#define PROXY_ADMIN_PAGE_H

#include <stddef.h>

/*
 * The page for people at /: page.html, compiled in. It asks for all else itself, so that there is
 * nothing in it that not everybody may see.
 */
extern const char page_text[]; /* terminated; written by the makefile */
extern const size_t page_size;

/*
 * Writes the fields that say what a browser may do with a page: run its script and use its style,
 * by their hashes, and ask us; nothing else, and nobody may frame it. text: a page with one
 * <script> and one <style>. 0, or -1: it has not, the fields have no room, or memory is short.
 */
#define PAGE_FIELDS_MAX 512
int page_fields(char fields[PAGE_FIELDS_MAX], const char *text);

#endif
