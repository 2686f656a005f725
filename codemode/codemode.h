/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codemode - scripts, as one built-in server of the hub.
 *
 * Two meta-tools, `lua` and `tools`, listed only to keys that hold a code:run grant.  A script runs
 * in a locked worker (sandbox/); each of its calls goes through hub_call() like any other;
 * only what it returns or prints goes back.
 */
#pragma once

#include "mcp/mcp.h"
#include "sandbox/sandbox.h"

struct codemode;
/* Registers both meta-tools with the hub; call before hub_start().  With a sandbox that is not
 * available the tools are not listed and a call says why. */
struct codemode_settings {
	int64_t keep_ms; /* what runs and sessions leave behind; 0: in memory only, for a day */
	int pause_ms;    /* so long a request waits with a script that waits for people */
};
#define CODEMODE_KEEP_MS  ((int64_t)24 * 60 * 60 * 1000)
#define CODEMODE_PAUSE_MS 30000
struct codemode *codemode_new(struct loop *l, struct hub *h, struct core *c, struct sandbox *s,
    const struct codemode_settings *set);
void codemode_free(struct codemode **cm); /* no run may be in flight */
/* What scripts of the key can call, as a file of Lua for editors (LuaLS). */
void codemode_stubs(struct codemode *cm, struct key *k, struct buf *out);
/* Prometheus lines: runs by end, calls, bytes kept out of contexts. */
void codemode_metrics(struct codemode *cm, struct buf *out);

/*
 * For a request on its way to a model: the signatures of the tools of `k` that `task`, a person's
 * words, speaks of, best first, one per line and at most CODEMODE_HINT_BYTES; none that stands in
 * `known` (the description of `lua` as the model has it).  Returns how many; 0 also where `k` may
 * run no scripts.
 */
#define CODEMODE_HINT_BYTES ((size_t)4 << 10)
size_t codemode_hints(
    struct codemode *cm, struct key *k, struct str task, struct str known, struct buf *out);
/* How a description of `lua` begins, whatever follows. */
#define CODEMODE_LUA_BEGINS "Run a Lua 5.4 script that calls tools."

/*
 * A caller that is not a model (`tollgate script run --json`) asks for the report of a run by this
 * member of its params._meta (struct call_ask.meta): {"tollgate/report":true}.  The result then
 * carries _meta["tollgate/report"] = {"end","value","message","log","calls","cpu_us"}.
 */
#define CODEMODE_REPORT_KEY "tollgate/report"
/* Likewise, for true: a plan as if the first line said so; and, with `resume`, a replay: the run is
 * made again from its journal, whatever its session, and nothing is called.  The report then has
 * "planned":n,"plan":TEXT or "replay":{"same":bool,"was":END,"stop":…}; and "run" and
 * "replayed" when there is a journal. */
#define CODEMODE_PLAN_KEY   "tollgate/plan"
#define CODEMODE_REPLAY_KEY "tollgate/replay"
/*
 * A run that ended well, as the file of a snippet: {"folder":"customers/acme","text":…}.  Refused:
 * ERR_NOT_FOUND, ERR_INVALID (it failed; the folder or the name will not do; it is too large).
 */
struct saved_ask {
	struct str run, name;
	struct str
	    description;   /* one line; "" = the script's own comment, or a line to be edited */
	struct str folder; /* "customers/acme/teams/payments"; "" = of the run's key */
};
bool codemode_run_snippet(
    struct codemode *cm, const struct saved_ask *ask, struct buf *out, struct err *e) MUST_CHECK;
/* [{"name","version","file","signature","description"}]: what the key sees; NULL: all there are. */
void codemode_snippets_json(struct codemode *cm, struct key *k, struct buf *out);
/*
 * Snippets before anybody calls them (`tollgate check`): what in them is certain to fail, by the
 * check that scripts pass before they run.  `all` and `tools` are borrowed until it is freed.
 */
struct snippet_lint;
struct snippet_lint *
snippet_lint_new(const struct snippet *all, size_t n, const struct locked_tools *tools);
enum snippet_saying {
	SNIPPET_FAILS, /* text: what, and the fix on the next line */
	SNIPPET_CALLS, /* text: the tool that it calls, "server/tool" */
	SNIPPET_READS  /* text: a name that is nothing of its own */
};
struct snippet_said {
	enum snippet_saying what;
	uint32_t line;
	struct str text;
};
typedef void snippet_said_f(void *ctx, const struct snippet_said *said);
/* Of one of `all`; three SNIPPET_FAILS at most, in order of line after the others. */
void
snippet_lint_one(struct snippet_lint *l, const struct snippet *s, snippet_said_f *fn, void *ctx);
/* One more line on an error of the worker at this line of a snippet, "\nhint: …"; or nothing. */
void snippet_advise(const struct snippet *s, enum sandbox_end end, struct str message,
    uint32_t line, struct buf *out);
void snippet_lint_free(struct snippet_lint **lp);
/* Whose run is it?  NULL: unknown. */
struct key *codemode_run_key(struct codemode *cm, struct str run);
