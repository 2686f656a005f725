/* SPDX-License-Identifier: Apache-2.0 */
/*
 * label - what a tool's results are, and what its calls do; private to this folder.
 *
 *   private      results hold what not everybody may know
 *   untrusted    results hold what strangers wrote
 *   egress       a call can carry data out
 *   destructive  a call can destroy
 *
 * They come from mcp.lock and from rules (`label: PATTERN`, `as: [private]`), added up: nothing
 * takes one away.  A rule with `labels:` speaks of tools that carry one of them; one with `after:`
 * holds once the run or the session has got results with all of them.
 */
#pragma once

#include "base/map.h"
#include "policies/rules.h"

struct rule;
struct yaml;
struct loading;

enum label { LABEL_PRIVATE = 1, LABEL_UNTRUSTED = 2, LABEL_EGRESS = 4, LABEL_DESTRUCTIVE = 8 };
#define LABELS_TEXT_BYTES 64 /* all of them, with spaces between, and a NUL */

/* ---- label.c ---- */

uint8_t label_read(struct loading *ld, const struct yaml *y); /* one word; 0: reported */
/* labels:, after: and as: of a rule whose effect and pattern are known. */
void labels_read(struct loading *ld, struct rule *r, struct yaml *y);
/* "private untrusted" */
const char *labels_text(uint8_t labels, char out[LABELS_TEXT_BYTES]);
uint8_t labels_parse(struct str text); /* the other way; what is no label is passed over */
/* What this name carries for this set of policies. */
uint8_t labels_of(const struct bundle *b, uint32_t set, enum ask_kind kind, struct str name);

/* ---- flow.c: what runs and sessions have got ---- */

#define FLOW_SESSIONS_MAX 65536
#define FLOW_KEEP_MS      ((int64_t)12 * 3600 * 1000) /* after the last result with a label */

struct flow;
struct flows {
	struct map by_name; /* key id and session */
	struct link all;    /* the one that was added to longest ago comes first */
};
void flows_init(struct flows *fs);
void flows_fini(struct flows *fs);
/* What the session of this key has got; session "": all that the key does without one. */
uint8_t flow_seen(const struct flows *fs, struct str key, struct str session, int64_t now_ms);
/* When there are too many sessions, what the oldest of them has got counts for all of its key's. */
void flow_add(struct flows *fs, struct str key, struct str session, uint8_t labels, int64_t now_ms);
