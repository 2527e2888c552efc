# SPDX-License-Identifier: Apache-2.0
# Peers of a node with domains, and what play.example.com pulls. To be loaded behind lib.
# shellcheck shell=bash disable=SC2154

# peers [argument...]: a script on standard input with the names of domain_peer.py
peers() {
	{
		printf 'from domain_peer import *\n'
		cat
	} >"$T/peers.py"
	script "$@" <"$T/peers.py"
}

state() { # NAME
	api Action=DescribeLiveStreamState DomainName=play.example.com AppName=live "StreamName=$1" | jq -r '.StreamState + " " + .Type'
}

plays() { # NAME: some media arrives
	[ "$(curl -s --max-time 9 -H 'Host: play.example.com' "http://127.0.0.1:$HTTP/live/$1.flv" | head -c 20000 | wc -c)" -ge 20000 ]
}

pull() { # ACTION NAME k=v...
	local action=$1 name=$2
	shift 2
	api "Action=$action" DomainName=play.example.com AppName=live "StreamName=$name" "$@"
}
