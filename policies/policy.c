/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - one `policy:` of a file: who it applies to and its rules.
 *
 * A policy in customers/C/ or customers/C/teams/T/ is always narrowed to C or T, whatever its
 * applies_to says; naming somebody outside is an error.  Names must exist: the organisation's here,
 * servers and models in tollgate.yaml.  What the language has but this version does not judge yet
 * is refused by name: a rule whose condition were skipped would say something else than its file.
 */
#include <string.h>

#include "base/crypto.h"
#include "policies/bundle.h"
#include "policies/label.h"

#define CEILING_MAX 256

/* ---- rules ---- */

bool
model_known(const struct bundle_source *src, struct str name)
{
	if (src->models_n == 0)
		return true;
	for (size_t i = 0; i < src->models_n; i++)
		if (str_star(src->models[i], name))
			return true;
	return false;
}

/* A literal must be known; one with `*` must match something, unless what is known has `*` too. */
static bool
name_known(struct str wanted, const struct str *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (str_star(wanted, names[i]) || str_star(names[i], wanted) ||
		    (str_has(wanted, '*') && str_has(names[i], '*')))
			return true;
	return false;
}

static void
names_check(struct loading *ld, const struct yaml *y, const struct pattern *p)
{
	const struct bundle_source *src = ld->src;
	bool tool = p->kind == ASK_TOOL;
	const struct glob *g = tool ? &p->server : &p->name;
	const struct str *names = tool ? src->servers : src->models;
	size_t n = tool ? src->servers_n : src->models_n;
	char near[HINT_BYTES];

	/* Servers that are known to be none are known; without any model everything is unknown. */
	if ((!tool && p->kind != ASK_MODEL) || p->any_server || names == NULL || (!tool && n == 0))
		return;
	for (size_t i = 0; i < g->n; i++) {
		if (name_known(g->alt[i], names, n))
			continue;
		if (str_has(g->alt[i], '*'))
			problem(&ld->problems, y, "\"" STR_FMT "\" matches no %s of tollgate.yaml",
			    STR_ARG(g->alt[i]), tool ? "server" : "model");
		else
			problem(&ld->problems, y, "unknown %s \"" STR_FMT "\"%s",
			    tool ? "server" : "model", STR_ARG(g->alt[i]),
			    hint(near, g->alt[i], names, n));
	}
}

/* `allow: {get_*}` is a mapping to YAML: show how it is written. */
static void
pattern_unquoted(struct loading *ld, const struct yaml *y)
{
	struct buf form;
	bool map = y->kind == YAML_MAP;

	buf_init(&form, 300);
	if (map || y->kind == YAML_LIST)
		buf_putc(&form, '{');
	for (const struct yaml *k = y->kids; k != NULL; k = k->next) {
		if (k != y->kids)
			buf_putc(&form, ',');
		buf_put(&form, map ? k->key : k->text);
	}
	if (form.n > 0)
		buf_putc(&form, '}');
	if (y->kind == YAML_LIST)
		problem(&ld->problems, y, "one pattern stands in a rule (\"%s\", or several rules)",
		    buf_ok(&form) ? buf_cstr(&form) : "{a,b}");
	else
		problem(&ld->problems, y, "a pattern was expected; quote it: \"%s\"",
		    map && buf_ok(&form) ? buf_cstr(&form) : "server/*");
	buf_fini(&form);
}

static bool
rule_pattern(struct loading *ld, const struct policy_file *f, struct yaml *y, struct rule *out)
{
	struct err e;

	if (y->kind != YAML_SCALAR || y->text.n == 0) {
		pattern_unquoted(ld, y);
		return false;
	}
	if (!pattern_parse(&ld->b->arena, y->text, &out->pattern, &e)) {
		problem(&ld->problems, y, "%s", e.text);
		return false;
	}
	names_check(ld, y, &out->pattern);
	if (out->pattern.kind == ASK_ADMIN && f->customer.n > 0)
		problem(&ld->problems, y,
		    "admin: rules stand in root/ only (they are about the whole gateway)");
	return true;
}

