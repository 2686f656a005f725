/* SPDX-License-Identifier: Apache-2.0 */
/*
 * core - what the files of the governance core share; private to this folder.
 *
 *   core.c    opens everything, turns                 key.c     virtual keys; key_end.c their end
 *   recover.c what a crash left in the journal
 *   gate.c    enter and leave; afford.c, hold.c             budget.c  accounts; period.c their time
 *   event.c   what the audit's rows say
 *   scribe.c  the thread that writes the database     record.c  what a journal record says
 *   reload.c  new policies while serving              limits.c  token buckets
 *   breaker.c who repeats a call that fails       bound.c   what one script may use
 */
#pragma once

#include "base/map.h"
#include "policies/breaker.h"
#include "policies/frequent.h"
#include "policies/journal.h"
#include "policies/label.h"
#include "policies/limits.h"
#include "policies/org.h"
#include "policies/period.h"
#include "policies/policies.h"
#include "policies/prices.h"
#include "policies/rules.h"
#include "policies/store.h"
#include "policies/usual.h"

#define CORE_MAGIC 0x636f7265u
#define KEY_MAGIC  0x766b6579u
#define PASS_MAGIC 0x70617373u

struct anchor;
struct scribe;
struct reload;
struct redact_tables;

struct scripts;

#define DENIALS_MAX 8
struct denial { /* what a key was refused lately, for its owner; in memory only */
	int64_t ts_ns;
	enum ask_kind kind;
	char id[20], name[128], word[24], why[ERR_TEXT_BYTES];
};

struct key {
	uint32_t magic;
	struct core *core;
	struct link all, passes, watches, approvals;
	char *id, *name, *customer, *team, *user, *tags, *scope, *budget;
	char level_id[80];  /* "key NAME": no other level's has a space */
	struct level level; /* its own budgets */
	struct arena arena; /* what `subject` borrows */
	struct sha256 digest;
	char digest_key[SHA256_BYTES]; /* the same, as the map's key */
	enum key_state state;
	int64_t created_ns, expires_ns;
	struct subject subject;
	struct denial *denials;  /* a ring; NULL before the first */
	size_t denials_n;        /* ever */
	struct scripts *scripts; /* NULL before the first */
	struct buf event;        /* ,"key":… as every row of its work has it; rendered once */
	bool admin, resolved, orphaned; /* orphaned: the last reload took its owner away */
	bool expired;                   /* and what it had open has been cut */
	struct err owner_err;           /* why it is not */
};

struct tally { /* since the start, for /metrics */
	uint64_t ends[END_CRASHED + 1], refused[ERR_COUNT];
	int64_t cost_nusd, input, output, cache_write, cache_read;
};

struct approvals { /* approvals.h */
	struct map by_id;
	struct link open, over; /* oldest first */
	size_t open_n, over_n;
	uint64_t turns[APPROVAL_USED + 1]; /* into each state, since the start */
	void (*webhook)(void *ctx, const struct approval_request *r); /* NULL: none */
	void *webhook_ctx;
};

struct core {
	uint32_t magic;
	struct loop *loop;
	int lock_fd;
	char *data_dir;
	bool strict;
	struct bundle *bundle;
	struct arena prices_arena;
	struct prices prices;
	struct journal *journal;
	struct scribe *scribe;
	struct reload *reload;
	bool journal_ok, pruning;
	struct err journal_err;
	struct timer retry, expiry;
	struct deferred nudge;
	struct link keys; /* in order of creation */
	struct map by_digest, by_id, by_name;
	struct map accounts; /* by level id */
	struct link grants;  /* struct grant */
	struct usuals usuals;
	struct frequents frequents;
	void (*alert)(void *ctx, const char *event, struct str json); /* NULL: nobody */
	void *alert_ctx;
	size_t grants_n;
	struct limits limits;
	struct approvals approvals;
	struct flows flows; /* what sessions have got */
	struct breaker breaker;
	struct watch *scribe_watch;
	struct link durable, durable_next; /* struct deferred */
	uint64_t cur_seq;                  /* what those in `durable` wait for */
	uint64_t durable_seq;              /* what the scribe has committed, as the loop knows */
	uint64_t prune_seq;
	uint64_t entered, refused, left, would_deny;
	size_t queued; /* struct place_wait in line */
	struct redact_tables *redact;
	uint64_t redacted[REDACT_ACTIONS][REDACT_CLASSES];
	struct tally sums[ASK_KINDS]; /* by enum ask_kind */
};

