/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration file: YAML nodes, with their lines, against the table of keys.
 *
 * Anchors and aliases cannot hurt: libyaml keeps them as references, and the walk goes down only
 * while the path so far is a known section, so a cycle ends at the second level.
 */
#include "base/conf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/check.h"

#define FILE_MAX_BYTES (1u << 20)
#define PATH_BYTES     128u
#define KEYS_MAX       256u

struct load {
	struct config conf;
	const char *file;
	yaml_document_t doc;
	unsigned seen_line[KEYS_MAX]; /* where each key was set; 0: not yet */
	struct conf_error *e;
};

__attribute__((format(printf, 3, 4))) static int fail(struct load *l, unsigned line,
						      const char *fmt, ...)
{
	char what[sizeof(l->e->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(l->e->text, sizeof(l->e->text), "%.160s:%u: %.340s", l->file, line, what);
	return -EINVAL;
}

static unsigned line_of(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

static bool is_section(const char *path)
{
	size_t count, n = strlen(path);
	const struct conf_key *k = conf_keys(&count);

	for (size_t i = 0; i < count; i++)
		if (!strncmp(k[i].path, path, n) && k[i].path[n] == '.')
			return true;
	return false;
}

/* Number of a key in the table, or -1. */
static int key_of(const char *path)
{
	size_t count;
	const struct conf_key *k = conf_keys(&count);

	must(count <= KEYS_MAX);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(k[i].path, path))
			return (int)i;
	return -1;
}

static const char *scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

static int set_key(struct load *l, const char *path, const yaml_node_t *at,
		   const yaml_node_t *value)
{
	struct conf_error why = {""};
	int i = key_of(path);

	if (i >= 0 && l->seen_line[i])
		return fail(l, line_of(at), "duplicate key \"%s\"; it already stands on line %u",
			    path, l->seen_line[i]);
	if (i >= 0 && value->type != YAML_SCALAR_NODE)
		return fail(l, line_of(at), "%s: must be one value, not a %s", path,
			    value->type == YAML_SEQUENCE_NODE ? "list" : "section");
	if (i >= 0 && strlen(scalar(value)) != value->data.scalar.length)
		return fail(l, line_of(value), "%s: the value holds a NUL byte", path);
	if (conf_set(&l->conf, path, i >= 0 ? scalar(value) : "", &why))
		return fail(l, line_of(at), "%s", why.text);
	l->seen_line[i] = line_of(at);
	return 0;
}

static int walk(struct load *l, const char *prefix, const yaml_node_t *map);

static int walk_pair(struct load *l, const char *prefix, const yaml_node_t *key,
		     const yaml_node_t *value)
{
	char path[PATH_BYTES];
	int n;

	if (key->type != YAML_SCALAR_NODE)
		return fail(l, line_of(key), "a key must be a plain word");
	n = snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", scalar(key));
	if ((size_t)n >= sizeof(path))
		return fail(l, line_of(key), "unknown key \"%.60s...\"", path);
	if (!is_section(path))
		return set_key(l, path, key, value);
	if (value->type == YAML_MAPPING_NODE)
		return walk(l, path, value);
	/* A section whose keys are all commented out reads as an empty value. */
	if (value->type == YAML_SCALAR_NODE && !value->data.scalar.length)
		return 0;
	return fail(l, line_of(key), "\"%s\" is a section: its keys belong below it, indented",
		    path);
}

static int walk(struct load *l, const char *prefix, const yaml_node_t *map)
{
	yaml_node_pair_t *pair = map->data.mapping.pairs.start;
	int rc = 0;

	for (; !rc && pair < map->data.mapping.pairs.top; pair++)
		rc = walk_pair(l, prefix, yaml_document_get_node(&l->doc, pair->key),
			       yaml_document_get_node(&l->doc, pair->value));
	return rc;
}

static int syntax_error(struct load *l, const yaml_parser_t *parser, const char *text)
{
	unsigned line = (unsigned)parser->problem_mark.line + 1;

	/* The reader (bad UTF-8, control bytes) knows an offset only. */
	if (parser->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < parser->problem_offset; i++)
			line += text[i] == '\n';
	}
	return fail(l, line, "not YAML: %s", parser->problem ? parser->problem : "out of memory");
}

static int read_document(struct load *l, yaml_parser_t *parser, const char *text)
{
	yaml_node_t *root;
	int rc = 0;

	if (!yaml_parser_load(parser, &l->doc))
		return syntax_error(l, parser, text);
	root = yaml_document_get_root_node(&l->doc);
	if (root && root->type == YAML_MAPPING_NODE)
		rc = walk(l, "", root);
	else if (root && (root->type != YAML_SCALAR_NODE || root->data.scalar.length))
		rc = fail(l, line_of(root),
			  "must hold keys and values, one \"key: value\" per line");
	yaml_document_delete(&l->doc);
	if (rc || !root)
		return rc;

	/* What follows a "---" would be ignored without a word. */
	if (!yaml_parser_load(parser, &l->doc))
		return syntax_error(l, parser, text);
	root = yaml_document_get_root_node(&l->doc);
	if (root)
		rc = fail(l, line_of(root), "a second YAML document; one file holds one");
	yaml_document_delete(&l->doc);
	return rc;
}

static int parse(struct load *l, const char *text, size_t n)
{
	yaml_parser_t parser;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return fail(l, 1, "out of memory");
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	rc = read_document(l, &parser, text);
	yaml_parser_delete(&parser);
	return rc;
}

/* The whole file into fresh memory; *text is the caller's. */
static int read_file(const char *path, char **text, size_t *n, struct conf_error *e)
{
	FILE *f;
	int rc = 0;

	*text = NULL;
	*n = 0;
	errno = 0;
	f = fopen(path, "re");
	if (f && (*text = malloc(FILE_MAX_BYTES + 1)))
		*n = fread(*text, 1, FILE_MAX_BYTES + 1, f);
	if (!f || !*text || ferror(f))
		rc = errno ? -errno : -EIO;
	else if (*n > FILE_MAX_BYTES)
		rc = -EFBIG;
	if (rc)
		snprintf(e->text, sizeof(e->text), "cannot read the configuration %.300s: %s", path,
			 strerror(-rc));
	if (f)
		fclose(f);
	return rc;
}

int conf_load(struct config *c, const char *path, struct conf_error *e)
{
	char *text = NULL;
	size_t n = 0;
	int rc = path ? read_file(path, &text, &n, e) : 0;

	if (!rc)
		rc = conf_load_text(c, path, text, n, e);
	free(text);
	return rc;
}

int conf_load_text(struct config *c, const char *path, const char *text, size_t n,
		   struct conf_error *e)
{
	struct conf_error why = {""};
	struct load l = {.file = path, .e = e};
	int rc = 0;

	conf_defaults(&l.conf);
	if (text)
		rc = parse(&l, text, n);
	if (!rc && conf_check(&l.conf, &why)) {
		snprintf(e->text, sizeof(e->text), "%.160s%s%.340s", path ? path : "",
			 path ? ": " : "", why.text);
		rc = -EINVAL;
	}
	if (!rc)
		*c = l.conf;
	return rc;
}
