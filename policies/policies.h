/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policies - the governance core: who, may they, can they afford it, what happened.
 *
 * Every governed thing - a model request, a tool call, a script, an admin write - passes
 * gate_enter() and gate_leave(), and nothing else spends money or reaches a tool.  This folder
 * knows no HTTP and no MCP: a tool is a name to it, a model is a name and a price.
 *
 * Money is int64_t nano-dollars (_nusd).  Reserve may fail, settle may not.
 */
#pragma once

#include "base/arena.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/text.h"

struct key_spec;
struct core;    /* one per process */
struct account; /* what a level has spent and holds */
struct key;     /* a virtual key; lives as long as the core, whatever its state */

/* ---- core.c: life ---- */

/* What is known of one tool, from mcp.lock: servers may lie, what somebody has approved counts. */
struct tool_fact {
	struct str name; /* "server/tool" */
	bool readonly, destructive, idempotent, open_world;
	const struct str *tags, *labels;
	size_t tags_n, labels_n;
	struct str input_schema; /* a checked JSON object */
};
struct tool_facts {
	const struct tool_fact *at;
	size_t n;
	bool known; /* false: there is no lock, nothing is known of any tool */
};

struct model_alias { /* what a client may call a model, and the id it stands for */
	struct str name, model;
};
/* Where a request comes from, beside whose it is.  `view` is a fact; `client` is what it says of
 * itself ("claude-code/2.1.330 …"), so no policy opens anything by it.  "": none. */
struct via {
	struct str view, client;
};
struct core_settings {
	const char *data_dir;     /* made 0700 when absent */
	const char *policies_dir; /* the bundle; read at start and by core_reload() */
	const char *prices_file;  /* NULL: none */
	bool strict;              /* audit: { durability: strict } */
	/* Names the policy files may speak of: lint and "did you mean"; may be NULL. */
	const struct str *servers;
	size_t servers_n;
	/* Aliases and listed model ids, so that `model:` rules can be checked against them. */
	const struct str *models;
	size_t models_n;
	const struct str *views; /* that requests can come through */
	size_t views_n;
	/* Tells what is known of tools, each time that the policy files are read and in the thread
	 * that reads them; what it gives is copied before it is asked again.  false: *e, and the
	 * policies are refused.  NULL: nothing is known. */
	bool (*facts)(void *ctx, struct tool_facts *out, struct err *e);
	void *facts_ctx;
	/* Read the policies again when their files change; `also`: one more file that is watched,
	 * NULL for none. */
	bool watch;
	const char *also;
	const struct model_alias *aliases; /* what a `model:` of a question stands for */
	size_t aliases_n;
};

/*
 * Takes DATA/lock (ERR_STORE "… is served by process N" when held), loads the policies and prices
 * (ERR_INVALID as file:line:col), migrates and opens the database (ERR_STORE, also when DATA/anchor
 * knows more than it), replays the journal (open holds are settled at their held amount with
 * `end: crashed`), starts the scribe thread and hooks the journal into the loop's turn.  NULL: *e.
 * What *s points to is borrowed until core_close(); a reload reads it in a thread of its own.
 */
struct core *core_open(struct loop *l, const struct core_settings *s, struct err *e) MUST_CHECK;
/* Waits until the scribe has applied everything, then closes.  No pass may be open.  While the
 * database cannot be written it waits two seconds; the next start then applies the journal. */
void core_close(struct core **c);
/* ERR_STORE with the reason while the journal or the database cannot be written: governed work is
 * refused, /readyz says so. */
bool core_ready(const struct core *c, struct err *e);
/* The revision hash of the policies in force, hex; lives until they change. */
struct str core_revision(const struct core *c);
/* fn(ctx), once, when everything recorded so far is in the journal; with strict durability, when it
 * is in the database too.  Dropping d calls it off. */
void core_when_durable(struct core *c, struct deferred *d, deferred_f *fn, void *ctx);
/* The same, but always waits for the database, as long as that takes. */
void core_when_committed(struct core *c, struct deferred *d, deferred_f *fn, void *ctx);

/* ---- check.c, diff.c, replay.c, lint.c, codeowners.c: the files alone; need no core ---- */

/* Of the settings they read the folders, prices, facts and names.  Text goes to `out`; with false
 * and *e there is none, and a bundle with an error is ERR_INVALID, "file:line:col: …". */

/* Reads the policies and prices: `tollgate check`.  Each problem is appended to `out` as one line
 * "file:line:col: problem (fix)"; false when there is an error among them. */
bool policies_check(const struct core_settings *s, struct buf *out);
/* The tests of the bundle (files named *_test.yaml) as TAP in `tap`, and, unless it is NULL, as
 * JUnit's XML in `junit`; false when one failed, or the bundle has an error (then its problems are
 * in `tap`).  !buf_ok(junit): it would be too long.  cover: comment lines tell which allow and deny
 * rules decided no case. */
bool policies_test(const struct core_settings *s, bool cover, struct buf *tap, struct buf *junit);
/* Why a call ("fs/read_file {\"path\":\"/etc\"}", "model:sonnet", "code:run") is answered as it is,
 * for somebody of the files: the verdict, each rule that speaks of it, and the nearest fix.
 * *allowed says which.  ERR_INVALID: no such call, or its arguments are no JSON; ERR_NO_OWNER. */
struct explain_ask {
	const struct key_spec *who; /* names that are "" are left out */
	struct str call;
	bool json;
	struct via via;
};
bool policies_explain(const struct core_settings *s, const struct explain_ask *ask, struct buf *out,
    bool *allowed, struct err *e) MUST_CHECK;
/* What NEW allows that OLD does not, and the other way round: for everybody of either, for each
 * name that the two can tell apart.  *widened: something is wider, or cannot be shown not to be. */
