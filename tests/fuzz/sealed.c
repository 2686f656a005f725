/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What clients carry for us and hand back: requestState, list cursors, ids of legacy sessions.
 *
 *   byte 0   which of the three
 *   byte 1   RAW      the rest is the text itself
 *            CHANGED  the rest are edits of a genuine one: flip, cut, insert, delete
 *            SEALED   the rest is a plaintext, truly sealed: whatever a seal holds must be read
 *                     without a crash
 *            MOVED    a genuine one elsewhere: another key's, another request's, too old, of
 *                     another gateway, another of the three
 *
 * Only the genuine text, whole, in its own place, is taken: everything else is refused.  That holds
 * for what random bytes can never hit as well, because the genuine one is at hand to be broken.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "mcp/park.h"
#include "mcp/serve.h"
#include "mcp/view.h"
#include "policies/core.h"

enum { STATE, CURSOR, SESSION, KINDS };
enum { RAW, CHANGED, SEALED, MOVED, WAYS };
enum { OTHER_KEY, OTHER_REQUEST, OLD, OTHER_GATEWAY, OTHER_KIND, PLACES };

struct heard {
	struct sink sink;
	int status;
};
struct world {
	struct loop *loop;
	struct hub *before, *now, *foreign; /* before: the same gateway, until its restart */
	struct key ann, bob;
	char ann_id[8], bob_id[8];
	struct sha256 request, another;
	struct buf genuine[KINDS], old[KINDS];
};

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* ---- who reads them ---- */

static void
reply_head(struct sink *s, int status, const struct header *h, size_t n, int64_t length)
{
	(void)h;
	(void)n;
	(void)length;
	CONTAINER(s, struct heard, sink)->status = status;
}

static size_t
reply_push(struct sink *s, struct str bytes)
{
	(void)s;
	(void)bytes;
	return 1000000;
}

static void
reply_end(struct sink *s, const struct err *e)
{
	(void)s;
	must(e == NULL);
}

static const struct http1_head no_headers;

static const struct sink_type reply_type = { reply_head, reply_push, reply_end, NULL };

/* {"NAME":"TEXT"}, the text whole, whatever is in it; false when it is too long. */
static bool
params_put(struct buf *b, const char *name, struct str text)
{
	struct err e;

	buf_init(b, 0);
	buf_printf(b, "{\"%s\":", name);
	buf_json_str(b, text);
	buf_putc(b, '}');
	return buf_ok(b) && json_check(buf_str(b), true, &e);
}

static bool
state_taken(struct hub *h, struct key *k, const struct sha256 *request, struct str text)
{
	struct answer an = { .v.hub = h, .key = k };
	struct call_ask a = { .key = k };
	struct buf params, scratch;
	bool ok = false;

	buf_init(&scratch, 0);
	if (params_put(&params, "requestState", text)) {
		struct rpc m = { .params = buf_str(&params) };

		ok = park_resume(&an, &m, request, &a, &scratch) != PARK_BAD;
		/* Nothing is parked here. */
		must(!ok || a.request_state.p != NULL || a.approval.n > 0);
	}
	buf_fini(&scratch);
	buf_fini(&params);
	return ok;
}

static bool
cursor_taken(struct hub *h, struct key *k, struct str text)
{
	struct heard heard = { .sink = { .type = &reply_type } };
	struct mcp_request r = { .key = k, .head = &no_headers };
	struct visit v = { .hub = h, .sink = &heard.sink, .r = &r, .structural_400 = true };
	struct buf params;
	bool ok = false;

	if (params_put(&params, "cursor", text)) {
		struct rpc m = {
			.id = STR("1"), .method = "tools/list", .params = buf_str(&params)
		};

		must(serve_list(&v, &m));
		must(heard.status == 200 || heard.status == 400);
		ok = heard.status == 200;
	}
	buf_fini(&params);
	return ok;
}

static bool
session_taken(struct hub *h, struct key *k, struct str text)
{
	struct mcp_request r = { .key = k, .head = &no_headers };
	struct visit v = { .hub = h, .r = &r };
	struct session *s = session_find(&v, text);

	if (s == NULL)
		return false;
	session_end(s);
	return true;
}

