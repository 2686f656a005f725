/* SPDX-License-Identifier: Apache-2.0 */
/*
 * openapi - reads a document once into tools.
 *
 * The tree is the YAML reader's (JSON is YAML), so that mistakes have a line.  Schemas are written
 * out as JSON with their references followed: at most REF_DEPTH levels and DEFINITION_BYTES per
 * tool, so that a document that points into itself ends.  Words that only OpenAPI knows are left
 * out, `nullable` becomes a type.
 *
 * An arena aborts when it is full and the loop waits for us, so all that a document can make us
 * keep or do is bounded before: its values by the marks in its text (values_max()), operations by
 * OPERATIONS_MAX with those that are left out, parameters by PARAMS_MAX before they are looked at,
 * and members looked at by STEPS_MAX, wherever references lead.
 *
 * Hints come from the verb: GET and HEAD read, DELETE destroys, PUT and DELETE may be repeated.
 */
#include "mcp/openapi.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/yaml.h"

#define OPERATIONS_MAX   500
#define PARAMS_MAX       32
#define TOOL_NAME_MAX    64
#define DEFINITION_BYTES ((size_t)64 << 10)
#define DESCRIPTION_MAX  1024
#define REF_DEPTH        16
#define NEST_MAX         48
#define VALUES_MAX       600000
#define STEPS_MAX        20000000
#define PATH_BYTES_MAX   1024
#define REF_BYTES_MAX    512
#define ARENA_BYTES      ((size_t)64 << 20)

struct reading {
	struct openapi *o;
	struct yaml *root;
	struct buf schema;
	int refs, nested;
	size_t steps; /* members looked at so far */
};

/* ---- YAML as JSON ---- */

