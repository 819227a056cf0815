#ifndef CONFIG_TOKEN_H
#define CONFIG_TOKEN_H

#define TOKEN_SIZE_MAX 4096

struct settings;

/*
 * Reads listen.token_file, if it is set, into listen_token: one token of visible ASCII characters,
 * blanks and line ends around it left out. 0, or -1 with the error set, whatever the option came
 * from: who wants a token does not want everybody.
 */
int token_load(struct settings *settings);

#endif
