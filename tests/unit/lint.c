/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is refused before anything runs, in the words of the real check, and everything that is
 * not: whatever is not certain to fail.
 */
#include "codemode/lint.h"

#include <stdlib.h>

#include "codemode/failure.h"
#include "codemode/signature.h"
#include "tests/unit/check.h"

static const struct tool tools[] = {
	{ .server = { "files", 5 }, .name = { "read", 4 }, .input_schema = { NULL, 0 } },
	{ .server = { "files", 5 }, .name = { "write_file", 10 } },
	{ .server = { "issues", 6 }, .name = { "list", 4 } },
};
static const char *const schemas[] = {
	"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"head\":{\"type\":"
	"\"integer\"}},\"required\":[\"path\"],\"additionalProperties\":false}",
	"{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"},\"content\":{\"type\":"
	"\"string\"}},\"required\":[\"path\",\"content\"]}",
	"{\"type\":\"object\",\"properties\":{\"state\":{\"enum\":[\"open\",\"closed\"]},"
	"\"labels\":{"
	"\"type\":\"array\"},\"limit\":{\"type\":\"number\"},\"all\":{\"type\":\"boolean\"}}}",
};
static struct tool known[COUNT(tools)];
static struct sandbox_tool names[COUNT(tools)];

static const struct tool *
find(void *ctx, size_t i)
{
	(void)ctx;
	return &known[i];
}

static void
put_signature(void *ctx, const struct tool *t, struct buf *out)
{
	(void)ctx;
	signature_put(out, t, false);
}

static char heard[1000]; /* "files.read:1 x:2": calls, and globals that are read */

static void
called(void *ctx, const struct tool *t, uint32_t line)
{
	size_t n = strlen(heard);

	(void)ctx;
	(void)snprintf(heard + n, sizeof(heard) - n, STR_FMT "." STR_FMT ":%u ",
	    STR_ARG(t->script_server), STR_ARG(t->script_name), line);
}

static void
global(void *ctx, struct str name, uint32_t line)
{
	size_t n = strlen(heard);

	(void)ctx;
	(void)snprintf(heard + n, sizeof(heard) - n, STR_FMT ":%u ", STR_ARG(name), line);
}

static size_t
lint(const char *source, char *first, size_t cap)
{
	struct lint_tools t = { names, COUNT(names), find, put_signature, called, global, NULL };
	struct lint_finding found[LINT_FINDINGS_MAX];
	size_t n;

	heard[0] = '\0';
	n = lint_check(str_of(source), &t, found);
	first[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		if (i == 0)
			(void)snprintf(
			    first, cap, "%u: %s", found[0].line, buf_cstr(&found[0].text));
		buf_fini(&found[i].text);
	}
	return n;
}

static void
refused(const char *source, const char *part)
{
	char first[2000];

	check_state.name = source;
	CHECK(lint(source, first, sizeof(first)) > 0);
	if (strstr(first, part) == NULL) {
		CHECK_EQ_S(first, part);
	} else {
		CHECK(true);
	}
}

static void
passes(const char *source)
{
	char first[2000];

	check_state.name = source;
	CHECK_EQ_I((long long)lint(source, first, sizeof(first)), 0);
	CHECK_EQ_S(first, "");
}

