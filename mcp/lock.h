/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lock - mcp.lock: the tool definitions that somebody has approved.  Public, like mcp.h.
 *
 *   { "version": 1,
 *     "tools": {
 *       "notes/get_note": {
 *         "sha256": "…",                      of what follows, see lock_digest()
 *         "source": "../build/demo-server",   where the server is, as tollgate.yaml has it
 *         "first_seen": "2026-08-21T10:00:00Z", "approved": "…", "approved_by": "ana",
 *         "alias": "note",                    its listed name, at most 64 bytes; optional
 *         "tags": ["docs"],                   anything, for where: { tag: docs }; optional
 *         "labels": ["private"],              private, untrusted, egress, destructive; optional
 *         "definition": { "name": …, … } } } }
 *
 * In order of name, a member a line, so that a change is a short diff and two branches merge.  A
 * definition that does not fit its sha256 is an error: nothing is approved by editing.
 */
#pragma once

#include "base/arena.h"
#include "base/crypto.h"
#include "policies/policies.h"

#define LOCK_BYTES_MAX ((size_t)32 << 20)
#define LOCK_TOOLS_MAX 20000
#define LOCK_WORDS_MAX 32 /* tags, or labels, of one tool */
#define ALIAS_MAX      64

struct locked {
	struct str name; /* "server/tool" */
	struct str server, tool;
	struct str sha256; /* hex */
	struct str source, first_seen, approved, approved_by, alias;
	struct str *tags, *labels;
	size_t tags_n, labels_n;
	struct str definition; /* compact, members in the server's order, named as upstream */
	bool readonly, destructive, idempotent, open_world; /* of its annotations */
	int line;
};

struct lock;
/* ERR_NOT_FOUND: there is no such file.  Else "FILE:LINE: what (the fix)". */
struct lock *lock_load(const char *path, struct err *e) MUST_CHECK;
struct lock *lock_parse(const char *shown, struct str text, struct err *e) MUST_CHECK;
struct lock *lock_empty(void);
void lock_free(struct lock **lp);
size_t lock_count(const struct lock *l); /* NULL: 0 */
const struct locked *lock_at(const struct lock *l, size_t i);
const struct locked *lock_find(const struct lock *l, struct str name); /* NULL: it has none */
/* For the policies; lives as long as the lock. */
void lock_facts(const struct lock *l, struct tool_facts *out);

/* ---- lockfile.c: changing it ---- */

/* What a server lists, as the running gateway tells it. */
struct lock_seen {
	struct str name, source; /* "server/tool" */
	struct str definition;   /* compact */
};
/* sha256 over the canonical JSON of name, title, description, inputSchema, outputSchema,
 * annotations and source; hex, in the arena. */
struct str lock_digest(struct arena *a, struct str definition, struct str source);
/* Into the lock, new or in the place of the old one; tags, labels, alias and first_seen of an old
 * one stay, those of a new one are what its hints say.  Everything is copied. */
void lock_put(struct lock *l, const struct lock_seen *s, struct str by, struct str now);
bool lock_drop(struct lock *l, struct str name);
void lock_print(const struct lock *l, struct buf *out);
/* Beside it and renamed, after what it holds is on the disk.  Its mode stays; 0644 when new. */
bool lock_write(const struct lock *l, const char *path, struct err *e) MUST_CHECK;

/* ---- lockdiff.c ---- */

enum lock_status { LOCK_SAME, LOCK_NEW, LOCK_CHANGED, LOCK_REMOVED };
const char *lock_status_word(enum lock_status s); /* "same", "new", "changed", "removed" */
enum lock_status lock_compare(const struct lock *l, const struct lock_seen *s);
/* Line by line: what is in one and not in the other (NULL: nothing), by its path in the definition.
 * Nothing hidden stays so, and no control character reaches a terminal.  diff: as the body of a
 * Markdown block of that name; else indented, for people. */
void lock_diff(struct buf *out, const struct locked *old, const struct lock_seen *new, bool diff);
/* The same as JSON: [{"path":…,"old":…,"new":…}]; a member that is not there is left out. */
void lock_diff_json(struct buf *out, const struct locked *old, const struct lock_seen *new);

/* A text as lock_diff() shows it: but for what is not seen as it is. */
void lock_shown(struct buf *out, struct str text);
/* "description, inputSchema": the parts of it that differ. */
void lock_changed_parts(struct buf *out, const struct locked *old, const struct lock_seen *new);

/* ---- locklint.c ---- */

struct lock_finding {
	bool hidden;      /* approval needs --force; else it is a hint */
	struct str path;  /* "inputSchema.properties.path.description" */
	size_t character; /* in that text, from 1 */
	struct str text;  /* a sentence */
};
typedef void finding_f(void *ctx, const struct lock_finding *f);
/* What may be meant for a model and not for the person who approves: characters that are not seen,
 * words of mixed scripts, phrases that give orders, the names of other servers' tools. */
void
lock_lint(const struct lock_seen *s, const struct str *others, size_t n, finding_f *fn, void *ctx);
