/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import - what each source becomes, and that no secret of it is in any text that is written.
 */
#include "gateway/import.h"
#include "tests/unit/check.h"

static struct import im;
static struct import_text *files;
static size_t files_n;
static struct buf all; /* every text, one behind another, and the report for machines */

static void
forget(void)
{
	buf_fini(&all);
	import_fini(&im);
}

/* Reads one more source and writes everything anew. */
static bool
more(const char *name, const char *text, struct err *e)
{
	buf_reset(&all);
	if (!import_file(&im, name, "/srv/project", str_of(text), e) ||
	    !import_write(&im, &files, &files_n, e))
		return false;
	for (size_t i = 0; i < files_n; i++) {
		buf_printf(&all, "== %s\n", files[i].path);
		buf_put(&all, files[i].text);
	}
	import_report_json(&im, files, files_n, &all);
	return true;
}

static void
begin(const char *name, const char *text)
{
	struct err e;

	import_init(&im);
	buf_init(&all, 0);
	err_clear(&e);
	if (!CHECK(more(name, text, &e)))
		printf("    %s\n", e.text);
}

static void
has(const char *text)
{
	if (!CHECK(strstr(buf_cstr(&all), text) != NULL))
		printf("    wanted %s\n    in %s\n", text, buf_cstr(&all));
}

static void
lacks(const char *text)
{
	if (!CHECK(strstr(buf_cstr(&all), text) == NULL))
		printf("    found %s\n", text);
}

static void
refused(const char *text, const char *why)
{
	struct err e;

	import_init(&im);
	buf_init(&all, 0);
	err_clear(&e);
	if (!CHECK(!more("x", text, &e)) || !CHECK(strstr(e.text, why) != NULL))
		printf("    wanted %s\n    got %s\n", why, e.text);
	forget();
}

static void
test_clients(void)
{
	TEST("a server of .mcp.json: its words, its variables, PATH and HOME, a grant");
	begin(".mcp.json",
	    "{\"mcpServers\":{\"files\":{\"command\":\"npx\",\"args\":[\"-y\",\"srv\",\"/tmp\"],"
	    "\"env\":{\"A\":\"${OUTER}\",\"DEBUG\":\"true\"},\"timeout\":30000}}}");
	has("  files:\n    command: [\"npx\", \"-y\", \"srv\", \"/tmp\"]\n");
	has("\"A\": \"env:OUTER\"\n");
	has("\"DEBUG\": \"true\"\n");
	has("\"PATH\": \"env:PATH\"\n");
	has("call_timeout: 30000ms");
	has("- allow: \"files/*\"");
	has("applies_to: { customers: [imported] }");
	lacks("code:run\"");
	forget();

	TEST("a relative program and a script stand in the source's folder");
	begin("a", "{\"mcpServers\":{\"a\":{\"command\":\"./bin/x\"},"
		   "\"b\":{\"command\":\"python3\",\"args\":[\"srv.py\"]}}}");
	has("command: [\"/srv/project/bin/x\"]");
	has("cwd: \"/srv/project\"");
	forget();

	TEST("a variable among the words is put there by a shell, the rest in single quotes");
	begin("a", "{\"mcpServers\":{\"a\":{\"command\":\"x\",\"args\":[\"it's\",\"$(id)\","
		   "\"--t=${TOK}\"]}}}");
	has("[\"/bin/sh\", \"-c\", \"exec 'x' 'it'\\\\''s' '$(id)' '--t='\\\"$ARG_1\\\"\"]");
	has("\"ARG_1\": \"env:TOK\"");
	forget();

	TEST("a preset that is no secret is written, one of a secret is not");
	begin("a", "{\"mcpServers\":{\"a\":{\"url\":\"${B:-https://h.example}/mcp\",\"headers\":{"
		   "\"X-Api-Key\":\"${K:-dflt}\"}}}}");
	has("url: \"https://h.example/mcp\"");
	has("\"X-Api-Key\": \"env:K\"");
	lacks("dflt");
	forget();

	TEST("servers of VS Code, with inputs; bare servers without a word above them");
	begin("mcp.json", "{\"inputs\":[{\"id\":\"tok\"}],\"servers\":{\"g\":{\"type\":\"http\","
			  "\"url\":\"https://g.example/mcp\",\"headers\":{\"Authorization\":"
			  "\"Bearer ${input:tok}\"}}}}");
	has("\"Authorization\": \"Bearer {env:tok}\"");
	has("`inputs`");
	forget();
	begin("x", "{\"g\":{\"type\":\"sse\",\"url\":\"https://g.example/sse\"}}");
	has("transport: sse");
	forget();

	TEST("names that are not ours, or reserved, or taken");
	begin("a", "{\"mcpServers\":{\"any\":{\"command\":\"a\"},\"My_Srv\":{\"command\":\"b\"},"
		   "\"my-srv\":{\"command\":\"c\"},\"7\":{\"command\":\"d\"}}}");
	has("  server-any:\n");
	has("  my-srv:\n");
	has("  my-srv-2:\n");
	has("  server:\n");
	forget();

	TEST("the same server twice is one, another of its name gets a number");
	begin("a", "{\"mcpServers\":{\"g\":{\"command\":\"x\"}}}");
	{
		struct err e;

		CHECK(more("b", "{\"mcpServers\":{\"g\":{\"command\":\"x\"}}}", &e));
		CHECK_EQ_I(im.servers_n, 1);
		CHECK(more("c", "{\"mcpServers\":{\"g\":{\"command\":\"y\"}}}", &e));
		CHECK_EQ_I(im.servers_n, 2);
		has("  g-2:\n");
	}
	forget();

	TEST("what has no place is told with its line");
	begin("a", "{\"mcpServers\":{\"off\":{\"command\":\"x\",\"disabled\":true},\n"
		   "\"v\":{\"url\":\"${NOPE}/mcp\"},\n\"w\":{\"type\":\"ws\"},\n"
		   "\"q\":{\"command\":\"x\",\"weird\":{\"deep\":1}}}}");
	has("- a:1: `off` it is disabled");
	has("- a:2: `v` its url comes from a variable");
	has("- a:3: `w` a server has either");
	has("- a:4: `mcpServers.q.weird`");
	CHECK_EQ_I(im.servers_n, 1);
	forget();
}