static bool
taken(struct world *w, int kind, struct hub *h, struct key *k, struct str text)
{
	if (kind == STATE)
		return state_taken(h, k, &w->request, text);
	return kind == CURSOR ? cursor_taken(h, k, text) : session_taken(h, k, text);
}

/* ---- genuine ones ---- */

static void
state_make(struct world *w, struct hub *h, struct buf *out)
{
	struct answer an = { .v.hub = h, .key = &w->ann, .digest = w->request };
	struct str state;
	struct buf b;

	buf_init(&b, 0);
	park_seal_result(&b, &an, STR("{\"requestState\":\"of the server\"}"));
	must(json_get(buf_str(&b), STR("requestState"), &state) && state.n > 2);
	buf_put(out, (struct str){ state.p + 1, state.n - 2 });
	buf_fini(&b);
}

/* Only a list of more than a page has one, so it is written here: list, generation, row. */
static void
cursor_make(struct world *w, struct hub *h, struct buf *out)
{
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "%d:%llu:0", VIEW_TOOLS, (unsigned long long)h->generation);
	must(aead_seal(out, h->seal_key, str_of(w->ann_id), buf_str(&b)));
	buf_fini(&b);
}

static void
session_make(struct world *w, struct hub *h, struct buf *out)
{
	struct mcp_request r = { .key = &w->ann, .head = &no_headers };
	struct visit v = { .hub = h, .r = &r };
	struct err e;
	struct session *s = session_new(&v, "2025-11-25", 0, &e);

	must(s != NULL);
	buf_put(out, str_of(s->id));
}

static void
all_make(struct world *w, struct buf *out)
{
	for (int i = 0; i < KINDS; i++)
		buf_init(&out[i], 0);
	state_make(w, w->now, &out[STATE]);
	cursor_make(w, w->now, &out[CURSOR]);
	session_make(w, w->before, &out[SESSION]);
}

/* ---- the world ---- */

static void
key_make(struct key *k, char *id, const char *text)
{
	(void)str_copy(id, 8, str_of(text));
	k->magic = KEY_MAGIC;
	k->id = id;
	k->name = k->customer = k->team = k->user = id;
	k->state = KEY_ACTIVE;
	link_init(&k->watches);
}

static struct clock_page *
clock_make(struct loop *l)
{
	int fd = memfd_create("clock", MFD_CLOEXEC);
	struct clock_page *p;
	struct err e;

	must(fd >= 0 && ftruncate(fd, 4096) == 0);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	atomic_store(&p->wall_ns, 1787306400000000000ll);
	atomic_store(&p->mono_ms, 1000000ll);
	atomic_store(&p->magic, CLOCK_PAGE_MAGIC);
	must(loop_use_clock(l, fd, &e));
	(void)close(fd);
	return p;
}

static void
days_pass(struct world *w, struct clock_page *p, int days)
{
	uint64_t one = 1;

	atomic_fetch_add(&p->wall_ns, days * 86400000000000ll);
	must(write(p->wake_fd, &one, sizeof(one)) == sizeof(one));
	loop_turn(w->loop);
	loop_turn(w->loop); /* the turn that answers has the new time */
	must(loop_wall_ns(w->loop) == atomic_load(&p->wall_ns));
}

static struct world *
world_make(void)
{
	/* Drawn anew: what an earlier run has learned must be worth nothing in this one. */
	uint8_t key[AEAD_KEY_BYTES], other[AEAD_KEY_BYTES];
	struct hub_settings s = { .seal_key = key }, t = { .seal_key = other };
	struct world *w = mem_zalloc(sizeof(*w));
	struct clock_page *page;
	struct err e;

	crypto_random(key, sizeof(key));
	crypto_random(other, sizeof(other));
	log_setup(LOG_LEVEL_ERROR, false);
	w->loop = loop_new(&e);
	must(w->loop != NULL);
	page = clock_make(w->loop);
	key_make(&w->ann, w->ann_id, "k_ann");
	key_make(&w->bob, w->bob_id, "k_bob");
	sha256(&w->request, STR("a request"));
	sha256(&w->another, STR("another"));
	w->before = hub_new(w->loop, NULL, NULL, &s, &e);
	w->now = hub_new(w->loop, NULL, NULL, &s, &e);
	w->foreign = hub_new(w->loop, NULL, NULL, &t, &e);
	must(w->before != NULL && w->now != NULL && w->foreign != NULL);
	all_make(w, w->old);
	days_pass(w, page, 8);
	w->now->generation++;
	w->foreign->generation++;
	all_make(w, w->genuine);
	return w;
}

