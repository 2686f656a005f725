/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex - a Thompson automaton, simulated: every thread advances together over the text, no state
 * is entered twice at one position, so the cost is at most text × instructions.
 *
 *   text --parse_alt()--> tree of nodes --emit()--> instructions --regex_match()--> yes or no
 *
 * The tree's depth is bounded by DEPTH_MAX groups; a repetition is unrolled, so {m,n} costs its
 * upper bound in instructions and an expression past REGEX_INSTR_MAX is refused.
 */
#include "policies/regex.h"

#include <string.h>

#define DEPTH_MAX  12
#define RANGES_MAX 32
#define REPEAT_MAX 255
#define UNBOUNDED  -1

struct range {
	uint32_t lo, hi;
};
struct set {
	struct range range[RANGES_MAX];
	size_t n;
	bool negated;
};

enum node_kind { NODE_SET, NODE_CAT, NODE_ALT, NODE_REP };
struct node_re {
	enum node_kind kind;
	const struct set *set;
	struct node_re *kids, *next;
	int min, max;
};

enum instr_kind { I_SET, I_SPLIT, I_JUMP, I_MATCH };
struct instr {
	enum instr_kind kind;
	uint16_t x, y;
	const struct set *set;
};
struct regex {
	struct instr at[REGEX_INSTR_MAX];
	size_t n;
	bool from_start, to_end, any_start, any_end;
};

struct parse {
	struct arena *arena;
	const char *p, *end;
	int depth;
	struct err *e;
};

uint32_t
utf8_next(const char **p)
{
	const unsigned char *u = (const unsigned char *)*p;
	size_t n = u[0] < 0x80 ? 1 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;
	uint32_t c = n == 1 ? u[0] : u[0] & (0xffu >> (n + 1));

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (u[i] & 0x3f);
	*p += n;
	return c;
}

/* ---- parsing ---- */

static bool
set_add(struct parse *ps, struct set *s, uint32_t lo, uint32_t hi)
{
	if (lo > hi)
		return err_set(ps->e, ERR_INVALID, "a range of characters runs backwards");
	if (s->n == RANGES_MAX)
		return err_set(
		    ps->e, ERR_INVALID, "more than %d ranges between [ and ]", RANGES_MAX);
	s->range[s->n++] = (struct range){ lo, hi };
	return true;
}

/* \d \w \s: their ranges; false when c is none of them. */
static bool
class_add(struct set *s, char c)
{
	static const struct range digit[] = { { '0', '9' } },
				  word[] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' },
					  { 'a', 'z' } },
				  space[] = { { '\t', '\r' }, { ' ', ' ' }, { 0xa0, 0xa0 },
					  { 0x1680, 0x1680 }, { 0x2000, 0x200a },
					  { 0x2028, 0x2029 }, { 0x202f, 0x202f },
					  { 0x205f, 0x205f }, { 0x3000, 0x3000 },
					  { 0xfeff, 0xfeff } };
	const struct range *from = c == 'd' ? digit : c == 'w' ? word : c == 's' ? space : NULL;
	size_t n = c == 'd' ? COUNT(digit) : c == 'w' ? COUNT(word) : COUNT(space);

	if (from == NULL || s->n + n > RANGES_MAX)
		return false;
	memcpy(s->range + s->n, from, n * sizeof(*from));
	s->n += n;
	return true;
}

/* Behind a backslash: a class, or one character. */
static bool
escape_parse(struct parse *ps, struct set *s, uint32_t *single)
{
	char c;

	*single = 0;
	if (ps->p == ps->end)
		return err_set(ps->e, ERR_INVALID, "the expression ends with a backslash");
	c = *ps->p++;
	if (class_add(s, c))
		return true;
	if (c == 'n' || c == 't' || c == 'r')
		*single = c == 'n' ? '\n' : c == 't' ? '\t' : '\r';
	else if (c > ' ' && c < 0x7f && strchr("\\/.[](){}*+?|^$-", c) != NULL)
		*single = (unsigned char)c;
	else
		return err_set(ps->e, ERR_INVALID, "\\%c is not understood here",
		    c > ' ' && c < 0x7f ? c : '?');
	return true;
}

static bool
bracket_one(struct parse *ps, struct set *s, uint32_t *out)
{
	*out = 0;
	if (*ps->p == '\\') {
		ps->p++;
		return escape_parse(ps, s, out);
	}
	if (*ps->p == '[')
		return err_set(ps->e, ERR_INVALID, "write \\[ between [ and ]");
	*out = utf8_next(&ps->p);
	return true;
}

