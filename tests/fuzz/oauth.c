/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server's challenge, its issuer's documents and its token endpoint say, in any bytes: the
 * first line is WWW-Authenticate, then each "\n--\n" begins the next answer (its first byte is
 * the status).  A sign-in or a client's own grant goes through all of it, without a network.
 *
 * Whatever comes: nobody waits for ever, nothing is asked over plain http outside of loopback,
 * what a stranger names is never trusted, and no token that breaks a header is kept.
 */
#include <stdlib.h>
#include <string.h>

#include "mcp/oauth.c"
#include "mcp/oauth_keep.c"
#include "mcp/oauth_sign_in.c"
#include "mcp/oauth_words.c"
#define text_member discover_text_member
#include "mcp/oauth_discover.c"
#undef text_member
#undef ARENA_BYTES
#define text_member token_text_member
#include "mcp/oauth_token.c"
#undef text_member

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static struct {
	fetch_f *done;
	void *ctx;
	int asked, answered;
	char address[65537];
} net;

struct fetch *
fetch_start(const struct fetch_from *from, struct job *parent, const struct fetch_ask *a,
    fetch_f *done, void *ctx, struct err *e)
{
	struct url u;
	bool own;

	(void)from;
	(void)parent;
	if (!url_parse(a->url, &u) || (!u.https && !(a->trusted && url_is_loopback(&u)))) {
		(void)err_set(e, ERR_INVALID, "not to be asked");
		return NULL;
	}
	own = str_ieq(u.origin, STR("https://mcp.example"));
	must(a->trusted == own);
	for (size_t i = 0; i < a->n; i++)
		must(!str_has(a->h[i].value, '\n') && !str_has(a->h[i].value, '\r'));
	must(net.done == NULL); /* one after the other */
	net.done = done;
	net.ctx = ctx;
	net.asked++;
	must(net.asked < 100);
	return (struct fetch *)&net; // NOLINT: never looked into
}

static void
heard(void *ctx, struct str text, const struct err *e)
{
	(void)ctx;
	net.answered++;
	if (e == NULL)
		(void)str_copy(net.address, sizeof(net.address), text);
}

static struct str
next(struct str *rest)
{
	struct str all = *rest, head;
	const char *at = rest->n == 0 ? NULL : memmem(rest->p, rest->n, "\n--\n", 4);

	if (at == NULL) {
		*rest = STR("");
		return all;
	}
	head = STR_SPAN(all.p, at);
	*rest = STR_SPAN(at + 4, all.p + all.n);
	return head;
}

/* Answers what is asked until nothing is; an exhausted input is a network that is down. */
static void
talk(struct str *rest)
{
	static const int statuses[] = { 200, 201, 400, 401, 404, 500 };
	struct err e;

	while (net.done != NULL) {
		struct str one = next(rest), body = { one.p + 1, one.n > 0 ? one.n - 1 : 0 };
		fetch_f *done = net.done;

		net.done = NULL;
		(void)err_set(&e, ERR_UPSTREAM, "down");
		if (one.n == 0)
			done(net.ctx, 0, STR(""), &e);
		else
			done(net.ctx, statuses[(unsigned char)one.p[0] % COUNT(statuses)], body,
			    NULL);
	}
}

static void
sign_in_through(struct oauth *o, struct str *rest)
{
	struct oauth_wait w = { .fn = heard }, back = { .fn = heard };
	struct sign_in_answer a = { .code = STR("c") };
	struct sign_in *si;

	link_init(&w.link);
	link_init(&back.link);
	oauth_sign_in(o, STR("acme/payments/ann"), STR(""), &w);
	talk(rest);
	must(net.answered == 1 && link_empty(&o->asked));
	if (link_empty(&o->signs))
		return;
	must(strstr(net.address, "code_challenge_method=S256") != NULL || net.address[0] == '\0');
	si = CONTAINER(o->signs.next, struct sign_in, link);
	a.state = str_of(si->state);
	a.iss = next(rest);
	net.answered = 0;
	must(oauth_returned(o, &a, &back));
	talk(rest);
	must(net.answered == 1);
	must(!oauth_returned(o, &a, &back)); /* good once */
}

static void
refuse_through(
    struct oauth *o, struct str owner, struct str challenge, int status, struct str *rest)
{
	struct oauth_refusal r = { .status = status, .challenge = challenge };
	struct oauth_wait w = { .fn = heard };
	struct grant *g = grant_of(o, owner);
	struct str token = STR("");
	enum oauth_now now;
	struct err e;

	link_init(&w.link);
	net.answered = 0;
	r.token = text_of(g->k.access);
	now = oauth_refused(o, owner, &r, &w, &token, &e);
	talk(rest);
	must(net.answered == (now == OAUTH_LATER));
	must(!g->busy && link_empty(&g->waits) && g->exchange == NULL);
	must(g->k.access == NULL || is_token(g->k.access));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct loop *loop;
	struct str rest = { (const char *)data, size }, challenge;
	bool person = size > 0 && (data[0] & 1) != 0;
	struct oauth_settings s = { .grant = person ? OAUTH_CODE : OAUTH_CLIENT_CREDENTIALS,
		.client_id = person ? STR("") : STR("gate"),
		.client_secret = person ? STR("") : STR("secret"),
		.per_user = person };
	struct server_settings ss = {
		.name = "x", .url = "https://mcp.example/a/mcp", .oauth = &s
	};
	struct hub hub = { .magic = HUB_MAGIC, .base_url = "https://gate.example" };
	struct server sv = {
		.magic = SERVER_MAGIC, .hub = &hub, .s = &ss, .state = SERVER_DISABLED
	};
	struct str owner = person ? STR("acme/payments/ann") : STR("");
	struct oauth *o;
	struct err e;

	if (loop == NULL) {
		loop = loop_new(&e);
		log_setup(LOG_LEVEL_ERROR, false);
		must(loop != NULL);
	}
	sv.loop = hub.loop = loop;
	sv.name = str_of(ss.name);
	net.done = NULL;
	net.asked = net.answered = 0;
	net.address[0] = '\0';
	job_init(&hub.job, &oauth_job, NULL, NULL, NULL);
	o = oauth_new(&sv);
	challenge = next(&rest);
	if (person)
		sign_in_through(o, &rest);
	refuse_through(o, owner, challenge, 401, &rest);
	refuse_through(o, owner, challenge, 403, &rest);
	refuse_through(o, owner, challenge, 401, &rest);
	job_cancel(&hub.job);
	jobs_reap();
	oauth_free(&o);
	return 0;
}
