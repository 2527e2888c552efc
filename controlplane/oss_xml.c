/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/oss_xml.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <libxml/xmlwriter.h>

#include "base/check.h"

#define FRAG_DURATION 5
#define FRAG_COUNT    3
#define FRAG_MAX      100
#define PLAYLIST      "playlist.m3u8"
#define PLAYLIST_MIN  6
#define PLAYLIST_MAX  128

/* ---- reading ---- */

void channel_config_init(struct channel_config *c)
{
	*c = (struct channel_config){.enabled = true,
				     .frag_duration_s = FRAG_DURATION,
				     .frag_count = FRAG_COUNT,
				     .playlist = PLAYLIST};
}

bool channel_playlist_fine(const char *name)
{
	size_t n = strlen(name);

	return n >= PLAYLIST_MIN && n <= PLAYLIST_MAX && !strchr(name, '/') &&
	       !strcmp(name + n - 5, ".m3u8") && strspn(name, ".") < n - 5;
}

static bool invalid(struct refusal *r, const char *code, const char *rule)
{
	return refuse(r, 400, "InvalidArgument", "%s (EC %s)", rule, code);
}

/* The element's text without blanks around it; NULL: too long. */
static const char *text_of(const xmlNode *e, char *dst, size_t n)
{
	xmlChar *all = xmlNodeGetContent(e);
	const char *from = all ? (const char *)all : "";
	size_t len;

	from += strspn(from, " \t\r\n");
	len = strlen(from);
	while (len && strchr(" \t\r\n", from[len - 1]))
		len--;
	if (len < n) {
		memcpy(dst, from, len);
		dst[len] = 0;
	}
	xmlFree(all);
	return len < n ? dst : NULL;
}

static bool is_named(const xmlNode *e, const char *name)
{
	return e->type == XML_ELEMENT_NODE && !strcmp((const char *)e->name, name);
}

static bool number_of(const xmlNode *e, int *dst)
{
	char text[16], *end;
	long n;

	if (!text_of(e, text, sizeof(text)) || !*text)
		return false;
	n = strtol(text, &end, 10);
	*dst = (int)n;
	return !*end && n >= 1 && n <= FRAG_MAX;
}

/* Duration and count come together, or neither does. */
struct seen {
	bool duration, count;
};

static bool parse_target(struct channel_config *c, const xmlNode *target, struct seen *seen,
			 struct refusal *r)
{
	char type[16];

	for (const xmlNode *e = target->children; e; e = e->next) {
		if (is_named(e, "Type")) {
			if (!text_of(e, type, sizeof(type)) || strcmp(type, "HLS") != 0)
				return refuse(r, 400, "InvalidArgument",
					      "Target/Type: must be HLS");
		} else if (is_named(e, "FragDuration")) {
			seen->duration = true;
			if (!number_of(e, &c->frag_duration_s))
				return invalid(r, "0044-00000014",
					       "Target/FragDuration: must be 1 to 100");
		} else if (is_named(e, "FragCount")) {
			seen->count = true;
			if (!number_of(e, &c->frag_count))
				return invalid(r, "0044-00000015",
					       "Target/FragCount: must be 1 to 100");
		} else if (is_named(e, "PlaylistName")) {
			if (!text_of(e, c->playlist, sizeof(c->playlist)) ||
			    !channel_playlist_fine(c->playlist))
				return invalid(
					r, "0044-00000018",
					"Target/PlaylistName: must have 6 to 128 characters, "
					"end with .m3u8 and hold no /");
		}
	}
	return true;
}

static bool parse_status(struct channel_config *c, const xmlNode *e, struct refusal *r)
{
	char text[16];

	if (!text_of(e, text, sizeof(text)) ||
	    (strcmp(text, "enabled") != 0 && strcmp(text, "disabled") != 0))
		return invalid(r, "0044-00000002", "Status: must be enabled or disabled");
	c->enabled = !strcmp(text, "enabled");
	return true;
}

