/* SPDX-License-Identifier: Apache-2.0 */
/*
 * approval - requests for approval on a real data folder, with time moved by hand.
 *
 * The property: whatever is done in whatever order - calls, answers by every way, time, restarts,
 * kill -9, keys taken away, policies changed - one yes lets at most one call pass, and only the
 * call that it was said to.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/log.h"
#include "policies/approvals.h"
#include "tests/unit/core_rig.h"

#define START_NS 1787313600000000000ll

static struct clock_page *page;
static int clock_fd;

static void
clock_make(void)
{
	clock_fd = memfd_create("clock", MFD_CLOEXEC);
	if (ftruncate(clock_fd, sizeof(*page)) != 0)
		abort();
	page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, clock_fd, 0);
	page->wake_fd = eventfd(0, EFD_NONBLOCK);
	page->done_fd = eventfd(0, EFD_NONBLOCK);
	atomic_store(&page->wall_ns, START_NS);
	atomic_store(&page->mono_ms, 5000);
	atomic_store(&page->magic, CLOCK_PAGE_MAGIC);
}

static void
advance(struct loop *l, int64_t ms)
{
	uint64_t one = 1, n = 0;

	atomic_fetch_add(&page->wall_ns, ms * 1000000);
	atomic_fetch_add(&page->mono_ms, ms);
	if (write(page->wake_fd, &one, 8) != 8)
		abort();
	for (int i = 0; i < 20; i++) {
		loop_turn(l);
		if (read(page->done_fd, &n, 8) == 8)
			return;
	}
}

static void
rules_put(const char *rules)
{
	char path[160], text[4096];

	(void)snprintf(path, sizeof(path), "%s/root/tools.yaml", bundle);
	(void)snprintf(text, sizeof(text),
	    "version: 1\npolicy: tools\napplies_to: { customers: [acme] }\nrules:\n"
	    "  - allow: \"notes/*\"\n%s",
	    rules);
	file_put(path, text);
}

static struct core *
open_at(struct loop **l)
{
	struct core_settings s = { .data_dir = data, .policies_dir = bundle };
	struct core *c;
	struct err e;

	*l = loop_new(&e);
	if (*l == NULL || !loop_use_clock(*l, clock_fd, &e))
		abort();
	c = core_open(*l, &s, &e);
	if (c == NULL) {
		(void)printf("  %s\n", e.text);
		abort();
	}
	return c;
}

static struct key *
key_for(struct core *c, const char *name, const char *user)
{
	char secret[KEY_SECRET_BYTES + 1];
	struct key *k = key_named(c, str_of(name));
	struct err e;

	if (k == NULL)
		k = key_create(c, &(struct key_spec){ .name = str_of(name), .user = str_of(user) },
		    STR("local:0"), secret, &e);
	if (k == NULL)
		abort();
	return k;
}

static struct ask
ask_of(const char *name, const char *args)
{
	return (struct ask){ .kind = ASK_TOOL, .name = str_of(name), .args = str_of(args) };
}

/* Enters and leaves; the request that it needs, or NULL with *passed. */
static struct approval_request *
enter(struct core *c, struct key *k, const struct ask *a, bool *passed, struct err *e)
{
	struct pass p = { .cut = cut };

	err_clear(e);
	*passed = gate_enter(c, &p, k, a, e);
	if (*passed)
		gate_leave(&p, &(struct outcome){ .end = END_OK });
	return !*passed && e->code == ERR_APPROVAL ? pass_approval(&p) : NULL;
}

static bool
answer(struct approval_request *r, bool yes, struct err *e)
{
	const struct approval_answer a = {
		.yes = yes, .way = APPROVAL_CLI, .actor = STR("local:0"), .reason = STR("because")
	};

	return approval_answer(r, &a, e);
}

#define ASKS                                                                                       \
	"  - approve: notes/put_*\n    reason: Somebody looks\n"                                   \
	"    approval: { via: [cli, elicitation, webhook], expires: 10m }\n"

