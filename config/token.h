#ifndef CONFIG_TOKEN_H
#define CONFIG_TOKEN_H

#define TOKEN_SIZE_MAX 4096
#define TOKEN_WANTED   "must have one token of 1 to 4096 visible ASCII characters"

struct settings;

/*
 * Reads listen.token_file, if it is set, into listen_token: one token of visible ASCII characters,
 * blanks and line ends around it left out. 0, or -1 with the error set, whatever the option came
 * from: who wants a token does not want everybody.
 */
int token_load(struct settings *settings);

/*
 * Leaves the token alone in what was in such a file. NULL, or what is wrong with it (static,
 * without any of it).
 */
const char *token_trim(char *text);

#endif
