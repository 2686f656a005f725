/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bundle - what the files of a bundle have become; private to the files that load and judge it:
 * file.c (walks, parses, owns), org.c (levels), policy.c (policies and their rules), match.c
 * (patterns), rules.c (decisions).
 *
 * Loading has two passes over the parsed files: first every `organisation:`, then every `policy:`,
 * so that a policy may name what a later file defines.  Afterwards nothing changes but the memo.
 */
#pragma once

#include "base/map.h"
#include "base/yaml.h"
#include "policies/condition.h"
#include "policies/rules.h"
#include "policies/zone.h"

#define BUNDLE_MAGIC 0x626e646cu

/* Limits of one bundle; what goes past them is a problem that names the limit. */
#define BUNDLE_FILES_MAX     4096
#define BUNDLE_FILE_BYTES    ((size_t)1 << 20)
#define BUNDLE_BYTES         ((size_t)8 << 20)
#define BUNDLE_RULES_MAX     20000
#define BUNDLE_LEVELS_MAX    50000
#define BUNDLE_ARENA_BYTES   ((size_t)256 << 20)
#define BUNDLE_ARENA_RESERVE ((size_t)16 << 20) /* no rule, level or array of rules takes more */
#define BUNDLE_NAME_BYTES    64
#define BUNDLE_TEXT_BYTES    500 /* reason, owner, contact */
#define BUNDLE_DEPTH_MAX     16  /* folders within folders */

/* ---- problems ---- */

struct problems {
	struct buf *out;   /* may be NULL */
	struct err *first; /* of the errors */
	size_t errors;
};
void problem_at(struct problems *p, const char *file, int line, int column, const char *fmt, ...)
    PRINTF(5, 6);