static void
test_secrets(void)
{
	static const char text[] =
	    "{\"mcpServers\":{"
	    "\"a\":{\"url\":\"https://h.example/mcp\",\"headers\":{\"Authorization\":\"Bearer "
	    "hunter2\",\"X-Odd\":\"swordfish\"}},"
	    "\"b\":{\"command\":\"x\",\"args\":[\"--api-key\",\"tiger77\",\"--token=lion88\",\"-"
	    "e\","
	    "\"DB_PASSWORD=bear99\",\"postgres://u:wolf11@h/db\",\"ghp_0123456789abcdef\"],"
	    "\"env\":{\"TOKEN\":\"eagle22\",\"THING\":\"falcon33\",\"URL\":\"https://u:crow44@h/"
	    "\"}},"
	    "\"c\":{\"command\":\"y\",\"env\":{\"TOKEN\":\"raven55\"}},"
	    "\"d\":{\"url\":\"https://h.example/mcp/sk-finch66/sse\"},"
	    "\"e\":{\"url\":\"https://h.example/mcp?key=robin77\"},"
	    "\"f\":{\"url\":\"https://u:swan88@h.example/mcp\"}}}";
	static const char *const secrets[] = { "hunter2", "swordfish", "tiger77", "lion88",
		"bear99", "wolf11", "ghp_0", "eagle22", "falcon33", "crow44", "raven55", "finch66",
		"robin77", "swan88" };

	TEST("a text that may be a secret becomes a variable, whose name is told");
	begin(".mcp.json", text);
	for (size_t i = 0; i < COUNT(secrets); i++)
		lacks(secrets[i]);
	has("\"Authorization\": \"Bearer {env:A_AUTHORIZATION}\"");
	has("\"X-Odd\": \"env:A_X_ODD\"");
	has("\"TOKEN\": \"env:TOKEN\"");
	has("\"TOKEN\": \"env:C_TOKEN\""); /* another secret under the same name */
	has("'--token='\\\"$ARG_");
	has("'DB_PASSWORD='\\\"$ARG_");
	has("- `C_TOKEN` for c (its text stands in the source)");
	CHECK_EQ_I(im.servers_n, 3);
	forget();

	TEST("what is harmless, and what is not");
	CHECK(import_harmless(STR("LOG_LEVEL"), STR("debug")));
	CHECK(import_harmless(STR("PORT"), STR("8080")));
	CHECK(import_harmless(STR("DIR"), STR("/srv/data")));
	CHECK(import_harmless(STR("BASE"), STR("https://h.example/api")));
	CHECK(!import_harmless(STR("PASSPHRASE"), STR("true")));
	CHECK(!import_harmless(STR("X"), STR("correcthorse")));
	CHECK(!import_harmless(STR("X"), STR("https://h/?a=b")));
	CHECK(!import_harmless(STR("DIR"), STR("/srv/0123456789abcdef01")));
	CHECK(!import_secret_like(STR("claude-sonnet-4-5-20250929")));
	CHECK(!import_secret_like(STR("@modelcontextprotocol/server-filesystem")));
	CHECK(import_secret_like(STR("AKIAIOSFODNN7EXAMPLE")));
	CHECK(import_secret_like(STR("123e4567-e89b-12d3-a456-426614174000")));
}

