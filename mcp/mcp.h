/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcp - the tool hub: upstream servers in, one filtered catalogue per key out.
 *
 * It speaks MCP in both eras on both sides (legacy 2024-11-05 … 2025-11-25, modern 2026-07-28):
 * tools, prompts, resources, completion, progress, logging, and what servers ask of clients. It
 * writes replies to a struct sink: it does not know that HTTP servers exist. Bytes of arguments
 * and results are forwarded as they came; only ids, names, URIs and _meta are spliced.
 */
#pragma once

#include "base/http.h"
#include "base/jail.h"
#include "base/job.h"
#include "base/loop.h"
#include "base/sink.h"
#include "base/text.h"
#include "mcp/lock.h"
#include "policies/policies.h"

struct hub;

/* ---- server.c: upstream servers ---- */

enum mcp_protocol { MCP_AUTO, MCP_MODERN, MCP_LEGACY };
/* HTTP+SSE is the transport of 2024-11-05; by itself it is tried when initialize is refused. */
enum mcp_transport { TRANSPORT_AUTO, TRANSPORT_HTTP, TRANSPORT_SSE };
/* What of a tool that nobody has approved as it is; see pins.c. */
enum mcp_pin { PIN_UNSAID, PIN_STRICT, PIN_WARN, PIN_OFF };
/* May keys and sessions share one connection to a server?  See instance.c. */
enum mcp_isolation { ISOLATION_USUAL, ISOLATION_SHARED, ISOLATION_PER_KEY, ISOLATION_PER_SESSION };
/* How the gateway gets access tokens for a server; "" where nothing is said.  See oauth.h. */
enum oauth_grant { OAUTH_CODE, OAUTH_CLIENT_CREDENTIALS };
struct oauth_settings {
	enum oauth_grant grant;
	bool per_user;                       /* calls go with the user's own token */
	struct str client_id, client_secret; /* registered there by hand */
	struct str client_metadata;          /* URL of our metadata document, as client_id */
	struct str private_key;              /* PEM: the client proves itself by a JWT */
	struct str scopes;                   /* separated by spaces */
	struct str issuer;                   /* believed wherever it stands; "" = public only */
};
struct server_settings {         /* everything is borrowed for the life of the hub */
	const char *name;        /* [a-z][a-z0-9-]*, not any, lua, tools, call, snippets */
	const char *const *argv; /* stdio: command and arguments, NULL-terminated; or */
	const char *url;         /* Streamable HTTP; of an API, with openapi */
	const char *openapi;     /* its document: a path, or a URL; NULL: it speaks MCP */
	const char *const *env;  /* stdio: the whole environment */
	const char *cwd;
	const struct jail *jail;      /* stdio: what it may not do; NULL: nothing special */
	const struct header *headers; /* HTTP: own headers, secrets filled in */
	size_t headers_n;
	const char *ca_file, *proxy;
	const struct oauth_settings *oauth; /* HTTP; NULL: no tokens */
	enum mcp_protocol protocol;
	const char *version; /* legacy: exactly this one; NULL: the newest that both speak */
	enum mcp_transport transport;
	enum mcp_isolation isolation;
	enum mcp_pin pin;
	const char *source; /* where it is, as tollgate.yaml has it: its tools are pinned to that */
	int connect_ms, list_ms, call_ms; /* deadlines; 0: 5,000, 10,000, 60,000 */
	const char *disabled; /* why it cannot be used ("GITHUB_TOKEN is not set"); NULL: it can */
};

/* A subset with a path of its own, /mcp/v/NAME.  It is no right: a key still needs its grants.
 * Patterns are "server/name" with * on each side ("any" is every server); lists only what it names.
 * Scripts are there only where it says how, and see its tools alone. */
