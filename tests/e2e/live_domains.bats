#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Domains as a generic RPC client, the command line and Redis see them.

load lib

setup() {
	e2e_setup
	up
}

teardown() {
	e2e_teardown
}

# rpc [k=v...]: a signed call; prints status and body
rpc() {
	python3 "$BATS_TEST_DIRNAME/rpc_client.py" "$S/credentials.json" "http://127.0.0.1:$API/" POST "$@"
}

# ok k=v...: the answer of a call that must succeed
ok() {
	run -0 rpc "$@"
	[ "${lines[0]}" = 200 ] || {
		echo "# $* -> $output" >&2
		return 1
	}
	body=${lines[1]}
}

# no STATUS CODE k=v...: a call that must be refused
no() {
	local http=$1 code=$2
	shift 2
	run -0 rpc "$@"
	[ "${lines[0]}" = "$http" ] && [ "$(jq -r .Code <<<"${lines[1]}")" = "$code" ] || {
		echo "# $* -> $output" >&2
		return 1
	}
	body=${lines[1]}
}

pair() { # an ingest and a streaming domain that belong together
	ok Action=AddLiveDomain DomainName=push.example.com LiveDomainType=liveEdge Region=cn-beijing
	ok Action=AddLiveDomain DomainName=play.example.com LiveDomainType=liveVideo
	ok Action=AddLiveDomainMapping PushDomain=push.example.com PullDomain=play.example.com
}

fn() { # NAME arg=value...: one function as JSON
	local name=$1
	shift
	jq -nc --arg n "$name" '{functionName: $n, functionArgs: [$ARGS.positional[] | capture("(?<argName>[^=]*)=(?<argValue>.*)")]}' --args "$@"
}

flv_plays_at() { # URL: of play.example.com
	[ "$(curl -s --max-time 4 --resolve "play.example.com:$HTTP:127.0.0.1" "$1" | head -c 20000 | wc -c)" -ge 20000 ]
}

redis() {
	redis-cli -s "$S/redis/redis.sock" "$@"
}

@test "domains are added, mapped, listed, stopped and deleted" {
	pair
	no 400 DomainAlreadyExist Action=AddLiveDomain DomainName=push.example.com LiveDomainType=liveEdge
	no 400 InvalidParameter Action=AddLiveDomain DomainName=bad_name LiveDomainType=liveEdge
	no 400 InvalidParameter Action=AddLiveDomain DomainName=a.example.com LiveDomainType=liveOther
	ok Action=DescribeLiveDomainMapping DomainName=play.example.com
	jq -e '.LiveDomainModels.LiveDomainModel == [{DomainName: "play.example.com", Type: "vhost"}, {DomainName: "push.example.com", Type: "publish"}]' <<<"$body"
	ok Action=AddLiveDomain DomainName=sub.example.com LiveDomainType=liveVideo
	ok Action=AddLiveDomainPlayMapping PullDomain=play.example.com PlayDomain=sub.example.com
	no 400 OperationDenied.Mapped Action=AddLiveDomainMapping PushDomain=push.example.com PullDomain=sub.example.com
	no 400 InvalidParameter Action=AddLiveDomainMapping PushDomain=play.example.com PullDomain=push.example.com
	ok Action=StopLiveDomain DomainName=play.example.com
	ok Action=DescribeLiveUserDomains DomainStatus=offline
	jq -e '.TotalCount == 1 and .Domains.PageData[0].DomainName == "play.example.com"' <<<"$body"
	ok Action=StartLiveDomain DomainName=play.example.com
	ok Action=DescribeLiveUserDomains PageSize=2 PageNumber=2
	jq -e '.TotalCount == 3 and (.Domains.PageData | length) == 1 and .Domains.PageData[0].DomainName == "sub.example.com"' <<<"$body"
	ok Action=DeleteLiveDomain DomainName=push.example.com
	no 404 InvalidDomain.NotFound Action=DescribeLiveDomainDetail DomainName=push.example.com
	ok Action=DescribeLiveDomainMapping DomainName=play.example.com
	jq -e '[.LiveDomainModels.LiveDomainModel[].DomainName] == ["play.example.com", "sub.example.com"]' <<<"$body"
}