void problem(struct problems *p, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
void problem_key(struct problems *p, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
void problem_err(struct problems *p, const struct err *e); /* its text starts with the position */
void warning(struct problems *p, const struct yaml *y, const char *fmt, ...) PRINTF(3, 4);
/* Once, after loading: *first gets " (and 3 more problems)". */
void problems_sum(struct problems *p);

/* The keys of a mapping: those that work, those of the language that do not work yet. */
struct key_table {
	const char *what;         /* "a rule" */
	const char *const *known; /* NULL-terminated */
	const char *const *later; /* NULL-terminated; refused, with what to do about it */
};
/* Reports that y is no mapping, or each member that is not known; false in the first case. */
bool keys_check(struct problems *p, struct yaml *y, const struct key_table *t);
/* A scalar of 1..max bytes without control characters; false (reported) otherwise. */
bool
text_get(struct problems *p, const struct yaml *y, const char *what, size_t max, struct str *out);
/* `text_get` of a name: letters, digits, . _ @ + -, starting with a letter or digit. */
bool name_get(struct problems *p, const struct yaml *y, struct str name, const char *what);
/* " (did you mean "x"?)" or "", in a buffer of the caller. */
#define HINT_BYTES 100
const char *hint(char out[HINT_BYTES], struct str wanted, const struct str *names, size_t n);

/* ---- match.c: patterns ---- */

struct glob { /* braces expanded: any of these; `*` matches any characters */
	const struct str *alt;
	size_t n;
};
#define GLOB_ALTS_MAX     64
#define PATTERN_BYTES_MAX 256
bool glob_parse(struct arena *a, struct str text, struct glob *out, struct err *e) MUST_CHECK;
bool glob_match(const struct glob *g, struct str name);

struct where;
struct pattern {
	struct str text; /* as written */
	enum ask_kind kind;
	bool any_server;           /* any/… */
	struct glob server;        /* a tool's, unless any_server */
	struct glob name;          /* the tool, the model, "run" */
	const struct where *where; /* of those tools only; NULL: all */
};
bool pattern_parse(struct arena *a, struct str text, struct pattern *out, struct err *e) MUST_CHECK;
bool pattern_match(const struct pattern *p, enum ask_kind kind, struct str name);

/* ---- file.c ---- */

/* root/…, customers/C/…, customers/C/teams/T/…; false: no authority at all. */
bool path_authority(struct str path, struct str *customer, struct str *team);
struct policy_file {
	struct str path;           /* relative to the bundle: what rule ids are made of */
	const char *shown;         /* as messages name it */
	struct str customer, team; /* the folder's authority; both "" in root/ */
	struct yaml *doc;
	struct arena arena; /* of doc; freed when loading is over */
};

/* ---- org.c ---- */

struct loading;
struct node { /* a level while and after loading */
	struct level level;
	struct node *parent;
	struct node *same; /* next of equal kind and name, elsewhere */
	size_t index;      /* in bundle.nodes */
	struct str alerts_at, budget_at, limit_at, models_at, groups_at,
	    contact_at;     /* "file:line"; "" = not said yet */
	struct str file;    /* of models_at */
	struct glob models; /* `models:`; n = 0: none */
	int models_line;
};

/* Each fact has one owner: notes that it stands here, or reports where it already stood. */
bool
said_once(struct loading *ld, const struct policy_file *f, const struct yaml *y, struct str *at);

/* ---- budgetfile.c ---- */

void budgets_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y);
void alerts_read(struct loading *ld, const struct policy_file *f, struct node *n, struct yaml *y);
/* One of hold, at_cap, unknown_price and enforcement; false: it is none of these. */
bool
spending_read(struct loading *ld, const struct policy_file *f, struct yaml *y, struct spending *s);
const char *spending_key(size_t i); /* "hold", … */
struct str spending_word(size_t i, int value);
void spending_inherit(struct spending *s, const struct spending *from); /* NULL: the defaults */

/* ---- limitfile.c ---- */

struct limits_said {
	const struct limit *limits; /* token buckets */
	size_t n;
	const struct bounds *bounds; /* of one script; NULL: none */
};
/*
 * Reads `limit:`: a mapping of amounts, or a list of several.  `like`: what all of them have, its
 * `per` by default and the `id` of the place; `kind`: of the asks they are about, 0 for any.
 */
void limits_read(struct loading *ld, const struct policy_file *f, struct yaml *y,
    const struct limit *like, enum ask_kind kind, struct limits_said *out);

/* ---- bound.c ---- */

/* Is this member of a `limit:` about one script?  seconds, memory, bytes, money; calls without a
 * time. */
bool bound_is(const struct yaml *y, enum bound_kind *out);
bool bound_value(const struct yaml *y, enum bound_kind k, int64_t *most, struct err *e) MUST_CHECK;
const char *bound_word(enum bound_kind k);
/* "20 s", "32 MiB of memory", "100 calls", "2 MiB of results", "0.50 USD". */
void bound_amount_put(struct buf *out, enum bound_kind k, int64_t most);
/* What a script of the subject may use at most; false: nothing bounds it. */
bool rules_bounds(struct bundle *b, const struct subject *s, struct bounds *out);
/* " at most 20 s, 100 calls a script": what the bounds say; nothing when there is none. */
void bounds_text(const struct bounds *b, struct buf *out);

/* ---- policy.c ---- */

/* What a rule does: an allow grants; a deny and an approve restrict whoever grants; a limit only
 * bounds, a redact only rewrites; a label says what a tool is. */
enum effect {
	EFFECT_ALLOW = 1,
	EFFECT_DENY,
	EFFECT_APPROVE,
	EFFECT_LABEL,
	EFFECT_REDACT,
	EFFECT_LIMIT
};
const char *effect_word(enum effect e);
enum plan_level { PLAN_NONE, PLAN_DESTRUCTIVE, PLAN_WRITES };

struct rule {
	struct pattern pattern;
	enum effect effect;
	bool has_when, has_unless;
	const struct approval *approval; /* of an approve, or of an allow that needs one */
	enum plan_level plan;            /* of an allow of code:run, with its approval */
	uint8_t as;                      /* of a label */
	uint8_t labels; /* speaks only of what carries one of these; 0: of anything */
	uint8_t after;  /* holds once results with all of these have been got; 0: always */
	const struct limit *limits;
	size_t limits_n;
	const struct bounds *bounds; /* of one script; NULL: none */
	struct condition when, unless;
	struct str text; /* "when path is under /repo unless …", or "" */
	struct str said; /* the same behind "where readonly" */
	uint64_t shown;  /* of what lists show of it: changes when that does */
	int line;
	struct str where; /* "root/solo.yaml:12" */
	struct str reason;
};
struct names { /* one line of applies_to; values are ORed */
	bool said, any;
	const struct node **node; /* customers, teams, users */
	struct str *text;         /* groups, keys, tags */
	size_t n;
};
struct applies {
	const struct node *within; /* the folder's customer or team; NULL: root/ */
	struct names customers, teams, users, groups, keys, tags;
	struct names views, clients; /* text */
};
struct policy {
	struct str id, owner, file;
	int line;
	struct applies applies; /* members are ANDed; none said: everybody */
	size_t index;           /* in bundle.policies */
	bool observe;           /* decides nothing; what it would decide is recorded */
	enum explain explain;   /* how much a refused caller is told */
	const struct rule *rules;
	size_t rules_n;
	const struct pattern *ceiling; /* all that whom it applies to may do at most; n = 0: none */
	size_t ceiling_n;
	int ceiling_line;
	struct str ceiling_at;    /* "root/acme.yaml:9" */
	enum code_mode code_mode; /* how scripts are offered to whom it applies to */
	int code_mode_line;
	struct str code_mode_at;
	const struct node *models_of; /* not a policy but that level's `models:`; no rules then */
};

/* ---- codemode.c ---- */

/* `code_mode:` of a policy. */
void
code_mode_read(struct loading *ld, const struct policy_file *f, struct policy *p, struct yaml *y);
/* What the policies say to the subject; UNSAID where none does. */
void rules_code_said(const struct bundle *b, const struct subject *s, struct code_said *out);

/* ---- plan.c ---- */

const char *plan_word(enum plan_level l); /* "destructive", "writes"; "" */
/* `plan:` of a rule, and its approval; the rest of it is read. */
void plan_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct rule *out, struct yaml *y);
/* fn for each rule that asks for a plan of the subject. */
typedef void plan_f(void *ctx, const struct policy *p, const struct rule *r);
void plans_each(const struct bundle *b, const struct subject *s, plan_f *fn, void *ctx);
/* The strictest that holds for the subject. */
enum plan_level rules_plan(const struct bundle *b, const struct subject *s);
/* May it make this plan?  Only with the approval of each rule that asks for one. */
void plan_decide(struct bundle *b, const struct subject *s, struct verdict *out);