static void
conditions_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct rule *out, struct yaml *y)
{
	struct yaml *when = yaml_get(y, "when"), *unless = yaml_get(y, "unless");
	const bool opens = out->effect == EFFECT_ALLOW;

	if (when != NULL && condition_read(ld, f, p, when, opens, &out->when))
		out->has_when = true;
	if (unless != NULL && condition_read(ld, f, p, unless, !opens, &out->unless))
		out->has_unless = true;
	if (out->pattern.kind != 0 && out->pattern.kind != ASK_TOOL &&
	    out->when.n + out->unless.n > 0)
		problem_key(&ld->problems, when != NULL ? when : unless,
		    "only calls of tools have arguments (here: subject: alone)");
	if (out->effect == EFFECT_LABEL && (when != NULL || unless != NULL))
		problem_key(&ld->problems, when != NULL ? when : unless,
		    "a label has no conditions: it says what the tool is");
	out->text = arena_printf(&ld->b->arena, "%s" STR_FMT "%s" STR_FMT,
	    out->when.text.n > 0 ? "when " : "", STR_ARG(out->when.text),
	    out->unless.text.n == 0 ? ""
	    : out->when.text.n > 0  ? " unless "
				    : "unless ",
	    STR_ARG(out->unless.text));
	out->said = out->pattern.where == NULL
			? out->text
			: arena_printf(&ld->b->arena, STR_FMT "%s" STR_FMT,
			      STR_ARG(where_text(out->pattern.where)), out->text.n > 0 ? " " : "",
			      STR_ARG(out->text));
}

/* What it limits, by what it says: not by where, and the second of two alike is the second. */
static struct str
limit_id(struct loading *ld, const struct policy *p, const struct rule *r, struct str pattern)
{
	struct arena *a = &ld->b->arena;
	struct str id = arena_printf(a, "%s " STR_FMT " " STR_FMT " " STR_FMT,
	    effect_word(r->effect), STR_ARG(p->id), STR_ARG(pattern), STR_ARG(r->text));
	uintptr_t before = (uintptr_t)map_get(&ld->limit_ids, id);
	struct sha256 h;
	struct buf hex;

	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a map of numbers */
	map_set(&ld->limit_ids, id, (void *)(before + 1));
	sha256(&h, id);
	buf_init(&hex, 0);
	buf_hex(&hex, h.b, sizeof(h.b));
	id = arena_printf(a, "rule " STR_FMT " %zu", STR_ARG(buf_str(&hex)), (size_t)before);
	buf_fini(&hex);
	return id;
}

static void
rule_limits_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct rule *out, struct yaml *y)
{
	const struct node *within = p->applies.within;
	struct yaml *limit = yaml_get(y, "limit"), *to = yaml_get(y, "to");
	const bool bounds = out->effect == EFFECT_LIMIT;
	struct yaml *pattern = bounds ? limit : yaml_get(y, "allow");
	struct limit like = { .of = pattern == NULL ? STR("") : pattern->text,
		.owner = p->owner,
		.opaque = p->explain == EXPLAIN_OPAQUE };
	struct limits_said said;

	if (to != NULL && !bounds)
		problem_key(&ld->problems, to, "to: stands with limit: PATTERN");
	if (limit != NULL && out->effect == EFFECT_DENY)
		problem_key(&ld->problems, limit, "a deny has no limit: it lets nothing through");
	if (limit != NULL && out->effect == EFFECT_APPROVE)
		problem_key(&ld->problems, limit,
		    "an approve has no limit of its own (write: limit: PATTERN and to:)");
	if (limit != NULL && out->effect == EFFECT_REDACT)
		problem_key(&ld->problems, limit,
		    "a redact has no limit of its own (write: limit: PATTERN and to:)");
	if (bounds && to == NULL)
		problem_key(
		    &ld->problems, limit, "how much is missing (write: to: { calls: 200/day })");
	if (limit == NULL || (out->effect != EFFECT_ALLOW && to == NULL))
		return;
	like.of = arena_str(&ld->b->arena, like.of);
	like.per = within == NULL                     ? PER_KEY
		   : within->level.kind == LEVEL_TEAM ? PER_TEAM
						      : PER_CUSTOMER;
	like.policy = arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(p->id), y->line);
	like.id = limit_id(ld, p, out, like.of);
	limits_read(ld, f, bounds ? to : limit, &like, out->pattern.kind, &said);
	out->limits = said.limits;
	out->limits_n = said.n;
	out->bounds = said.bounds;
	ld->b->limits_n += out->limits_n > 0 || out->bounds != NULL;
}

