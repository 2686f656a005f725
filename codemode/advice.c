/* SPDX-License-Identifier: Apache-2.0 */
/*
 * advice - one line of advice with an error, for those who write another language.
 *
 * Tables, the first match wins: names that Lua does not have, phrases of Lua's messages, signs and
 * words near the line of a syntax error.  A hint says what to write, not what went wrong: that the
 * message has said already.
 */
#include "codemode/failure.h"
#include "codemode/outline.h"

#define NAMES_MAX 256

struct advice {
	const char *what, *hint;
};

/* Of "undefined global 'x'", "(field 'x')", "(method 'x')", "(global 'x')". */
static const struct advice by_name[] = {
	{ "len", "the length of a list or string is #x" },
	{ "length", "the length of a list or string is #x" },
	{ "size", "the length of a list or string is #x" },
	{ "count", "the length of a list or string is #x" },
	{ "getn", "the length of a list is #t" },
	{ "str", "tostring(x)" },
	{ "String", "tostring(x)" },
	{ "toString", "tostring(x)" },
	{ "int", "math.tointeger(x) or tonumber(x)" },
	{ "float", "tonumber(x)" },
	{ "Number", "tonumber(x)" },
	{ "parseInt", "tonumber(x)" },
	{ "parseFloat", "tonumber(x)" },
	{ "toFixed", "string.format(\"%.2f\", x)" },
	{ "round", "math.floor(x + 0.5)" },
	{ "Math", "math.floor, math.max, ...: in lower case" },
	{ "range", "for i = 1, n do ... end" },
	{ "enumerate", "for i, v in ipairs(list) do ... end" },
	{ "items", "for k, v in pairs(t) do ... end" },
	{ "entries", "for k, v in pairs(t) do ... end" },
	{ "forEach", "for i, v in ipairs(list) do ... end" },
	{ "foreach", "for k, v in pairs(t) do ... end" },
	{ "map", "map(list, function(v, i) return ... end)" },
	{ "filter", "filter(list, function(v, i) return ... end)" },
	{ "reduce", "reduce(list, function(acc, v) return ... end, start)" },
	{ "find", "for i, v in ipairs(list) do if ... then ... end end" },
	{ "some", "for i, v in ipairs(list) do if ... then ... end end" },
	{ "every", "for i, v in ipairs(list) do if ... then ... end end" },
	{ "any", "for i, v in ipairs(list) do if ... then ... end end" },
	{ "all", "for i, v in ipairs(list) do if ... then ... end end" },
	{ "flatMap", "for loops with table.insert(out, v)" },
	{ "push", "table.insert(list, v), or list[#list + 1] = v" },
	{ "append", "table.insert(list, v), or list[#list + 1] = v" },
	{ "extend", "for i, v in ipairs(more) do table.insert(list, v) end" },
	{ "pop", "table.remove(list)" },
	{ "shift", "table.remove(list, 1)" },
	{ "join", "table.concat(list, \", \")" },
	{ "sorted", "sort_by(list, key) or table.sort(list, function(a, b) return a < b end)" },
	{ "sort", "sort_by(list, key) or table.sort(list, function(a, b) return a < b end)" },
	{ "sortBy", "sort_by(list, key)" },
	{ "groupBy", "group_by(list, key)" },
	{ "reverse", "for i = #list, 1, -1 do ... end" },
	{ "slice", "x:sub(first, last) of a string, {table.unpack(list, first, last)} of a list" },
	{ "substring", "s:sub(first, last), from 1, the last included" },
	{ "substr", "s:sub(first, last), from 1, the last included" },
	{ "charAt", "s:sub(i, i)" },
	{ "replace", "s:gsub(pattern, replacement), with % as the escape of patterns" },
	{ "replaceAll", "s:gsub(pattern, replacement), with % as the escape of patterns" },
	{ "includes", "s:find(text, 1, true) of a string, a loop over a list" },
	{ "indexOf", "s:find(text, 1, true) of a string, a loop over a list" },
	{ "toUpperCase", "s:upper()" },
	{ "toLowerCase", "s:lower()" },
	{ "Object", "keys(t), or for k, v in pairs(t) do ... end" },
	{ "values", "for k, v in pairs(t) do ... end" },
	{ "hasOwnProperty", "t[key] ~= nil" },
	{ "Array", "lists are tables: {1, 2, 3}" },
	{ "list", "lists are tables: {1, 2, 3}" },
	{ "dict", "tables: {key = value}" },
	{ "set", "a table with true for each member: {[v] = true}" },
	{ "Set", "a table with true for each member: {[v] = true}" },
	{ "Map", "a table: t[key] = value" },
	{ "Date", "os.time(), os.date(\"%Y-%m-%d\", t)" },
	{ "datetime", "os.time(), os.date(\"%Y-%m-%d\", t)" },
	{ "clock", "there is no clock: os.time() is the start of the run" },
	{ "getenv", "there is no environment here" },
	{ "Promise", "calls wait by themselves; pmap(list, fn) makes many at once" },
	{ "asyncio", "calls wait by themselves; pmap(list, fn) makes many at once" },
	{ "await", "no await: calls wait by themselves" },
	{ "then", "no promises: a call returns its result" },
	{ "setTimeout", "there is nothing to wait for: calls return when they are done" },
	{ "sleep", "there is nothing to wait for: calls return when they are done" },
	{ "fetch", "no network here: only the tools of the servers" },
	{ "http", "no network here: only the tools of the servers" },
	{ "requests", "no network here: only the tools of the servers" },
	{ "io", "no files here: only the tools of the servers" },
	{ "fs", "no files here: only the tools of the servers" },
	{ "load", "no code from text here: write functions" },
	{ "loadstring", "no code from text here: write functions" },
	{ "eval", "no code from text here: write functions" },
	{ "typeof", "type(x)" },
	{ "isinstance", "type(x) == \"table\"" },
	{ "self", "no self outside of methods" },
	{ "this", "no this in Lua" },
	{ "f", "no f-strings in Lua: \"a \" .. x, or string.format(\"%s\", x)" },
	{ "raise", "error(\"text\")" },
	{ "throw", "error(\"text\")" },
	{ "Error", "error(\"text\")" },
	{ "try", "local ok, e = pcall(function() ... end)" },
	{ "new", "no classes in Lua: tables and functions" },
	{ "import", "nothing to import: json, string, table, math and the servers are there" },
	{ "printf", "print(string.format(...))" },
	{ "echo", "print(x)" },
	{ "continue", "no continue there: goto, or an if around the rest of the loop" },
	{ "exit", "return ends the script" },
	{ "concat", "table.concat(list, \", \"); lists are joined by a loop with table.insert" },
	{ "contains", "s:find(text, 1, true) ~= nil of a string, a loop over a list" },
	{ "unique", "for _, v in ipairs(list) do if not seen[v] then seen[v] = true ... end end" },
	{ "uniq", "for _, v in ipairs(list) do if not seen[v] then seen[v] = true ... end end" },
	{ "flatten", "for loops with table.insert(out, v)" },
	{ "merge", "for k, v in pairs(b) do a[k] = v end" },
	{ "assign", "for k, v in pairs(b) do a[k] = v end" },
	{ "max", "math.max(a, b), of a list math.max(table.unpack(list))" },
	{ "min", "math.min(a, b), of a list math.min(table.unpack(list))" },
	{ "isdigit", "s:match(\"^%d+$\")" },
	{ "title", "s:sub(1, 1):upper() .. s:sub(2)" },
	{ "capitalize", "s:sub(1, 1):upper() .. s:sub(2)" },
	{ "zfill", "string.format(\"%05d\", n)" },
	{ "padStart", "string.format(\"%5s\", s), string.format(\"%05d\", n)" },
	{ "padEnd", "string.format(\"%-5s\", s)" },
	{ "rjust", "string.format(\"%5s\", s)" },
	{ "ljust", "string.format(\"%-5s\", s)" },
};

