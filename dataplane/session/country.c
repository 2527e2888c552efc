/* SPDX-License-Identifier: Apache-2.0 */
#include "session/country.h"

#include <errno.h>
#include <maxminddb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

struct file {
	MMDB_s db;
	struct file *next; /* retired ones */
	uint64_t stamp;
};

static struct {
	_Atomic(struct file *) now; /* NULL: none */
	struct file *loaded;	    /* not used yet; NULL: none */
	struct file *retired;
} all;

bool country_place(const char *text, unsigned *place)
{
	if (text[0] < 'A' || text[0] > 'Z' || text[1] < 'A' || text[1] > 'Z' || text[2])
		return false;
	*place = (unsigned)(text[0] - 'A') * 26 + (unsigned)(text[1] - 'A');
	return true;
}

/* What the database has for an address; where it is about IPv4 alone it knows no other. */
static MMDB_lookup_result_s look_up(MMDB_s *db, const struct ip *from, int *error)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (ip_is_v4(from)) {
		memcpy(&v4.sin_addr, from->b + 12, sizeof(v4.sin_addr));
		return MMDB_lookup_sockaddr(db, (const struct sockaddr *)&v4, error);
	}
	memcpy(&v6.sin6_addr, from->b, sizeof(v6.sin6_addr));
	return MMDB_lookup_sockaddr(db, (const struct sockaddr *)&v6, error);
}

bool country_find(const struct ip *from, unsigned *place)
{
	static const char *const path[] = {"country", "iso_code", NULL};
	struct file *f = atomic_load_explicit(&all.now, memory_order_acquire);
	MMDB_lookup_result_s found;
	MMDB_entry_data_s code;
	int error = MMDB_SUCCESS;
	char text[3] = "";

	if (!f)
		return false;
	found = look_up(&f->db, from, &error);
	if (error != MMDB_SUCCESS || !found.found_entry)
		return false;
	/* The variant for arrays: the one for arguments allocates. */
	if (MMDB_aget_value(&found.entry, &code, path) != MMDB_SUCCESS || !code.has_data ||
	    code.type != MMDB_DATA_TYPE_UTF8_STRING || code.data_size != 2)
		return false;
	memcpy(text, code.utf8_string, 2);
	return country_place(text, place);
}

/* ---- the file ---- */

static void file_free(struct file *f)
{
	if (!f)
		return;
	MMDB_close(&f->db);
	free(f);
}

int country_load(const struct config *c, struct conf_error *err)
{
	struct file *f = NULL;
	int r;

	if (*c->domain_countries) {
		f = calloc(1, sizeof(*f));
		r = f ? MMDB_open(c->domain_countries, MMDB_MODE_MMAP, &f->db)
		      : MMDB_OUT_OF_MEMORY_ERROR;
		if (r != MMDB_SUCCESS) {
			snprintf(err->text, sizeof(err->text),
				 "domain.country_database: %.300s: %s", c->domain_countries,
				 r == MMDB_FILE_OPEN_ERROR ? strerror(errno) : MMDB_strerror(r));
			free(f);
			return -EINVAL;
		}
	}
	file_free(all.loaded);
	all.loaded = f;
	return 0;
}

static void free_passed(struct engine *e)
{
	struct file **at = &all.retired, *f;

	while ((f = *at)) {
		if (!quiet_passed(e->quiet, f->stamp)) {
			at = &f->next;
			continue;
		}
		*at = f->next;
		file_free(f);
	}
}

void country_use(struct engine *e)
{
	struct file *old = atomic_exchange_explicit(&all.now, all.loaded, memory_order_acq_rel);

	all.loaded = NULL;
	free_passed(e);
	if (!old)
		return;
	old->stamp = quiet_stamp(e->quiet);
	old->next = all.retired;
	all.retired = old;
}

void country_fini(void)
{
	struct file *f;

	while ((f = all.retired)) {
		all.retired = f->next;
		file_free(f);
	}
	file_free(all.loaded);
	all.loaded = NULL;
	file_free(atomic_exchange(&all.now, NULL));
}