/* ---- record.c ---- */

enum record_type {
	RECORD_OPEN = 1, /* a pass entered: the payload is what a crash would leave */
	RECORD_DONE = 2, /* an audit row, and what it changes */
	RECORD_KEPT = 3  /* a struct kept_row: no row, see kept.c */
};

struct record {
	struct str id, parent, event;
	int64_t ts_ns;
	bool has_usage, has_key, has_approval, has_note;
	struct usage_row usage;
	struct key_row key;
	struct approval_row approval;
	struct note_row note;
};
struct record_rows { /* what a record changes beside the chain; NULL: nothing there */
	const struct usage_row *usage;
	const struct key_row *key;
	const struct approval_row *approval;
	const struct note_row *note;
};
/* A record is written in place: begin (returns where the event starts), the event's text, end. */
size_t record_begin(struct buf *out, struct str id, struct str parent, int64_t ts_ns);
void record_end(struct buf *out, size_t event_at, const struct record_rows *rows);
bool record_get(struct str payload, struct record *out); /* spans into payload */
void record_put_kept(struct buf *out, const struct kept_row *k);
bool record_get_kept(struct str payload, struct kept_row *out); /* spans into payload */
struct chain_head {
	int64_t seq;
	struct sha256 hash;
};
void chain_hash(struct sha256 *out, const struct sha256 *prev, int64_t seq, struct str event);
/* Usage of one transaction, added up by cell, so that a busy key costs one row per commit.  The
 * texts are spans into the payloads, which must live until the flush. */
struct usage_sum {
	size_t n;
	struct usage_row row[32];
};
bool usage_sum_flush(struct usage_sum *sum, struct store *s, struct err *e) MUST_CHECK;
/* Applies one DONE record inside the writer's transaction and moves the chain's head.  The caller
 * flushes the sum before it commits. */
bool record_apply(struct store *s, const struct record *r, struct chain_head *head,
    struct usage_sum *sum, struct err *e) MUST_CHECK;

/* ---- scribe.c ---- */

/* Takes over *s and what *a holds, which is of that database; writes it to data_dir as it goes on.
 * paced: commits gather what comes within some milliseconds. */
struct scribe *scribe_start(
    struct store **s, struct anchor *a, const char *data_dir, bool paced, struct err *e) MUST_CHECK;
/* Takes over *written, what one journal_write() gave. */
void scribe_give(struct scribe *sc, struct buf *written);
uint64_t scribe_applied(struct scribe *sc);  /* committed; changes of keys anchored, too */
uint64_t scribe_anchored(struct scribe *sc); /* what a lost database would not take away */
size_t scribe_backlog_bytes(struct scribe *sc);
bool scribe_failing(struct scribe *sc, struct err *e); /* the last attempts failed: *e */
int scribe_event_fd(const struct scribe *sc);          /* readable when one of them went on */
void scribe_stop(struct scribe **sc); /* after applying everything; a locked database: 2 s */

/* ---- kept.c ---- */

/* Inside the writer's transaction. */
bool kept_apply(struct store *s, struct str payload, struct err *e) MUST_CHECK;

/* ---- budget.c ---- */

struct account {
	const struct core *core;
	char *id;
	struct link grants; /* struct grant */
	int told[PERIODS];  /* the highest alert of the period that began then */
	int64_t told_start_s[PERIODS];
	int64_t used_nusd[PERIODS], held_nusd[PERIODS], start_s[PERIODS], end_s[PERIODS];
};
void accounts_rezone(struct core *c); /* the organisation's zone has changed */
struct account *account_get(struct core *c, struct str id); /* made when new */
void account_roll(struct account *a, int64_t now_s);
void account_charge(struct account *a, int64_t at_s, int64_t now_s, int64_t nusd); /* at start */
/* All levels or none; fills pass.at.  ERR_BUDGET with retry_after_s.  The two halves of it are
 * there for who has more to ask in between. */
bool budget_reserve(struct core *c, struct pass *p, const struct chain *chain, int64_t nusd,
    struct err *e) MUST_CHECK;