@test "functions are set on all domains or on none, and the field is named" {
	pair
	f="[$(fn aliauth auth_type=type_a auth_key1=firstkey ali_auth_delta=60),$(fn ip_black_list_set ip_list=10.0.0.0/8)]"
	ok Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,play.example.com "Functions=$f"
	jq -e '.DomainConfigList.DomainConfigModel | length == 4 and all(.[]; .ConfigId > 0)' <<<"$body"
	no 404 InvalidDomain.NotFound Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,other.example.com "Functions=[$(fn aliauth auth_type=no_auth)]"
	no 400 InvalidParameter Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,play.example.com \
		"Functions=[$(fn aliauth auth_type=no_auth),$(fn ip_black_list_set ip_list=nonsense)]"
	[[ $(jq -r .Message <<<"$body") == *"Functions[1].functionArgs[0].argValue (ip_list)"* ]]
	no 400 OperationDenied.Conflict Action=BatchSetLiveDomainConfigs DomainNames=push.example.com "Functions=[$(fn ip_allow_list_set ip_list=::1)]"
	no 400 InvalidParameter Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,play.example.com "Functions=[$(fn live_play tick=low)]"
	no 400 InvalidParameter Action=BatchSetLiveDomainConfigs DomainNames=push.example.com 'Functions=[{]'
	for d in push play; do
		ok Action=DescribeLiveDomainConfigs DomainName=$d.example.com FunctionNames=aliauth
		jq -e '.DomainConfigs.DomainConfig | length == 1 and .[0].Status == "success" and
			(.[0].FunctionArgs.FunctionArg | any(.ArgName == "auth_key1" and .ArgValue == "firstkey"))' <<<"$body"
	done
	no 404 InvalidFunction.NotFound Action=BatchDeleteLiveDomainConfigs DomainNames=push.example.com,play.example.com FunctionNames=ip_black_list_set,live_play
	ok Action=DescribeLiveDomainConfigs DomainName=push.example.com
	jq -e '.DomainConfigs.DomainConfig | length == 2' <<<"$body"
	ok Action=BatchDeleteLiveDomainConfigs DomainNames=push.example.com,play.example.com FunctionNames=ip_black_list_set
	ok Action=DescribeLiveDomainConfigs DomainName=push.example.com
	jq -e '[.DomainConfigs.DomainConfig[].FunctionName] == ["aliauth"]' <<<"$body"
}

@test "domains survive a kill of the control plane and of Redis" {
	pair
	kill -KILL "$(pid_of redis)" "$(pid_of cp)"
	within 20 up_ready
	within 10 eval 'ok Action=DescribeLiveDomainMapping DomainName=push.example.com'
	jq -e '.LiveDomainModels.LiveDomainModel | length == 2' <<<"$body"
}

