-- SPDX-License-Identifier: Apache-2.0
-- workstation - a server that overlaps with filesystem and says everything at length, as the large ones do: a
-- search has to tell them apart, and a client's own search pays for each of its definitions.  None of it works.

local RULES = [[

Paths must be absolute; relative ones depend on the folder that the server was started in and will surprise you. A tilde is not resolved everywhere, so write the whole path. Only folders that the settings allow are reached, and a link that leads out of them is refused. If access is refused, do not try other spellings of the same path: ask the user, or change the settings with set_config_value.
Before you begin, know what is to be done: look at the folder, then at the file, then act; an action that was guessed costs more than a look. Tell the user in a sentence what you are about to do when it changes something, and what has changed when it is done. Do not repeat an action that has failed in the same words. If a file is larger than what one call may show, go through it in windows and keep only what matters for the task.
On Windows, paths have a drive and backslashes, and in JSON each of these is written twice; on macOS and Linux they begin with a slash. Names are compared as the file system compares them. Links are followed once. Times are those of the machine, with its zone.
Results are cut at a number of lines that the settings name, and a note tells when that has happened. This tool can be called by its own name or through the general one of the session.]]

local DEFINITIONS = [[
read_file readonly
| Reads a file from the disk, or what a URL gives, as text. Prefer this to running cat or type in a terminal, since it knows about encodings, about pages and about files that are no text.
| offset and length take a window of lines: offset 0 is the beginning, a negative offset counts from the end as tail does. Reading far into a large file is fast, because what was read before is kept. Tables (.xlsx) come as rows of the sheet and range that are named; images come as pictures that can be looked at; PDF comes as Markdown, page by page. URLs are given up after half a minute.
path! string: Absolute path, or a URL with isUrl
isUrl boolean=false: The path is a URL
offset integer=0: First line, negative from the end
length integer=1000: Number of lines
sheet string: Sheet of a table
range string: Range of a sheet, as A1:D100
options object: More, as the kind of file needs it
origin <ui,llm>: Who asks
read_multiple_files readonly
| Reads several files at the same time, which is faster than one after another. Each comes with its path in front; one that cannot be read is told as an error in its place and the others come all the same. Pictures come as pictures, everything else as text in the order of the list.
paths! string[]: Absolute paths
write_file destructive
| Writes text to a file, all of it or behind what is there. Write in pieces of 25 to 30 lines, as a rule and not only when a file is long: the first with mode rewrite, those after it with mode append. Long pieces are cut by many clients and then have to be sent again, which costs more than the pieces do. When a write was cut in the middle, look at the end of the file first and go on from there.
| Tables are written as rows in JSON, documents from Markdown. Files of other kinds are written as the text that is given.
path! string: Absolute path
content! string: What to write
mode <rewrite,append>=rewrite: All of it, or behind what is there
origin <ui,llm>: Who asks
create_directory idempotent
| Makes a folder, and all above it that are missing, in one go. One that is there is fine.
path! string: Absolute path
list_directory readonly
| Lists the files and folders of a folder, and of those below it as deep as is said. Lines begin with [FILE] or [DIR]; with depth above one, paths are relative to where the listing began. A folder with very many entries shows the first hundred and tells how many there are, so that the listing of one dependency folder does not fill the conversation. Folders that may not be read are marked with [DENIED] and the listing goes on.
path! string: Absolute path
depth integer=2: How many levels
origin <ui,llm>: Who asks
move_file destructive
| Moves or renames a file or a folder, also between folders.
source! string: Absolute path of what to move
destination! string: Absolute path of where it shall be
start_search readonly
| Starts a search for files by name, or for text in files, and gives an identifier at once; what is found comes from get_more_search_results as long as the search goes on. Several searches can run beside one another. Search by name when the user speaks of a file, by content when she speaks of code or of a message; when it is not clear which, start both at the same time.
path! string: Absolute path of where to begin
pattern! string: Name, words, or a regular expression
searchType <files,content>=files: Names or text
filePattern string: Only files like these
ignoreCase boolean=true: Case does not matter
maxResults integer: Stop after so many
includeHidden boolean=false: Also names that begin with a dot
contextLines integer=5: Lines around each find
timeout_ms integer: Stop after this time
literalSearch boolean=false: The pattern is no regular expression
get_more_search_results readonly
| Gives what a search has found since, or a window of it.
sessionId! string: Identifier of the search
offset integer=0: First result, negative from the end
length integer=100: Number of results
stop_search
| Ends a search that still goes on. What it has found stays for some minutes.
sessionId! string: Identifier of the search
get_file_info readonly
| Tells size, times, permissions and number of lines of a file, and what an append would need to know; for tables, the sheets.
path! string: Absolute path
edit_block destructive
| Replaces a piece of text in a file by another. The text to replace must be there exactly once, with a few lines around it that make it so, or expected_replacements says how often. Several small edits are better than one large: change only what has to change. If the text is not found exactly, the nearest place is shown with what differs, character by character. In tables, a range is replaced by rows.
file_path! string: Absolute path
old_string string: What is there
new_string string: What shall be there
expected_replacements integer=1: How often
range string: Range of a table
content string: Rows for that range
options object: More, as the kind of file needs it
start_process destructive
| Starts a program in a shell, and comes back as soon as it waits for input, has ended, or the time is over. For data analysis start an interpreter and speak to it with interact_with_process, file by file: that is the only way that can look into large local files. The state of the program is told, so that nobody has to guess whether it waits.
command! string: What to run
timeout_ms! integer: Come back after this time
shell string: Which shell
verbose_timing boolean: Tell what took how long
read_process_output readonly
| Reads what a running program has said, from where the last reading ended, or a window of it.
pid! integer: Which program
timeout_ms integer: Wait no longer than this
offset integer: First line, negative from the end
length integer: Number of lines
interact_with_process destructive
| Sends a line to a running program and comes back with what it answers, as soon as its prompt is there again.
pid! integer: Which program
input! string: What to send
timeout_ms integer=8000: Wait no longer than this
wait_for_prompt boolean=true: Wait for the prompt
force_terminate destructive
| Ends a program that was started here, at once.
pid! integer: Which program
set_config_value destructive
| Changes one setting of the server: which commands are refused, which folders are allowed, which shell is used, how many lines are shown. An empty list of folders allows all of them, so take care.
key! string: Which setting
value! string: Its value
]]

-- Each of them repeats the rules, whatever it is about.
local tools = schema(DEFINITIONS)
for _, t in ipairs(tools) do t.description = t.description .. RULES end
return tools, {}
