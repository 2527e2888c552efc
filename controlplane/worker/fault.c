/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/fault.h"

#include <stdarg.h>
#include <stdio.h>

#include <libavutil/error.h>

#include "base/check.h"
#include "controlplane/worker/dial.h"

static const struct {
	int code;
	enum reason opening, later;
} meanings[] = {
	{AVERROR_EXIT, REASON_CONNECT_TIMEOUT, REASON_MEDIA_TIMEOUT},
	{AVERROR(ETIMEDOUT), REASON_CONNECT_TIMEOUT, REASON_MEDIA_TIMEOUT},
	{AVERROR(ECONNREFUSED), REASON_CONNECT_REFUSED, REASON_REMOTE_CLOSED},
	{AVERROR(EHOSTUNREACH), REASON_UNREACHABLE, REASON_REMOTE_CLOSED},
	{AVERROR(ENETUNREACH), REASON_UNREACHABLE, REASON_REMOTE_CLOSED},
	{AVERROR_HTTP_NOT_FOUND, REASON_REMOTE_NOT_FOUND, REASON_REMOTE_NOT_FOUND},
	{AVERROR_HTTP_UNAUTHORIZED, REASON_REMOTE_REJECTED, REASON_REMOTE_REJECTED},
	{AVERROR_HTTP_FORBIDDEN, REASON_REMOTE_REJECTED, REASON_REMOTE_REJECTED},
	{AVERROR_HTTP_BAD_REQUEST, REASON_REMOTE_STATUS, REASON_REMOTE_STATUS},
	{AVERROR_HTTP_OTHER_4XX, REASON_REMOTE_STATUS, REASON_REMOTE_STATUS},
	{AVERROR_HTTP_SERVER_ERROR, REASON_REMOTE_STATUS, REASON_REMOTE_STATUS},
	{AVERROR_INVALIDDATA, REASON_REMOTE_PROTOCOL, REASON_REMOTE_PROTOCOL},
	{AVERROR_PROTOCOL_NOT_FOUND, REASON_BAD_URL, REASON_BAD_URL},
	{AVERROR_EOF, REASON_REMOTE_CLOSED, REASON_REMOTE_ENDED},
	{AVERROR(ENOMEM), REASON_NO_MEMORY, REASON_NO_MEMORY},
};

void fault_of(struct fault *f, int averror, bool open)
{
	f->reason = REASON_REMOTE_CLOSED;
	for (size_t i = 0; i < array_len(meanings); i++)
		if (meanings[i].code == averror)
			f->reason = open ? meanings[i].opening : meanings[i].later;
	if (av_strerror(averror, f->detail, sizeof(f->detail)))
		f->detail[0] = 0;
	if (averror == AVERROR_EXIT)
		f->detail[0] = 0;
	if (dial_denied())
		fault_set(f, REASON_ADDRESS_DENIED, "relay.deny holds an address of the source");
}

void fault_set(struct fault *f, enum reason why, const char *fmt, ...)
{
	va_list args;

	f->reason = why;
	va_start(args, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, args);
	va_end(args);
}
