/* SPDX-License-Identifier: Apache-2.0 */
/* param - arguments that a tool wants mirrored as Mcp-Param-* headers (x-mcp-header). */
#pragma once

#include "base/text.h"

#define PARAMS_MAX 16

/*
 * Appends one line "mcp-param-NAME\nVALUE\n" per top-level property of `schema` that has a usable
 * x-mcp-header and a string, integer or boolean in `args` (both checked objects).  Values are as
 * the modern wire sends them, without line breaks.
 */
/* Can every x-mcp-header of this schema be kept to?  A name is a token, there once (whatever its
 * case), on a string, integer or boolean. */
bool param_schema_fits(struct str schema);
/* As a server: do the request's Mcp-Param-* headers repeat the arguments?  false: one is missing or
 * says something else. */
struct http1_head;
bool param_headers_fit(const struct http1_head *h, struct str schema, struct str args);
void param_lines(struct buf *out, struct str schema, struct str args);
