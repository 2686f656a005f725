t = (await call_tool("filesystem_read_text_file", {"path": "@WORK@/invoices.csv"}))["content"]
inv = {}
for l in t.strip().split("\n")[1:]:
    p = l.split(",")
    inv[int(p[0])] = int(p[1])
ids = ",".join([str(i) for i in inv])
rows = await call_tool("sqlite_query", {"sql": f"SELECT customer_id, SUM(total_cents) AS paid FROM orders WHERE status='paid' AND customer_id IN ({ids}) GROUP BY customer_id"})
await call_tool("sqlite_query", {"sql": "CREATE TABLE discrepancies (customer_id INTEGER, invoiced_cents INTEGER, paid_cents INTEGER)"})
n = diff = 0
for r in rows:
    c = inv[r["customer_id"]]
    if c != r["paid"]:
        n += 1
        diff += c - r["paid"]
        await call_tool("sqlite_query", {"sql": "INSERT INTO discrepancies VALUES (?,?,?)", "values": [r["customer_id"], c, r["paid"]]})
return {"count": n, "diff_cents": diff}