/* Behind the opening bracket. */
static bool
bracket_parse(struct parse *ps, struct set *s)
{
	if (ps->p < ps->end && *ps->p == '^') {
		s->negated = true;
		ps->p++;
	}
	while (ps->p < ps->end && *ps->p != ']') {
		uint32_t lo, hi;

		if (!bracket_one(ps, s, &lo))
			return false;
		if (lo == 0)
			continue; /* a class */
		hi = lo;
		if (ps->end - ps->p > 1 && ps->p[0] == '-' && ps->p[1] != ']') {
			ps->p++;
			if (!bracket_one(ps, s, &hi))
				return false;
			if (hi == 0)
				return err_set(ps->e, ERR_INVALID, "a range ends with a class");
		}
		if (!set_add(ps, s, lo, hi))
			return false;
	}
	if (ps->p == ps->end)
		return err_set(ps->e, ERR_INVALID, "[ without ]");
	ps->p++;
	if (s->n == 0)
		return err_set(ps->e, ERR_INVALID, "[] holds no character");
	return true;
}

static struct node_re *parse_alt(struct parse *ps);

static struct node_re *
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX groups */
group_parse(struct parse *ps)
{
	struct node_re *n;

	if (ps->depth == DEPTH_MAX) {
		(void)err_set(ps->e, ERR_INVALID, "groups are nested more than %d deep", DEPTH_MAX);
		return NULL;
	}
	if (ps->p < ps->end && *ps->p == '?') {
		if (ps->end - ps->p < 2 || ps->p[1] != ':') {
			(void)err_set(ps->e, ERR_INVALID,
			    "(?… other than (?: is not understood: it would not be linear");
			return NULL;
		}
		ps->p += 2;
	}
	ps->depth++;
	n = parse_alt(ps);
	ps->depth--;
	if (n == NULL)
		return NULL;
	if (ps->p == ps->end || *ps->p != ')') {
		(void)err_set(ps->e, ERR_INVALID, "( without )");
		return NULL;
	}
	ps->p++;
	return n;
}

/* One character, class or group. */
static struct node_re *
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX groups */
parse_atom(struct parse *ps)
{
	struct node_re *n;
	struct set *s;
	uint32_t one = 0;
	char c = *ps->p;

	if (c == '(') {
		ps->p++;
		return group_parse(ps);
	}
	if (strchr("*+?{", c) != NULL) {
		(void)err_set(ps->e, ERR_INVALID, "%c has nothing before it to repeat", c);
		return NULL;
	}
	if (strchr("]}^$", c) != NULL) {
		(void)err_set(ps->e, ERR_INVALID,
		    "%c stands where it has no meaning (write \\%c; ^ only first, $ only last)", c,
		    c);
		return NULL;
	}
	n = arena_new(ps->arena, struct node_re);
	s = arena_new(ps->arena, struct set);
	n->kind = NODE_SET;
	n->set = s;
	if (c == '.') {
		ps->p++;
		s->negated = true;
		return set_add(ps, s, '\n', '\n') && set_add(ps, s, '\r', '\r') &&
			       set_add(ps, s, 0x2028, 0x2029)
			   ? n
			   : NULL;
	}
	if (c == '[') {
		ps->p++;
		return bracket_parse(ps, s) ? n : NULL;
	}
	if (c == '\\') {
		ps->p++;
		if (ps->p < ps->end && strchr("DWS", *ps->p) != NULL && *ps->p != '\0') {
			s->negated = true;
			return class_add(s, (char)(*ps->p++ | 0x20)) ? n : NULL;
		}
		if (!escape_parse(ps, s, &one))
			return NULL;
		return one == 0 || set_add(ps, s, one, one) ? n : NULL;
	}
	one = utf8_next(&ps->p);
	return set_add(ps, s, one, one) ? n : NULL;
}

/* {m}, {m,}, {m,n} */
static bool
counts_parse(struct parse *ps, int *min, int *max)
{
	const char *close = memchr(ps->p, '}', (size_t)(ps->end - ps->p));
	struct str text, first;
	int64_t lo, hi;

	if (close == NULL)
		return err_set(ps->e, ERR_INVALID, "{ without }");
	text = STR_SPAN(ps->p + 1, close);
	first = str_cut(&text, ',');
	if (!str_i64(first, &lo) || lo < 0 || lo > REPEAT_MAX)
		return err_set(ps->e, ERR_INVALID, "{m,n} takes numbers up to %d", REPEAT_MAX);
	hi = text.p == NULL ? lo : UNBOUNDED;
	if (text.n > 0 && (!str_i64(text, &hi) || hi < lo || hi > REPEAT_MAX || hi == 0))
		return err_set(ps->e, ERR_INVALID, "{m,n} takes numbers up to %d", REPEAT_MAX);
	*min = (int)lo;
	*max = (int)hi;
	ps->p = close + 1;
	return true;
}

