rows = await call_tool("sqlite_query", {"sql": "SELECT id, customer_id, total_cents, placed_at FROM orders WHERE status='paid'"})
text = "id,customer_id,total_cents,placed_at\n" + "\n".join(f"{r['id']},{r['customer_id']},{r['total_cents']},{r['placed_at']}" for r in rows) + "\n"
await call_tool("filesystem_write_file", {"path": "@WORK@/paid.csv", "content": text})
return len(rows)
