#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Kills every kind of process at random while tasks are made, stopped, started and deleted; then all must be well.

  ffmpeg -> nginx src/a -> the nodes' tasks -> nginx dst/ID       redis-server: written to disk with every change
  range_server.py (an FLV file in a loop) -> workers -> dst/ID    callbacks -> a receiver that refuses one in ten

What must hold when the killing ends: every task is where the last wish for it left it (one that is to run has its
publisher at the destination); every callback that ever stood in Redis (its append-only file is the witness) was accepted,
those of a task in their order; none is left or dead. One seed makes one order of victims and wishes; the moments are real.
"""
import argparse
import collections
import glob
import http.client
import http.server
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
E2E = os.path.join(TOP, 'tests', 'e2e')
SETTLE_S = 120  # for the last wishes, retries and callbacks
VICTIMS = ['millrace-cp'] * 4 + ['millrace-dp'] * 3 + ['millrace-worker'] * 3 + ['redis'] * 2 + ['node']

NGINX = '''load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;
daemon off; master_process off; pid {0}/nginx.pid; error_log {0}/error.log warn;
events {{ worker_connections 1024; }}
rtmp {{ access_log off; server {{ listen 127.0.0.1:{1};
    application src {{ live on; wait_key on; idle_streams off; }}
    application dst {{ live on; wait_key on; drop_idle_publisher 5s;
        on_publish http://127.0.0.1:{2}/; on_publish_done http://127.0.0.1:{2}/; }} }} }}
'''
CONFIG = '''memory: {{arena: 256m}}
node: {0}
tasks: {{retry_interval_min: 1, running: 500}}
callback: {{tries: 1000, interval: 200ms}}
cluster: {{enabled: true}}
'''


def free_ports(n):
    """Below those that connections take for themselves: a node that was killed finds its own again."""
    ports = []
    while len(ports) < n:
        port = random.SystemRandom().randrange(12000, 32000)
        try:
            socket.create_server(('127.0.0.1', port)).close()
            ports = list({*ports, port})
        except OSError:
            pass
    return ports


def until(seconds, ready):
    """The last answer of ready(), which is true or the time is over."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ready()
        if answer or time.monotonic() > deadline:
            return answer
        time.sleep(0.1)


def listening(port):
    with socket.socket() as s:
        return s.connect_ex(('127.0.0.1', port)) == 0


def children(pid, name):
    """Processes below pid of that name, by /proc."""
    of = collections.defaultdict(list)
    for stat in glob.glob('/proc/[0-9]*/stat'):
        try:
            with open(stat, encoding='utf-8') as f:
                head, tail = f.read().rsplit(') ', 1)
        except OSError:
            continue
        number, comm = head.split(' (', 1)
        of[int(tail.split()[1])].append((int(number), comm))
    found, todo = [], [pid]
    while todo:
        for child, comm in of[todo.pop()]:
            todo.append(child)
            if name in ('', comm):
                found.append(child)
    return found


class Receiver(http.server.ThreadingHTTPServer):
    """Accepts nine callbacks in ten and writes down which, in order."""
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, seed):
        super().__init__(('127.0.0.1', 0), ReceiverCall)
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.accepted, self.refused, self.last = collections.defaultdict(list), 0, {}
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def take(self, event, body):
        with self.lock:
            if self.random.random() < 0.1:
                self.refused += 1
                return 500
            self.accepted[body['TaskId']].append(event)
            self.last[body['TaskId']] = body['TaskStatus']
            return 200


