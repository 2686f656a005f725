/* SPDX-License-Identifier: Apache-2.0 */
/*
 * codemode - `code_mode:` of a policy: how scripts are offered to whom it applies to.
 *
 *   policy: platform
 *   applies_to: "*"
 *   code_mode: only          # off > only > auto > opt-in: of all that apply, the narrowest
 *
 * It grants nothing: `allow: code:run` does, and whoever has no such grant is offered nothing
 * whatever it says.  As with bounds of scripts, one more policy can only narrow what the others
 * say, so neither the order of files nor a team's own folder can widen what is said above it; and
 * what is only observed says nothing.
 */
#include "policies/bundle.h"
#include "policies/core.h"

static const struct str words[CODE_MODES] = { [CODE_MODE_UNSAID] = STR(""),
	[CODE_MODE_OPT_IN] = STR("opt-in"),
	[CODE_MODE_AUTO] = STR("auto"),
	[CODE_MODE_ONLY] = STR("only"),
	[CODE_MODE_OFF] = STR("off") };

const char *
code_mode_word(enum code_mode m)
{
	return words[m].p; /* constants end in NUL */
}

void
code_mode_read(struct loading *ld, const struct policy_file *f, struct policy *p, struct yaml *y)
{
	char near[HINT_BYTES];

	for (size_t i = CODE_MODE_OPT_IN; y->kind == YAML_SCALAR && i < CODE_MODES; i++)
		if (str_eq(words[i], y->text))
			p->code_mode = (enum code_mode)i;
	if (p->code_mode == CODE_MODE_UNSAID) {
		problem(&ld->problems, y,
		    "unknown code_mode \"" STR_FMT "\"%s (opt-in, auto, only, off)",
		    STR_ARG(y->text), hint(near, y->text, words + 1, CODE_MODES - 1));
		return;
	}
	p->code_mode_line = y->key_line;
	p->code_mode_at = arena_printf(&ld->b->arena, STR_FMT ":%d", STR_ARG(f->path), y->key_line);
	ld->b->code_modes_n++;
}

void
rules_code_said(const struct bundle *b, const struct subject *s, struct code_said *out)
{
	*out = (struct code_said){ .policy = STR(""), .where = STR("") };
	for (size_t i = 0; b->code_modes_n > 0 && i < b->policies_n; i++) {
		const struct policy *p = b->policies[i];

		/* Of equals the first in order of file and line is told. */
		if (p->code_mode > out->mode && policy_in(b, s->set, i))
			*out = (struct code_said){ .mode = p->code_mode,
				.policy = p->id,
				.where = p->code_mode_at,
				.line = p->code_mode_line,
				.opaque = p->explain == EXPLAIN_OPAQUE };
	}
}

void
rules_code_mode(struct core *c, struct key *k, struct str view, struct code_said *out)
{
	struct subject s;

	*out = (struct code_said){ .policy = STR(""), .where = STR("") };
	if (key_subject_via(k, &(struct via){ view, STR("") }, &s) && !key_observes(k))
		rules_code_said(core_bundle(c), &s, out);
}
