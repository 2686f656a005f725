return await sqlite.query({ sql: "SELECT owner FROM services WHERE name='billing'" });
