#!/bin/sh
# embed.sh FILE...: writes C source with the bytes of each config/DIR/NAME.json to standard output,
# as the table that config/embedded.h declares. Needs nothing beyond POSIX.
set -eu
export LC_ALL=C

echo '/* Written by config/embed.sh. */'
echo '#include "config/embedded.h"'
n=0
for file in "$@"; do
	[ -r "$file" ] || { echo "embed.sh: cannot read $file" >&2; exit 1; }
	echo
	echo "static const unsigned char embedded_text_$n[] = {"
	od -An -v -tx1 "$file" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
	echo '0x00};'
	n=$((n + 1))
done

echo
echo 'const struct embedded_file embedded_files[] = {'
n=0
for file in "$@"; do
	text=embedded_text_$n
	echo "	{\"${file#config/}\", (const char *)$text, sizeof $text - 1},"
	n=$((n + 1))
done
echo '	{0},'
echo '};'
