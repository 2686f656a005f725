const rows = await sqlite.query({ sql: "SELECT id, customer_id, total_cents, placed_at FROM orders WHERE status='paid'" });
const csv = rows.map((r) => [r.id, r.customer_id, r.total_cents, r.placed_at].join(","));
await filesystem.write_file({ path: "@WORK@/paid.csv", content: ["id,customer_id,total_cents,placed_at", ...csv].join("\n") + "\n" });
return rows.length;
