-- SPDX-License-Identifier: Apache-2.0
-- sqlite - eight tools over one database; `query` and `create_record` work.
local root, dir = ...

local DEFINITIONS = [[
db_info bare
| Tells about the open SQLite database: its path, its size in bytes, when it was changed, and how many tables it has.
list_tables bare
| Lists all tables of the database.
get_table_schema bare
| Gives the columns of one table with their types, defaults and keys.
tableName! string: Table to describe
create_record bare
| Inserts one row into a table. The names of `data` are columns, its values what stands there.
table! string: Table to insert into
data! object: Columns and their values
read_records bare
| Reads rows of a table, if wanted only those that match all conditions, in pages.
table! string: Table to read
conditions object: Columns and the values that they must have
limit integer: No more rows than this
offset integer: Rows to skip first
update_records bare
| Changes the rows of a table that match all conditions.
table! string: Table to change
data! object: Columns and their new values
conditions! object: Columns and the values that they must have
delete_records bare
| Deletes the rows of a table that match all conditions.
table! string: Table to delete from
conditions! object: Columns and the values that they must have
query bare
| Runs one raw SQL statement against the database, with values for its question marks if it has any. The answer is the list of rows as JSON.
sql! string: The statement
values string[]: Values of the parameters, in their order
]]

local db

local function ask(text, values)
	db = db or sql.open(dir .. "/shop.db")
	return { content = { { type = "text", text = pretty(json.array(db:query(text, values))) } } }
end

local calls = {}
function calls.query(a) return ask(a.sql, a.values) end
function calls.create_record(a)
	local names, marks, values = {}, {}, {}
	for k in pairs(a.data) do names[#names + 1] = k end
	table.sort(names)
	for i, k in ipairs(names) do
		marks[i], values[i] = "?", a.data[k]
		names[i] = '"' .. k:gsub('"', '""') .. '"'
	end
	ask(string.format('INSERT INTO "%s" (%s) VALUES (%s)', a.table:gsub('"', '""'), table.concat(names, ", "),
		table.concat(marks, ", ")), values)
	return { content = { { type = "text", text = "Record created" } } }
end

local tools = schema(DEFINITIONS)
-- A list of scalars of any kind, which the short form has no word for.
tools[#tools].inputSchema.properties.values.items = { anyOf = json.array {
	{ type = "string" }, { type = "number" }, { type = "boolean" }, { type = "null" } } }
return tools, calls
