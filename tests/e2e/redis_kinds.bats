#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The kinds of Redis that redis.url can name: with AUTH, behind Sentinels, a cluster's node.

load lib

setup() {
	e2e_setup
	nginx_start
	fixture
	background source ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	within 5 rtmp_plays "rtmp://127.0.0.1:$NGX/src/a"
}

teardown() {
	e2e_teardown
}

# server NAME PORT [option...]: a redis-server; its process id is in $PID
server() {
	local name=$1 port=$2
	shift 2
	mkdir -p "$T/$name"
	background "$name" redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$T/$name" "$@"
	within 5 listening "$port"
}

# relays [k=v...]: a task of this node runs; its id is in $id
relays() {
	id=$(relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/a" RetryCount=100 "$@")
	within 10 task_is "$id" 1
}

@test "AUTH: a user with a password of its own, percent escapes and all; a wrong one is said" {
	ports 1
	server redis "${PORTS[0]}" --requirepass "no/one:knows@" --user mill on ">pa/ss@" "~mr:*" "+@all"
	local port=${PORTS[0]}
	up --redis "redis://mill:pa%2Fss%40@127.0.0.1:$port/0"
	relays
	[ "$(redis-cli -p "$port" --user mill --pass pa/ss@ --no-auth-warning HGET "mr:task:{$id}" State)" = 1 ]
	S=$T/second && mkdir -m 700 "$S"
	ports 3
	background wrong millrace up --state "$S" --config "$T/up.yaml" --rtmp "127.0.0.1:${PORTS[0]}" --http "127.0.0.1:${PORTS[1]}" \
		--api "127.0.0.1:${PORTS[2]}" --redis "redis://mill:other@127.0.0.1:$port"
	within 10 grep -q WRONGPASS "$S/log/cp.log"
	not grep -q 'pa/ss' -r "$T/state/log" "$S/log"
}

@test "TLS: rediss:// is refused with what to do instead" {
	printf 'redis:\n  url: rediss://127.0.0.1:6380\n' >"$T/tls.yaml"
	run -2 millrace config --config "$T/tls.yaml"
	[[ $output == *redis.url* && $output == *TLS*stunnel* ]]
}

@test "Sentinel: the master is killed; the relay goes on, the task is there on the new master, changes are taken again" {
	ports 5
	local master=${PORTS[0]} replica=${PORTS[1]} s
	server master "$master"
	MASTER=$PID
	server replica "$replica" --replicaof 127.0.0.1 "$master"
	for s in 2 3 4; do
		mkdir -p "$T/sentinel$s"
		printf 'sentinel monitor mill 127.0.0.1 %s 2\nsentinel down-after-milliseconds mill 1000\nsentinel failover-timeout mill 5000\n' \
			"$master" >"$T/sentinel$s/conf"
		background "sentinel$s" redis-server "$T/sentinel$s/conf" --sentinel --port "${PORTS[$s]}" --bind 127.0.0.1 --dir "$T/sentinel$s"
		within 5 listening "${PORTS[$s]}"
	done
	SENTINELS=("${PORTS[@]:2}") REPLICA=$replica
	within 10 quorum
	# The first one is not there.
	ports 1
	up --redis "redis+sentinel://127.0.0.1:${PORTS[0]},127.0.0.1:${SENTINELS[0]},127.0.0.1:${SENTINELS[1]}/mill"
	relays
	within 5 in_step "$id"
	kill -KILL "$MASTER"
	within 30 new_master
	within 10 up_ready
	[ "$(redis-cli -p "$replica" HGET "mr:task:{$id}" State)" = 1 ]
	api Action=StopLivePullToPush Region=local "TaskId=$id" | jq -e .TaskId
	[ "$(redis-cli -p "$replica" HGET "mr:task:{$id}" State)" = 3 ]
	api Action=RestartLivePullToPush Region=local "TaskId=$id" | jq -e .TaskId
	within 10 task_is "$id" 1
	# The one that comes back is no master any more and nobody follows it.
	server master "$master"
	within 30 is_replica "$master"
	api Action=StopLivePullToPush Region=local "TaskId=$id" | jq -e .TaskId
	[ "$(redis-cli -p "$replica" HGET "mr:task:{$id}" State)" = 3 ]
}

# Every Sentinel knows the two others and the replica.
quorum() {
	local s
	for s in "${SENTINELS[@]}"; do
		redis-cli -p "$s" SENTINEL master mill | paste - - |
			awk '$1 == "num-other-sentinels" && $2 == 2 || $1 == "num-slaves" && $2 == 1 { n++ } END { exit n != 2 }' || return 1
	done
}

in_step() {
	[ "$(redis-cli -p "$REPLICA" HGET "mr:task:{$1}" State)" = 1 ]
}

new_master() {
	[ "$(redis-cli -p "$REPLICA" ROLE | head -n 1)" = master ]
}

is_replica() {
	[ "$(redis-cli -p "$1" ROLE | head -n 1)" = slave ]
}

# A cluster of one node: it refuses what touches two slots, as a cluster of many does.
@test "cluster: no transaction and no script touches two slots, of one node and of several" {
	ports 2
	local port=${PORTS[0]} enabled
	server redis "$port" --cluster-enabled yes --cluster-port "${PORTS[1]}"
	redis-cli -p "$port" CLUSTER ADDSLOTSRANGE 0 16383
	within 5 cluster_ok "$port"
	for enabled in false true; do
		printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\ncluster:\n  enabled: %s\n' $enabled >"$T/up.yaml"
		up --redis "redis://127.0.0.1:$port"
		relays "CallbackUrl=http://127.0.0.1:9/"
		api Action=UpdateLivePullToPush Region=local "TaskId=$id" CallbackUrl=http://127.0.0.1:9/b | jq -e '.RetCode == 0'
		REDIS="-p $port" run -0 "$TOP/configs/redis/command.sh" stop Region local TaskId "$id"
		api Action=RestartLivePullToPush Region=local "TaskId=$id" | jq -e .TaskId
		within 10 task_is "$id" 1
		api Action=DeleteLivePullToPush Region=local "TaskId=$id" | jq -e '.RetCode == 0'
		mr node list --json | jq -e '.nodes | length == 1'
		kill -TERM "$UP"
		end_of "$UP" 10
		not grep -Eq 'CROSSSLOT|MOVED|event=redis error' "$S/log/cp.log"
	done
}

cluster_ok() {
	redis-cli -p "$1" CLUSTER INFO | grep -q 'cluster_state:ok'
}

@test "cluster: one of several masters is refused with the reason, at every try" {
	ports 7
	local a=${PORTS[0]} b=${PORTS[1]} p=("${PORTS[@]}")
	server one "$a" --cluster-enabled yes --cluster-port "${p[2]}"
	server two "$b" --cluster-enabled yes --cluster-port "${p[3]}"
	redis-cli -p "$a" CLUSTER ADDSLOTSRANGE 0 8191
	redis-cli -p "$b" CLUSTER ADDSLOTSRANGE 8192 16383
	redis-cli -p "$a" CLUSTER MEET 127.0.0.1 "$b" "${p[3]}"
	within 20 cluster_ok "$a"
	within 20 cluster_ok "$b"
	background many millrace up --state "$S" --rtmp "127.0.0.1:${p[4]}" --http "127.0.0.1:${p[5]}" --api "127.0.0.1:${p[6]}" \
		--set memory.arena=256m --redis "redis://127.0.0.1:$a"
	within 20 grep -q 'cluster of 2 masters' "$S/log/cp.log"
	within 10 not_ready
	[ -z "$(redis-cli -p "$a" KEYS 'mr:*')$(redis-cli -p "$b" KEYS 'mr:*')" ]
}

not_ready() {
	mr status --json | jq -e '.redis.connected == false' >/dev/null
}