static struct node_re *
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX groups */
parse_repeat(struct parse *ps)
{
	struct node_re *n = parse_atom(ps), *rep;
	int min = 0, max = UNBOUNDED;
	char c;

	if (n == NULL || ps->p == ps->end || strchr("*+?{", *ps->p) == NULL)
		return n;
	c = *ps->p;
	if (c == '{') {
		if (!counts_parse(ps, &min, &max))
			return NULL;
	} else {
		ps->p++;
		min = c == '+';
		max = c == '?' ? 1 : UNBOUNDED;
	}
	if (ps->p < ps->end && strchr("*+?{", *ps->p) != NULL) {
		(void)err_set(ps->e, ERR_INVALID, "two repetitions in a row");
		return NULL;
	}
	rep = arena_new(ps->arena, struct node_re);
	*rep = (struct node_re){ .kind = NODE_REP, .kids = n, .min = min, .max = max };
	return rep;
}

static struct node_re *
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX groups */
parse_cat(struct parse *ps)
{
	struct node_re *cat = arena_new(ps->arena, struct node_re), **tail = &cat->kids;

	cat->kind = NODE_CAT;
	while (ps->p < ps->end && *ps->p != '|' && *ps->p != ')') {
		struct node_re *n = parse_repeat(ps);

		if (n == NULL)
			return NULL;
		*tail = n;
		tail = &n->next;
	}
	return cat;
}

static struct node_re *
/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX groups */
parse_alt(struct parse *ps)
{
	struct node_re *alt = arena_new(ps->arena, struct node_re), **tail = &alt->kids;

	alt->kind = NODE_ALT;
	for (;;) {
		struct node_re *n = parse_cat(ps);

		if (n == NULL)
			return NULL;
		*tail = n;
		tail = &n->next;
		if (ps->p == ps->end || *ps->p != '|')
			return alt;
		ps->p++;
	}
}

/* ---- emitting ---- */

static size_t
put(struct regex *r, enum instr_kind k, const struct set *s)
{
	/* Past the end everything lands on the last slot; regex_parse() refuses the whole. */
	size_t at = r->n < REGEX_INSTR_MAX ? r->n : REGEX_INSTR_MAX - 1;

	r->at[at] = (struct instr){ .kind = k, .set = s };
	r->n = at + 1 < REGEX_INSTR_MAX ? at + 1 : REGEX_INSTR_MAX;
	return at;
}

static bool
full(const struct regex *r)
{
	return r->n >= REGEX_INSTR_MAX;
}

static void emit(struct regex *r, const struct node_re *n);

static void
/* NOLINTNEXTLINE(misc-no-recursion): the tree's depth */
emit_repeat(struct regex *r, const struct node_re *n)
{
	for (int i = 0; i < n->min && !full(r); i++) {
		size_t before = r->n;

		emit(r, n->kids);
		if (r->n == before)
			return; /* nothing, however often, is nothing */
	}
	if (n->max == UNBOUNDED) {
		size_t split = put(r, I_SPLIT, NULL), jump;

		r->at[split].x = (uint16_t)(split + 1);
		emit(r, n->kids);
		jump = put(r, I_JUMP, NULL);
		r->at[jump].x = (uint16_t)split;
		r->at[split].y = (uint16_t)r->n;
		return;
	}
	for (int i = n->min; i < n->max && !full(r); i++) {
		size_t split = put(r, I_SPLIT, NULL);

		r->at[split].x = (uint16_t)(split + 1);
		emit(r, n->kids);
		r->at[split].y = (uint16_t)r->n;
	}
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): the tree's depth */
emit_alt(struct regex *r, const struct node_re *n)
{
	size_t jumps[REGEX_BYTES_MAX + 1], jumps_n = 0;

	for (const struct node_re *k = n->kids; k != NULL; k = k->next) {
		size_t split;

		if (k->next == NULL) {
			emit(r, k);
			break;
		}
		split = put(r, I_SPLIT, NULL);
		r->at[split].x = (uint16_t)(split + 1);
		emit(r, k);
		jumps[jumps_n++] = put(r, I_JUMP, NULL);
		r->at[split].y = (uint16_t)r->n;
	}
	for (size_t i = 0; i < jumps_n; i++)
		r->at[jumps[i]].x = (uint16_t)r->n;
}

static void
/* NOLINTNEXTLINE(misc-no-recursion): the tree's depth */
emit(struct regex *r, const struct node_re *n)
{
	if (full(r))
		return;
	switch (n->kind) {
	case NODE_SET:
		(void)put(r, I_SET, n->set);
		return;
	case NODE_CAT:
		for (const struct node_re *k = n->kids; k != NULL; k = k->next)
			emit(r, k);
		return;
	case NODE_ALT:
		emit_alt(r, n);
		return;
	case NODE_REP:
		emit_repeat(r, n);
		return;
	}
	UNREACHABLE();
}

