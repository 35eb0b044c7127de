/** The bench on devices other than the CPU: on the test device under the name 'cuda', beside stand-ins for Python, and on the emulated one. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { devices } from 'cotangent';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { cases, findCase } from '../../bench/cases/index.js';
import { picture } from '../../bench/harness/picture.js';
import { pinnedVersion } from '../../bench/harness/python.js';
import { table, warnings } from '../../bench/harness/report.js';
import { caseId, type DetailedRow, publicRow, runsOn } from '../../bench/harness/types.js';
import { root, type } from '../cli/helpers.js';
import { testLibrary } from '../core/test-device.js';

const folder = mkdtempSync(join(tmpdir(), 'cotangent-bench-device-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const torch = pinnedVersion(readFileSync(join(root, 'bench/requirements.txt'), 'utf8'), 'torch');

const alone: DetailedRow = {
  name: 'chain',
  size: '128 floats',
  ours_ms: 0.0015,
  peer: 'none',
  peer_ms: null,
  ratio: null,
  agreement: null,
  limit: null,
  met: null,
  ratio_min: null,
  ratio_max: null,
  blocks: 9,
  repetitions: [1000, 0],
  idle_load: [0.2, 0],
};

/** A command that answers as the bench's Python does; `probe` is run for the device, `answer` for the requests of a worker. */
function python(name: string, probe: string, answer = ''): string {
  const path = join(folder, name);
  const script = `#!${process.execPath}
    const [, , option, script] = process.argv;
    if (option === '-c') {
      if (script.includes('numpy')) console.log('${torch}');
      else { ${probe} }
    } else {
      const { readFileSync, writeFileSync } = require('node:fs');
      let data;
      const idle = { wall: 1, cpu: 0 };
      const answers = { ${answer} };
      const lines = require('node:readline').createInterface({ input: process.stdin });
      lines.on('line', (line) => {
        const request = JSON.parse(line);
        if (request.op === 'exit') lines.close();
        else console.log(JSON.stringify({ idle, ...answers[request.op](request) }));
      });
    }`;
  writeFileSync(path, script);
  chmodSync(path, 0o755);
  return path;
}

const withoutCuda = python(
  'without-cuda',
  `console.error('Traceback\\nAssertionError: Torch not compiled with CUDA enabled'); process.exit(1);`,
);

/** The peer of `round-trip`, on a device that must be 'cuda'; a call takes it a millisecond. */
const withCuda = python(
  'with-cuda',
  '',
  `start: ({ threads, device }) => device === 'cuda' ? { threads, versions: { torch: 'stand-in' } } : { error: device },
   prepare(request) { data = request.data; return {}; },
   result({ folder }) {
     const read = ({ file }) => new Float32Array(Uint8Array.from(readFileSync(file)).buffer);
     const [y, scale, shift] = [read(data.x), read(data.scale), read(data.shift)];
     for (let k = 0; k < y.length; k++)
       for (let round = 0; round < 8; round++)
         y[k] = -Math.min(Math.abs(Math.max(y[k] * scale[k] + shift[k], 0) - 0.25) * 0.75, scale[k]);
     const file = folder + '/theirs.bin';
     writeFileSync(file, new Uint8Array(y.buffer));
     return { arrays: { y: { file, dtype: 'float32', shape: [y.length] } } };
   },
   time: ({ repetitions }) => ({ seconds: repetitions * 1e-3 }),`,
);

const quick = ['--only', 'round-trip', '--blocks', '7', '--block-seconds', '0.02', '--threads', '1'];

const main = join(folder, 'main.mjs');
writeFileSync(
  main,
  `import { main } from ${JSON.stringify(join(root, 'bench/dist/main.js'))};
   process.exitCode = await main(process.argv.slice(2));`,
);

// Compiles the bench, once for all runs below: on a busy machine that takes its time.
beforeAll(async () => {
  const { code, stdout } = await type(join(root, 'bench/run.mjs'), ['--help']);
  expect([code, stdout]).toEqual([0, expect.stringContaining('--device NAME')]);
}, 300_000);

function bench(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return type(main, args, {
    env: { COTANGENT_CUDA_LIBRARY: testLibrary, COTANGENT_TEST_DEVICE_DELAY_US: '0', ...env },
  });
}

describe('what is shown without a peer', () => {
  test('is ours, and null', () => {
    expect(publicRow(alone)).toEqual({
      name: 'chain',
      size: '128 floats',
      ours_ms: 0.0015,
      peer: 'none',
      peer_ms: null,
      ratio: null,
      agreement: null,
    });
    expect(table([alone]).split('\n')[1]).toMatch(/^chain +1\.50 us +none$/);
    expect(warnings([alone], 0, 2)).toEqual([]);
  });
  test('is in no picture', () => {
    expect(picture([alone])).toBeUndefined();
    expect(picture([{ ...alone, peer: 'torch', ratio: 0.5, peer_ms: 0.003 }])).toBeUndefined();
    const drawn = picture([alone, { ...alone, peer: 'torch', ratio: 0.5, limit: 1, met: true }]);
    expect(drawn?.data).toEqual({ values: [expect.objectContaining({ label: 'chain / torch', share: 0.5 })] });
  });
});