enum diff_form { DIFF_TEXT, DIFF_MARKDOWN, DIFF_JSON };
struct diff_ask {
	const char *old_dir, *new_dir;
	enum diff_form form;
	const struct str *tools; /* "server/tool", known beside the files; may be NULL */
	size_t tools_n;
};
bool policies_diff(const struct core_settings *s, const struct diff_ask *ask, struct buf *out,
    bool *widened, struct err *e) MUST_CHECK;
/* What the files of new_dir would have decided otherwise of what the audit of s->data_dir has since
 * then.  The audit has no arguments: what depends on them is counted apart.  ERR_NOT_FOUND,
 * ERR_STORE: the database. */
struct replay_ask {
	const char *new_dir;
	int64_t since_ns;
	bool json;
};
bool policies_replay(const struct core_settings *s, const struct replay_ask *ask, struct buf *out,
    struct err *e) MUST_CHECK;
/* Everything that policies_check() says, and what loads and is still wrong, one line each
 * ("DIR/root/a.yaml:12: error: …"), or one JSON object each.  false: an error (strict: or a
 * warning) is among them. */
struct lint_ask {
	bool json, strict;
};
bool policies_lint(const struct core_settings *s, const struct lint_ask *ask, struct buf *out);
/* A CODEOWNERS file: each folder that has an authority, and whom its policies and levels name. */
bool policies_codeowners(const struct core_settings *s, struct buf *out, struct err *e) MUST_CHECK;

/* ---- reload.c: policies while serving ---- */

/*
 * Reads the policies and prices again, in a thread; when they have no error they take the old ones'
 * place at the end of a turn, else the old ones stay.  While that goes on, it is done once more
 * afterwards.  fn(ctx, NULL) or fn(ctx, why) once, at the end of that turn; the struct is the
 * caller's, drop it before it goes; NULL: nobody waits.  Audited under `actor`.
 */
struct reload_wait {
	struct link link;
	void (*fn)(void *ctx, const struct err *e);
	void *ctx;
};
void core_reload(struct core *c, struct str actor, struct reload_wait *w);
void reload_wait_drop(struct reload_wait *w);
/* fn(ctx) after every change of the policies in force: views have to be looked at again. */
void core_on_policies(struct core *c, void (*fn)(void *ctx), void *ctx);
/* {"rev":…,"loaded_ns":…,"reloads":n,"failed":n,"kept_because":"file:line:col: …"}: the last only
 * when the last reading failed. */
void core_policies_json(const struct core *c, struct buf *out);

/* ---- key.c: virtual keys ---- */

enum key_state { KEY_ACTIVE = 1, KEY_DISABLED, KEY_REVOKED };
#define KEY_ID_BYTES     14 /* k_ + 12 */
#define KEY_SECRET_BYTES 43 /* tg- + 40 base62, the last 6 a checksum */

struct key_info { /* a view, valid until the turn ends */
	struct str id, name, customer, team, user;
	enum key_state state;
	bool admin;                     /* an admin token: its name starts with @ */
	int64_t created_ns, expires_ns; /* 0: never */
	struct str tags, scope, budget; /* as in struct key_spec */
};
/*
 * Who presents this secret?  ERR_AUTH (unknown; the text tells a mistyped key from an unknown one),
 * ERR_REVOKED (revoked, disabled or expired), ERR_NO_OWNER (its user, team or customer left the
 * files).  Compares digests only.  An admin token is no virtual key: ERR_AUTH.  A key lives as long
 * as the core: what is found may be kept, and asked key_usable() again.
 */
struct key *key_find(struct core *c, struct str secret, struct err *e) MUST_CHECK;
/* The same for an admin token, which has no owner; a virtual key is ERR_DENIED. */
struct key *admin_find(struct core *c, struct str secret, struct err *e) MUST_CHECK;
bool key_looks_like(struct str secret); /* tg- and length and checksum: which header to believe */
/* The key of a user of the files who comes with a token of the identity provider and no secret of
 * ours: "+NAME", made (and audited) when it is first needed.  It can be disabled and revoked like
 * any other, which ends that way in.  ERR_NO_OWNER, ERR_REVOKED, ERR_STORE. */
struct key *key_of_user(struct core *c, struct str user, struct err *e) MUST_CHECK;
/* By its id, or else the newest of that name; NULL when there is none. */
struct key *key_named(struct core *c, struct str name_or_id);
/* May it be used at that time?  ERR_REVOKED, ERR_NO_OWNER; an admin token: ERR_DENIED. */
bool key_usable(const struct key *k, int64_t wall_ns, struct err *e);
void key_info(const struct key *k, struct key_info *out);
/* Customer, team and user as the files have them now, or as the key was made; "" = none. */
void key_owner(const struct key *k, struct str out[3]);
struct key *key_next(struct core *c, struct key *after); /* in order of creation; NULL first/last */
/* The other keys of k's name that have not ended: what rotations have left an overlap. */
struct key *key_next_rotated(struct core *c, const struct key *k, struct key *after);

/*
 * tags: names that `applies_to: { tags: [...] }` can mean; scope: the patterns of what the key may
 * do at most ("github/get_* model:sonnet"; "" = no narrowing: it grants nothing and can only
 * narrow); both separated by spaces.
 */
#define KEY_TAGS_MAX   16
#define KEY_SCOPE_MAX  64   /* patterns */
#define KEY_TEXT_BYTES 4096 /* of tags, of scope */
struct key_spec {
	struct str name, customer, team, user; /* name required; the rest "" */
	int64_t expires_ns;
	bool admin; /* an admin token: has no owner, calls nothing, is named "@NAME" */
	struct str tags, scope, budget;
};
/* Makes a key; `secret` gets KEY_SECRET_BYTES + NUL and is the only copy there will ever be.
 * `actor` goes to the audit ("local:0", a key id).  ERR_INVALID: the name is none or taken, or the
 * tags, scope, budget or end cannot be; ERR_NO_OWNER: who it is for is not in the files; ERR_STORE.
 */
