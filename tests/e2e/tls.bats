#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# TLS listeners: RTMPS and HTTPS-FLV with real clients, server names, reload without cutting anybody off.

load lib

setup() {
	e2e_setup
	ca
	issue one.example 127.0.0.1
	ports 4
	RTMP=${PORTS[0]} HTTP=${PORTS[1]} RTMPS=${PORTS[2]} HTTPS=${PORTS[3]}
}

teardown() {
	e2e_teardown
}

tls_run() {
	dp_run --set "rtmps.listen=127.0.0.1:$RTMPS" --set "https.listen=127.0.0.1:$HTTPS" "$@"
}

tls_start() { # option...: with the one certificate
	tls_run --set "tls.certificate=$T/one.example.crt" --set "tls.key=$T/one.example.key" "$@"
}

# shown [NAME]: the name of the certificate that a client which asks for NAME sees
shown() {
	openssl s_client -connect "127.0.0.1:$HTTPS" ${1:+-servername "$1"} </dev/null 2>/dev/null |
		openssl x509 -noout -subject | sed 's/.*CN *= *//'
}

@test "H11: ffmpeg publishes and plays by RTMPS, curl fetches HTTPS-FLV, and packets are the published ones" {
	tls_start --set cores=2
	fixture
	background publish ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmps://127.0.0.1:$RTMPS/live/a"
	within 10 rtmp_plays "rtmp://127.0.0.1:$RTMP/live/a"
	packets "rtmps://127.0.0.1:$RTMPS/live/a" 4 >"$T/rtmps.txt" &
	curl -s --cacert "$T/ca.crt" --max-time 6 "https://127.0.0.1:$HTTPS/live/a.flv" -o "$T/a.flv" || [ $? -eq 28 ]
	wait $!
	same_packets "$T/rtmps.txt"
	packets "$T/a.flv" 4 >"$T/https.txt"
	same_packets "$T/https.txt"
	run -60 curl -s --max-time 3 "https://127.0.0.1:$HTTPS/live/a.flv"
}

@test "H11: plain text and old TLS on a TLS port end with a counted reason, nobody else notices" {
	tls_start
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	run curl -s --max-time 3 "http://127.0.0.1:$HTTPS/live/a.flv"
	[ "$status" -ne 0 ]
	run curl -s --cacert "$T/ca.crt" --tls-max 1.1 --max-time 3 "https://127.0.0.1:$HTTPS/live/a.flv"
	[ "$status" -ne 0 ]
	for v in 1.2 1.3; do
		run curl -s --cacert "$T/ca.crt" "--tlsv$v" --tls-max $v --max-time 1 -o /dev/null -w '%{http_code}' "https://127.0.0.1:$HTTPS/live/a.flv"
		[ "$output" = 200 ]
	done
	within 3 grep -q 'reason=tls_handshake.* detail=' "$T/dp.log"
	flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
}

@test "H11: the client's server name chooses the certificate, in its folder" {
	mkdir "$T/certs"
	issue two.example
	issue three.example
	mv "$T"/two.example.{crt,key} "$T"/three.example.{crt,key} "$T/certs"
	tls_start --set "tls.folder=$T/certs"
	[ "$(shown two.example)" = two.example ]
	[ "$(shown three.example)" = three.example ]
	[ "$(shown other.example)" = one.example ]
	[ "$(shown)" = one.example ]
}

@test "H11: SIGHUP reads new certificates, viewers go on; broken files change nothing" {
	tls_start --set log.level=info
	publish a
	within 10 flv_plays "http://127.0.0.1:$HTTP/live/a.flv"
	background viewer curl -s --cacert "$T/ca.crt" -o "$T/viewer.flv" "https://127.0.0.1:$HTTPS/live/a.flv"
	viewer=$PID
	within 5 [ -s "$T/viewer.flv" ]
	[ "$(shown)" = one.example ]
	issue two.example 127.0.0.1
	cp "$T/two.example.crt" "$T/one.example.crt"
	cp "$T/two.example.key" "$T/one.example.key"
	kill -HUP "$DP"
	shows_two() { [ "$(shown)" = two.example ]; }
	within 5 shows_two
	echo nonsense >"$T/one.example.crt"
	kill -HUP "$DP"
	within 5 grep -q 'event=reload message=' "$T/dp.log"
	shows_two
	had=$(stat -c %s "$T/viewer.flv")
	grown() { [ "$(stat -c %s "$T/viewer.flv")" -gt $((had + 100000)) ]; }
	within 8 grown
	alive "$viewer"
}

@test "a TLS listener without a usable certificate does not start, and says what to do" {
	for set in tls.key= "tls.certificate=$T/none.crt" "tls.certificate=$T/one.example.key"; do
		run -1 millrace-dp --state "$S" --set "rtmp.listen=127.0.0.1:$RTMP" --set "http.listen=127.0.0.1:$HTTP" \
			--set "https.listen=127.0.0.1:$HTTPS" --set "$set"
		[[ $output == millrace-dp:*certificate* ]]
	done
}
