#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Several nodes on one Redis: a task runs on one of them, and on another when that one is gone.
#
#   redis-server <- node a, node b (millrace up, a state folder each)
#   nginx src/a -> a or b -> nginx dst/a: nginx logs each publisher of dst

# shellcheck disable=SC2030,SC2031,SC2034,SC2046,SC2119,SC2120,SC2174 # process ids are words; parameters are optional
load lib
load several

setup() {
	e2e_setup
	nginx_count
	ports 1
	REDIS_PORT=${PORTS[0]}
	background redis redis-server --port "$REDIS_PORT" --bind 127.0.0.1 --save '' --appendonly no --dir "$T"
	REDIS_SERVER=$PID
	within 5 listening "$REDIS_PORT"
	REDIS_URL=redis://127.0.0.1:$REDIS_PORT
	fixture
	background source ffmpeg -v warning -re -stream_loop -1 -i "$AV" -c copy -f flv "rtmp://127.0.0.1:$NGX/src/a"
	within 5 rtmp_plays "rtmp://127.0.0.1:$NGX/src/a"
	node a
	node b
}

teardown() {
	for name in "${!UPS[@]}"; do
		kill -CONT "${UPS[$name]}" $(pgrep -P "${UPS[$name]}") 2>/dev/null || :
	done
	if [ "${BATS_TEST_COMPLETED:-0}" != 1 ]; then
		tail -n 40 "$T"/[ab]/log/[cd]p.log "$T/publishers" | sed 's/^/# /'
	fi
	e2e_teardown
}

# nginx_count: a destination that writes down each publisher as it comes and goes
nginx_count() {
	local count
	ports 1
	count=${PORTS[0]}
	background counter python3 "$BATS_TEST_DIRNAME/publish_counter.py" "$count" "$T/publishers"
	within 5 listening "$count"
	NGX_DST="drop_idle_publisher 3s; on_publish http://127.0.0.1:$count/; on_publish_done http://127.0.0.1:$count/;"
	nginx_start
}

# node NAME [option...]: one of the cluster, in the regions REGIONS
node() {
	printf 'memory:\n  arena: 256m\ntasks:\n  retry_interval_min: 1\n  running: 10\ncluster:\n  enabled: true\n  region: "%s"\n' "${REGIONS:-}" >"$T/$1.yaml"
	node_run "$@"
}

r() {
	redis-cli -p "$REDIS_PORT" --raw "$@"
}

# create [k=v...]: asks node a
create() {
	S=$T/a relay_create "rtmp://127.0.0.1:$NGX/src/a" "rtmp://127.0.0.1:$NGX/dst/${DST:-a}" RetryCount=1000 "$@"
}

# holder ID: the node that has the task
holder() {
	r GET "mr:task:{$1}:lease" | sed 's|/.*||'
}

held_by() { # ID NAME
	[ "$(holder "$1")" = "$2" ]
}

runs() { # ID: media flows, as Redis has it
	[ "$(r HGET "mr:task:{$1}" State)" = 1 ]
}

other() {
	[ "$1" = a ] && echo b || echo a
}

# never_two: no second publisher came while there was one
never_two() {
	not grep -q ^busy "$T/publishers"
}

node_pids() { # NAME: of its control plane and its data plane
	pgrep -P "${UPS[$1]}" -x 'millrace-cp|millrace-dp'
}

@test "a task runs on one node and both show it; either changes it, through the one that has it" {
	id=$(create)
	within 10 runs "$id"
	never_two
	name=$(holder "$id")
	for n in a b; do
		within 5 listed "$n" "$id"
		within 5 shown_on "$n" "$id" "$name"
	done
	run -0 on "$(other "$name")" task update "$id" --callback http://127.0.0.1:9/x
	[ "$(r HGET "mr:task:{$id}" CallbackURL)" = http://127.0.0.1:9/x ]
	# What the node that was asked shows next is what it was told.
	run -0 on "$(other "$name")" task stop "$id"
	[ "$(S=$T/$(other "$name") task_status "$id")" = 3 ]
	run -1 on "$(other "$name")" task stop "$id"
	[[ $output == *Offline* ]]
	within 5 held_by "$id" ''
	# Nobody has a stopped task: whoever is asked takes it.
	run -0 on "$(other "$name")" task restart "$id"
	within 10 runs "$id"
	never_two
}

@test "a change reaches a task whose node has just died" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	kill -KILL $(node_pids "$name") "${UPS[$name]}"
	run -0 on "$(other "$name")" task delete "$id"
	[ -z "$(r HGET "mr:task:{$id}" State)" ]
	never_two
}

