/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens and rewriting: each rule by example, what must stay as it is, and every prefix of a
 * source full of everything, byte by byte.
 */
#include "codemode/lenient.h"

#include <dirent.h>
#include <stdlib.h>

#include "codemode/outline.h"
#include "sandbox/frame.h"
#include "tests/unit/check.h"

static void
becomes(const char *from, const char *to)
{
	struct str source = str_of(from);
	struct lenient l;
	struct buf out;
	bool changed;

	buf_init(&out, 0);
	changed = lenient_fix(source, 128 << 10, &out, &l);
	check_state.name = from;
	CHECK_EQ_S(changed ? buf_cstr(&out) : from, to);
	CHECK(changed == (strcmp(from, to) != 0));
	buf_fini(&out);
}

static void
stays(const char *text)
{
	becomes(text, text);
}

static void
words(const char *from, const char *expected)
{
	struct lenient l;
	struct buf out;

	buf_init(&out, 0);
	(void)lenient_fix(str_of(from), 128 << 10, &out, &l);
	buf_reset(&out);
	lenient_put_words(&l, &out);
	check_state.name = from;
	CHECK_EQ_S(buf_cstr(&out), expected);
	buf_fini(&out);
}

/* Kinds as letters: n name, k keyword, 1 number, s string, . sign, F foreign, B broken. */
static void
lexes(const char *text, const char *kinds)
{
	static const char letters[] = "$nk1s.FB";
	struct lua_tokens s;
	char got[64] = "";

	lua_tokens_init(&s, str_of(text));
	for (size_t i = 0; i < s.n && i < sizeof(got) - 1; i++)
		got[i] = letters[s.t[i].kind];
	check_state.name = text;
	CHECK_EQ_S(got, kinds);
	CHECK((strpbrk(got, "FB") == NULL) == (s.first_bad == s.n));
	lua_tokens_fini(&s);
}

static void
tokens(void)
{
	lexes("", "$");
	lexes("local x = 1", "kn.1$");
	lexes("a.b:c{1,'x'}", "n.n.n.1.s.$");
	lexes("return ... == 3", "k..1$");
	lexes("x = ...==y", "n...n$");
	lexes("a..b", "n.n$");
	lexes("3 .. 2", "1.1$");
	lexes("3..2", "B$");
	lexes("0x1p4 0xA.8 1e+5 .5 5. 0x.8p-1", "111111$");
	lexes("0x 1e 1e+ 0x1p 3x 08z", "BBBBBB$");
	lexes("'a\\'b' \"c\\\"d\"", "ss$");
	lexes("'a\\\nb' x", "sn$");
	lexes("'a\\z  \n  b' x", "sn$");
	lexes("'a\nb", "Bn$");
	lexes("[[a]b]] [=[c]]d]=] [==[ ]=] ]==]", "sss$");
	lexes("[=[ ]]", "B$");
	lexes("[=x", "Bn$");
	lexes("[ [[a]] ]", ".s.$");
	lexes("t[[[a]]]", "ns.$");
	lexes("--[[ a\n ]] x -- y\n z", "nn$");
	lexes("--[==[ a ]] \n x", "B$");
	lexes("--[= a\n x", "n$");
	lexes("a != b && c || !d", "nFnFnFFn$");
	lexes("x += 1 y ..= 2 z //= 3", "nF1nF1nF1$");
	lexes("a // b", "n.n$");
	lexes("a <= b >= c ~= d == e << f >> g", "n.n.n.n.n.n.n$");
	lexes("x === y !== z", "nFnFn$");
	lexes("local x <const>= 1", "kn.n.1$");
	lexes("a=-1 b=#c d=~e", "n..1n..nn..n$");
	lexes("::l:: goto l", ".n.kn$");
	lexes("`x` ```", "FnFF$");
	lexes("caf\xc3\xa9 = 1", "nF.1$");
}

static void
lines(void)
{
	struct lua_tokens s;

	TEST("every kind of line end counts once");
	lua_tokens_init(&s, STR("a\nb\r\nc\n\rd\re\n\nf [[\n\n]] g '\\\n' h"));
	CHECK_EQ_I(s.t[0].line, 1);
	CHECK_EQ_I(s.t[1].line, 2);
	CHECK_EQ_I(s.t[2].line, 3);
	CHECK_EQ_I(s.t[3].line, 4);
	CHECK_EQ_I(s.t[4].line, 5);
	CHECK_EQ_I(s.t[5].line, 7);
	CHECK_EQ_I(s.t[6].line, 7);
	CHECK_EQ_I(s.t[7].line, 9);
	CHECK_EQ_I(s.t[9].line, 10);
	CHECK_STR(lua_line(s.text, 3), "c");
	CHECK_STR(lua_line(s.text, 6), "");
	CHECK_STR(lua_line(s.text, 10), "' h");
	CHECK(lua_line(s.text, 11).p == NULL);
	lua_tokens_fini(&s);
}

