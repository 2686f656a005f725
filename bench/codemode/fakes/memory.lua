-- SPDX-License-Identifier: Apache-2.0
-- memory - nine tools over a knowledge graph that lives as long as the process; making entities, reading all
-- and deleting entities work.

local DEFINITIONS = [[
create_entities
| Creates several new entities in the knowledge graph. One whose name is taken is left as it is.
entities! {name! string, entityType! string, observations! string[]}[]: Entities with their kind and what is known of them
-> entities {name! string, entityType! string, observations! string[]}[]
create_relations
| Creates several new relations between entities of the knowledge graph. They should be in the active voice.
relations! {from! string, to! string, relationType! string}[]: Who is related to whom, and how
-> relations {from! string, to! string, relationType! string}[]
add_observations
| Adds what is newly known to entities that the knowledge graph has already.
observations! {entityName! string, contents! string[]}[]: Entities and what to add to them
-> results {entityName! string, addedObservations! string[]}[]
delete_entities destructive
| Deletes several entities and all relations that they have.
entityNames! string[]: Names of what is deleted
-> success boolean
-> message string
delete_observations destructive
| Deletes single observations of entities.
deletions! {entityName! string, observations! string[]}[]: Entities and what to take from them
-> success boolean
-> message string
delete_relations destructive
| Deletes several relations.
relations! {from! string, to! string, relationType! string}[]: Those that are deleted
-> success boolean
-> message string
read_graph readonly
| Reads the whole knowledge graph.
-> entities {name! string, entityType! string, observations! string[]}[]
-> relations {from! string, to! string, relationType! string}[]
search_nodes readonly
| Searches the knowledge graph for nodes whose name, kind or observations match a query.
query! string: What to search for
-> entities {name! string, entityType! string, observations! string[]}[]
-> relations {from! string, to! string, relationType! string}[]
open_nodes readonly
| Gives nodes of the knowledge graph by their names.
names! string[]: Names of the entities
-> entities {name! string, entityType! string, observations! string[]}[]
-> relations {from! string, to! string, relationType! string}[]
]]

local graph, named = json.array(), {}

local function both(v) return { content = { { type = "text", text = pretty(v) } }, structuredContent = v } end

local calls = {}
function calls.create_entities(a)
	local new = json.array()
	for _, e in ipairs(a.entities) do
		if not named[e.name] then
			named[e.name], graph[#graph + 1], new[#new + 1] = e, e, e
		end
	end
	return both { entities = new }
end
function calls.read_graph() return both { entities = graph, relations = json.array() } end
function calls.delete_entities(a)
	for _, name in ipairs(a.entityNames) do named[name] = nil end
	local left = json.array()
	for _, e in ipairs(graph) do if named[e.name] then left[#left + 1] = e end end
	graph = left
	return both { success = true, message = "Entities deleted" }
end

return schema(DEFINITIONS), calls