/* limit: alone takes a pattern. */
static void
bounds_read(struct loading *ld, const struct policy_file *f, struct yaml *limit, struct rule *out)
{
	if (limit->kind == YAML_SCALAR)
		(void)rule_pattern(ld, f, limit, out);
	else
		problem(&ld->problems, limit,
		    "limit: alone takes a pattern, and to: how much (limit: \"any/*\", to: { "
		    "calls: "
		    "200/day })");
}

const char *
effect_word(enum effect e)
{
	static const char *const words[] = { "", "allow", "deny", "approve", "label", "redact",
		"limit" };

	return words[e];
}

/* What the rule does is said by one member, whose value is the pattern.  `limit` is one when it
 * stands alone: beside an allow it is that one's. */
static struct yaml *
effect_read(struct loading *ld, struct yaml *y, struct rule *out)
{
	struct yaml *said = NULL;

	for (enum effect e = EFFECT_ALLOW; e <= EFFECT_LIMIT; e++) {
		struct yaml *one = yaml_get(y, effect_word(e));

		if (one == NULL || (e == EFFECT_LIMIT && said != NULL))
			continue;
		if (said != NULL)
			problem(&ld->problems, y, "a rule has either %s: or %s:, not both",
			    effect_word(out->effect), effect_word(e));
		said = one;
		out->effect = e;
	}
	if (said == NULL)
		problem(&ld->problems, y,
		    "a rule has allow:, deny:, approve:, redact:, label: or limit:");
	return said;
}

static void
reason_read(struct loading *ld, struct yaml *y, const struct yaml *said, struct rule *out)
{
	struct yaml *reason = yaml_get(y, "reason");

	if (reason == NULL && out->effect == EFFECT_DENY)
		problem_key(&ld->problems, said, "a deny needs a reason: (the denied read it)");
	if (reason == NULL && out->effect == EFFECT_APPROVE)
		problem_key(
		    &ld->problems, said, "an approve needs a reason: (who is to approve reads it)");
	if (reason != NULL &&
	    text_get(&ld->problems, reason, "reason", BUNDLE_TEXT_BYTES, &out->reason))
		out->reason = arena_str(&ld->b->arena, out->reason);
}

static void
rule_approval_read(struct loading *ld, const struct policy_file *f, const struct policy *p,
    struct rule *out, struct yaml *y)
{
	struct yaml *approval = yaml_get(y, "approval");
	const bool may = out->effect == EFFECT_ALLOW || out->effect == EFFECT_APPROVE;

	if (yaml_get(y, "plan") != NULL)
		return; /* it is the plan's: plan_read() */
	if (approval != NULL && !may)
		problem_key(&ld->problems, approval, "approval: stands with allow: or approve:");
	if (!may || (approval == NULL && out->effect == EFFECT_ALLOW))
		return;
	if (out->pattern.kind != 0 && out->pattern.kind != ASK_TOOL)
		problem(&ld->problems, y, "only calls of tools wait for an approval");
	out->approval = approval_read(ld, f, p, approval);
}

static void
rule_read(struct loading *ld, const struct policy_file *f, const struct policy *p, struct rule *out,
    struct yaml *y)
{
	static const char *const known[] = { "allow", "deny", "approve", "approval", "plan",
		"limit", "to", "redact", "args", "result", "reason", "where", "when", "unless",
		"label", "as", "labels", "after", NULL };
	static const char *const later[] = { "log", "mode", "explain", NULL };
	static const struct key_table keys = { "a rule", known, later };
	struct yaml *said;

	if (!keys_check(&ld->problems, y, &keys))
		return;
	said = effect_read(ld, y, out);
	if (said == NULL)
		return;
	reason_read(ld, y, said, out);
	if (out->effect == EFFECT_LIMIT)
		bounds_read(ld, f, said, out);
	else
		(void)rule_pattern(ld, f, said, out);
	where_read(ld, y, out);
	conditions_read(ld, f, p, out, y);
	factlint(ld, y, said, out);
	rule_approval_read(ld, f, p, out, y);
	plan_read(ld, f, p, out, y);
	labels_read(ld, out, y);
	out->shown = map_hash(out->text) + (uint64_t)out->effect + (out->approval != NULL ? 16 : 0);
	ld->b->labels_n += out->effect == EFFECT_LABEL;
	ld->b->flows_n += out->after != 0;
	rule_limits_read(ld, f, p, out, y);
	redact_read(ld, p, y, out);
	out->line = y->line;
	out->where = arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(f->path), y->line);
}

