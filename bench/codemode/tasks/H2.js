const counts = {};
const walk = (nodes) => {
  for (const n of nodes) {
    if (n.type === "directory") walk(n.children);
    else {
      const e = n.name.split(".").pop();
      counts[e] = (counts[e] || 0) + 1;
    }
  }
};
walk(JSON.parse((await filesystem.directory_tree({ path: "@WORK@/src" })).content));
return counts;
