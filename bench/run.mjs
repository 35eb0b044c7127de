// Entry of the bench (`npm run bench`, `cotangent bench`): compiles bench/*.ts into bench/dist (incrementally) and starts it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

if (!existsSync(new URL('../dist/index.js', import.meta.url))) {
  fail('[bench] Expected the compiled package in dist/, received none. Hint: run `npm run build` first.');
}
let compiler;
try {
  compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc');
} catch {
  fail(
    '[bench] Expected the development dependencies, received no typescript. Hint: run the bench in a clone after `npm install`.',
  );
}
const compiled = spawnSync(process.execPath, [compiler, '-p', fileURLToPath(new URL('.', import.meta.url))], {
  encoding: 'utf8',
});
if (compiled.status !== 0)
  fail(`${compiled.stdout}${compiled.stderr}[bench] The bench does not compile against dist/.`);

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
  process.once(signal, () => process.exit(code));

const { main } = await import('./dist/main.js');
process.exitCode = await main(process.argv.slice(2));
