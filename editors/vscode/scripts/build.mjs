// The bundle that is shipped: one file, no dependency but the editor's own API.
import { build } from "esbuild";

export const shared = {
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node20",
  external: ["vscode"],
  logLevel: "warning",
};

export const bundle = () =>
  build({
    ...shared,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    minify: true,
  });

if (process.argv[1] === import.meta.filename) await bundle();