static void
rules_read(struct loading *ld, const struct policy_file *f, struct policy *p, struct yaml *y)
{
	struct rule *rules;

	if (y->kind != YAML_LIST || y->n == 0) {
		problem(&ld->problems, y,
		    "rules is a list of allow:, deny:, approve:, redact:, label: and limit: rules");
		return;
	}
	ld->b->rules_n += y->n;
	if (ld->b->rules_n > BUNDLE_RULES_MAX) {
		problem(&ld->problems, y, "more than %d rules", BUNDLE_RULES_MAX);
		return;
	}
	if (!loading_room(ld, y))
		return;
	rules = arena_zalloc(&ld->b->arena, y->n * sizeof(*rules));
	for (struct yaml *r = y->kids; r != NULL && loading_room(ld, r); r = r->next)
		rule_read(ld, f, p, &rules[p->rules_n++], r);
	p->rules = rules;
}

/* ---- the policy ---- */

static void
policy_push(struct bundle *b, struct policy *p)
{
	if (b->policies_n == b->policies_cap) {
		b->policies_cap = b->policies_cap == 0 ? 16 : b->policies_cap * 2;
		/* NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers */
		b->policies = mem_realloc(b->policies, b->policies_cap * sizeof(*b->policies));
	}
	p->index = b->policies_n;
	b->policies[b->policies_n++] = p;
}

/* The folder's customer or team; a folder named after nobody is an error. */
static bool
within_find(struct loading *ld, const struct policy_file *f, struct policy *p)
{
	struct err e;

	if (f->customer.n == 0)
		return true;
	p->applies.within = org_find(
	    ld->b, f->team.n > 0 ? LEVEL_TEAM : LEVEL_CUSTOMER, f->customer, f->team, STR(""), &e);
	if (p->applies.within == NULL)
		problem_at(&ld->problems, f->shown, 0, 0, "its folder names nobody: %s", e.text);
	return p->applies.within != NULL;
}

static bool
id_take(struct loading *ld, struct yaml *y, struct policy *p)
{
	if (y->kind != YAML_SCALAR) {
		problem(&ld->problems, y, "policy is a name");
		return false;
	}
	if (!name_get(&ld->problems, y, y->text, "the name of a policy"))
		return false;
	p->id = arena_str(&ld->b->arena, y->text);
	for (size_t i = 0; i < ld->b->policies_n; i++) {
		const struct policy *other = ld->b->policies[i];

		if (!str_eq(other->id, p->id))
			continue;
		problem(&ld->problems, y, "policy \"" STR_FMT "\" is already in " STR_FMT ":%d",
		    STR_ARG(p->id), STR_ARG(other->file), other->line);
		return false;
	}
	return true;
}

/* One of the words, by its index; 0 and reported when it is none. */
static size_t
word_read(struct loading *ld, const struct yaml *y, const struct str *words, size_t n)
{
	char near[HINT_BYTES];

	for (size_t i = 0; y->kind == YAML_SCALAR && i < n; i++)
		if (str_eq(words[i], y->text))
			return i;
	problem(&ld->problems, y, "unknown " STR_FMT " \"" STR_FMT "\"%s", STR_ARG(y->key),
	    STR_ARG(y->text), hint(near, y->text, words, n));
	return 0;
}

static void
ceiling_read(struct loading *ld, const struct policy_file *f, struct policy *p, struct yaml *y)
{
	struct pattern *patterns;

	if (y->kind != YAML_LIST || y->n == 0 || y->n > CEILING_MAX) {
		problem(&ld->problems, y,
		    "ceiling is a list of 1 to %d patterns, like [\"github/*\", \"model:*\"]",
		    CEILING_MAX);
		return;
	}
	patterns = arena_zalloc(&ld->b->arena, y->n * sizeof(*patterns));
	p->ceiling_line = y->key_line;
	p->ceiling_at = arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(f->path), y->key_line);
	for (struct yaml *m = y->kids; m != NULL && loading_room(ld, m); m = m->next) {
		struct rule one = { .effect = EFFECT_ALLOW };

		if (rule_pattern(ld, f, m, &one))
			patterns[p->ceiling_n++] = one.pattern;
	}
	p->ceiling = patterns;
}

