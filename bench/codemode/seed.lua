-- SPDX-License-Identifier: Apache-2.0
--
-- seed - the data of the nine tasks, the same bytes each time.
--
--   build/codemode/fake bench/codemode/seed.lua DIR       DIR must be there and empty
--
--   DIR/desk/logs/app-00.log … 23      60 lines each, 52 of all tell of an error
--   DIR/desk/services/NAME.json        ten services; four differ from the table `services`
--   DIR/desk/invoices.csv              forty customers; five do not match the table `orders`
--   DIR/desk/notes/meeting-00.md … 11  two action items each, of eight people
--   DIR/desk/src/                      240 files in a tree
--   DIR/shop.db                        services, orders
--   DIR/history.json, DIR/repo.fi      a history of 70 commits, 50 after v0.1.0: for the fake, and for git fast-import
--
-- The answers that follow from it stand in tasks.json, written by hand and checked by a second way in each mode.
local DIR = ...
local HERE = debug.getinfo(1, "S").source:match("^@(.*)/[^/]*$")
dofile(HERE .. "/../../tests/rig_json.lua")
local random = dofile(HERE .. "/fakes/random.lua")
local WORK = DIR .. "/desk"

local function folder(path) assert(fs.mkdir(path)) end
local function write(path, text)
	local f <close> = assert(io.open(path, "wb"))
	assert(f:write(text))
end

local SERVICES = { "auth", "billing", "catalog", "checkout", "email", "gateway", "ledger", "search", "shipping", "web" }
local PEOPLE = { "Ada Lovelace", "Alan Turing", "Barbara Liskov", "Donald Knuth", "Edsger Dijkstra", "Frances Allen", "Grace Hopper", "John Backus" }

folder(WORK)
for _, name in ipairs { "logs", "services", "notes", "src" } do folder(WORK .. "/" .. name) end
local db = sql.open(DIR .. "/shop.db")
db:query("PRAGMA synchronous=OFF")
db:query("BEGIN")

-- ---- services ----
db:query("CREATE TABLE services (name TEXT PRIMARY KEY, version TEXT, owner TEXT, port INTEGER)")
local DRIFT = { catalog = "version", gateway = "version", shipping = "version", email = "port" }
for i, name in ipairs(SERVICES) do
	local version, port = string.format("1.%d.%d", i, i * 3 % 7), 7999 + i
	db:query("INSERT INTO services VALUES (?,?,?,?)", { name, version, "team-" .. ("abc"):sub((i - 1) % 3 + 1, (i - 1) % 3 + 1), port })
	write(WORK .. "/services/" .. name .. ".json", string.format([[
{
  "name": "%s",
  "version": "%s",
  "http": { "host": "0.0.0.0", "port": %d, "timeout_ms": 5000 },
  "features": { "tracing": true, "cache": %s, "retries": %d },
  "replicas": %d,
  "resources": { "cpu": "500m", "memory": "%dMi" }
}
]], name, DRIFT[name] == "version" and "9.9.9" or version, DRIFT[name] == "port" and 8999 or port, tostring(i % 2 == 0), i % 4,
		1 + i % 3, 128 * (1 + i % 4)))
end

