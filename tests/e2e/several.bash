# SPDX-License-Identifier: Apache-2.0
# Several nodes on one Redis, REDIS_URL. To be loaded behind lib.
# shellcheck shell=bash disable=SC2034,SC2174

declare -gA UPS RTMP_OF HTTP_OF

# node_run NAME [option...]: with the configuration $T/NAME.yaml, at the address AT (127.0.0.1); UPS[NAME] is its
# `millrace up`, RTMP_OF[NAME] and HTTP_OF[NAME] are its ports
node_run() {
	local name=$1 at=${AT:-127.0.0.1}
	shift
	mkdir -p -m 700 "$T/$name"
	ports 3
	RTMP_OF[$name]=${PORTS[0]} HTTP_OF[$name]=${PORTS[1]}
	background "up-$name" millrace up --state "$T/$name" --config "$T/$name.yaml" --rtmp "$at:${PORTS[0]}" \
		--http "127.0.0.1:${PORTS[1]}" --api "127.0.0.1:${PORTS[2]}" --redis "$REDIS_URL" \
		--set "node=$name" --set "cluster.address=$at:${PORTS[0]}" "$@"
	UPS[$name]=$PID
	within 20 node_ready "$name"
}

node_ready() {
	[ "$(on "$1" status --json 2>/dev/null | jq -r '.dataplane.connected and .redis.connected')" = true ]
}

# on NAME command...: the command line of that node
on() {
	local name=$1
	shift
	millrace --state "$T/$name" "$@"
}
