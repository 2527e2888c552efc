#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The Grafana dashboards as Grafana would ask: every expression of every panel, at a real Prometheus, of a node
# with streams, viewers, tasks and trouble.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

# What this node does not have: the packet guard is at no interface.
NOT_HERE='millrace_guard_packets_total'

# And what it only has where the programs in the kernel can be loaded.
without_programs() {
	curl -fsS "http://127.0.0.1:$API/metrics" | grep -q '^millrace_kernel_program{program="steer"} 1' ||
		NOT_HERE+='\|millrace_steered_connections_total'
}

node_start() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
		-keyout "$T/a.key" -out "$T/a.crt" 2>/dev/null
	printf 'cores: 2\nmemory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ntls:\n  certificate: %s\n  key: %s\n' \
		"$T/a.crt" "$T/a.key" >"$T/up.yaml"
	up
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	background viewer curl -sN -o /dev/null "http://127.0.0.1:$HTTP/live/a.flv"
	background comes_and_goes bash -c 'while :; do curl -s -m 1 -o /dev/null "$1"; done' - "http://127.0.0.1:$HTTP/live/a.flv"
	relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/copy"
	relay_create "rtmp://127.0.0.1:1/live/a" "rtmp://127.0.0.1:$RTMP/live/never"
}

prometheus_start() {
	ports 1
	PROM=${PORTS[0]}
	printf 'global:\n  scrape_interval: 1s\nscrape_configs:\n- job_name: millrace\n  static_configs:\n  - targets: ["127.0.0.1:%s"]\n' \
		"$API" >"$T/prometheus.yml"
	background prometheus prometheus --config.file="$T/prometheus.yml" --storage.tsdb.path="$T/tsdb" \
		--web.listen-address="127.0.0.1:$PROM" --log.level=warn
	within 20 curl -sf -o /dev/null "http://127.0.0.1:$PROM/-/ready"
}

# The expressions as Grafana sends them with "All" in every variable.
expressions() {
	jq -r '.panels[].targets[].expr' "$TOP"/configs/grafana/*.json |
		sed 's/\$__rate_interval/15s/g; s/\$\(node\|stream\|task\)/.*/g' | sort -u
}

# Leaves in $T/left what has no answer yet.
all_answer() {
	local e
	while read -r e; do
		[ "$(curl -s "http://127.0.0.1:$PROM/api/v1/query" --data-urlencode "query=$e" | jq '.data.result | length')" -gt 0 ] ||
			echo "$e"
	done <"$T/left" >"$T/left.new"
	mv "$T/left.new" "$T/left"
	[ ! -s "$T/left" ]
}

@test "every panel of the dashboards has data" {
	node_start
	without_programs
	prometheus_start
	expressions | grep -v "$NOT_HERE" >"$T/left"
	[ "$(wc -l <"$T/left")" -gt 80 ]
	within 60 all_answer || {
		sed 's/^/# no data: /' "$T/left" >&2
		false
	}
}