-- ---- orders and invoices ----
db:query("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER, total_cents INTEGER, status TEXT, placed_at TEXT)")
local r, paid = random("orders"), {}
local STATUS = { "paid", "paid", "paid", "open", "cancelled" }
for id = 1, 1200 do
	local customer, cents, status = r(120), 500 + r(20000), STATUS[r(#STATUS)]
	db:query("INSERT INTO orders VALUES (?,?,?,?,?)", { id, customer, cents, status,
		string.format("2026-%02d-%02dT%02d:%02d:00Z", r(9), r(28), r(24) - 1, r(60) - 1) })
	if status == "paid" then paid[customer] = (paid[customer] or 0) + cents end
end
local WRONG = { [7] = 100, [13] = 2500, [21] = -900, [28] = 31200, [35] = -24 }
local lines = { "customer_id,invoiced_cents" }
for customer = 1, 40 do lines[#lines + 1] = customer .. "," .. (paid[customer] + (WRONG[customer] or 0)) end
write(WORK .. "/invoices.csv", table.concat(lines, "\n") .. "\n")
db:query("COMMIT")

-- ---- logs ----
r = random("logs")
local SAYS = { "request served in %d ms", "cache refreshed, %d entries", "queue drained, %d left", "connection reused %d times", "heartbeat %d" }
local CODES = { "E1001", "E2002", "E3003", "E4004" }
local errors = {}
for i = 1, 52 do -- where the errors go: some files get several
	local file = i <= 5 and 15 or i <= 10 and 6 or i <= 14 and 12 or (i * 7) % 24
	errors[file] = errors[file] or {}
	table.insert(errors[file], CODES[r(#CODES)])
end
for i = 0, 23 do
	local out, bad = {}, errors[i] or {}
	for n = 1, 60 do
		local head = string.format("2026-08-%02dT%02d:%02d:%02dZ ", 1 + i, n // 3, n % 60, r(60) - 1)
		local service = SERVICES[r(#SERVICES)]
		if n % 6 == 0 and #bad > 0 then
			out[n] = head .. "ERROR [" .. service .. "] " .. table.remove(bad) .. " upstream did not answer in time, attempt " .. r(3)
		else
			out[n] = head .. (r(12) == 1 and "WARN" or "INFO") .. " [" .. service .. "] " .. SAYS[r(#SAYS)]:format(r(900))
		end
	end
	assert(#bad == 0, "too many errors for one file")
	write(string.format("%s/logs/app-%02d.log", WORK, i), table.concat(out, "\n") .. "\n")
end

-- ---- notes ----
r = random("notes")
local TASKS = { "write the runbook", "renew the certificate", "review the budget", "update the diagram", "answer the auditors",
	"measure the restore", "clean the backlog", "call the vendor" }
local WHO = { 3, 1, 7, 2, 5, 8, 4, 6, 3, 1, 7, 2, 5, 8, 4, 6, 3, 1, 7, 2, 5, 8, 3, 4 } -- Barbara Liskov has most
for i = 0, 11 do
	local out = { "# Meeting " .. i, "", "Present: " .. PEOPLE[WHO[2 * i + 1]] .. ", " .. PEOPLE[WHO[2 * i + 2]], "",
		"We went through the open points and agreed on what comes next. Nothing was decided on the move.", "", "## Action items", "" }
	for k = 1, 2 do
		out[#out + 1] = string.format("- [%s] %s for %s by 2026-09-%02d", PEOPLE[WHO[2 * i + k]], TASKS[r(#TASKS)], SERVICES[r(#SERVICES)], 1 + (2 * i + k))
	end
	write(string.format("%s/notes/meeting-%02d.md", WORK, i), table.concat(out, "\n") .. "\n")
end

-- ---- a tree of sources ----
r = random("src")
local EXT = { "ts", "ts", "ts", "tsx", "css", "json", "md", "test.ts" }
for i = 0, 239 do
	local module = WORK .. "/src/" .. SERVICES[i % 10 + 1]
	local part = module .. "/" .. ({ "api", "model", "view", "util" })[i // 10 % 4 + 1]
	folder(module)
	folder(part)
	write(string.format("%s/file%03d.%s", part, i, EXT[r(#EXT)]), "")
end

-- ---- a history ----
r = random("history")
local KINDS = { "feat", "feat", "fix", "fix", "docs", "refactor", "perf", "test", "chore" }
local history, stream, parent = json.array(), {}, nil
for i = 1, 70 do
	local subject = string.format("%s(%s): change number %d for the release", KINDS[r(#KINDS)], SERVICES[r(#SERVICES)], i)
	local who, at = PEOPLE[r(#PEOPLE)], 1780000000 + i * 7200
	local mail = who:lower():gsub(" ", ".") .. "@example.com"
	local hash = ""
	for _ = 1, 5 do hash = hash .. string.format("%08x", r(0xffffffff)) end
	table.insert(history, 1, { hash = hash, shortHash = hash:sub(1, 7), author = who, authorEmail = mail, timestamp = at, subject = subject,
		parents = json.array { parent }, refs = i == 20 and json.array { "tag: v0.1.0" } or nil })
	parent = hash
	stream[#stream + 1] = string.format("commit refs/heads/main\nmark :%d\nauthor %s <%s> %d +0000\ncommitter %s <%s> %d +0000\ndata %d\n%s\n" ..
		"M 100644 inline file%d.txt\ndata 0\n\n", i, who, mail, at, who, mail, at, #subject, subject, i)
	if i == 20 then stream[#stream + 1] = "reset refs/tags/v0.1.0\nfrom :20\n\n" end
end
write(DIR .. "/history.json", json.encode(history))
write(DIR .. "/repo.fi", table.concat(stream))
