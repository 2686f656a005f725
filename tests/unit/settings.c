/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - tollgate.yaml: what loads, where paths and secrets come from, and how each mistake is
 * told.
 */
#include <stdlib.h>

#include "gateway/gateway.h"
#include "gateway/settings.h"
#include "tests/unit/check.h"
#include "tests/unit/folder.h"

static char *dir;

static struct settings *
load(const char *text, struct buf *problems, struct err *e)
{
	struct settings *s;
	struct buf path;

	folder_put(dir, "tollgate.yaml", text);
	buf_init(&path, 0);
	buf_printf(&path, "%s/tollgate.yaml", dir);
	err_clear(e);
	s = settings_load(buf_cstr(&path), problems, e);
	buf_fini(&path);
	return s;
}

/* `want` is in the error, or for NULL: it loads without a word. */
static void
expect(const char *sentence, const char *text, const char *want)
{
	struct settings *s;
	struct buf problems;
	struct err e;

	TEST(sentence);
	buf_init(&problems, 0);
	s = load(text, &problems, &e);
	if (want == NULL) {
		if (!CHECK(s != NULL))
			printf("    %s\n", e.text);
		CHECK_STR(buf_str(&problems), "");
	} else if (!CHECK(s == NULL && strstr(e.text, want) != NULL)) {
		printf("    wanted %s\n    got    %s\n", want, e.text);
	}
	settings_free(&s);
	buf_fini(&problems);
}

/* It loads, and this stands among the warnings. */
static void
warns(const char *sentence, const char *text, const char *want)
{
	struct settings *s;
	struct buf problems;
	struct err e;

	TEST(sentence);
	buf_init(&problems, 0);
	s = load(text, &problems, &e);
	if (!CHECK(s != NULL && strstr(buf_cstr(&problems), want) != NULL))
		printf("    wanted %s\n    got    %s%s\n", want, buf_cstr(&problems), e.text);
	settings_free(&s);
	buf_fini(&problems);
}

#define V "version: 1\n"
#define PROVIDER                                                                                   \
	"providers:\n  a: { kind: anthropic, url: \"http://127.0.0.1:1\", key: env:TG_SET }\n"