static void
test_binding(void)
{
	struct ask a = ask_of("notes/put_a", "{\"n\":1}"), b = a;
	struct approval_request *r, *other;
	struct loop *l;
	struct core *c = open_at(&l);
	struct key *ana = key_for(c, "ana", "ana"), *ana2 = key_for(c, "ana2", "ana");
	struct err e;
	char id[APPROVAL_ID_BYTES + 1];
	bool passed;

	TEST("a request is made once, granted once, used once");
	r = enter(c, ana, &a, &passed, &e);
	CHECK(r != NULL && !passed);
	CHECK(enter(c, ana, &a, &passed, &e) == r);
	CHECK(strstr(e.text, "Somebody looks") != NULL && strstr(e.text, r->id) != NULL);
	(void)str_copy(id, sizeof(id), approval_id(r));
	CHECK(answer(r, true, &e));
	CHECK(!answer(r, true, &e) && e.code == ERR_INVALID);
	CHECK(!answer(r, false, &e));

	TEST("granted, it is for these bytes, this tool, this key");
	b.args = STR("{\"n\": 1}");
	other = enter(c, ana, &b, &passed, &e);
	CHECK(!passed && other != NULL && other != r);
	b.args = STR("{\"n\":1}\n");
	other = enter(c, ana, &b, &passed, &e);
	CHECK(!passed && other != r);
	b = ask_of("notes/put_b", "{\"n\":1}");
	other = enter(c, ana, &b, &passed, &e);
	CHECK(!passed && other != r);
	other = enter(c, ana2, &a, &passed, &e);
	CHECK(!passed && other != r);

	TEST("named by its id, why it does not fit is told");
	b.approval = str_of(id);
	CHECK(enter(c, ana, &b, &passed, &e) == NULL && !passed);
	CHECK(strstr(e.text, "another tool") != NULL);
	b = a;
	b.approval = str_of(id);
	b.args = STR("{}");
	CHECK(enter(c, ana, &b, &passed, &e) == NULL && strstr(e.text, "other arguments") != NULL);
	b = a;
	b.approval = str_of(id);
	CHECK(enter(c, ana2, &b, &passed, &e) == NULL && strstr(e.text, "not known") != NULL);
	b.approval = STR("d_nothing");
	CHECK(enter(c, ana, &b, &passed, &e) == NULL && strstr(e.text, "not known") != NULL);

	CHECK(enter(c, ana, &a, &passed, &e) == NULL && passed);
	b.approval = str_of(id);
	CHECK(enter(c, ana, &b, &passed, &e) == NULL && !passed);
	CHECK(strstr(e.text, "has been used") != NULL);
	other = enter(c, ana, &a, &passed, &e);
	CHECK(!passed && other != NULL && other != r);
	CHECK(answer(other, false, &e));
	CHECK(enter(c, ana, &a, &passed, &e) == NULL && !passed && e.code == ERR_DENIED);
	CHECK(strstr(e.text, "was denied by local:0: because") != NULL);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
test_time(void)
{
	struct ask a = ask_of("notes/put_time", "{}");
	struct approval_request *r;
	struct loop *l;
	struct core *c = open_at(&l);
	struct key *ana = key_for(c, "ana", "ana");
	struct err e;
	bool passed;

	TEST("a question expires to the second, and a yes has its time from then on");
	r = enter(c, ana, &a, &passed, &e);
	advance(l, 599999);
	CHECK_EQ_I(approval_state(r), APPROVAL_WAITING);
	CHECK(answer(r, true, &e));
	advance(l, 599999);
	CHECK_EQ_I(approval_state(r), APPROVAL_GRANTED);
	advance(l, 1);
	CHECK_EQ_I(approval_state(r), APPROVAL_EXPIRED);
	CHECK(enter(c, ana, &a, &passed, &e) != r && !passed);
	r = enter(c, ana, &a, &passed, &e);
	advance(l, 600000);
	CHECK_EQ_I(approval_state(r), APPROVAL_EXPIRED);
	CHECK(!answer(r, true, &e) && strstr(e.text, "nobody answered in time") != NULL);

	TEST("a wall clock that jumps ahead of the timers expires it all the same");
	r = enter(c, ana, &a, &passed, &e);
	CHECK(answer(r, true, &e));
	atomic_fetch_add(&page->wall_ns, 601 * 1000000000ll);
	advance(l, 0);
	(void)enter(c, ana, &a, &passed, &e);
	CHECK(!passed);

	TEST("what waits has its time after a restart, and is over when that passed meanwhile");
	a.args = STR("{\"n\":2}");
	r = enter(c, ana, &a, &passed, &e);
	CHECK(answer(r, true, &e));
	core_close(&c);
	loop_free(&l);
	atomic_fetch_add(&page->wall_ns, 300 * 1000000000ll);
	c = open_at(&l);
	ana = key_for(c, "ana", "ana");
	CHECK(enter(c, ana, &a, &passed, &e) == NULL && passed);
	r = enter(c, ana, &a, &passed, &e);
	CHECK(r != NULL && answer(r, true, &e));
	core_close(&c);
	loop_free(&l);
	atomic_fetch_add(&page->wall_ns, 601 * 1000000000ll);
	c = open_at(&l);
	(void)enter(c, key_for(c, "ana", "ana"), &a, &passed, &e);
	CHECK(!passed);
	core_close(&c);
	loop_free(&l);
	CHECK(verified());
}

static void
test_bounds(void)
{
	struct pass run = { .cut = cut }, none = { .cut = cut };
	struct ask a, r = { .kind = ASK_TOOL, .name = STR("notes/get"), .args = STR("{}") };
	struct loop *l;
	struct core *c = open_at(&l);
	struct key *k = key_for(c, "many", "bob"), *s = key_for(c, "script", "bob");
	const size_t before = c->approvals.open_n;
	char args[32];
	struct err e;

	TEST("a script asks for so many, a key has so many open, and what is refused made none");
	CHECK(gate_enter(c, &run, s, &r, &e));
	for (int i = 0; i <= APPROVALS_PER_RUN; i++) {
		(void)snprintf(args, sizeof(args), "{\"n\":%d}", i);
		a = ask_of("notes/put", args);
		a.name = STR("notes/put_x");
		a.parent = &run;
		CHECK(!gate_enter(c, &none, s, &a, &e));
		CHECK_EQ_I(e.code, i < APPROVALS_PER_RUN ? ERR_APPROVAL : ERR_RATE);
	}
	gate_leave(&run, &(struct outcome){ .end = END_OK });
	for (int i = 0; i <= APPROVALS_PER_KEY; i++) {
		(void)snprintf(args, sizeof(args), "{\"n\":%d}", i);
		a = ask_of("notes/put_x", args);
		CHECK(!gate_enter(c, &none, k, &a, &e));
		CHECK_EQ_I(e.code, i < APPROVALS_PER_KEY ? ERR_APPROVAL : ERR_RATE);
	}
	CHECK_EQ_I(c->approvals.open_n - before, APPROVALS_PER_KEY + APPROVALS_PER_RUN);
	CHECK(key_set_state(c, k, KEY_REVOKED, STR("local:0"), &e));
	CHECK_EQ_I(c->approvals.open_n - before, APPROVALS_PER_RUN);
	core_close(&c);
	loop_free(&l);
}

static void
reloaded(void *ctx, const struct err *e)
{
	CHECK(e == NULL);
	*(bool *)ctx = true;
}

static void
reload(struct core *c, struct loop *l)
{
	bool done = false;
	struct reload_wait wait = { .fn = reloaded, .ctx = &done };

	core_reload(c, STR("local:0"), &wait);
	while (!done)
		loop_turn(l);
}

#define LINE "forty letters of a reason, one by one .. "

static void
test_reloads(void)
{
	struct ask a = ask_of("notes/put_r", "{}");
	struct approval_request *r;
	struct loop *l;
	struct core *c;
	struct err e;
	bool passed;

	TEST("a request outlives any number of reloads of the same files");
	rules_put("  - approve: notes/put_*\n    reason: " LINE LINE LINE LINE "\n");
	c = open_at(&l);
	r = enter(c, key_for(c, "reloads", "bob"), &a, &passed, &e);
	for (int i = 0; i < 500; i++)
		reload(c, l);
	CHECK_EQ_I(approval_state(r), APPROVAL_WAITING);
	CHECK(answer(r, true, &e));
	CHECK(enter(c, key_for(c, "reloads", "bob"), &a, &passed, &e) == NULL && passed);
	core_close(&c);
	loop_free(&l);
	rules_put(ASKS);
}

/* A server asks its client in between, and by then the session has read something private. */
static void
test_rounds(void)
{
	struct ask a = ask_of("notes/put_a", "{}"), get = ask_of("notes/get", "{}");
	struct approval_request *r;
	struct loop *l;
	struct core *c;
	struct key *k;
	struct err e;
	bool passed;

	rules_put(ASKS "  - label: notes/get\n    as: [private]\n"
		       "  - approve: notes/put_*\n    after: [private]\n    reason: Look\n");
	c = open_at(&l);
	k = key_for(c, "rounds", "bob");
	a.session = get.session = STR("s");

	TEST("the next round of an approved call needs no other yes");
	r = enter(c, k, &a, &passed, &e);
	CHECK(r != NULL && answer(r, true, &e));
	CHECK(enter(c, k, &a, &passed, &e) == NULL && passed);
	a.approval = approval_id(r);
	a.round = 1;
	reload(c, l);
	CHECK(enter(c, k, &a, &passed, &e) == NULL && passed);

	TEST("unless a rule asks by then that has said nothing");
	CHECK(enter(c, k, &get, &passed, &e) == NULL && passed);
	a.round = 2;
	CHECK(enter(c, k, &a, &passed, &e) == NULL && !passed);
	CHECK(e.code == ERR_DENIED && strstr(e.text, "not for all that the rules ask") != NULL);
	core_close(&c);
	loop_free(&l);
	rules_put(ASKS);
	CHECK(verified());
}

static void
told(void *ctx)
{
	++*(int *)ctx;
}

/* More than are still known once they are over, and a call waits for the first. */
static void
test_crowd(void)
{
	int turns = 0;
	struct approval_wait wait = { .fn = told, .ctx = &turns };
	struct approval_request *r, *first = NULL;
	struct loop *l;
	struct core *c = open_at(&l);
	char args[32], name[32];
	struct ask a;
	struct err e;
	bool passed;

	TEST("whoever waits is told, however many expire at once");
	for (int i = 0; i < APPROVALS_OVER_MAX + APPROVALS_PER_KEY; i++) {
		(void)snprintf(args, sizeof(args), "{\"n\":%d}", i);
		(void)snprintf(name, sizeof(name), "crowd-%d", i / APPROVALS_PER_KEY);
		a = ask_of("notes/put_c", args);
		r = enter(c, key_for(c, name, "bob"), &a, &passed, &e);
		if (i == 0)
			first = r;
		CHECK(r != NULL);
	}
	approval_wait(first, &wait);
	advance(l, 600000);
	CHECK_EQ_I(turns, 1);
	CHECK(wait.request == NULL);
	CHECK_EQ_I(c->approvals.over_n, APPROVALS_OVER_MAX);
	core_close(&c);
	loop_free(&l);
}

/* ---- the property ---- */

#define KEYS  3
#define TOOLS 3
#define ARGS  3

struct world {
	struct loop *l;
	struct core *c;
	int64_t passes;
	unsigned seed;
};
static int64_t yes[KEYS][TOOLS][ARGS]; /* that may still let a call pass, a restart later too */
static int64_t yeses, passes;

static const char *const key_names[KEYS] = { "p-ana", "p-ana2", "p-bob" };
static const char *const key_users[KEYS] = { "ana", "ana", "bob" };
static const char *const tools[TOOLS] = { "notes/put_a", "notes/put_b", "notes/get" };
static const char *const args_of[ARGS] = { "{}", "{ }", "{\"a\":1}" };

static unsigned
draw(struct world *w, unsigned n)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (w->seed >> 16) % n;
}

