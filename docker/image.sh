#!/bin/sh
# image.sh [NAME]: builds the image NAME (sidespan) by docker/Dockerfile, says how large it is, and runs it:
# the version, and one request through it; then NAME-demo, the conversation of docker/compose.yaml. With
# docker or podman, or, where no engine is, as root with buildah in a chroot, on a Debian that debootstrap
# makes.
set -eu
cd "$(dirname "$0")/.."
name=${1:-sidespan}
request='{"id":1,"method":"a"}'

checked() { # COMMAND...: runs the image with further arguments
	"$@" --version
	# a server that is not there: the request is answered all the same, by the end of the conversation
	said=$(echo "$request" | "$@" --exporter none --connect-timeout 100ms --upstream tcp://127.0.0.1:1 2>&1) || true
	case $said in
	*'cannot reach tcp://127.0.0.1:1: Connection refused'*) ;;
	*)
		echo "image: a request to nobody: $said" >&2
		exit 1
		;;
	esac
	if "$@" probe 2>/dev/null; then
		echo "image: a probe of nobody must fail" >&2
		exit 1
	fi
}

demonstrated() { # COMMAND...: runs the image of the demo
	"$@" 2>&1 | grep 'sidespan: info: spans: created=[1-9]'
}

for engine in docker podman; do
	"$engine" info >/dev/null 2>&1 || continue
	format=
	test "$engine" = docker || format='--format docker' # with HEALTHCHECK
	# shellcheck disable=SC2086 # two words
	for target in run demo; do
		"$engine" build -q $format -f docker/Dockerfile --target "$target" -t "$name-$target" .
	done
	"$engine" tag "$name-run" "$name"
	"$engine" image inspect -f '{{.Size}} bytes' "$name"
	checked "$engine" run --rm -i --read-only --cap-drop ALL --network none "$name"
	demonstrated "$engine" run --rm --network none "$name-demo"
	exit
done

command -v buildah >/dev/null || {
	echo "image: neither docker nor podman runs, and there is no buildah" >&2
	exit 1
}
export BUILDAH_ISOLATION=chroot STORAGE_DRIVER=vfs
if ! buildah inspect --type image localhost/sidespan-base >/dev/null 2>&1; then
	tests/deploy/base build/deploy/base
	container=$(buildah from scratch)
	buildah add -q "$container" build/deploy/base / >/dev/null
	buildah commit -q --rm "$container" localhost/sidespan-base >/dev/null
fi
build() { # TARGET NAME
	buildah build -q --layers --format docker --build-arg DEBIAN=localhost/sidespan-base \
		-f docker/Dockerfile --target "$1" -t "$2" .
}
build run "$name"
build demo "$name-demo"
container=$(buildah from "$name")
demo=$(buildah from "$name-demo")
trap 'buildah rm "$container" "$demo" >/dev/null' EXIT
echo "$(du -sb "$(buildah mount "$container")" | cut -f1) bytes"
# ports there are those of the machine, where somebody may have the one for metrics
for each in "$container" "$demo"; do
	buildah config --entrypoint '[]' --cmd '' --env SIDESPAN_ADMIN_LISTEN=unix:///tmp/admin "$each"
done
checked buildah run "$container" -- /usr/local/bin/sidespan
demonstrated buildah run "$demo" -- /demo/run.sh
