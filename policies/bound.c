/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bound - what one script may use: the amounts without a time in `limit:` of a rule for code:run.
 *
 *   - allow: code:run
 *     limit: { seconds: 20, memory: 32MiB, calls: 100, bytes: 2MiB, money: 0.50 USD }
 *   - limit: code:run                       bounds whoever is granted it elsewhere
 *     to: { seconds: 60 }
 *
 * Of all enforced rules that match, the smallest amount of each kind holds, so that neither the
 * order of files nor one more rule can ever give a script more.  It is looked up once, when the
 * script enters the gate, and stays what it was then: a reload is for the scripts that follow.
 *
 * Money is kept here: what the calls of a script hold and have cost is added up on its pass, and a
 * call that would go beyond is refused like one that no budget has room for.  Time, memory and
 * calls are the sandbox's to count, bytes are Code Mode's.
 */
#include "policies/bundle.h"
#include "policies/core.h"

#define SECONDS_MAX 86400
#define MEMORY_MIN  ((int64_t)1 << 20) /* a sandbox cannot do with less */
#define BYTES_MAX   ((int64_t)1 << 50)
#define OWNER_BYTES 120

static const char *const words[] = { "seconds", "memory", "calls", "bytes", "money" };

const char *
bound_word(enum bound_kind k)
{
	return words[k];
}

/* ---- as it stands in a file ---- */

bool
bound_is(const struct yaml *y, enum bound_kind *out)
{
	for (size_t i = 0; i < COUNT(words); i++) {
		if (!str_eq(y->key, str_of(words[i])))
			continue;
		*out = (enum bound_kind)i;
		return i != BOUND_CALLS || y->kind != YAML_SCALAR || !str_has(y->text, '/');
	}
	return false;
}

static bool
money_read(const struct yaml *y, int64_t *most, struct err *e)
{
	struct str rest = y->text, amount = str_cut(&rest, ' ');

	if (y->kind == YAML_SCALAR && str_eq(str_trim(rest), STR("USD")) &&
	    usd_parse(amount, most) && *most > 0)
		return true;
	return yaml_err(y, e, "money is an amount, like 0.50 USD");
}

static bool
size_read(const struct yaml *y, int64_t min, int64_t *most, struct err *e)
{
	if (!yaml_bytes(y, most, e))
		return false;
	if (*most >= min && *most <= BYTES_MAX)
		return true;
	return yaml_err(y, e, min > 1 ? "a script needs at least 1MiB" : "must be at least 1");
}

bool
bound_value(const struct yaml *y, enum bound_kind k, int64_t *most, struct err *e)
{
	switch (k) {
	case BOUND_SECONDS:
		return yaml_i64(y, 1, SECONDS_MAX, most, e);
	case BOUND_MEMORY:
		return size_read(y, MEMORY_MIN, most, e);
	case BOUND_CALLS:
		if (y->kind == YAML_SCALAR && str_i64(y->text, most) && *most >= 1 &&
		    *most <= UINT32_MAX)
			return true;
		return yaml_err(y, e,
		    "calls is a whole number of calls that one script makes, like 100, or of "
		    "scripts "
		    "and a time, like 20/hour");
	case BOUND_BYTES:
		return size_read(y, 1, most, e);
	case BOUND_MONEY:
		return money_read(y, most, e);
	}
	UNREACHABLE();
}

/* ---- the smallest of all ---- */

/* *b, where it is smaller than what *all has. */
static void
bound_narrow(struct bound *all, const struct bound *b)
{
	if (b->most > 0 && (all->most == 0 || b->most < all->most))
		*all = *b;
}

bool
rules_bounds(struct bundle *b, const struct subject *s, struct bounds *out)
{
	const struct decided *d = rules_decided(b, s, ASK_RUN, STR("run"), STR(""));
	struct judging none;
	bool any = false;

	*out = (struct bounds){ 0 };
	if (d == NULL || d->limits_n == 0)
		return false;
	judging_init(&none, STR(""), true);
	for (size_t i = 0; i < d->limits_n; i++) {
		const struct rule *r = d->limits[i].rule;

		if (r->bounds == NULL || rule_holds(b, s->set, r, &none) == TRI_NO)
			continue;
		for (size_t k = 0; k < BOUNDS; k++)
			bound_narrow(&out->of[k], &r->bounds->of[k]);
		any = true;
	}
	judging_fini(&none);
	return any;
}

/* ---- a script and its calls ---- */