static void
test_mistakes(void)
{
	expect("an empty file needs a version", "", "version");
	expect("the smallest file", V, NULL);
	expect("an unknown key", V "providres: {}\n",
	    "tollgate.yaml:2:1: unknown key \"providres\" in tollgate.yaml (did you mean "
	    "\"providers\"?)");
	expect("a planned key", V "audit:\n  retention: 365d\n", "tollgate.yaml:3:3: ");
	expect("a view without a server", V "views:\n  r: { tools: [get_x] }\n",
	    "tollgate.yaml:3:16: ");
	expect("a view that is no path", V "views:\n  R!: { tools: [] }\n", "tollgate.yaml:3:3: ");
	expect("tls without files",
	    V "listen:\n  - { address: \"127.0.0.1:1\", serves: [mcp], tls: {} }\n",
	    "tollgate.yaml:3:51: tls needs cert and key");
	expect("a network needs TLS or a word", V "listen:\n  - { address: \"0.0.0.0:80\" }\n",
	    "insecure: true");
	expect("a name is not loopback", V "listen:\n  - { address: \"127.example.com:80\" }\n",
	    "tollgate.yaml:3:16: an address is IP:PORT");
	expect("an address has a port", V "listen:\n  - { address: \"127.0.0.1\" }\n",
	    "tollgate.yaml:3:16: an address is IP:PORT");
	expect(
	    "with the word", V "listen:\n  - { address: \"0.0.0.0:80\", insecure: true }\n", NULL);
	expect("an unknown surface",
	    V "listen:\n  - { address: \"127.0.0.1:80\", serves: [modle] }\n",
	    "tollgate.yaml:3:41: unknown word \"modle\" (did you mean \"model\"?)");
	expect("another kind of provider",
	    V "providers:\n  a: { kind: bedrock, url: \"http://x\", key: env:TG_SET }\n",
	    "tollgate.yaml:3:14: ");
	expect("a model of an unknown provider", V PROVIDER "models:\n  m: { provider: b }\n",
	    "tollgate.yaml:5:18: ");
	expect("an alias of a model that is not served",
	    V PROVIDER "models:\n  \"claude-*\": { provider: a }\naliases: { s: cluade-x }\n",
	    "tollgate.yaml:6:15: ");
	expect("a reserved server name", V "servers:\n  lua: { url: \"http://x\" }\n",
	    "tollgate.yaml:3:3: ");
	expect("two servers that scripts would know by one name",
	    V "servers:\n  end-: { url: \"http://x\" }\n  end: { url: \"http://y\" }\n",
	    "tollgate.yaml:4:3: \"end-\" and \"end\" are the same name in scripts (end_): give one "
	    "of them another");
	expect("two that it would not",
	    V "servers:\n  a-b: { url: \"http://x\" }\n  ab: { url: \"http://y\" }\n"
	      "  a-b-: { url: \"http://z\" }\n",
	    NULL);
	expect("a server is one of two things",
	    V "servers:\n  s: { url: \"http://x\", command: [y] }\n", "either command or url");
	expect("headers are for url", V "servers:\n  s: { command: [y], headers: { a: b } }\n",
	    "headers");
	expect(
	    "env is for command", V "servers:\n  s: { url: \"http://x\", env: { A: b } }\n", "env");
	expect("a header's name",
	    V "servers:\n  s: { url: \"http://x\", headers: { \"a b\": c } }\n",
	    "tollgate.yaml:3:");
	expect("a header that is ours",
	    V "servers:\n  s: { url: \"http://x\", headers: { Host: c } }\n", "tollgate.yaml:3:");
	expect("a header with a line break",
	    V "servers:\n  s: { url: \"http://x\", headers: { a: \"b\\r\\nc: d\" } }\n",
	    "line break");
	expect("a mapping for a path", V "data: {}\n", "tollgate.yaml:2:7: ");
	expect("a mapping for a certificate",
	    V "servers:\n  s: { url: \"http://x\", ca_file: {} }\n", "tollgate.yaml:3:");
	expect("a mapping for a folder", V "servers:\n  s: { command: [x], cwd: [] }\n",
	    "tollgate.yaml:3:");
	expect("a list for a proxy", V "servers:\n  s: { url: \"http://x\", proxy: [] }\n",
	    "tollgate.yaml:3:");
	expect("a body limit", V "limits: { body: 5 }\n", "must be from 1KiB to 1GiB");
	expect("an unknown durability", V "audit: { durability: stricd }\n",
	    "unknown word \"stricd\" (did you mean \"strict\"?)");
	expect(
	    "retention is not there yet", V "audit: { retention: 1d }\n", "tollgate.yaml:2:10: ");
}

static void
test_values(void)
{
	struct settings *s;
	struct buf problems;
	struct buf want;
	struct err e;

	buf_init(&problems, 0);
	buf_init(&want, 0);
	TEST("values, paths and secrets");
	folder_put(dir, "token", "from-a-file\n");
	s = load(V
	    "data: ./d\npolicies: .\n" PROVIDER
	    "models:\n  \"claude-*\": { provider: a }\naliases: { s: claude-s }\n"
	    "servers:\n  n: { command: [bin/x, y], env: { T: \"file:token\" } }\n"
	    "  g: { url: \"http://127.0.0.1:9/mcp\", headers: { Authorization: \"Bearer "
	    "{env:TG_SET}\" }, call_timeout: 5s, protocol: legacy }\n"
	    "audit: { durability: strict, content: off }\nlog: { level: warn, format: json }\n"
	    "limits: { body: 1MiB }\n",
	    &problems, &e);
	if (!CHECK(s != NULL)) {
		printf("    %s\n", e.text);
		return;
	}
	CHECK_STR(buf_str(&problems), "");
	buf_printf(&want, "%s/d", dir);
	CHECK(str_ends(str_of(s->data), STR("/d")));
	CHECK(s->prices == NULL && s->strict && s->log_json && s->body_bytes == 1 << 20);
	CHECK_EQ_I(s->listen_n, 1);
	CHECK_EQ_I(s->servers_n, 2);
	CHECK_STR(s->providers[0].key, "value-of-it");
	CHECK_EQ_S(s->servers[0].env[0], "T=from-a-file");
	CHECK(str_ends(str_of(s->servers[0].argv[0]), STR("/bin/x")));
	CHECK(s->servers[0].argv[0][0] == '/');
	CHECK_STR(s->servers[1].headers[0].name, "authorization");
	CHECK_STR(s->servers[1].headers[0].value, "Bearer value-of-it");
	CHECK_EQ_I(s->servers[1].call_ms, 5000);
	CHECK_EQ_I(s->model_names_n, 2);
	settings_free(&s);
	buf_fini(&problems);
	buf_fini(&want);
}

