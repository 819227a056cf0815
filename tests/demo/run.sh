#!/bin/bash
# Runs the demo conversation through sidespan and shows the traces: as a tree on the terminal, and
# once more through the collector when one answers at the OTLP endpoint.
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

Now yours:
  $SIDESPAN -- codex app-server   # in place of "codex app-server"
  $SIDESPAN --profile codex --listen ws://127.0.0.1:4501 --upstream ws://127.0.0.1:4500   # before one that listens
END
