/** The set-up and check scripts, each run as a person runs it: in a process of its own. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const repository = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cotangent-scripts-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function node(args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  return { status, text: stdout + stderr };
}

describe('setup', () => {
  test('names what a bare machine lacks, in one line to type, and fails', () => {
    cpSync(join(repository, 'scripts'), join(folder, 'scripts'), { recursive: true });
    const result = node([join(folder, 'scripts/setup.mjs'), '--no-install'], { PATH: folder });
    expect(result.text).toContain('Missing: a C++17 compiler, CMake 3.20 or newer, make or ninja, pkg-config');
    expect(result.text).toMatch(/^ {2}(sudo )?apt-get install -y g\+\+ cmake make pkg-config libopenblas-dev/m);
    expect(result.status).toBe(1);
  });

  test('builds what changed and nothing else', () => {
    for (const path of ['scripts', 'package.json', 'package-lock.json', 'tsconfig.json', 'tsconfig.build.json']) {
      cpSync(join(repository, path), join(folder, path), { recursive: true });
    }
    symlinkSync(join(repository, 'node_modules'), join(folder, 'node_modules'));
    const write = (path: string, text: string): void => {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    };
    write('native/addon.cc', 'int first;\n');
    write('lib/index.ts', 'export const first = 1;\n');
    write('lib/cli/main.ts', "import '../index.js';\n");
    write(
      'CMakeLists.txt',
      `cmake_minimum_required(VERSION 3.20)
       project(small LANGUAGES CXX)
       add_library(cotangent SHARED native/addon.cc)
       set_target_properties(cotangent PROPERTIES PREFIX "" SUFFIX ".node")`,
    );
    const setup = () => {
      const { status, text } = node([join(folder, 'scripts/setup.mjs'), '--no-install']);
      expect(status, text).toBe(0);
      return { text, addon: text.includes('> native addon'), dist: text.includes('> TypeScript') };
    };
    expect(setup()).toMatchObject({ addon: true, dist: true });
    expect(setup().text).toBe('');

    write('lib/index.ts', 'export const second = 2;\n');
    expect(setup()).toMatchObject({ addon: false, dist: true });
    expect(readFileSync(join(folder, 'dist/index.js'), 'utf8')).toContain('second');

    write('native/addon.cc', 'int second;\n');
    expect(setup()).toMatchObject({ addon: true, dist: false });

    rmSync(join(folder, 'build/Release/cotangent.node'));
    expect(setup()).toMatchObject({ addon: true, dist: false });
    expect(setup().text).toBe('');
  });
});

// Weak symbols as the linker of this platform treats them; other architectures have a single SIMD target.
describe.runIf(process.platform === 'linux' && process.arch === 'x64')('check-symbols', () => {
  /** An object file where CMake would put that of a library. */
  function compile(library: string, source: string): void {
    const place = join(folder, 'CMakeFiles', `${library}.dir`);
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, 'x.cc'), source);
    const result = spawnSync('c++', ['-c', '-O2', 'x.cc', '-o', 'x.cc.o'], { cwd: place, encoding: 'utf8' });
    expect(result.stderr).toBe('');
  }

  const check = () => node([join(repository, 'scripts/check-symbols.mjs'), folder]);
  const inTarget = (target: string) => `namespace ${target} { int kernel() { return 1; } }`;
  const inline = 'inline int shared(int x) { return x + 1; } int (*address())(int);\n';
  const taken = (name: string) => `${inline} namespace ${name} { int (*address())(int) { return &shared; } }`;

  test('accepts targets that share nothing, and a baseline that shares with the portable objects', () => {
    compile('simd_baseline', taken('baseline'));
    compile('simd_avx2', inTarget('avx2'));
    compile('simd_avx512', inTarget('avx512'));
    compile('cotangent_native', taken('portable'));
    const result = check();
    expect(result.text).toContain('no symbol is shared');
    expect(result.status).toBe(0);
  });

  test.each([
    ['simd_baseline', 'avx512 and baseline'],
    ['simd_avx2', 'avx2 and avx512'],
    ['cotangent_native', 'avx512 and portable'],
  ])('finds an inline function that avx512 and %s both define', (library, pair) => {
    for (const target of ['baseline', 'avx2']) compile(`simd_${target}`, inTarget(target));
    compile('cotangent_native', inTarget('portable'));
    compile('simd_avx512', taken('avx512'));
    compile(library, taken('other'));
    const result = check();
    expect(result.text).toContain(`${pair}: _Z6sharedi`);
    expect(result.status).toBe(1);
  });

  test('does not pass a build without objects', () => {
    mkdirSync(join(folder, 'CMakeFiles'));
    expect(check().status).toBe(1);
  });
});