/* mode:, explain:, code_mode:, ceiling: */
static void
manner_read(struct loading *ld, const struct policy_file *f, struct policy *p, struct yaml *doc)
{
	static const struct str modes[] = { STR("enforce"), STR("observe") };
	static const struct str levels[] = { STR("reason"), STR("opaque"), STR("full") };
	struct yaml *mode = yaml_get(doc, "mode"), *explain = yaml_get(doc, "explain");
	struct yaml *ceiling = yaml_get(doc, "ceiling"), *scripts = yaml_get(doc, "code_mode");

	if (mode != NULL)
		p->observe = word_read(ld, mode, modes, COUNT(modes)) == 1;
	if (explain != NULL)
		p->explain = (enum explain)word_read(ld, explain, levels, COUNT(levels));
	if (scripts != NULL)
		code_mode_read(ld, f, p, scripts);
	if (ceiling != NULL)
		ceiling_read(ld, f, p, ceiling);
}

/* Anybody can call itself by any client's name. */
static void
takes_check(struct loading *ld, const struct policy *p, const struct yaml *rules)
{
	const struct yaml *y = rules == NULL ? NULL : rules->kids;

	for (size_t i = 0; p->applies.clients.said && y != NULL && i < p->rules_n; i++, y = y->next)
		if (p->rules[i].effect == EFFECT_ALLOW)
			problem(&ld->problems, y,
			    "a policy with clients: only takes away, since a client is what it "
			    "says (put the allow into a policy without clients:)");
}

void
policy_read(struct loading *ld, const struct policy_file *f)
{
	struct yaml *doc = f->doc, *id = yaml_get(doc, "policy"), *owner = yaml_get(doc, "owner");
	struct yaml *applies = yaml_get(doc, "applies_to"), *rules = yaml_get(doc, "rules");
	struct yaml *ceiling = yaml_get(doc, "ceiling"), *scripts = yaml_get(doc, "code_mode");
	struct policy *p;

	if (id == NULL) {
		if (owner != NULL || applies != NULL || rules != NULL || ceiling != NULL ||
		    scripts != NULL || yaml_get(doc, "mode") != NULL ||
		    yaml_get(doc, "explain") != NULL)
			problem(&ld->problems, doc, "policy: NAME is missing");
		return;
	}
	if (!loading_room(ld, doc))
		return;
	p = arena_new(&ld->b->arena, struct policy);
	p->file = f->path;
	p->line = id->line;
	if (!within_find(ld, f, p))
		return;
	if (id_take(ld, id, p))
		policy_push(ld->b, p);
	if (owner != NULL && text_get(&ld->problems, owner, "owner", BUNDLE_TEXT_BYTES, &p->owner))
		p->owner = arena_str(&ld->b->arena, p->owner);
	manner_read(ld, f, p, doc);
	if (applies == NULL)
		problem_key(
		    &ld->problems, id, "applies_to is missing (who? e.g. { teams: [NAME] })");
	else
		applies_read(ld, f, APPLIES_POLICY, &p->applies, applies);
	if (scripts != NULL && p->applies.clients.said)
		problem_key(&ld->problems, scripts,
		    "lists do not depend on the client, which is what it says (leave code_mode: "
		    "out; a "
		    "client may send the header Tollgate-Code-Mode)");
	if (rules == NULL && (ceiling != NULL || scripts != NULL))
		return; /* it only bounds, or says how */
	if (rules == NULL)
		problem_key(&ld->problems, id, "rules is missing");
	else
		rules_read(ld, f, p, rules);
	takes_check(ld, p, rules);
}

void
policy_models(struct loading *ld)
{
	for (size_t i = 0; i < ld->b->nodes_n; i++) {
		const struct node *n = ld->b->nodes[i];
		struct policy *p;

		if (n->models.n == 0 || arena_left(&ld->b->arena) < BUNDLE_ARENA_RESERVE)
			continue;
		p = arena_new(&ld->b->arena, struct policy);
		p->id = n->level.id;
		p->file = n->file;
		p->line = n->models_line;
		p->applies.within = n;
		p->models_of = n;
		policy_push(ld->b, p);
	}
}
