/**
 * npm run cuda:report: compiles the CUDA backend with nvcc and prints, for each kernel and architecture, registers, shared
 * memory, spills and theoretical occupancy.
 *
 *   --write    put the table into docs/cuda-kernels.md
 *   --check    fail when a kernel spills more than the table there says
 *   --architectures LIST
 *              as CMAKE_CUDA_ARCHITECTURES, such as 90. Default: sm_80, sm_90 and PTX
 *   --json     one object for each instantiation instead of the table
 *
 * cuBLAS and cuSOLVER are the toolkit's, those in COTANGENT_CUDA_ROOT, or what `npm run cuda:libraries` installed.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildCuda } from './internal/cuda.mjs';
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

function instantiations(built) {
  const folder = join(root, built);
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

function check(list) {
  const allowed = spills(pageParts()[1]);
  const worse = [...spills(table(list))].filter(([key, bytes]) => bytes > (allowed.get(key) ?? 0));
  if (worse.length === 0) return console.log(`cuda:report: ${list.length} instantiations, no new spill`);
  const lines = worse.map(([key, bytes]) => `  ${key}: ${bytes} bytes, ${allowed.get(key) ?? 0} before`);
  throw new SetupError(
    `Kernels spill registers that did not before:\n${lines.join('\n')}\nMend them, or explain and run npm run cuda:report -- --write.`,
  );
}

await main(() => {
  const flag = { type: 'boolean', default: false };
  const { values } = parseArgs({
    options: { write: flag, check: flag, json: flag, architectures: { type: 'string' } },
  });
  const built = buildCuda({ architectures: values.architectures });
  if (!built.built) {
    if (values.check) return console.log(`cuda:report: CUDA left out: ${built.reason}`);
    throw new SetupError(`Expected the CUDA toolkit: ${built.reason}.`);
  }
  const list = instantiations(built.folder);
  if (values.check) return check(list);
  if (values.json) return console.log(JSON.stringify(list, null, 1));
  console.log(table(list));
  if (values.write) {
    const [before, , after] = pageParts();
    writeFileSync(page, `${before}\n${table(list)}\n${after}`);
  }
});
