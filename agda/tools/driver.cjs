// Runs the compiled model: one call [function, argument, ...] a line in, its answer a line out, both JSON. Numbers are
// strings in answers, for they may be larger than JSON's.
"use strict";
// Agda compiles every built-in of Nat but these two; they mean what the manual says that they do.
const nat = require("./jAgda.Agda.Builtin.Nat.js");
nat["div-helper"] = (k) => (m) => (n) => (j) => k + (n + m - j) / (m + 1n);
nat["mod-helper"] = (k) => (m) => (n) => (j) => (n <= j ? k + n : (n - j - 1n) % (m + 1n));

const model = require("./jAgda.Prism.Model.Base.js");

const toNat = (value) => (Array.isArray(value) ? value.map(toNat) : BigInt(value));
const fromNat = (_, value) => (typeof value === "bigint" ? value.toString() : value);

for (const line of require("fs").readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const [name, ...words] = JSON.parse(line);
  const answer = words.map(toNat).reduce((partial, word) => partial(word), model[name]);
  process.stdout.write(JSON.stringify(answer, fromNat) + "\n");
}
