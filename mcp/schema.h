/* SPDX-License-Identifier: Apache-2.0 */
/* schema - the subset of JSON Schema 2020-12 that is checked on arguments before they leave. */
#pragma once

#include "base/text.h"

/*
 * Checks the top level of `args` (a checked JSON object) against `schema` (a checked object):
 * required, unknown names when additionalProperties is false, primitive types, enum, const.
 * Anything else in the schema is left to the server.  false: `why` got one short sentence naming
 * the argument ("missing `sql` (got query)"), never an argument's value.
 */
bool schema_check(struct str schema, struct str args, struct buf *why);
