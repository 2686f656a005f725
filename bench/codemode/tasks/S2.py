return await call_tool("sqlite_query", {"sql": "SELECT owner FROM services WHERE name='billing'"})
