const t = (await filesystem.read_text_file({ path: "@WORK@/invoices.csv" })).content;
const inv = Object.fromEntries(t.trim().split("\n").slice(1).map((l) => l.split(",").map(Number)));
const rows = await sqlite.query({ sql: `SELECT customer_id, SUM(total_cents) AS paid FROM orders WHERE status='paid' AND customer_id IN (${Object.keys(inv).join(",")}) GROUP BY customer_id` });
await sqlite.query({ sql: "CREATE TABLE discrepancies (customer_id INTEGER, invoiced_cents INTEGER, paid_cents INTEGER)" });
let count = 0, diff_cents = 0;
for (const r of rows) {
  const c = inv[r.customer_id];
  if (c !== r.paid) {
    count++;
    diff_cents += c - r.paid;
    await sqlite.query({ sql: "INSERT INTO discrepancies VALUES (?,?,?)", values: [r.customer_id, c, r.paid] });
  }
}
return { count, diff_cents };
