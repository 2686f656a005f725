/* SPDX-License-Identifier: Apache-2.0 */
/*
 * facts - what is known of tools (mcp.lock) while policies are read, and afterwards.
 *
 * A bundle keeps a copy of its own: a rule's `where:` and the defaults of a schema are judged by
 * what was known when the bundle was read, and change with it, never under it.  They are part of
 * its revision.
 */
#pragma once

#include "base/crypto.h"
#include "policies/org.h"
#include "policies/policies.h"

struct loading;

/* Reads the facts and then the bundle, as a start, a reload and every command do. */
struct bundle *
bundle_of(const struct core_settings *s, struct buf *problems, struct err *e) MUST_CHECK;

/* Copies src->facts into the bundle; reports when they do not fit.  *rev is mixed with them. */
void facts_take(struct loading *ld, struct sha256 *rev);
/* NULL: nothing is known of that tool. */
const struct tool_fact *fact_find(const struct bundle *b, struct str name);
/* Of the arguments of a tool; "" where nothing is known of it, or it is none. */
struct str schema_known(const struct bundle *b, enum ask_kind kind, struct str name);
/* false: there is no lock, so that nothing can be said against a name. */
bool facts_known(const struct bundle *b);