struct view_settings {
	struct str name, instructions; /* instructions: "" = the hub's own */
	enum code_mode code_mode;      /* UNSAID: no scripts */
	const struct str *patterns[3]; /* tools, prompts, resources */
	size_t patterns_n[3];
};
static inline struct str
view_of(const struct view_settings *of) /* NULL: "" */
{
	return of == NULL ? STR("") : of->name;
}
enum mcp_prefix { PREFIX_ALWAYS, PREFIX_NEVER, PREFIX_ON_COLLISION }; /* see view.c */
/* Where small secrets are kept, already sealed; name: [a-z0-9-]+.  Failures are the keeper's to
 * log: what is not kept is asked for again after a restart. */
struct hub_keep {
	void (*put)(void *ctx, const char *name, struct str bytes);
	bool (*get)(void *ctx, const char *name, struct buf *out);
	void *ctx;
};
struct hub_settings {
	const struct server_settings *servers;
	size_t servers_n;
	const struct view_settings *views; /* borrowed, like the servers */
	size_t views_n;
	enum mcp_prefix prefix;
	enum code_mode code_mode;  /* of /mcp; UNSAID: AUTO */
	enum mcp_pin pin;          /* of servers that do not say */
	int session_idle_ms;       /* legacy sessions; 0: 1,800,000 */
	size_t result_bytes_max;   /* one tool result; 0: 10 MiB */
	const uint8_t *seal_key;   /* AEAD_KEY_BYTES; NULL: drawn, ids end with the process */
	const char *version;       /* of the gateway, for serverInfo and clientInfo */
	struct hub_keep keep;      /* zero: nothing is kept */
	void (*listed)(void *ctx); /* a server is ready, or down: hub_settled() may say otherwise */
	void *ctx;
};
/* Can this document be a server's (openapi.h)?  *e has its position. */
bool mcp_openapi_check(const char *path, struct err *e) MUST_CHECK;
struct hub *hub_new(struct loop *l, struct core *c, struct http_pool *p,
    const struct hub_settings *s, struct err *e) MUST_CHECK;
/* How browsers reach the gateway, without a slash at the end; before hub_start(). */
void hub_set_base_url(struct hub *h, const char *url);
void hub_start(struct hub *h); /* connects to every server, each by itself */
/* Has every server that can be used listed its tools, or failed once? */
bool hub_settled(const struct hub *h);
/* Ends sessions and connections, and asks every child process to end, all at the same time: stdin
 * closed, 2 s, SIGTERM, 2 s.  left(ctx) once, never before the return: none is there any more, or
 * 4 s are over.  Nothing can be called from here on; hub_free() is next.  Once per hub. */
void hub_leave(struct hub *h, void (*left)(void *ctx), void *ctx);
/* Ends sessions, connections, and children at once (SIGKILL). */
void hub_free(struct hub **h);
/* One JSON object per server: name, state, era, tools, last failure. */
void hub_servers_json(struct hub *h, struct buf *out);
void hub_metrics(struct hub *h, struct buf *out);
/* The definitions that somebody has approved; NULL: there is no lock.  Borrowed until the next
 * such call, or the hub's end. */
void hub_set_lock(struct hub *h, const struct lock *l);
/* What every server lists itself:
 * [{"name","source","state","failure","listed":bool,"tools":[{"name":
 * "server/tool","pin","definition"}]}]; struct lock_seen is made of it. */
void hub_seen_json(struct hub *h, struct buf *out);
/* Something changed in what keys may see: re-evaluates views, sends list_changed. */
void hub_views_changed(struct hub *h);

/* ---- sign_in.c: people give the gateway access to a server (OAuth) ---- */

#define SIGN_IN_RETURN "/oauth/callback" /* below the base URL: where browsers come back */
struct sign_in_answer {                  /* the query of that request, decoded; "" = absent */
	struct str state, code, iss, error;
	struct str browser; /* see sign_in_ask */
};
struct sign_in_ask {
	struct str server;
	struct key *key;    /* NULL: for the gateway itself; else for its user (per: user) */
	struct str browser; /* what only the person's browser knows; "" = nobody compares */
};
/* text: the address where the person goes on, or (returned) the server's name.  Once, never before
 * the start has returned, never after a cancel of `parent`. */