/* ---- the four ways ---- */

/* Three bytes each: what, where, with what. */
static void
edit(struct buf *text, struct str edits)
{
	for (; edits.n >= 3 && text->n > 0; edits.n -= 3, edits.p += 3) {
		size_t at = (uint8_t)edits.p[1] * text->n / 256;

		switch ((uint8_t)edits.p[0] % 5) {
		case 0:
			text->p[at] = (char)(text->p[at] ^ edits.p[2]);
			break;
		case 1:
			text->n = at;
			break;
		case 2:
			buf_putc(text, edits.p[2]);
			break;
		case 3:
			memmove(text->p + at, text->p + at + 1, text->n - at - 1);
			text->n--;
			break;
		default:
			text->p[at] = edits.p[2];
			break;
		}
	}
}

static void
changed(struct world *w, int kind, struct str edits)
{
	struct str genuine = buf_str(&w->genuine[kind]);
	struct buf text;

	buf_init(&text, 0);
	buf_put(&text, genuine);
	edit(&text, edits);
	must(taken(w, kind, w->now, &w->ann, buf_str(&text)) == str_eq(buf_str(&text), genuine));
	buf_fini(&text);
}

static void
sealed(struct world *w, int kind, struct str plain)
{
	struct str aad = kind == SESSION ? STR("mcp-session") : str_of(w->ann_id);
	struct buf text;

	buf_init(&text, 0);
	must(aead_seal(&text, w->now->seal_key, aad, plain));
	(void)taken(w, kind, w->now, &w->ann, buf_str(&text));
	must(!taken(w, kind, w->now, &w->bob, buf_str(&text)) ||
	     (kind == SESSION && str_starts(plain, STR("k_bob|"))));
	must(!taken(w, kind, w->foreign, &w->ann, buf_str(&text)));
	buf_fini(&text);
}

static void
moved(struct world *w, int kind, struct str rest)
{
	struct str text = buf_str(&w->genuine[kind]);
	int place = rest.n > 0 ? (uint8_t)rest.p[0] % PLACES : 0;
	int by = rest.n > 1 ? (uint8_t)rest.p[1] % (KINDS - 1) : 0;

	must(taken(w, kind, w->now, &w->ann, text));
	if (place == OTHER_KEY)
		must(!taken(w, kind, w->now, &w->bob, text));
	else if (place == OTHER_REQUEST)
		must(!state_taken(w->now, &w->ann, &w->another, text));
	else if (place == OLD)
		must(!taken(w, kind, w->now, &w->ann, buf_str(&w->old[kind])));
	else if (place == OTHER_GATEWAY)
		must(!taken(w, kind, w->foreign, &w->ann, text));
	else
		must(!taken(w, (kind + 1 + by) % KINDS, w->now, &w->ann, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world *w;
	struct str rest;
	int kind;

	if (w == NULL)
		w = world_make();
	if (size < 2)
		return 0;
	kind = data[0] % KINDS;
	rest = (struct str){ (const char *)data + 2, size - 2 };
	if (data[1] % WAYS == RAW)
		/* The fuzzer reads the genuine text out of comparisons. */
		must(taken(w, kind, w->now, &w->ann, rest) ==
		     str_eq(rest, buf_str(&w->genuine[kind])));
	else if (data[1] % WAYS == CHANGED)
		changed(w, kind, rest);
	else if (data[1] % WAYS == SEALED)
		sealed(w, kind, rest);
	else
		moved(w, kind, rest);
	return 0;
}