/* There are no pictures of live channels here; a wrong interval is told first, as the service does. */
static bool refuse_snapshot(const xmlNode *snapshot, struct refusal *r)
{
	int interval;

	for (const xmlNode *e = snapshot->children; e; e = e->next)
		if (is_named(e, "Interval") && !number_of(e, &interval))
			return invalid(r, "0044-00000005", "Snapshot/Interval: must be 1 to 100");
	return refuse(r, 501, "NotImplemented", "Snapshot: live channels take no pictures here");
}

static bool parse_root(struct channel_config *c, const xmlNode *root, struct refusal *r)
{
	struct seen seen = {0};
	bool target = false;

	if (!root || !is_named(root, "LiveChannelConfiguration"))
		return refuse(r, 400, "MalformedXML",
			      "the body must be a LiveChannelConfiguration");
	for (const xmlNode *e = root->children; e; e = e->next) {
		if (is_named(e, "Description") &&
		    !text_of(e, c->description, sizeof(c->description)))
			return refuse(r, 400, "InvalidArgument",
				      "Description: must have 128 bytes at most");
		if (is_named(e, "Status") && !parse_status(c, e, r))
			return false;
		if (is_named(e, "Snapshot"))
			return refuse_snapshot(e, r);
		if (is_named(e, "Target")) {
			target = true;
			if (!parse_target(c, e, &seen, r))
				return false;
		}
	}
	if (!target)
		return refuse(r, 400, "MalformedXML", "Target: must be given");
	if (seen.duration != seen.count)
		return invalid(r, seen.duration ? "0044-00000015" : "0044-00000014",
			       "Target: FragDuration and FragCount must be given together");
	return true;
}

bool channel_config_parse(struct channel_config *c, const char *xml, size_t n, struct refusal *r)
{
	xmlDoc *doc;
	bool fine;

	channel_config_init(c);
	if (!n || n > XML_BYTES_MAX)
		return refuse(r, 400, "MalformedXML", "the body must be XML of 1 to %d bytes",
			      XML_BYTES_MAX);
	doc = xmlReadMemory(xml, (int)n, NULL, NULL,
			    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	if (!doc)
		return refuse(r, 400, "MalformedXML", "the body is not well-formed XML");
	if (doc->intSubset)
		fine = refuse(r, 400, "MalformedXML", "a document type is not accepted");
	else
		fine = parse_root(c, xmlDocGetRootElement(doc), r);
	xmlFreeDoc(doc);
	return fine;
}

/* ---- writing ---- */

struct xml {
	xmlBuffer *buffer;
	xmlTextWriter *writer;
};

#define WRITTEN(call) must((call) >= 0)

struct xml *xml_new(const char *root)
{
	struct xml *x = calloc(1, sizeof(*x));

	must(x);
	x->buffer = xmlBufferCreate();
	must(x->buffer);
	x->writer = xmlNewTextWriterMemory(x->buffer, 0);
	must(x->writer);
	WRITTEN(xmlTextWriterStartDocument(x->writer, NULL, "UTF-8", NULL));
	xml_open(x, root);
	return x;
}

void xml_open(struct xml *x, const char *name)
{
	WRITTEN(xmlTextWriterStartElement(x->writer, BAD_CAST name));
}

void xml_close(struct xml *x)
{
	WRITTEN(xmlTextWriterEndElement(x->writer));
}

void xml_text(struct xml *x, const char *name, const char *text)
{
	WRITTEN(xmlTextWriterWriteElement(x->writer, BAD_CAST name, BAD_CAST text));
}

void xml_put(struct xml *x, const char *name, const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	must(vasprintf(&text, fmt, args) >= 0);
	va_end(args);
	xml_text(x, name, text);
	free(text);
}

char *xml_done(struct xml *x, size_t *n)
{
	char *text;

	WRITTEN(xmlTextWriterEndDocument(x->writer));
	xmlFreeTextWriter(x->writer);
	*n = (size_t)xmlBufferLength(x->buffer);
	text = strndup((const char *)xmlBufferContent(x->buffer), *n);
	must(text);
	xmlBufferFree(x->buffer);
	free(x);
	return text;
}
