/** The native addon and the native unit tests, built by CMake. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { announce, firstOnPath, root, run } from './process.mjs';
import { contentHash, readStamp, removeStamp, writeStamp } from './stamp.mjs';
import { ensureTools, pkgConfigEnvironment } from './tools.mjs';

const requireFromRoot = createRequire(join(root, 'package.json'));
const jobs = String(availableParallelism());
const generator = () => (firstOnPath('ninja') ? 'Ninja' : 'Unix Makefiles');

/** Folder of a build, relative to the root: sanitized builds live beside the usual one. */
export const buildFolder = (sanitize) => (sanitize ? `build/sanitize-${sanitize}` : 'build');

/** The addon's file of a build, relative to the root. */
export const addonFile = (sanitize) => `${buildFolder(sanitize)}/Release/cotangent.node`;

/** CMake refuses a cache made by another generator or for another place; such a cache goes. */
function dropForeignCache(folder) {
  const file = join(root, folder, 'CMakeCache.txt');
  if (!existsSync(file)) return;
  const cache = readFileSync(file, 'utf8');
  const entry = (name) => new RegExp(`^${name}:[A-Z]+=(.*)$`, 'm').exec(cache)?.[1];
  if (entry('CMAKE_GENERATOR') === generator() && join(entry('CMAKE_HOME_DIRECTORY') ?? '', '/') === join(root, '/'))
    return;
  rmSync(file);
  rmSync(join(root, folder, 'CMakeFiles'), { recursive: true, force: true });
}

/** Definitions that every configuration gets. */
function definitions({ blas, sanitize = '', werror = true }) {
  return {
    COTANGENT_BLAS: blas.replaceAll(',', ';'),
    COTANGENT_SANITIZE: sanitize,
    COTANGENT_WERROR: werror ? 'ON' : 'OFF',
    CMAKE_CXX_COMPILER_LAUNCHER: firstOnPath('ccache') ?? '',
  };
}

const asArguments = (prefix, values) => Object.entries(values).map(([name, value]) => `${prefix}${name}=${value}`);

function packageVersion(name) {
  return requireFromRoot(`${name}/package.json`).version;
}

/**
 * Builds the addon, unless it was built from the same sources with the same options.
 *
 * @param options.blas      pkg-config names of BLAS and LAPACK. Default: those of the last build, else 'openblas'.
 * @param options.sanitize  'address' or 'thread': a build of its own, together with the native unit tests. Default: none.
 * @param options.werror    Whether a compiler warning is an error. Default: true.
 * @param options.install   Whether missing tools may be installed. Default: true.
 * @returns whether anything was built.
 */
export function buildAddon({ blas, sanitize, werror = true, install = true } = {}) {
  const folder = buildFolder(sanitize);
  const stampFile = join(root, folder, 'addon.stamp.json');
  const last = readStamp(stampFile);
  const options = { blas: blas ?? last?.options.blas ?? 'openblas', sanitize, werror };
  const versions = [packageVersion('node-addon-api'), packageVersion('node-api-headers')];
  const sources = ['native', 'CMakeLists.txt', sanitize ? 'test/native' : 'test/native/device'];
  const hash = contentHash(sources, [options, versions, process.platform, process.arch]);
  if (last?.hash === hash && existsSync(join(root, addonFile(sanitize)))) return false;

  ensureTools({ blas: options.blas, install });
  announce(`native addon -> ${addonFile(sanitize)}`);
  removeStamp(stampFile);
  dropForeignCache(folder);
  const cmakeJs = join(dirname(requireFromRoot.resolve('cmake-js/package.json')), 'bin/cmake-js');
  const common = ['--out', join(root, folder), '--config', 'Release', '--log-level', 'warn'];
  const values = { ...definitions(options), COTANGENT_TESTS: sanitize ? 'ON' : 'OFF' };
  run(process.execPath, [cmakeJs, 'configure', ...common, '--generator', generator(), ...asArguments('--CD', values)], {
    env: pkgConfigEnvironment(),
  });
  run(process.execPath, [cmakeJs, 'build', ...common, '--parallel', jobs]);
  writeStamp(stampFile, { hash, options });
  return true;
}

/** Configures CMake without the addon in `folder`. */
export function configureNative(folder, values) {
  ensureTools();
  dropForeignCache(folder);
  const blas = readStamp(join(root, 'build/addon.stamp.json'))?.options.blas ?? 'openblas';
  const all = {
    ...definitions({ blas }),
    CMAKE_BUILD_TYPE: 'Release',
    COTANGENT_ADDON: 'OFF',
    // As cmake-js compiles the same files, so that a compiler cache knows them.
    CMAKE_CXX_FLAGS: '-DBUILDING_NODE_EXTENSION',
    ...values,
  };
  run('cmake', ['-S', '.', '-B', folder, '-G', generator(), '--log-level=WARNING', ...asArguments('-D', all)], {
    env: pkgConfigEnvironment(),
  });
}

/** Builds these targets (all when there are none) of a configured folder. */
export function buildNative(folder, ...targets) {
  run('cmake', ['--build', folder, '--parallel', jobs, ...targets.flatMap((target) => ['--target', target])]);
}

/** Builds the native unit tests and runs them. @throws {SetupError} one fails, or there is none. */
export function runNativeTests() {
  const folder = 'build/native-tests';
  configureNative(folder, { COTANGENT_TESTS: 'ON', COTANGENT_CUDA_EMULATION: 'ON' });
  buildNative(folder);
  run('ctest', ['--test-dir', folder, '--output-on-failure', '--no-tests=error', '--parallel', jobs]);
}
