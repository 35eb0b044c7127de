/** Where things lie, whether this file runs compiled (bench/dist/harness) or from its source (bench/harness). */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function ascend(folder: string): string {
  if (existsSync(join(folder, 'requirements.txt'))) return folder;
  const parent = dirname(folder);
  if (parent === folder)
    throw new Error('[bench] Expected to lie in the folder bench/ of a clone, received another place.');
  return ascend(parent);
}

/** The folder bench/. */
export const benchFolder = ascend(dirname(fileURLToPath(import.meta.url)));
/** The repository's root. */
export const rootFolder = dirname(benchFolder);
