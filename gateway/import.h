/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - what `tollgate import` has read of other programs' configurations, in our own words.
 *
 *   import_open()   .mcp.json, Claude Desktop, VS Code, LiteLLM, Bifrost: one tree for all
 *   import_file()   a dialect fills the model; names are made ours, collisions are resolved
 *   import_write()  tollgate.yaml, policies/root/..., IMPORT.md: texts, not yet files
 *
 * What nobody asked for in a tree is listed as not carried over, so that a key which no dialect
 * knows is told and never guessed at.  A value that may be a secret lives in `arena` only to tell
 * two of them apart; it is never in a note, nor in a text that is written.  Everything here dies
 * with the arena.
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "base/yaml.h"
#include "gateway/settings.h"

#define IMPORT_FILE_BYTES ((size_t)1 << 20) /* of one source */
#define IMPORT_NOTES_MAX  1000              /* then they are counted only */
#define IMPORT_LEVELS_MAX 4096              /* customers, teams and users */
#define IMPORT_NAME_BYTES 64

enum note_kind { NOTE_LEFT, NOTE_CHANGED, NOTE_KINDS };
struct import_note {
	struct str where, what, why; /* "config.json:12"; never a value that may be a secret */
	struct import_note *next;
};
struct import_var { /* a variable of the environment that the result names */
	struct str name, whom;
	struct str secret; /* what the source had in its place; p NULL: the source named it too */
	struct import_var *next;
};
struct import_provider {
	struct str name, kind, url, key;
	struct import_provider *next;
};
struct import_pair { /* a model and its provider, an alias and its model */
	struct str name, value;
	struct import_pair *next;
};
struct import_server {
	struct str name, body; /* lines of YAML below the name */
	struct import_server *next;
};
enum import_period { EACH_DAY, EACH_WEEK, EACH_MONTH, EACH_YEAR, EACH_N };
struct import_level {               /* a customer, team or user */
	struct str name;            /* ours, unique among its siblings */
	struct str id;              /* the source's; "" when it has none */
	struct str budgets[EACH_N]; /* "500", or "" */
	struct str limit;           /* "requests: 5/minute", or "" */
	struct str policy;          /* of a user: its policy's name */
	struct import_pair *allows, **allows_end;
	struct import_level *kids, *next, *parent;
};
struct import {
	struct arena arena;
	struct str source; /* name of the file that is being read, printable */
	struct str folder; /* its absolute folder; "" unknown */
	struct str sources;
	struct import_note *notes[NOTE_KINDS], **notes_end[NOTE_KINDS];
	size_t notes_n[NOTE_KINDS];
	struct import_var *vars;
	struct import_provider *providers;
	struct import_pair *models, *aliases;
	struct import_server *servers;
	size_t providers_n, models_n, aliases_n, servers_n, levels_n;
	struct import_level root;       /* its kids are customers */
	struct import_level *everybody; /* customer "imported": what a source lets everybody do */
	struct import_pair *denies, **denies_end; /* whoever else allows it */
};

void import_init(struct import *im);
void import_fini(struct import *im);

/* ---- import_tree.c ---- */

/* JSON or YAML, by its first byte; NULL with *e, which says the place.  Lives in `a`. */
struct yaml *
import_open(struct arena *a, const char *file, struct str text, struct err *e) MUST_CHECK;
void import_take(struct yaml *y); /* all below is dealt with */
/* Notes every member below that nobody has asked for. */
void import_leftovers(struct import *im, struct yaml *root);
/* The text of a member that is one, else "". */
struct str import_text(struct yaml *map, const char *key);
bool import_flag(struct yaml *map, const char *key, bool usual);

/* ---- import.c: the model ---- */

/* Reads one source; false with *e: it is none of those that are known, or not well formed.
 * `name` is how messages call it, `folder` where it stands ("" unknown). */
bool import_file(struct import *im, const char *name, const char *folder, struct str text,
    struct err *e) MUST_CHECK;
void import_note(struct import *im, enum note_kind kind, const struct yaml *at, struct str what,
    const char *fmt, ...) PRINTF(5, 6);
