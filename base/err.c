/* SPDX-License-Identifier: Apache-2.0 */
/* err - the table of base/err.h, looked up. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

static const struct row {
	const char *word, *anthropic, *openai, *google;
	int http, rpc;
	bool retry;
} rows[ERR_COUNT] = {
#define X(c, w, h, r, a, o, g, t)                                                                  \
	[ERR_##c] = { .word = (w),                                                                 \
		.anthropic = (a),                                                                  \
		.openai = (o),                                                                     \
		.google = (g),                                                                     \
		.http = (h),                                                                       \
		.rpc = (r),                                                                        \
		.retry = (t) },
	ERR_TABLE(X)
#undef X
};

static const struct row *
row(enum err_code code)
{
	ASSERT((unsigned)code < ERR_COUNT);
	return &rows[code];
}

bool
err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	e->code = code;
	e->unmade = false;
	e->retry_after_s = 0;
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return false;
}

void
err_clear(struct err *e)
{
	e->code = ERR_NONE;
	e->unmade = false;
	e->retry_after_s = 0;
	e->text[0] = '\0';
}

const char *
err_word(enum err_code code)
{
	return row(code)->word;
}

int
err_http(enum err_code code)
{
	return row(code)->http;
}

int
err_rpc(enum err_code code)
{
	return row(code)->rpc;
}

const char *
err_anthropic(enum err_code code)
{
	return row(code)->anthropic;
}

const char *
err_openai(enum err_code code)
{
	return row(code)->openai;
}

const char *
err_google(enum err_code code)
{
	return row(code)->google;
}

bool
err_retry(enum err_code code)
{
	return row(code)->retry;
}
