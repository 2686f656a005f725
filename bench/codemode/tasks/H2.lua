local counts = {}
local function walk(nodes)
  for _, n in ipairs(nodes) do
    if n.type == "directory" then walk(n.children)
    else local e = n.name:match("%.(%w+)$"); counts[e] = (counts[e] or 0) + 1 end
  end
end
walk(json.decode(filesystem.directory_tree{path="@WORK@/src"}))
return counts
