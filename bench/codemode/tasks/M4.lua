local groups, counts, out = {}, {}, {"# Changelog"}
for _, c in ipairs(git.git_log{path="@REPO@", branch="v0.1.0..HEAD", maxCount=200}.commits) do
  local t, scope, subj = c.subject:match("^(%w+)%((.-)%): (.+)$")
  groups[t] = groups[t] or {}
  table.insert(groups[t], "- " .. scope .. ": " .. subj)
end
for _, t in ipairs(keys(groups)) do
  table.insert(out, "\n## " .. t .. "\n\n" .. table.concat(groups[t], "\n"))
  counts[t] = #groups[t]
end
filesystem.write_file{path="@WORK@/CHANGELOG.md", content=table.concat(out, "\n") .. "\n"}
return counts
