/**
 * npm test: set-up, then every check there is. Goes on after a failing check, so that one run shows all of them.
 *
 *   npm test                   everything
 *   npm test -- ARGUMENTS...   set-up and the CUDA emulation, then vitest with these arguments (file filters, -t NAME, ...)
 *   npm test -- --device NAME [ARGUMENTS...]
 *                              the table of cases on that device (or what the arguments name); skipped, with the reason, where there is
 *                              none
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runNativeTests } from './internal/addon.mjs';
import { buildCudaEmulation } from './internal/cuda.mjs';
import { announce, main, root, run, SetupError } from './internal/process.mjs';
import { setup } from './internal/setup.mjs';

const node = process.execPath;
const tool = (path) => join(root, 'node_modules', path);

function vitest(args, env = {}) {
  run(node, [tool('vitest/vitest.mjs'), 'run', ...args], { env });
}

/** Tests that vitest ran in all passes of this run. */
const counts = { passed: 0, failed: 0, skipped: 0 };

/** Vitest on these folders (all when empty) with its usual output; what it counted is added to `counts`. */
function countedVitest(name, folders, env) {
  const absent = folders.filter((folder) => !existsSync(join(root, folder)));
  if (absent.length > 0)
    throw new SetupError(`Expected the folders ${folders.join(', ')}, found no ${absent.join(', ')}.`);
  const file = join(root, `build/vitest-${name}.json`);
  rmSync(file, { force: true });
  try {
    vitest([...folders, '--reporter=default', '--reporter=json', `--outputFile.json=${file}`], env);
  } finally {
    // Absent when vitest itself broke down, which `vitest` has reported.
    const report = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    counts.passed += report?.numPassedTests ?? 0;
    counts.failed += report?.numFailedTests ?? 1;
    counts.skipped += (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0);
  }
}

const coreFolders = ['test/core/', 'test/transforms/'];

/** What of the table of cases depends on a device's kernels: rules for batches do not. */
const deviceTests = ['test/conformance/conformance.test.ts', 'test/conformance/derivatives.test.ts'];

/** Why a device cannot be used, or undefined. */
function whyNot(device) {
  const script = "import { device } from './dist/index.js'; console.log(device(process.argv[1]).describe());";
  const args = ['--input-type=module', '-e', script, device];
  const { status, stdout, stderr } = spawnSync(node, args, { cwd: root, encoding: 'utf8' });
  if (status === 0) {
    console.error(`  ${device}: ${stdout.trim()}`);
    return undefined;
  }
  return /^DeviceError: (.*)$/m.exec(stderr)?.[1] ?? stderr.trim();
}

/** Runs `check` where the device can be used, and says why where not. */
function onDevice(device, check) {
  const reason = whyNot(device);
  if (reason === undefined) check();
  else console.error(`  skipped on ${device}: ${reason}`);
}

const checks = [
  [
    'lint and format (TypeScript, JavaScript, JSON)',
    () => run(node, [tool('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.']),
  ],
  ['format (C++)', () => run(node, ['scripts/clang-format.mjs', '--check'])],
  ['types', () => run(node, [tool('typescript/bin/tsc'), '--noEmit'])],
  ['API documentation, where warnings are errors', () => run(node, [tool('typedoc/bin/typedoc')])],
  ['symbols of the SIMD targets', () => run(node, ['scripts/check-symbols.mjs'])],
  ['native unit tests', runNativeTests],
  // By nvcc, where it is found; nothing of it can run without a GPU.
  ['CUDA sources', () => run(node, ['scripts/cuda-check.mjs', '--quick'])],
  ['spills of CUDA kernels', () => run(node, ['scripts/cuda-report.mjs', '--check'])],
  ['tests', () => countedVitest('all', [], {})],
  // Small Programs then go through the queue and the pool like large ones.
  ['core without the inline path', () => countedVitest('queued', coreFolders, { COTANGENT_INLINE: '0' })],
  [
    'conformance and derivatives on cuda:emulated',
    () => countedVitest('emulated', deviceTests, { COTANGENT_TEST_DEVICE: 'cuda:emulated' }),
  ],
  // The kernels that every machine of the architecture can run.
  [
    'conformance on the narrowest SIMD target',
    () => countedVitest('narrow', ['test/conformance/conformance.test.ts'], narrowestTarget()),
  ],
];

function narrowestTarget() {
  return { COTANGENT_SIMD: process.arch === 'x64' ? 'baseline' : 'neon' };
}

function runChecks() {
  const failures = [];
  for (const [name, check] of checks) {
    announce(name);
    const start = performance.now();
    try {
      check();
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      console.error(error.message);
      failures.push(name);
    }
    console.error(`  (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  }
  console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
  if (failures.length > 0) throw new SetupError(`Failing checks: ${failures.join('; ')}.`);
}

await main(() => {
  const filters = process.argv.slice(2);
  const at = filters.indexOf('--device');
  const [, device] = at < 0 ? [] : filters.splice(at, 2);
  if (at >= 0 && !device) throw new SetupError('Expected a name after --device, such as cuda.');
  setup();
  buildCudaEmulation();
  if (device) {
    onDevice(device, () =>
      filters.length > 0
        ? vitest(filters, { COTANGENT_DEVICE: device })
        : vitest(deviceTests, { COTANGENT_TEST_DEVICE: device }),
    );
  } else if (filters.length > 0) vitest(filters);
  else runChecks();
});