struct key *key_create(struct core *c, const struct key_spec *s, struct str actor,
    char secret[KEY_SECRET_BYTES + 1], struct err *e) MUST_CHECK;
/* A new secret for a key's name and owner: a new key (new id) beside the old one, which ends
 * overlap_ns from now (0: it is revoked at once, and what it was rotated from).  Audited as
 * key.rotate (0: key.revoke) and key.create.  ERR_REVOKED: it is no more; ERR_INVALID: it was
 * rotated before, or is a "+NAME"; ERR_STORE. */
struct key *key_rotate(struct core *c, struct key *k, int64_t overlap_ns, struct str actor,
    char secret[KEY_SECRET_BYTES + 1], struct err *e) MUST_CHECK;
/* Another budget ("5 USD/day, 50 USD/month"; "" = none); what was used stays used.  ERR_INVALID,
 * ERR_STORE. */
bool key_set_budget(
    struct core *c, struct key *k, struct str budget, struct str actor, struct err *e) MUST_CHECK;
/* Whom a first key may belong to: the first user of the files, else a team, else a customer, else
 * nobody.  Fills customer, team and user; they live as long as the bundle. */
void core_first_owner(const struct core *c, struct key_spec *s);

/* ---- key_end.c: their end ---- */

/* disable, enable, revoke.  Leaving ACTIVE cuts every open pass of the key (pass.cut) and runs the
 * watchers below, in this very call, also while nothing can be written: the row waits. ERR_INVALID:
 * a revoked key stays revoked; ERR_STORE: it cannot be enabled now. */
bool key_set_state(
    struct core *c, struct key *k, enum key_state st, struct str actor, struct err *e) MUST_CHECK;

/* Runs whenever what a key may do has changed (state, rules): sessions and streams that are not
 * passes listen here.  The struct is the caller's, zeroed before its first use; drop it before it
 * goes. */
struct key_watch {
	struct link link;
	void (*fn)(void *ctx, struct key *k); /* check key_usable() and the views again */
	void *ctx;
};
void key_watch_add(struct key *k, struct key_watch *w);
void key_watch_drop(struct key_watch *w);

/* ---- grant.c: money given at run time ---- */

struct grant_spec {
	struct str level; /* "acme/payments", a name that is unique, or "key NAME" */
	int64_t nusd, until_ns;
	struct str reason; /* or "" */
};
/* So much more in every budget of the level, in each period until then, over reloads and restarts;
 * its JSON, as below, goes to `out`.  ERR_INVALID: the amount, the time, a name that several have,
 * too many; ERR_NOT_FOUND: the level; ERR_STORE. */
bool grants_make(struct core *c, const struct grant_spec *s, struct str actor, struct buf *out,
    struct err *e) MUST_CHECK;
/* By its id ("g_…"), at once.  ERR_NOT_FOUND, ERR_STORE. */
bool grants_end(struct core *c, struct str id, struct str actor, struct err *e) MUST_CHECK;
/* Those in force: [{"id","level","nusd","from_ns","until_ns","reason","by"}]. */
void grants_json(const struct core *c, struct buf *out);

/* ---- alert.c ---- */

/* fn(ctx, "budget.alert", {"level","period","percent",…}), in the call that settles, for what
 * `alerts:` of the files sends to a webhook; never twice for one threshold and period.  `json`
 * lives until it returns. */
void
core_on_alert(struct core *c, void (*fn)(void *ctx, const char *event, struct str json), void *ctx);

/* ---- may.c: may they ---- */

/* What is asked for.  ASK_HOSTED is never a pass of its own: a model's request names what it would
 * use of it. */
enum ask_kind { ASK_TOOL = 1, ASK_MODEL, ASK_RUN, ASK_ADMIN, ASK_PROMPT, ASK_RESOURCE, ASK_HOSTED };
#define ASK_KINDS (ASK_HOSTED + 1)

/* List time: could this be allowed in that view?  (name: "server/tool", a model id, "run",
 * "server/prompt", "server/uri".)  What a client says changes no list.  Memoised. */
bool
rules_may_list(struct core *c, struct key *k, struct str view, enum ask_kind kind, struct str name);
/* Call time, for what was allowed once and is asked for again: would these arguments be allowed, if
 * need be by people?  Of the ask: kind, name, args, view and client.  Takes and records nothing. */
struct ask;
bool rules_may_call(struct core *c, struct key *k, const struct ask *a);
/*
 * How a list shows a tool to this key: appends the tool's definition (a checked JSON object), its
 * inputSchema narrowed and its description one line longer where calls depend on their arguments.
 * The schema still accepts every call that the rules allow.
 */
/* NOLINTNEXTLINE(readability-function-size): a key, a view, a tool */
void rules_project(struct core *c, struct key *k, struct str view, struct str name,
    struct str definition, struct buf *out);
/* What that makes of a definition, as a number: another one when it is another, 0 when nothing is.
 * Costs no more than rules_may_list(). */
uint64_t rules_projected(struct core *c, struct key *k, struct str view, struct str name);
/* Why (not): one line for `tollgate tools` and /me: "allowed by solo:12", "no rule allows it",
 * "denied by root.yaml:9". */
void rules_why(struct core *c, struct key *k, enum ask_kind kind, struct str name, struct buf *out);

/* ---- codemode.c: how scripts are offered ---- */

