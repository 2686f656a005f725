local inv, ids = {}, {}
for id, c in filesystem.read_text_file{path="@WORK@/invoices.csv"}:gmatch("(%d+),(%d+)") do
  inv[tonumber(id)] = tonumber(c); table.insert(ids, id)
end
local rows = sqlite.query{sql="SELECT customer_id, SUM(total_cents) AS paid FROM orders WHERE status='paid' AND customer_id IN (" .. table.concat(ids, ",") .. ") GROUP BY customer_id"}
sqlite.query{sql="CREATE TABLE discrepancies (customer_id INTEGER, invoiced_cents INTEGER, paid_cents INTEGER)"}
local n, diff = 0, 0
for _, r in ipairs(rows) do
  local c = inv[r.customer_id]
  if c ~= r.paid then
    n, diff = n + 1, diff + c - r.paid
    sqlite.query{sql="INSERT INTO discrepancies VALUES (?,?,?)", values={r.customer_id, c, r.paid}}
  end
end
return {count=n, diff_cents=diff}
