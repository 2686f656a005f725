/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run - `tollgate run`: builds the parts bottom-up, serves, drains, takes them down.
 *
 *   settings -> loop -> core -> http pool -> hub + sandbox + code mode -> listeners -> ready
 *
 * Ready means: every tool server has answered or failed once, and the sandbox has proved itself;
 * then DATA/run.json is written atomically, which is what scripts wait for.  SIGTERM or SIGINT
 * drains: no new connections, open replies get DRAIN_MS, then what is left is cancelled and
 * settled, and the tool servers get the time of hub_leave() to end.  A second one ends all at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "gateway/cli.h"
#include "gateway/identity.h"
#include "gateway/settings.h"

#define DRAIN_MS      10000
#define SETTLE_MS     5    /* how often readiness is looked at */
#define SETTLE_MAX_MS 6000 /* a server that hangs does not hold the start for ever */

struct running {
	struct gateway g;
	struct settings *settings;
	struct timer settle, drain;
	struct deferred look;
	int64_t started_ms;
	int port, ports[SETTINGS_LISTEN_MAX]; /* port: of the first address */
	char kept[4096];
	bool ready;
};

/* ---- ready ---- */

static const char *
data_path(const struct running *r, const char *name, char out[4096])
{
	(void)snprintf(out, 4096, "%s/%s", r->settings->data, name);
	return out;
}

bool
file_replace(const char *path, struct str text)
{
	char tmp[4200];
	int fd;
	bool ok;

	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ok = fd >= 0 && write(fd, text.p, text.n) == (ssize_t)text.n;
	if (fd >= 0)
		(void)close(fd);
	return ok && rename(tmp, path) == 0;
}

static void
run_json(struct running *r)
{
	char path[4096], control[4096];
	struct buf b;

	buf_init(&b, 0);
	buf_printf(&b, "{\"pid\":%d,\"listen\":[", (int)getpid());
	for (size_t i = 0; i < r->settings->listen_n; i++) {
		const char *address = r->settings->listen[i].address;
		const char *colon = strrchr(address, ':');
		int host = colon == NULL ? 0 : (int)(colon - address);

		buf_printf(&b, "%s\"%.*s:%d\"", i > 0 ? "," : "", host, address, r->ports[i]);
	}
	buf_puts(&b, "],\"control\":");
	buf_json_str(&b, str_of(data_path(r, "control.sock", control)));
	buf_puts(&b, "}\n");
	if (!file_replace(data_path(r, "run.json", path), buf_str(&b)))
		log_error(NULL, "cannot write run.json", F_INT("errno", errno));
	buf_fini(&b);
}

static void
settle(void *ctx)
{
	struct running *r = ctx;
	int64_t waited = loop_mono_ms(r->g.loop) - r->started_ms;
	if (r->ready || r->g.draining)
		return;
	bool sandbox = r->g.sandbox == NULL || sandbox_level(r->g.sandbox) != SANDBOX_STARTING;

	if ((!hub_settled(r->g.hub) || !sandbox) && waited < SETTLE_MAX_MS) {
		timer_set(r->g.loop, &r->settle, SETTLE_MS, settle, r);
		return;
	}
	r->ready = true;
	log_info(NULL, "ready", F_INT("port", r->port), F_INT("ms", waited),
	    F_TEXT("sandbox", r->g.sandbox == NULL
				  ? "unavailable"
				  : sandbox_level_word(sandbox_level(r->g.sandbox))));
	first_tell(&r->g, r->port);
	run_json(r); /* last: who waits for it finds everything else */
}

/* Also without a timer: under a test clock that stands still, none fires. */
static void
look_again(void *ctx)
{
	struct running *r = ctx;

	if (!r->ready && r->g.listeners != NULL)
		loop_defer(r->g.loop, &r->look, settle, r);
}

static void
sandbox_changed(void *ctx, enum sandbox_level level)
{
	(void)level;
	look_again(ctx);
}

/* ---- stop ---- */

static void
stop_now(void *ctx)
{
	struct running *r = ctx;

	loop_stop(r->g.loop);
}

static void
exchanges_cut(struct running *r)
{
	while (!link_empty(&r->g.exchanges))
		job_cancel(&CONTAINER(r->g.exchanges.next, struct exchange, link)->job);
}

/* Nothing is open, or its time is over: the tool servers end, which hub_leave() bounds. */
static void
servers_leave(void *ctx)
{
	struct running *r = ctx;

	timer_stop(&r->settle);
	timer_stop(&r->drain);
	exchanges_cut(r);
	hub_leave(r->g.hub, stop_now, r);
}

static void
drained(void *ctx)
{
	struct running *r = ctx;

	if (link_empty(&r->g.exchanges))
		servers_leave(r);
	else
		timer_set(r->g.loop, &r->settle, 20, drained, r);
}