/* Of Lua's own messages. */
static const struct advice by_phrase[] = {
	{ "perform arithmetic on a string value", "join text with .., not +" },
	{ "concatenate a table value", "json.encode(t) makes text of a table" },
	{ "concatenate a nil value", "tostring(x), or (x or \"\")" },
	{ "concatenate a boolean value", "tostring(x)" },
	{ "concatenate a userdata value", "JSON null in a list is null: tostring(x)" },
	{ "compare number with string", "tonumber(text)" },
	{ "compare string with number", "tonumber(text)" },
	{ "call a table value (for iterator", "for i, v in ipairs(list), for k, v in pairs(t)" },
	{ "index a userdata value", "JSON null in a list is null: compare with null" },
	{ "attempt to add a '", "join text with .., not +" },
	{ "bad 'for' limit", "for i = 1, #list do, or for i, v in ipairs(list) do" },
	{ "bad 'for' initial value", "for i, v in ipairs(list) do" },
	{ "invalid escape sequence",
	    "patterns escape with %, as \"%d+\"; in a string a backslash is \\\\" },
	{ "malformed pattern",
	    "patterns of Lua, no regular expressions: % escapes, %d %s %w, no |" },
	{ "(string expected, got tool error)",
	    "tostring(e) is the text of an error, e.message its own" },
	{ "(number has no integer representation)",
	    "%d and integers take no fractions: %.0f, math.floor(x) or x // 1" },
	{ "in table for 'concat'", "table.concat(map(list, tostring), \", \")" },
	{ "compare two nil values",
	    "a field is nil there: sort_by(list, key) has nil last; (x or 0)" },
	{ "compare nil with", "a value is nil there: (x or 0)" },
	{ "with nil", "a value is nil there: (x or 0)" },
	{ "index a function value (global 'tools')",
	    "server.tool{...} without tools; tools\"what you need\" searches" },
	{ "(table expected, got string)",
	    "that is text: lines(s), split(s, \",\") or json.decode(s) make a list of it" },
	{ "(list expected, got a table with the fields",
	    "pass the field that is the list, or go over the fields: for k, v in pairs(t)" },
	{ "'}' expected near 'for'",
	    "no comprehensions: map(list, function(v) return ... end), filter(list, fn)" },
	{ "<name> expected near '{'", "no destructuring: local a, b = t.a, t.b" },
	{ "<name> expected near '['", "no destructuring: local a, b = t[1], t[2]" },
	{ "<eof> expected near 'if'", "no x if c else y: c and x or y" },
	{ "near '>'", "not equal is ~=, a function is function(x) return ... end" },
	{ "near '?'", "no ? in Lua: c and a or b; (t or {}).field; x or default" },
	{ "near '{'", "blocks are then ... end, do ... end, function f(x) ... end, not { }" },
	{ "near '}'", "blocks end with end, not }; tables are {key = value}" },
	{ "'}' expected near ':'", "tables are {key = value}, {[\"a key\"] = value}" },
	{ "'then' expected near ':'", "if x then ... end" },
	{ "'do' expected near ':'", "for i, v in ipairs(list) do ... end" },
	{ "near ':'", "no : at the end of a line: then, do, or nothing; slices are s:sub(a, b)" },
	{ "'then' expected near '='", "compare with ==" },
	{ "near '['", "lists are {1, 2, 3}" },
	{ "<name> expected near '('",
	    "for i = 1, n do; for i, v in ipairs(list) do; names before (" },
	{ "'do' expected", "for i, v in ipairs(list) do ... end; while x do ... end" },
	{ "near 'in'", "no in operator: t[key] ~= nil, or a loop" },
	{ "near 'of'", "for i, v in ipairs(list) do ... end" },
	{ "near '/'", "comments begin with --" },
	{ "near '#'", "comments begin with --" },
	{ "near '*'", "no import or ** here: json, string, table, math and the servers are there" },
	{ "near '+'", "no ++ and no += there: x = x + 1, with the left side in a local first" },
	{ "near '-'", "no -- and no -= there: x = x - 1, with the left side in a local first" },
};

