#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Streams that a domain pulls: regular ones in a window, triggered ones while somebody plays them.

load lib
load domains

setup() {
	e2e_setup
	nginx_start
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 0ms\n' >"$T/up.yaml"
	up
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	fixture
}

teardown() {
	e2e_teardown
}

origin() { # NAME: an encoder at the origin server
	background "origin-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/$1"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/src/$1"
}

window() {
	printf '%s\n' "StartTime=$(utc '-1 minute')" "EndTime=$(utc '+1 hour')"
}

using() {
	pull DescribeLivePullStreamConfig x | jq -r '.LiveAppRecordList.LiveAppRecord[0].SourceUsing'
}

@test "P12: a regular pull runs in its window, takes the next source, follows an edit at once and survives kills" {
	origin one
	origin two
	mapfile -t w < <(window)
	run -0 pull AddLivePullStreamInfoConfig a "SourceUrl=rtmp://127.0.0.1:$NGX/closed/none;rtmp://127.0.0.1:$NGX/src/one" "${w[@]}"
	jq -e '.Code == null' <<<"$output"
	within 20 eval '[ "$(state a)" = "online pull" ]'
	plays a
	[ "$(using)" = "rtmp://127.0.0.1:$NGX/src/one" ]
	run -0 pull AddLivePullStreamInfoConfig a "SourceUrl=rtmp://127.0.0.1:$NGX/src/two" "${w[@]}"
	jq -e '.Code == "ConfigAlreadyExists"' <<<"$output"
	pull UpdateLivePullStreamInfoConfig a "SourceUrl=rtmp://127.0.0.1:$NGX/src/two" "${w[@]}"
	within 10 eval '[ "$(using)" = "rtmp://127.0.0.1:$NGX/src/two" ]'
	within 20 eval '[ "$(state a)" = "online pull" ]'
	kill -KILL "$(pid_of cp)"
	within 20 up_ready
	plays a
	kill -KILL "$(pid_of dp)"
	within 30 eval '[ "$(state a)" = "online pull" ]'
	within 20 plays a
	pull DeleteLivePullStreamInfoConfig a
	within 10 eval '[ "$(state a)" = "offline push" ]'
}

@test "what cannot be pulled, or only outside its window, is refused by its field" {
	mapfile -t w < <(window)
	for source in ftp://h:9/x 'rtmp://h/a' 'http://h/a.mp4' 'rtmp://h/a/b;;' "$(printf 'rtmp://h/a/b;%.0s' {1..17})rtmp://h/a/b"; do
		run -0 pull AddLivePullStreamInfoConfig a "SourceUrl=$source" "${w[@]}"
		jq -e '.Code == "InvalidParameter" and (.Message | test("SourceUrl, URL"))' <<<"$output"
	done
	run -0 pull AddLivePullStreamInfoConfig a SourceUrl=rtmp://h/a/b "StartTime=$(utc '-2 hours')" "EndTime=$(utc '-1 hour')"
	jq -e '.Code == "InvalidParameter" and (.Message | test("EndTime"))' <<<"$output"
	run -0 pull AddLivePullStreamInfoConfig a SourceUrl=rtmp://h/a/b "StartTime=$(utc '+1 hour')" "EndTime=$(utc '+8 days')"
	jq -e '.Code == "InvalidParameter" and (.Message | test("7 days"))' <<<"$output"
	run -0 pull UpdateLivePullStreamInfoConfig a SourceUrl=rtmp://h/a/b "${w[@]}"
	jq -e '.Code == "InvalidConfig.NotFound"' <<<"$output"
	run -0 api Action=AddLivePullStreamInfoConfig DomainName=push.example.com AppName=live StreamName=a SourceUrl=rtmp://h/a/b "${w[@]}"
	jq -e '.Code == "InvalidParameter" and (.Message | test("streaming domain"))' <<<"$output"
	[ "$(pull DescribeLivePullStreamConfig x | jq '.LiveAppRecordList.LiveAppRecord | length')" = 0 ]
}

@test "a triggered pull begins with the first player, is one for all of them, and ends when nobody watches (P5)" {
	origin a
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=ali_all_app "PullDomainName=127.0.0.1:9;127.0.0.1:$NGX" \
		PullAppName=src PullProtocol=rtmp IdleTime=2
	[ "$(state a)" = "offline push" ]
	players=()
	for i in 1 2 3 4 5; do
		background "player$i" curl -s -o "$T/out$i" -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/a.flv"
		players+=("$PID")
	done
	within 15 eval '[ "$(state a)" = "online pull" ]'
	for i in 1 2 3 4 5; do within 10 eval "[ \$(stat -c %s $T/out$i) -gt 20000 ]"; done
	[ "$(ss -Htnp state established "( dport = :$NGX )" | grep -c millrace-dp)" = 1 ]
	kill "${players[@]}"
	within 15 eval '[ "$(state a)" = "offline push" ]'
	within 15 plays a
}