class ReceiverCall(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers['Content-Length'])))
        self.send_response(self.server.take(self.headers['X-Millrace-Event-Id'], body))
        self.send_header('Content-Length', '0')
        self.end_headers()

    def log_message(self, *args):
        pass


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__('localhost', timeout=15)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Node:
    def __init__(self, world, name):
        self.world, self.name, self.state = world, name, os.path.join(world.folder, name)
        os.mkdir(self.state, 0o700)
        self.conf = self.state + '.yaml'
        with open(self.conf, 'w', encoding='utf-8') as f:
            f.write(CONFIG.format(name))
        self.ports = free_ports(3)
        self.start()

    def start(self):
        rtmp, http_port, api = (f'127.0.0.1:{p}' for p in self.ports)
        self.up = self.world.run('up-' + self.name, os.path.join(self.world.bin, 'millrace'), 'up', '--state', self.state,
                                 '--config', self.conf, '--rtmp', rtmp, '--http', http_port, '--api', api,
                                 '--redis', f'redis://127.0.0.1:{self.world.redis_port}')

    def ask(self, path):
        """(status, JSON); (0, {}): nobody is there."""
        c = Unix(os.path.join(self.state, 'api.sock'))
        try:
            c.request('GET', path)
            r = c.getresponse()
            return r.status, json.loads(r.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}
        finally:
            c.close()

    def is_ready(self):
        status, body = self.ask('/local/status')
        return status == 200 and body['dataplane']['connected'] and body['redis']['connected']


