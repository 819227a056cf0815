#!/bin/sh
# embed.sh FILE: writes C source with the bytes of a page to standard output, as proxy/admin/page.h
# declares them. Needs nothing beyond POSIX.
set -eu
export LC_ALL=C

[ -r "$1" ] || { echo "embed.sh: cannot read $1" >&2; exit 1; }
echo '/* Written by proxy/admin/embed.sh. */'
echo '#include "proxy/admin/page.h"'
echo
echo 'const char page_text[] = {'
od -An -v -tx1 "$1" | sed 's/ *\([0-9a-f][0-9a-f]\)/(char)0x\1,/g'
echo '0x00};'
echo 'const size_t page_size = sizeof page_text - 1;'