static void
test_litellm(void)
{
	TEST("LiteLLM: providers by key, models by id, names as aliases, all for everybody");
	begin("config.yaml",
	    "model_list:\n"
	    "  - model_name: sonnet\n"
	    "    litellm_params: { model: anthropic/claude-sonnet-4-6, api_key: os.environ/ANT }\n"
	    "  - model_name: claude-haiku-4-5\n"
	    "    litellm_params: { model: claude-haiku-4-5, api_key: sk-ant-plain, api_base: "
	    "'https://eu.example/v1/' }\n"
	    "  - model_name: \"*\"\n"
	    "    litellm_params: { model: \"mistral/*\" }\n"
	    "litellm_settings: { max_budget: 100, budget_duration: 30d,\n"
	    "  default_team_settings: [{ team_id: t-1, max_budget: 7, budget_duration: 1d }] }\n"
	    "general_settings: { master_key: sk-1234 }\n"
	    "environment_variables: { REDIS: hidden77 }\n"
	    "router_settings: { model_group_alias: { best: sonnet } }\n");
	has("anthropic: { kind: anthropic, url: \"https://api.anthropic.com\", key: \"env:ANT\" }");
	has("url: \"https://eu.example\", key: \"env:ANTHROPIC_API_KEY\"");
	has("\"claude-sonnet-4-6\": { provider: anthropic }");
	has("\"claude-haiku-4-5\": { provider: anthropic-2 }");
	has("  \"sonnet\": \"claude-sonnet-4-6\"\n");
	has("  \"best\": \"claude-sonnet-4-6\"\n");
	has("- allow: \"model:sonnet\"");
	has("budget: [100 USD/month]");
	has("budget: [7 USD/day]");
	has("does not speak to mistral");
	lacks("sk-ant-plain");
	lacks("hidden77");
	lacks("sk-1234");
	forget();

	TEST("LiteLLM: a tool server is granted only where the file says so, a forbidden tool "
	     "never");
	begin("config.yaml", "mcp_servers:\n"
			     "  wiki: { url: 'https://w.example/mcp', allow_all_keys: true, "
			     "allowed_tools: [read], disallowed_tools: [drop] }\n"
			     "  jira: { url: 'https://j.example/sse', transport: sse, auth_type: "
			     "bearer_token, auth_value: os.environ/JIRA }\n");
	has("- allow: \"wiki/read\"");
	has("- deny: \"wiki/drop\"");
	has("\"Authorization\": \"Bearer {env:JIRA}\"");
	has("`jira` who may call it stood in a database");
	lacks("allow: \"jira");
	lacks("allow: \"wiki/*");
	forget();
}

#define KEYS_TAIL                                                                                  \
	"\"virtual_keys\":[{\"id\":\"v1\",\"name\":\"app one\",\"value\":\"sk-bf-gone\","          \
	"\"team_id\":\"t1\",\"rate_limit_id\":\"r1\",\"provider_configs\":[{\"provider\":"         \
	"\"anthropic\",\"allowed_models\":[\"claude-sonnet-4-6\"]}],\"mcp_configs\":[{"            \
	"\"mcp_client_name\":\"Wx\",\"tools_to_execute\":[\"*\"]}]},{\"id\":\"v2\",\"name\":"      \
	"\"lone\",\"provider_configs\":[{\"provider\":\"anthropic\",\"allowed_models\":[]}]},"     \
	"{\"id\":\"v3\",\"name\":\"dead\",\"is_active\":false}]"