/* From wide to narrow; of several policies the narrowest holds. */
enum code_mode {
	CODE_MODE_UNSAID,
	CODE_MODE_OPT_IN,
	CODE_MODE_AUTO,
	CODE_MODE_ONLY,
	CODE_MODE_OFF
};
#define CODE_MODES (CODE_MODE_OFF + 1)
const char *code_mode_word(enum code_mode m); /* "opt-in", …; "" of UNSAID */
struct code_said {
	enum code_mode mode;
	struct str policy,
	    where; /* "platform", "root/platform.yaml:4"; live as long as the bundle */
	int line;
	bool opaque; /* neither is told */
};
/* `code_mode:` of the policies that apply to the key there; UNSAID: none says it, or they are
 * observed. */
void rules_code_mode(struct core *c, struct key *k, struct str view, struct code_said *out);

/* ---- plan.c: what scripts change is put before people first ---- */

#define RULES_PLAN "plan"
/* Must a script's call of this tool ("server/tool") be in a plan that people have said yes to?  A
 * plan is asked for as ASK_RUN with the name of RULES_PLAN, the list of its calls as arguments. */
bool rules_plans(struct core *c, struct key *k, const struct via *via, struct str tool);

/* ---- bound.c: what one script may use ---- */

enum bound_kind { BOUND_SECONDS, BOUND_MEMORY, BOUND_CALLS, BOUND_BYTES, BOUND_MONEY };
#define BOUNDS (BOUND_MONEY + 1)
struct bound {
	/* 0: none; seconds of its time, bytes of Lua's memory, calls, bytes that its tools
	 * answer, nano-USD that they cost. */
	int64_t most;
	struct str policy, where, owner; /* "solo:12", "root/solo.yaml:12", whom to ask */
	bool opaque;                     /* none of these is told */
};
struct bounds {
	struct bound of[BOUNDS];
};
/* "at most 20 s a script by policy solo:12 (ask #tools)": why a script was ended; nothing when it
 * is opaque. */
void bound_told(struct buf *out, enum bound_kind k, const struct bound *b);

/* ---- redact.c: what must not be seen ---- */

enum redact_class { REDACT_SECRETS, REDACT_CARD, REDACT_EMAIL, REDACT_IBAN, REDACT_PHONE };
#define REDACT_CLASSES (REDACT_PHONE + 1)
/* From lax to strict: of several rules the strictest holds.  WATCH: only counted. */
enum redact_action { REDACT_NOT, REDACT_WATCH, REDACT_HASH, REDACT_MASK, REDACT_BLOCK };
#define REDACT_ACTIONS (REDACT_BLOCK + 1)
struct redact_counts {
	int32_t n[REDACT_ACTIONS][REDACT_CLASSES]; /* finds, by what was done */
	const char *blocked; /* the first that may not pass: "github-token"; NULL: none */
	size_t blocked_at;   /* where, in what was handed out */
};
/* What `redact:` rules want of one call; plain memory. */
struct redaction {
	uint8_t args[REDACT_CLASSES], result[REDACT_CLASSES]; /* enum redact_action */
	bool any_args, any_result;
	char args_by[256], result_by[256]; /* " · policy web:14 (ask #sre)" of what blocks; or "" */
};
/* What hashes of redacted values are keyed with, AEAD_KEY_BYTES; without it they are this process's
 * own. */
void core_redact_key(struct core *c, const uint8_t *key);
/* False: nothing, and *out is zeroes. */
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
bool rules_redact(struct core *c, struct key *k, const struct via *via, enum ask_kind kind,
    struct str name, struct redaction *out);
/* Of a model: rules for its name or for the one that the client used; false: nothing, *out is not
 * touched.  No more than a look at a pointer while no policy has such a rule. */
/* NOLINTNEXTLINE(readability-function-size): who, from where, what */
bool rules_redact_model(struct core *c, struct key *k, const struct via *via, struct str name,
    struct str requested, struct redaction *out);
/*
 * Rewrites a checked JSON document: in strings, names of members and numbers, what the classes
 * mean.  Returns `doc` itself when nothing had to change, else what is in *out; p == NULL: it is
 * larger than that may be.  Adds to *counts; what blocks is masked in the result too.
 */
struct str redact_json(struct core *c, const uint8_t *action, struct str doc, struct buf *out,
    struct redact_counts *counts);
/*
 * The same for some values of a larger document, which need not be checked itself: begin, then each
 * checked value in the order of the document, then end, which returns what redact_json() would.
 * `action`, `doc`, `out` and `counts` are borrowed until then.
 */
struct redacting;
struct redacting *redacting_begin(struct core *c, const uint8_t *action, struct str doc,
    struct buf *out, struct redact_counts *counts);
void redacting_value(struct redacting *r, struct str value);
/* The same of a string that may hold JSON, which it still does afterwards: where a number in that
 * becomes a word, the string is written anew. */
void redacting_inner(struct redacting *r, struct str string);
/* The same of a string that is a text in base64, alone or behind "data:…;base64,": written anew
 * when something is found in it.  What is no base64 or no text in UTF-8 passes. */
void redacting_base64(struct redacting *r, struct str string);
struct str redacting_end(struct redacting **at);
/* ---- price.c, pricefile.c: what models cost ---- */

/* "15", "0.075": exact nano-USD; false for anything but digits with at most nine decimals, and from
 * 10^9 USD on. */
bool usd_parse(struct str decimal, int64_t *out_nusd);

struct usage { /* tokens, as GenAI providers report them */
	int64_t input, output, cache_write, cache_read;
	bool seen; /* the provider reported anything */
};
/* Worst case, below 2^62: body bytes at the dearest input-side price + max_tokens (0: the model's
 * max_output) at the output price; 128-bit sums, rounded up once.  *estimated when the price was
 * inherited from the family or unknown; 0 where there is no table at all. */
int64_t price_hold_nusd(const struct core *c, struct str model, int64_t body_bytes,
    int64_t max_tokens, bool *estimated);
