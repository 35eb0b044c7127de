/**
 * Formats the C++ sources with the pinned clang-format, so that everybody's formatting is the same.
 *
 *   --check   change nothing; exit with 1 when a file is not formatted
 */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { main, root, run } from './internal/process.mjs';

const folders = ['native', 'test'];
const sources = /\.(cc|cu|cuh|h)$/;

await main(() => {
  const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
  const files = folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((file) => sources.test(file))
      .map((file) => join(folder, file)),
  );
  const { clangFormatPath } = createRequire(import.meta.url)('clang-format-node');
  run(clangFormatPath, [...(values.check ? ['--dry-run', '-Werror'] : ['-i']), '--style=file', ...files]);
  console.log(`clang-format: ${files.length} files ${values.check ? 'checked' : 'formatted'}`);
});
