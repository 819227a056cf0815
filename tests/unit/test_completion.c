/*
 * The scripts by which shells complete: all but the rows of flags, of which a few of each kind are
 * looked at; every flag is there once.
 */
#include "config/completion.h"

#include <stdlib.h>
#include <string.h>

#include "config/flags.h"
#include "config/options.h"
#include "tests/unit/unit.h"

static const char bash[] =
	"# bash completion for sidespan, written by it\n"
	"_sidespan()\n"
	"{\n"
	"    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i\n"
	"    for ((i = 1; i < COMP_CWORD; i++)); do\n"
	"        [[ ${COMP_WORDS[i]} == -- ]] || continue\n"
	"        if declare -F _command_offset >/dev/null; then\n"
	"            _command_offset $((i + 1))\n"
	"        elif ((i + 1 == COMP_CWORD)); then\n"
	"            mapfile -t COMPREPLY < <(compgen -c -- \"$current\")\n"
	"        else\n"
	"            mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	"        fi\n"
	"        return\n"
	"    done\n"
	"    if [[ $current == = ]]; then\n"
	"        current=\n"
	"    elif [[ $before == = ]]; then\n"
	"        before=${COMP_WORDS[COMP_CWORD-2]}\n"
	"    fi\n"
	"    case $before in\n"
	"    --config) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
	"    --env) mapfile -t COMPREPLY < <(compgen -W 'development production staging' -f -- "
	"\"$current\"); return ;;\n"
	"    --dir) mapfile -t COMPREPLY < <(compgen -W 'c2s s2c' -- \"$current\"); return ;;\n"
	"    --why) COMPREPLY=(); return ;;\n"
	"    --listen) COMPREPLY=(); return ;;\n"
	"    --framing) mapfile -t COMPREPLY < <(compgen -W 'auto lines content-length "
	"concatenated' -- \"$current\"); return ;;\n"
	"    --tls-key) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
	"    --profile) mapfile -t COMPREPLY < <(compgen -W 'acp codex ethereum generic lsp mcp' "
	"-f -- \"$current\"); return ;;\n"
	"    --propagation-inject) COMPREPLY=(); return ;;\n"
	"    --record-file) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
	"    --spool-directory) mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
	"    --log-level) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "
	"\"$current\"); return ;;\n"
	"    esac\n"
	"    if [[ $current == -* ]]; then\n"
	"        WORDS\n"
	"    elif ((COMP_CWORD == 1)); then\n"
	"        mapfile -t COMPREPLY < <(compgen -W 'doctor probe' -- \"$current\")\n"
	"    else\n"
	"        mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
	"    fi\n"
	"}\n"
	"complete -o filenames -F _sidespan sidespan\n";

static const char zsh[] =
	"#compdef sidespan\n"
	"# zsh completion for sidespan, written by it\n"
	"_sidespan()\n"
	"{\n"
	"    if (( CURRENT == 2 )); then\n"
	"        compadd -- doctor probe\n"
	"    fi\n"
	"    local at=${words[(i)--]}\n"
	"    if (( at < CURRENT )); then\n"
	"        shift at words\n"
	"        (( CURRENT -= at ))\n"
	"        _normal\n"
	"        return\n"
	"    fi\n"
	"    _arguments \\\n"
	"        '*--config=[Read settings from FILE]:file:_files' \\\n"
	"        '--env=[Read the settings of the environment NAME before all "
	"files]:value:(development production staging)' \\\n"
	"        '--check[Validate everything, print each option with its value and]' \\\n"
	"        '--dir=[With --explain, every line of FILE is a message of that]:value:(c2s s2c)' "
	"\\\n"
	"        '--why=[With --explain, also say of messages with METHOD why rules]:value:' \\\n"
	"        '--listen=[Accept clients at this URL]:value:' \\\n"
	"        '--framing=[How messages end on standard input and output, and a]:value:(auto "
	"lines content-length concatenated)' \\\n"
	"        '--allow-remote[Allow listening on an address that is not loopback, without]' \\\n"
	"        '--no-allow-remote[Allow listening on an address that is not loopback, without]' "
	"\\\n"
	"        '--tls-key=[File with the key of tls.certificate, PEM, without a]:file:_files' "
	"\\\n"
	"        '--tls-client-subject[Give spans the subject of their client'\\''s certificate]' "
	"\\\n"
	"        '--no-tls-client-subject[Give spans the subject of their client'\\''s "
	"certificate]' \\\n"
	"        '--profile=[Kind of server, auto]:value:(acp codex ethereum generic lsp mcp)' \\\n"
	"        '--propagation-inject=[Where a forwarded request gets our context, a "
	"member]:value:' \\\n"
	"        '--record-file=[Write the messages that pass to this file, which is "
	"begun]:file:_files' \\\n"
	"        '--spool-directory=[Directory for spans that the collector does not take, "
	"until]:file:_files' \\\n"
	"        '--log-level=[The least important lines that are written to standard "
	"error]:value:(error warn info debug)' \\\n"
	"        '*:file:_files'\n"
	"}\n"
	"if [[ $funcstack[1] == _sidespan ]]; then\n"
	"    _sidespan \"$@\"\n"
	"else\n"
	"    compdef _sidespan sidespan\n"
	"fi\n";