bool budget_room(struct core *c, struct pass *p, const struct chain *chain, int64_t nusd,
    struct err *e) MUST_CHECK;
void budget_take(struct pass *p, const struct chain *chain, int64_t nusd);
/* So much more, in the periods that the pass entered; ERR_BUDGET. */
bool
budget_topup(struct pass *p, const struct chain *chain, int64_t nusd, struct err *e) MUST_CHECK;
void budget_settle(struct pass *p, int64_t now_s, int64_t cost_nusd);
int64_t room_of(const struct budget *b, int64_t granted);
void usd_put(struct buf *out, int64_t nusd); /* "12.50", "0.000123" */

/* ---- grant.c ---- */

int64_t granted_nusd(const struct account *a); /* now */
void grant_recall(struct core *c, const struct note_row *r);
void grants_free(struct core *c);

/* ---- alert.c ---- */

void alerts_look(struct core *c, const struct key *k); /* after something was settled */
void alert_recall(struct core *c, const struct note_row *r);

/* ---- observe.c ---- */

bool level_observes(const struct level *l);
bool key_observes(const struct key *k); /* are rules only observed for it? */
/* Kept for the audit, and counted. */
void pass_would(struct pass *p, struct str text);
/* Is this refusal of the rules let pass (and recorded)? */
bool rules_observed(struct pass *p, enum ask_kind kind, const struct verdict *v);
/* Leaves out, and records, what has no room on levels that observe. */
void limits_observed(struct pass *p, struct takes *t, const struct taker *w, int64_t now_ms);

/* ---- hold.c ---- */

/* How much the pass must reserve; fills what it will be charged by.  ERR_DENIED: a model without a
 * price where that is not allowed. */
bool hold_wanted(struct pass *p, const struct ask *a, int64_t *nusd, struct err *e) MUST_CHECK;
/* What it costs: the outcome's cost, and what the table says of a tool. */
void hold_cost(const struct pass *p, struct outcome *o);
/* Does the model have the price of its family? */
bool price_inherited(const struct core *c, struct str model); /* price.c */

/* ---- bound.c ---- */

/* A script has entered: what bounds it is looked up and kept. */
void bounds_enter(struct pass *p);
/* Has the script (NULL: it is nobody's call) money left for a call that may cost so much?
 * ERR_BUDGET, with the bound's place in *limit_at. */
bool
bounds_room(const struct pass *run, int64_t nusd, struct str *limit_at, struct err *e) MUST_CHECK;
/* Its call has entered, with what it holds. */
void bounds_take(struct pass *p, struct pass *run);
/* A call or a script leaves. */
void bounds_leave(struct pass *p, int64_t cost_nusd);

/* ---- afford.c ---- */

/* Reserves on all budgets and takes from all limits, or nothing: ERR_BUDGET, or ERR_RATE with the
 * limit's place in *limit_at. */
bool afford(struct pass *p, const struct ask *a, struct str *limit_at, struct err *e) MUST_CHECK;

/* What the ledger has of the last day is taken again, at a start. */
void afford_recall(struct core *c, const struct usage_row *r);

/* ---- queue.c ---- */

void queue_next(struct bucket *b); /* offers its free place, if there is one */

/* ---- core.c ---- */

/* DATA/lock, made and taken; -1 with *e ("… is served by process N"). */
int data_lock(const char *data_dir, struct err *e) MUST_CHECK;

/* Queues a record, written between the two with record_begin() and record_end(); the journal's
 * write follows this turn. */
struct buf *core_record_begin(struct core *c);
void core_record_end(struct core *c, enum record_type t);
void denial_note(struct key *k, const struct pass *p, const struct err *e); /* usage.c */

/* ---- event.c ---- */

#define EVENT_TEXT_BYTES 200
/* What a row has of a client's text: so many bytes of it, borrowed. */
struct str event_clip(struct str s);
void event_id(char id[20]); /* a new one: "p_" + 16 */
/* Renders what all rows of the pass begin with into p->common; the ask is not needed any more. */
void event_keep(struct pass *p, const struct ask *a);
/* Its OPEN record as it is now: as it enters, and again when it holds more. */
void event_open(const struct pass *p);
void event_done(const struct pass *p, int64_t now_ns, const struct outcome *o);
/* The one row of what was refused; limit_at: the place of the limit that had no room, or "". */
void
event_refused(const struct pass *p, const struct ask *a, struct str limit_at, const struct err *e);
/* Writes the OPEN record of every open pass again: what a new journal file starts with. */
void events_carry(struct core *c);
/* A key was written: one audit row with verdict ok, and the key's row of the database. */
void event_key(struct core *c, struct str actor, const char *name, const struct key *k);
/* Likewise, with a note that the database keeps (a value of "": keeps no more); members: ,"a":1 */
void event_remember(struct core *c, struct str actor, const char *name, const struct note_row *note,
    struct str members);