/* A word at the start of a statement of another language. */
static const struct advice by_word[] = {
	{ "def", "function f(x) ... end" },
	{ "fn", "function f(x) ... end" },
	{ "func", "function f(x) ... end" },
	{ "lambda", "function(x) return ... end" },
	{ "import", "nothing to import: json, string, table, math and the servers are there" },
	{ "from", "nothing to import: json, string, table, math and the servers are there" },
	{ "export", "nothing to export: return the result" },
	{ "try", "errors are caught with local ok, e = pcall(function() ... end)" },
	{ "catch", "errors are caught with local ok, e = pcall(function() ... end)" },
	{ "except", "errors are caught with local ok, e = pcall(function() ... end)" },
	{ "throw", "error(\"text\")" },
	{ "raise", "error(\"text\")" },
	{ "switch", "if a then ... elseif b then ... else ... end" },
	{ "match", "if a then ... elseif b then ... else ... end" },
	{ "case", "if a then ... elseif b then ... else ... end" },
	{ "class", "no classes in Lua: tables and functions" },
	{ "new", "no classes in Lua: tables and functions" },
	{ "del", "t[key] = nil" },
	{ "delete", "t[key] = nil" },
	{ "print", "print(x)" },
	{ "let", "local x = 1" },
	{ "const", "local x = 1" },
	{ "var", "local x = 1" },
	{ "elif", "elseif x then" },
	{ "foreach", "for i, v in ipairs(list) do ... end" },
	{ "async", "no async in Lua: calls wait by themselves" },
	{ "await", "no await in Lua: calls wait by themselves" },
	{ "continue", "no continue there: goto, or an if around the rest of the loop" },
	{ "pass", "an empty block needs nothing in it" },
	{ "with", "no with in Lua: local f = ..." },
	{ "is", "a == b, a == nil" },
};

