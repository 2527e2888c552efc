/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/metrics_certs.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <event2/buffer.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

/* notAfter of the first certificate in the file, seconds since 1970; false: there is none. */
static bool ends_at(const char *path, double *seconds)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
	struct tm tm;
	bool ok = cert && ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm);

	if (ok)
		*seconds = (double)timegm(&tm);
	X509_free(cert);
	if (f)
		fclose(f);
	return ok;
}

static size_t put(const char *path, struct evbuffer *out)
{
	double seconds;

	if (!ends_at(path, &seconds))
		return 0;
	metric_put(out, M_CERT_END, seconds, path);
	return 1;
}

static bool is_certificate(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcmp(name + n - 4, ".crt");
}

void metrics_certs(const struct config *conf, size_t most, struct evbuffer *out)
{
	DIR *d = conf->tls_folder[0] ? opendir(conf->tls_folder) : NULL;
	char path[sizeof(conf->tls_folder) + 256];
	struct dirent *e;
	size_t n = 0;

	metric_head(out, M_CERT_END);
	if (conf->tls_certificate[0] && most)
		n += put(conf->tls_certificate, out);
	if (conf->api_tls_certificate[0] && most > n)
		n += put(conf->api_tls_certificate, out);
	while (d && n < most && (e = readdir(d))) {
		if (!is_certificate(e->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", conf->tls_folder, e->d_name);
		n += put(path, out);
	}
	if (d)
		closedir(d);
}