static void
test_bifrost(void)
{
	static const char head[] =
	    "{\"mcp\":{\"client_configs\":[{\"name\":\"Wx\",\"connection_type\":\"http\","
	    "\"connection_string\":\"http://127.0.0.1:1/mcp\",\"headers\":{\"Authorization\":"
	    "\"env.WX\"},\"tools_to_execute\":[\"get\"]}]},\"providers\":{\"anthropic\":{\"keys\":["
	    "{\"name\":\"k\",\"value\":\"env.ANT\",\"models\":[\"*\"],\"blacklisted_models\":["
	    "\"claude-old\"]}]},\"groq\":{\"keys\":[{\"value\":\"gsk-plain\"}]}}";
	char text[4000];

	TEST("Bifrost with virtual keys: users with their own budgets, limits and grants, no "
	     "others");
	(void)snprintf(text, sizeof(text),
	    "%s,\"governance\":{\"customers\":[{\"id\":\"c1\",\"name\":\"Acme Corp\",\"budget_id\":"
	    "\"b1\"}],\"teams\":[{\"id\":\"t1\",\"name\":\"ML\",\"customer_id\":\"c1\"}],"
	    "\"budgets\":[{\"id\":\"b1\",\"max_limit\":2000.50,\"reset_duration\":\"1M\"},{\"id\":"
	    "\"b2\",\"max_limit\":5,\"reset_duration\":\"1h\",\"virtual_key_id\":\"v1\"},{\"id\":"
	    "\"b3\",\"max_limit\":9,\"reset_duration\":\"1d\",\"virtual_key_id\":\"v1\"}],"
	    "\"rate_limits\":[{\"id\":\"r1\",\"request_max_limit\":60,\"request_reset_duration\":"
	    "\"1m\",\"token_max_limit\":5,\"token_reset_duration\":\"7m\"}]," KEYS_TAIL "}}",
	    head);
	begin("config.json", text);
	has("\"Acme-Corp\":\n      budget: [2000.50 USD/month]");
	has("\"app-one\":\n              budget: [9 USD/day]\n              limit: { requests: "
	    "60/minute }");
	has("applies_to: { users: [\"Acme-Corp/ML/app-one\"] }\nrules:\n"
	    "  - allow: \"model:claude-sonnet-4-6\"\n  - allow: \"wx/get\"\n");
	has("- deny: \"model:claude-old\"");
	has("a budget is for a day, week, month or year");
	has("`dead` it is not active");
	has("allowed_models is empty");
	lacks("policy: imported\n");
	lacks("sk-bf-gone");
	lacks("gsk-plain");
	forget();

	TEST("Bifrost without virtual keys: what anybody could do there");
	(void)snprintf(text, sizeof(text), "%s}", head);
	begin("config.json", text);
	has("policy: imported\n");
	has("- allow: \"model:claude-*\"");
	has("- allow: \"wx/get\"");
	forget();

	TEST("Bifrost that wants a key of each call, and has none here: nothing for anybody");
	(void)snprintf(
	    text, sizeof(text), "%s,\"client\":{\"enforce_auth_on_inference\":true}}", head);
	begin("config.json", text);
	lacks("  - allow:");
	forget();
}

static void
test_refusals(void)
{
	TEST("what is no configuration is refused, with the place where that can be said");
	refused("", "none of .mcp.json");
	refused("[]", "no mapping");
	refused("{\"x\":1}", "none of .mcp.json");
	refused("{\"mcpServers\":{},}", "x: ");
	refused("{\"mcpServers\":{\"a\":1,\"a\":2}}", "a");
	refused("{\"mcpServers\":{\"a\":{\"command\":\"\\u0000\"}}}", "NUL");
	refused("a: &x 1\nmodel_list: *x\n", "x:1:4: anchors are not allowed");
	refused("model_list: !!python/name:x []\n", "tags are not allowed");
}

int
main(void)
{
	test_clients();
	test_secrets();
	test_litellm();
	test_bifrost();
	test_refusals();
	return check_done();
}