/* ---- memo.c ---- */

#define MEMO_BLOCK 256
struct decided;
struct memo_row {
	uint32_t *at; /* by number of the name: that of the decision, and one more; 0: none yet */
	uint32_t cap;
};
struct memo {
	struct map names; /* their numbers, and one more */
	uint32_t names_n;
	struct memo_row *rows; /* by number of the set */
	uint32_t rows_n;
	size_t row_bytes;
	struct decided **blocks; /* MEMO_BLOCK in each */
	uint32_t decided_n;
	struct map alike, verdicts; /* by what they say */
	/* What every question reads lies close together, apart from the rest. */
	struct arena texts, said, arena;
};
void memo_init(struct memo *m);
void memo_fini(struct memo *m);
/* What was decided of the name for the set; NULL: nothing yet.  Stays until the next memo_put(). */
const struct decided *memo_get(const struct memo *m, uint32_t set, struct str name);
/* Copies what *d says; one that says the same serves many. */
const struct decided *
memo_put(struct memo *m, uint32_t set, struct str name, const struct decided *d);

/* ---- via.c ---- */

#define VIA_NAMES_MAX  64  /* views, and clients, that the files name */
#define VIA_LOOKED_MAX 256 /* of both together, that lint and diff look from */
struct via_names {
	struct str at[VIA_NAMES_MAX + 1]; /* one more: "", where tools look from */
	size_t n;
};
struct via_row {       /* of one place */
	uint8_t *mask; /* what holds there; NULL: nobody came from there yet */
	uint32_t *set; /* by number of the open set: that of the set there, and one more */
	uint32_t cap;
};
/* "claude-code" of "claude-code/2.1.330 (sdk-cli)". */
struct str client_product(struct str said);
bool via_note(struct via_names *all, struct str name); /* false: too many */
void via_free(struct bundle *b);
/* The place after `at` (0: the first, which is nowhere) that some of the n bundles tell apart; 0:
 * there is none. */
size_t via_next(const struct bundle *const *of, size_t n, size_t at, struct via *out);
void via_text(const struct via *via, struct buf *out); /* " in view ops from claude-code" */