static void
arguments(void)
{
	refused("files.read{}", "1: files.read: invalid_args: missing `path` (got no arguments)\n"
				"  files.read{path:string, head?:integer}");
	refused("\nreturn files.read{file = 'x'}",
	    "2: files.read: invalid_args: missing `path` (got file)");
	refused(
	    "files.read{path = 'a', heads = 1}", "unknown argument `heads` (did you mean `head`?)");
	refused("files.read{path = true}", "`path` must be of type \"string\" (got true)");
	refused("files.read{path = 'a', head = 'b'}", "`head` must be of type \"integer\"");
	refused("files.read{path = 'a', head = -1.5}", "`head` must be of type \"integer\"");
	refused("files.read({path = {'a'}})", "`path` must be of type \"string\"");
	refused("files.read()", "missing `path`");
	refused("files.read('a')", "pass one table");
	refused("files.read 'a'", "pass one table");
	refused("files.read('a', 1)", "pass one table");
	refused("files.read{'a'}", "arguments have names");
	refused("files:read{path = 'a'}", "call it with a dot");
	refused("issues.list{state = 'opened'}", "`state` must be one of");
	refused("issues.list{labels = {a = 1}}", "`labels` must be of type \"array\"");
	refused("issues.list{all = 'yes'}", "`all` must be of type \"boolean\"");
	refused("call('files.read', {})", "missing `path`");
	refused("call('files.read')", "missing `path`");
	refused("files.read{['file'] = 'x'}", "missing `path` (got file)");
	refused(
	    "pmap(l, function(v) return files.read{name = v} end)", "missing `path` (got name)");
	refused("files.writeFile{path = 'a', text = 'b'}",
	    "files.write_file: invalid_args: missing `content`");
	passes("files.read{path = 'a'} files.read{path = x .. 'y', head = n}");
	passes("files.read{path = 'a', head = 3, }; files.read{path = 'a'; head = 3.0}");
	passes("files.read{path = f{1, 2}, head = #t} files.read({path = 'a'}).x = 1");
	passes(
	    "files.read(args) files.read{[key] = 'x'} files.read{table.unpack(t)} files.read{...}");
	passes("files.read(x and {path = x} or {})");
	passes("issues.list{} issues.list() issues.list{labels = {}, limit = 1e3, all = true}");
	passes("issues.list{state = 'op\\101n', labels = {'a', 'b'}, limit = 0x10}");
	passes("issues.list{state = nil, labels = null, [ [[state]] ] = 1}");
	passes("issues.list{labels = {{a = 1}}} issues.list{more = function() end}");
}

static void
unknown(void)
{
	refused("files.raed{path = 'a'}",
	    "files: unknown_tool: no tool 'raed'; did you mean read?\n"
	    "  files.read{path:string, head?:integer}");
	refused("files.zzzzzz{}", "search with tools");
	refused("files.zzzzzz{}", "files has read, write_file");
	refused("call('files.raed', {path = 'a'})", "did you mean read?");
	refused("-- a\n--[[ b\n]] local x = files.raed{}", "3: ");
	passes("nosuch.tool{} x.files.raed{} files.raed files.READ{path = 'a'}");
	passes("if files.raed then files.raed{} end");
	passes("call('files.write.file', {path = 'a', content = 'b'})");
	passes("json.decode{} json.nosuch{}");
	passes("call('nosuch.tool', {}) call(name, {}) x.call('files.raed', {})");
}

