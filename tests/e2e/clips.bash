# SPDX-License-Identifier: Apache-2.0
# Short films for end-to-end tests, a server that hands them out, and what a player gets of them.
# shellcheck shell=bash disable=SC2034

# clips: short files, made once: a (3 s, moov at the end), b (3 s, other size, audio longer than
# video), c (3 s FLV), hevc, and long (30 s)
clips() {
	CLIPS=$FIXTURES/clips
	[ -e "$CLIPS/done" ] && return
	mkdir -p "$CLIPS"
	(
		flock 9
		[ -e "$CLIPS/done" ] && exit
		clip a.mp4 3 320x180 3 -c:v libx264 -bf 2
		clip b.mp4 3 426x240 3.03 -c:v libx264 -bf 0
		clip c.flv 3 320x180 3 -c:v libx264 -bf 2
		clip long.mp4 30 320x180 30 -c:v libx264 -bf 2
		clip hevc.mp4 3 320x180 3 -c:v libx265 -tag:v hvc1 -x265-params log-level=none
		touch "$CLIPS/done"
	) 9>"$FIXTURES/clips.lock"
}

clip() { # NAME SECONDS SIZE AUDIO_SECONDS codec...
	local name=$1 v=$2 size=$3 a=$4
	shift 4
	ffmpeg -v error -y -f lavfi -t "$v" -i "testsrc2=size=$size:rate=25" -f lavfi -t "$a" -i sine=frequency=330:sample_rate=44100 \
		"$@" -preset ultrafast -g 25 -keyint_min 25 -sc_threshold 0 -b:v 300k -c:a aac -b:a 64k "$CLIPS/$name"
}

serve() {
	local name
	for name in "$@"; do ln -sf "$CLIPS/$name" "$T/www/$name"; done
}

# www_start: a file server with byte ranges for $T/www; sets WWW
www_start() {
	mkdir "$T/www"
	background files python3 "$TOP/tests/e2e/range_server.py" "$T/www"
	within 20 test -s "$T/files.log"
	WWW=http://127.0.0.1:$(head -1 "$T/files.log")
}

described() { # TASK KEY
	api Action=DescribeLivePullToPush Region=local "TaskId=$1" | jq -r ".$2"
}

# record NAME SECONDS: the bytes that the destination sends to a player, into $T/NAME.flv
record() {
	timeout $(($2 + 10)) rtmpdump -q -v -B "$2" -r "rtmp://127.0.0.1:$NGX/dst/$1" -o "$T/$1.flv" 2>>"$T/record.log" || :
	[ -s "$T/$1.flv" ]
}

# continuous FILE GAP_MS [AUDIO_GAP_MS]: decoding times grow, and what is shown has no step longer than that.
# A recording ends anywhere: of what is shown after the last decoding time, not all has come yet.
continuous() {
	ffprobe -v quiet -show_entries packet=codec_type,pts_time,dts_time -of csv=p=0 "$1" | python3 -c '
import sys
shown, decoded = {}, {}
for line in sys.stdin:
    if line[:5] not in ("video", "audio"):
        continue  # side data
    kind, pts, dts = line.strip().split(",")[:3]
    shown.setdefault(kind, []).append(float(pts))
    decoded.setdefault(kind, []).append(float(dts))
for kind in ("video", "audio"):
    if len(shown.get(kind, [])) < 50:
        sys.exit(f"{kind}: hardly any packets")
    for a, b in zip(decoded[kind], decoded[kind][1:]):
        if b <= a:
            sys.exit(f"{kind}: decoding goes from {a:.3f} to {b:.3f}")
    shown[kind] = sorted(t for t in shown[kind] if t <= decoded[kind][-1])
    for a, b in zip(shown[kind], shown[kind][1:]):
        if (b - a) * 1000 > float(sys.argv[2 if kind == "audio" else 1]):
            sys.exit(f"{kind}: nothing to show between {a:.3f} and {b:.3f}")
' "$2" "${3:-$2}"
}