class World:
    def __init__(self, args):
        self.bin, self.random, self.procs = args.bin, random.Random(args.seed), []
        self.folder = tempfile.mkdtemp(prefix='millrace-chaos.')
        self.kills = collections.Counter()
        self.redis_port, self.nginx_port, counter = free_ports(3)
        self.receiver = Receiver(args.seed)
        self.publishers = os.path.join(self.folder, 'publishers')
        self.run('counter', sys.executable, os.path.join(E2E, 'publish_counter.py'), str(counter), self.publishers)
        self.start_redis()
        self.start_media(args.media, counter)
        self.nodes = [Node(self, name) for name in 'abcdefgh'[:args.nodes]]

    def run(self, name, *command):
        log = open(os.path.join(self.folder, name + '.log'), 'ab')
        p = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()
        self.procs.append(p)
        return p

    def start_redis(self):
        os.makedirs(os.path.join(self.folder, 'redis'), exist_ok=True)
        self.redis = self.run('redis', 'redis-server', '--port', str(self.redis_port), '--bind', '127.0.0.1', '--save', '',
                              '--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0',
                              '--dir', os.path.join(self.folder, 'redis'))

    def start_media(self, media, counter):
        nginx = os.path.join(self.folder, 'nginx')
        os.makedirs(os.path.join(nginx, 'logs'))
        with open(nginx + '/nginx.conf', 'w', encoding='utf-8') as f:
            f.write(NGINX.format(nginx, self.nginx_port, counter))
        self.run('nginx', 'nginx', '-p', nginx, '-c', nginx + '/nginx.conf')
        files = os.path.join(self.folder, 'files')
        os.mkdir(files)
        shutil.copy(media, files + '/av.flv')
        self.run('files', sys.executable, '-u', os.path.join(E2E, 'range_server.py'), files)
        self.need(until(10, lambda: listening(self.nginx_port) and listening(counter)), 'nginx and its counter')
        self.run('source', 'ffmpeg', '-v', 'error', '-re', '-stream_loop', '-1', '-i', media, '-c', 'copy', '-f', 'flv',
                 f'rtmp://127.0.0.1:{self.nginx_port}/src/a')

        def port():
            with open(os.path.join(self.folder, 'files.log'), encoding='utf-8') as f:
                return f.readline().strip()
        self.files_port = until(10, port)

    @staticmethod
    def need(ready, what):
        if not ready:
            sys.exit(f'chaos: {what} did not come up')

    # ---- killing ----

    def kill_one(self):
        victim, node = self.random.choice(VICTIMS), self.random.choice(self.nodes)
        if victim == 'redis':
            self.redis.kill()
            self.redis.wait()
            time.sleep(self.random.uniform(0, 2))
            self.start_redis()
        elif victim == 'node':
            for pid in [node.up.pid] + children(node.up.pid, ''):
                self.signal(pid)
            node.up.wait()
            time.sleep(self.random.uniform(0, 5))
            node.start()
        else:
            pids = sorted(children(node.up.pid, victim))
            if not pids:
                return
            self.signal(self.random.choice(pids))
        self.kills[victim] += 1

    @staticmethod
    def signal(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end(self, keep):
        for p in self.procs:
            p.send_signal(signal.SIGTERM)
        for p in self.procs:
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
        if not keep:
            shutil.rmtree(self.folder)

    def active(self):
        """Destinations that have a publisher; how often a second one came; how long the first stayed then, at most (ms)."""
        names, second, busy, longest = set(), {}, 0, 0
        with open(self.publishers, encoding='utf-8') as f:
            for word, name, _, ms in (line.split() for line in f):
                if word == 'busy':
                    busy += 1
                    second.setdefault(name, int(ms))
                elif word == 'publish':
                    names.add(name)
                elif word == 'done':
                    names.discard(name)
                    longest = max(longest, int(ms) - second.pop(name, int(ms)))
        return names, busy, longest


class Tasks:
    """What was wished for each task, and how it is."""
    DONE = {'create': 'running', 'restart': 'running', 'stop': 'stopped', 'delete': 'deleted'}
    ACTION = {'create': 'Create', 'restart': 'Restart', 'stop': 'Stop', 'delete': 'Delete'}

    def __init__(self, world, seed):
        self.world, self.random = world, random.Random(seed + 1)
        self.want, self.made, self.wishes, self.asked_again = {}, 0, collections.Counter(), 0
        self.start = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())

    def parameters(self, name):
        w, n = self.world, int(name[1:])
        live = n % 10 != 0
        return {'SourceType': 'live' if live else 'url', 'DstUrl': f'rtmp://127.0.0.1:{w.nginx_port}/dst/{name}',
                'SourceUrls': json.dumps([f'rtmp://127.0.0.1:{w.nginx_port}/src/a' if live else
                                          f'http://127.0.0.1:{w.files_port}/av.flv']),
                **({'SourceProtocol': 'rtmp'} if live else {'RepeatNumber': '-1'}),
                'StartTime': self.start, 'EndTime': '2037-01-01T00:00:00Z', 'RetryCount': '-1', 'RetryInterval': '1',
                'RetryPolicy': 'fixed', 'CallbackUrl': f'http://127.0.0.1:{w.receiver.server_port}/'}

    def call(self, node, action, name, more=()):
        q = {'Action': action + 'LivePullToPush', 'Version': '2016-11-01', 'Region': 'local', 'TaskId': name, **dict(more)}
        return node.ask('/?' + urllib.parse.urlencode(q))

    def is_answer(self, verb, status, body, again):
        """Settled, now or by an earlier try whose answer was lost?"""
        if status == 200:
            return True
        code = body.get('Code', '')
        return again and ((verb == 'stop' and code == 'OperationDenied.TaskStatus') or
                          (verb == 'delete' and code == 'InvalidTaskId.NotFound'))

    def wish(self, verb, name):
        more = self.parameters(name) if verb == 'create' else {}
        deadline, again = time.monotonic() + 90, False
        while time.monotonic() < deadline:
            status, body = self.call(self.random.choice(self.world.nodes), self.ACTION[verb], name, more)
            if self.is_answer(verb, status, body, again):
                self.want[name] = self.DONE[verb]
                self.wishes[verb] += 1
                return
            if status not in (0, 409, 503) and not (again and status in (403, 404)):
                break
            again = True
            self.asked_again += 1
            time.sleep(0.2)
        sys.exit(f'chaos: {verb} {name}: {status} {body}')

    def create(self):
        self.made += 1
        self.wish('create', f't{self.made}')

    def wish_one(self, most):
        here = [n for n, w in self.want.items() if w != 'deleted']
        name = self.random.choice(here)
        if self.want[name] == 'stopped':
            self.wish(self.random.choice(['restart', 'restart', 'delete']), name)
        else:
            self.wish(self.random.choice(['stop', 'restart', 'delete']), name)
        if len([n for n, w in self.want.items() if w != 'deleted']) < most:
            self.create()

    def misplaced(self):
        names = self.world.active()[0]
        wrong = []
        for name, want in self.want.items():
            status, body = self.call(self.world.nodes[0], 'Describe', name)
            is_now = body.get('TaskStatus', body.get('Code', status))
            fine = {'running': is_now == 1 and name in names, 'stopped': is_now == 3 and name not in names,
                    'deleted': is_now == 'InvalidTaskId.NotFound' and name not in names}[want]
            if not fine:
                wrong.append(f'{name}: {want} was wished, it is {is_now}' + (', publishes' if name in names else ''))
        return wrong