static void
uncertain(void)
{
	passes("local files = x files.read{}");
	passes("local a, files = 1, x files.read{}");
	passes("files = x files.read{}");
	passes("a.b, files = x files.read{}");
	passes("for _, files in ipairs(l) do files.read{} end");
	passes("map(l, function(a, files) files.read{} end)");
	passes("local function files() end files.read{}");
	passes("function files() end files.read{}");
	passes("local _ENV = {} files.read{}");
	passes("pcall(files.read, {}) pcall(files.raed, {}) pcall(call, 'files.raed', {})");
	passes("pcall(function() files.read{} end) xpcall(function() files.raed{} end, print)");
	passes("local function f() files.read{} end pcall(f)");
	passes("pmap(l, function() return files.read{} end, {errors = 'keep'})");
	passes("local pcall = 1 files.read{}");
	/* Whose errors may be caught, one way or another. */
	passes("local function h() files.raed{} end pcall(function() h() end)");
	passes("local M = {} function M.h() files.raed{} end pcall(function() M.h() end)");
	passes("local M = {} function M:h() files.raed{} end pcall(function() if x then M:h() end "
	       "end)");
	passes("local t = {function() files.raed{} end} pcall(function() t[1]() end)");
	passes("function h() files.raed{} end pcall(function() return h() end)");
	passes("local safe = pcall safe(function() files.raed{} end)");
	passes("local u = {try = pcall} u.try(function() files.raed{} end)");
	passes("local co = coroutine.create(function() files.raed{} end) coroutine.resume(co)");
	passes("local each = pmap each(l, function() files.raed{} end, {errors = 'keep'})");
	passes("pmap(l, function() files.raed{} end, {['errors'] = 'keep'})");
	passes("local o = {errors = 'keep'} local function f() files.raed{} end pmap(l, f, o)");
	refused("pcall(function() return print(x) end) local function h() files.read{} end h()",
	    "missing `path`");
	refused("coroutine.wrap(function() files.read{} end)()", "missing `path`");
	passes("return 'files.read{}' -- files.read{}\n, [[files.read{}]]");
	passes("function files.read(x) end");
	refused("if x { files.read{} }", "missing `path`"); /* and the compiler speaks, too */
	passes("files.read{ x = 1");
	passes("!files.read{}");
	refused("pcall(files.read, {}) files.read{}", "missing `path`");
	refused("local function f() end pcall(f) files.read{}", "missing `path`");
	refused("x{files = 1} files.read{}", "missing `path`");
}

static void
many(void)
{
	char first[2000];
	char *big = mem_alloc(128 << 10);

	TEST("findings are few, and a long script costs what it is long");
	CHECK_EQ_I((long long)lint(
		       "files.read{} files.read{} files.read{} files.read{}", first, sizeof(first)),
	    LINT_FINDINGS_MAX);
	memset(big, ' ', 128 << 10);
	for (size_t i = 0; i + 10 < 128 << 10; i += 8)
		memcpy(big + i, "files.z ", 8);
	big[(128 << 10) - 1] = '\0';
	CHECK_EQ_I((long long)lint(big, first, sizeof(first)), 0);
	memset(big, ' ', (128 << 10) - 1);
	for (size_t i = 0; i + 20 < 128 << 10; i += 13)
		memcpy(big + i, "files.z{x={} ", 13);
	CHECK_EQ_I((long long)lint(big, first, sizeof(first)), LINT_FINDINGS_MAX);
	free(big);
}

static void
hears(const char *source, const char *expected)
{
	char first[2000];

	check_state.name = source;
	(void)lint(source, first, sizeof(first));
	CHECK_EQ_S(heard, expected);
}

static void
globals(void)
{
	TEST("names that a script reads and nowhere declares, and tools that it calls");
	hears("local a = 1\nreturn a + b", "b:2 ");
	hears("for i, v in ipairs(t) do print(v, i) end", "ipairs:1 t:1 print:1 ");
	hears("x = 1 return x, y.x, y:z(), {x = 1, q = w, [e] = 1, 5}", "y:1 y:1 w:1 e:1 ");
	hears("local function f(p, ...) return p, f end\nfunction g() end\nreturn g", "");
	hears("local c <const>, d <close> = k, 1\ngoto out\n::out::\nreturn c, d", "k:1 ");
	hears("if a < b and b > c then end", "a:1 b:1 b:1 c:1 ");
	hears("pcall(function() return nope end)\nreturn nope", "nope:2 ");
	hears("return _ENV.x, nope", "");
	hears("return files.read{path = p}", "files:1 files.read:1 p:1 ");
	hears("x = nope ? 1 : 2", "");
}

static struct str
snippet_text(const void *ctx, struct str name)
{
	(void)ctx;
	return str_eq(name, STR("total")) ? STR("-- Sums.\nlocal amount = 1\nreturn amont\n")
					  : STR_NONE;
}