@test "millrace node list and show: who is there, with what, and who is gone" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	for n in a b; do
		within 5 node_has "$n" "$name" '.Alive and .Running == 1 and .Room == 10 and .Dataplane == 1'
		within 5 node_has "$n" "$(other "$name")" '.Alive and .Running == 0'
		[ "$(on "$n" node list --json | jq -r '.nodes[] | select(.This) | .Node')" = "$n" ]
	done
	run -0 on a node list
	[[ ${lines[0]} == NODE* && $output == *"a *"* ]]
	run -0 on a node show b
	[[ $output == "b: up"* ]]
	run -1 on a node show nobody
	run -0 on a drain on
	within 5 node_has b a '.Drained == 1'
	kill -KILL $(node_pids a) "${UPS[a]}"
	within 15 node_has b a '.Alive == false'
	run -0 on b node show a
	[[ $output == "a: gone"* ]]
}

node_has() { # ASKED NODE CONDITION
	on "$1" node list --json | jq -e --arg n "$2" "[.nodes[] | select(.Node == \$n)][0] | $3" >/dev/null
}

# Both are asked at once, again and again; each time one of them must find the other first.
@test "DstUrl: of two creations at the same time on two nodes one is refused" {
	for n in 1 2 3 4 5 6; do
		for node in a b; do
			later "$node" "race$n" >"$T/race-$node" &
		done
		wait %% %-
		[ "$(cat "$T"/race-[ab] | jq -s 'map(.Code // "made") | sort | join(" ")')" = '"InvalidDstUrl.Duplicate made"' ]
	done
	# The destination of a task that is gone is free.
	id=$(jq -r '.TaskId // empty' "$T"/race-[ab])
	run -0 on a task delete "$id"
	later b race6 | jq -e .TaskId
	# What a crash between claim and task leaves does not count for ever.
	r SET "mr:dst:$(printf %s "rtmp://127.0.0.1:$NGX/dst/left" | sha256sum | cut -c1-32)" nobody
	later a left | jq -e .TaskId
}

@test "quota: the nodes' rooms together; one task more is refused" {
	for n in $(seq 20); do
		# A node that has just come counts from its first heartbeat on.
		within 5 made "$([ $((n % 2)) = 0 ] && echo a || echo b)" "q$n"
	done
	within 5 listed_n a 20
	later a q21 | jq -e '.Code == "QuotaExceeded.Task" and (.Message | contains("allows 20"))'
}

made() { # NODE NAME
	later "$1" "$2" | jq -e .TaskId >/dev/null
}

listed_n() {
	[ "$(on "$1" task list --json | jq '.tasks | length')" = "$2" ]
}

@test "a TaskId that two nodes are asked to make at the same time is made once, and both say so" {
	for n in 1 2 3; do
		start=$(utc '+1 hour')
		for node in a b; do
			later "$node" "twin$n" "TaskId=twin$n" "StartTime=$start" >"$T/twin-$node" &
		done
		wait %% %-
		[ "$(jq -r '.TaskId // .Message' "$T"/twin-[ab] | sort -u)" = "twin$n" ]
	done
}

# later NODE NAME [k=v...]: a task for dst/NAME that begins in an hour; prints the answer
later() {
	local start
	start=$(utc '+1 hour')
	[[ ${*:3} != *StartTime* ]] || start=
	S=$T/$1 api Action=CreateLivePullToPush Region=local ${start:+"StartTime=$start"} EndTime=2037-01-01T00:00:00Z SourceType=live \
		SourceProtocol=rtmp "SourceUrls=[\"rtmp://127.0.0.1:$NGX/src/a\"]" "DstUrl=rtmp://127.0.0.1:$NGX/dst/$2" RetryInterval=1 "${@:3}"
}

shown_on() { # NODE ID HOLDER
	[ "$(S=$T/$1 api Action=DescribeLivePullToPush Region=local "TaskId=$2" | jq -r .Node)" = "$3" ]
}

listed() {
	on "$1" task list --json | jq -e --arg id "$2" 'any(.tasks[]; .TaskId == $id)' >/dev/null
}

@test "a command finds the node that has the task" {
	id=$(create)
	within 10 runs "$id"
	export REDIS="-p $REDIS_PORT"
	for n in 1 2 3 4; do
		run -0 "$TOP/configs/redis/command.sh" update Region local TaskId "$id" RepeatNumber "$n"
	done
	[ "$(r HGET "mr:task:{$id}" RepeatNumber)" = 4 ]
}