static void
operators(void)
{
	becomes("if a != b then end", "if a ~= b then end");
	becomes("if a !== b and c === d then end", "if a ~= b and c == d then end");
	becomes("return a&&b||!c", "return a and b or  not c");
	becomes("return 2 ** 3", "return 2 ^ 3");
	stays("return 'a != b && c' -- x += 1\nreturn [[ !x ]]");
	stays("return a ~= b, a == b, ~a, a & b, a | b, a // b, a // b // c");
}

static void
assignments(void)
{
	becomes("x += 1", "x = x + 1");
	becomes("x -= 1 y *= 2 z /= 3", "x = x - 1 y = y * 2 z = z / 3");
	becomes("x += a or b", "x = x + (a or b)");
	becomes("s ..= 'x' .. y\nreturn s", "s = s .. ('x' .. y)\nreturn s");
	becomes("t.a[i + 1].b += f(1, {2})[3]:m 'x' return 1",
	    "t.a[i + 1].b = t.a[i + 1].b + (f(1, {2})[3]:m 'x') return 1");
	becomes("t['a\\'b'] += -x", "t['a\\'b'] = t['a\\'b'] + (-x)");
	becomes("x += (function() y += 1 return y end)()\nz = 1",
	    "x = x + ((function() y = y + 1 return y end)())\nz = 1");
	becomes(
	    "for _, v in ipairs(l) do n += v.n end", "for _, v in ipairs(l) do n = n + (v.n) end");
	becomes("x ||= y", "x = x or y");
	becomes("x += a != b", "x = x + (a ~= b)");
	becomes("i++ j++", "i = i + 1 j = j + 1");
	becomes("t.n++;", "t.n = t.n + 1;");
	/* evaluated twice, or no statement: left alone, the error explains */
	stays("f().n += 1");
	stays("t[f()] += 1");
	stays("t[next 'x'] += 1");
	stays("local x += 1");
	stays("return x += 1");
	stays("x += ");
	stays("x += 1, 2");
	stays("f(i++)");
	stays("++i");
	stays("for (i = 0; i < 3; i++) {}");
}

static void
loops(void)
{
	becomes("for i = 1, 3 do if i == 2 then continue end print(i) end",
	    "for i = 1, 3 do if i == 2 then goto _continue6 end print(i)  ::_continue6:: end");
	becomes("while x do local y = 1 if y then continue end local z end",
	    "while x do local y = 1 if y then goto _continue2 end local z  ::_continue2:: end");
	becomes("for k in p do for j in q do if a then continue end end if b then continue end end",
	    "for k in p do for j in q do if a then goto _continue9 end  ::_continue9:: end "
	    "if b then goto _continue4 end  ::_continue4:: end");
	becomes("for k in p do if a then continue end return k end",
	    "for k in p do if a then goto _continue4 end do return k  end  ::_continue4:: end");
	becomes("repeat if a then continue end b() until c",
	    "repeat if a then goto _continue0 end b()  ::_continue0:: until c");
	stays("repeat if a then continue end local b = 1 until b"); /* no goto may pass a local */
	becomes("for k in p do if a then continue; end end",
	    "for k in p do if a then goto _continue4; end  ::_continue4:: end");
	stays("for k in p do local f = function() continue end end");
	stays("continue");
	stays("for k in p do if a then goto continue end ::continue:: end");
	stays("local continue = 1 for k in p do continue = 2 continue() end");
	becomes("for k in p do if a then continue end s+=(1)end",
	    "for k in p do if a then goto _continue4 end s= s + ((1)) ::_continue4:: end");
}

