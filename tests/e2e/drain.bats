#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Taking a node out of service without cutting anybody off.

load lib

setup() {
	e2e_setup
}

teardown() {
	e2e_teardown
}

@test "C17: drain asks those that understand it to reconnect, serves all until they leave, takes nobody new" {
	dp_start --set cores=2 --set drain.reconnect_url=rtmp://elsewhere.example/live
	script <<'PY'
class Rich(Peer):
    def connect(self, app='live'):
        result = super().connect(app, capsEx=1, fourCcList=['*'])
        assert int(result[1]['capsEx']) & 1
        return result
first = Rich().live('a')
told, plain = Rich().watch('a'), Peer().watch('a')
control = Control()
control.ask('drain', on=True)
for p in (first, told):
    info = p.status('NetConnection.Connect.ReconnectRequest')
    assert info['tcUrl'] == 'rtmp://elsewhere.example/live' and info['level'] == 'status'
for n in range(1, 30):
    first.video(n * 40, key(n, 20000))
want = [(VIDEO, n * 40, key(n, 20000)) for n in range(1, 30)]
assert told.media(29) == want and plain.media(29) == want
assert not [m for m in plain.seen if b'Reconnect' in m.data]
try:
    Peer()
    raise SystemExit('a draining node took a new connection')
except (OSError, Closed):
    pass
control.ask('drain', on=False)
wait_for(lambda: Peer())
first.call('deleteStream', None, 1)
told.status('NetStream.Play.UnpublishNotify')
PY
}

@test "C15, H10: a drained node sends who comes to the other node, path, query and token with them" {
	dp_start --set "drain.redirect=rtmp://127.0.0.2:1936 http://127.0.0.2:8081"
	script <<'PY'
stays = Peer().live('a')
Control().ask('drain', on=True)
p = Peer()
info = p.answer(p.call('connect', {'app': 'live?k=v', 'tcUrl': 'rtmp://a.example/live?k=v'}))[2]
assert info['code'] == 'NetConnection.Connect.Rejected', info
assert info['ex'] == {'code': 302, 'redirect': 'rtmp://127.0.0.2:1936/live?k=v'}, info
stays.video(40, key(1, 100))
stays.synced()
PY
	run curl -si "http://127.0.0.1:$HTTP/live/a.flv?token=a%20b"
	[[ $output == "HTTP/1.1 302 "* ]]
	[[ $output == *"Location: http://127.0.0.2:8081/live/a.flv?token=a%20b"* ]]
}