/* The tokens that hold is for: a token is at least one byte of the body. */
int64_t
price_hold_tokens(const struct core *c, struct str model, int64_t body_bytes, int64_t max_tokens);
/* What it has cost, below 2^62; *estimated as above. */
int64_t
price_cost_nusd(const struct core *c, struct str model, const struct usage *u, bool *estimated);

/* ---- gate.c, hold.c, queue.c: the two functions ---- */

struct pass;
struct approval_request;
struct ask {
	enum ask_kind kind;
	struct str name; /* "server/tool", "server/prompt", "server/uri"; the resolved model id;
			    "run", RULES_PLAN; "key.create" */
	struct str
	    requested;   /* model: the name the client used ("" = same); both must be granted */
	struct str args; /* tool: the raw argument span, as it will be forwarded */
	/* What was found in `args`, which are rewritten already; blocked: the call is refused. */
	const struct redact_counts *redacted;
	const char *redacted_by; /* of what blocks, see struct redaction */
	const char *redacted_at; /* a model: where it stands, "messages[3]"; NULL or "": not told */
	struct str
	    blocked; /* tool: why it is refused to whom the rules let it, as a sentence; or "" */
	const struct str
	    *hosted; /* model: tools that the provider would run; all must be granted */
	size_t hosted_n;
	int64_t hold_nusd;   /* reserved on every level of the chain, or on none */
	int64_t hold_tokens; /* a model: what it may use at most, held by limits of tokens */
	struct pass *parent; /* a script's calls name the run; NULL otherwise */
	struct str approval; /* the id of the one that this call waited for; or "": any that fits */
	int64_t round;       /* > 0: the same call goes on, by pass.round of the one before */
	bool can_ask;        /* whoever calls can be asked by elicitation */
	bool can_wait;       /* whoever calls waits for a place: see pass_may_wait() */
	struct str session, tool_use; /* join keys of the client, "" when it gave none; clipped */
	struct str client;            /* "claude-code/2.1.330 …", clipped */
	struct str address;           /* where the request came from, clipped; "" when nowhere */
	struct str view;              /* that it came through; "" = none */
};

#define TOKEN_BYTES 4 /* taken for a token where only bytes are known: an estimate, named so */

enum pass_end {
	END_OK = 1,
	END_TOOL_ERROR, /* the tool says that it failed */
	END_UPSTREAM,   /* the server or provider could not be reached, or refused it */
	END_CANCELLED,  /* by whoever asked */
	END_CUT,        /* by us: the key, its money or the gateway came to an end */
	END_TIMEOUT,
	END_FAILED, /* in our own hands */
	END_CRASHED /* settled by the start after that */
};

struct outcome {
	enum pass_end end;
	int64_t cost_nusd; /* settled; what was really spent */
	struct usage usage;
	int64_t bytes_in, bytes_out;       /* request, reply */
	int64_t kept_bytes, calls, cpu_us; /* a run: bytes kept out of the context, calls, CPU */
	int64_t memory_kb;                 /* a run: the most that was resident */
	const char *sandbox;               /* a run: how its worker was locked; NULL = none */
	int status;           /* HTTP status or JSON-RPC code of the upstream; 0 none */
	struct str detail;    /* a word of ours (end class of a run); never upstream text */
	struct str run;       /* a script: the id under which its journal is kept; or "" */
	struct str snippets;  /* and what it was sent of these: "name@version …"; or "" */
	int64_t replayed;     /* and how many of its calls were answered from there */
	int64_t prefetched;   /* a model: signatures added to what it was asked */
	struct str limit;     /* a run that a bound has ended: that one's `where`; or "" */
	struct str tool_uses; /* a model: ids of the tools it asked for, separated by spaces */
	bool estimated;       /* the price was */
	const struct redact_counts *redacted; /* arguments and result; NULL: nothing */
};

struct limit_hold;
struct bucket;
struct pass {           /* embedded in the exchange, call or script that it governs */
	uint32_t magic; /* set by enter, cleared by leave */
	struct core *core;
	struct key *key;
	struct link of_key; /* key's open passes */
	/* The key died: end what this pass governs now (usually job_cancel of its root).
	 * gate_leave() must have been called when it returns; set `why` on the way out.  Called at
	 * most once. */
	void (*cut)(struct pass *p, const struct err *why);
	void *ctx;
	char id[20]; /* "p_" + 16, the audit id */
	char parent[20];
	enum ask_kind kind;
	uint8_t labels; /* that its results carry */
	int64_t hold_nusd, entered_ns;
	int64_t price_nusd; /* of a tool, when its server did the work */
	bool unpriced;      /* a model that costs nothing because nobody knows its price */
	/* hold: usual.  What it holds may be less than its worst case, and grows by gate_topup();
	 * past_cap: there was no room for more. */
	bool tops_up, finishes, past_cap;
	int64_t worst_nusd;
	struct { /* where the hold lies: the accounts of the chain, and the periods it entered */
		struct account *account;
		int64_t start_s[4];
	} at[5]; /* CHAIN_MAX */
	size_t at_n;
	struct limit_hold *holds; /* what limits get back; in its arena */
	size_t holds_n;
	struct link run_limits; /* a script's own buckets */
	/* A script: what it may use at most, fixed as it entered and in its arena (NULL: nothing
	 * bounds it), what its calls have cost and hold, and those that are open. */
	const struct bounds *bounds;
	int64_t calls_nusd, calls_held_nusd;
	struct link calls;
	struct pass *run; /* a script's call, while its script is open; NULL otherwise */
	struct link of_run;
	int64_t run_held_nusd;
	struct bucket *full; /* what it may wait at (after ERR_RATE, until the turn ends); NULL */
	/* What it needs (after ERR_APPROVAL, until the turn ends), or has used; NULL: none. */
	struct approval_request *approval;
	char approved[20];   /* the id of the one that it has used; "" = none */
	int64_t round;       /* with what its next round may go on */
	unsigned asked;      /* a run: approvals that its calls have asked for */
	struct str owner[3]; /* customer, team, user as it entered; copies, as below */
	struct str name;     /* copies, in the pass's own arena */
	struct str session, tool_use, client, address, view, why, hosted;
	struct sha256 args; /* of their bytes */
	struct str would;   /* what policies that observe would have said; "" = the same */
	struct str common;  /* of its audit rows' text */
	struct arena arena; /* small: freed by leave */
};