static void
names(void)
{
	becomes("const x = 1\nlet y = 2\nvar z", "local x = 1\nlocal y = 2\nlocal z");
	stays("local let = 1 let = 2");
	stays("var = 1");
	becomes("local r = await shop.price{id = 1}", "local r =  shop.price{id = 1}");
	stays("local r = await\nshop.price{id = 1}");
	stays("local function await(x) return x end return await(1)");
	becomes("local f = async function() end", "local f =  function() end");
	becomes("if a then b() elif c then d() end", "if a then b() elseif c then d() end");
	becomes("if a then b() elif (c) then d() end", "if a then b() elseif (c) then d() end");
	becomes("if a then\n b()\nelse if c then\n d()\nend",
	    "if a then\n b()\nelseif c then\n d()\nend");
	becomes("local f = function() if a then else if b then else if c then end end",
	    "local f = function() if a then elseif b then elseif c then end end");
	stays("if a then else if b then end end");
	becomes("if x.y == null then end", "if  is_null(x.y) then end");
	becomes("if a and f(x)[1] ~= null then end", "if a and  not is_null(f(x)[1]) then end");
	becomes("if x !== null && y then end", "if  not is_null(x)  and  y then end");
	stays("if x == null.y then end");
	stays("local null = 1 if x == null then end");
	stays("return {parent = null}");
	stays("if not x == null then end");
	words("console.log(JSON.parse(x), True)", "alias x3");
	words("t.console = {JSON = 1, True = 2}", "");
	words("local True = 1 return True", "");
	words("a != b\nif c != d then x += 1 end", "not_equal x2, assign");
}

static void
around(void)
{
	becomes("```lua\nreturn 1\n```", "\nreturn 1\n");
	becomes("```\nreturn 1\n```\n", "\nreturn 1\n\n");
	becomes("Here's the script:\n\n```lua\nreturn 1\n```\nIt's done.", "\n\n\nreturn 1\n\n");
	becomes("```js\nx\n```\n```lua\nreturn 1\n```", "\n\n\n\nreturn 1\n");
	becomes("```lua\nlocal a = 1\n```\nand\n```lua\nreturn a\n```",
	    "\nlocal a = 1\n\n\n\nreturn a\n");
	becomes("```lua\nreturn 1", "\nreturn 1");
	becomes("`return 1`", "return 1");
	becomes(" ```lua return 1```\n", " return 1");
	stays("```");
	becomes("```\n```", "\n");
	stays("return [[\n```lua\nreturn 1\n```\n]]");
	stays("--[[\n```\n]] return 1");
	becomes("// fetch\nlocal x = 1 // the first of all\nreturn x",
	    "-- fetch\nlocal x = 1 -- the first of all\nreturn x");
	becomes("local x = 1 // if it isn't there\nreturn x",
	    "local x = 1 -- if it isn't there\nreturn x");
	becomes("# a comment (with\nreturn 1 # and another\n",
	    "-- a comment (with\nreturn 1 -- and another\n");
	stays("return #t, 1 // #t");
	stays("x = a\n// b\nc = 1");
	becomes("\xef\xbb\xbfreturn\xc2\xa0"
		"1",
	    " return 1");
	words("```lua\n# x\nreturn 1\n```", "fence, comment");
}

/* Found by lenient_lua.c, or by reading as a stranger. */
static void
of_lua(void)
{
	stays("return {a; #b}");
	stays("return {f = function() return 1; end; #b}");
	becomes("local x = 1; # how many\nreturn x", "local x = 1; -- how many\nreturn x");
	stays("local y = async\nfunction g() end");
	stays("local function is_null(v) return v == nil or v == null end return is_null(x)");
	stays("is_null = function(v) return v == null end");
}

static void
limits(void)
{
	static char big[130 << 10];
	struct lenient l;
	struct buf out;

	TEST("what grows past its limit stays as it was");
	for (size_t i = 0; i + 14 < sizeof(big); i += 14)
		memcpy(big + i, "abcdefgh += 1\n", 14);
	buf_init(&out, 0);
	CHECK(!lenient_fix((struct str){ big, 127 << 10 }, 128 << 10, &out, &l));
	CHECK_EQ_I(l.fixed[LENIENT_ASSIGN], 0);
	CHECK_EQ_I(out.n, 0);
	CHECK(lenient_fix((struct str){ big, 14 }, 128 << 10, &out, &l));
	buf_fini(&out);
	TEST("deep nesting costs no stack");
	memset(big, '(', sizeof(big));
	buf_init(&out, 0);
	CHECK(!lenient_fix((struct str){ big, sizeof(big) }, 1 << 20, &out, &l));
	for (size_t i = 0; i + 4 < sizeof(big); i += 4)
		memcpy(big + i, "x+=(", 4);
	CHECK(!lenient_fix((struct str){ big, sizeof(big) }, 1 << 20, &out, &l));
	buf_fini(&out);
}

