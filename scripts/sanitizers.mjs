/**
 * npm run test:sanitizers: builds the native code with AddressSanitizer and UndefinedBehaviorSanitizer, and with ThreadSanitizer, runs
 * the native unit tests under both, and the suites of the core and of long-running services in Node under the first. Prints a line for
 * each step, and fails when a test fails or a sanitizer reports anything, also in a process whose end no test looks at. Minutes to
 * build, minutes to run: not part of npm test.
 *
 *   npm run test:sanitizers                     both
 *   npm run test:sanitizers -- address|thread   one of them
 */
import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { buildFolder } from './internal/addon.mjs';
import { main, root, SetupError } from './internal/process.mjs';
import { sanitizedEnvironment, sanitizedNodeEnvironment, sanitizers } from './internal/sanitizers.mjs';

const nodeFolders = ['test/core/', 'test/service/'];
const lastLines = 40;

/** The steps under one sanitizer; `counted` finds in a step's output what it did. */
function steps(sanitize, reports) {
  const folder = buildFolder(sanitize);
  const parallel = String(availableParallelism());
  const build = {
    name: 'build',
    command: [process.execPath, 'scripts/build.mjs', `--sanitize=${sanitize}`],
    env: {},
    counted: /$^/,
  };
  const native = {
    name: 'native unit tests',
    command: ['ctest', '--test-dir', folder, '--output-on-failure', '--no-tests=error', '--parallel', parallel],
    env: sanitizedEnvironment(sanitize, reports),
    counted: /\d+ tests failed out of \d+/,
  };
  if (sanitize !== 'address') return [build, native];
  const node = {
    name: nodeFolders.join(' '),
    command: [process.execPath, 'node_modules/vitest/vitest.mjs', 'run', ...nodeFolders],
    env: { ...sanitizedNodeEnvironment(sanitize, reports), NO_COLOR: '1' },
    counted: /(?<=^ *Tests +)\d.*$/m,
  };
  return [build, native, node];
}

/** Runs a step with its output in a file. @returns what went wrong, or undefined. */
function runStep(sanitize, { name, command, env, counted }, index, reportFolder) {
  const log = join(root, buildFolder(sanitize), `step-${index + 1}.log`);
  rmSync(reportFolder, { recursive: true, force: true });
  mkdirSync(reportFolder, { recursive: true });
  const start = performance.now();
  const file = openSync(log, 'w');
  const [program, ...args] = command;
  const { status, error } = spawnSync(program, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', file, file],
  });
  closeSync(file);
  const text = readFileSync(log, 'utf8');
  const reports = readdirSync(reportFolder).map((report) => readFileSync(join(reportFolder, report), 'utf8'));
  const good = !error && status === 0 && reports.length === 0;
  const count = counted.exec(text)?.[0];
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${sanitize}: ${name}: ${good ? 'clean' : 'FAILED'}${count ? `, ${count}` : ''} (${seconds} s)`);
  if (good) return undefined;
  if (error) return error.message;
  const end = text.trimEnd().split('\n').slice(-lastLines).join('\n');
  return [...reports, end, `The whole output: ${log}`].join('\n');
}

await main(() => {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => !sanitizers.includes(name));
  if (unknown.length > 0) throw new SetupError(`Expected ${sanitizers.join(' or ')}, received ${unknown.join(', ')}.`);
  const failures = [];
  for (const sanitize of named.length > 0 ? named : sanitizers) {
    const reportFolder = join(root, buildFolder(sanitize), 'reports');
    for (const [index, step] of steps(sanitize, join(reportFolder, 'report')).entries()) {
      const wrong = runStep(sanitize, step, index, reportFolder);
      if (wrong === undefined) continue;
      console.error(wrong);
      failures.push(`${sanitize}: ${step.name}`);
      if (step.name === 'build') break;
    }
  }
  if (failures.length > 0) throw new SetupError(`Failing: ${failures.join('; ')}.`);
});
