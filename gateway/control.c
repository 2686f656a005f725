/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - /admin/api on DATA/control.sock, and over TCP where `admin` is served.
 *
 * The socket is 0600 and the peer's uid is checked all the same: ours or root is Admin and appears
 * in the audit as local:UID.  Over TCP an admin token is needed, whose id appears there.  A script
 * run from the shell is a call of the hub's `lua` with the key's own rights.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/admin.h"

#define SYNC_PATH   "/admin/api/sync"
#define RELOAD_PATH "/admin/api/reload"

/* A reply that waits: of a change until it is in the journal, of a sync until everything recorded
 * so far is in the database, where other processes read it. */
struct answer {
	struct job job;
	struct exchange *x;
	struct deferred durable;
	struct reload_wait reload;
	struct buf body;
};

static void
answer_stop(struct job *j)
{
	struct answer *a = CONTAINER(j, struct answer, job);

	deferred_drop(&a->durable);
	reload_wait_drop(&a->reload);
}

static void
answer_reap(struct job *j)
{
	struct answer *a = CONTAINER(j, struct answer, job);

	buf_fini(&a->body);
	free(a);
}

static const struct job_type answer_type = { "answer", answer_stop, answer_reap };

static void
answer_send(void *ctx)
{
	struct answer *a = ctx;

	exchange_reply(a->x, 200, STR("application/json"), buf_str(&a->body));
}

static void
reloaded(void *ctx, const struct err *e)
{
	struct answer *a = ctx;

	if (e != NULL) {
		exchange_refuse(a->x, e);
		return;
	}
	core_policies_json(a->x->g->core, &a->body);
	core_when_durable(a->x->g->core, &a->durable, answer_send, a);
}

/* Policies and certificates. */
static void
reload_start(struct answer *a, const struct admin_request *r)
{
	a->reload.fn = reloaded;
	a->reload.ctx = a;
	listen_reload(a->x->g->listeners);
	core_reload(r->core, r->actor, &a->reload);
}

/* A key that ends is in the database and its anchor, both synced, before anybody is told; unless
 * the database cannot be written: it ends all the same, and the journal has it. */
static bool
ends_keys(const struct admin_request *r)
{
	struct err e;

	return (str_eq(r->path, STR("/admin/api/keys/state")) ||
		   str_eq(r->path, STR("/admin/api/keys/rotate"))) &&
	       core_ready(r->core, &e);
}

static void
answer(struct exchange *x, const struct admin_request *r)
{
	struct answer *a = mem_zalloc(sizeof(*a));
	const bool sync = str_eq(r->path, STR(SYNC_PATH));
	struct err e;

	a->x = x;
	buf_init(&a->body, 0);
	job_init(&a->job, &answer_type, &x->job, NULL, NULL);
	if (str_eq(r->path, STR(RELOAD_PATH)) && str_eq(r->method, STR("POST")))
		reload_start(a, r);
	else if (!sync && !admin_answer(r, &a->body, &e))
		exchange_refuse(x, &e);
	else if (sync || ends_keys(r))
		core_when_committed(r->core, &a->durable, answer_send, a);
	else
		core_when_durable(r->core, &a->durable, answer_send, a);
}

struct script {
	struct job job;
	struct exchange *x;
};

static void
script_reap(struct job *j)
{
	free(CONTAINER(j, struct script, job));
}

static const struct job_type script_type = { "script", NULL, script_reap };

static void
script_done(void *ctx, struct str result_json, const struct err *e)
{
	struct script *s = ctx;
	struct exchange *x = s->x;
	struct str meta, report;
	struct err why;

	if (e != NULL) {
		why = *e;
		exchange_refuse(x, &why);
	} else if (json_get(result_json, STR("_meta"), &meta) &&
		   json_get(meta, STR(CODEMODE_REPORT_KEY), &report)) {
		exchange_reply(x, 200, STR("application/json"), report);
	} else {
		(void)err_set(&why, ERR_INTERNAL, "the run left no report");
		exchange_refuse(x, &why);
	}
}

struct script_ask { /* of the body: raw values, p NULL when absent */
	struct str key, code, resume, plan, replay;
};

static bool
script_read(struct exchange *x, struct script_ask *a, struct err *e)
{
	struct json_field f[] = { { STR("key"), STR_NONE }, { STR("code"), STR_NONE },
		{ STR("resume"), STR_NONE }, { STR("plan"), STR_NONE },
		{ STR("replay"), STR_NONE } };

	if (!json_check(x->body, true, e) || !json_fields(x->body, f, COUNT(f), e))
		return false;
	*a = (struct script_ask){ f[0].raw, f[1].raw, f[2].raw, f[3].raw, f[4].raw };
	return a->code.p != NULL || a->replay.p != NULL ||
	       err_set(e, ERR_INVALID, "the script's text is missing");
}

