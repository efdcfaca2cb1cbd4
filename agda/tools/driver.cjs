// Runs the compiled model: one JSON program a line in, one JSON result a line out; big numbers travel as strings.
"use strict";
// Agda compiles every built-in of Nat but these two; they mean what the manual says that they do.
const nat = require("./jAgda.Agda.Builtin.Nat.js");
nat["div-helper"] = (k) => (m) => (n) => (j) => k + (n + m - j) / (m + 1n);
nat["mod-helper"] = (k) => (m) => (n) => (j) => (n <= j ? k + n : (n - j - 1n) % (m + 1n));

const model = require("./jAgda.Prism.Model.Base.js");

const toNat = (value) => (Array.isArray(value) ? value.map(toNat) : BigInt(value));
const fromNat = (_, value) => (typeof value === "bigint" ? value.toString() : value);

for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { bits, capacity, batches } = JSON.parse(line);
  const rows = model.interns(toNat(bits))(toNat(capacity))(toNat(batches));
  const keys = rows.pop();
  const values = model.values(toNat(bits))(keys);
  process.stdout.write(JSON.stringify({ rows, keys, values }, fromNat) + "\n");
}
