local reg, names = {}, {}
for _, s in ipairs(sqlite.query{sql="SELECT name, version, port FROM services"}) do reg[s.name] = s end
for _, l in ipairs(lines(filesystem.list_directory{path="@WORK@/services"})) do table.insert(names, l:match("(%S+)%.json$")) end
table.sort(names)
local files = pmap(names, function(n) return json.decode(filesystem.read_text_file{path="@WORK@/services/" .. n .. ".json"}) end)
local out = ""
for i, f in ipairs(files) do
  local r = reg[names[i]]
  if f.version ~= r.version then out = out .. "- " .. r.name .. ": version " .. f.version .. ", registered " .. r.version .. "\n" end
  if f.http.port ~= r.port then out = out .. "- " .. r.name .. ": port " .. f.http.port .. ", registered " .. r.port .. "\n" end
end
filesystem.write_file{path="@WORK@/drift.md", content=out}
return out