/* Whose rights it has; NULL: *e. */
static struct key *
script_key(struct exchange *x, const struct script_ask *a, struct err *e)
{
	struct str name = STR("");
	struct key *k;

	if (a->replay.p != NULL) {
		(void)json_string(a->replay, &x->arena, &name);
		k = codemode_run_key(x->g->codemode, name);
		if (k == NULL)
			(void)err_set(e, ERR_NOT_FOUND,
			    "there is no run \"" STR_FMT
			    "\" in the journal (tollgate audit query --name run)",
			    STR_ARG(str_clip(name, 40)));
		return k;
	}
	if (a->key.p != NULL)
		(void)json_string(a->key, &x->arena, &name);
	k = key_named(x->g->core, name);
	if (k == NULL)
		(void)err_set(e, ERR_NOT_FOUND,
		    "no key is called \"" STR_FMT "\" (tollgate key list)", STR_ARG(name));
	return k;
}

/* Where scripts are off, `lua` is a name that nobody knows; who asks here may know why. */
static bool
script_offered(struct exchange *x, struct key *k, struct err *e)
{
	struct code_offer o;
	struct buf how;

	hub_code_offer(x->g->hub, k, NULL, &o);
	if (o.mode != CODE_MODE_OFF)
		return true;
	buf_init(&how, 0);
	code_offer_put(&o, &how);
	(void)err_set(
	    e, ERR_NOT_FOUND, "this key is offered no scripts: " STR_FMT, STR_ARG(buf_str(&how)));
	buf_fini(&how);
	return false;
}

/* {"key","code","resume","plan":bool} or {"replay":RUN}.  The run is the key's, with all that it
 * may do; its client is who asked. */
static void
script_run(struct exchange *x, struct str actor)
{
	struct script_ask a;
	struct script *s;
	struct key *k;
	struct buf args, meta;
	struct err e;
	bool on = false;

	if (!script_read(x, &a, &e) || (k = script_key(x, &a, &e)) == NULL ||
	    !script_offered(x, k, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	s = mem_zalloc(sizeof(*s));
	s->x = x;
	job_init(&s->job, &script_type, &x->job, NULL, NULL);
	buf_init(&args, 0);
	buf_init(&meta, 0);
	buf_puts(&args, "{\"code\":");
	buf_put(&args, a.replay.p != NULL ? STR("\"\"") : a.code);
	if (a.replay.p != NULL || a.resume.p != NULL) {
		buf_puts(&args, ",\"resume\":");
		buf_put(&args, a.replay.p != NULL ? a.replay : a.resume);
	}
	buf_putc(&args, '}');
	buf_puts(&meta, "{\"" CODEMODE_REPORT_KEY "\":true");
	if (a.plan.p != NULL && json_bool(a.plan, &on) && on)
		buf_puts(&meta, ",\"" CODEMODE_PLAN_KEY "\":true");
	if (a.replay.p != NULL)
		buf_puts(&meta, ",\"" CODEMODE_REPLAY_KEY "\":true");
	buf_putc(&meta, '}');
	if (hub_call(x->g->hub, &s->job,
		&(struct call_ask){ .key = k,
		    .name = STR("lua"),
		    .args = arena_str(&x->arena, buf_str(&args)),
		    .client = actor,
		    .address = conn_peer(x->conn),
		    .meta = arena_str(&x->arena, buf_str(&meta)) },
		script_done, s, &e) == NULL)
		exchange_refuse(x, &e);
	buf_fini(&args);
	buf_fini(&meta);
}

/* A virtual key needs a rule: admin:key.create. */
static bool
admin_granted(struct exchange *x, const struct admin_request *r, struct err *e)
{
	char operation[ADMIN_OPERATION_BYTES];
	struct ask a = { .kind = ASK_ADMIN,
		.client = exchange_header(x, STR("user-agent")),
		.address = x->client };

	if (!admin_operation(r, operation, e))
		return false;
	a.name = a.requested = str_of(operation);
	return gate_pass(r->core, x->key, &a, e);
}

/* Whose request, as the audit names them; false: refused. */
static bool
actor_of(struct exchange *x, struct admin_request *r)
{
	struct key_info i;
	struct err e;

	if ((conn_tag(x->conn) & SERVES_CONTROL) == 0) {
		if (!exchange_identify_admin(x))
			return false;
		key_info(x->key, &i);
		r->actor = i.id;
		r->key = i.admin ? NULL : x->key;
		if (i.admin || admin_granted(x, r, &e))
			return true;
		exchange_refuse(x, &e);
		return false;
	}
	r->actor = conn_peer(x->conn);
	if (conn_uid(x->conn) == 0 || conn_uid(x->conn) == getuid())
		return true;
	(void)err_set(&e, ERR_DENIED, "only the gateway's own user and root may do this");
	exchange_refuse(x, &e);
	return false;
}

void
control_request(struct exchange *x)
{
	struct admin_request r = { .core = x->g->core,
		.hub = x->g->hub,
		.webhook = x->g->webhook,
		.codemode = x->g->codemode,
		.method = x->head->method,
		.path = x->path,
		.query = x->query,
		.body = x->body };

	if (!actor_of(x, &r))
		return;
	if (str_eq(x->path, STR("/admin/api/script"))) {
		script_run(x, r.actor);
		return;
	}
	if (str_eq(x->path, STR("/admin/api/servers/sign-in"))) {
		sign_in_command(x, r.actor);
		return;
	}
	answer(x, &r);
}
