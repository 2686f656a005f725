-- SPDX-License-Identifier: Apache-2.0
-- filesystem - fourteen tools over a folder, five of which the tasks use and which work.
local root = ...

local DEFINITIONS = [[
read_file readonly
| Reads a whole file as text. DEPRECATED: use read_text_file instead.
path! string: File to read, inside one of the allowed folders
tail integer: Only this many lines from the end
head integer: Only this many lines from the beginning
-> content string
read_text_file readonly
| Reads the complete contents of one file as text, in UTF-8, whatever its extension says. Use this when one file is to be looked at; `head` gives only its first lines and `tail` only its last, and the two do not go together. Works only inside the allowed folders.
path! string: File to read, inside one of the allowed folders
tail integer: Only this many lines from the end
head integer: Only this many lines from the beginning
-> content string
read_media_file readonly
| Reads an image or an audio file and gives its base64 data with the MIME type. Works only inside the allowed folders.
path! string: File to read, inside one of the allowed folders
-> content string
read_multiple_files readonly
| Reads several files at once, which takes less time than one after another when files are compared or searched through. Each one's text comes with its path in front, and between two of them stands a line of three dashes; a file that cannot be read is named with the reason and does not stop the others. Works only inside the allowed folders.
paths! string[]: Files to read; at least one, each inside an allowed folder
-> content string
write_file destructive idempotent
| Makes a new file or replaces all that an existing one holds, without asking: take care. The text is written as UTF-8. Works only inside the allowed folders.
path! string: File to write
content! string: All that it holds afterwards
-> content string
edit_file destructive
| Changes a text file by replacing runs of lines with others, each given exactly as it stands. The answer is a diff in the style of git of what was changed. With dryRun nothing is written. Works only inside the allowed folders.
path! string: File to change
edits! {oldText! string, newText! string}[]: What to search for and what to put in its place
dryRun boolean=false: Show the diff and leave the file alone
-> content string
create_directory idempotent
| Makes a folder, and those above it that are missing; one that is there already is left as it is. Good for setting up the folders of a project. Works only inside the allowed folders.
path! string: Folder to make
-> content string
list_directory readonly
| Lists the files and folders that stand in one folder, a line each: files begin with [FILE], folders with [DIR]. It is what shows how a project is laid out and where a file may be. Works only inside the allowed folders.
path! string: Folder to list
-> content string
list_directory_with_sizes readonly
| Lists the files and folders of one folder with the size of each, and their number and sum below. Files begin with [FILE], folders with [DIR]. Works only inside the allowed folders.
path! string: Folder to list
sortBy <name,size>=name: Order of the lines
-> content string
directory_tree readonly
| Gives all that is below a folder as JSON. Each entry has a `name` and a `type` (file or directory), and a directory has `children`, which is an empty list when nothing is in it; a file has none. The text is indented by two. Works only inside the allowed folders.
path! string: Folder to begin with
excludePatterns string[]: Names to leave out, with * and **
-> content string
move_file destructive
| Moves or renames a file or a folder, also from one folder to another. It fails if the destination is there already. Both must be inside the allowed folders.
source! string: What to move
destination! string: Where it is afterwards
-> content string
search_files readonly
| Searches a folder and all below it for names that match a pattern like **/*.md, and gives their whole paths. Good for finding files when it is not known where they stand. Searches only inside the allowed folders.
path! string: Folder to begin with
pattern! string: What names must match
excludePatterns string[]: Names to leave out, with * and **
-> content string
get_file_info readonly
| Tells about a file or a folder without reading it: size, times of creation and change, permissions, and of which kind it is. Works only inside the allowed folders.
path! string: What to look at
-> content string
list_allowed_directories readonly
| Lists the folders that this server may reach; what is below them may be reached too. Ask this before anything else if it is not known.
-> content string
]]

local function read(path)
	if path:find("..", 1, true) or path:sub(1, #root) ~= root then error("Access denied - path outside allowed directories: " .. path, 0) end
	local f <close> = assert(io.open(path, "rb"))
	return (assert(f:read("a")))
end

local function text(s) return { content = { { type = "text", text = s } }, structuredContent = { content = s } } end

local function tree(path)
	local out = json.array()
	for i, e in ipairs(assert(fs.list(path))) do
		out[i] = { name = e.name, type = e.dir and "directory" or "file", children = e.dir and tree(path .. "/" .. e.name) or nil }
	end
	return out
end

local calls = {}
function calls.read_text_file(a) return text(read(a.path)) end
function calls.read_multiple_files(a)
	local out = {}
	for i, path in ipairs(a.paths) do out[i] = path .. ":\n" .. read(path) .. "\n" end
	return text(table.concat(out, "\n---\n"))
end
function calls.write_file(a)
	if a.path:find("..", 1, true) or a.path:sub(1, #root) ~= root then error("Access denied - path outside allowed directories: " .. a.path, 0) end
	local f <close> = assert(io.open(a.path, "wb"))
	assert(f:write(a.content))
	return text("Successfully wrote to " .. a.path)
end
function calls.list_directory(a)
	local out = {}
	for i, e in ipairs(assert(fs.list(a.path))) do out[i] = (e.dir and "[DIR] " or "[FILE] ") .. e.name end
	return text(table.concat(out, "\n"))
end
function calls.directory_tree(a) return text(pretty(tree(a.path))) end

return schema(DEFINITIONS), calls
