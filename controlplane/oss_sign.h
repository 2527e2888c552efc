/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signatures of object-storage requests and of live channels' RTMP URLs.
 *
 *   V1      Authorization: OSS id:signature        HMAC-SHA1 over method, date, headers, resource
 *           or ?OSSAccessKeyId=&Expires=&Signature=
 *   V4      Authorization: OSS4-HMAC-SHA256 Credential=id/day/region/oss/aliyun_v4_request,...
 *   RTMP    rtmp://bucket.host/live/channel?OSSAccessKeyId=&Expires=&Signature=   HMAC-SHA1
 *
 * Names and values are as they stand after percent-decoding. Nothing here looks at a clock but
 * `now_s`. Threads: pure, any.
 */
#ifndef CONTROLPLANE_OSS_SIGN_H
#define CONTROLPLANE_OSS_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "controlplane/params.h"
#include "controlplane/refusal.h"

#define OSS_SKEW_S 900 /* how far a request's date may be from now: the documented 15 minutes */

/* One header; names are compared without regard to case. */
struct oss_header {
	const char *name, *value;
};

struct oss_request {
	const char *method;
	const char *bucket, *object; /* "" where there is none; decoded */
	const struct params *params; /* of the query */
	const struct oss_header *headers;
	size_t headers_n;
};

/* What a request says of who signed it. */
enum oss_scheme { OSS_UNSIGNED, OSS_V1, OSS_V1_QUERY, OSS_V4 };
enum oss_scheme oss_sign_scheme(const struct oss_request *r);
/* The access key id that it names, into dst[n]; false: none, or it does not fit. */
bool oss_sign_id(const struct oss_request *r, char *dst, size_t n);
/*
 * Whether the secret signed it, now. false with *why: AccessDenied (date, expiry, form) or
 * SignatureDoesNotMatch, whose message shows the string that should have been signed.
 */
bool oss_sign_check(const struct oss_request *r, const char *secret, int64_t now_s,
		    struct refusal *why);

/* Why an RTMP URL's signature is none. */
enum oss_rtmp {
	OSS_RTMP_FINE,
	OSS_RTMP_UNSIGNED,
	OSS_RTMP_NO_EXPIRES,
	OSS_RTMP_BAD_EXPIRES,
	OSS_RTMP_EXPIRED,
	OSS_RTMP_NO_SIGNATURE,
	OSS_RTMP_MISMATCH,
	OSS_RTMP_VERSION, /* anything but V1 */
};
/* The service's own code of it ("0002-00000805"), and what it says. */
const char *oss_rtmp_code(enum oss_rtmp e);
const char *oss_rtmp_text(enum oss_rtmp e);
enum oss_rtmp oss_rtmp_check(const struct params *p, const char *bucket, const char *channel,
			     const char *secret, int64_t now_s);
/* base64 of the signature of a URL with these parameters; dst[29]. */
void oss_rtmp_sign(char dst[29], const struct params *p, const char *bucket, const char *channel,
		   const char *expires, const char *secret, bool with_token);

#endif
