#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Real clients behind a proxy that cuts, delays, truncates and resets: a witness beside it gets every
# packet, and afterwards connections, streams and memory are back where they were.

load lib

ROUND=60    # clients
TOGETHER=10 # of them at a time
SECONDS_EACH=3
RSS_GROWTH_KB=4096 # that a second round may leave behind

setup() {
	e2e_setup
	cat >"$T/up.yaml" <<-'END'
		memory:
		  arena: 256m
		rtmp:
		  handshake_timeout: 2s
		http:
		  request_timeout: 2s
		stream:
		  retain: 5s
		  media_timeout: 2s
		  first_media_timeout: 2s
		play:
		  max_lag: 2s
		  stall_timeout: 3s
	END
	up
}

teardown() {
	e2e_teardown
}

metric() { # name: its sum over the cores
	curl -s "http://127.0.0.1:$API/metrics" | awk -v name="$1" '{ split($1, n, "{") } n[1] == name { sum += $2 } END { print sum + 0 }'
}

metric_is() {
	[ "$(metric "$1")" = "$2" ]
}

dp_rss_kb() {
	awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of dp)/status"
}

# client N: the N-th rough client, for SECONDS_EACH at most
client() {
	local rtmp=rtmp://127.0.0.1:$ROUGH_RTMP/live http=http://127.0.0.1:$ROUGH_HTTP/live
	case $(($1 % 6)) in
	0) set -- ffmpeg -v error -re -i "$AV" -c copy -f flv "$rtmp/own$1" ;;
	1) set -- ffmpeg -v error -re -i "$AV" -c copy -f flv "$rtmp/contended" ;;
	2) set -- curl -s -o /dev/null "$http/witness.flv" ;;
	3) set -- ffmpeg -v error -i "$rtmp/witness" -c copy -f null - ;;
	4) set -- curl -s -o /dev/null "$http/contended.flv" ;;
	5) set -- ffmpeg -v error -i "$http/witness.flv" -c copy -f null - ;;
	esac
	timeout -k 1 "$SECONDS_EACH" "$@" >>"$T/clients.log" 2>&1 3>&- 4>&- </dev/null || : # it is meant to fail
}

# rough_round SEED: ROUND clients through the proxy; they and it are gone afterwards
rough_round() {
	local n running=() proxy
	background "proxy$1" python3 "$TOP/tests/e2e/rough_proxy.py" "$1" "$T/ports$1" "$RTMP" "$HTTP"
	proxy=$PID
	within 5 test -e "$T/ports$1"
	read -r ROUGH_RTMP ROUGH_HTTP <"$T/ports$1"
	for ((n = 0; n < ROUND; n++)); do
		client "$n" &
		running+=($!)
		[ ${#running[@]} -lt "$TOGETHER" ] || {
			wait "${running[0]}"
			running=("${running[@]:1}")
		}
	done
	wait "${running[@]}"
	kill "$proxy"
	end_of "$proxy" 5
}

only_the_witness_is_there() {
	metric_is millrace_connections 2 && metric_is millrace_publishers 1 && metric_is millrace_streams 1 &&
		metric_is millrace_viewers_rtmp 1 && metric_is millrace_viewers_http_flv 0
}

@test "rough connections leave nothing behind, and a witness gets every packet" {
	publish witness
	publisher=$PID
	within 10 stream_live live/witness
	background witness ffmpeg -v error -i "rtmp://127.0.0.1:$RTMP/live/witness" -c copy -copyts -f framemd5 "$T/witness.md5"
	witness=$PID
	within 10 only_the_witness_is_there

	rough_round 1
	within 10 only_the_witness_is_there
	before=$(dp_rss_kb)
	rough_round 2
	within 10 only_the_witness_is_there
	grown=$(($(dp_rss_kb) - before))
	echo "# grown: $grown KiB; $(tail -qn 1 "$T"/proxy?.log | tr '\n' ' ')"
	[ -n "${SANITIZER:-}" ] || [ "$grown" -lt "$RSS_GROWTH_KB" ] # a sanitizer keeps memory of its own

	kill -INT "$witness"
	end_of "$witness" 5
	grep -v '^#' "$T/witness.md5" | awk -F', *' '{ print $1, $5, $6 }' >"$T/witness.txt"
	same_packets "$T/witness.txt"

	kill "$publisher"
	for name in connections publishers streams viewers_rtmp viewers_http_flv log_blocks; do
		within 10 metric_is "millrace_$name" 0
	done
}
