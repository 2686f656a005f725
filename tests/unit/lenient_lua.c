/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever Lua itself compiles, the lenient front-end leaves alone, byte for byte, and the lexer
 * finds nothing foreign in it.  Lua is the referee: scripts come out of a grammar (with strings,
 * long brackets and comments full of what models write from other languages, odd bytes, all line
 * ends), then have bytes of theirs changed, moved and dropped; each that still compiles counts.
 *
 * Two things are taken for another language although Lua compiles them: a comparison with null, and
 * the words async and await before a name.  Scripts with those words are of another test.
 *
 *	SEED=n build/unit/lenient_lua		other scripts; the seed is printed with a failure
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "codemode/lenient.h"
#include "codemode/lex.h"
#include "tests/unit/check.h"

#define SCRIPTS    3000
#define MUTANTS    12 /* of each */
#define SCRIPT_MAX 6000
#define DEPTH_MAX  4

static uint64_t seed = 20261128;
static lua_State *lua;

static unsigned
roll(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)((seed >> 11) % n);
}

#define PICK(list) list[roll(COUNT(list))]

/* ---- the grammar ---- */

/* Between two tokens: what Lua skips. */
static void
gap(struct buf *b)
{
	static const char *const gaps[] = { " ", " ", " ", " ", "\n", "\r\n", "\t", "\v\f",
		" -- await x += 1 ```\n", " --[[ != \n // */ ```lua\n]] ", " --[==[ ]] ]=] # ]==] ",
		" --[ [ not long ]]\n", "--\xc2\xa0\xef\xbb\xbf\n", " -- `'\"\n", "\n\r",
		" --[=[ `x`\n```\n]=]\n" };

	buf_puts(b, PICK(gaps));
}

static void
word(struct buf *b, const char *text)
{
	gap(b);
	buf_puts(b, text);
}

static void
name(struct buf *b)
{
	static const char *const names[] = { "x", "y", "t", "files", "continue", "const", "let",
		"var", "elif", "elsif", "elseIf", "console", "JSON", "None", "require", "undefined",
		"f", "_", "s1", "e", "lua", "this", "try", "switch" };

	word(b, PICK(names));
}

static void
literal(struct buf *b)
{
	static const char *const literals[] = { "1", "0x1p-4", "3.", ".5e+3", "0xA.8p1", "'a != b'",
		"\"x += 1; // no\"", "'\\'\\\\'", "'\\\n```lua\\\n'", "'\\z  \n  # x'",
		"[[```lua\nreturn 1\n```]]", "[==[ ]] ]=] !== ]==]", "[[\n]]", "'\\x41\\u{7f}\\65'",
		"\"`${x}`\"", "'\xc2\xa0\xff\x80'", "[=[\r\n\n\r]=]", "nil", "true", "false", "{}",
		"'else if'", "'--[['", "[[--]]" };

	word(b, PICK(literals));
}

static void expression(struct buf *b, int depth);
static void block(struct buf *b, int depth, bool loop);