@test "keys are in Redis and in a snapshot for the owner only, and in no log or list" {
	pair
	key=$(mr domain show --keys push.example.com | sed -n 's/^  auth_key1=//p')
	[ ${#key} -ge 16 ]
	[ "$(stat -c %a "$S/domains.json")" = 600 ]
	jq -e --arg k "$key" '.domains["push.example.com"].auth.key1 == $k' "$S/domains.json"
	redis HGET 'mr:{domains}' push.example.com | grep -q "$key"
	mr domain list >"$T/out"
	mr domain show push.example.com >>"$T/out"
	redis XRANGE mr:events - + >>"$T/out"
	run ! grep -rq "$key" "$T"/*.log "$T/out" "$S"/log
}

@test "another program's change of the book is seen" {
	pair
	doc=$(redis HGET 'mr:{domains}' push.example.com | jq -c '.status = "offline"')
	redis HSET 'mr:{domains}' push.example.com "$doc" >/dev/null
	redis INCR 'mr:{domains}:version' >/dev/null
	within 10 eval 'mr domain list | grep -q "push.example.com.*offline"'
}

@test "the worked example of a signed URL: checked and generated" {
	pair
	ok Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,play.example.com \
		"Functions=[$(fn aliauth auth_type=type_a auth_key1=aliyunliveexp1234 ali_auth_delta=315360000)]"
	ok Action=DescribeLiveStreamAuthChecking DomainName=play.example.com \
		"Url=rtmp://demo.aliyundoc.com/video/standard?auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b"
	jq -e '.Status == "pass"' <<<"$body"
	ok Action=DescribeLiveStreamAuthChecking DomainName=play.example.com \
		"Url=http://demo.aliyundoc.com/video/standard.flv?auth_key=1622194197-0-0-5552ff52b5e4e20387c6dc18afce206b"
	jq -e '.Status == "false" and .Description == "INVALID MD5HASH"' <<<"$body"
	ok Action=GenerateLiveUrls DomainName=play.example.com AppName=live StreamName=a Rand=77
	jq -r '.Urls | .Rtmp, .Flv, .WsFlv, .Hls' <<<"$body" >"$T/urls"
	while read -r url; do
		path=${url#*://}
		path=/${path#*/}
		IFS=- read -r time rand uid hash <<<"${path#*auth_key=}"
		[ "$rand$uid" = 770 ]
		[ "$hash" = "$(printf '%s' "${path%%\?*}-$time-77-0-aliyunliveexp1234" | md5sum | cut -d' ' -f1)" ]
		ok Action=DescribeLiveStreamAuthChecking DomainName=play.example.com "Url=$url"
		jq -e '.Status == "pass"' <<<"$body"
	done <"$T/urls"
	[[ $(sed -n 1p "$T/urls") == "rtmp://play.example.com:$RTMP/live/a?auth_key="* ]]
	[[ $(sed -n 4p "$T/urls") == "http://play.example.com:$HTTP/live/a.m3u8?auth_key="* ]]
	run -0 mr url push push.example.com/live/a
	[[ $output == *"m=publish"* && $output != *m3u8* ]]
	run -1 mr url play push.example.com/live/a
	ok Action=BatchSetLiveDomainConfigs DomainNames=play.example.com "Functions=[$(fn aliauth auth_type=no_auth)]"
	ok Action=DescribeLiveStreamAuthChecking DomainName=play.example.com Url=rtmp://x/a/b
	jq -e '.Status == "false" and .Description == "INVALID ALIAUTH"' <<<"$body"
	run -0 mr url play play.example.com/live/a
	[[ $output != *auth_key* ]]
}

@test "URLs of types B and C: generated, checked, and good for publishing and playing" {
	pair
	for type in type_b type_c; do
		ok Action=BatchSetLiveDomainConfigs DomainNames=push.example.com,play.example.com \
			"Functions=[$(fn aliauth auth_type=$type auth_key1=aliyuncdnexp1234)]"
		run -0 mr url push push.example.com/live/a
		url=$(awk '$1 == "Rtmp" { print $2 }' <<<"$output")
		[[ $type != type_b || $url =~ :$RTMP/20[0-9]{10}/[0-9a-f]{32}/live/a$ ]]
		[[ $type != type_c || $url =~ :$RTMP/live/a\?KEY1=[0-9a-f]{32}\&KEY2=[0-9A-F]{8}$ ]]
		ok Action=DescribeLiveStreamAuthChecking DomainName=push.example.com "Url=$url"
		jq -e '.Status == "pass"' <<<"$body"
		ok Action=DescribeLiveStreamAuthChecking DomainName=push.example.com "Url=${url/\/a/\/b}"
		jq -e '.Description == "INVALID MD5HASH"' <<<"$body"
		fixture
		background "publish-$type" ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv \
			-rtmp_tcurl rtmp://push.example.com/ "rtmp://127.0.0.1:$RTMP/${url#*:"$RTMP"/}"
		publisher=$PID
		within 10 eval 'mr stream list --json | jq -e ".streams[].stream == \"push.example.com/live/a\""'
		ok Action=GenerateLiveUrls DomainName=play.example.com AppName=live StreamName=a
		flv=$(jq -r .Urls.Flv <<<"$body")
		ok Action=DescribeLiveStreamAuthChecking DomainName=play.example.com "Url=$flv"
		jq -e '.Status == "pass"' <<<"$body"
		within 10 flv_plays_at "$flv"
		run -22 curl -sf -o /dev/null --resolve "play.example.com:$HTTP:127.0.0.1" "${flv/\/a.flv/\/b.flv}"
		kill "$publisher"
		within 10 not eval 'mr stream list --json | jq -e ".streams | length > 0"'
	done
}

@test "playback latency and deliberate delay are set, shown, and told to the data plane" {
	pair
	ok Action=DescribeLiveStreamDelayConfig DomainName=play.example.com
	jq -e 'keys == ["RequestId"]' <<<"$body"
	ok Action=SetLiveStreamDelayConfig DomainName=play.example.com RtmpDelay=5 FlvLevel=long
	ok Action=DescribeLiveStreamDelayConfig DomainName=play.example.com
	jq -e '.LiveStreamRtmpDelayConfig == {Delay: 5, Level: "medium"} and .LiveStreamFlvDelayConfig == {Delay: 16, Level: "long"} and
		.LiveStreamHlsDelayConfig == {Delay: 3, Level: "short"}' <<<"$body"
	no 400 InvalidParameter Action=SetLiveStreamDelayConfig DomainName=play.example.com RtmpDelay=61
	no 400 InvalidParameter Action=SetLiveStreamDelayConfig DomainName=play.example.com FlvLevel=short,long
	no 400 InvalidParameter Action=SetLiveStreamDelayConfig DomainName=push.example.com
	late=(Domain=play.example.com App=live)
	ok Action=CreateLiveDelayConfig "${late[@]}" Stream=a DelayTime=60 TaskTriggerMode=CONFIG_ONLY
	no 400 ConfigAlreadyExists Action=CreateLiveDelayConfig "${late[@]}" Stream=a DelayTime=60
	no 400 InvalidParameter Action=CreateLiveDelayConfig "${late[@]}" Stream=b DelayTime=15
	no 400 InvalidParameter Action=CreateLiveDelayConfig "${late[@]}" Stream=b DelayTime=60 TaskTriggerMode=PUBLISH_ONLY
	no 400 InvalidParameter Action=CreateLiveDelayConfig "${late[@]}" Stream="$(printf 'x%.0s' {1..124})" DelayTime=60
	no 400 InvalidParameter Action=CreateLiveDelayConfig Domain=play.example.com App='*' Stream=b DelayTime=60
	no 404 InvalidConfig.NotFound Action=UpdateLiveDelayConfig "${late[@]}" Stream='*' DelayTime=20
	ok Action=CreateLiveDelayConfig "${late[@]}" Stream='*' DelayTime=20
	ok Action=UpdateLiveDelayConfig "${late[@]}" Stream=a DelayTime=3600
	ok Action=DescribeLiveDelayConfig "${late[@]}" Stream=a
	jq -e '.DelayTime == "3600" and .TaskTriggerMode == "CONFIG_ONLY"' <<<"$body"
	ok Action=ListLiveDelayConfig Domain=play.example.com
	jq -e '.Total == 2 and .DelayConfigList.DelayConfig[1] == {Domain: "play.example.com", App: "live", Stream: "*", DelayTime: "20", TaskTriggerMode: "CONFIG_ONLY"}' <<<"$body"
	within 5 jq -e '.domains["play.example.com"] | .play.rtmp_s == 5 and .play.flv_s == 16 and .apps.live.play.delay_s == 20 and
		.streams["live/a"].play.delay_s == 3600' "$S/domains.json"
	ok Action=DeleteLiveDelayConfig "${late[@]}" Stream=a
	no 404 InvalidConfig.NotFound Action=DescribeLiveDelayConfig "${late[@]}" Stream=a
	run ! grep -q 'reason=bad_field\|level=error' "$T/up.log" "$S"/log/*.log
}

@test "the command line adds, sets, shows and removes" {
	mr domain add push.example.com --type ingest --open
	mr domain add play.example.com --type play --ingest push.example.com
	mr domain set play.example.com referer_white_list_set 'refer_domain_allow_list=*.example.com' allow_empty=off
	run -0 mr domain show play.example.com
	[[ $output == *"ingest     push.example.com"* && $output == *"  refer_domain_allow_list=*.example.com"* && $output == *"  auth_key1=***"* ]]
	run -1 mr domain set play.example.com referer_black_list_set refer_domain_deny_list=a.com
	[[ $output == *"exclude each other"* ]]
	run -0 mr domain list --json
	jq -e '.TotalCount == 2' <<<"$output"
	mr domain unset play.example.com referer_white_list_set
	mr domain remove push.example.com
	run -0 mr domain list
	[[ $output != *push.example.com* ]]
}