typedef void sign_in_f(void *ctx, struct str text, const struct err *e);
/* ERR_NOT_FOUND, ERR_INVALID: no such server, or none that wants this. */
bool hub_sign_in(struct hub *h, struct job *parent, const struct sign_in_ask *a, sign_in_f *done,
    void *ctx, struct err *e) MUST_CHECK;
/* ERR_NOT_FOUND: the state is unknown, used or older than ten minutes. */
bool hub_signed_in(struct hub *h, struct job *parent, const struct sign_in_answer *a,
    sign_in_f *done, void *ctx, struct err *e) MUST_CHECK;

/* ---- catalog.c: what can be called ---- */

enum tool_pin {
	TOOL_FREE,     /* not pinned */
	TOOL_APPROVED, /* as mcp.lock has it */
	TOOL_PENDING,  /* nobody has approved it: hidden, or (warn) served */
	TOOL_CHANGED,  /* another than was approved: blocked, or (warn) served as it is now */
	TOOL_REMOVED   /* approved, and its server has it no more */
};
const char *tool_pin_word(enum tool_pin p); /* "free", "approved", … */
struct tool {                    /* immutable; valid until the next turn unless held by a call */
	struct str server, name; /* as upstream spells it */
	struct str policy_name;  /* "server/name" */
	struct str listed_name;  /* as clients see it, [A-Za-z0-9_-]; "": another has the name */
	struct str wrapped;      /* "server__name" */
	/* As scripts spell both: identifiers of Lua, together unlike every other tool's. */
	struct str script_server, script_name;
	struct str description;  /* unescaped text */
	struct str definition;   /* the listed JSON object, named "server__name" */
	struct str input_schema; /* raw spans; output_schema may be empty */
	struct str output_schema;
	bool readonly, destructive, idempotent, open_world; /* from annotations; hints only */
	bool says_destructive;                              /* not only by default */
	enum tool_pin pin;
	struct str blocked; /* a sentence: listed, and its calls are refused; or "" */
	struct str alias;   /* its listed name, of mcp.lock; or "" */
};
/* Every tool this key may list, in a stable order (built-ins not included); of: within that view,
 * NULL: everywhere. */
typedef void tool_f(void *ctx, const struct tool *t);
void hub_tools(struct hub *h, struct key *k, const struct view_settings *of, tool_f *fn, void *ctx);
/* Is a name of this kind one that the view names?  NULL: every name is. */
bool view_includes(const struct view_settings *of, enum ask_kind kind, struct str policy_name);
/* Every tool there is, those that are hidden too, for an operator. */
void hub_all_tools(struct hub *h, tool_f *fn, void *ctx);
/* locktools.c: the tools of a lock (NULL: none) as a hub lists those of these servers that are
 * pinned, in order of server; valid until they are freed, the lock after them. */
struct locked_tools;
struct locked_tools *locked_tools_new(
    const struct lock *l, const struct server_settings *servers, size_t n, enum mcp_pin usual);
void locked_tools_each(const struct locked_tools *t, tool_f *fn, void *ctx);
void locked_tools_free(struct locked_tools **tp);
void mcp_script_server(struct buf *out, struct str server); /* as scripts spell its name */
/* By "server/tool", "server.tool" or "server__tool", whatever the key may do; NULL = none. */
const struct tool *hub_find_tool(struct hub *h, struct str name);
/* fold.c: can a name stand in a script as it is, an identifier of Lua and no keyword? */
bool name_is_identifier(struct str name);
/* fold.c: one name in two spellings (readFile, read-file, READ_FILE)?  As the worker compares: by
 * letters and digits, case ignored. */
bool name_same(struct str a, struct str b);
/* schema.c: are these arguments (a checked object) worth sending?  false: `why` got one short
 * sentence naming the argument and, when near, the right name; never an argument's value. */
bool tool_check_args(const struct tool *t, struct str args, struct buf *why);
/* As a value in args: one that is not known yet, and fits. */
#define TOOL_ARG_ANY "\"\\u0000any\""