// NOLINTNEXTLINE(misc-no-recursion)
static void
list(struct buf *b, int depth)
{
	for (unsigned n = 1 + roll(3); n > 0; n--) {
		expression(b, depth);
		if (n > 1)
			word(b, ",");
	}
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
table(struct buf *b, int depth)
{
	word(b, "{");
	for (unsigned n = roll(4); n > 0; n--) {
		switch (roll(3)) {
		case 0:
			name(b);
			word(b, "=");
			break;
		case 1:
			word(b, "[");
			expression(b, depth);
			word(b, "]");
			word(b, "=");
			break;
		default:
			break;
		}
		expression(b, depth);
		word(b, roll(2) == 0 ? "," : ";");
	}
	word(b, "}");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
suffix(struct buf *b, int depth)
{
	switch (roll(6)) {
	case 0:
	case 1:
		word(b, ".");
		name(b);
		break;
	case 2:
		word(b, "[");
		expression(b, depth);
		word(b, "]");
		break;
	case 3:
		word(b, ":");
		name(b);
		table(b, depth);
		break;
	case 4:
		table(b, depth);
		break;
	default:
		word(b, "(");
		list(b, depth);
		word(b, ")");
	}
}

/* Something that can be called, or (call false) assigned to. */
// NOLINTNEXTLINE(misc-no-recursion)
static void
prefix(struct buf *b, int depth, bool call)
{
	if (roll(8) == 0) {
		word(b, "(");
		expression(b, depth);
		word(b, ")");
	} else {
		name(b);
	}
	for (unsigned n = roll(3); n > 0; n--)
		suffix(b, depth);
	if (call) {
		word(b, "(");
		if (roll(2) == 0)
			list(b, depth);
		word(b, ")");
	} else {
		word(b, ".");
		name(b);
	}
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
function(struct buf *b, int depth)
{
	static const char *const heads[] = { "()", "(x)", "(x, ...)", "(continue, const)" };

	buf_puts(b, PICK(heads));
	block(b, depth - 1, false);
	word(b, "end");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
expression(struct buf *b, int depth)
{
	static const char *const binary[] = { "+", "-", "*", "/", "//", "^", "%", "&", "|", "~",
		"<<", ">>", "..", "<", "<=", ">", ">=", "==", "~=", "and", "or" };
	static const char *const unary[] = { "-", "not", "#", "~", "- -" };

	if (depth <= 0) {
		if (roll(2) == 0)
			literal(b);
		else
			name(b);
		return;
	}
	switch (roll(8)) {
	case 0:
		expression(b, depth - 1);
		word(b, PICK(binary));
		expression(b, depth - 1);
		break;
	case 1:
		word(b, PICK(unary));
		expression(b, depth - 1);
		break;
	case 2:
		table(b, depth - 1);
		break;
	case 3:
		prefix(b, depth - 1, true);
		break;
	case 4:
		word(b, "function");
		function(b, depth);
		break;
	case 5:
		word(b, "(");
		expression(b, depth - 1);
		word(b, ")");
		break;
	default:
		literal(b);
	}
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
conditional(struct buf *b, int depth, bool loop)
{
	word(b, "if");
	expression(b, depth - 1);
	word(b, "then");
	block(b, depth - 1, loop);
	if (roll(3) == 0) {
		word(b, "elseif");
		expression(b, depth - 1);
		word(b, "then");
		block(b, depth - 1, loop);
	}
	if (roll(2) == 0) {
		word(b, "else");
		if (roll(2) == 0)
			conditional(b, depth - 1, loop); /* else if … end end */
		else
			block(b, depth - 1, loop);
	}
	word(b, "end");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
loop_put(struct buf *b, int depth)
{
	static const char *const heads[] = { "for i = 1, 3 do", "for continue, v in f() do",
		"while x do", "for let = 1, #t, 2 do" };

	if (roll(4) == 0) {
		word(b, "repeat");
		block(b, depth - 1, true);
		word(b, "until");
		expression(b, depth - 1);
		return;
	}
	word(b, PICK(heads));
	block(b, depth - 1, true);
	word(b, "::continue:: end");
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
statement(struct buf *b, int depth, bool loop)
{
	static const char *const locals[] = { "local continue", "local const <const> = 1",
		"local x <close> = nil", "local a, let = 1", "local f <const>, e = f, 2" };

	switch (depth <= 0 ? roll(3) : roll(9)) {
	case 0:
		prefix(b, depth, false);
		word(b, "=");
		list(b, depth);
		break;
	case 1:
		prefix(b, depth, true);
		break;
	case 2:
		word(b, roll(2) == 0 ? ";" : PICK(locals));
		break;
	case 3:
	case 4:
		conditional(b, depth, loop);
		break;
	case 5:
	case 6:
		loop_put(b, depth);
		break;
	case 7:
		word(b, roll(2) == 0 ? "local function continue" : "function t.let:var");
		function(b, depth);
		break;
	default:
		word(b, "do");
		block(b, depth - 1, loop);
		word(b, "end");
	}
	if (roll(3) == 0)
		buf_puts(b, ";"); /* else the next one may be a call of this one */
}

// NOLINTNEXTLINE(misc-no-recursion)
static void
block(struct buf *b, int depth, bool loop)
{
	for (unsigned n = roll(4); n > 0 && b->n < SCRIPT_MAX; n--)
		statement(b, depth, loop);
	if (loop && roll(6) == 0)
		word(b, "break");
	else if (roll(8) == 0) {
		word(b, "return");
		if (roll(2) == 0)
			list(b, depth);
	}
}

/* ---- the properties ---- */

static bool
compiles(struct str s)
{
	bool ok = luaL_loadbufferx(lua, s.p, s.n, "=s", "t") == LUA_OK;

	lua_settop(lua, 0);
	return ok;
}

static bool
has(struct str s, const char *text)
{
	return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

static bool
is_left_alone(struct str s)
{
	struct lua_tokens t;
	struct lenient l;
	struct buf out;
	bool same;

	lua_tokens_init(&t, s);
	same = t.first_bad == t.n;
	lua_tokens_fini(&t);
	buf_init(&out, 0);
	same = !lenient_fix(s, 128 << 10, &out, &l) && out.n == 0 && same;
	for (int i = 0; i < LENIENT_ALIAS; i++)
		same &= l.fixed[i] == 0;
	buf_fini(&out);
	return same;
}

static bool
checked(struct str s, uint64_t of)
{
	if (has(s, "null") || has(s, "await") || has(s, "async") || is_left_alone(s))
		return true;
	printf("  SEED=%llu, not left alone:\n" STR_FMT "\n", (unsigned long long)of, STR_ARG(s));
	return false;
}

/* Bits of what is looked for, put where they do not belong. */
static void
mutate(const struct buf *b, struct buf *out)
{
	static const char *const bits[] = { "\"", "'", "[[", "]]", "--", "--[[", "\\", "\n", "\r",
		"#", "//", "`", "```\n", "\n```lua\n", "=", "[=[", "]=]", "\xc2\xa0", "\0", " if ",
		"else", " end ", " continue ", ";", "const ", "!", "+=", ".", "..", "0", "~", ":" };
	size_t at = roll((unsigned)b->n + 1), n = 0;
	const char *bit = PICK(bits);

	buf_reset(out);
	buf_put(out, (struct str){ b->p, at });
	switch (roll(4)) {
	case 0:
		n = 1 + roll(3);
		break;
	case 1:
		buf_putc(out, (char)roll(256));
		n = 1;
		break;
	case 2:
		if (at > 0) { /* twice */
			size_t from = roll((unsigned)at), more = at - from > 12 ? 12 : at - from;

			buf_put(out, (struct str){ b->p + from, more });
		}
		break;
	default:
		buf_puts(out, bit);
	}
	n = n > b->n - at ? b->n - at : n;
	buf_put(out, (struct str){ b->p + at + n, b->n - at - n });
}

/* Each from the last one that compiled; how many did, or SIZE_MAX: one was not left alone. */
static size_t
mutants_of(struct buf *b, uint64_t of)
{
	size_t good = 0;
	struct buf next;

	buf_init(&next, 0);
	for (int k = 0; k < MUTANTS && good != SIZE_MAX; k++) {
		struct buf old = *b;

		mutate(b, &next);
		if (!compiles(buf_str(&next)))
			continue;
		good = checked(buf_str(&next), of) ? good + 1 : SIZE_MAX;
		*b = next;
		next = old;
	}
	buf_fini(&next);
	return good;
}

static void
test_generated(void)
{
	size_t valid = 0, mutants = 0;
	bool ok = true;

	TEST("what Lua compiles is left alone");
	for (int i = 0; i < SCRIPTS && ok; i++) {
		uint64_t of = seed;
		struct buf b;

		buf_init(&b, 0);
		for (unsigned n = 1 + roll(3); n > 0; n--)
			statement(&b, DEPTH_MAX, false);
		if (b.n < SCRIPT_MAX * 2 && compiles(buf_str(&b))) {
			valid++;
			ok = checked(buf_str(&b), of);
			size_t good = ok ? mutants_of(&b, of) : 0;

			ok &= good != SIZE_MAX;
			mutants += good;
		}
		buf_fini(&b);
	}
	printf("  %zu scripts of the grammar, %zu mutants of theirs\n", valid, mutants);
	CHECK(ok);
	CHECK(valid > SCRIPTS / 3);
	CHECK(mutants > SCRIPTS / 3);
}

int
main(void)
{
	const char *other = getenv("SEED");

	if (other != NULL)
		seed = strtoull(other, NULL, 10) | 1;
	lua = luaL_newstate();
	test_generated();
	lua_close(lua);
	return check_done();
}