test('what is about the CPU runs nowhere else', () => {
  expect(cases.every((one) => runsOn(one, 'cpu'))).toBe(true);
  const left = cases.filter((one) => !runsOn(one, 'cuda')).map(caseId);
  expect(left).toEqual(expect.arrayContaining(['event-loop', 'interleave', 'idle', 'node/eager-op']));
  expect(left.filter((id) => !id.startsWith('node/'))).toHaveLength(3);
  expect(runsOn(findCase('matmul:256'), 'cuda:emulated')).toBe(true);
});

// Each run starts two to four processes.
describe('--device', { timeout: 180_000 }, () => {
  it('times ours alone where torch has no CUDA, says so, and leaves out what is about the CPU', async () => {
    const args = ['--device', 'cuda', ...quick, '--only', 'event-loop', '--json', '--output', join(folder, 'results')];
    const { code, stdout, stderr } = await bench(args, { COTANGENT_PYTHON: withoutCuda });
    expect(stderr).toMatch(
      /No peers on cuda, ours is timed alone: torch of .*without-cuda cannot use the device: AssertionError: Torch not compiled with CUDA enabled\n/,
    );
    expect(stderr).toMatch(/Left out on cuda, as they are about the CPU: event-loop\n/);
    expect(code).toBe(0);
    const rows = JSON.parse(stdout) as DetailedRow[];
    expect(rows).toEqual([
      {
        name: 'round-trip',
        size: expect.any(String),
        ours_ms: expect.any(Number),
        peer: 'none',
        peer_ms: null,
        ratio: null,
        agreement: null,
      },
    ]);
    expect(rows[0]?.ours_ms).toBeGreaterThan(0);
    const files = readdirSync(join(folder, 'results'));
    expect(files).toHaveLength(1);
    expect(JSON.parse(readFileSync(join(folder, 'results', files[0] as string), 'utf8'))).toMatchObject({
      device: 'cuda',
      versions: { ours: { device: 'test device, one thread' }, peers: {} },
      rows: [{ peer: 'none', limit: null, met: null, blocks: 7 }],
    });
  });

  it('compares with torch on the same device, without a limit', async () => {
    const { code, stdout, stderr } = await bench(['--device', 'cuda', ...quick, '--json'], {
      COTANGENT_PYTHON: withCuda,
    });
    expect([code, stderr]).toEqual([0, expect.stringMatching(/^round-trip beside torch-eager: 7 blocks\n/)]);
    const [row, ...others] = JSON.parse(stdout) as DetailedRow[];
    expect(others).toEqual([]);
    expect(row).toMatchObject({ name: 'round-trip', peer: 'torch-eager', peer_ms: 1 });
    expect(row?.agreement).toBeLessThan(1e-5);
    expect(row?.ratio).toBeCloseTo((row?.ours_ms as number) / 1, 4);
  });

  it('ends the run with the reason when the device cannot be used', async () => {
    const { code, stdout, stderr } = await bench(['--device', 'cuda', ...quick], {
      COTANGENT_CUDA_LIBRARY: '/missing/cuda.so',
    });
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(
      /^\[device\] Expected the CUDA library at \/missing\/cuda\.so, received no such file\. Hint: .*\n$/,
    );
  });

  it('refuses limits where there are none, and cases that are about the CPU alone', async () => {
    const limits = await bench(['--device', 'cuda', '--check', ...quick]);
    expect([limits.code, limits.stderr]).toEqual([
      2,
      '[bench] Expected --check on the CPU, received --device cuda, where there are no limits.\n',
    ]);
    const nothing = await bench(['--device', 'cuda', '--only', 'idle']);
    expect([nothing.code, nothing.stderr]).toEqual([2, '[bench] Expected a case that runs on cuda, received idle.\n']);
  });

  const emulated = devices().some(({ name, available }) => name === 'cuda:emulated' && available);
  it.skipIf(!emulated)('times the emulated GPU, which has no peer', async () => {
    const { code, stdout, stderr } = await bench(['--device', 'cuda:emulated', ...quick]);
    // A busy machine adds a warning.
    expect(stderr).toMatch(
      /^No peers on cuda:emulated, ours is timed alone: torch does not compute there\.\nround-trip alone: 7 blocks\n/,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^case .*\nround-trip +\d\S* (us|ms|s) +none\n$/);
  });
});