void
bounds_enter(struct pass *p)
{
	struct bounds found, *kept;
	struct subject s;

	if (p->kind != ASK_RUN || key_observes(p->key))
		return;
	pass_subject(p, &s);
	if (!rules_bounds(p->core->bundle, &s, &found))
		return;
	kept = arena_new(&p->arena, struct bounds);
	for (size_t k = 0; k < BOUNDS; k++) { /* a reload may take the texts away */
		kept->of[k] = found.of[k];
		kept->of[k].policy = arena_str(&p->arena, found.of[k].policy);
		kept->of[k].where = arena_str(&p->arena, found.of[k].where);
		kept->of[k].owner = arena_str(&p->arena, str_clip(found.of[k].owner, OWNER_BYTES));
	}
	p->bounds = kept;
}

bool
bounds_room(const struct pass *run, int64_t nusd, struct str *limit_at, struct err *e)
{
	const struct bound *b;
	int64_t left;
	struct buf text;

	if (run == NULL || run->bounds == NULL || nusd == 0)
		return true;
	b = &run->bounds->of[BOUND_MONEY];
	left = run->calls_nusd < b->most ? b->most - run->calls_nusd - run->calls_held_nusd : 0;
	if (b->most == 0 || nusd <= left)
		return true;
	buf_init(&text, 0);
	buf_puts(&text, "this script has spent or reserved ");
	usd_put(&text, run->calls_nusd + run->calls_held_nusd);
	buf_puts(&text, " USD and the call may cost ");
	usd_put(&text, nusd);
	buf_puts(&text, b->opaque ? " USD" : " USD · ");
	bound_told(&text, BOUND_MONEY, b);
	(void)err_set(e, ERR_BUDGET, STR_FMT, STR_ARG(buf_str(&text)));
	buf_fini(&text);
	*limit_at = b->where;
	return false;
}

void
bounds_take(struct pass *p, struct pass *run)
{
	if (run == NULL || run->bounds == NULL || run->bounds->of[BOUND_MONEY].most == 0)
		return;
	/* bounds_room() was asked: the sum is within what one bound can be. */
	p->run = run;
	p->run_held_nusd = p->hold_nusd;
	run->calls_held_nusd += p->hold_nusd;
	link_push(&run->calls, &p->of_run);
}

void
bounds_leave(struct pass *p, int64_t cost_nusd)
{
	struct pass *run = p->run;

	if (run != NULL) {
		run->calls_held_nusd -= p->run_held_nusd;
		ASSERT(run->calls_held_nusd >= 0);
		if (__builtin_add_overflow(run->calls_nusd, cost_nusd, &run->calls_nusd))
			run->calls_nusd = INT64_MAX;
		p->run = NULL;
		link_drop(&p->of_run);
	}
	while (!link_empty(&p->calls)) { /* a call may outlive its script */
		struct pass *call = CONTAINER(p->calls.next, struct pass, of_run);

		call->run = NULL;
		link_drop(&call->of_run);
	}
}

/* ---- what people see ---- */

static void
size_put(struct buf *out, int64_t n)
{
	static const char *const units[] = { " B", " KiB", " MiB", " GiB" };
	size_t i = 0;

	for (; i + 1 < COUNT(units) && n >= 1024 && n % 1024 == 0; i++)
		n /= 1024;
	buf_i64(out, n);
	buf_puts(out, units[i]);
}

void
bound_amount_put(struct buf *out, enum bound_kind k, int64_t most)
{
	switch (k) {
	case BOUND_SECONDS:
		buf_i64(out, most);
		buf_puts(out, " s");
		return;
	case BOUND_MEMORY:
		size_put(out, most);
		buf_puts(out, " of memory");
		return;
	case BOUND_CALLS:
		buf_i64(out, most);
		buf_puts(out, most == 1 ? " call" : " calls");
		return;
	case BOUND_BYTES:
		size_put(out, most);
		buf_puts(out, " of results");
		return;
	case BOUND_MONEY:
		usd_put(out, most);
		buf_puts(out, " USD");
		return;
	}
	UNREACHABLE();
}

void
bound_told(struct buf *out, enum bound_kind k, const struct bound *b)
{
	if (b->opaque)
		return;
	buf_puts(out, "at most ");
	bound_amount_put(out, k, b->most);
	buf_puts(out, " a script");
	buf_printf(out, " by policy " STR_FMT, STR_ARG(b->policy));
	if (b->owner.n > 0)
		buf_printf(out, " (ask " STR_FMT ")", STR_ARG(b->owner));
}

void
bounds_text(const struct bounds *b, struct buf *out)
{
	size_t n = 0;

	for (size_t k = 0; k < BOUNDS; k++) {
		if (b->of[k].most == 0)
			continue;
		buf_puts(out, n++ == 0 ? " at most " : ", ");
		bound_amount_put(out, (enum bound_kind)k, b->of[k].most);
	}
	if (n > 0)
		buf_puts(out, " a script");
}