static void
told(const char *source, enum sandbox_end end, const char *message, const char *expected)
{
	struct lenient fixes;
	struct buf code, out;
	struct str ran = str_of(source);

	buf_init(&code, 0);
	buf_init(&out, 0);
	if (lenient_fix(str_of(source), FRAME_SOURCE_MAX, &code, &fixes))
		ran = buf_str(&code);
	failure_put(&(struct failure){ end, str_of(message), str_of(source), ran, &fixes,
			snippet_text, NULL },
	    &out);
	check_state.name = source;
	CHECK_EQ_S(buf_cstr(&out), expected);
	buf_fini(&out);
	buf_fini(&code);
}

static void
failures(void)
{
	told("a\n  b.c()\n", SANDBOX_RUNTIME, "script:2: boom", "error line 2: boom\n  2| b.c()");
	told("x", SANDBOX_RUNTIME, "no line", "error: no line");
	told("x", SANDBOX_CPU, "script:1: CPU limit exceeded",
	    "error (CPU) line 1: CPU limit exceeded\n  1| x");
	told("x", SANDBOX_RUNTIME, "script:9: y", "error line 9: y");
	told("x", SANDBOX_RUNTIME, "script:99999999999: y", "error: script:99999999999: y");
	told("x != 1\ty", SANDBOX_COMPILE, "script:1: syntax error near '~='",
	    "syntax error line 1: syntax error near '~='\n  1| x != 1 y\nchanged before it ran: != "
	    "-> ~=");
	told("local t = x ? 1 : 2", SANDBOX_COMPILE, "script:1: unexpected symbol near '?'",
	    "syntax error line 1: unexpected symbol near '?'\n  1| local t = x ? 1 : 2\n"
	    "hint: no ?: in Lua: c and a or b");
	told("local total = 1\nreturn totl", SANDBOX_RUNTIME, "script:2: undefined global 'totl'",
	    "error line 2: undefined global 'totl'\n  2| return totl\nhint: did you mean total?");
	told("return len(t)", SANDBOX_RUNTIME, "script:1: undefined global 'len'",
	    "error line 1: undefined global 'len'\n  1| return len(t)\n"
	    "hint: the length of a list or string is #x");
}

static void
snippets(void)
{
	TEST("an error in a snippet is shown and advised upon in the snippet");
	told("local amound = 1\nsnippets.total{}", SANDBOX_RUNTIME,
	    "script:2: snippets.total:3: undefined global 'amont'",
	    "error line 2: snippets.total:3: undefined global 'amont'\n  2| snippets.total{}\n"
	    "  snippets.total:3| return amont\nhint: did you mean amount?");
	told("x", SANDBOX_CPU, "script:1: snippets.total:2: CPU limit exceeded",
	    "error (CPU) line 1: snippets.total:2: CPU limit exceeded\n  1| x\n"
	    "  snippets.total:2| local amount = 1");
	told("x", SANDBOX_RUNTIME, "snippets.total:2: y",
	    "error: snippets.total:2: y\n  snippets.total:2| local amount = 1");
	told("x", SANDBOX_RUNTIME, "script:1: snippets.other:2: y",
	    "error line 1: snippets.other:2: y\n  1| x");
	told("x", SANDBOX_RUNTIME, "script:1: snippets.total: invalid_args: y",
	    "error line 1: snippets.total: invalid_args: y\n  1| x");
	told(
	    "x", SANDBOX_RUNTIME, "script:1: snippets:2: y", "error line 1: snippets:2: y\n  1| x");
	told("x", SANDBOX_RUNTIME, "script:1: shop.total:2: y",
	    "error line 1: shop.total:2: y\n  1| x");
}

int
main(void)
{
	for (size_t i = 0; i < COUNT(tools); i++) {
		known[i] = tools[i];
		known[i].input_schema = str_of(schemas[i]);
		known[i].script_server = tools[i].server;
		known[i].script_name = tools[i].name;
		names[i] = (struct sandbox_tool){ tools[i].server, tools[i].name };
	}
	arguments();
	unknown();
	uncertain();
	many();
	globals();
	failures();
	snippets();
	return check_done();
}
