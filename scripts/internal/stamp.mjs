/** Stamps: a file that holds the hash of everything an output was made from, so that nothing is made twice. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { root } from './process.mjs';

/** Hash of the contents and names of files and folders (paths relative to the root; missing ones count as empty) and of `options`. */
export function contentHash(paths, options) {
  const hash = createHash('sha256').update(JSON.stringify(options));
  for (const path of paths) add(hash, path);
  return hash.digest('hex');
}

function add(hash, path) {
  const full = join(root, path);
  if (!existsSync(full)) return;
  if (statSync(full).isDirectory()) {
    for (const name of readdirSync(full).sort()) add(hash, `${path}/${name}`);
    return;
  }
  const content = readFileSync(full);
  hash.update(`${path}\0${content.length}\0`).update(content);
}

/** The stamp in `file`, `{ hash, options }`, or undefined. */
export function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined; // absent or cut short: the output is made again
  }
}

export function writeStamp(file, stamp) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(stamp));
}

export function removeStamp(file) {
  rmSync(file, { force: true });
}
