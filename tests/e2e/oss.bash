# SPDX-License-Identifier: Apache-2.0
# The object-storage API as oss_client.py calls it: answers are kept in $T/answer.
# shellcheck shell=bash disable=SC2034

# as FOLDER: with the access key of the node whose state that is
as() {
	OSS_ID=$(jq -r .AccessKeyId "$1/credentials.json")
	OSS_SECRET=$(jq -r .AccessKeySecret "$1/credentials.json")
	export OSS_ID OSS_SECRET
}

# oss METHOD BUCKET OBJECT...: the answer in $T/answer
oss() {
	python3 "$BATS_TEST_DIRNAME/oss_client.py" "$@" >"$T/answer"
}

# oss_is STATUS [CODE [EC]]: the last answer
oss_is() {
	[ "$(head -n 1 "$T/answer")" = "$1" ] || { cat "$T/answer"; return 1; }
	[ -z "$2" ] || grep -q "<Code>$2</Code>" "$T/answer" || { cat "$T/answer"; return 1; }
	[ -z "$3" ] || grep -q "<EC>$3</EC>" "$T/answer" || { cat "$T/answer"; return 1; }
}

body() {
	sed '1,/^$/d' "$T/answer"
}

# value ELEMENT: of the last answer, the first
value() {
	body | grep -o "<$1>[^<]*" | head -n 1 | cut -d'>' -f2
}

# config [inside Target [beside it]]
config() {
	printf '<LiveChannelConfiguration>%s<Target><Type>HLS</Type>%s</Target></LiveChannelConfiguration>' "$2" "$1"
}

make_channel() { # NAME [DURATION [COUNT]]
	oss PUT films "$1?live" -b "$(config "<FragDuration>${2:-1}</FragDuration><FragCount>${3:-3}</FragCount>")"
	oss_is 200
}

signed() { # CHANNEL [EXPIRES [k=v...]]
	python3 "$BATS_TEST_DIRNAME/oss_client.py" url films "$@"
}