struct bundle {
	uint32_t magic;
	struct arena arena;
	struct str rev, zone;
	const struct zone *tz; /* of `zone`; NULL: UTC */
	struct str zone_at;
	struct node *org;        /* the level above the customers; always there */
	struct tool_facts facts; /* in order of name; see facts.h */
	struct node **nodes;     /* org, then in order of id once loaded */
	size_t nodes_n, nodes_cap;
	struct map by_id, by_name[LEVEL_KEY]; /* by_name[kind] */
	const struct str *files;              /* in order of path, relative to the folder */
	size_t files_n;
	const char **tests; /* files named *_test.yaml, as messages name them */
	size_t tests_n, tests_cap;
	struct snippet *snippets; /* in order of file */
	size_t snippets_n, snippets_cap, snippets_bytes;
	struct policy **policies; /* in order of file and line once loaded */
	size_t policies_n, policies_cap, rules_n;
	size_t limits_n;     /* rules that have limits or bounds */
	size_t code_modes_n; /* policies that say code_mode: */
	size_t plans_n;      /* rules that ask for a plan */
	const struct redact_rule *redacts, *model_redacts;
	size_t labels_n, flows_n;        /* rules that label; that hold after something */
	const struct applies **subjects; /* of conditions; struct condition.bit is the index */
	size_t subjects_n, subjects_cap;
	/* Bitsets of policies and then subjects, numbered; decisions per set and name. */
	struct map sets;
	uint8_t **set_bits;
	uint32_t sets_n, sets_cap;
	bool has_via; /* a file says views: or clients: */
	struct via_names views, clients;
	struct via_row *via; /* by view and client; NULL: not needed yet */
	struct memo memo;
};

/* ---- rules.c ---- */

struct candidate { /* a rule that matches the name, and that arguments may turn */
	const struct policy *policy;
	const struct rule *rule;
};
struct decided {                    /* one line of the cache: many are read in turn */
	const struct verdict *list; /* with hope */
	const struct candidate *candidates;
	const struct candidate *limits; /* rules with limits or bounds that may hold */
	struct str schema;              /* of the tool's arguments, where mcp.lock has it; or "" */
	uint32_t n, limits_n;
	bool open;      /* arguments decide, or what was got before */
	uint8_t labels; /* that this name carries */
};
size_t set_bytes(const struct bundle *b);
uint32_t set_number(struct bundle *b, const uint8_t *bits);
extern const struct verdict verdict_nobody; /* no rule allows it */
void verdict_set(struct verdict *v, bool allowed, const struct policy *p, struct str where,
    int line, struct str reason);

bool policy_in(const struct bundle *b, uint32_t set, size_t policy);
/* Does this rule of a matching name apply?  TRI_MAYBE: the arguments do not tell. */
enum tri
rule_holds(const struct bundle *b, uint32_t set, const struct rule *r, struct judging *args);
/* NULL: no such name can be. */
const struct decided *rules_decided(struct bundle *b, const struct subject *s, enum ask_kind kind,
    struct str name, struct str requested);

/* ---- hearing.c ---- */

/* What is decided of a call whose arguments are in *j; *must holds the text of out->must. */
void hear(const struct bundle *b, uint32_t set, const struct decided *d, struct judging *j,
    struct verdict *out, struct buf *must);

/* ---- where.c ---- */

/* `where:` of a rule becomes part of its pattern; the effect is set. */
void where_read(struct loading *ld, struct yaml *y, struct rule *r);
bool where_match(const struct where *w, struct str tool);
struct str where_text(const struct where *w); /* "where readonly"; NULL: "" */

/* ---- factlint.c ---- */

/* What is wrong with a rule beside mcp.lock; `pattern`: where that stands. */
void factlint(struct loading *ld, struct yaml *y, const struct yaml *pattern, const struct rule *r);
/* The `default` that a schema declares for an argument (a, b of a.b); p == NULL: none. */
struct str schema_default(struct str schema, const struct str *steps, size_t n);

/* ---- limited.c ---- */

/* Notes in d->limits the rules that limit such a name. */
void limits_keep(struct bundle *b, uint32_t set, enum ask_kind kind, const struct str name[2],
    struct arena *a, struct decided *d);
/* " at most 200 calls/day per user": what a rule says beside the rest; then what bounds scripts. */
void rule_buckets_text(const struct rule *r, struct buf *out);
void rule_limits_text(const struct rule *r, struct buf *out);

/* ---- redact_rules.c ---- */

struct redact_rule {
	uint8_t args[REDACT_CLASSES], result[REDACT_CLASSES]; /* enum redact_action */
	const struct policy *policy;
	const struct rule *rule;
	const struct redact_rule *next; /* of the bundle */
};
/* What a redact: says beside its pattern and conditions, which are read; an error on others. */
void redact_read(struct loading *ld, const struct policy *p, struct yaml *y, struct rule *out);
/* See rules_redact() of policies.h. */
bool rules_redact_in(struct bundle *b, const struct subject *s, enum ask_kind kind, struct str name,
    struct redaction *out);
bool rules_redact_model_in(struct bundle *b, const struct subject *s, struct str name,
    struct str requested, struct redaction *out);

/* ---- explain.c ---- */