/* A sign of another language, at the line of a syntax error. */
static const struct {
	enum lua_word word;
	const char *hint;
} by_sign[] = {
	{ W_FAT_ARROW, "function(x) return ... end, not =>" },
	{ W_ARROW, "function(x) return ... end; fields are t.x" },
	{ W_BACKQUOTE, "no template strings in Lua: \"a \" .. x, or string.format" },
	{ W_FENCE, "only the script, without ```" },
	{ W_QUESTION, "no ?: in Lua: c and a or b" },
	{ W_OPTIONAL, "no ?. in Lua: (t or {}).field" },
	{ W_NULLISH, "no ?? in Lua: x or default" },
	{ W_SET_NULL, "no ?"
		      "?= in Lua: if x == nil then x = y end" },
	{ W_WALRUS, "no := in Lua: local x = y" },
	{ W_PLUS2, "no ++ there: x = x + 1 as a statement of its own, with the left side in a "
		   "local first" },
	{ W_SET_PLUS, "no += there: x = x + y, with the left side in a local first" },
	{ W_SET_MINUS, "no -= there: x = x - y, with the left side in a local first" },
	{ W_SET_CONCAT, "no ..= there: x = x .. y, with the left side in a local first" },
	{ W_SET_STAR, "no *= there: x = x * y, with the left side in a local first" },
	{ W_SET_SLASH, "no /= there: x = x / y, with the left side in a local first" },
	{ W_AT, "no decorators in Lua" },
	{ W_DOLLAR, "names have no $; texts are joined with .." },
	{ W_BACKSLASH, "a statement may simply go on in the next line" },
};

static bool
has(struct str s, const char *part)
{
	struct str p = str_of(part);

	for (size_t i = 0; i + p.n <= s.n; i++)
		if (str_starts((struct str){ s.p + i, s.n - i }, p))
			return true;
	return false;
}

/* What stands between `before` and the next quote. */
static struct str
quoted_after(struct str s, const char *before)
{
	struct str b = str_of(before);

	for (size_t i = 0; i + b.n <= s.n; i++) {
		struct str rest = { s.p + i, s.n - i };

		if (!str_starts(rest, b))
			continue;
		rest = (struct str){ rest.p + b.n, rest.n - b.n };
		return str_cut(&rest, '\'');
	}
	return STR_NONE;
}