static const char fish[] =
	"# fish completion for sidespan, written by it\n"
	"function __sidespan_command\n"
	"    contains -- -- (commandline -opc)\n"
	"end\n"
	"function __sidespan_of_command\n"
	"    set -l words (commandline -opc)\n"
	"    set -l line\n"
	"    while test (count $words) -gt 0\n"
	"        test \"$words[1]\" = --; and break\n"
	"        set -e words[1]\n"
	"    end\n"
	"    set -e words[1]\n"
	"    for word in $words\n"
	"        set line $line (string escape -- $word)\n"
	"    end\n"
	"    set line \"$(string join ' ' -- $line \"$(commandline -ct)\")\"\n"
	"    test -n $line; and complete -C$line\n"
	"end\n"
	"complete -c sidespan -n __sidespan_command -x -a '(__sidespan_of_command)'\n"
	"complete -c sidespan -n 'test (count (commandline -opc)) -eq 1' -f -a doctor -d 'Examine "
	"settings, collector, server, clock and limits, what'\n"
	"complete -c sidespan -n 'test (count (commandline -opc)) -eq 1' -f -a probe -d 'Ask the "
	"sidespan that serves admin.listen whether it is'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l config -r -F -d 'Read settings from "
	"FILE'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l env -r -F -a 'development production "
	"staging' -d 'Read the settings of the environment NAME before all files'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l check -d 'Validate everything, print "
	"each option with its value and'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l dir -x -a 'c2s s2c' -d 'With "
	"--explain, every line of FILE is a message of that'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l why -x -d 'With --explain, also say "
	"of messages with METHOD why rules'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l listen -x -d 'Accept clients at this "
	"URL'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l framing -x -a 'auto lines "
	"content-length concatenated' -d 'How messages end on standard input and output, and a'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l allow-remote -d 'Allow listening on "
	"an address that is not loopback, without'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l no-allow-remote -d 'Allow listening "
	"on an address that is not loopback, without'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l tls-key -r -F -d 'File with the key "
	"of tls.certificate, PEM, without a'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l tls-client-subject -d 'Give spans the "
	"subject of their client'\\''s certificate'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l no-tls-client-subject -d 'Give spans "
	"the subject of their client'\\''s certificate'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l profile -r -F -a 'acp codex ethereum "
	"generic lsp mcp' -d 'Kind of server, auto'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l propagation-inject -x -d 'Where a "
	"forwarded request gets our context, a member'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l record-file -r -F -d 'Write the "
	"messages that pass to this file, which is begun'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l spool-directory -r -F -d 'Directory "
	"for spans that the collector does not take, until'\n"
	"complete -c sidespan -n 'not __sidespan_command' -l log-level -x -a 'error warn info "
	"debug' -d 'The least important lines that are written to standard error'\n";

static const char *const chosen[] = {"config", "env", "check", "dir", "why", "listen", "framing",
	"allow-remote", "no-allow-remote", "tls-key", "tls-client-subject", "no-tls-client-subject",
	"profile", "propagation-inject", "spool-directory", "record-file", "log-level"};