static struct key *
draw_key(struct world *w, unsigned *at)
{
	*at = draw(w, KEYS);
	return key_for(w->c, key_names[*at], key_users[*at]);
}

static void
do_call(struct world *w)
{
	unsigned k, t = draw(w, TOOLS), i = draw(w, ARGS);
	struct key *key = draw_key(w, &k);
	struct ask a = ask_of(tools[t], args_of[i]);
	struct approval_request *r = NULL;
	struct err e;
	bool passed;

	for (unsigned n = draw(w, 8); n > 0; n--) /* often somebody else's, or one that is over */
		r = approval_next(w->c, r);
	if (r != NULL && draw(w, 2) == 0)
		a.approval = approval_id(r);
	a.round = draw(w, 16) == 0 ? 1 + (int64_t)draw(w, 3) : 0;
	a.can_ask = draw(w, 2) == 0;
	(void)enter(w->c, key, &a, &passed, &e);
	if (t == 2) { /* needs none */
		CHECK(passed);
		return;
	}
	if (!passed)
		return;
	w->passes++;
	passes++;
	CHECK(yes[k][t][i] > 0);
	yes[k][t][i]--;
}

static void
yes_note(const struct approval_request *r)
{
	for (int k = 0; k < KEYS; k++)
		for (int t = 0; t < TOOLS; t++)
			for (int i = 0; i < ARGS; i++) {
				struct sha256 h;

				sha256(&h, str_of(args_of[i]));
				if (str_eq(str_of(r->key->name), str_of(key_names[k])) &&
				    str_eq(r->name, str_of(tools[t])) &&
				    memcmp(&h, &r->args, sizeof(h)) == 0) {
					yes[k][t][i]++;
					yeses++;
				}
			}
}

