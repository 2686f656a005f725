local out = {"id,customer_id,total_cents,placed_at"}
for _, r in ipairs(sqlite.query{sql="SELECT id, customer_id, total_cents, placed_at FROM orders WHERE status='paid'"}) do
  table.insert(out, table.concat({r.id, r.customer_id, r.total_cents, r.placed_at}, ","))
end
filesystem.write_file{path="@WORK@/paid.csv", content=table.concat(out, "\n") .. "\n"}
return #out - 1
