// Builds the bundle and the tests, and runs them. They find `vscode` as node finds any module,
// in the node_modules beside them: a fake. The bundle is copied there as it is shipped.
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, readdirSync, rmSync } from "node:fs";
import { build } from "esbuild";
import { bundle, shared } from "./build.mjs";

const names = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
const compile = (options) => build({ ...shared, sourcemap: "inline", ...options });

rmSync("build", { recursive: true, force: true });
await bundle();
await compile({ entryPoints: names.map((name) => `test/${name}`), outdir: "build" });
await compile({
  entryPoints: ["test/fake/vscode.ts"],
  outfile: "build/node_modules/vscode/index.js",
});
await compile({
  entryPoints: ["test/fake/arcrun.ts"],
  outfile: "build/arcrun",
  banner: { js: `#!${process.execPath}` },
});
chmodSync("build/arcrun", 0o755);
copyFileSync("dist/extension.js", "build/extension.js");

const files = names.map((name) => `build/${name.replace(/\.ts$/, ".js")}`);
const options = ["--enable-source-maps", "--test", ...process.argv.slice(2)];
const done = spawnSync(process.execPath, [...options, ...files], { stdio: "inherit" });
process.exitCode = done.status ?? 1;