static void
do_answer(struct world *w)
{
	struct approval_request *r = NULL;
	struct approval_answer a = { .yes = draw(w, 4) != 0,
		.way = (enum approval_way)(1 + draw(w, 3)),
		.actor = STR("local:0") };
	struct err e;

	for (unsigned n = 1 + draw(w, 8); n > 0; n--)
		r = approval_next(w->c, r);
	if (r != NULL && approval_answer(r, &a, &e) && approval_state(r) == APPROVAL_GRANTED)
		yes_note(r);
}

static void
do_restart(struct world *w)
{
	core_close(&w->c);
	loop_free(&w->l);
	w->c = open_at(&w->l);
}

static void
do_reload(struct world *w)
{
	static int n;
	char text[600];

	(void)snprintf(text, sizeof(text), "%s# %d\n", ASKS, draw(w, 2) == 0 ? n : ++n);
	rules_put(text);
	reload(w->c, w->l);
}

static void
do_key(struct world *w)
{
	unsigned k;
	struct key *key = draw_key(w, &k);
	struct err e;

	CHECK(key_set_state(w->c, key, KEY_DISABLED, STR("local:0"), &e));
	CHECK(key_set_state(w->c, key, KEY_ACTIVE, STR("local:0"), &e));
}

static int64_t used_rows;

