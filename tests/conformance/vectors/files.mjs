// The captured vectors, as they stand in tests/vectors.
import { readFileSync } from "node:fs";

export function vectors(file) {
  return JSON.parse(readFileSync(new URL(`../../vectors/${file}`, import.meta.url), "utf8"));
}

export function config(file, values = {}) {
  const text = readFileSync(new URL(file, import.meta.url), "utf8");
  return text.replace(/\$\{(\w+)\}/g, (_, name) => values[name]);
}
