# SPDX-License-Identifier: Apache-2.0
"""The data plane's control socket for test scripts; STATE in the environment is its state folder."""

import json
import os
import pathlib
import re
import socket

API = pathlib.Path(__file__).resolve().parents[2] / 'dataplane' / 'api'


def lines_of(table, macro):
    return len(re.findall(rf'^{macro}\(', (API / table).read_text(), re.MULTILINE))


class Control:
    def __init__(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(8)
        self.sock.connect(os.path.join(os.environ['STATE'], 'dp.sock'))
        self.ids = 0
        self.events = []
        self.ask('hello', version=1, reasons=lines_of('reasons.def', 'REASON'),
                 counters=lines_of('counters.def', 'COUNTER'))

    def _read(self):
        packet = json.loads(self.sock.recv(1 << 20))
        if 'event' in packet:
            self.events.append(packet)
            return None
        return packet

    def ask(self, verb, check=True, **keys):
        """The answer; with check, it must be no error."""
        self.ids += 1
        self.sock.send(json.dumps({'id': self.ids, 'verb': verb, **keys}).encode())
        while not (answer := self._read()) or answer['id'] != self.ids:
            pass
        assert not check or not answer.get('error'), answer
        return answer

    def event(self):
        """The next event after subscribe."""
        while not self.events:
            self._read()
        return self.events.pop(0)