@test "tasks spread over the nodes: each goes to the emptiest" {
	for n in 1 2 3 4 5 6; do
		id=$(DST=d$n create)
		within 10 runs "$id"
		within 5 told "$(holder "$id")"
	done
	for n in a b; do
		[ "$(held_n "$n")" = 3 ]
	done
	never_two
}

held_n() {
	r --scan --pattern 'mr:task:*:lease' | while read -r k; do r GET "$k"; done | grep -c "^$1/"
}

# The node's heartbeat says what it has.
told() {
	[ "$(r HGET "mr:node:$1" Running)" = "$(held_n "$1")" ]
}

@test "P13: kill -9 of a node moves its tasks to another within 3 leases" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	kill -KILL $(node_pids "$name") "${UPS[$name]}"
	within 6 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
}

@test "P13: a node that is paused and resumed publishes no more when another has the task" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	kill -STOP "${UPS[$name]}" $(node_pids "$name")
	within 6 held_by "$id" "$(other "$name")"
	within 20 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	kill -CONT "${UPS[$name]}" $(node_pids "$name")
	within 5 node_ready "$name"
	# Its connection stood still and was there: the destination alone could refuse the other until
	# it dropped it. What counts is that it sends nothing any more and does not come back. Whether its
	# data plane or its control plane wakes first decides the reason: lease_lost or removed.
	within 5 pushes_nothing "$name"
	read -rt 3 <> <(:) || :
	held_by "$id" "$(other "$name")"
	within 5 runs "$id"
	[ "$(awk '$1 == "publish"' "$T/publishers" | wc -l)" = 2 ]
	pushes_nothing "$name"
}

pushes_nothing() {
	[ "$(on "$1" status --json | jq '[.streams[]? | select(.pushes > 0)] | length')" = 0 ] &&
		grep -Eq 'reason=(lease_lost|removed)' "$T/$1/log/dp.log"
}

@test "P13: a paused control plane: its data plane stops by itself before another node begins" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	cp=$(pgrep -P "${UPS[$name]}" -x millrace-cp)
	kill -STOP "$cp"
	within 6 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	kill -CONT "$cp"
	within 5 node_ready "$name"
	never_two
	lease_lost "$name"
}

lease_lost() {
	grep -q reason=lease_lost "$T/$1/log/dp.log"
}

@test "without Redis the tasks stop when their leases end, and run again when it is back" {
	id=$(create)
	within 10 runs "$id"
	kill -STOP "$REDIS_SERVER"
	within 6 no_publisher
	kill -CONT "$REDIS_SERVER"
	within 15 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
}

no_publisher() {
	[ "$(tail -n 1 "$T/publishers" | cut -d' ' -f1)" != publish ]
}

@test "a node takes the tasks of its regions only" {
	REGIONS='north west' node c
	for n in a b; do
		run -0 on "$n" drain on
	done
	export REDIS="-p $REDIS_PORT"
	for region in south west; do
		run -0 "$TOP/configs/redis/command.sh" create Region $region TaskId $region SourceType live SourceProtocol rtmp \
			SourceUrls "[\"rtmp://127.0.0.1:$NGX/src/a\"]" DstUrl "rtmp://127.0.0.1:$NGX/dst/$region" \
			StartTime "$(utc now)" EndTime "$(utc '+1 hour')"
	done
	within 5 held_by west c
	held_by south ''
	[ "$(r HGET 'mr:task:{south}' State)" = 0 ]
	run -0 on a drain off
	within 5 held_by south a
}

@test "drain moves the tasks of a node, each with one reconnect" {
	id=$(create)
	within 10 runs "$id"
	name=$(holder "$id")
	run -0 on "$name" drain on
	within 5 held_by "$id" "$(other "$name")"
	within 10 rtmp_plays "rtmp://127.0.0.1:$NGX/dst/a"
	never_two
	# One publisher went, one came: nothing between.
	[ "$(cut -d' ' -f1 "$T/publishers" | tr '\n' ' ')" = 'publish done publish ' ]
	[ "$(gap_ms)" -le 3000 ]
}

# Milliseconds from the end of the first publisher to the second's beginning.
gap_ms() {
	awk '$1 == "done" { end = $4 } $1 == "publish" && end { print $4 - end; exit }' "$T/publishers"
}
