/** The JavaScript that Node runs: lib/ compiled into dist/. */
import { chmodSync, existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { announce, root, run } from './process.mjs';
import { contentHash, readStamp, removeStamp, writeStamp } from './stamp.mjs';

const compiler = 'node_modules/typescript';

/** Compiles unless dist/ was made from the same sources. @returns whether anything was compiled. */
export function buildDist() {
  const stampFile = join(root, 'build/dist.stamp.json');
  const { version } = JSON.parse(readFileSync(join(root, compiler, 'package.json'), 'utf8'));
  const hash = contentHash(['lib', 'tsconfig.json', 'tsconfig.build.json'], version);
  if (readStamp(stampFile)?.hash === hash && existsSync(join(root, 'dist/index.js'))) return false;

  announce('TypeScript -> dist/');
  removeStamp(stampFile);
  rmSync(join(root, 'dist'), { recursive: true, force: true }); // or deleted sources would live on
  run(process.execPath, [join(root, compiler, 'bin/tsc'), '-p', 'tsconfig.build.json']);
  chmodSync(join(root, 'dist/cli/main.js'), 0o755);
  writeStamp(stampFile, { hash });
  return true;
}
