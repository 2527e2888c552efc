#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A whole node as an edge: it pulls what its viewers ask for from the node that has it.
#
#   ffmpeg -> origin (millrace up) <- edge (millrace up) <- viewers
#                    \__ one redis-server __/

# shellcheck disable=SC2030,SC2031,SC2034,SC2174 # each test has nodes of its own; lib.bash reads S
load lib
load clips
load several

setup() {
	e2e_setup
	fixture
	background redis redis-server --port 0 --unixsocket "$T/redis.sock" --dir "$T" --save '' --appendonly no
	within 10 test -S "$T/redis.sock"
	REDIS_URL=unix://$T/redis.sock
}

teardown() {
	if [ "${BATS_TEST_COMPLETED:-0}" != 1 ]; then
		tail -n 40 "$T"/{origin,edge}/log/[cd]p.log 2>/dev/null | sed 's/^/# /'
	fi
	e2e_teardown
}

# node NAME [option...]: at the address AT (127.0.0.1)
node() {
	printf 'memory:\n  arena: 256m\ncores: 2\npublish:\n  hold: 30s\ntasks:\n  retry_interval_min: 1\n' >"$T/$1.yaml"
	node_run "$@"
}

process() { # NODE cp|dp
	pgrep -P "${UPS[$1]}" -x "millrace-$2"
}

# replace NODE cp|dp: kills it; returns when another one serves
replace() {
	local old
	old=$(process "$1" "$2")
	kill -KILL "$old"
	within 20 eval "[ -n \"\$(process $1 $2)\" ] && [ \"\$(process $1 $2)\" != $old ]"
	within 30 node_ready "$1"
}

# nodes: origin and edge, with a domain to publish and one to play
nodes() { # [option...]
	node origin "$@"
	AT=127.0.0.1 node edge "$@"
	S=$T/origin
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --open --ingest push.example.com
	within 10 knows edge play.example.com
	within 10 knows origin play.example.com
}

knows() { # NODE TEXT: in what its data plane reads
	grep -q "$2" "$T/$1/domains.json"
}

lazy() { # [k=v...]
	local before given=" $* " args=("$@") default
	for default in PullDomainName=cluster PullProtocol=rtmp IdleTime=60; do
		[[ $given == *" ${default%%=*}="* ]] || args+=("$default")
	done
	before=$(stat -c %i "$T/edge/domains.json")
	api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com AppName=live "${args[@]}" | jq -e '.Code == null'
	within 10 eval "[ \$(stat -c %i $T/edge/domains.json) != $before ]"
}

encoder() { # NAME
	background "encoder-$1" ffmpeg -v error -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:${RTMP_OF[origin]}/live/$1?vhost=push.example.com"
	within 10 live_at origin "$1"
}

live_at() { # NODE NAME
	on "$1" stream list --json 2>/dev/null | jq -e --arg k "push.example.com/live/$2" 'any(.streams[]?; .stream == $k)' >/dev/null
}

# origin_viewers NAME: who plays it there
origin_viewers() {
	on origin viewer list --json | jq --arg k "push.example.com/live/$1" '[.viewers[] | select(.stream == $k)] | length'
}

edge_status() { # PATH: of an HTTP request
	curl -s -o /dev/null -w '%{http_code}' --max-time 20 -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}$1"
}

edge_plays() { # PATH
	[ "$(curl -s --max-time 12 -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}$1" | head -c 20000 | wc -c)" -ge 20000 ]
}

# grows FILE: by 100 KB
grows() {
	local from
	from=$(stat -c %s "$1")
	within 30 eval "[ \$(stat -c %s $1) -gt $((from + 100000)) ]"
}

triggered() { # times that the edge began a pull
	grep -c event=pull_triggered "$T/edge/log/cp.log" || :
}

@test "P5: 1,000 viewers who join an edge at once cause one pull, get what is published, and it ends after them" {
	nodes
	lazy IdleTime=3
	encoder a
	run -0 timeout 60 python3 "$BATS_TEST_DIRNAME/flv_crowd.py" "${HTTP_OF[edge]}" play.example.com /live/a.flv 1000 50
	[ "$output" = 1000 ]
	[ "$(origin_viewers a)" = 1 ]
	packets "rtmp://127.0.0.1:${RTMP_OF[edge]}/live/a?vhost=play.example.com" 4 >"$T/got"
	same_packets "$T/got"
	[ "$(triggered)" = 1 ]
	within 20 eval '[ "$(origin_viewers a)" = 0 ]'
	within 10 not live_at edge a
	edge_plays /live/a.flv
	[ "$(triggered)" = 2 ]
}

