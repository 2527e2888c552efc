#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Relay tasks by TLS: nginx-rtmp behind a terminator as source and destination, HTTPS-FLV, and servers
# that are not who they should be.

load lib

setup() {
	e2e_setup
	nginx_start
	ca
	issue localhost 127.0.0.1
	issue other.example
	ports 2
	TLS=${PORTS[0]} TLS2=${PORTS[1]}
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ntls:\n  ca: %s\n' "$T/ca.crt" >"$T/up.yaml"
}

teardown() {
	e2e_teardown
}

# terminate NAME PORT TO: TLS on PORT with NAME's certificate, plain to port TO
terminate() {
	background "tls-$2" socat "OPENSSL-LISTEN:$2,bind=127.0.0.1,reuseaddr,fork,cert=$T/$1.crt,key=$T/$1.key,verify=0" \
		"TCP:127.0.0.1:$3"
	within 5 listening "$2"
}

publish_to_source() {
	fixture
	background "publish-$1" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/$1"
}

# not_verified TASK KIND: Recovering because of a certificate, as source (Pull) or destination (Push)
not_verified() {
	api Action=DescribeLivePullToPush Region=local "TaskId=$1" |
		jq -e --arg kind "$2StreamFailed" '.TaskStatus == 2 and .TaskInvalidReason == $kind and (tostring | contains("tls_verify"))' >/dev/null
}

@test "P10: an RTMPS source and an RTMPS destination, by name and by address" {
	terminate localhost "$TLS" "$NGX"
	up
	publish_to_source a
	TASK=$(relay_create "rtmps://localhost:$TLS/src/a" "rtmps://127.0.0.1:$TLS/dst/a")
	within 10 task_is "$TASK" 1
	packets "rtmp://127.0.0.1:$NGX/dst/a" 4 >"$T/dst.txt"
	same_packets "$T/dst.txt"
}

@test "an HTTPS-FLV source is relayed, after a redirect from HTTP too" {
	up
	terminate localhost "$TLS" "$HTTP"
	publish live
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/live.flv"
	TASK=$(relay_create "https://localhost:$TLS/live/live.flv" "rtmp://127.0.0.1:$NGX/dst/f")
	within 10 task_is "$TASK" 1
	packets "rtmp://127.0.0.1:$NGX/dst/f" 4 >"$T/dst.txt"
	same_packets "$T/dst.txt"
	redirector "https://localhost:$TLS/live/live.flv"
	TASK=$(relay_create "http://127.0.0.1:$REDIRECT/x" "rtmp://127.0.0.1:$NGX/dst/g")
	within 10 task_is "$TASK" 1
}

# redirector URL: an HTTP server that sends everybody there; sets REDIRECT (port)
redirector() {
	ports 1
	REDIRECT=${PORTS[0]}
	printf 'HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n' "$1" >"$T/redirect.txt"
	background redirect socat "TCP-LISTEN:$REDIRECT,bind=127.0.0.1,reuseaddr,fork" "SYSTEM:cat $T/redirect.txt"
	within 5 listening "$REDIRECT"
}

@test "P10: another authority, another name: Recovering with tls_verify, as source and as destination" {
	terminate other.example "$TLS" "$NGX"
	up
	publish_to_source a
	TASK=$(relay_create "rtmps://localhost:$TLS/src/a" "rtmp://127.0.0.1:$NGX/dst/a")
	within 10 not_verified "$TASK" Pull
	TASK=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmps://localhost:$TLS/dst/b")
	within 15 not_verified "$TASK" Push
	grep -q 'kind=push.*state=failed reason=tls_verify detail="hostname mismatch"' "$S/log/dp.log"
	self_signed localhost -addext subjectAltName=DNS:localhost
	terminate self "$TLS2" "$NGX"
	TASK=$(relay_create "rtmps://localhost:$TLS2/src/a" "rtmp://127.0.0.1:$NGX/dst/c")
	within 10 not_verified "$TASK" Pull
	grep -q 'kind=pull.*state=failed reason=tls_verify detail="self-signed certificate"' "$S/log/dp.log"
}

# self_signed NAME [option...]: $T/self.crt and .key
self_signed() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$T/self.key" -out "$T/self.crt" "${@:2}" 2>/dev/null
}

@test "P10: a certificate that is known by its fingerprint is trusted, whoever signed it" {
	self_signed someone
	pin=$(openssl x509 -in "$T/self.crt" -noout -fingerprint -sha256)
	printf '  pins: "localhost:%s=%s"\n' "$TLS" "${pin#*=}" >>"$T/up.yaml"
	terminate self "$TLS" "$NGX"
	up
	publish_to_source a
	TASK=$(relay_create "rtmps://localhost:$TLS/src/a" "rtmps://localhost:$TLS/dst/a")
	within 10 task_is "$TASK" 1
	# The same certificate under a name without a pin.
	TASK=$(relay_create "rtmps://127.0.0.1:$TLS/src/a" "rtmp://127.0.0.1:$NGX/dst/b")
	within 10 not_verified "$TASK" Pull
}

@test "an authority that cannot be read stops the start, and a reload that names one changes nothing" {
	ports 2
	RTMP=${PORTS[0]} HTTP=${PORTS[1]}
	run -1 millrace-dp --state "$S" --set "rtmp.listen=127.0.0.1:$RTMP" --set "http.listen=127.0.0.1:$HTTP" --set "tls.ca=$T/none.pem"
	[[ $output == *"$T/none.pem"* ]]
	dp_start --config "$T/up.yaml"
	sed -i "s#$T/ca.crt#$T/none.pem#" "$T/up.yaml"
	kill -HUP "$DP"
	within 5 grep -q 'level=error.*event=reload.*none.pem' "$T/dp.log"
	alive "$DP"
}