/* "fs/read_file", "model:sonnet", "code:run", as it is asked of the gate. */
struct call {
	enum ask_kind kind;
	struct str shown; /* as it was written */
	struct str name;  /* a model: the id that an alias stands for */
	struct str requested;
};
bool call_read(
    const struct core_settings *s, struct str text, struct call *out, struct err *e) MUST_CHECK;
/* Decides the call and appends the verdict and what each rule that speaks of it says. */
void explain_call(struct bundle *b, const struct subject *s, const struct call *call,
    struct str args, struct verdict *v, struct buf *out);

/* ---- policytest.c ---- */

struct test_report;
/* Runs one file of tests into the report. */
void tests_run(struct bundle *b, const struct core_settings *settings, const char *path,
    struct str text, struct test_report *r);

/* ---- testreport.c ---- */

struct test_report {
	struct buf *tap;          /* the caller's; lines come as the cases are run */
	struct buf suite, suites; /* of JUnit: the one under way, and those that are over */
	struct map deciding;      /* where the rules stand that decided a case */
	size_t n, failed, suite_n, suite_failed;
};
void report_init(struct test_report *r, struct buf *tap);
void report_fini(struct test_report *r);
/* line 0: of the whole file; why: lines, of a case that is not ok. */
void report_case(
    struct test_report *r, bool ok, const char *file, int line, struct str what, const char *why);
/* A case's verdict; its strings are the bundle's and must outlive the report. */
void report_decided(struct test_report *r, const struct verdict *v);
void report_suite_end(struct test_report *r, const char *file);
/* "# cover: 5 of 7 rules decided a case", and a line for each that did not. */
void report_cover(const struct test_report *r, const struct bundle *b, struct buf *out);
void report_junit(const struct test_report *r, struct buf *out); /* it fails when it is too long */

/* ---- project.c ---- */

/* See rules_project() and rules_projected() of policies.h. */
uint64_t projected(struct bundle *b, const struct subject *s, struct str name);
void project(struct bundle *b, const struct subject *s, struct str name, struct str definition,
    struct buf *out);

struct loading { /* lives for bundle_load() */
	struct bundle *b;
	const struct bundle_source *src;
	struct problems problems;
	struct policy_file *files;
	size_t files_n, bytes;
	struct map limit_ids; /* how often the same rule has a limit; the numbers, not pointers */
};
/* Bytes left for one more rule or level?  Reports once when not. */
bool loading_room(struct loading *ld, const struct yaml *y);

void org_init(struct bundle *b);
void org_read(struct loading *ld, const struct policy_file *f, struct yaml *organisation);
void org_finish(struct loading *ld); /* order, inherited zone and contact */
void org_free(struct bundle *b);
/* The node of that kind by names; a part that is "" may be anything.  NULL with *e: none or
 * several. */
const struct node *org_find(const struct bundle *b, enum level_kind kind, struct str customer,
    struct str team, struct str user, struct err *e);

/* Could this be an alias or model id of the configuration?  True when those are not known. */
bool model_known(const struct bundle_source *src, struct str name);
void policy_read(struct loading *ld, const struct policy_file *f);
void policy_models(struct loading *ld); /* `models:` of levels become policies */

/* ---- applies.c ---- */

enum applies_of { APPLIES_POLICY, APPLIES_SUBJECT, APPLIES_PEOPLE };
/* Reads a mapping of kinds to names, or "*"; to->within is set by the caller. */
void applies_read(struct loading *ld, const struct policy_file *f, enum applies_of of,
    struct applies *to, struct yaml *y);
bool
applies_to(const struct applies *to, const struct chain *c, struct str key_name, struct str tags);
/* "teams [payments], groups [developer]", "everybody of acme": two that mean the same people by
 * the same names read alike, whatever the order in the files. */
void applies_text(const struct applies *to, struct buf *out);

/* ---- scope.c ---- */

#define SCOPE_ARENA_BYTES ((size_t)1 << 20)
bool scope_parse(
    struct arena *a, struct str scope, struct pattern **out, size_t *n, struct err *e) MUST_CHECK;
bool tags_have(struct str tags, struct str tag);
bool scope_covers(const struct subject *s, enum ask_kind kind, struct str name);

/* ---- approvalfile.c ---- */

/* `approval:` of an allow or an approve, or NULL for the defaults; NULL (reported) when it is
 * none. */
const struct approval *approval_read(
    struct loading *ld, const struct policy_file *f, const struct policy *p, struct yaml *y);
/* " by groups [sre] via cli within 300 s": all that decides who may say yes, how and until when, as
 * far as it is not the default ("").  The words that people read are not of it. */
void approval_terms_text(const struct approval *a, struct buf *out);