@test "a viewer at the edge stays through kills of both control planes and of the origin's data plane; one of the edge's comes back" {
	nodes
	lazy
	encoder a
	background viewer curl -s -o "$T/out" -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}/live/a.flv"
	viewer=$PID
	within 20 test -s "$T/out"
	replace origin cp
	grows "$T/out"
	replace edge cp
	grows "$T/out"
	[ "$(origin_viewers a)" = 1 ]
	replace edge cp
	grows "$T/out"
	kill "$viewer"
	# A control plane that came later takes pulls over; what it began itself it also brings back.
	on edge stream kick push.example.com/live/a
	within 20 eval '[ "$(origin_viewers a)" = 0 ]'
	within 30 edge_plays /live/a.flv
	background viewer2 curl -s -o "$T/out2" -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}/live/a.flv"
	viewer=$PID
	within 20 test -s "$T/out2"
	replace origin dp
	encoder a
	grows "$T/out2"
	alive "$viewer"
	[ "$(origin_viewers a)" = 1 ]
	replace edge dp
	within 30 edge_plays /live/a.flv
	[ "$(origin_viewers a)" = 1 ]
}

online() { # NODE [k=v...]: "name node viewers" of each stream that it lists
	local node=$1
	shift
	S=$T/$node api Action=DescribeLiveStreamsOnlineList DomainName=play.example.com "$@" |
		jq -r '.OnlineInfo.LiveStreamOnlineInfo[] | "\(.StreamName) \(.ServerIp) \(.UserNum)"'
}

@test "each node lists what is live on all of them, with the viewers of all, a page at a time; what a dead node had vanishes" {
	nodes --set cluster.enabled=true
	lazy
	encoder a
	encoder b
	background viewer curl -s -o "$T/out" -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}/live/a.flv"
	within 20 test -s "$T/out"
	for name in origin edge; do
		within 20 eval "[ \"\$(online $name)\" = \$'a origin 1\nb origin 0' ]"
		[ "$(online "$name" PageSize=1 PageNum=2)" = "b origin 0" ]
		S=$T/$name api Action=DescribeLiveStreamState DomainName=play.example.com AppName=live StreamName=b | jq -e '.StreamState == "online" and .Type == "push"'
		S=$T/$name api Action=DescribeLiveDomainOnlineUserNum DomainName=play.example.com PageSize=1 |
			jq -e '.UserCount == 1 and .StreamCount == 2 and (.OnlineUserInfo.LiveStreamOnlineUserNumInfo | length) == 1'
		S=$T/$name api Action=DescribeLiveStreamsPublishList DomainName=play.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" |
			jq -e '[.PublishInfo.LiveStreamPublishInfo[] | [.StreamName, .EdgeNodeAddr, .StopTime]] == [["a", "origin", ""], ["b", "origin", ""]]'
	done
	S=$T/edge api Action=ForbidLiveStream DomainName=push.example.com AppName=live StreamName=b LiveStreamType=publisher Oneshot=yes | jq -e '.Code == null'
	within 10 not live_at origin b
	within 10 eval '[ "$(online edge | grep -c ^b)" = 0 ]'
	S=$T/edge api Action=DescribeLiveStreamsPublishList DomainName=play.example.com StreamName=b "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" |
		jq -e '.PublishInfo.LiveStreamPublishInfo | length == 1 and .[0].StopTime != ""'
	S=$T/origin api Action=DescribeLiveStreamsControlHistory DomainName=push.example.com "StartTime=$(utc '-1 hour')" "EndTime=$(utc '+1 hour')" PageSize=1 |
		jq -e '.TotalNum == 1 and .ControlInfo.LiveStreamControlInfo[0].Action == "forbid_oneshot"'
	# The edge still shows its viewers the stream: publish.hold.
	kill -KILL "${UPS[origin]}" "$(process origin cp)" "$(process origin dp)"
	within 30 eval '[ "$(online edge)" = "a edge 1" ] || [ -z "$(online edge)" ]'
}

@test "P6: a name that no node has is told, and is known from then on" {
	nodes
	lazy
	[ "$(edge_status /live/none.flv)" = 404 ]
	begun=${EPOCHREALTIME/./}
	for _ in 1 2 3; do [ "$(edge_status /live/none.flv)" = 404 ]; done
	[ $((${EPOCHREALTIME/./} - begun)) -lt 3000000 ]
	[ "$(triggered)" = 0 ]
	not grep -q 'event=play .*live/none' "$T/origin/log/dp.log"
}