static const char *
look_up(const struct advice *a, size_t n, struct str what)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(what, str_of(a[i].what)))
			return a[i].hint;
	return NULL;
}

/* "undefined global 'x'": the nearest name that the script does declare. */
static bool
misspelled_put(const struct failure *f, struct str name, struct buf *out)
{
	struct str names[NAMES_MAX] = { 0 }, near, key;
	struct lua_tokens s;
	struct outline o;
	size_t n = 0, it = 0;
	void *value;

	if (has(f->message, "did you mean"))
		return false;
	lua_tokens_init(&s, f->code);
	outline_init(&o, &s);
	while (n < NAMES_MAX && map_next(&o.declared, &it, &key, &value))
		names[n++] = key;
	near = str_nearest(name, names, n);
	if (near.n > 0 && name.n > 2)
		buf_printf(out, "\nhint: did you mean " STR_FMT "?", STR_ARG(near));
	outline_fini(&o);
	lua_tokens_fini(&s);
	return near.n > 0 && name.n > 2;
}

static const char *
name_hint(struct str message, struct str *global)
{
	static const char *const places[] = { "undefined global '", "(field '", "(method '",
		"(global '" };

	for (size_t i = 0; i < COUNT(places); i++) {
		struct str name = quoted_after(message, places[i]);
		struct str dotted = name;
		const char *hint;

		if (name.p == NULL)
			continue;
		if (i == 0)
			*global = name;
		(void)str_cut(&dotted, '.');
		hint = look_up(by_name, COUNT(by_name), dotted.n > 0 ? dotted : name);
		if (hint != NULL)
			return hint;
	}
	return NULL;
}

/* Lists begin at 1: [0] on the line, or a loop from 0 anywhere. */
static bool
counts_from_zero(struct str code, uint32_t line)
{
	struct lua_tokens s;
	bool zero = false;

	lua_tokens_init(&s, code);
	for (size_t i = 1; i + 1 < s.n && !zero; i++) {
		if (s.t[i].kind != TOKEN_NUMBER || !str_eq(lua_token_text(&s, i), STR("0")))
			continue;
		zero = (s.t[i - 1].word == W_LBRACKET && s.t[i + 1].word == W_RBRACKET &&
			   s.t[i].line == line) ||
		       (s.t[i - 1].word == W_ASSIGN && s.t[i + 1].word == W_COMMA && i > 2 &&
			   s.t[i - 3].word == W_FOR);
	}
	lua_tokens_fini(&s);
	return zero;
}

/* The first word of another language near the line of a syntax error, or on any line. */
static const char *
word_hint(struct str code, uint32_t line)
{
	struct lua_tokens s;
	const char *hint = NULL;

	lua_tokens_init(&s, code);
	for (int pass = 0; pass < 2 && hint == NULL; pass++) {
		for (size_t i = 0; i + 1 < s.n && hint == NULL; i++) {
			bool near = s.t[i].line + 1 >= line && s.t[i].line <= line;

			if (s.t[i].kind != TOKEN_NAME || near != (pass == 0) ||
			    s.t[i + 1].line != s.t[i].line ||
			    (s.t[i + 1].kind != TOKEN_NAME && s.t[i + 1].kind != TOKEN_STRING &&
				s.t[i + 1].kind != TOKEN_NUMBER && s.t[i + 1].word != W_LBRACE &&
				s.t[i + 1].word != W_NOT && s.t[i + 1].word != W_FUNCTION))
				continue;
			if (s.t[i + 1].kind == TOKEN_STRING || s.t[i + 1].word == W_LBRACE)
				if (i > 0 &&
				    (s.t[i - 1].word == W_DOT || s.t[i - 1].word == W_COLON))
					continue;
			hint = look_up(by_word, COUNT(by_word), lua_token_text(&s, i));
		}
	}
	lua_tokens_fini(&s);
	return hint;
}

