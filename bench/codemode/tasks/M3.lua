local people, counts = {}, {}
local files = filter(lines(filesystem.list_directory{path="@WORK@/notes"}), function(l) return l:match("%.md$") end)
local texts = pmap(files, function(l) return filesystem.read_text_file{path="@WORK@/notes/" .. l:match("%S+$")} end)
for _, t in ipairs(texts) do
  for who, task, due in t:gmatch("%- %[(.-)%] (.-) by (%S+)") do
    people[who] = people[who] or {}
    table.insert(people[who], task .. " (due " .. due .. ")")
  end
end
memory.create_entities{entities=map(keys(people), function(p) return {name=p, entityType="person", observations=people[p]} end)}
for p, o in pairs(people) do counts[p] = #o end
return counts
