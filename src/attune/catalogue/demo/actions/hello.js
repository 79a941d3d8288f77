const parameters = JSON.parse(require("fs").readFileSync(0, "utf8") || "{}");
const greeting = `hello, ${parameters.name ?? "world"}`;
console.log(greeting, "from", process.execPath);
console.log(JSON.stringify({ interpreter: process.execPath, version: process.versions.node, greeting }));
