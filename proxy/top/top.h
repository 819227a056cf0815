#ifndef PROXY_TOP_TOP_H
#define PROXY_TOP_TOP_H

/*
 * sidespan top: what a running sidespan does now, asked for at its admin.listen; again and again
 * on a terminal, once on anything else. Arguments as main() has them, "top" among them. Returns the
 * exit status: 0; 1, it cannot be reached; 2, the arguments are wrong.
 */
int top_main(int argc, char **argv);

#endif
