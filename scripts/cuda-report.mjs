/**
 * npm run cuda:report: compiles the CUDA backend with nvcc and prints, for each kernel and architecture, registers, shared
 * memory, spills and theoretical occupancy.
 *
 *   --write    put the table into docs/cuda-kernels.md, with a hash of each source that it was made from
 *   --check    fail when a kernel spills more than the table there says; compiles what has changed since it was written, and nothing else
 *   --architectures LIST
 *              as CMAKE_CUDA_ARCHITECTURES, such as 90. Default: sm_80, sm_90 and PTX
 *   --json     one object for each instantiation instead of the table
 *
 * cuBLAS and cuSOLVER are the toolkit's, those in COTANGENT_CUDA_ROOT, or what `npm run cuda:libraries` installed.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildCuda, cudaCompiler, cudaObstacle } from './internal/cuda.mjs';
import { compileAll, filesIn, withScratch } from './internal/cuda-compile.mjs';
import { fingerprint } from './internal/fingerprint.mjs';
import { main, output, root, SetupError } from './internal/process.mjs';

const page = join(root, 'docs/cuda-kernels.md');
const [begin, end] = ['<!-- report: begin -->', '<!-- report: end -->'];

/** Per multiprocessor: shared memory in bytes; the rest is the same on both. */
const architectures = { sm_80: { shared: 164 << 10 }, sm_90: { shared: 228 << 10 } };
const warps = 64;
const blocks = 32;
const registers = 65536;

/** Warps that a multiprocessor holds of its 64, for blocks of `block` threads with static shared memory. */
function occupancy({ architecture, block, registers: each, shared }) {
  const perBlock = Math.ceil(block / 32);
  const perWarp = Math.ceil((each * 32) / 256) * 256;
  const byRegisters = Math.floor((Math.floor(registers / perWarp / 4) * 4) / perBlock);
  const byShared = Math.floor(architectures[architecture].shared / (shared + 1024)); // the system keeps 1 KiB a block
  return (Math.min(blocks, Math.floor(warps / perBlock), byRegisters, byShared) * perBlock) / warps;
}

const kernelFolder = 'native/kernels';
/** Relative to the folder of the kernels, as the table names them. */
const sources = () => filesIn(kernelFolder, /\.cu$/);

/** What nvcc said of the objects in a folder that mirrors that of the kernels. */
function instantiations(folder) {
  const files = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith('.cu.o.kernels.json'));
  return files.flatMap((file) => {
    const source = `${/kernels\/(.*)\.cu\.o/.exec(file)?.[1] ?? file}.cu`;
    return JSON.parse(readFileSync(join(folder, file), 'utf8')).map((kernel) => {
      const full = output('c++filt', [kernel.name])?.trim() ?? kernel.name;
      const name = /(\w+)(?:<.*>)?\(/.exec(full.replaceAll('(anonymous namespace)::', ''))?.[1] ?? full;
      return { source, kernel: name, ...kernel, name: full, occupancy: occupancy(kernel) };
    });
  });
}

