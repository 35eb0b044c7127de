/** Single sources of the CUDA backend through their compilers, without CMake. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, SetupError } from './process.mjs';

/** Files in a folder, at any depth, relative to it. */
export const filesIn = (folder, pattern) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((file) => pattern.test(file))
    .sort();

function succeeds({ command, args }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
  });
}

/**
 * Runs jobs `{ command, args, file }` on all processors. @throws {SetupError} with the files whose jobs failed, once all have ended.
 */
export async function compileAll(jobs) {
  const failed = [];
  const queue = [...jobs];
  const work = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) if (!(await succeeds(job))) failed.push(job.file);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (failed.length > 0) throw new SetupError(`The CUDA sources do not compile: ${failed.join(', ')}.`);
}

/** What `body` returns of a folder that is gone afterwards. */
export async function withScratch(body) {
  const scratch = mkdtempSync(join(tmpdir(), 'cotangent-cuda-'));
  try {
    return await body(scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
