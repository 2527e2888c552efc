#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the Grafana dashboards beside this file: overview, stream, tasks, core internals.

A panel is one line here: title, unit, queries with their legends. Import the JSON files in Grafana,
or provision this folder. tests/e2e/metrics.bats checks that the files are what this writes and that
every metric in them exists.
"""
import json
import os

NODE = 'instance=~"$node"'
STREAM = NODE + ',stream=~"$stream"'
TASK = NODE + ',task=~"$task"'
WINDOW = '$__rate_interval'


def rate(name, labels=NODE):
    return f'rate({name}{{{labels}}}[{WINDOW}])'


def total(name, by='instance', labels=NODE):
    return f'sum by ({by}) ({rate(name, labels)})'


def variable(name, query, multi=True):
    return {'name': name, 'label': name, 'type': 'query', 'datasource': {'type': 'prometheus', 'uid': '${datasource}'},
            'query': {'query': query, 'refId': name}, 'refresh': 2, 'sort': 1, 'multi': multi,
            'includeAll': multi, 'current': {'text': 'All', 'value': '$__all'} if multi else {}}


def panel(title, unit, *queries, kind='timeseries', w=12, h=8, help=''):
    """queries: (expression, legend); kind stat and table show the last value."""
    targets = [{'refId': chr(65 + i), 'expr': expr, 'legendFormat': legend, 'instant': kind == 'table',
                'format': 'table' if kind == 'table' else 'time_series'} for i, (expr, legend) in enumerate(queries)]
    p = {'title': title, 'description': help, 'type': kind, 'w': w, 'h': h, 'targets': targets,
         'datasource': {'type': 'prometheus', 'uid': '${datasource}'},
         'fieldConfig': {'defaults': {'unit': unit, 'min': 0}, 'overrides': []}}
    if kind == 'timeseries':
        p['fieldConfig']['defaults']['custom'] = {'fillOpacity': 10, 'showPoints': 'never'}
        p['options'] = {'tooltip': {'mode': 'multi', 'sort': 'desc'}, 'legend': {'displayMode': 'list', 'placement': 'bottom'}}
    elif kind == 'stat':
        p['options'] = {'reduceOptions': {'calcs': ['lastNotNull']}, 'colorMode': 'value', 'graphMode': 'area'}
    return p


def stat(title, unit, expr, help=''):
    return panel(title, unit, (expr, ''), kind='stat', w=4, h=4, help=help)


def states(p, names):
    """Numbers as words."""
    p['fieldConfig']['defaults']['mappings'] = [
        {'type': 'value', 'options': {str(n): {'text': text, 'color': color} for n, (text, color) in enumerate(names)}}]
    return p


def lay_out(panels):
    x = y = row_h = 0
    for i, p in enumerate(panels):
        w, h = p.pop('w'), p.pop('h')
        if x + w > 24:
            x, y, row_h = 0, y + row_h, 0
        p['id'] = i + 1
        p['gridPos'] = {'x': x, 'y': y, 'w': w, 'h': h}
        x += w
        row_h = max(row_h, h)
    return panels


def dashboard(uid, title, variables, panels):
    datasource = {'name': 'datasource', 'label': 'data source', 'type': 'datasource', 'query': 'prometheus'}
    return {'uid': f'millrace-{uid}', 'title': f'Millrace: {title}', 'tags': ['millrace'], 'schemaVersion': 37, 'editable': True,
            'timezone': 'browser', 'refresh': '10s', 'time': {'from': 'now-1h', 'to': 'now'},
            'templating': {'list': [datasource, variable('node', 'label_values(millrace_build_info, instance)')] + variables},
            'links': [{'type': 'dashboards', 'tags': ['millrace'], 'title': 'Millrace', 'asDropdown': True, 'includeVars': True, 'keepTime': True}],
            'panels': lay_out(panels)}


def quantile(q, name, by, labels=NODE):
    """Of a histogram."""
    return f'histogram_quantile({q}, sum by ({by}, le) ({rate(name + "_bucket", labels)}))'


STREAM_VARIABLE = variable('stream', f'label_values(millrace_stream_received_bytes_per_second{{{NODE}}}, stream)')
TASK_VARIABLE = variable('task', f'label_values(millrace_task_state{{{NODE}}}, task)')
VIEWERS = f'millrace_viewers_rtmp{{{NODE}}} + millrace_viewers_http_flv{{{NODE}}} + millrace_viewers_ws_flv{{{NODE}}}'
TASK_WORDS = [('idle', 'blue'), ('running', 'green'), ('recovering', 'orange'), ('offline', 'red')]
LEG_WORDS = [('none', 'blue'), ('connecting', 'yellow'), ('waiting', 'yellow'), ('running', 'green'), ('failed', 'red')]

OVERVIEW = dashboard('overview', 'overview', [], [
    stat('Streams', 'short', f'sum(millrace_streams{{{NODE}}})'),
    stat('Viewers', 'short', f'sum({VIEWERS})'),
    stat('Out', 'bps', f'8 * sum({rate("millrace_sent_bytes_total")})'),
    stat('Tasks running', 'short', f'sum(millrace_tasks{{{NODE},state="Running"}})'),
    stat('Tasks in trouble', 'short', f'sum(millrace_tasks{{{NODE},state=~"Recovering|Offline"}})'),
    stat('Busiest core', 'percentunit', f'max(millrace_core_busy_share{{{NODE}}})'),
    panel('Bits in and out', 'bps', ('8 * ' + total('millrace_received_bytes_total'), '{{instance}} in'),
          ('8 * ' + total('millrace_sent_bytes_total'), '{{instance}} out')),
    panel('Viewers by protocol', 'short', (f'sum(millrace_viewers_rtmp{{{NODE}}})', 'RTMP'),
          (f'sum(millrace_viewers_http_flv{{{NODE}}})', 'HTTP-FLV'), (f'sum(millrace_viewers_ws_flv{{{NODE}}})', 'WebSocket-FLV')),
    panel('Viewers by domain', 'short', (f'sum by (domain) (millrace_domain_viewers{{{NODE}}})', '{{domain}}')),
    panel('Out by domain', 'bps', (f'8 * sum by (domain) (millrace_domain_sent_bytes_per_second{{{NODE}}})', '{{domain}}')),
    panel('Streams with most bits out', 'bps', (f'8 * topk(10, millrace_stream_sent_bytes_per_second{{{NODE}}})', '{{stream}}')),
    panel('Streams with most viewers', 'short', (f'topk(10, sum by (stream) (millrace_stream_viewers{{{NODE}}}))', '{{stream}}')),
    panel('Connections that ended, by reason', 'ops', (f'topk(10, {total("millrace_closes_total", "reason")} > 0)', '{{reason}}')),
    panel('Viewers moved to a newer key frame', 'ops', (total('millrace_skips_total'), '{{instance}} skips'),
          (total('millrace_joins_total'), '{{instance}} joins')),
    panel('Segments sent again, by domain', 'percentunit', (f'millrace_domain_retransmit_ratio{{{NODE}}}', '{{domain}}')),
    panel('Round-trip time, by domain', 's', (f'millrace_domain_rtt_seconds{{{NODE}}}', '{{domain}}')),
    panel('On the wire, with headers and repeats', 'bps',
          (f'8 * sum by (protocol, direction) ({rate("millrace_tcp_wire_bytes_total")})', '{{protocol}} {{direction}}'),
          help='What a carrier bills; it needs the program tcpstat.'),
    panel('Packet guard', 'pps', (f'sum by (verdict) ({rate("millrace_guard_packets_total")})', '{{verdict}}')),
    panel('Core load', 'percentunit', (f'millrace_core_busy_share{{{NODE}}}', '{{instance}} core {{core}}')),
    panel('Memory of wire logs', 'percentunit',
          (f'millrace_arena_used_bytes{{{NODE}}} / millrace_arena_bytes{{{NODE}}}', '{{instance}}')),
    panel('Callbacks', 'short', (f'millrace_callbacks_pending{{{NODE}}}', '{{instance}} waiting'),
          (f'increase(millrace_callbacks_total{{{NODE},result="dead"}}[{WINDOW}])', '{{instance}} given up')),
    panel('Certificates end in', 's', (f'millrace_tls_certificate_end_seconds{{{NODE}}} - time()', '{{file}}')),
    panel('Redis', 's', (f'millrace_redis_latency_seconds{{{NODE}}}', '{{instance}}')),
])

ONE_STREAM = dashboard('stream', 'stream', [STREAM_VARIABLE], [
    panel('What it is', 'short', (f'millrace_stream_info{{{STREAM}}}', ''), kind='table', w=24, h=5),
    panel('Bits in', 'bps', (f'8 * millrace_stream_received_bytes_per_second{{{STREAM}}}', '{{stream}}')),
    panel('Bits out', 'bps', (f'8 * millrace_stream_sent_bytes_per_second{{{STREAM}}}', '{{stream}}')),
    panel('Viewers by protocol', 'short', (f'millrace_stream_viewers{{{STREAM}}}', '{{stream}} {{protocol}}'),
          (f'millrace_stream_pushes{{{STREAM}}}', '{{stream}} pushes')),
    panel('Joins and skips', 'ops', (rate('millrace_stream_joins_total', STREAM), '{{stream}} joins'),
          (rate('millrace_stream_skips_total', STREAM), '{{stream}} skips')),
    panel('Round-trip time to viewers', 's', (quantile(0.5, 'millrace_stream_rtt_seconds', 'stream', STREAM), '{{stream}} half below'),
          (quantile(0.95, 'millrace_stream_rtt_seconds', 'stream', STREAM), '{{stream}} 95 % below')),
    panel('Segments sent again', 'percentunit',
          (f'sum by (stream) ({rate("millrace_stream_tcp_segments_retransmitted_total", STREAM)}) / sum by (stream) ({rate("millrace_stream_tcp_segments_sent_total", STREAM)})', '{{stream}}'),
          (f'sum by (stream) ({rate("millrace_stream_tcp_segments_lost_total", STREAM)}) / sum by (stream) ({rate("millrace_stream_tcp_segments_sent_total", STREAM)})', '{{stream}} really lost')),
    panel('Viewers in whose seconds more than 1 % was sent again', 'percentunit',
          (f'1 - sum by (stream) ({rate("millrace_stream_retransmit_ratio_bucket", STREAM + chr(44) + "le=" + chr(34) + "0.01" + chr(34))}) / sum by (stream) ({rate("millrace_stream_retransmit_ratio_count", STREAM)})', '{{stream}}')),
    panel('From the request to the first media', 's', (quantile(0.5, 'millrace_stream_join_seconds', 'stream', STREAM), '{{stream}} half below'),
          (quantile(0.95, 'millrace_stream_join_seconds', 'stream', STREAM), '{{stream}} 95 % below')),
    panel('How far viewers are behind', 's', (quantile(0.5, 'millrace_stream_lag_seconds', 'stream', STREAM), '{{stream}} half below'),
          (quantile(0.99, 'millrace_stream_lag_seconds', 'stream', STREAM), '{{stream}} 99 % below')),
    panel('On the wire', 'bps', (f'8 * {rate("millrace_stream_tcp_wire_bytes_total", STREAM)}', '{{stream}} {{protocol}} {{direction}}'),
          (f'{rate("millrace_stream_tcp_segments_delivered_total", STREAM)}', '{{stream}} {{protocol}} segments delivered')),
    panel('Messages', 'ops', (rate('millrace_stream_frames_total', STREAM), '{{stream}} {{kind}}')),
    panel('Key frames', 's', (f'millrace_stream_gop_seconds{{{STREAM}}}', '{{stream}} interval'),
          help='The time between two key frames is how long a joiner or a slow viewer may wait.'),
    panel('Key frames a minute', 'short', (f'60 * {rate("millrace_stream_keyframes_total", STREAM)}', '{{stream}}')),
    panel('Age of the newest media', 's', (f'millrace_stream_media_age_seconds{{{STREAM}}}', '{{stream}}')),
    panel('Memory', 'bytes', (f'millrace_stream_log_bytes{{{STREAM}}}', '{{stream}}')),
    panel('On air', 's', (f'time() - millrace_stream_start_seconds{{{STREAM}}}', '{{stream}}')),
    panel('Bytes in all', 'bytes', (f'millrace_stream_received_bytes_total{{{STREAM}}}', '{{stream}} in'),
          (f'millrace_stream_sent_bytes_total{{{STREAM}}}', '{{stream}} out')),
])

TASKS = dashboard('tasks', 'tasks', [TASK_VARIABLE], [
    panel('Tasks by state', 'short', (f'sum by (state) (millrace_tasks{{{NODE}}})', '{{state}}')),
    panel('Why tasks are in trouble', 'short', (f'count by (reason) (millrace_task_error{{{NODE}}})', '{{reason}}')),
    states(panel('State', 'short', (f'millrace_task_state{{{TASK}}}', '{{task}}'), kind='state-timeline', w=24, h=8), TASK_WORDS),
    states(panel('Legs', 'short', (f'millrace_leg_state{{{TASK}}}', '{{task}} {{leg}}'), kind='state-timeline', w=24, h=10), LEG_WORDS),
    panel('Bits', 'bps', (f'8 * millrace_leg_bytes_per_second{{{TASK}}}', '{{task}} {{leg}}')),
    panel('Bytes since the leg connected', 'bytes', (f'millrace_leg_bytes_total{{{TASK}}}', '{{task}} {{leg}}')),
    panel('Messages', 'ops', (rate('millrace_leg_messages_total', TASK), '{{task}} {{leg}}')),
    panel('Retries used', 'short', (f'millrace_task_retries{{{TASK}}}', '{{task}}')),
    panel('Age of the source\'s newest media', 's', (f'millrace_task_media_age_seconds{{{TASK}}}', '{{task}}')),
    panel('Pushes moved to a newer key frame', 'ops', (rate('millrace_leg_skips_total', TASK), '{{task}} {{leg}}')),
    panel('Callbacks', 'ops', (rate('millrace_callbacks_total'), '{{instance}} {{result}}')),
    panel('Oldest callback that waits', 's', (f'millrace_callbacks_oldest_seconds{{{NODE}}}', '{{instance}}')),
    panel('Callbacks that wait', 'short', (f'millrace_callbacks_pending{{{NODE}}}', '{{instance}}')),
    panel('Workers', 'short', (f'millrace_workers{{{NODE}}}', '{{instance}} running'),
          (f'increase(millrace_worker_crashes_total{{{NODE}}}[{WINDOW}])', '{{instance}} crashed')),
    panel('Leases', 'short', (f'millrace_leases{{{NODE}}}', '{{instance}} held'),
          (f'increase(millrace_closes_total{{{NODE},reason="lease_lost"}}[{WINDOW}])', '{{instance}} lost')),
    panel('API calls', 'ops', (rate('millrace_api_calls_total'), '{{instance}} {{result}}')),
])

CORES = dashboard('cores', 'core internals', [], [
    panel('Busy share', 'percentunit', (f'millrace_core_busy_share{{{NODE}}}', '{{instance}} core {{core}}'),
          (rate('millrace_busy_seconds_total'), '{{instance}} core {{core}}, mean')),
    panel('Turns', 'ops', (rate('millrace_loop_turns_total'), '{{instance}} core {{core}}')),
    panel('Busy time per turn', 's', (f'{rate("millrace_busy_seconds_total")} / {rate("millrace_loop_turns_total")}', '{{instance}} core {{core}}')),
    panel('Length of turns', 's', (quantile(0.5, 'millrace_loop_turn_seconds', 'instance, core'), '{{instance}} core {{core}} half below'),
          (quantile(0.99, 'millrace_loop_turn_seconds', 'instance, core'), '{{instance}} core {{core}} 99 % below')),
    panel('Joins of all streams', 's', (quantile(0.95, 'millrace_join_seconds', 'instance'), '{{instance}} 95 % below')),
    panel('Connections by what they are for', 'short', (f'sum by (protocol, direction) (millrace_tcp_connections{{{NODE}}})', '{{protocol}} {{direction}}')),
    panel('Who chose the core', 'ops', (f'sum by (instance, by) ({rate("millrace_steered_connections_total")})', '{{instance}} {{by}}'),
          help='Without the program steer: the kernel by its hash, and nothing is counted.'),
    panel('CPU per delivered Gbit', 's',
          (f'{total("millrace_busy_seconds_total")} / (8e-9 * {total("millrace_sent_bytes_total")})', '{{instance}}')),
    panel('Connections', 'short', (f'millrace_connections{{{NODE}}}', '{{instance}} core {{core}}')),
    panel('New and refused connections', 'ops', (rate('millrace_accepts_total'), '{{instance}} core {{core}}'),
          (rate('millrace_refused_connections_total'), '{{instance}} core {{core}} refused')),
    panel('Sends', 'ops', (rate('millrace_sends_total'), '{{instance}} core {{core}}'),
          (rate('millrace_sends_blocked_total'), '{{instance}} core {{core}} window full')),
    panel('Bytes per send', 'bytes', (f'{rate("millrace_sent_bytes_total")} / {rate("millrace_sends_total")}', '{{instance}} core {{core}}'),
          help='Larger sends cost less CPU for the same bytes.'),
    panel('Messages in', 'ops', (rate('millrace_messages_in_total'), '{{instance}} core {{core}}'),
          (rate('millrace_messages_dropped_total'), '{{instance}} core {{core}} dropped'),
          (rate('millrace_odd_messages_total'), '{{instance}} core {{core}} odd')),
    panel('Bytes that slow viewers missed', 'Bps', (rate('millrace_skipped_bytes_total'), '{{instance}} core {{core}}')),
    panel('Mail between cores', 'ops', (rate('millrace_mail_total'), '{{instance}} core {{core}}')),
    panel('Allocations', 'ops', (rate('millrace_allocations_total'), '{{instance}} core {{core}}'), help='Zero in steady state.'),
    panel('Receive buffers exhausted, logs full', 'ops', (rate('millrace_receive_buffers_exhausted_total'), '{{instance}} core {{core}} receive'),
          (rate('millrace_log_full_total'), '{{instance}} core {{core}} log')),
    panel('Blocks of wire logs', 'short', (f'millrace_log_blocks{{{NODE}}}', '{{instance}} core {{core}}')),
    panel('Publishers, pulls, pushes', 'short', (f'millrace_publishers{{{NODE}}}', '{{instance}} core {{core}} publishers'),
          (f'millrace_pulls{{{NODE}}}', '{{instance}} core {{core}} pulls'), (f'millrace_pushes{{{NODE}}}', '{{instance}} core {{core}} pushes')),
    panel('TLS', 'ops', (rate('millrace_tls_connections_total'), '{{instance}} core {{core}}'),
          (rate('millrace_ktls_connections_total'), '{{instance}} core {{core}} by the kernel'),
          (rate('millrace_tls_failures_total'), '{{instance}} core {{core}} failed')),
    panel('Clocks of publishers', 'ops', (rate('millrace_time_jumps_total'), '{{instance}} core {{core}} jumps'),
          (rate('millrace_time_outliers_total'), '{{instance}} core {{core}} outliers')),
    panel('CPU of the processes', 'percentunit', (rate('millrace_process_cpu_seconds_total'), '{{instance}} {{process}}')),
    panel('Memory of the processes', 'bytes', (f'millrace_process_resident_bytes{{{NODE}}}', '{{instance}} {{process}}')),
    panel('File descriptors', 'percentunit',
          (f'millrace_process_open_fds{{{NODE}}} / millrace_process_max_fds{{{NODE}}}', '{{instance}} {{process}}')),
    panel('Age of the data plane\'s beat', 's', (f'millrace_dataplane_beat_age_seconds{{{NODE}}}', '{{instance}}')),
])

if __name__ == '__main__':
    here = os.environ.get('DASHBOARDS_TO', os.path.dirname(os.path.abspath(__file__)))
    for name, board in (('overview', OVERVIEW), ('stream', ONE_STREAM), ('tasks', TASKS), ('cores', CORES)):
        with open(os.path.join(here, f'{name}.json'), 'w', encoding='utf-8') as f:
            json.dump(board, f, indent=1)
            f.write('\n')
