/** A short hash of a C++ source and of all headers of this repository that it includes, directly or not. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './process.mjs';

/** @param file  relative to the root, as includes are. */
export function fingerprint(file) {
  const hash = createHash('sha256');
  const seen = new Set();
  const visit = (path) => {
    if (seen.has(path) || !existsSync(join(root, path))) return;
    seen.add(path);
    const text = readFileSync(join(root, path), 'utf8');
    hash.update(`${path}\0${text}\0`);
    for (const [, included] of text.matchAll(/^\s*#\s*include "([^"]+)"/gm)) visit(included);
  };
  visit(file);
  return hash.digest('hex').slice(0, 12);
}