static bool
is_number(struct str s)
{
	struct err e;

	return s.n > 0 && (s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9')) &&
	       json_check(s, false, &e);
}

static void
scalar_put(struct buf *b, const struct yaml *y)
{
	if (y->kind == YAML_NULL)
		buf_puts(b, "null");
	else if (!y->quoted && (str_eq(y->text, STR("true")) || str_eq(y->text, STR("false")) ||
				   is_number(y->text)))
		buf_put(b, y->text);
	else
		buf_json_str(b, y->text);
}

/* n more members are looked at; false: these were too many, and the document is refused. */
static bool
steps_take(struct reading *r, size_t n)
{
	r->steps = n > STEPS_MAX || r->steps > STEPS_MAX ? STEPS_MAX + 1 : r->steps + n;
	return r->steps <= STEPS_MAX;
}

/* What a "#/a/b~1c" names, or NULL (RFC 6901). */
static struct yaml *
pointer(struct reading *r, struct str ref)
{
	struct yaml *at = r->root;
	char key[256];

	if (!str_starts(ref, STR("#/")) || ref.n > REF_BYTES_MAX)
		return NULL;
	ref = (struct str){ ref.p + 2, ref.n - 2 };
	while (ref.p != NULL && at != NULL) {
		struct str part = str_cut(&ref, '/');
		size_t n = 0;

		if (at->kind != YAML_MAP || part.n >= sizeof(key) || !steps_take(r, at->n))
			return NULL;
		for (size_t i = 0; i < part.n; i++) {
			bool escape = part.p[i] == '~' && i + 1 < part.n;

			key[n++] = !escape ? part.p[i] : part.p[++i] == '1' ? '/' : '~';
		}
		key[n] = '\0';
		at = yaml_get(at, key);
	}
	return at;
}

/* The node itself, or what its $ref names; NULL: nothing. */
static struct yaml *
followed(struct reading *r, struct yaml *y)
{
	struct yaml *ref;

	for (int i = 0; y != NULL && i < REF_DEPTH; i++) {
		/* our caller looks for some more of its members */
		if (y->kind == YAML_MAP && !steps_take(r, y->n * 4 + 1))
			return NULL;
		ref = y->kind == YAML_MAP ? yaml_get(y, "$ref") : NULL;
		if (ref == NULL)
			return y;
		y = pointer(r, ref->text);
	}
	return NULL;
}

static bool
left_out(struct str key)
{
	static const struct str words[] = { STR("example"), STR("examples"), STR("xml"),
		STR("externalDocs"), STR("discriminator"), STR("nullable"), STR("deprecated") };

	return str_in(key, words, COUNT(words)) || str_starts(key, STR("x-"));
}

static void node_put(struct reading *r, struct yaml *y);

/* `type: x` beside `nullable: true`, and 3.0's boolean bounds. */
static bool
oddity_put(struct reading *r, struct yaml *map, struct yaml *k)
{
	bool type = str_eq(k->key, STR("type")) && k->kind == YAML_SCALAR;
	struct yaml *nullable = type ? yaml_get(map, "nullable") : NULL;
	bool bound =
	    str_eq(k->key, STR("exclusiveMinimum")) || str_eq(k->key, STR("exclusiveMaximum"));

	if (nullable != NULL && str_eq(nullable->text, STR("true"))) {
		buf_puts(&r->schema, "\"type\":[");
		buf_json_str(&r->schema, k->text);
		buf_puts(&r->schema, ",\"null\"]");
		return true;
	}
	return bound && !is_number(k->text);
}

static void
map_put(struct reading *r, struct yaml *y, bool names)
{
	bool first = true;

	buf_putc(&r->schema, '{');
	for (struct yaml *k = y->kids; k != NULL && buf_ok(&r->schema); k = k->next) {
		size_t before = r->schema.n;

		if (!steps_take(r, 1))
			break;
		if (!names && left_out(k->key))
			continue;
		if (!first)
			buf_putc(&r->schema, ',');
		if (!names && oddity_put(r, y, k)) {
			first = first && r->schema.n == before;
			if (r->schema.n > before && r->schema.p[r->schema.n - 1] == ',')
				r->schema.n--; /* left out after all */
			continue;
		}
		first = false;
		buf_json_str(&r->schema, k->key);
		buf_putc(&r->schema, ':');
		if (!names && k->kind == YAML_MAP &&
		    (str_eq(k->key, STR("properties")) || str_eq(k->key, STR("patternProperties"))))
			map_put(r, k, true); /* its keys are names, whatever they are called */
		else
			node_put(r, k);
	}
	buf_putc(&r->schema, '}');
}

static void
list_put(struct reading *r, struct yaml *y)
{
	buf_putc(&r->schema, '[');
	for (struct yaml *k = y->kids; k != NULL && buf_ok(&r->schema); k = k->next) {
		if (!steps_take(r, 1))
			break;
		if (k != y->kids)
			buf_putc(&r->schema, ',');
		node_put(r, k);
	}
	buf_putc(&r->schema, ']');
}

static void
node_put(struct reading *r, struct yaml *y)
{
	bool ref = y->kind == YAML_MAP && steps_take(r, y->n + 1) && yaml_get(y, "$ref") != NULL;

	r->nested++;
	r->refs += ref;
	if (ref)
		y = followed(r, y);
	if (y == NULL || r->refs > REF_DEPTH || r->nested > NEST_MAX || !buf_ok(&r->schema)) {
		buf_puts(&r->schema, "{}");
	} else {
		switch (y->kind) {
		case YAML_MAP:
			map_put(r, y, false);
			break;
		case YAML_LIST:
			list_put(r, y);
			break;
		case YAML_NULL:
		case YAML_SCALAR:
			scalar_put(&r->schema, y);
			break;
		}
	}
	r->refs -= ref;
	r->nested--;
}

/* ---- paths ---- */

/* "." and "..", also with their dots escaped. */
static bool
is_dots(struct str s)
{
	size_t dots = 0;

	while (s.n > 0) {
		bool escaped = s.n >= 3 && str_ieq((struct str){ s.p, 3 }, STR("%2e"));

		if (!escaped && s.p[0] != '.')
			return false;
		s = (struct str){ s.p + (escaped ? 3 : 1), s.n - (escaped ? 3 : 1) };
		dots++;
	}
	return dots == 1 || dots == 2;
}

static bool
path_leads_out(struct str path)
{
	while (path.p != NULL && path.n > 0)
		if (is_dots(str_cut(&path, '/')))
			return true;
	return false;
}

/* A path and nothing else: no query, no fragment, nothing that has to be escaped. */
static bool
path_is_plain(struct str path)
{
	for (size_t i = 0; i < path.n; i++)
		if (path.p[i] <= ' ' || path.p[i] >= 0x7f || strchr("?#\\\"<>", path.p[i]) != NULL)
			return false;
	return path.n <= PATH_BYTES_MAX;
}

/* ---- operations ---- */

static bool
plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static struct str
tool_name(struct reading *r, struct str method, struct str path, struct yaml *op)
{
	struct yaml *id = yaml_get(op, "operationId");
	struct str from;
	char *p = arena_alloc(&r->o->arena, TOOL_NAME_MAX + 8);
	struct str name = { p, 0 };

	from = id != NULL && id->text.n > 0
		   ? id->text
		   : arena_printf(&r->o->arena, STR_FMT STR_FMT, STR_ARG(method), STR_ARG(path));
	for (size_t i = 0; i < from.n && name.n < TOOL_NAME_MAX; i++)
		if (plain(from.p[i]))
			p[name.n++] = from.p[i];
		else if (name.n > 0 && p[name.n - 1] != '_' && from.p[i] != '}')
			p[name.n++] = '_';
	for (int k = 2; openapi_find(r->o, name) != NULL && k < 100; k++) {
		size_t cut = name.n > TOOL_NAME_MAX - 3 ? TOOL_NAME_MAX - 3 : name.n;

		name = arena_printf(&r->o->arena, "%.*s_%d", (int)cut, p, k);
	}
	return name;
}

static bool
param_read(struct reading *r, struct yaml *y, struct openapi_operation *op, bool *usable)
{
	struct yaml *name, *in, *required;
	struct openapi_param *p = &op->params[op->params_n];

	y = followed(r, y);
	if (y == NULL || y->kind != YAML_MAP)
		return false;
	name = yaml_get(y, "name");
	in = yaml_get(y, "in");
	required = yaml_get(y, "required");
	if (name == NULL || in == NULL || name->text.n == 0 || name->text.n > 128)
		return false;
	*p = (struct openapi_param){ .name = arena_str(&r->o->arena, name->text),
		.required = required != NULL && str_eq(required->text, STR("true")) };
	p->argument = op->body && str_eq(p->name, STR("body")) ? STR("body_parameter") : p->name;
	if (str_eq(in->text, STR("path")))
		p->in = IN_PATH;
	else if (str_eq(in->text, STR("query")))
		p->in = IN_QUERY;
	else if (str_eq(in->text, STR("header")))
		p->in = IN_HEADER;
	else {
		*usable = *usable && !p->required; /* cookies are not sent */
		return false;
	}
	p->required = p->required || p->in == IN_PATH;
	for (size_t i = 0; i < op->params_n; i++)
		if (str_eq(op->params[i].argument, p->argument)) {
			if (op->params[i].in == p->in)
				return false; /* the operation's own came first */
			p->argument = arena_printf(&r->o->arena, STR_FMT "_%s", STR_ARG(p->name),
			    p->in == IN_PATH    ? "path"
			    : p->in == IN_QUERY ? "query"
						: "header");
		}
	return true;
}

/* The schema of one parameter, or of the body, as a property. */
static void
property_put(struct reading *r, struct str name, struct yaml *y, bool *first)
{
	struct yaml *schema, *about;

	y = followed(r, y);
	schema = y == NULL ? NULL : followed(r, yaml_get(y, "schema"));
	about = y == NULL ? NULL : yaml_get(y, "description");
	buf_puts(&r->schema, *first ? "" : ",");
	*first = false;
	buf_json_str(&r->schema, name);
	buf_putc(&r->schema, ':');
	if (schema == NULL || schema->kind != YAML_MAP) {
		buf_puts(&r->schema, "{}");
		return;
	}
	node_put(r, schema);
	if (about != NULL && yaml_get(schema, "description") == NULL && about->text.n > 0 &&
	    about->text.n < DESCRIPTION_MAX && buf_ok(&r->schema)) {
		bool empty = r->schema.p[r->schema.n - 2] == '{';

		r->schema.n--;
		buf_puts(&r->schema, empty ? "\"description\":" : ",\"description\":");
		buf_json_str(&r->schema, about->text);
		buf_putc(&r->schema, '}');
	}
}

static void
params_read(
    struct reading *r, struct yaml *list, struct openapi_operation *op, bool *first, bool *usable)
{
	if (list == NULL || list->kind != YAML_LIST)
		return;
	if (list->n > PARAMS_MAX) {
		*usable = false;
		return;
	}
	for (struct yaml *y = list->kids; y != NULL; y = y->next) {
		if (op->params_n == PARAMS_MAX) {
			*usable = false;
			return;
		}
		if (param_read(r, y, op, usable)) {
			property_put(r, op->params[op->params_n].argument, y, first);
			op->params_n++;
		}
	}
}

/* JSON (its media type), or nothing that has to be there (NULL). */
static struct yaml *
body_read(struct reading *r, struct yaml *op_y, struct openapi_operation *op, bool *usable)
{
	struct yaml *body = followed(r, yaml_get(op_y, "requestBody")), *content, *json, *must;
	bool required;

	if (body == NULL || body->kind != YAML_MAP)
		return NULL;
	content = yaml_get(body, "content");
	must = yaml_get(body, "required");
	required = must != NULL && str_eq(must->text, STR("true"));
	json = content != NULL && steps_take(r, content->n) ? yaml_get(content, "application/json")
							    : NULL;
	op->body = json != NULL && json->kind == YAML_MAP;
	op->body_required = op->body && required;
	*usable = *usable && (op->body || !required);
	return op->body ? json : NULL;
}

static void
required_put(struct reading *r, const struct openapi_operation *op)
{
	const char *comma = "";

	buf_puts(&r->schema, ",\"required\":[");
	for (size_t i = 0; i < op->params_n; i++)
		if (op->params[i].required) {
			buf_puts(&r->schema, comma);
			buf_json_str(&r->schema, op->params[i].argument);
			comma = ",";
		}
	if (op->body_required)
		buf_printf(&r->schema, "%s\"body\"", comma);
	buf_puts(&r->schema, "],\"additionalProperties\":false}");
}

static void
hints_put(struct reading *r, struct str method)
{
	bool reads = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
	bool destroys = str_eq(method, STR("DELETE"));
	bool again = reads || destroys || str_eq(method, STR("PUT"));

	buf_printf(&r->schema,
	    ",\"annotations\":{\"readOnlyHint\":%s,\"destructiveHint\":%s,\"idempotentHint\":%s,"
	    "\"openWorldHint\":true}}",
	    reads ? "true" : "false", destroys ? "true" : "false", again ? "true" : "false");
}

static void
about_put(struct reading *r, struct yaml *op_y, const struct openapi_operation *op)
{
	struct yaml *summary = yaml_get(op_y, "summary"), *about = yaml_get(op_y, "description");
	struct buf text;

	buf_init(&text, 0);
	if (summary != NULL)
		buf_put(&text, summary->text);
	if (about != NULL && about->text.n > 0 &&
	    (summary == NULL || !str_eq(summary->text, about->text))) {
		buf_puts(&text, text.n > 0 ? "\n" : "");
		buf_put(&text, about->text);
	}
	if (text.n == 0)
		buf_printf(&text, STR_FMT " " STR_FMT, STR_ARG(op->method), STR_ARG(op->path));
	while (text.n > DESCRIPTION_MAX ||
	       (text.n > 0 && !str_utf8(buf_str(&text)) && text.n > DESCRIPTION_MAX - 4))
		text.n--;
	buf_json_str(&r->schema, buf_str(&text));
	buf_fini(&text);
}

static void
operation_read(struct reading *r, struct str method, struct yaml *path, struct yaml *op_y)
{
	struct openapi_operation *op = &r->o->operations[r->o->n];
	bool usable = true, first = true;
	struct yaml *body;

	if (op_y->kind != YAML_MAP || !path_is_plain(path->key)) {
		r->o->left_out++;
		return;
	}
	*op = (struct openapi_operation){ .method = method,
		.path = arena_str(&r->o->arena, path->key),
		.params = arena_zalloc(&r->o->arena, PARAMS_MAX * sizeof(*op->params)) };
	op->tool = tool_name(r, method, path->key, op_y);
	body = body_read(r, op_y, op, &usable);
	buf_reset(&r->schema);
	buf_puts(&r->schema, "{\"name\":");
	buf_json_str(&r->schema, op->tool);
	buf_puts(&r->schema, ",\"description\":");
	about_put(r, op_y, op);
	buf_puts(&r->schema, ",\"inputSchema\":{\"type\":\"object\",\"properties\":{");
	params_read(r, yaml_get(op_y, "parameters"), op, &first, &usable);
	params_read(r, yaml_get(path, "parameters"), op, &first, &usable);
	if (body != NULL)
		property_put(r, STR("body"), body, &first);
	buf_putc(&r->schema, '}');
	required_put(r, op);
	hints_put(r, method);
	if (!usable || !buf_ok(&r->schema) || op->tool.n == 0 ||
	    openapi_find(r->o, op->tool) != NULL) {
		r->o->left_out++;
		return;
	}
	op->definition = arena_str(&r->o->arena, buf_str(&r->schema));
	r->o->n++;
}

static bool
paths_read(struct reading *r, struct yaml *paths, struct err *e)
{
	static const struct {
		const char *key;
		struct str method;
	} verbs[] = { { "get", STR("GET") }, { "put", STR("PUT") }, { "post", STR("POST") },
		{ "delete", STR("DELETE") }, { "patch", STR("PATCH") }, { "head", STR("HEAD") } };

	for (struct yaml *p = paths->kids; p != NULL; p = p->next) {
		if (p->kind != YAML_MAP)
			continue;
		if (p->key.n == 0 || p->key.p[0] != '/')
			return yaml_err(p, e, "a path begins with / (\"%.*s\")",
			    (int)(p->key.n < 100 ? p->key.n : 100), p->key.p);
		if (path_leads_out(p->key))
			return yaml_err(p, e, "a path with . or .. leads out of the API (\"%.*s\")",
			    (int)(p->key.n < 100 ? p->key.n : 100), p->key.p);
		for (size_t i = 0; i < COUNT(verbs); i++) {
			struct yaml *op = yaml_get(p, verbs[i].key);

			if (op == NULL)
				continue;
			if (r->o->n + r->o->left_out == OPERATIONS_MAX)
				return yaml_err(op, e, "more than %d operations", OPERATIONS_MAX);
			operation_read(r, verbs[i].method, p, op);
			if (r->steps > STEPS_MAX)
				return yaml_err(op, e, "following its references is too much work");
		}
	}
	return r->o->n > 0 || yaml_err(paths, e, "no operation can be a tool");
}

static bool
document_read(struct reading *r, struct err *e)
{
	struct yaml *version, *paths;

	if (r->root->kind != YAML_MAP)
		return yaml_err(r->root, e, "this is no OpenAPI document");
	version = yaml_get(r->root, "openapi");
	if (version == NULL || !str_starts(version->text, STR("3.")))
		return yaml_err(version != NULL ? version : r->root, e,
		    "openapi: 3.x is needed (Swagger 2.0 has to be converted)");
	paths = yaml_get(r->root, "paths");
	if (paths == NULL || paths->kind != YAML_MAP)
		return yaml_err(r->root, e, "paths is missing");
	return paths_read(r, paths, e);
}

/* No value without one of these marks before it, but for the first. */
static size_t
values_max(struct str text)
{
	static const bool marks[256] = {
		['['] = true, ['{'] = true, [','] = true, [':'] = true, ['-'] = true, ['?'] = true
	};
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += marks[(unsigned char)text.p[i]];
	return n;
}

static struct yaml *
tree_read(struct arena *tree, const char *file, struct str text, struct err *e)
{
	size_t values = values_max(text);

	if (text.n > OPENAPI_BYTES_MAX) {
		(void)err_set(
		    e, ERR_INVALID, "%s: is larger than %zu MiB", file, OPENAPI_BYTES_MAX >> 20);
		return NULL;
	}
	if (values > VALUES_MAX) {
		(void)err_set(e, ERR_INVALID, "%s:1:1: may have too many values (%zu, at most %d)",
		    file, values, VALUES_MAX);
		return NULL;
	}
	/* each with its key and text, rounded up; no escape is more than half as long again */
	arena_init(tree, values * (sizeof(struct yaml) + 48) + text.n * 2 + 65536);
	return yaml_parse(tree, file, text, e);
}

struct openapi *
openapi_read(const char *file, struct str text, struct err *e)
{
	struct openapi *o = mem_zalloc(sizeof(*o));
	struct reading r = { .o = o };
	struct arena tree;
	bool ok;

	arena_init(&o->arena, ARENA_BYTES);
	arena_init(&tree, 0);
	buf_init(&r.schema, DEFINITION_BYTES);
	o->operations = arena_zalloc(&o->arena, OPERATIONS_MAX * sizeof(*o->operations));
	r.root = tree_read(&tree, file, text, e);
	ok = r.root != NULL && document_read(&r, e);
	buf_fini(&r.schema);
	arena_free(&tree);
	if (!ok)
		openapi_free(&o);
	return o;
}

void
openapi_free(struct openapi **op)
{
	struct openapi *o = *op;

	if (o == NULL)
		return;
	arena_free(&o->arena);
	MEM_FREE(op);
}

const struct openapi_operation *
openapi_find(const struct openapi *o, struct str tool)
{
	for (size_t i = 0; i < o->n; i++)
		if (str_eq(o->operations[i].tool, tool))
			return &o->operations[i];
	return NULL;
}
