#!/bin/bash
# Runs the demo conversation through sidespan and shows the traces: as a tree on the terminal, and
# once more through the collector when one answers at the OTLP endpoint.
#
#   run.sh [--page]
#
# With --page: through a sidespan that stays, again and again, with its page for a browser, whose
# address is printed; until a key of the line, the end of standard input or a signal.
#
#   SIDESPAN   the sidespan binary
#   DEMO_BIN   folder with agent_server and agent_client
#   OTEL_EXPORTER_OTLP_ENDPOINT   collector, default http://localhost:4318
#   DEMO_SERVICE   what sidespan's spans are called after, default sidespan-demo
#
# Exit status: that of the first conversation that failed, else 0.
set -eu

: "${SIDESPAN:?path of the sidespan binary}"
: "${DEMO_BIN:?folder with agent_server and agent_client}"
service=${DEMO_SERVICE:-sidespan-demo}
endpoint=${OTEL_EXPORTER_OTLP_ENDPOINT:-http://localhost:4318}

conversation() {
	"$DEMO_BIN/agent_client" -- \
		"$SIDESPAN" --profile codex --service-name "$service" "$@" -- "$DEMO_BIN/agent_server"
}

# Whether something accepts connections at the URL.
answers() {
	local address=${1#*://} host port
	address=${address%%/*}
	host=${address%:*}
	port=${address##*:}
	if [ "$host" = "$port" ]; then
		case $1 in https:*) port=443 ;; *) port=80 ;; esac
	fi
	host=${host#\[}
	timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "${host%\]}" "$port" 2>/dev/null
}

# The collector, if one answers; the page shows all without, too.
page_exporter() {
	if answers "$endpoint"; then
		echo "--exporter otlp --otlp-endpoint $endpoint --admin-jaeger-url http://localhost:16686"
	else
		echo "--exporter none"
	fi
}

# Sets stays and folder, and waits for the page's address.
page_open() {
	folder=$(mktemp -d)
	# shellcheck disable=SC2046 # words
	"$SIDESPAN" --profile codex --service-name "$service" $(page_exporter) --listen "unix://$folder/socket" \
		--admin-listen http://127.0.0.1:0 -- "$DEMO_BIN/agent_server" 2>"$folder/log" &
	stays=$!
	trap 'kill "$stays" 2>/dev/null || true; wait "$stays" || true; rm -rf "$folder"' EXIT
	trap 'exit 0' INT TERM HUP
	until grep -qs ', listening on ' "$folder/log"; do
		kill -0 "$stays" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
		sleep 0.1
	done
	page=$(sed -n 's/.*health and metrics at \([^ ]*\).*/\1/p' "$folder/log")
}

# What joins the client, which starts a command, with the sidespan that stays.
page_conversation() {
	"$DEMO_BIN/agent_client" -- "$SIDESPAN" --disabled --log-level error --upstream "unix://$folder/socket"
}

if [ "${1-}" = --page ]; then
	page_open
	page_conversation
	echo
	echo "Look at it in a browser: $page/"
	echo "The conversation goes on, again and again. Enter ends it."
	while status=0; read -r -t 3 || status=$?; [ "$status" -gt 128 ]; do # else a line, or the end
		page_conversation >/dev/null
	done
	exit 0
elif [ $# -gt 0 ]; then
	echo "usage: run.sh [--page]" >&2
	exit 2
fi

echo "An agent client talks to an agent server; sidespan stands between them:"
echo
conversation --exporter console

echo
if answers "$endpoint"; then
	echo "A collector answers at $endpoint. The same conversation, sent there:"
	echo
	DEMO_REPORT=${endpoint%/} conversation --exporter otlp --otlp-endpoint "$endpoint"
	echo
	echo "See it in Jaeger: http://localhost:16686, service $service."
else
	echo "No collector at $endpoint. To see the traces in Jaeger, start one and run this again:"
	echo "  docker run --rm -p 16686:16686 -p 4318:4318 jaegertracing/jaeger:2.20.0"
fi

cat <<END

The same as a page in a browser, live:
  make demo DEMO_ARGS=--page

Now yours:
  $SIDESPAN -- codex app-server   # in place of "codex app-server"
  $SIDESPAN --profile codex --listen ws://127.0.0.1:4501 --upstream ws://127.0.0.1:4500   # before one that listens
END