static size_t
count_lines(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '\n';
	return n;
}

static const char everything[] =
    "Sure:\n```lua\n// get all of them\nlet n, s = 0, \"a\\\"b\\z  \n c\"\nlocal t = [==[ x\n]=] "
    "]==]\n"
    "for _, v in ipairs(await shop.list{limit = 0x1p2}) do\n  if v.x == null || !v.y then continue "
    "end\n"
    "  n += v.n or 1 --[[ y\n ]] t.x[1] ..= 'z' .. n\n  if n != 3 then i++ elif n === 4 then "
    "end\nend\n"
    "repeat continue until true # done\nconsole.log(`x ${n}`)\nreturn n ** 2\n```\nIt's that.\n";

static void
prefixes(void)
{
	struct lenient l;
	struct buf out;
	char *copy;

	TEST("every prefix: same lines, nothing read past its end, and twice is once");
	for (size_t n = 0; n <= sizeof(everything) - 1; n++) {
		copy = mem_alloc(n + 1); /* exact: a sanitizer sees a byte too far */
		memcpy(copy, everything, n);
		copy = mem_realloc(copy, n == 0 ? 1 : n);
		buf_init(&out, 0);
		if (lenient_fix((struct str){ copy, n }, 1 << 20, &out, &l))
			CHECK_EQ_I(
			    count_lines(buf_str(&out)), count_lines((struct str){ copy, n }));
		buf_fini(&out);
		free(copy);
	}
}

/* Everything in the repository that is Lua: it comes back as it was. */
static void
valid_files(const char *folder, size_t least)
{
	DIR *d = opendir(folder);
	char *text = mem_alloc(1 << 20), path[300];
	size_t n, looked = 0;
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		struct lua_tokens s;
		struct lenient l;
		struct buf out;
		FILE *f;

		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (!str_ends(str_of(path), STR(".lua")) || (f = fopen(path, "rb")) == NULL)
			continue;
		n = fread(text, 1, FRAME_SOURCE_MAX, f);
		(void)fclose(f);
		lua_tokens_init(&s, (struct str){ text, n });
		if (s.first_bad == s.n) { /* some attacks are no Lua */
			looked++;
			buf_init(&out, 0);
			check_state.name = path;
			CHECK(!lenient_fix((struct str){ text, n }, FRAME_SOURCE_MAX, &out, &l) ||
			      l.fixed[LENIENT_NULL] + l.fixed[LENIENT_AWAIT] > 0);
			buf_fini(&out);
		}
		lua_tokens_fini(&s);
	}
	TEST("valid Lua stays");
	CHECK(looked >= least);
	if (d != NULL)
		(void)closedir(d);
	free(text);
}

static void
test_literals(void)
{
	becomes("return {\"a\": 1, 'b' : {c: 'x', d: -1}, e:f}",
	    "return {[\"a\"]= 1, ['b'] = {c= 'x', d= -1}, e=f}");
	becomes("f{a: true; b: function() end, c: #x, d: (y), e: {}, g: z.y, h: z[1], i: z .. 1}",
	    "f{a= true; b= function() end, c= #x, d= (y), e= {}, g= z.y, h= z[1], i= z .. 1}");
	becomes("x = {\"l\": [1, [2, \"s\"], {a: []}]}", "x = {[\"l\"]= {1, {2, \"s\"}, {a= {}}}}");
	becomes("return [1, 2], f([3], [g[1], t[i]])", "return {1, 2}, f({3}, {g[1], t[i]})");
	becomes("return {[1], [2, 3]}", "return {{1}, {2, 3}}");
	words("return {\"a\": [1]}", "literal x2");
	stays("return {a:b(), a:b'x', a:b{c = 1}, a:b[[x]], [k] = v, [1] = [[x]], ['s']=t[1]}");
	stays("t[ [[k]] ] = {x = y:z()}; goto l ::l:: return t[1]");
	stays("f(a:b(c:d()))");
	stays("local [a, b] = x");
	stays("return {[[a]]: 1}");
	stays("return [1, 2");
	stays("return {1: 2, end: 3, a.b: 4}");
	stays("x = y ? [1 : 2");
}

int
main(void)
{
	tokens();
	lines();
	operators();
	assignments();
	loops();
	names();
	around();
	of_lua();
	limits();
	prefixes();
	valid_files("tests", 40);
	valid_files("tests/attacks", 150);
	valid_files("sandbox/worker", 1);
	test_literals();
	return check_done();
}
