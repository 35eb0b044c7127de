/**
 * npm run cuda:check: every source of the CUDA backend through the compilers' front ends, against the real toolkit: .cu files through
 * nvcc, .cc files through the C++ compiler, warnings as errors. No code is generated: `npm run cuda:report -- --check` does that, and
 * takes minutes. Says why when CUDA is left out.
 *
 *   --quick   of each family's .cu files the first only: what `npm test` has time for
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaIncludes, cudaObstacle } from './internal/cuda.mjs';
import { main, root, SetupError } from './internal/process.mjs';

const sources = (folder, pattern) =>
  readdirSync(join(root, folder), { recursive: true })
    .filter((file) => pattern.test(file))
    .map((file) => join(folder, file));

function check(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', () => resolve(false));
    child.on('close', (code) => resolve(code === 0));
  });
}

/** The first file of each folder. */
const firstOfEach = (files) =>
  files.filter((file, k) => files.findIndex((one) => dirname(one) === dirname(file)) === k);

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  const obstacle = cudaObstacle();
  if (obstacle) return console.log(`cuda:check: CUDA left out: ${obstacle.reason}`);
  const { nvcc, folders } = cudaIncludes();
  const includes = ['-std=c++17', '-I.', ...folders.flatMap((folder) => ['-isystem', folder])];
  const device = ['-arch=sm_80', '-Werror=all-warnings', '-fmad=false', '--cuda'];
  const scratch = mkdtempSync(join(tmpdir(), 'cuda-check-'));
  const all = sources('native/kernels', /\.cu$/);
  const kernels = values.quick ? firstOfEach(all) : all;
  const jobs = [
    ...kernels.map((file, k) => [nvcc, [...includes, ...device, file, '-o', join(scratch, `${k}.ii`)], file]),
    ...[...sources('native/kernels', /_cuda\.cc$/), ...sources('native/backend/cuda', /\.cc$/)].map((file) => [
      process.env.CXX ?? 'c++',
      [...includes, '-Wall', '-Wextra', '-Werror', '-fsyntax-only', file],
      file,
    ]),
  ];
  const failed = [];
  const queue = [...jobs];
  const work = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) if (!(await check(job[0], job[1]))) failed.push(job[2]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  rmSync(scratch, { recursive: true });
  if (failed.length > 0) throw new SetupError(`The CUDA sources do not compile: ${failed.join(', ')}.`);
  console.log(`cuda:check: ${jobs.length} files`);
});