def commands_of(path):
    """The commands of an append-only file."""
    with open(path, 'rb') as f:
        while line := f.readline():
            if not line.startswith(b'*'):
                continue
            words = []
            for _ in range(int(line[1:])):
                size = int(f.readline()[1:])
                words.append(f.read(size + 2)[:-2])
            yield words


def queued(world):
    """Task -> ids of all callbacks that ever stood in Redis, in the order in which they came."""
    order = collections.defaultdict(dict)
    for path in sorted(glob.glob(os.path.join(world.folder, 'redis', 'appendonlydir', '*.incr.aof'))):
        for words in commands_of(path):
            if words[0].upper() == b'RPUSH' and words[1].endswith(b'}:hooks'):
                for text in words[2:]:
                    order[words[1].decode()[9:-7]].setdefault(json.loads(text)['id'])
    return {task: list(ids) for task, ids in order.items()}


def callbacks_wrong(world, want):
    wrong = []
    status = {'running': 1, 'stopped': 3, 'deleted': -1}
    with world.receiver.lock:
        accepted = {t: list(dict.fromkeys(ids)) for t, ids in world.receiver.accepted.items()}
        last = dict(world.receiver.last)
    for task, ids in queued(world).items():
        lost = set(ids) - set(accepted.get(task, []))
        if lost:
            wrong.append(f'{task}: {len(lost)} of {len(ids)} callbacks are lost')
        elif [i for i in accepted[task] if i in ids] != ids:
            wrong.append(f'{task}: its callbacks came out of order')
    for task, wish in want.items():
        if last.get(task) != status[wish]:
            wrong.append(f'{task}: {wish} was wished, its last callback says {last.get(task)}')
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=int, default=600)
    parser.add_argument('--tasks', type=int, default=50)
    parser.add_argument('--nodes', type=int, default=2)
    parser.add_argument('--seed', type=int, default=int(time.time()))
    parser.add_argument('--bin', default=os.path.join(TOP, 'build'))
    parser.add_argument('--media', default=os.path.join(TOP, 'build', 'tests', 'fixtures', 'av.flv'))
    args = parser.parse_args()
    print(f'chaos: seed {args.seed}, {args.tasks} tasks, {args.nodes} nodes, {args.seconds} s', flush=True)
    world, wrong = World(args), ['it did not come to the end']
    try:
        for node in world.nodes:
            world.need(until(30, node.is_ready), 'node ' + node.name)
        tasks = Tasks(world, args.seed)
        for _ in range(args.tasks):
            tasks.create()
        world.need(until(60, lambda: not tasks.misplaced()), 'all tasks')
        over = threading.Event()

        def killer():
            while not over.wait(world.random.uniform(1, 6)):
                world.kill_one()
        thread = threading.Thread(target=killer, daemon=True)
        thread.start()
        deadline = time.monotonic() + args.seconds
        while time.monotonic() < deadline:
            tasks.wish_one(args.tasks)
            time.sleep(tasks.random.uniform(0, 2))
        over.set()
        thread.join()
        began = time.monotonic()
        for node in world.nodes:
            world.need(until(60, node.is_ready), 'node ' + node.name + ' after the killing')
        until(SETTLE_S, lambda: not tasks.misplaced() and not callbacks_wrong(world, tasks.want))
        wrong = tasks.misplaced() + callbacks_wrong(world, tasks.want)
        print('killed:', ', '.join(f'{n} {v}' for v, n in sorted(world.kills.items())))
        print('wishes:', ', '.join(f'{n} {v}' for v, n in sorted(tasks.wishes.items())), f'(asked again {tasks.asked_again} times)')
        print(f'callbacks: {sum(len(i) for i in queued(world).values())} queued, '
              f'{sum(len(i) for i in world.receiver.accepted.values())} accepted, {world.receiver.refused} refused on purpose')
        print('publishers that came while another was there: %d, who then stayed %d ms at most' % world.active()[1:])
        print(f'all in its place {time.monotonic() - began:.0f} s after the last kill' if not wrong else '\n'.join(wrong))
    finally:
        world.end(keep=bool(wrong))
        if wrong:
            print('left behind:', world.folder)
    sys.exit(bool(wrong))


if __name__ == '__main__':
    main()
