local codes, per, out = {}, {}, {"# Errors\n"}
local files = map(lines(filesystem.list_directory{path="@WORK@/logs"}), function(l) return l:match("%S+$") end)
for i, t in ipairs(pmap(files, function(f) return filesystem.read_text_file{path="@WORK@/logs/" .. f} end)) do
  local n = 0
  for code in t:gmatch(" ERROR %b[] (%w+)") do codes[code] = (codes[code] or 0) + 1; n = n + 1 end
  per[i] = {file=files[i], n=n}
end
for _, c in ipairs(keys(codes)) do table.insert(out, "- " .. c .. ": " .. codes[c]) end
local w = sort_by(per, "n", true)
table.insert(out, "\nWorst files: " .. table.concat(map({w[1], w[2], w[3]}, function(x) return x.file .. " (" .. x.n .. ")" end), ", ") .. "\n")
local text = table.concat(out, "\n")
filesystem.write_file{path="@WORK@/errors.md", content=text}
return text
