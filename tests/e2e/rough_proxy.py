# SPDX-License-Identifier: Apache-2.0
"""A proxy that treats each connection badly, for rough.bats.

rough_proxy.py SEED FILE PORT...: listens on one port for each upstream PORT of the loopback and
writes the own ports to FILE. What happens to the n-th connection is drawn from SEED and n: how its
bytes are cut into pieces and delayed, and after how many bytes, in which direction, which end comes.
At SIGTERM it says how often each of them came.
"""

import asyncio
import collections
import os
import random
import signal
import socket
import struct
import sys

GRACE = 6.0  # seconds that a stalled connection is held open

happened = collections.Counter()


def reset(writer):
    sock = writer.get_extra_info('socket')
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    writer.transport.abort()


class Pair:
    """A client's connection and its counterpart to the server."""

    def __init__(self, n, seed, client, server):
        r = random.Random(f'{seed}.{n}')
        self.r = r
        self.ends = {'up': (client[0], server[1]), 'down': (server[0], client[1])}
        self.writers = client[1], server[1]
        self.direction = r.choice(('up', 'down', 'down'))
        self.limit = int(2 ** r.uniform(0, 18))
        self.end = r.choice(('close', 'reset', 'half', 'stall', 'swallow', 'reset server', 'reset client'))
        self.piece = r.choice((1, 7, 100, 1400, 65536))
        self.delay = r.choice((0, 0, 0.001, 0.02))

    async def finish(self):
        """The end this connection was drawn; true: bytes go on."""
        happened[self.end] += 1
        if self.end == 'swallow':
            reader, _ = self.ends[self.direction]
            await reader.read(self.r.randint(1, 5000))
            return True
        if self.end == 'half':
            self.ends[self.direction][1].write_eof()
            await asyncio.sleep(GRACE)
        elif self.end == 'stall':
            await asyncio.sleep(GRACE)
        elif self.end == 'reset':
            reset(self.writers[0])
            reset(self.writers[1])
        elif self.end == 'reset server':
            reset(self.writers[1])
        elif self.end == 'reset client':
            reset(self.writers[0])
        return False

    async def pump(self, direction):
        reader, writer = self.ends[direction]
        left = self.limit if direction == self.direction else None
        rough = 4096  # bytes that are cut into pieces
        while True:
            data = await reader.read(self.piece if rough > 0 else 65536)
            if not data:
                return
            rough -= len(data)
            writer.write(data[:left])
            await writer.drain()
            if self.delay and rough > 0 and self.piece >= 100:
                await asyncio.sleep(self.delay)
            if left is not None:
                left -= len(data)
                if left <= 0:
                    if not await self.finish():
                        return
                    left = None

    async def run(self):
        pumps = [asyncio.create_task(self.pump(d)) for d in ('up', 'down')]
        done, others = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        for writer in self.writers:
            writer.close()


async def main():
    seed, ports_file, *upstreams = sys.argv[1:]
    numbers = iter(range(1 << 30))
    ports, held = [], []

    def proxy(upstream):
        async def connected(reader, writer):
            server = await asyncio.open_connection('127.0.0.1', upstream)
            await Pair(next(numbers), seed, (reader, writer), server).run()
        return connected

    for upstream in upstreams:
        server = await asyncio.start_server(proxy(int(upstream)), '127.0.0.1', 0)
        held.append(server)
        ports.append(server.sockets[0].getsockname()[1])
    with open(ports_file + '.part', 'w', encoding='ascii') as f:
        print(*ports, file=f)
    os.rename(ports_file + '.part', ports_file)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    print(next(numbers), 'connections:', dict(happened), flush=True)
    os._exit(0)


asyncio.run(main())