static void
test_secrets(void)
{
	struct settings *s;
	struct err e;
	struct buf problems;

	warns("an unset variable disables its provider, by name",
	    V "providers:\n  a: { kind: anthropic, url: \"http://x\", key: env:TG_UNSET }\n",
	    "provider a is disabled: TG_UNSET is not set");
	warns("an inline key is a warning",
	    V "providers:\n  a: { kind: anthropic, url: \"http://x\", key: sk-ant-1 }\n",
	    "tollgate.yaml:3:47: warning: ");
	warns("an inline token in a header is a warning",
	    V "servers:\n  s: { url: \"http://x\", headers: { Authorization: \"Bearer abc\" } }\n",
	    "warning: ");
	warns("an inline token in an environment is a warning",
	    V "servers:\n  s: { command: [x], env: { GITHUB_TOKEN: abc } }\n", "warning: ");
	warns("a missing file disables its server, by name",
	    V "servers:\n  s: { command: [x], env: { A: \"file:nowhere\" } }\n",
	    "server s is disabled: nowhere");
	TEST("an unset secret leaves no half of a header, and is no secret of others");
	buf_init(&problems, 0);
	s = load(V "servers:\n  s: { url: \"http://x\", headers: { a: \"B {env:TG_UNSET}\" } }\n"
		   "  t: { url: \"http://x\" }\n",
	    &problems, &e);
	CHECK(s != NULL && s->servers[0].disabled != NULL && s->servers[1].disabled == NULL);
	settings_free(&s);
	TEST("a variable with a line break is not used");
	ASSERT(setenv("TG_BREAK", "a\r\nx: y", 1) == 0);
	s = load(V "servers:\n  s: { url: \"http://x\", headers: { a: env:TG_BREAK } }\n",
	    &problems, &e);
	CHECK(s != NULL && s->servers[0].disabled != NULL);
	CHECK(strstr(buf_cstr(&problems), "x: y") == NULL);
	settings_free(&s);
	buf_fini(&problems);
}

static void
test_examples(void)
{
	static const char *const files[] = { "policies/examples/solo/tollgate.yaml",
		"policies/examples/team/tollgate.yaml" };

	TEST("the examples load, and their policies");
	ASSERT(setenv("ANTHROPIC_API_KEY", "x", 1) == 0);
	for (size_t i = 0; i < COUNT(files); i++) {
		struct buf out;
		struct err e;
		struct settings *s;

		buf_init(&out, 0);
		s = settings_load(files[i], &out, &e);
		if (CHECK(s != NULL)) {
			const struct core_settings c = { .data_dir = s->data,
				.policies_dir = s->policies,
				.prices_file = s->prices,
				.servers = s->server_names,
				.servers_n = s->servers_n,
				.models = s->model_names,
				.models_n = s->model_names_n };

			CHECK(policies_check(&c, &out));
		} else {
			printf("    %s\n", e.text);
		}
		CHECK_STR(buf_str(&out), "");
		settings_free(&s);
		buf_fini(&out);
	}
}

int
main(void)
{
	dir = folder_new();
	ASSERT(setenv("TG_SET", "value-of-it", 1) == 0);
	test_mistakes();
	test_values();
	test_secrets();
	test_examples();
	folder_drop(&dir);
	return check_done();
}
