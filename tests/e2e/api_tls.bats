#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The API by TLS: its certificate is checked before it counts, and replaced while connections go on.

load lib

setup() {
	e2e_setup
	ca
	issue one.example 127.0.0.1
	issue two.example 127.0.0.1
	ports 1
	TLS=${PORTS[0]}
	install_pair one.example
	printf 'memory:\n  arena: 256m\napi:\n  tls_listen: "127.0.0.1:%s"\n  tls_certificate: "%s/api.crt"\n  tls_key: "%s/api.key"\n' "$TLS" "$T" "$T" >"$T/up.yaml"
}

teardown() {
	e2e_teardown
}

install_pair() { # NAME
	cp "$T/$1.crt" "$T/api.crt"
	cp "$T/$1.key" "$T/api.key"
}

shown() { # the name of the certificate that a client sees
	openssl s_client -connect "127.0.0.1:$TLS" </dev/null 2>/dev/null | openssl x509 -noout -subject | sed 's/.*CN *= *//'
}

@test "signed calls come by TLS, a new certificate counts after a reload and a broken one never" {
	up
	SSL_CERT_FILE=$T/ca.crt run -0 python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "https://127.0.0.1:$TLS/" POST Action=DescribeLiveUserDomains
	[ "${lines[0]}" = 200 ]
	[ "$(shown)" = one.example ]
	run ! curl -sf --max-time 5 "http://127.0.0.1:$TLS/healthz"
	run ! curl -sf --max-time 5 --cacert "$T/ca.crt" --tls-max 1.1 "https://127.0.0.1:$TLS/healthz"
	install_pair two.example
	kill -HUP "$(pid_of cp)"
	within 10 eval '[ "$(shown)" = two.example ]'
	cp "$T/one.example.key" "$T/api.key"
	run ! mr reload
	[ "$(shown)" = two.example ]
	curl -sf --cacert "$T/ca.crt" "https://127.0.0.1:$TLS/healthz"
}

@test "a listener without a certificate is refused at the start" {
	run ! timeout 20 millrace-cp --state "$S" --set "api.tls_listen=127.0.0.1:$TLS"
	[[ $output == *"api.tls_certificate"* ]]
}
