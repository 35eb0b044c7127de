/**
 * npm run cuda:check: every source of the CUDA backend through the compilers' front ends, against the real toolkit: .cu files through
 * nvcc, .cc files through the C++ compiler, warnings as errors. No code is generated: `npm run cuda:report -- --check` does that for
 * what has changed. Says why when CUDA is left out.
 *
 *   --quick   of each family's .cu files the first only: what `npm test` has time for
 */
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaCompiler, cudaObstacle } from './internal/cuda.mjs';
import { compileAll, filesIn, withScratch } from './internal/cuda-compile.mjs';
import { main } from './internal/process.mjs';

const [kernelFolder, backendFolder] = ['native/kernels', 'native/backend/cuda'];
const sources = (folder, pattern) => filesIn(folder, pattern).map((file) => join(folder, file));

/** The first file of each folder. */
const firstOfEach = (files) =>
  files.filter((file, k) => files.findIndex((one) => dirname(one) === dirname(file)) === k);

await main(async () => {
  const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false } } });
  const obstacle = cudaObstacle();
  if (obstacle) return console.log(`cuda:check: CUDA left out: ${obstacle.reason}`);
  const { nvcc, flags } = cudaCompiler();
  const device = [...flags, '-arch=sm_80', '-Werror=all-warnings', '-fmad=false', '--cuda'];
  const host = [...flags, '-Wall', '-Wextra', '-Werror', '-fsyntax-only'];
  const all = sources(kernelFolder, /\.cu$/);
  const kernels = values.quick ? firstOfEach(all) : all;
  const hosts = [...sources(kernelFolder, /_cuda\.cc$/), ...sources(backendFolder, /\.cc$/)];
  await withScratch((scratch) =>
    compileAll([
      ...kernels.map((file, k) => ({ command: nvcc, args: [...device, file, '-o', join(scratch, `${k}.ii`)], file })),
      ...hosts.map((file) => ({ command: process.env.CXX ?? 'c++', args: [...host, file], file })),
    ]),
  );
  console.log(`cuda:check: ${kernels.length + hosts.length} files`);
});