static bool
count_used(void *ctx, int64_t seq, struct str event)
{
	(void)ctx;
	(void)seq;
	used_rows += memmem(event.p, event.n, "\"approval.used\"", 15) != NULL;
	return true;
}

static void
test_property(unsigned seed, int steps)
{
	struct world w = { .seed = seed };
	struct err e;
	int64_t before;

	used_rows = 0;
	CHECK(audit_read(data, &(struct audit_query){ 0 }, count_used, NULL, &e));
	before = used_rows;
	rules_put(ASKS);
	w.c = open_at(&w.l);
	for (int i = 0; i < steps; i++) {
		unsigned what = draw(&w, 200);

		if (what < 110)
			do_call(&w);
		else if (what < 185)
			do_answer(&w);
		else if (what < 194)
			advance(w.l, draw(&w, 400000));
		else if (what < 196)
			do_restart(&w);
		else if (what < 197)
			do_reload(&w);
		else
			do_key(&w);
	}
	core_close(&w.c);
	loop_free(&w.l);
	CHECK(w.passes > 0 && passes <= yeses);
	used_rows = 0;
	CHECK(audit_read(data, &(struct audit_query){ 0 }, count_used, NULL, &e));
	CHECK_EQ_I(used_rows - before, w.passes);
	CHECK(verified());
}

/* ---- kill -9 ---- */