/*
 * The only way in.  Checks in this order: core ready, key usable, what must not go there, rules and
 * people, the breaker of repeated calls, budgets and limits; then reserves and writes the OPEN
 * record.  On refusal returns false with nothing to leave and one audit row, which the texts of
 * ERR_DENIED name (none: ERR_STORE, and what may wait for a place).
 *
 *   ERR_STORE     core_ready()              ERR_REVOKED, ERR_NO_OWNER   key_usable()
 *   ERR_DENIED    rules, redaction, a no of people; a model without a price, where that is refused
 *   ERR_APPROVAL  it waits for people: pass_approval()
 *   ERR_OVERLOAD  too many wait for people already
 *   ERR_BUDGET, ERR_RATE   with retry_after_s (0: not known)
 *
 * `cut` and `ctx` are set by the caller in *p before the call, and p->magic is 0 (pass_open()); the
 * rest of *p is written here.  All strings of the ask are copied.
 */
bool gate_enter(
    struct core *c, struct pass *p, struct key *k, const struct ask *a, struct err *e) MUST_CHECK;
/*
 * The pass has cost so much by now: holds that on every level, or on none.  For passes with
 * tops_up; others hold their worst case, and nothing happens.  false: no room (ERR_BUDGET), and the
 * policies say at_cap: cut; end the pass now.
 */
bool gate_topup(struct pass *p, int64_t nusd, struct err *e) MUST_CHECK;
/* The only way out; exactly once per entered pass, also from a job's stop().  Writes the audit row,
 * settles, meters; never fails.  All strings of the outcome are copied. */
void gate_leave(struct pass *p, const struct outcome *o);
/* Enters and leaves at once: what is asked is over before anything else can run, as an operation of
 * the admin API is, whose change is a row of its own with the key as its actor.  Errors as above.
 */
bool gate_pass(struct core *c, struct key *k, const struct ask *a, struct err *e) MUST_CHECK;
/* The same for what people may be asked about; `id`, APPROVAL_ID_BYTES and NUL: of the approval
 * that it waits for (ERR_APPROVAL), "" = none. */
bool gate_pass_once(
    struct core *c, struct key *k, const struct ask *a, char *id, struct err *e) MUST_CHECK;
static inline bool
pass_open(const struct pass *p)
{
	return p->magic != 0;
}

/* gate_enter() refused with ERR_APPROVAL: what for; look at it at once. */
struct approval_request *pass_approval(const struct pass *p);
/*
 * gate_enter() refused with ERR_RATE an ask that can_wait, and nothing but limits of how many at
 * once stood in the way: no row was written, it may wait.  fn(ctx), once, in a turn of its own,
 * when somebody has left: ask again.  Drop it before it goes; *w is zeroed before its first use.
 */
struct place_wait {
	struct link link;
	struct bucket *at; /* NULL: waits for none */
	struct core *core;
	struct deferred go;
	void (*fn)(void *ctx);
	void *ctx;
};
bool pass_may_wait(const struct pass *p);
void place_wait(struct pass *p, struct place_wait *w);
void place_wait_drop(struct place_wait *w);

/* ---- event.c ---- */

/* What is no pass and changes no key (a reload, a sign-in): one audit row, a refused one with *e
 * (NULL: it was done).  `actor` as in key_create(); name: "policies.reload", "sign-in.begin". */
void event_note(struct core *c, struct str actor, const char *name, const struct err *e);

/* ---- approval.c: people who say yes to one call ---- */

/*
 * A call that a rule holds for people is a request: of this key, for this tool, with these very
 * bytes of arguments, under these policies.  gate_enter() makes it and refuses with ERR_APPROVAL;
 * once it is granted the same ask passes the gate, once.  See approval.c for its life.
 */
enum approval_way { APPROVAL_ELICITATION = 1, APPROVAL_WEBHOOK, APPROVAL_CLI };
enum approval_state {
	APPROVAL_WAITING = 1,
	APPROVAL_GRANTED,
	APPROVAL_DENIED,
	APPROVAL_EXPIRED, /* in time, or with its key, its caller, the policies */
	APPROVAL_USED
};
#define APPROVAL_ID_BYTES 18 /* d_ + 16 */

/* "d_" + 16; NULL: not known (any more).  A request may be kept while an approval_wait holds it;
 * whoever has none looks it up again. */
struct approval_request *approval_find(struct core *c, struct str id);
/* Those that are not over, and what was refused lately, oldest first; NULL first and last. */
struct approval_request *approval_next(struct core *c, struct approval_request *after);
struct str approval_id(const struct approval_request *r);
enum approval_state approval_state(const struct approval_request *r);
bool approval_is_of(const struct approval_request *r, const struct key *k); /* its asker */
/* Its asker's, or one of an approver. */
bool approval_concerns(const struct approval_request *r, struct key *k);
/* Does it wait for an answer by this way? */
bool approval_asks(const struct approval_request *r, enum approval_way way);
/* What a person is asked, lines of text; and all that is known, a JSON object. */
void approval_message(const struct approval_request *r, struct buf *out);
void approval_json(const struct approval_request *r, struct buf *out);