/* ---- scripts.c: how scripts are offered ---- */

/* What stands in the list of a key that may run scripts.  OPT_IN: its tools, and `lua` and `tools`,
 * unless the client asks for less (header tollgate-code-mode: only, auto or off).  AUTO: the two
 * alone where the tools are more than 15 or their definitions some 2,000 tokens.  ONLY: the two
 * alone.  OFF: neither is there, nor can it be called.  Tools that are not listed can be called as
 * before. */
struct code_offer {
	enum code_mode mode;
	struct code_said said; /* the policy that says so; UNSAID: the settings do */
	bool scripts, alone;   /* are the two listed, and without the tools? */
	size_t tools;
};
/* Its texts are valid until the turn ends. */
void hub_code_offer(
    struct hub *h, struct key *k, const struct view_settings *of, struct code_offer *out);
/* "code_mode only by policy platform:4: of 62 tools none is listed" */
void code_offer_put(const struct code_offer *o, struct buf *out);

/* ---- call.c: the only way to an upstream ---- */

enum call_kind {
	CALL_TOOL,
	CALL_PROMPT,            /* prompts/get */
	CALL_READ,              /* resources/read */
	CALL_COMPLETE_PROMPT,   /* completion/complete, of a prompt's argument */
	CALL_COMPLETE_RESOURCE, /* or of a template's */
};
struct call_peer;
struct call_ask {
	enum call_kind kind;
	struct key *key;
	struct pass *parent; /* the run whose script calls; NULL for a client's own call */
	struct str name;     /* any spelling of hub_find_tool(), a built-in's name; as listed */
	struct str args;     /* a JSON object, checked here; "" = {}; completion: the argument */
	struct str context;  /* completion: a JSON object, or "" */
	struct str session, tool_use, client, address; /* join keys, see struct ask */
	struct str meta; /* the client's params._meta object, vendor keys pass through; or "" */
	const struct view_settings *view; /* only what is in it; NULL: everything */
	/* A further round of the same call: raw, as the server is to get them; or "". */
	struct str input_responses, request_state;
	const struct call_peer *peer; /* lives as long as the call; NULL: nobody is told anything */
	/* Of a script's call: who can be asked to approve it, lives as long as the call; NULL:
	 * nobody. rest(ctx of done, …) when the call begins and ends to wait for people; may be
	 * NULL. */
	const struct call_peer *asks;
	void (*rest)(void *ctx, bool rest);
	/* Of a script's call, likewise: when it begins and ends to wait for a place at a limit of
	 * how many at once; NULL: it is refused instead. */
	void (*queue)(void *ctx, bool waits);
	/* A further round of a call that needs an approval: its id, and what the client answered,
	 * raw; or "". */
	struct str approval, answer;
	int64_t round; /* of that approval, when the call has it already: struct ask */
	/* A further round of a built-in's call that a restart has ended: its builtin_parks(), and
	 * what it had asked, "QUESTION=APPROVAL QUESTION=APPROVAL"; input_responses are to that. */
	struct str token, asked;
};
/*
 * done(result): `result_json` is the result object as the upstream sent it (or made by us for
 * built-ins and for a tool's error), with its URIs as clients see them, e == NULL; or e says why
 * there is none (ERR_NOT_FOUND for an unknown and for a forbidden thing alike,
 * ERR_DENIED/ERR_BUDGET/… after a rule or limit, ERR_UPSTREAM, ERR_TIMEOUT).
 * Exactly once, never before hub_call() has returned, never after job_cancel().
 */
typedef void call_done_f(void *ctx, struct str result_json, const struct err *e);
struct call;
struct call *hub_call(struct hub *h, struct job *parent, const struct call_ask *a,
    call_done_f *done, void *ctx, struct err *e) MUST_CHECK;