/* Asks, says yes and calls, for ever; what has passed is told only once it is in the journal. */
static void
child_work(int tell, int round)
{
	struct loop *l;
	struct core *c = open_at(&l);
	struct key *k = key_for(c, "killed", "bob");

	for (int n = 0;; n++) {
		struct approval_request *r;
		struct ask a;
		char args[64];
		struct err e;
		bool passed;

		(void)snprintf(args, sizeof(args), "{\"round\":%d,\"n\":%d}", round, n);
		a = ask_of("notes/put_k", args);
		r = enter(c, k, &a, &passed, &e);
		if (r == NULL || !answer(r, true, &e))
			_exit(9);
		if (n % 3 == 0)
			loop_turn(l);
		(void)enter(c, k, &a, &passed, &e);
		if (!passed)
			_exit(8);
		loop_turn(l);
		if (write(tell, &n, sizeof(n)) != (ssize_t)sizeof(n))
			_exit(7);
	}
}

static void
test_kill(int rounds)
{
	TEST("kill -9: what was used before is not good again, whatever else was lost");
	for (int round = 0; round < rounds; round++) {
		int tell[2], n, last = -1, status;
		struct loop *l;
		struct core *c;
		pid_t pid;

		if (pipe(tell) != 0)
			abort();
		pid = fork();
		if (pid == 0)
			child_work(tell[1], round);
		(void)close(tell[1]);
		while (last < 5 + round * 7 && read(tell[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
			last = n;
		(void)kill(pid, SIGKILL);
		while (read(tell[0], &n, sizeof(n)) == (ssize_t)sizeof(n))
			last = n;
		(void)close(tell[0]);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		c = open_at(&l);
		for (int i = 0; i <= last; i++) {
			char args[64];
			struct ask a;
			struct err e;
			bool passed;

			(void)snprintf(args, sizeof(args), "{\"round\":%d,\"n\":%d}", round, i);
			a = ask_of("notes/put_k", args);
			(void)enter(c, key_for(c, "killed", "bob"), &a, &passed, &e);
			CHECK(!passed);
		}
		CHECK(key_set_state(c, key_for(c, "killed", "bob"), KEY_DISABLED, STR("local:0"),
		    &(struct err){ 0 }));
		CHECK(key_set_state(c, key_for(c, "killed", "bob"), KEY_ACTIVE, STR("local:0"),
		    &(struct err){ 0 }));
		core_close(&c);
		loop_free(&l);
		CHECK(verified());
	}
}

/* ---- texts ---- */

static void
test_shown(void)
{
	struct ask a = ask_of("notes/put_\xe2\x80\xae"
			      "a",
	    "{\"x\":\"\xe2\x80\x8b\x1b[31m\"}");
	struct approval_request *r;
	struct loop *l;
	struct core *c = open_at(&l);
	struct buf b;
	struct err e;
	bool passed;

	TEST("nothing invisible reaches whoever decides");
	buf_init(&b, 0);
	r = enter(c, key_for(c, "shown", "bob"), &a, &passed, &e);
	CHECK(r != NULL);
	if (r != NULL) {
		approval_message(r, &b);
		approval_json(r, &b);
		CHECK(memmem(b.p, b.n, "\xe2\x80", 2) == NULL ||
		      memmem(b.p, b.n, "\xe2\x80\xae", 3) == NULL);
		CHECK(memmem(b.p, b.n, "\x1b", 1) == NULL);
		CHECK(memmem(b.p, b.n, "\\u{202e}", 8) != NULL);
		CHECK(memmem(b.p, b.n, "\\u{1b}", 6) != NULL);
	}
	buf_fini(&b);
	core_close(&c);
	loop_free(&l);
}

int
main(int argc, char **argv)
{
	const bool full = argc > 1;

	log_setup(LOG_LEVEL_ERROR + 1, false);
	bundle_make();
	clock_make();
	(void)argv;
	rules_put(ASKS);
	test_binding();
	test_time();
	test_bounds();
	test_shown();
	test_reloads();
	test_rounds();
	test_crowd();
	TEST("no sequence lets one approval pass two calls");
	for (unsigned seed = 1; seed <= (full ? 200u : 12u); seed++)
		test_property(seed, 600);
	(void)printf("  %lld yeses, %lld calls passed\n", (long long)yeses, (long long)passes);
	rules_put(ASKS);
	test_kill(full ? 50 : 4);
	bundle_drop();
	return check_done();
}