const char *kind_word(enum ask_kind k); /* "tool", … as rows have it */
const char *end_word(enum pass_end e);

/* ---- snippets.c ---- */

#define SNIPPETS_SHOWN 32 /* of one run, in its row and counted as used */
bool snippets_any(const struct core *c);
/* One use of each of a run's "name@12ab… …", as of a tool "snippets/NAME". */
void
snippets_learn(struct core *c, const struct frequent_of *of, struct str versions, int64_t when_s);
/* The same from the row of a run, at a start. */
void snippets_recall(struct core *c, const struct audit_row *r);

/* ---- scripts.c ---- */

void scripts_add(struct key *k, int64_t entered_s, const struct outcome *o); /* one has ended */
void scripts_recall(struct core *c, const struct usage_row *r);              /* at a start */

/* ---- approval_gate.c ---- */

/* The verdict asks for approvals: true when a request that has them fits; then p->approval is to be
 * used, once everything else has room. */
bool approval_gate(
    struct pass *p, const struct ask *a, const struct verdict *v, struct err *e) MUST_CHECK;
void approval_use(struct pass *p);

/* ---- approval.c ---- */

void approvals_init(struct approvals *all);
void approvals_fini(struct approvals *all);
bool approvals_load(void *ctx, const struct approval_row *row); /* from the store; ctx: core */
void approvals_key_end(struct key *k, const char *why);
/* Other policies are in force: what was asked under others is over. */
void approvals_rebind(struct core *c);
void approvals_metrics(const struct core *c, struct buf *out);

/* ---- recover.c ---- */

/* Opens c->journal, applies to the database what it has and that has not, settles the passes that
 * a crash left open, and renews the anchor.  *applied: the last record's number. */
struct anchor;
bool recover(
    struct core *c, struct store *s, struct anchor *a, uint64_t *applied, struct err *e) MUST_CHECK;

/* ---- key.c ---- */

struct key *key_add(struct core *c, const struct key_row *r); /* from the store */
void keys_resolve(struct core *c);                            /* after a bundle was loaded */
void keys_free(struct core *c);
void key_row_of(const struct key *k, struct key_row *out);
/* Who asks in this pass, by the key and by where it came from. */
void pass_subject(const struct pass *p, struct subject *out);
/* Whose budgets count: the key itself, then its owners, leaf first. */
void key_chain(const struct key *k, struct chain *out);

/* ---- key_end.c ---- */

/* Those whose owner is gone since keys_resolve(): their passes and watchers end. */
void keys_orphans_cut(struct core *c);
/* Cuts what belongs to keys whose time is over, and again when the next one's is. */
void keys_expiry_set(struct core *c);

/* ---- redact.c ---- */

void core_redact_free(struct core *c);
/* ,"redacted":{"card":2},"would_redact":{…} where there is something to tell; NULL: nothing. */
void redacted_put(struct buf *b, const struct redact_counts *counts);
/* The member of the object that holds this position, or "". */
struct str redact_where(struct str doc, size_t at);
void redacted_count(struct core *c, const struct redact_counts *counts);
void redacted_metrics(const struct core *c, struct buf *out);
const char *redact_class_word(enum redact_class c);
const char *redact_action_word(enum redact_action a);

/* ---- reload.c ---- */

/* Before the policies are first read: what changes from then on is noticed. */
struct reload *reload_new(struct core *c, const struct core_settings *s, struct err *e) MUST_CHECK;
void reload_free(struct reload **r); /* waits for a reading */
void reload_metrics(const struct reload *r, struct buf *out);
/* Of the calendar that budgets go by; NULL: UTC. */
static inline const struct zone *
core_zone(const struct core *c)
{
	return c->bundle == NULL ? NULL : bundle_zone(c->bundle);
}
