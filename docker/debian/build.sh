#!/bin/sh
# build.sh TREE VERSION FILE: makes the Debian package FILE of what make install has put into TREE, for
# PREFIX /usr. Needs dpkg-dev; nobody has to be root. What it makes depends on the tree alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$1" && pwd)
version=$2
file=$(cd "$(dirname "$3")" && pwd)/$(basename "$3")
share=$tree/usr/share
doc=$share/doc/sidespan

date=$(sed -n 's/^ -- .*>  //p' "$here/changelog" | head -n 1)
SOURCE_DATE_EPOCH=$(date -d "$date" +%s)
export SOURCE_DATE_EPOCH

strip --strip-unneeded --remove-section=.comment "$tree/usr/bin/sidespan"
install -d "$doc" "$tree/usr/lib/systemd/system"
install -m 644 "$here/copyright" "$doc/copyright"
gzip -9n <"$here/changelog" >"$doc/changelog.gz"
find "$share/man" -name '*.[0-9]' -exec gzip -9nf {} +
# where Debian's zsh looks
install -d "$share/zsh/vendor-completions"
mv "$share/zsh/site-functions/_sidespan" "$share/zsh/vendor-completions/"
rmdir "$share/zsh/site-functions"
for unit in "$here"/../systemd/sidespan.service "$here"/../systemd/sidespan.socket; do
	sed 's|/usr/local/bin/|/usr/bin/|' "$unit" >"$tree/usr/lib/systemd/system/${unit##*/}"
done
chmod 644 "$doc"/* "$tree"/usr/lib/systemd/system/*

# dpkg-shlibdeps reads debian/control, of which it only wants to know that it is there
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debian"
printf 'Source: sidespan\n\nPackage: sidespan\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O "$tree/usr/bin/sidespan" 2>/dev/null | sed 's/^shlibs:Depends=//')
size=$(du -sk --apparent-size "$tree/usr" | cut -f1)

install -d "$tree/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCH@/$(dpkg --print-architecture)/; s/@SIZE@/$size/; s/@DEPENDS@/$depends/" \
	"$here/control" >"$tree/DEBIAN/control"
(cd "$tree" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2) >"$tree/DEBIAN/md5sums"
chmod 644 "$tree/DEBIAN/md5sums" "$tree/DEBIAN/control"
find "$tree" -type d -exec chmod 755 {} +
dpkg-deb --build --root-owner-group "$tree" "$file"
