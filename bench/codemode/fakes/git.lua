-- SPDX-License-Identifier: Apache-2.0
-- git - twenty-eight tools over one repository, of which `git_log` works: it reads the history that seed.lua wrote.
local root, dir = ...

local HEAD = [[
git_add
| Stages files for the next commit.
files! string[]: Files or patterns to stage
all boolean=false: Stage all changes, also of files not named
update boolean=false: Stage only files that are tracked already
git_blame readonly
| Shows who changed each line of a file last, and in which commit.
file! string: File to look at
startLine integer: First line of the range
endLine integer: Last line of the range
ignoreWhitespace boolean=false: Do not count changes of white space
git_branch destructive
| Lists, makes, renames, deletes or shows branches, as `operation` says.
operation! <list,create,delete,rename,show-current>: What to do
name string: Branch that it is done to
newName string: Its name afterwards, for rename
startPoint string: Commit that a new branch begins at
force boolean=false: Also if work would be lost
remote boolean=false: Branches of remotes instead of local ones
git_changelog_analyze readonly
| Collects what is needed to write a changelog: commits with their subjects, tags, and instructions for the kind of review that is wanted.
reviewTypes! <security,features,storyline,gaps,breaking_changes,quality>[]: What the review looks for
maxCommits integer=200: No more commits than this
sinceTag string: Only commits after this tag
branch string: Branch to look at
git_checkout destructive
| Switches to a branch or takes files back to what a commit has.
target! string: Branch, commit or tag
createBranch boolean=false: Make a branch of that name
force boolean=false: Throw local changes away
paths string[]: Only these files
git_cherry_pick destructive
| Applies the changes of existing commits to the current branch.
commits! string[]: Commits, in this order
noCommit boolean=false: Stage the changes and make no commit
mainline integer: Which parent of a merge is the main line
continueOperation boolean=false: Go on after conflicts
abort boolean=false: Give up and go back
git_clean destructive
| Removes files that are not tracked. Needs force, since nothing brings them back.
force! boolean: Must be true
dryRun boolean=false: Only tell what would be removed
directories boolean=false: Folders too
ignored boolean=false: Ignored files too
git_clear_working_dir idempotent
| Forgets the session's working directory.
confirm! <Y,y,Yes,yes>: Must be said
git_clone
| Copies a repository from a URL to a folder of this machine.
url! string: Where to copy from
localPath! string: Folder that it goes to
branch string: Branch to check out
depth integer: Only so many of the newest commits
bare boolean=false: Without a working tree
mirror boolean=false: With all refs
recurseSubmodules boolean=false: Submodules too
git_commit
| Makes a commit of what is staged, with a message.
message! string: First line, empty line, and what else there is to say
author {name! string, email! string}: Another author than the configured one
amend boolean=false: Replace the last commit
allowEmpty boolean=false: Even if nothing has changed
sign boolean=false: Sign it
noVerify boolean=false: Run no hooks
filesToStage string[]: Files to stage first
git_diff readonly
| Shows what differs between commits, branches or the working tree.
target string: What is compared
source string: What it is compared with
paths string[]: Only these files
staged boolean=false: What is staged instead of what is not
includeUntracked boolean=false: New files too
nameOnly boolean=false: Only names of files
stat boolean=false: Only numbers of lines
contextLines integer=3: Lines around each change
autoExclude boolean=true: Leave lock files and generated files out
git_fetch
| Gets commits and refs of a remote without changing the working tree.
remote string=origin: Which remote
prune boolean=false: Forget branches that are gone there
tags boolean=false: All tags too
depth integer: Only so many of the newest commits
git_init
| Makes a new repository in a folder.
initialBranch string: Name of the first branch
bare boolean=false: Without a working tree
git_log readonly
| Shows the history of commits, if wanted only those of an author, a range of dates, a file, or with a pattern in their message.
maxCount integer=10: No more commits than this
skip integer: Commits to skip first
since string: Only commits after this date
until string: Only commits before this date
author string: Only commits of this author
grep string: Only commits whose message matches
branch string: Branch, ref or range (the current branch if it is left out)
filePath string: Only commits that changed this file
oneline boolean=false: Only hash and subject of each
stat boolean=false: With numbers of changed lines
patch boolean=false: With the whole difference
showSignature boolean=false: With the check of signatures
-> success boolean
-> commits {hash! string, shortHash! string, subject! string, author string, authorEmail string, timestamp integer, body string, parents string[], refs string[], stat string, patch string}[]
-> totalCount integer
git_merge destructive
| Merges branches into the current one.
branch! string: Branch that is merged
strategy <ort,recursive,octopus,ours,subtree>: How
noFastForward boolean=false: Always make a merge commit
squash boolean=false: All changes as one, without a commit
message string: Message of the merge commit
abort boolean=false: Give up and go back
git_pull
| Gets a remote's commits and brings them into the current branch.
remote string=origin: Which remote
branch string: Which branch
rebase boolean=false: Rebase instead of merging
fastForwardOnly boolean=false: Fail where a merge would be needed
git_push destructive
| Sends commits of this repository to a remote.
remote string=origin: Which remote
branch string: Which branch
remoteBranch string: Its name there
force boolean=false: Overwrite what is there
forceWithLease boolean=false: Overwrite only what is known
setUpstream boolean=false: Track it from now on
tags boolean=false: Tags too
delete boolean=false: Delete the branch there
dryRun boolean=false: Only tell what would be sent
git_rebase destructive
| Replays commits of the current branch on top of another.
mode <start,continue,abort,skip>=start: What to do
upstream string: On top of what
branch string: Which branch
onto string: Commit that they go onto
preserve boolean=false: Keep merges
git_reflog readonly
| Shows where a ref has pointed to, which finds commits that seem lost.
ref string=HEAD: Which ref
maxCount integer: No more entries than this
git_remote destructive
| Lists, adds, removes or renames remotes, or changes their URL.
mode! <list,add,remove,rename,get-url,set-url>: What to do
name string: Which remote
url string: Its URL
newName string: Its name afterwards
push boolean=false: The URL for pushing
git_reset destructive
| Takes the current branch back to a commit.
mode <soft,mixed,hard,merge,keep>=mixed: What happens to index and working tree
target string=HEAD: Commit to go back to
paths string[]: Only these files
confirmed boolean=false: Must be true for hard
git_set_working_dir idempotent
| Sets the folder that the tools of this session work in when they are given no path.
validateGitRepo boolean=true: Fail where no repository is
initializeIfNotPresent boolean=false: Make one where none is
includeMetadata boolean=false: Tell about it too
git_show readonly
| Shows one object: a commit with its difference, a tag, a tree, or a file of a commit.
object! string: Which
format <raw,json>: How it is shown
stat boolean=false: Only numbers of lines
filePath string: Only this file
git_stash destructive
| Puts changes aside and brings them back.
mode! <list,push,pop,apply,drop,clear>: What to do
message string: What to call it
stashRef string: Which one
includeUntracked boolean=false: New files too
keepIndex boolean=false: Leave what is staged
git_status readonly
| Shows the state of the working tree: what is staged, changed, new, or in conflict.
includeUntracked boolean=true: New files too
git_tag destructive
| Lists, makes, verifies or deletes tags.
mode! <list,create,delete,verify>: What to do
tagName string: Which tag
commit string: Commit that it is for
message string: Message of an annotated tag
annotated boolean=false: With author, date and message
force boolean=false: Replace one that is there
limit integer: No more tags than this
git_worktree destructive
| Manages further working trees of the repository.
mode! <list,add,remove,move,prune>: What to do
worktreePath string: Where the tree is
branch string: Branch to check out there
commitish string: What a new one begins at
newPath string: Where it goes to, for move
detach boolean=false: Without a branch
force boolean=false: Also if changes are lost
git_wrapup_instructions readonly
| Gives the steps of ending a piece of work well: review, docs, changelog, commits, tag.
acknowledgement! <Y,y,Yes,yes>: Must be said
updateAgentMetaFiles <Y,y,Yes,yes>: Files for agents too
createTag boolean=false: With a tag at the end
]]

-- Each but three takes the repository's place too.
local tools = schema(HEAD)
for _, t in ipairs(tools) do
	if not t.name:find("clone") and not t.name:find("clear") and not t.name:find("wrapup") then
		t.inputSchema.properties.path = { type = "string", default = ".",
			description = "Path of the repository; without it, the working directory of the session" }
	end
end

local calls = {}
function calls.git_log(a)
	local f <close> = assert(io.open(dir .. "/history.json"))
	local all = json.decode(f:read("a"))
	local commits, since = json.array(), (a.branch or ""):match("^(.-)%.%.")
	for _, c in ipairs(all) do
		if #commits == (a.maxCount or 10) then break end
		for _, ref in ipairs(c.refs or {}) do
			if since and ref == "tag: " .. since then goto done end
		end
		commits[#commits + 1] = c
	end
	::done::
	local v = { success = true, commits = commits, totalCount = #commits }
	return { content = { { type = "text", text = pretty(v) } }, structuredContent = v }
end

return tools, calls