static void
on_signal(void *ctx, int signo)
{
	struct running *r = ctx;

	if (signo == SIGHUP) {
		listen_reload(r->g.listeners);
		core_reload(r->g.core, STR("signal"), NULL);
		return;
	}
	if (r->g.draining) {
		loop_stop(r->g.loop);
		return;
	}
	log_info(NULL, "draining", F_INT("signal", signo));
	r->g.draining = true;
	listen_drain(r->g.listeners);
	timer_set(r->g.loop, &r->drain, DRAIN_MS, servers_leave, r);
	drained(r);
}

/* ---- parts ---- */

static bool
providers_build(struct running *r, struct err *e)
{
	struct settings *s = r->settings;
	struct models *m = &r->g.models;

	m->providers = mem_zalloc((s->providers_n + 1) * sizeof(*m->providers));
	m->rows = mem_zalloc((s->models_n + 1) * sizeof(*m->rows));
	m->aliases = mem_zalloc((s->aliases_n + 1) * sizeof(*m->aliases));
	for (; m->providers_n < s->providers_n; m->providers_n++) {
		struct provider_entry *from = &s->providers[m->providers_n];
		struct provider *p = &m->providers[m->providers_n];

		*p = (struct provider){ .name = from->name,
			.kind = from->kind,
			.key = from->key,
			.missing = from->missing,
			.prefetch = from->prefetch };
		if (from->missing.n > 0)
			continue;
		p->origin = origin_new(r->g.pool,
		    &(struct origin_settings){
			.url = from->url, .ca_file = from->ca_file, .proxy = from->proxy },
		    e);
		if (p->origin == NULL)
			return false;
	}
	for (; m->rows_n < s->models_n; m->rows_n++)
		m->rows[m->rows_n] = (struct model_row){ s->models[m->rows_n].pattern,
			&m->providers[s->models[m->rows_n].provider] };
	for (; m->aliases_n < s->aliases_n; m->aliases_n++)
		m->aliases[m->aliases_n] =
		    (struct alias){ s->aliases[m->aliases_n].name, s->aliases[m->aliases_n].model };
	return true;
}

static bool
listeners_build(struct running *r, struct err *e)
{
	char control[4096];
	int port;

	r->g.listen = r->settings->listen;
	r->g.proxies = r->settings->proxies;
	r->g.proxies_n = r->settings->proxies_n;
	r->g.access_log = r->settings->access_log;
	r->g.body_bytes = r->settings->body_bytes;
	r->g.listeners = listen_new(
	    r->g.loop, &(struct listen_limits){ .body_bytes = r->settings->body_bytes }, e);
	if (r->g.listeners == NULL)
		return false;
	struct listen_handler h = exchange_handler;
	h.ctx = &r->g;
	for (size_t i = 0; i < r->settings->listen_n; i++) {
		const struct listen_entry *l = &r->settings->listen[i];

		port = listen_tcp(
		    r->g.listeners, l->address, &l->tls, &h, SERVES_TAG(i, l->serves), e);
		if (port < 0)
			return false;
		r->ports[i] = port;
	}
	r->port = r->ports[0];
	return listen_unix(
	    r->g.listeners, data_path(r, "control.sock", control), &h, SERVES_CONTROL, e);
}

static void
sandbox_build(struct running *r)
{
	struct sandbox_settings set = r->settings->sandbox;
	struct err e;

	set.changed = sandbox_changed;
	set.ctx = r;
	r->g.sandbox = sandbox_new(r->g.loop, &set, &e);
	if (r->g.sandbox == NULL) {
		log_error(NULL, "code mode is off", F_TEXT("why", e.text));
		return;
	}
	r->g.codemode =
	    codemode_new(r->g.loop, r->g.hub, r->g.core, r->g.sandbox, &r->settings->runs);
}

static void
policies_changed(void *ctx)
{
	struct running *r = ctx;
	struct lock *old = locked_accept(&r->settings->lock);

	hub_set_lock(r->g.hub, r->settings->lock.lock);
	lock_free(&old);
	hub_views_changed(r->g.hub);
}

static void
alert(void *webhook, const char *event, struct str json)
{
	(void)webhook_send(webhook, event, json); /* what is not told is in the log */
}