/* ---- the whole expression ---- */

static bool
ends_escaped(struct str s) /* is the last character behind an odd run of backslashes? */
{
	size_t k = 0;

	while (k + 1 < s.n && s.p[s.n - 2 - k] == '\\')
		k++;
	return k % 2 == 1;
}

const struct regex *
regex_parse(struct arena *a, struct str text, struct err *e)
{
	struct regex *r = arena_new(a, struct regex);
	struct parse ps = { .arena = a, .e = e };
	struct node_re *tree;

	if (text.n == 0 || text.n > REGEX_BYTES_MAX || !str_utf8(text) || str_has(text, '\0')) {
		(void)err_set(
		    e, ERR_INVALID, "an expression has 1 to %d bytes of UTF-8", REGEX_BYTES_MAX);
		return NULL;
	}
	r->any_start = str_starts(text, STR(".*"));
	r->any_end = str_ends(text, STR(".*")) && !(text.n > 2 && text.p[text.n - 3] == '\\');
	r->from_start = text.p[0] == '^';
	r->to_end = text.p[text.n - 1] == '$' && !ends_escaped(text);
	ps.p = text.p + r->from_start;
	ps.end = text.p + text.n - r->to_end;
	if (ps.p > ps.end)
		ps.p = ps.end;
	tree = parse_alt(&ps);
	if (tree == NULL)
		return NULL;
	if (ps.p != ps.end) {
		(void)err_set(e, ERR_INVALID, ") without (");
		return NULL;
	}
	if (tree->kids->next != NULL &&
	    (r->from_start || r->to_end || r->any_start || r->any_end)) {
		(void)err_set(e, ERR_INVALID,
		    "alternatives beside ^, $ or .* stand in brackets, like ^(a|b)$");
		return NULL;
	}
	emit(r, tree);
	(void)put(r, I_MATCH, NULL);
	if (full(r)) {
		(void)err_set(e, ERR_INVALID, "the expression is too large (repetitions count)");
		return NULL;
	}
	return r;
}

bool
regex_starts(const struct regex *r)
{
	return r->from_start || r->any_start;
}

bool
regex_ends(const struct regex *r)
{
	return r->to_end || r->any_end;
}

/* ---- matching ---- */

struct threads {
	uint16_t pc[REGEX_INSTR_MAX];
	size_t n;
};

static bool
in_set(const struct set *s, uint32_t c)
{
	for (size_t i = 0; i < s->n; i++)
		if (c >= s->range[i].lo && c <= s->range[i].hi)
			return !s->negated;
	return s->negated;
}

/* Follows jumps and splits from pc; true when the match is among what is reached. */
static bool
follow(const struct regex *r, struct threads *t, uint32_t *mark, uint32_t now, uint16_t pc)
{
	uint16_t stack[REGEX_INSTR_MAX];
	size_t n = 0;
	bool matched = false;

	stack[n++] = pc;
	while (n > 0) {
		uint16_t at = stack[--n];

		if (mark[at] == now)
			continue;
		mark[at] = now;
		switch (r->at[at].kind) {
		case I_SET:
			t->pc[t->n++] = at;
			break;
		case I_MATCH:
			matched = true;
			break;
		case I_SPLIT:
			if (mark[r->at[at].y] != now)
				stack[n++] = r->at[at].y;
			ASSERT(n < REGEX_INSTR_MAX); /* one more for each split, and fewer splits */
			stack[n++] = r->at[at].x;
			break;
		case I_JUMP:
			stack[n++] = r->at[at].x;
			break;
		}
	}
	return matched;
}

bool
regex_match(const struct regex *r, struct str text)
{
	struct threads a = { .n = 0 }, b = { .n = 0 }, *cur = &a, *next = &b, *t;
	uint32_t mark[REGEX_INSTR_MAX] = { 0 }, now = 1;
	const char *p = text.p, *end = text.p + text.n;
	bool matched = follow(r, cur, mark, now, 0);

	while (p < end && !(matched && !r->to_end) && (cur->n > 0 || !r->from_start)) {
		uint32_t c = utf8_next(&p);

		now++;
		next->n = 0;
		matched = false;
		for (size_t i = 0; i < cur->n; i++)
			if (in_set(r->at[cur->pc[i]].set, c))
				matched |= follow(r, next, mark, now, (uint16_t)(cur->pc[i] + 1));
		if (!r->from_start)
			matched |= follow(r, next, mark, now, 0);
		t = cur;
		cur = next;
		next = t;
	}
	return matched && (!r->to_end || p >= end);
}