struct approval_answer {
	bool yes;
	enum approval_way way;
	struct str actor;  /* for the audit: "local:0", a key's id */
	struct key *key;   /* of the user who says it; NULL: the operator, a client, a webhook */
	bool operates;     /* that key may answer as the operator does (admin:approval.answer) */
	struct str user;   /* whom a webhook names; or "" */
	struct str reason; /* or ""; clipped */
};
/* ERR_DENIED: not this one's to give, or not by this way; ERR_INVALID: it waits no more; ERR_STORE.
 * A yes that is not the last one needed leaves it waiting. */
bool approval_answer(
    struct approval_request *r, const struct approval_answer *a, struct err *e) MUST_CHECK;
/* Nobody waits for it any more; nothing happens when it is over. */
void approval_withdraw(struct approval_request *r, const char *why);

/* One call that waits: fn(ctx) within each change of state, which must not end anything at once.
 * The request, which is not over, is then this call's alone, and let go of once nothing can come of
 * it.  Drop it before it goes. */
struct approval_wait {
	struct approval_request *request; /* NULL: waits for none */
	void (*fn)(void *ctx);
	void *ctx;
};
void approval_wait(struct approval_request *r, struct approval_wait *w);
void approval_wait_drop(struct approval_wait *w);
/* fn(ctx, r) for each new request that is to be asked by webhook.  Without it that way does not
 * work. */
void core_on_approval(
    struct core *c, void (*fn)(void *ctx, const struct approval_request *r), void *ctx);

/* ---- kept.c: what is kept for a key beside its rights ---- */

/* Journals of scripts and their state.  Contents, not facts: never in the audit. */
#define KEPT_VALUE_BYTES ((size_t)256 << 10)
#define KEPT_NAME_BYTES  128
struct kept_row {
	struct str key; /* its id */
	struct str name;
	struct str value; /* any bytes; STR_NONE: "name" is forgotten, with all that is below it
			     ("name/…"); with name "" everything of the key */
	int64_t until_ns; /* nobody finds it after that */
};
/* In the journal with this turn's write, in the database soon after.  Everything is copied. */
void core_keep(struct core *c, const struct kept_row *k);
/* What the database has, by key and name; for a start, before anything is kept.  What fn sees lives
 * until it returns.  ERR_STORE, ERR_NOT_FOUND. */
typedef void kept_f(void *ctx, const struct kept_row *k);
bool core_kept_each(struct core *c, kept_f *fn, void *ctx, struct err *e) MUST_CHECK;

/* ---- snippets.c: scripts that became reviewed functions ---- */

/*
 * A file NAME.lua in a folder snippets/ of the bundle, visible to the keys of that folder's
 * authority.  Its first lines, comments, are its head: what it does, `---@param NAME TYPE text`,
 * `---@return TYPE`.  It grants nothing: what it calls is called by whoever runs it.
 */
#define SNIPPETS_MAX       256 /* of a bundle */
#define SNIPPET_BYTES_MAX  ((size_t)32 << 10)
#define SNIPPETS_BYTES_MAX ((size_t)2 << 20) /* of all of them */
#define SNIPPET_NAME_MAX   48
#define SNIPPET_PARAMS_MAX 32
#define SNIPPET_FOLDER     "snippets" /* and what scripts call them by */
/* What a value may be, at its first level. */
#define SNIPPET_STRING  0x01u
#define SNIPPET_INTEGER 0x02u
#define SNIPPET_NUMBER  0x04u
#define SNIPPET_BOOLEAN 0x08u
#define SNIPPET_LIST    0x10u
#define SNIPPET_TABLE   0x20u
#define SNIPPET_ANY     0x40u
struct snippet_param {
	struct str name, type, text; /* type: as the head has it; text: one line, or "" */
	struct str schema;           /* of the value */
	unsigned kinds;
	bool optional;
	const struct str *choices; /* the strings it may be, unless SNIPPET_STRING */
	size_t choices_n;
};
struct snippet {                   /* immutable; lives with its bundle */
	struct str name;           /* [a-z][a-z0-9_]* */
	struct str file;           /* "customers/acme/snippets/weekly_report.lua" */
	struct str customer, team; /* whose; "", "": everybody's */
	struct str version;        /* of the file: 12 hexadecimal digits */
	struct str source;         /* all of it */
	struct str description;    /* of the head: lines of text */
	const struct snippet_param *params;
	size_t params_n;
	struct str returns;                     /* its type, or "" */
	struct str input_schema, output_schema; /* JSON; the latter "" where nothing is said */
};
typedef void snippet_f(void *ctx, const struct snippet *s);
/* What the key sees, in order of name; names are unique.  Valid until the turn ends. */
void core_snippets(const struct core *c, const struct key *k, snippet_f *fn, void *ctx);
void core_all_snippets(const struct core *c, snippet_f *fn, void *ctx); /* in order of file */
/* May a snippet of this name be put into folder/snippets?  ERR_INVALID, ERR_NO_OWNER: what is in
 * the way. */
bool core_snippet_place(
    const struct core *c, struct str folder, struct str name, struct err *e) MUST_CHECK;
/* The snippets of a bundle without a core, at once and for the length of one call; false: it does
 * not load (*e). */
typedef void snippets_f(void *ctx, const struct snippet *at, size_t n);
bool policies_snippets(
    const struct core_settings *s, snippets_f *fn, void *ctx, struct err *e) MUST_CHECK;
/* Is there a key that sees both? */
bool snippets_meet(const struct snippet *x, const struct snippet *y);
/* May somebody of this customer and team ("": of any) run scripts and call this tool?  Asked of the
 * files: all owners, with each key, tag, view and client that a policy names. */
struct reach {
	struct str customer, team, tool; /* tool: "server/tool"; "": may they run scripts at all? */
	bool may;                        /* is filled in */
};
bool
policies_reach(const struct core_settings *s, struct reach *at, size_t n, struct err *e) MUST_CHECK;
/* Would this be one?  ERR_INVALID, "FILE:2:5: …". */
bool snippet_check(const char *file, struct str source, struct err *e) MUST_CHECK;

