return #filter(lines(filesystem.list_directory{path="@WORK@/logs"}), function(l) return l:match("%.log$") end)
