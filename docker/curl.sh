#!/bin/sh
# curl.sh [PREFIX]: builds libcurl from Debian's source with HTTP and TLS and nothing else, and installs it in
# /usr; with a PREFIX there, as an archive for programs that are linked statically.
# Debian's own brings thirty libraries (LDAP, Kerberos, SSH, HTTP/2), 12 MB that a collector needs none of.
# /usr is for an image that is being built, as root; both want dpkg-dev, a compiler, zlib and OpenSSL.
set -eu
if [ $# -gt 0 ]; then
	library="--prefix=$1 --disable-shared"
else # in the place of Debian's, should that be there
	library="--prefix=/usr --libdir=/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH) --disable-static"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# the sources of the places that packages come from, with lists of their own
mkdir lists lists/partial parts
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
	test ! -f "$list" || sed 's/^Types: .*/Types: deb-src/; s/^deb /deb-src /' "$list" >"parts/${list##*/}"
done
apt_get() {
	apt-get -q -o Dir::Etc::sourcelist=- -o Dir::Etc::sourceparts="$work/parts" \
		-o Dir::State::lists="$work/lists" -o APT::Sandbox::User=root "$@"
}
apt_get update
apt_get source curl
cd curl-*/
# Debian's changes are in; what was generated from what they touch is as good as it was
find . \( -name '*.am' -o -name '*.ac' -o -name '*.m4' \) -exec touch -d 2000-01-01 {} +

# shellcheck disable=SC2086 # words
./configure --quiet $library --with-openssl --with-zlib --without-brotli --without-zstd \
	--without-libpsl --without-libidn2 --without-nghttp2 --without-librtmp --without-libssh2 --without-gssapi \
	--disable-ldap --disable-ldaps --disable-rtsp --disable-dict --disable-telnet --disable-tftp --disable-pop3 \
	--disable-imap --disable-smb --disable-smtp --disable-gopher --disable-mqtt --disable-ftp --disable-file \
	--disable-manual --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt
make -s -j"$(nproc)" -C lib install
make -s -C include install
make -s install-pkgconfigDATA
[ $# -gt 0 ] || ldconfig