@test "a triggered pull goes on after a restart of the control plane while its origin is away" {
	kill -TERM "$UP"
	end_of "$UP" 10
	printf 'memory:\n  arena: 256m\npublish:\n  hold: 30s\n' >"$T/up.yaml"
	up_run
	origin a
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live "PullDomainName=127.0.0.1:$NGX" PullAppName=src PullProtocol=rtmp
	background player curl -s -o "$T/out" -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/a.flv"
	player=$PID
	within 20 eval '[ "$(stat -c %s $T/out 2>/dev/null || echo 0)" -gt 20000 ]'
	old=$(pid_of cp)
	kill -STOP "$old"
	kill -KILL "$NGINX"
	within 20 grep -q 'event=relay .*state=failed' "$S/log/dp.log"
	kill -KILL "$old"
	within 20 up_ready
	within 10 grep -q 'event=pull_taken_over' "$S/log/cp.log"
	nginx_run
	origin a
	from=$(stat -c %s "$T/out")
	within 30 eval "[ \$(stat -c %s $T/out) -gt $((from + 100000)) ]"
	alive "$player"
}

@test "a name that no origin has is told soon, and the origin is not asked again and again (P6)" {
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live "PullDomainName=127.0.0.1:9" PullProtocol=rtmp
	[ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 20 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/none.flv")" = 404 ]
	n=$(grep -c event=pull_triggered "$S"/log/cp.log)
	for _ in 1 2 3 4 5; do
		[ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 2 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/none.flv")" = 404 ]
	done
	[ "$(grep -c event=pull_triggered "$S"/log/cp.log)" -le $((n + 1)) ]
}

@test "settings of triggered pulls are kept, shown, checked and deleted" {
	set_lazy() {
		api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live PullProtocol=rtmp "$@"
	}
	set_lazy PullDomainName=o.example.com PullAppName=src
	run -0 set_lazy PullDomainName=o.example.com
	jq -e '.Code == "InvalidParameter" and (.Message | test("PullAppName"))' <<<"$output"
	run -0 set_lazy PullDomainName='o.example.com/x' PullAppName=src
	jq -e '.Code == "InvalidParameter" and (.Message | test("PullDomainName, host 1"))' <<<"$output"
	run -0 api Action=DescribeLiveLazyPullStreamConfig DomainName=play.example.com
	jq -e '.LiveLazyPullConfigList.LiveLazyPullConfig | length == 1 and .[0].PullAppName == "src" and .[0].AppName == "live" and .[0].IdleTime == 60' <<<"$output"
	api Action=DeleteLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live
	run -0 api Action=DeleteLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live
	jq -e '.Code == "InvalidConfig.NotFound"' <<<"$output"
}

@test "an edge finds the node that has the stream in Redis, pulls it once signed by the domain's key, and again when that node comes back" {
	api Action=BatchSetLiveDomainConfigs DomainNames=play.example.com \
		'Functions=[{"functionName":"aliauth","functionArgs":[{"argName":"auth_type","argValue":"type_a"},{"argName":"auth_key1","argValue":"edgekey1"}]}]'
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live PullDomainName=cluster PullProtocol=rtmp IdleTime=5
	# This node becomes the origin; the edge shares its Redis.
	kill -TERM "$UP"
	end_of "$UP" 10
	background redis redis-server --port 0 --unixsocket "$T/redis.sock" --dir "$S/redis" --appendonly yes --appendfsync always
	within 10 test -S "$T/redis.sock"
	up_run --set "redis.url=unix://$T/redis.sock" --set node=origin --set "cluster.address=127.0.0.1:$RTMP"
	background sends ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a?vhost=push.example.com"
	within 10 eval '[ "$(state a)" = "online push" ]'
	ports 3
	E=$T/edge
	mkdir -m 700 "$E"
	background edge millrace up --state "$E" --config "$T/up.yaml" --rtmp "127.0.0.1:${PORTS[0]}" --http "127.0.0.1:${PORTS[1]}" --api "127.0.0.1:${PORTS[2]}" \
		--set "redis.url=unix://$T/redis.sock" --set node=edge
	within 20 eval 'millrace --state "$E" domain list 2>/dev/null | grep -q play.example.com'
	url=$(millrace --state "$E" url play play.example.com/live/a | sed -n 's/^Flv *//p')
	url=${url/play.example.com/127.0.0.1}
	edge_plays() {
		[ "$(curl -s --max-time 9 -H 'Host: play.example.com' "$url" | head -c 20000 | wc -c)" -ge 20000 ]
	}
	within 20 edge_plays
	[ "$(mr viewer list --json | jq '[.viewers[] | select(.stream == "push.example.com/live/a")] | length')" = 1 ]
	[ "$(millrace --state "$E" viewer list --json | jq '.viewers | length')" -le 1 ]
	old=$(pid_of dp)
	kill -KILL "$old"
	within 20 eval '[ -n "$(pid_of dp)" ] && [ "$(pid_of dp)" != "$old" ]'
	within 10 listening "$RTMP"
	within 10 up_ready
	background sends2 ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$RTMP/live/a?vhost=push.example.com"
	within 20 eval '[ "$(state a)" = "online push" ]'
	within 40 edge_plays
}
