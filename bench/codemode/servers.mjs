// SPDX-License-Identifier: Apache-2.0
//
// servers - the npm servers of package.json, as tollgate.yaml wants them.  None of them reaches anything: where
// one wants a credential it gets a word that is none, and only those that the tasks use are called.
import { join } from "node:path";

const NONE = "not-a-credential";

export function realServers(modules, dir) {
	const npm = (path, args = [], env = {}) => ({
		command: [process.execPath, join(modules, path), ...args],
		cwd: dir,
		env: { PATH: process.env.PATH, HOME: dir, DISABLE_TELEMETRY: "1", DO_NOT_TRACK: "1", ...env },
	});
	const mcp = "@modelcontextprotocol/server-";
	return {
		filesystem: npm(mcp + "filesystem/dist/index.js", [join(dir, "desk")]),
		sqlite: npm("mcp-sqlite/mcp-sqlite-server.js", [join(dir, "shop.db")]),
		memory: npm(mcp + "memory/dist/index.js", [], { MEMORY_FILE_PATH: join(dir, "graph.json") }),
		git: npm("@cyanheads/git-mcp-server/dist/index.js", [],
			{ MCP_TRANSPORT_TYPE: "stdio", MCP_LOG_LEVEL: "error", GIT_BASE_DIR: join(dir, "repo") }),
		everything: npm(mcp + "everything/dist/index.js"),
		"sequential-thinking": npm(mcp + "sequential-thinking/dist/index.js"),
		github: npm(mcp + "github/dist/index.js", [], { GITHUB_PERSONAL_ACCESS_TOKEN: NONE }),
		gitlab: npm(mcp + "gitlab/dist/index.js", [], { GITLAB_PERSONAL_ACCESS_TOKEN: NONE }),
		slack: npm(mcp + "slack/dist/index.js", [], { SLACK_BOT_TOKEN: NONE, SLACK_TEAM_ID: "T0" }),
		"google-maps": npm(mcp + "google-maps/dist/index.js", [], { GOOGLE_MAPS_API_KEY: NONE }),
		"brave-search": npm(mcp + "brave-search/dist/index.js", [], { BRAVE_API_KEY: NONE }),
		postgres: npm(mcp + "postgres/dist/index.js", ["postgresql://127.0.0.1:1/none"]),
		playwright: npm("@playwright/mcp/cli.js", ["--headless"]),
		notion: npm("@notionhq/notion-mcp-server/bin/cli.mjs", [], { NOTION_TOKEN: NONE }),
		firecrawl: npm("firecrawl-mcp/dist/index.js", [], { FIRECRAWL_API_KEY: NONE }),
		tavily: npm("tavily-mcp/build/index.js", [], { TAVILY_API_KEY: NONE }),
		"chrome-devtools": npm("chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js", ["--headless"], { CI: "1" }),
		"desktop-commander": npm("@wonderwhy-er/desktop-commander/dist/index.js", ["--no-onboarding"]),
		exa: npm("exa-mcp-server/dist/stdio.cjs", [], { EXA_API_KEY: NONE }),
		mongodb: npm("mongodb-mcp-server/dist/esm/index.js", [],
			{ MDB_MCP_TELEMETRY: "disabled", MDB_MCP_CONNECTION_STRING: "mongodb://127.0.0.1:1/" }),
	};
}
