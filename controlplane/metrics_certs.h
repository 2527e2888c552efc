/* SPDX-License-Identifier: Apache-2.0 */
/* When the certificates of the TLS listeners end. Threads: the event loop's. */
#ifndef CONTROLPLANE_METRICS_CERTS_H
#define CONTROLPLANE_METRICS_CERTS_H

#include "api/config.h"
#include "controlplane/metrics_text.h"

/* Those of tls.certificate and tls.folder, at most `most`; what cannot be read has no series. */
void metrics_certs(const struct config *conf, size_t most, struct evbuffer *out);

#endif