static const struct {
	const char *shell, *text;
	const char *row;   /* begins as that, then a flag without its dashes, */
	const char *other; /* ... or as that */
} scripts[] = {
	{"bash", bash, "    --", "    --"},
	{"zsh", zsh, "        '--", "        '*--"},
	{"fish", fish, "complete -c sidespan -n 'not __sidespan_command' -l ",
		"complete -c sidespan -n 'not __sidespan_command' -l "},
};

static char *completion_of(const char *shell)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	ck_assert(completion_print(out, shell));
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

/* The flag that a row is of, without dashes, and its size; NULL: it is no row. */
static const char *flag_of(const char *line, int script, size_t *size)
{
	const char *const begins[] = {scripts[script].row, scripts[script].other};
	size_t i;

	for (i = 0; i < 2; i++)
		if (strncmp(line, begins[i], strlen(begins[i])) == 0) {
			line += strlen(begins[i]);
			*size = strspn(line, "abcdefghijklmnopqrstuvwxyz-");
			return line;
		}
	return NULL;
}

static bool is_chosen(const char *flag, size_t size)
{
	size_t i;

	for (i = 0; i < sizeof chosen / sizeof *chosen; i++)
		if (strlen(chosen[i]) == size && strncmp(chosen[i], flag, size) == 0)
			return true;
	return false;
}

/* The script without the rows of other flags, and without the list of all. */
START_TEST(test_scripts)
{
	static char kept[65536];
	char *text = completion_of(scripts[_i].shell), *rest = text, *line;
	size_t used = 0, size;
	const char *flag;

	while ((line = strsep(&rest, "\n")) != NULL) {
		flag = flag_of(line, _i, &size);
		if (line[0] == '\0' || (flag != NULL && !is_chosen(flag, size)))
			continue;
		used += (size_t)snprintf(kept + used, sizeof kept - used, "%s\n",
			strstr(line, "compgen -W '-- --") != NULL ? "        WORDS" : line);
		ck_assert_uint_lt(used, sizeof kept);
	}
	ck_assert_str_eq(kept, scripts[_i].text);
	unit_free_foreign(text);
}
END_TEST

/* How many rows there are of a flag; before: what stands before and behind its name. */
static int count(const char *text, const char *before, const char *name, const char *behind)
{
	char row[256];
	int found = 0;

	(void)snprintf(row, sizeof row, "%s%s%s", before, name, behind);
	while ((text = strstr(text, row)) != NULL) {
		found++;
		text++;
	}
	return found;
}

/* Each flag once, of those that take nothing the opposite; none that is secret. */
START_TEST(test_every_flag)
{
	char *zsh_text = completion_of("zsh"), *bash_text = completion_of("bash"),
	     name[OPTION_NAME_SIZE];
	size_t i;

	for (i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = option_at(i);
		bool is_secret = (option->flags & OPTION_SECRET) != 0;
		bool is_bool = option->type == OPTION_TYPE_BOOL;
		bool negated = is_bool || (option->flags & OPTION_SWITCH) != 0;

		option_flag_name(option, name);
		ck_assert_int_eq(count(zsh_text, "'", name, is_bool ? "[" : "=["), !is_secret);
		ck_assert_int_eq(count(zsh_text, "'--no-", name + 2, "["), negated);
		ck_assert_int_eq(count(bash_text, " ", name, ") "), !is_secret && !is_bool);
		ck_assert_int_ge(count(bash_text, " ", name, ""), !is_secret);
	}
	for (i = 0; flags_command_at(i) != NULL; i++)
		ck_assert_int_eq(count(zsh_text, "", flags_command_at(i)->name,
					 flags_command_at(i)->argument != NULL ? "=[" : "["),
			1);
	unit_free_foreign(zsh_text);
	unit_free_foreign(bash_text);
}
END_TEST

START_TEST(test_other_shells)
{
	ck_assert(!completion_print(stdout, "csh"));
	ck_assert(!completion_print(stdout, ""));
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("completion");

	tcase_add_loop_test(tc, test_scripts, 0, (int)(sizeof scripts / sizeof *scripts));
	tcase_add_test(tc, test_every_flag);
	tcase_add_test(tc, test_other_shells);
	return unit_run("completion", tc);
}
