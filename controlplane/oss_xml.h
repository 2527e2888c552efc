/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML of the object-storage API: a live channel's configuration in, documents out.
 *
 * Reading: no entities, no network, at most XML_BYTES_MAX; unknown elements are passed over. What is
 * written is escaped and UTF-8. Threads: pure, any.
 */
#ifndef CONTROLPLANE_OSS_XML_H
#define CONTROLPLANE_OSS_XML_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "controlplane/refusal.h"

#define XML_BYTES_MAX 65536

/* What PutLiveChannel asks for; the documentation's defaults where an element is missing. */
struct channel_config {
	char description[129];
	bool enabled;
	int frag_duration_s, frag_count;
	char playlist[129];
};

/* The defaults. */
void channel_config_init(struct channel_config *c);
/* n bytes of XML; false with *r: MalformedXML, or InvalidArgument with the service's own code. */
bool channel_config_parse(struct channel_config *c, const char *xml, size_t n, struct refusal *r);
/* Whether it can be a playlist's name. */
bool channel_playlist_fine(const char *name);

/* A document being written. */
struct xml;

/* With its declaration; the root element is open. */
struct xml *xml_new(const char *root);
void xml_open(struct xml *x, const char *name);
void xml_close(struct xml *x);
void xml_text(struct xml *x, const char *name, const char *text);
__attribute__((format(printf, 3, 4))) void xml_put(struct xml *x, const char *name, const char *fmt,
						   ...);
/* Closes what is open and frees x; the caller frees the text, *n bytes and a NUL. */
char *xml_done(struct xml *x, size_t *n);

#endif
