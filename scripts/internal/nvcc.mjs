/**
 * Runs nvcc on one file and keeps what ptxas says of each kernel beside the object, as JSON: registers, shared memory,
 * spills and the block size that the kernel was compiled for. CMake puts it in front of nvcc; scripts/cuda-report.mjs reads it.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const [nvcc, ...args] = process.argv.slice(2);
const object = args[args.indexOf('-o') + 1];
const compiles = args.includes('-c') && args.some((argument) => argument.endsWith('.cu'));

/** `.entry NAME ... .maxntid X` of the PTX files that nvcc left. */
function blockSizes(folder) {
  const sizes = {};
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ptx'))) {
    const text = readFileSync(join(folder, file), 'utf8');
    for (const [, name, head] of text.matchAll(/\.entry (\w+)\(([\s\S]*?)\{/g)) {
      const bounds = /\.maxntid (\d+)(?:, (\d+))?(?:, (\d+))?/.exec(head);
      if (bounds) sizes[name] = bounds.slice(1).reduce((product, size) => product * Number(size ?? 1), 1);
    }
  }
  return sizes;
}

function kernels(log, sizes) {
  const found = [];
  let current;
  for (const line of log.split('\n')) {
    const entry = /Compiling entry function '(\w+)' for '(sm_\d+)'/.exec(line);
    if (entry) found.push((current = { name: entry[1], architecture: entry[2], block: sizes[entry[1]] ?? 1024 }));
    const spills = /(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads/.exec(line);
    if (spills && current && !current.used) {
      Object.assign(current, { stack: Number(spills[1]), spills: Number(spills[2]) + Number(spills[3]) });
    }
    const used = /Used (\d+) registers/.exec(line);
    if (used && current) {
      Object.assign(current, {
        registers: Number(used[1]),
        shared: Number(/(\d+) bytes smem/.exec(line)?.[1] ?? 0),
        used: true,
      });
    }
  }
  return found.map(({ used, ...kernel }) => kernel);
}

const chatter = /^(ptxas info|nvcc info|\s+\d+ bytes stack frame|\s*$)/;

if (!compiles) process.exit(spawnSync(nvcc, args, { stdio: 'inherit' }).status ?? 1);
const scratch = mkdtempSync(join(tmpdir(), 'nvcc-'));
try {
  const extra = ['-Xptxas=-v', '--keep', '--keep-dir', scratch];
  const done = spawnSync(nvcc, [...args, ...extra], { encoding: 'utf8', maxBuffer: 1 << 28 });
  const log = `${done.stdout}${done.stderr}`;
  const rest = log.split('\n').filter((line) => !chatter.test(line));
  if (rest.length > 0) console.error(rest.join('\n'));
  if (done.status === 0) writeFileSync(`${object}.kernels.json`, JSON.stringify(kernels(log, blockSizes(scratch))));
  process.exitCode = done.status ?? 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