static bool
parts_build(struct running *r, struct err *e)
{
	struct settings *s = r->settings;
	uint8_t seal[AEAD_KEY_BYTES];
	struct core_settings core;
	char path[4096], base[LISTEN_BASE];

	settings_core(s, &core);
	core.watch = s->watch;
	core.also = s->lock.path;
	r->g.core = core_open(r->g.loop, &core, e);
	if (r->g.core == NULL || !first_make(&r->g, s->data, e))
		return false;
	r->g.pool = http_pool_new(r->g.loop);
	r->g.webhook = webhook_new(r->g.loop, r->g.pool, &s->webhooks);
	core_on_alert(r->g.core, alert, r->g.webhook);
	if (!providers_build(r, e))
		return false;
	if (!seal_load(data_path(r, "seal.key", path), seal, e))
		return false;
	r->g.hub = hub_new(r->g.loop, r->g.core, r->g.pool,
	    &(struct hub_settings){ .servers = s->servers,
		.servers_n = s->servers_n,
		.version = TOLLGATE_VERSION,
		.views = s->views,
		.views_n = s->views_n,
		.prefix = s->prefix,
		.code_mode = s->code_mode,
		.pin = s->pin,
		.seal_key = seal,
		.keep = keep_in(mem_unconst(data_path(r, "kept", r->kept))),
		.session_idle_ms = s->session_idle_ms,
		.listed = look_again,
		.ctx = r },
	    e);
	core_redact_key(r->g.core, seal);
	if (r->g.hub == NULL) {
		crypto_wipe(seal, sizeof(seal));
		return false;
	}
	sandbox_build(r);
	if (!listeners_build(r, e)) {
		crypto_wipe(seal, sizeof(seal));
		return false;
	}
	listen_base(&s->listen[0], r->port, base);
	hub_set_base_url(r->g.hub, base);
	approval_hook_init(&r->g, &s->webhooks, seal, base);
	crypto_wipe(seal, sizeof(seal));
	if (s->identity.issuer.n > 0)
		r->g.identity = identity_new(&r->g, &s->identity, base);
	core_on_policies(r->g.core, policies_changed, r);
	policies_changed(r); /* those of the start */
	hub_start(r->g.hub);
	return true;
}

static void
parts_free(struct running *r)
{
	struct gateway *g = &r->g;
	char path[4096];

	exchanges_cut(r);
	timer_stop(&r->settle);
	timer_stop(&r->drain);
	deferred_drop(&r->look);
	jobs_reap();
	listen_free(&g->listeners);
	identity_free(&g->identity);
	if (g->hub != NULL)
		hub_free(&g->hub);
	jobs_reap();
	if (g->codemode != NULL)
		codemode_free(&g->codemode);
	if (g->sandbox != NULL)
		sandbox_free(&g->sandbox);
	jobs_reap();
	if (g->core != NULL) /* what is settled from here on is in the log */
		core_on_alert(g->core, NULL, NULL);
	webhook_free(&g->webhook);
	for (size_t i = 0; i < g->models.providers_n; i++)
		origin_free(&g->models.providers[i].origin);
	http_pool_free(&g->pool);
	free(g->models.providers);
	free(g->models.rows);
	free(g->models.aliases);
	core_close(&g->core);
	loop_free(&g->loop);
	if (r->ready) /* ours: DATA/lock kept others away */
		(void)unlink(data_path(r, "run.json", path));
	settings_free(&r->settings);
}

static bool
clock_use(struct running *r, const char *fd, struct err *e)
{
	char path[4096];
	int64_t n;

	if (!str_i64(str_of(fd), &n) || n < 0 || n > 1 << 20)
		return err_set(e, ERR_INVALID, "--clock needs the number of a descriptor");
	if (access(data_path(r, "rig", path), F_OK) != 0)
		return err_set(
		    e, ERR_INVALID, "--clock is for the project's own tests (no file %s)", path);
	return loop_use_clock(r->g.loop, (int)n, e);
}

int
cmd_run(const struct cli *cli)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct running r = { 0 };
	struct buf warnings;
	struct err e;
	bool ok;

	(void)signal(SIGPIPE, SIG_IGN);
	buf_init(&warnings, 0);
	link_init(&r.g.exchanges);
	r.settings = settings_load(cli->config, &warnings, &e);
	(void)fputs(buf_cstr(&warnings), stderr);
	buf_fini(&warnings);
	if (r.settings == NULL)
		return cli_fail(&e);
	if (!settings_files_check(r.settings, &e)) {
		settings_free(&r.settings);
		return cli_fail(&e);
	}
	log_setup(r.settings->log_level, r.settings->log_json);
	r.g.loop = loop_new(&e);
	ok = r.g.loop != NULL && (cli->clock == NULL || clock_use(&r, cli->clock, &e)) &&
	     loop_on_signals(r.g.loop, signals, COUNT(signals), on_signal, &r, &e);
	if (ok) {
		r.started_ms = r.g.started_ms = loop_mono_ms(r.g.loop);
		ok = parts_build(&r, &e);
	}
	if (ok) {
		timer_set(r.g.loop, &r.settle, 1, settle, &r);
		loop_run(r.g.loop);
	}
	parts_free(&r);
	return ok ? 0 : cli_fail(&e);
}