/* ---- keyword.c ---- */

bool lua_keyword(struct str s); /* a word of the language, which no name in a script can be */

/* ---- usage.c, scripts.c: what people look at ---- */

/* The tools ("server/tool") that the key's team has used most in the last weeks, the most used
 * first; of a key without a team, its user.  Names live until the next pass leaves; returns how
 * many. */
size_t core_frequent_tools(struct core *c, const struct key *k, struct str *names, size_t max);

/* JSON: {"key":…,"name":…,"levels":[{"level":"team","name":…,"budgets":[{"limit_nusd","used_nusd",
 * "held_nusd","left_nusd","period","resets_at"(,"granted_nusd": on top of the
 * limit)}],"limits":[{"limit":"requests","amount","period",
 * "per","used","held","left","full_at"}]}],"rule_limits":[the same of rules, with "of" and
 * "policy"; 100 at most],"script_limits":[{"limit":"seconds","amount","text":"20 s",
 * "policy"}: what one script may use]}; also `tollgate quota` and GET /v1/quota. */
void core_quota_json(struct core *c, struct key *k, struct buf *out);
/* JSON: what the key's scripts did: [{"period":"day","since","until","runs","kept_bytes",
 * "kept_tokens_estimate","cpu_us","memory_kb"}, the same of week, month, year]. */
void core_scripts_json(struct core *c, const struct key *k, struct buf *out);
/* JSON: what the key was refused since the start, the newest first, eight at most:
 * [{"id","at","kind","verdict","name","why"}]. */
void core_denials_json(const struct key *k, struct buf *out);
/* JSON: a refusal ("p_…", one of those eight of some key, and that key) or an approval ("d_…", as
 * approval_json()); false: not known, the audit has it. */
bool core_decision_json(struct core *c, struct str id, struct buf *out);
/* Prometheus lines of this folder (passes by kind and verdict, money, journal, scribe). */
void core_metrics(struct core *c, struct buf *out);

/* ---- backup.c, restore.c: copies; need no core ---- */

/* ERR_NOT_FOUND: there is no database; else ERR_STORE, if nothing is said. */

/* A copy of the database as it is now, beside a running gateway or without one; verified after it
 * was written.  `out`: as audit_verify().  ERR_INVALID: the file is there already, or what was
 * copied is not in order; then there is no file. */
bool core_backup(const char *data_dir, const char *file, struct buf *out, struct err *e) MUST_CHECK;
/* What core_backup() did last: ERR_NOT_FOUND when nothing is known. */
struct backup_note {
	int64_t ts_ns, rows;
	char file[1024];
};
bool core_backup_last(const char *data_dir, struct backup_note *out, struct err *e) MUST_CHECK;
/*
 * Puts `file` in the place of the database, which is kept beside it.  What DATA/anchor and the
 * journal know is applied to it before it serves: keys that were revoked, disabled or given an end
 * since are so again, money spent since is charged again, each as a row of the chain.  Where they
 * cannot know (no anchor, another gateway's, a damaged journal, a backup older than the anchor
 * remembers) it is refused with the reason, unless accept_loss.  ERR_STORE while a gateway serves.
 * `out`: lines for people.  A crash leaves the old database, or a start that asks for this again.
 */
struct restore_settings {
	const char *data_dir, *file;
	bool accept_loss;
	struct str actor;
	int64_t now_ns;
};
bool core_restore(const struct restore_settings *s, struct buf *out, struct err *e) MUST_CHECK;
/* For `tollgate doctor`: every page of the database is sound, the journal has no gap, the anchor
 * fits; false: *e says which not.  `out`: what there is. */
bool core_files_look(const char *data_dir, struct buf *out, struct err *e) MUST_CHECK;

/* ---- audit.c, usage.c, rollout.c: offline readers; need no core, only DATA/tollgate.db ---- */

/* data_dir may be a database file itself.  ERR_NOT_FOUND: there is none; ERR_STORE: it cannot be
 * read. */

/* "ok N rows, head HEX" and true; or the first bad row and ERR_INVALID.  Ledger totals are
 * recomputed from the rows and compared with the usage table. */
bool audit_verify(const char *data_dir, struct buf *out, struct err *e) MUST_CHECK;
/* What it sees lives until it returns; false stops. */
typedef bool audit_row_f(void *ctx, int64_t seq, struct str event_json);
struct audit_query {
	int64_t after_seq; /* 0: from the first */
	int64_t limit;     /* 0: all */
	bool newest;       /* the last `limit` rows, in order */
	struct str id; /* a pass: it, its ancestors' subtree, and what shares its session; "" all */
};
bool audit_read(const char *data_dir, const struct audit_query *q, audit_row_f *fn, void *ctx,
    struct err *e) MUST_CHECK;
/* Whom what is observed would have refused since then, by owner, the most first: JSON array of
 * {"customer","team","user","would_refuse","first_name","first_why"}.  ERR_TOO_LARGE: too many
 * owners. */
bool
rollout_json(const char *data_dir, int64_t since_ns, struct buf *out, struct err *e) MUST_CHECK;
/* by: "customer", "team", "user", "key", "model", "tool", "server"; JSON array of
 * {"name","requests","calls","runs","input_tokens","output_tokens","cache_read_tokens",
 * "cache_write_tokens","cost_nusd","kept_bytes","kept_tokens_estimate","cpu_us","memory_kb",
 * "refused"}; memory_kb is the most of one script.  Counts whole quarters of an hour that began
 * since then.  ERR_INVALID: by what? */
bool usage_json(const char *data_dir, struct str by, int64_t since_ns, struct buf *out,
    struct err *e) MUST_CHECK;