static const char *
sign_hint(struct str code, uint32_t line)
{
	const char *hint = NULL;
	struct lua_tokens s;

	lua_tokens_init(&s, code);
	for (size_t i = 0; i < s.n && hint == NULL; i++) {
		if (s.t[i].kind != TOKEN_FOREIGN || s.t[i].line > line || s.t[i].line + 1 < line)
			continue;
		for (size_t k = 0; k < COUNT(by_sign); k++)
			if (by_sign[k].word == s.t[i].word)
				hint = by_sign[k].hint;
	}
	lua_tokens_fini(&s);
	return hint;
}

/* On the line of a syntax error: blocks in braces, tables with colons. */
static const char *
shape_hint(struct str code, uint32_t line)
{
	const char *hint = NULL;
	bool block = false;
	struct lua_tokens s;

	lua_tokens_init(&s, code);
	for (size_t i = 1; i + 1 < s.n && hint == NULL; i++) {
		enum lua_word w = (enum lua_word)s.t[i].word,
			      before = (enum lua_word)s.t[i - 1].word;

		if (s.t[i].line != line)
			continue;
		block |= before == W_IF || before == W_WHILE || before == W_ELSEIF;
		if (block && w == W_LBRACE && s.t[i + 1].kind == TOKEN_KEYWORD)
			hint =
			    "blocks are then ... end, do ... end, function f(x) ... end, not { }";
		if (w == W_COLON && i > 1 &&
		    (s.t[i - 2].word == W_LBRACE || s.t[i - 2].word == W_COMMA))
			hint = "tables are {key = value}, {[\"a key\"] = value}";
	}
	lua_tokens_fini(&s);
	return hint;
}

static bool
has_else_if(struct str code)
{
	struct lua_tokens s;
	bool found = false;

	lua_tokens_init(&s, code);
	for (size_t i = 0; i + 1 < s.n; i++)
		found |= s.t[i].word == W_ELSE && s.t[i + 1].word == W_IF &&
			 s.t[i].line == s.t[i + 1].line;
	lua_tokens_fini(&s);
	return found;
}

static const char *
phrase_hint(struct str message)
{
	for (size_t i = 0; i < COUNT(by_phrase); i++)
		if (has(message, by_phrase[i].what))
			return by_phrase[i].hint;
	return NULL;
}

static const char *
choose(const struct failure *f, uint32_t line, struct str *global)
{
	struct str message = f->message;
	const char *hint = NULL;

	if (f->end == SANDBOX_COMPILE) {
		hint = shape_hint(f->code, line);
		if (hint == NULL && !has(message, "<name> expected near '('"))
			hint = sign_hint(f->code, line);
		if (hint == NULL && has(message, "<name> expected near '('"))
			hint = phrase_hint(message);
		if (hint == NULL)
			hint = word_hint(f->code, line);
		if (hint == NULL && has(message, "expected") && has_else_if(f->code) &&
		    has(message, "'end'"))
			hint = "else if opens another if: write elseif";
		return hint != NULL ? hint : phrase_hint(message);
	}
	if ((has(message, "(field '?')") || has(message, "(field 'integer index')")) &&
	    counts_from_zero(f->code, line))
		return "lists begin at 1: [0] is nil";
	hint = name_hint(message, global);
	return hint != NULL ? hint : phrase_hint(message);
}

void
advice_put(const struct failure *f, uint32_t line, struct buf *out)
{
	struct str global = STR_NONE;
	const char *hint = choose(f, line, &global);

	if (hint == NULL && global.n > 0 && misspelled_put(f, global, out))
		return;
	if (hint != NULL)
		buf_printf(out, "\nhint: %s", hint);
	else if (f->end == SANDBOX_COMPILE &&
		 (has(f->source, "=>") || has(f->source, "===") || has(f->source, "const ")))
		buf_puts(out, "\nhint: this is Lua 5.4, not JavaScript");
	else if (f->end == SANDBOX_COMPILE && (has(f->source, "def ") || has(f->source, "import ")))
		buf_puts(out, "\nhint: this is Lua 5.4, not Python");
}
