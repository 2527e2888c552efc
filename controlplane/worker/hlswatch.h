/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a live HLS source still lives: its playlists are looked at as libavformat reads them.
 *
 * A playlist that is read again and has not changed for HLSWATCH_TARGETS target durations is stale, whatever its
 * server answers (RFC 8216 6.2.2 has it change with every segment). One that ends never is.
 * Playlists are told by their first line, not by their name; of several the one that changed last counts.
 * Threads: all of a watch is called by the thread that reads the source, which has one watch at a time.
 */
#ifndef WORKER_HLSWATCH_H
#define WORKER_HLSWATCH_H

#include <stdbool.h>

#include <libavformat/avformat.h>

#define HLSWATCH_TARGETS 3
#define HLSWATCH_LISTS	 8
#define HLSWATCH_LINE	 64

struct hlswatch {
	bool stale;
	unsigned changes; /* of what is played, after it was first read */
	int64_t target_us;
	uint64_t changed_us;
	int (*open)(struct AVFormatContext *, AVIOContext **, const char *, int, AVDictionary **);
	struct {
		uint64_t url, text;
	} seen[HLSWATCH_LISTS];
	unsigned seen_n;
	/* What is being read. */
	void *from;
	int (*read)(void *, uint8_t *, int);
	uint64_t url, text;
	size_t bytes;
	char line[HLSWATCH_LINE];
	size_t line_n;
	bool other, ended; /* other: it is no playlist */
};

/* From here on what `av` opens is looked at. The watch stays where it is. */
void hlswatch_begin(struct hlswatch *w, AVFormatContext *av);
/* How long nothing may come until it is known: microseconds. */
int64_t hlswatch_patience_us(const struct hlswatch *w);

#endif
