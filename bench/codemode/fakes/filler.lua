-- SPDX-License-Identifier: Apache-2.0
--
-- filler - the tools that nobody calls but everybody carries: fifteen servers, two hundred and fifteen
-- definitions, made from words and a seed.  Their sizes are spread as those of twenty real servers were: a
-- median near 170 tokens, a mean near 330, and a few of several thousand.  A fifth have a result schema, a
-- third say that they only read.
local random = ...

local SERVERS = {
	issues = { 26, "issue comment label milestone assignee board sprint epic" },
	reviews = { 22, "review request branch check approval file thread commit" },
	chat = { 14, "channel message thread reaction member topic file" },
	pages = { 24, "page block database property comment template space" },
	tickets = { 16, "ticket queue customer reply macro satisfaction tag" },
	crm = { 18, "account contact deal stage note owner pipeline" },
	calendar = { 9, "event calendar attendee reminder room" },
	mail = { 12, "message draft label thread attachment filter" },
	maps = { 7, "place route distance elevation address" },
	websearch = { 7, "result page news image answer" },
	scrape = { 13, "page crawl extract screenshot sitemap job" },
	browser = { 25, "tab element form dialog network console snapshot cookie" },
	metrics = { 9, "dashboard panel alert series annotation" },
	deploys = { 8, "release environment rollout secret" },
	thoughts = { 5, "thought branch hypothesis" },
}
local VERBS = { "get", "list", "search", "create", "update", "delete", "move", "copy", "archive", "export", "count", "watch",
	"merge", "assign", "restore" }
local READS = { get = true, list = true, search = true, count = true, export = true }
local DOES = { get = "Gets one", list = "Lists every", search = "Searches for a", create = "Creates a new", update = "Changes an existing",
	delete = "Deletes a", move = "Moves a", copy = "Copies a", archive = "Archives a", export = "Exports each", count = "Counts each",
	watch = "Starts watching a", merge = "Merges one and another", assign = "Assigns a", restore = "Restores a" }
local SENTENCES = {
	"It is found by its identifier, or by its name where that is unambiguous.",
	"Only what the account of the token may see is there.",
	"Results come in pages; ask for the next one with the cursor of the last.",
	"Times are in UTC and written as ISO 8601 unless a zone is given.",
	"Use this when the exact name is known, and the search tool otherwise.",
	"Fields that are left out keep the value that they have.",
	"The call fails if somebody else has changed it in between; read it again then.",
	"Large texts are cut unless they are asked for in full.",
	"Nothing is sent to the people concerned unless notify is set.",
	"Filters are combined with AND; for OR, make several calls and join the results.",
	"Rate limits of the service apply, and a call may take several seconds.",
	"What is returned can be passed to the other tools of this server as it is.",
	"Do not call it in a loop: several identifiers can be given at once.",
	"Markdown is understood in texts, and mentions are written as @name.",
}
local PARAMETERS = {
	{ "cursor", "string", "Where the last page ended" },
	{ "limit", "integer", "No more results than this, at most 100" },
	{ "query", "string", "Words to search for, in any order" },
	{ "sort", { "created", "updated", "name", "relevance" }, "Order of the results" },
	{ "direction", { "asc", "desc" }, "Ascending or descending" },
	{ "fields", "list", "Only these fields, to keep the answer short" },
	{ "since", "string", "Only what was changed after this time" },
	{ "until", "string", "Only what was changed before this time" },
	{ "notify", "boolean", "Tell the people concerned about it" },
	{ "includeArchived", "boolean", "Also what is archived" },
	{ "status", { "open", "closed", "draft", "pending", "blocked" }, "Only what is in this state" },
	{ "labels", "list", "Only what has all of these labels" },
	{ "workspaceId", "string", "Workspace, when the token is for more than one" },
	{ "format", { "json", "markdown", "text" }, "How the answer is written" },
	{ "title", "string", "One line that is shown in lists" },
	{ "body", "string", "The text itself" },
	{ "dryRun", "boolean", "Only tell what would be done" },
	{ "timeoutMs", "integer", "Give up after so many milliseconds" },
}

local function property(p)
	local kind, s = p[2], { description = p[3] .. "." }
	if type(kind) == "table" then
		s.type, s.enum = "string", json.array(table.move(kind, 1, #kind, 1, {}))
	elseif kind == "list" then
		s.type, s.items = "array", { type = "string" }
	else
		s.type = kind
		if kind == "integer" then s.minimum, s.maximum = 1, 100 end
	end
	return s
end

-- An object of the service, for those few definitions that describe one to its last field.
local function deep(noun, fields, r)
	local o = { type = "object", properties = {}, additionalProperties = false, description = "The " .. noun .. " as it shall be." }
	for i = 1, fields do
		local p = PARAMETERS[r(#PARAMETERS)]
		o.properties[noun .. p[1]:sub(1, 1):upper() .. p[1]:sub(2) .. i] = property(p)
	end
	return o
end

local function definition(verb, noun, style, r)
	local reads = READS[verb] or false
	local t = { description = DOES[verb] .. " " .. noun .. ".", inputSchema = { type = "object", properties = {} } }
	t.name = style == 1 and verb .. "_" .. noun or style == 2 and verb .. "-" .. noun or verb .. noun:sub(1, 1):upper() .. noun:sub(2)
	local size = r(100) -- how much this one has to say
	local sentences = size <= 50 and r(3) or size <= 85 and 3 + r(7) or 9 + r(9)
	for _ = 1, sentences do t.description = t.description .. " " .. SENTENCES[r(#SENTENCES)] end
	local input = t.inputSchema
	if verb ~= "list" and verb ~= "search" and verb ~= "create" then
		input.properties[noun .. "Id"] = { type = "string", description = "Identifier of the " .. noun .. "." }
		input.required = json.array { noun .. "Id" }
	end
	for _ = 1, size <= 50 and r(3) or size <= 85 and 4 + r(7) or 6 + r(9) do
		local p = PARAMETERS[r(#PARAMETERS)]
		input.properties[p[1]] = property(p)
	end
	if size > 80 then input.properties[noun] = deep(noun, size > 96 and 40 + r(50) or 8 + r(12), r) end
	if r(100) <= 78 then input.additionalProperties = false end
	if r(100) <= 78 then t.annotations = { readOnlyHint = reads, destructiveHint = verb == "delete" or nil } end
	if r(100) <= 26 then
		t.outputSchema = { type = "object", required = json.array { "items" }, properties = {
			items = { type = "array", items = deep(noun, 2 + r(4), r) }, cursor = { type = "string" } } }
	end
	return t
end

-- The tools of one server; nil: there is no such server.
return function(server)
	local s = SERVERS[server]
	if not s then return nil end
	local r, nouns, tools, taken, v = random(server .. "2"), {}, {}, {}, 0
	for n in s[2]:gmatch("%S+") do nouns[#nouns + 1] = n end
	local style = r(3)
	while #tools < s[1] do
		local verb, noun = VERBS[v % #VERBS + 1], nouns[r(#nouns)]
		if not taken[verb .. noun] then
			taken[verb .. noun] = true
			tools[#tools + 1] = definition(verb, noun, style, r)
		end
		v = v + 1
	end
	return tools
end, SERVERS