/* A script's call: the approval that it waits for, when its client is not asked; else "". */
struct str call_waits(const struct call *c);
/* Lets go of that approval: it stays, and the next call like this one uses it.  Cancel the call. */
void call_leave(struct call *c);
/* While done() runs: the approval that its result (input_required) asks for; "" = none. */
struct str call_approval(const struct call *c);
/* While done() runs: "ID.ROUND" of the approval that a further round goes on with; or nothing. */
void call_put_round(const struct call *c, struct buf *out);
struct str call_token(const struct call *c); /* of its builtin_parks(); "" = none */
/* While done() runs: the call was made, and its result is one of ours instead. */
bool call_withheld(const struct call *c);
/* While done() runs: its result says that it failed, and leaves open whether it was done. */
bool call_open(const struct call *c);
/* While done() runs: the raw JSON-RPC error that the server answered with, p == NULL: none. */
struct str call_error(const struct call *c);

/* A server inside the gateway (Code Mode).  Its tools are listed unprefixed, after all others, to
 * keys for which `visible` is true; its calls pass the gate as ask_kind with name ask_name. */
struct builtin_call {
	struct hub *hub;
	struct key *key;
	struct pass *pass;                /* open; the built-in's own calls name it as parent */
	struct job *job;                  /* parent for what it starts; cancelled with the call */
	struct str args;                  /* checked object; lives as long as the call */
	const struct view_settings *view; /* where it was called: scripts see what is in it */
	struct str session, tool_use, client, address;
	struct str meta;              /* the caller's params._meta object, or "" */
	struct str token;             /* builtin_parks(); or "" */
	struct outcome *outcome;      /* the built-in fills in kept_bytes, calls, cpu_us, detail */
	const struct call_peer *peer; /* the client's; NULL: none */
	struct call *call;            /* answer with builtin_done() */
};
struct builtin {
	struct str name; /* "lua", "tools" */
	enum ask_kind ask_kind;
	struct str ask_name; /* "run" */
	bool (*visible)(void *ctx, struct key *k, struct str view);
	/* The listed JSON object; session: as in struct call_ask, what it got stays the same. */
	void (*define)(void *ctx, struct key *k, const struct view_settings *of, struct str session,
	    struct buf *out);
	/* Starts; on false the call fails with *e.  Ends by builtin_done() or cancel of job. */
	bool (*call)(void *ctx, const struct builtin_call *c, struct err *e);
	void *ctx;
};
void hub_add_builtin(struct hub *h, const struct builtin *b); /* copied; before hub_start() */
void builtin_done(struct call *c, struct str result_json, const struct err *e);
/*
 * One of its own calls asks this client, which is done by ending its request (a modern client's).
 * Should the gateway restart before the client comes back, the built-in is called once more with
 * this token, and what the client says has been taken.  False: the client is not asked so.
 */
bool builtin_parks(struct call *c, struct str token);
#define BUILTIN_TOKEN_BYTES 15
/* Tells the client how far it is, when it has asked to be told; done: more than the last time. */
bool builtin_wants_progress(const struct call *c);
void builtin_progress(struct call *c, int64_t done, struct str message);

/* ---- serve.c: towards clients ---- */

struct mcp_request {
	struct key *key;
	struct str method;             /* POST, GET, DELETE */
	const struct http1_head *head; /* for the headers; valid until the reply has ended */
	struct str body;
	struct str peer; /* address, for the audit */
	struct str view; /* its name; "" = all */
};
/*
 * Answers one HTTP request on /mcp (of an Origin and Host that may ask) through `sink`, which lives
 * as long as `root` runs.  Everything started is a kid of `root`; ends with sink_end().  Never
 * fails: refusals are replies (JSON-RPC error with the id where there is one; HTTP status per
 * mcp-protocol era rules).
 */
void mcp_serve(struct hub *h, struct job *root, const struct mcp_request *r, struct sink *sink);
/* The client went away: a modern call is cancelled by job_cancel(root) (the caller does that); a
 * legacy call goes on.  Returns true when root must be cancelled now. */
bool mcp_gone(struct hub *h, struct job *root);
