/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - /admin/api on DATA/control.sock.
 *
 * The socket is 0600 and the peer's uid is checked all the same: ours or root is Admin and appears
 * in the audit as local:UID.  A script run from the shell is a call of the hub's `lua` with the
 * key's own rights.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/json.h"
#include "gateway/admin.h"

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

/* {"key":…,"code":…} */
static void
script_run(struct exchange *x)
{
	struct str raw, name = STR("");
	struct script *s;
	struct key *k;
	struct buf args;
	struct err e;

	if (!json_check(x->body, true, &e)) {
		exchange_refuse(x, &e);
		return;
	}
	if (json_get(x->body, STR("key"), &raw))
		(void)json_string(raw, &x->arena, &name);
	k = key_named(x->g->core, name);
	if (k == NULL || !json_get(x->body, STR("code"), &raw)) {
		if (k == NULL)
			(void)err_set(&e, ERR_NOT_FOUND,
			    "no key is called \"" STR_FMT "\" (tollgate key list)", STR_ARG(name));
		else
			(void)err_set(&e, ERR_INVALID, "the script's text is missing");
		exchange_refuse(x, &e);
		return;
	}
	s = mem_zalloc(sizeof(*s));
	s->x = x;
	job_init(&s->job, &script_type, &x->job, NULL, NULL);
	buf_init(&args, 0);
	buf_printf(&args, "{\"code\":" STR_FMT "}", STR_ARG(raw));
	if (hub_call_tool(x->g->hub, &s->job,
		&(struct call_ask){ .key = k,
		    .name = STR("lua"),
		    .args = arena_str(&x->arena, buf_str(&args)),
		    .client = conn_peer(x->conn),
		    .meta = STR("{\"" CODEMODE_REPORT_KEY "\":true}") },
		script_done, s, &e) == NULL)
		exchange_refuse(x, &e);
	buf_fini(&args);
}

void
control_request(struct exchange *x)
{
	struct admin_request r = { .core = x->g->core,
		.hub = x->g->hub,
		.method = x->head->method,
		.path = x->path,
		.query = x->query,
		.body = x->body,
		.actor = conn_peer(x->conn) };
	struct buf out;
	struct err e;

	if (conn_uid(x->conn) != 0 && conn_uid(x->conn) != getuid()) {
		(void)err_set(&e, ERR_DENIED, "only the gateway's own user and root may do this");
		exchange_refuse(x, &e);
		return;
	}
	if (str_eq(x->path, STR("/admin/api/script"))) {
		script_run(x);
		return;
	}
	buf_init(&out, 0);
	if (admin_answer(&r, &out, &e))
		exchange_reply(x, 200, STR("application/json"), buf_str(&out));
	else
		exchange_refuse(x, &e);
	buf_fini(&out);
}
