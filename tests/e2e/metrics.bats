#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# /metrics: clean for promtool, scraped by a real Prometheus, and true: figures against what a client
# counted. The files in configs/ that use the names.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

metrics() { # [query]
	curl -fsS "http://127.0.0.1:$API/metrics${1:+?$1}"
}

# value NAME [LABELS]: one series of the present answer
value() {
	metrics | awk -v want="$1${2:+{$2\}}" '$1 == want { print $2; found = 1 } END { exit !found }'
}

# is NAME LABELS TEST...: awk's opinion of the value, e.g. is up 'part="redis"' '== 1'
is() {
	local v
	v=$(value "millrace_$1" "$2") || return 1
	awk -v v="$v" "BEGIN { exit !(v $3) }"
}

@test "every line is clean for promtool, with streams and tasks in it" {
	up
	publish a
	within 10 stream_live live/a
	TASK=$(relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/copy")
	within 10 is leg_state "task=\"$TASK\",leg=\"pull\"" '== 3'
	within 10 is leg_state "task=\"$TASK\",leg=\"push\"" '== 3'
	# The control plane asks for codecs when a stream is new, and again.
	within 10 is stream_info 'stream="default/live/a",video="h264",audio="aac",width="320",height="180"' '== 1'
	metrics >"$T/metrics.txt"
	run -0 promtool check metrics <"$T/metrics.txt"
	[ -z "$output" ]
	[ "$(grep -c '^millrace_stream_frames_total{stream="default/live/a"' "$T/metrics.txt")" = 3 ]
}

@test "bytes and frames are what a client counted" {
	up
	fixture
	background encoder ffmpeg -v warning -re -i "$AV" -t 6 -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a"
	encoder=$PID
	within 10 stream_live live/a
	background viewer curl -sN -D "$T/head" -o "$T/got.flv" "http://127.0.0.1:$HTTP/live/a.flv"
	viewer=$PID
	within 10 is stream_viewers 'stream="default/live/a",protocol="http-flv"' '== 1'
	# The encoder stops and stays connected: what was sent can be compared at leisure.
	within 5 is stream_frames_total 'stream="default/live/a",kind="video"' '> 60'
	kill -STOP "$encoder"
	within 10 settled
	read -r got video keys < <(flv_count "$T/got.flv")
	[ "$(value millrace_stream_sent_bytes_total 'stream="default/live/a"')" = "$got" ]
	[ "$(value millrace_stream_joins_total 'stream="default/live/a"')" = 1 ]
	# What it missed before it joined are whole groups of 30 pictures; the sequence header is one message.
	all_keys=$(value millrace_stream_keyframes_total 'stream="default/live/a"')
	frames=$(value millrace_stream_frames_total 'stream="default/live/a",kind="video"')
	[ $((frames - 1)) -eq $((video + 30 * (all_keys - keys))) ]
	alive "$viewer"
}

# flv_count FILE: bytes behind the headers of the start, then video frames and key frames among them
flv_count() {
	python3 - "$1" <<'PY'
import sys
b = open(sys.argv[1], 'rb').read()
at, start, video, keys = 13, 0, 0, 0
while at + 11 <= len(b):
    size = int.from_bytes(b[at + 1:at + 4], 'big')
    kind, body = b[at] & 31, b[at + 11:at + 11 + size]
    header = kind == 18 or body[1] == 0 and (kind == 9 or body[0] >> 4 == 10)
    at += 15 + size
    if not start and not header:
        start = at - 15 - size
    if kind == 9 and not header:
        video += 1
        keys += body[0] >> 4 == 1
if at != len(b):
    sys.exit('the last tag is cut')
print(len(b) - start, video, keys)
PY
}

# nothing is on its way any more
settled() {
	local a b
	a=$(wc -c <"$T/got.flv") && b=$(value millrace_stream_sent_bytes_total 'stream="default/live/a"')
	read -rt 0.5 <> <(:) || :
	[ "$a" -eq "$(wc -c <"$T/got.flv")" ] && [ "$b" = "$(value millrace_stream_sent_bytes_total 'stream="default/live/a"')" ]
}

@test "series of streams are bounded and can be chosen" {
	printf 'memory:\n  arena: 256m\nmetrics:\n  streams_max: 1\n' >"$T/up.yaml"
	up
	publish a
	publish b
	within 10 stream_live live/a
	within 10 stream_live live/b
	[ "$(metrics | grep -c '^millrace_stream_received_bytes_total{')" = 1 ]
	[ "$(value millrace_streams)" = 2 ]
	[ "$(value millrace_streams_rest)" = 1 ]
	metrics | grep -q '^millrace_stream_received_bytes_per_second{stream="rest"}'
	metrics 'stream=default/live/b' >"$T/b.txt"
	grep -q '^millrace_stream_received_bytes_total{stream="default/live/b"}' "$T/b.txt"
	run ! grep -qv -e '^#' -e 'stream="default/live/b"' "$T/b.txt"
	[ "$(metrics 'stream=nothing/*' | grep -cv '^#')" = 0 ]
}

@test "what is away is 0 or absent, and counted when it is back" {
	up
	[ "$(value millrace_up 'part="dataplane"')" = 1 ]
	connects=$(value millrace_dataplane_connects_total)
	kill -KILL "$(pid_of dp)"
	within 5 is up 'part="dataplane"' '== 0'
	run -0 metrics
	[[ $output != *millrace_stream_viewers* ]]
	within 20 is up 'part="dataplane"' '== 1'
	[ "$(value millrace_dataplane_connects_total)" -gt "$connects" ]
	redis=$(value millrace_redis_connects_total)
	kill -KILL "$(pid_of redis)"
	within 5 is up 'part="redis"' '== 0'
	within 20 is redis_connects_total '' "> $redis"
	within 10 is redis_latency_seconds '' '> 0'
}

@test "counters of streams go on when the control plane is killed" {
	up
	publish a
	within 10 stream_live live/a
	within 10 is stream_frames_total 'stream="default/live/a",kind="video"' '> 30'
	before=$(value millrace_stream_frames_total 'stream="default/live/a",kind="video"')
	old=$(pid_of cp)
	kill -KILL "$old"
	end_of "$old" 5
	within 20 is stream_frames_total 'stream="default/live/a",kind="video"' ">= $before"
	[ "$(pid_of cp)" != "$old" ]
	# A domain's are those of its streams, which the data plane has, to the byte.
	within 10 test -s "$S/domain_sums.json"
	within 10 domain_is_its_stream
	before=$(value millrace_domain_received_bytes_total 'domain="default"')
	# They outlive the data plane, and the stream, too.
	old=$(pid_of dp)
	kill -KILL "$old"
	end_of "$old" 5
	within 20 is domain_received_bytes_total 'domain="default"' ">= $before"
	within 20 no_streams
	is domain_received_bytes_total 'domain="default"' ">= $before"
}

no_streams() {
	[ "$(mr stream list --json 2>/dev/null | jq '.streams | length')" = 0 ]
}

# Both are of one answer: the domain's is noted once a second, the stream's is read now.
domain_is_its_stream() {
	metrics >"$T/now"
	awk '/^millrace_domain_received_bytes_total\{domain="default"\}/ { d = $2 }
		/^millrace_stream_received_bytes_total\{stream="default\/live\/a"\}/ { s = $2 }
		END { exit !(d > 0 && s >= d && s - d < 400000) }' "$T/now"
}

@test "a certificate shows when it ends" {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
		-keyout "$T/a.key" -out "$T/a.crt" 2>/dev/null
	printf 'memory:\n  arena: 256m\ntls:\n  certificate: %s\n  key: %s\n' "$T/a.crt" "$T/a.key" >"$T/up.yaml"
	up
	end=$(date -d "$(openssl x509 -enddate -noout -in "$T/a.crt" | cut -d= -f2)" +%s)
	is tls_certificate_end_seconds "file=\"$T/a.crt\"" "== $end"
}

@test "callbacks that nobody takes: pending, old, dead" {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ncallback:\n  tries: 3\n  interval: 1s\n' >"$T/up.yaml"
	up
	publish a
	within 10 stream_live live/a
	relay_create "rtmp://127.0.0.1:$RTMP/live/a" "rtmp://127.0.0.1:$RTMP/live/copy" "CallbackUrl=http://127.0.0.1:1/nobody"
	within 10 is callbacks_pending '' '>= 1'
	within 10 is callbacks_oldest_seconds '' '> 0'
	within 10 is callbacks_total 'result="dead"' '>= 1'
	is callbacks_total 'result="failed"' '>= 3'
}

@test "a real Prometheus scrapes it, with the rules and the configuration of the tree" {
	up
	publish a
	within 10 stream_live live/a
	ports 1
	PROM=${PORTS[0]}
	mkdir "$T/prometheus" "$T/alerts"
	cp "$TOP/configs/alerts/millrace.rules.yml" "$T/alerts/"
	sed "s/127.0.0.1:8090/127.0.0.1:$API/; s/scrape_interval: .*/scrape_interval: 1s/; s/evaluation_interval: .*/evaluation_interval: 1s/" \
		"$TOP/configs/prometheus/prometheus.yml" >"$T/prometheus/prometheus.yml"
	background prometheus prometheus --config.file="$T/prometheus/prometheus.yml" --storage.tsdb.path="$T/tsdb" \
		--web.listen-address="127.0.0.1:$PROM" --log.level=warn
	within 20 asks 'up{job="millrace"}' 1
	within 10 asks 'millrace_stream_info{stream="default/live/a",video="h264"}' 1
	within 10 asks 'rate(millrace_stream_received_bytes_total{stream="default/live/a"}[10s]) > bool 10000' 1
	[ "$(curl -s "http://127.0.0.1:$PROM/api/v1/rules" | jq '[.data.groups[].rules[] | select(.health != "err")] | length')" \
		= "$(grep -c 'alert:' "$TOP/configs/alerts/millrace.rules.yml")" ]
	# One series of every name of the reference that this node can have by now.
	curl -s "http://127.0.0.1:$PROM/api/v1/label/__name__/values" | jq -r '.data[]' | grep '^millrace_' | sort >"$T/scraped"
	[ "$(comm -23 "$T/scraped" <(names) | wc -l)" = 0 ]
	[ "$(wc -l <"$T/scraped")" -gt 70 ]
}

# asks EXPRESSION VALUE: whether Prometheus answers that
asks() {
	[ "$(curl -s "http://127.0.0.1:$PROM/api/v1/query" --data-urlencode "query=$1" | jq -r '.data.result[0].value[1] // empty')" = "$2" ]
}

# the names of METRICS.md, those of a histogram's series too
names() {
	millrace-cp --metrics-doc | awk -F'[|` ]+' '/^\| `millrace_/ {
		print $2
		if ($3 == "histogram") print $2 "_bucket\n" $2 "_count\n" $2 "_sum"
	}' | sort
}

@test "alert rules and configuration: promtool finds no fault, and each fires when it should" {
	run -0 promtool check config "$TOP/configs/prometheus/prometheus.yml"
	run -0 promtool test rules "$TOP/tests/alerts/millrace.test.yml"
	# Every alert has a case and a runbook.
	for alert in $(sed -n 's/.*alert: //p' "$TOP/configs/alerts/millrace.rules.yml"); do
		grep -q "$alert" "$TOP/tests/alerts/millrace.test.yml"
	done
	[ "$(grep -c 'runbook:' "$TOP/configs/alerts/millrace.rules.yml")" = "$(grep -c 'alert:' "$TOP/configs/alerts/millrace.rules.yml")" ]
}

@test "dashboards are what their script writes; they and the alerts use only metrics that exist" {
	mkdir "$T/grafana"
	DASHBOARDS_TO=$T/grafana python3 "$TOP/configs/grafana/dashboards.py"
	for board in overview stream tasks cores; do
		cmp "$T/grafana/$board.json" "$TOP/configs/grafana/$board.json"
	done
	names >"$T/names"
	cat "$T"/grafana/*.json "$TOP/configs/alerts/millrace.rules.yml" "$TOP/tests/alerts/millrace.test.yml" |
		grep -o '\bmillrace_[a-z_]*' | sort -u >"$T/used"
	[ "$(wc -l <"$T/used")" -gt 60 ]
	run -0 comm -23 "$T/used" "$T/names"
	[ -z "$output" ]
	# Every expression is one for Prometheus too.
	jq -r '.panels[].targets[].expr' "$T"/grafana/*.json | sed 's/\$__rate_interval/1m/g' |
		awk 'BEGIN { print "groups:\n- name: dashboards\n  rules:" }
			{ gsub(/\047/, "\047\047"); printf "  - record: panel:%d\n    expr: \047%s\047\n", NR, $0 }' >"$T/panels.yml"
	run -0 promtool check rules "$T/panels.yml"
}
