# SPDX-License-Identifier: Apache-2.0
# What tests of packaged streams share: playlists, what they name, whether they keep to their target.
# shellcheck shell=bash disable=SC2034

# hls_up [option...]: everything, with short segments
hls_up() {
	up --set hls.segment=1s "$@"
}

playlist() { # NAME
	curl -sf --max-time 12 "http://127.0.0.1:$HTTP/live/$1.m3u8"
}

# first, next: media sequence numbers of a playlist's first segment and after its last
first_of() {
	sed -n 's/^#EXT-X-MEDIA-SEQUENCE://p' <<<"$1"
}

next_of() {
	echo $(($(first_of "$1") + $(grep -c '^#EXTINF' <<<"$1")))
}

# reaches NAME SEQ: its playlist holds segments up to that number
reaches() {
	local list
	list=$(playlist "$1") && [ "$(next_of "$list")" -gt "$2" ]
}

# segments NAME LIST FILE: the segments of a playlist (its init section first) as one file
segments() {
	local uri
	: >"$3"
	while read -r uri; do
		curl -sf "http://127.0.0.1:$HTTP/live/$uri" >>"$3" || return 1
	done < <(sed -n -e 's/^#EXT-X-MAP:URI="\(.*\)"$/\1/p' -e '/^[^#]/p' <<<"$2" | awk '!seen[$0]++')
}

# in_target LIST: no segment is longer than the target duration says (L3)
in_target() {
	awk -F '[:,]' '/TARGETDURATION/ { t = $2 } /EXTINF/ { if (int($2 + 0.5) > t) bad = 1; n++ } END { exit bad || !n }' <<<"$1"
}

metric() { # NAME
	curl -s "http://127.0.0.1:$API/metrics" | sed -n "s/^$1 //p"
}

# --- by Enhanced RTMP -----------------------------------------------------------------------

AV1='-c:v libsvtav1 -preset 12 -svtav1-params pred-struct=1'
VP9='-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 300k'

# film NAME codec...: 30 s with a key frame each second, made once; sets FILM
film() {
	FILM=$FIXTURES/enhanced-$1.mp4
	shift
	[ -s "$FILM" ] && return
	mkdir -p "$FIXTURES"
	(
		flock 9
		[ -s "$FILM" ] && exit
		ffmpeg -v error -y -f lavfi -t 30 -i testsrc2=size=320x180:rate=25 -f lavfi -t 30 -i sine=frequency=330:sample_rate=48000 \
			-g 25 -b:a 64k "$@" -f mp4 "$FILM.part" 2>/dev/null && mv "$FILM.part" "$FILM"
	) 9>"$FIXTURES/enhanced.lock"
}

# film_publish NAME: the film, in real time, as live/NAME
film_publish() {
	background "enhanced-$1" env RTMP="$RTMP" PYTHONDONTWRITEBYTECODE=1 python3 "$TOP/tests/e2e/enhanced.py" "$FILM" "$1"
}
