/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli_connect - a client's configuration, as text to paste.
 *
 * The address is that of the gateway of this config; or --url, for an engineer whose gateway runs
 * elsewhere.  The key is never written: it comes from the environment as TOLLGATE_KEY.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "gateway/cli.h"

/* ---- connect ---- */

static int
port_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon == NULL ? 0 : (int)strtol(colon + 1, NULL, 10);
}

/* Port 0 in the configuration: the running gateway wrote down which one it got. */
static int
port_running(const char *data)
{
	char path[4096], text[4096], address[256];
	struct str raw, list, key, first;
	struct json_iter it;
	struct err e;
	FILE *f;
	int port = 0;

	(void)snprintf(path, sizeof(path), "%s/run.json", data);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	raw = (struct str){ text, fread(text, 1, sizeof(text), f) };
	(void)fclose(f);
	if (json_check(raw, true, &e) && json_get(raw, STR("listen"), &list) &&
	    json_open(list, &it) && json_next(&it, &key, &first) &&
	    json_kind(first) == JSON_STRING &&
	    str_copy(address, sizeof(address), (struct str){ first.p + 1, first.n - 2 }))
		port = port_of(address);
	return port;
}

/* The base URL without a trailing slash, in *out. */
static bool
base_of(const struct cli *cli, char out[512], struct err *e)
{
	struct str url = str_of(cli->url);
	struct buf warnings;
	struct settings *s;
	int port;

	if (cli->url != NULL) {
		while (url.n > 0 && url.p[url.n - 1] == '/')
			url.n--;
		for (size_t i = 0; i < url.n; i++) /* it lands in JSON and in a shell line */
			if ((unsigned char)url.p[i] <= ' ' || strchr("\"'\\$`", url.p[i]) != NULL)
				url.n = 0;
		return ((str_starts(url, STR("https://")) || str_starts(url, STR("http://"))) &&
			   str_copy(out, 512, url)) ||
		       err_set(e, ERR_INVALID, "--url takes a URL like https://gate.example.com");
	}
	buf_init(&warnings, 0);
	s = settings_load(cli->config, &warnings, e);
	buf_fini(&warnings);
	if (s == NULL)
		return false;
	port = port_of(s->listen[0].address);
	if (port == 0)
		port = port_running(s->data);
	listen_base(&s->listen[0], port, out);
	settings_free(&s);
	return port != 0 ||
	       err_set(e, ERR_INVALID,
		   "the gateway's port is not known before it runs (tollgate run, or give "
		   "listen: a port)");
}

/* Claude Code expands ${TOLLGATE_KEY} in .mcp.json but not in settings.json, where a helper command
 * prints it. */
static void
claude_put(const struct cli *cli, const char *base)
{
	if (cli->managed)
		(void)printf("{\n  \"allowManagedMcpServersOnly\": true,\n"
			     "  \"allowedMcpServers\": [{ \"serverUrl\": "
			     "\"%s/*\" }],\n"
			     "  \"env\": { \"ANTHROPIC_BASE_URL\": "
			     "\"%s/anthropic\" }\n}\n",
		    base, base);
	else if (cli->scope != NULL)
		(void)printf("{\n  \"mcpServers\": {\n    \"tollgate\": {\n"
			     "      \"type\": \"http\",\n"
			     "      \"url\": \"%s/mcp\",\n"
			     "      \"headers\": { \"Authorization\": "
			     "\"Bearer ${TOLLGATE_KEY}\" }\n    }\n  }\n}\n",
		    base);
	else
		(void)printf("claude mcp add --transport http tollgate %s/mcp "
			     "--header \"Authorization: Bearer ${TOLLGATE_KEY}\"\n"
			     "{\"env\":{\"ANTHROPIC_BASE_URL\":\"%s/anthropic\"},"
			     "\"apiKeyHelper\":\"printenv TOLLGATE_KEY\"}\n",
		    base, base);
}

/* ~/.codex/config.toml.  Codex asks for OpenAI's own web search unless told not to. */
static void
codex_put(const char *base)
{
	(void)printf(
	    "model_provider = \"tollgate\"\n"
	    "web_search = \"disabled\" # or \"live\", where hosted:web_search is allowed\n\n"
	    "[model_providers.tollgate]\n"
	    "name = \"Tollgate\"\n"
	    "base_url = \"%s/openai/v1\"\n"
	    "env_key = \"TOLLGATE_KEY\"\n"
	    "wire_api = \"responses\"\n\n"
	    "[mcp_servers.tollgate]\n"
	    "url = \"%s/mcp\"\n"
	    "bearer_token_env_var = \"TOLLGATE_KEY\"\n",
	    base, base);
}

/* A line for the shell, and ~/.gemini/settings.json. */
static void
gemini_put(const char *base)
{
	(void)printf("export GOOGLE_GEMINI_BASE_URL=%s/genai GEMINI_API_KEY=\"$TOLLGATE_KEY\"\n"
		     "{\n  \"security\": { \"auth\": { \"selectedType\": \"gemini-api-key\" } },\n"
		     "  \"mcpServers\": {\n    \"tollgate\": {\n"
		     "      \"httpUrl\": \"%s/mcp\",\n"
		     "      \"headers\": { \"Authorization\": "
		     "\"Bearer ${TOLLGATE_KEY}\" }\n    }\n  }\n}\n",
	    base, base);
}

int
cmd_connect(const struct cli *cli)
{
	const char *client = cli->words[0];
	char base[512];
	struct err e;

	if (cli->scope != NULL && strcmp(cli->scope, "project") != 0)
		return cli_usage("--scope takes project: the text of a repository's .mcp.json");
	if (!base_of(cli, base, &e))
		return cli_fail(&e);
	if (strcmp(client, "claude-code") == 0)
		claude_put(cli, base);
	else if (strcmp(client, "codex") == 0)
		codex_put(base);
	else
		gemini_put(base);
	return 0;
}