@test "P7: nodes that name themselves and each other as origins never pull in a ring" {
	nodes
	lazy "PullDomainName=127.0.0.1:${RTMP_OF[edge]};127.0.0.1:${RTMP_OF[origin]}" OriginAuth=pass
	[ "$(edge_status '/live/ring.flv?vhost=play.example.com')" = 404 ]
	grep -q 'reason=pull_loop' "$T/edge/log/dp.log"
	within 20 eval '[ "$(on edge stream list --json | jq ".streams | length")" = 0 ]'
	[ "$(cat "$T"/{edge,origin}/log/cp.log | grep -c event=pull_triggered)" -le 4 ]
	# Named by each other, what one of them has is still found.
	encoder a
	within 30 edge_plays '/live/a.flv?vhost=play.example.com'
	[ "$(origin_viewers a)" = 1 ]
}

@test "P7: a ring of edges that name each other by host names, over HTTP too, ends at the node where it began" {
	nodes
	ring() { # PROTOCOL PORT_OF
		local -n port=$2
		api Action=SetLiveLazyPullStreamInfoConfig DomainName=play.example.com "AppName=$1" \
			"PullDomainName=localhost:${port[edge]};localhost:${port[origin]}" "PullProtocol=$1" OriginAuth=pass | jq -e '.Code == null'
		# At either node, whichever is named first by the other.
		within 30 eval "edge_status '/$1/ring.flv?vhost=play.example.com' >/dev/null; cat $T/{edge,origin}/log/dp.log | grep -q '$1/ring.* reason=pull_loop'"
		[ "$(edge_status "/$1/ring.flv?vhost=play.example.com")" = 404 ]
	}
	ring rtmp RTMP_OF
	ring httpflv HTTP_OF
	ring hls HTTP_OF
	within 20 eval '[ "$(on edge stream list --json | jq ".streams | length")$(on origin stream list --json | jq ".streams | length")" = 00 ]'
	[ "$(cat "$T"/{edge,origin}/log/cp.log | grep -c event=pull_triggered)" -le 20 ]
}

@test "what an edge asks other nodes is signed anew by the domain's key, or carries the viewer's own token" {
	nodes
	api Action=BatchSetLiveDomainConfigs DomainNames=play.example.com \
		'Functions=[{"functionName":"aliauth","functionArgs":[{"argName":"auth_type","argValue":"type_a"},{"argName":"auth_key1","argValue":"edgekey1"}]}]' |
		jq -e '.Code == null'
	within 10 knows edge edgekey1
	within 10 knows origin edgekey1
	encoder a
	encoder b
	rtmp=rtmp://127.0.0.1:${RTMP_OF[edge]}/live
	token() { # PROTOCOL NAME
		on edge url play "play.example.com/live/$2" | sed -n "s/^$1 .*auth_key=/auth_key=/p" | head -n 1
	}
	lazy
	# A token of a URL that ends with .flv is none for RTMP: it was signed anew.
	within 20 edge_plays "/live/a.flv?$(token Flv a)"
	[ "$(edge_status "/live/a.flv?auth_key=1-0-0-x")" = 403 ]
	lazy OriginAuth=pass
	within 20 rtmp_plays "$rtmp/b?vhost=play.example.com&$(token Rtmp b)"
	[ "$(origin_viewers b)" = 1 ]
}

@test "U6: an origin by IPv6, and HEVC" {
	[ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6 || skip "no IPv6 loopback"
	AT='[::1]' nodes
	lazy
	clips
	www_start
	serve hevc.mp4
	api Action=CreateLivePullToPush Region=local "StartTime=$(utc now)" "EndTime=$(utc '+1 hour')" SourceType=url \
		"SourceUrls=[\"$WWW/hevc.mp4\"]" "DstUrl=rtmp://[::1]:${RTMP_OF[origin]}/live/h?vhost=push.example.com" RetryInterval=1 RepeatNumber=-1 | jq -er .TaskId
	within 30 live_at origin h
	within 30 edge_plays /live/h.flv
	curl -s --max-time 4 -H 'Host: play.example.com' "http://127.0.0.1:${HTTP_OF[edge]}/live/h.flv" >"$T/h.flv" || :
	grep -q hvc1 "$T/h.flv"
	[ "$(origin_viewers h)" = 1 ]
}