/** One row for each kernel: its instantiations' worst. */
function rows(list) {
  const groups = new Map();
  for (const one of list) {
    const key = `${one.source} ${one.kernel}`;
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return [...groups.values()]
    .map((group) => {
      const on = (architecture) => group.filter((one) => one.architecture === architecture);
      const most = (architecture, field) => Math.max(...on(architecture).map((one) => one[field]));
      const cell = (architecture) => {
        if (on(architecture).length === 0) return ['', '', '', ''];
        const least = Math.min(...on(architecture).map((one) => one.occupancy));
        return [
          most(architecture, 'registers'),
          most(architecture, 'shared'),
          most(architecture, 'spills'),
          `${Math.round(least * 100)} %`,
        ];
      };
      const { source, kernel } = group[0];
      return [
        source,
        kernel,
        group[0].block,
        new Set(group.map((one) => one.name)).size,
        ...cell('sm_80'),
        ...cell('sm_90'),
      ];
    })
    .sort((a, b) => `${a[0]} ${a[1]}`.localeCompare(`${b[0]} ${b[1]}`));
}

/** Hashes by source, as the page keeps them behind the table. */
const hashLine = () =>
  `<!-- made from: ${sources()
    .map((source) => `${source} ${fingerprint(join(kernelFolder, source))}`)
    .join(', ')} -->`;

function knownHashes(text) {
  const list = /<!-- made from: (.*) -->/.exec(text)?.[1] ?? '';
  return new Map(list.split(', ').map((entry) => entry.split(' ')));
}

/** Compiles these sources for both architectures, as CMake would; what nvcc says of them. */
function compiled(changed) {
  const { nvcc, flags } = cudaCompiler();
  const codes = ['80', '90'].flatMap((code) => ['-gencode', `arch=compute_${code},code=sm_${code}`]);
  const launcher = join(root, 'scripts/internal/nvcc.mjs');
  return withScratch(async (scratch) => {
    const jobs = changed.map((source) => {
      const [file, object] = [join(kernelFolder, source), join(scratch, kernelFolder, `${source}.o`)];
      mkdirSync(dirname(object), { recursive: true });
      const args = [...flags, '-O3', '-DNDEBUG', '-fmad=false', ...codes, '-c', file, '-o', object];
      return { command: process.execPath, args: [launcher, nvcc, ...args], file };
    });
    await compileAll(jobs);
    return instantiations(scratch);
  });
}

const head = [
  '| source | kernel | block | instances | sm_80: registers | shared | spills | occupancy | sm_90: registers | shared | spills | occupancy |',
  '|---|---|---|---|---|---|---|---|---|---|---|---|',
];
const table = (list) => [...head, ...rows(list).map((row) => `| ${row.join(' | ')} |`)].join('\n');

function pageParts() {
  const text = readFileSync(page, 'utf8');
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new SetupError(`Expected ${begin} and ${end} in docs/cuda-kernels.md.`);
  return [text.slice(0, from + begin.length), text.slice(from + begin.length, to), text.slice(to)];
}

/** Spills by "source kernel architecture" as a table of ours says; 0 where it leaves an architecture out. */
function spills(text) {
  const known = new Map();
  for (const line of text.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim());
    if (cells.length !== 14 || !cells[1].endsWith('.cu')) continue;
    known
      .set(`${cells[1]} ${cells[2]} sm_80`, Number(cells[7]))
      .set(`${cells[1]} ${cells[2]} sm_90`, Number(cells[11]));
  }
  return known;
}

async function check() {
  const [, page] = pageParts();
  const hashes = knownHashes(page);
  const all = sources();
  const changed = all.filter((source) => hashes.get(source) !== fingerprint(join(kernelFolder, source)));
  const obstacle = changed.length > 0 && cudaObstacle();
  if (obstacle) return console.log(`cuda:report: CUDA left out: ${obstacle.reason}`);
  const allowed = spills(page);
  const worse = [...spills(table(await compiled(changed)))].filter(([key, bytes]) => bytes > (allowed.get(key) ?? 0));
  const told = `cuda:report: ${all.length - changed.length} sources as the table knows them, ${changed.length} compiled`;
  if (worse.length === 0) return console.log(`${told}, no new spill`);
  const lines = worse.map(([key, bytes]) => `  ${key}: ${bytes} bytes, ${allowed.get(key) ?? 0} before`);
  throw new SetupError(
    `Kernels spill registers that did not before:\n${lines.join('\n')}\nMend them, or explain and run npm run cuda:report -- --write.`,
  );
}

await main(async () => {
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: { write: flag, check: flag, json: flag, architectures: { type: 'string' } },
  });
  if (values.check) return check();
  if (values.write && values.architectures !== undefined) {
    throw new SetupError('Expected --write without --architectures: the table has all of them.');
  }
  const built = buildCuda({ architectures: values.architectures });
  if (!built.built) throw new SetupError(`Expected the CUDA toolkit: ${built.reason}.`);
  const list = instantiations(join(root, built.folder));
  if (values.json) return console.log(JSON.stringify(list, null, 1));
  console.log(table(list));
  if (values.write) {
    const [before, , after] = pageParts();
    writeFileSync(page, `${before}\n${table(list)}\n\n${hashLine()}\n${after}`);
  }
});