struct str import_shown(struct import *im, struct str s); /* printable, short, no secret */
/* Letters, digits and - only, a letter first: a server's or provider's name. */
struct str import_name(struct import *im, struct str name, const char *usual);
/* Can a pattern of a policy say it?  (Letters, digits and . _ : / @ + - *) */
bool import_pattern_ok(struct str name);
/* The provider of that kind, url and key, made when it is new; "" when there is no room. */
struct str import_provider(struct import *im, struct str kind, struct str url, struct str key);
/* Both: false when there is no room, or the name stands for something else (which is noted). */
bool import_model(struct import *im, const struct yaml *at, struct str id, struct str provider);
bool import_alias(struct import *im, const struct yaml *at, struct str name, struct str model);
bool import_served(const struct import *im, struct str name); /* may a rule speak of that model? */
/* The name it was given, "" when there was no room. */
struct str
import_server(struct import *im, const struct yaml *at, struct str wanted, struct str body);
/* NULL when there are too many. */
struct import_level *
import_level(struct import *im, struct import_level *parent, struct str wanted, struct str id);
/* allow: "PREFIX:NAME"; once only. */
void
import_allow(struct import *im, struct import_level *whom, const char *prefix, struct str name);
/* deny: "PREFIX:NAME", whoever is granted it. */
void import_deny(struct import *im, const char *prefix, struct str name);
/* A budget in our words; notes what cannot be said. */
void
import_budget(struct import *im, struct import_level *l, struct yaml *amount, struct str every);

/* ---- import_value.c: values that may be, or name, a secret ---- */

bool import_secret_like(struct str s); /* does it look like a key or token by itself? */
bool import_harmless(struct str name, struct str value); /* may stand in a file as it is */
/* A value in the words of tollgate.yaml.  `owner` is whose (a server), `name` its name there; a
 * secret's variable is called `name` if that is a variable's name itself (owner_first false). */
struct str import_value(struct import *im, const struct yaml *at, struct str owner, struct str name,
    struct str text, bool owner_first);
/* env:NAME in another's words ("os.environ/NAME", "env.NAME", "${NAME}"); false: it is not one. */
bool import_is_var(struct str text, struct str *name);
struct import_piece {         /* of a text with ${NAME} in it */
	struct str text, var; /* one of them */
	struct str preset;    /* of the variable; p NULL: none */
};
bool import_piece(struct str *rest, struct import_piece *out); /* false: the end */
void import_var_named(struct import *im, struct str name, struct str whom);
/* A variable for a secret of the source: `base`, or with a number when that is another's. */
struct str import_var_for(struct import *im, struct str whom, struct str base, struct str secret);
/* "github", "x-api-key" -> "GITHUB_X_API_KEY" */
struct str import_var_name(struct import *im, struct str owner, struct str name);

/* ---- import_mcp.c: tool servers, in the words of all sources ---- */

struct import_draft { /* what a dialect found out about a server; absent = "" or NULL */
	struct yaml *at;
	struct str name, type, url, command, cwd;
	struct yaml *args, *env, *headers;
	struct yaml *names; /* a list of variables that the child is given */
	struct str auth_header, auth_scheme, auth_value; /* "Authorization", "Bearer ", ... */
	bool oauth;
	struct str client_id;
	int64_t call_ms;
};
/* Its name in the result; "" when it was not carried over (which is noted). */
struct str import_draft(struct import *im, const struct import_draft *d);
void import_mcp(struct import *im, struct yaml *servers);

/* ---- the other dialects ---- */

void import_litellm(struct import *im, struct yaml *root);
void import_bifrost(struct import *im, struct yaml *root);
/* import_kind.c: a provider's kind of ours for another's word ("claude", "gemini"); "" = none. */
struct import_kind {
	const char *theirs, *ours, *url, *key; /* key: the usual variable */
	const char *models;                    /* what "every model" is: patterns, with spaces */
};
const struct import_kind *import_kind(struct str theirs);

/* ---- import_write.c, import_report.c ---- */

struct import_text { /* of one file of the result */
	const char *path;
	struct str text;
};
/* In the order to be written; they live in the model's arena.  false with *e: too large. */
bool import_write(struct import *im, struct import_text **out, size_t *n, struct err *e) MUST_CHECK;
void import_report(struct import *im, struct buf *out); /* IMPORT.md, and what is printed */
void
import_report_json(struct import *im, const struct import_text *files, size_t n, struct buf *out);
/* In double quotes, as YAML reads it back. */
void import_quote(struct buf *b, struct str s);
