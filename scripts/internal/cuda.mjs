/** The CUDA backend, built by CMake where nvcc and the toolkit's libraries are; and the same sources on host emulation. */
import { copyFileSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildNative, configureNative } from './addon.mjs';
import { announce, firstOnPath, output, root } from './process.mjs';
import { contentHash, readStamp, removeStamp, writeStamp } from './stamp.mjs';

const builtLibrary = 'native/backend/cuda/libcotangent_cuda.so';
const stampOf = (folder) => join(root, folder, 'cuda.stamp.json');
const library = 'build/Release/libcotangent_cuda.so';
const emulatedLibrary = 'build/Release/libcotangent_cuda_emulated.so';

function findNvcc() {
  const candidates = [process.env.CUDACXX, firstOnPath('nvcc'), '/usr/local/cuda/bin/nvcc'];
  return candidates.find((name) => name && output(name, ['--version']) !== undefined);
}

/** The toolkit's folder, as nvcc tells. */
function toolkit(nvcc) {
  const told = output('sh', ['-c', `"${nvcc}" --dryrun -x cu -c /dev/null 2>&1`]) ?? '';
  return /^#\$ TOP=(.*)$/m.exec(told)?.[1]?.trim();
}

/** Where `npm run cuda:libraries` puts what it installs, relative to the root. */
export const wheelFolder = 'build/cuda-libraries';

/** The folder with include/ and lib/ of cuBLAS and cuSOLVER that is not the toolkit's: COTANGENT_CUDA_ROOT, or the wheels'. */
function librariesRoot() {
  if (process.env.COTANGENT_CUDA_ROOT) return process.env.COTANGENT_CUDA_ROOT;
  const lib = join(root, wheelFolder, 'lib');
  const python = existsSync(lib) ? readdirSync(lib).find((name) => name.startsWith('python')) : undefined;
  const folder = python && join(lib, python, 'site-packages/nvidia/cu13');
  return folder && existsSync(folder) ? folder : undefined;
}

/**
 * Why the CUDA backend cannot be built here, or undefined.
 *
 * @returns `{ reason, librariesOnly }`: nvcc is there and only cuBLAS and cuSOLVER are missing, or not.
 */
export function cudaObstacle() {
  const nvcc = findNvcc();
  if (!nvcc) return { reason: 'nvcc was not found (CUDACXX, the PATH, /usr/local/cuda)', librariesOnly: false };
  const folders = [librariesRoot(), toolkit(nvcc)].filter(Boolean).map((folder) => join(folder, 'include'));
  const missing = ['cublas_v2.h', 'cusolverDn.h'].filter((name) => !folders.some((at) => existsSync(join(at, name))));
  if (missing.length === 0) return undefined;
  const where = `${missing.join(' and ')} not found in ${folders.join(' or ')}`;
  const hint =
    'npm run cuda:libraries installs them; COTANGENT_CUDA_ROOT names the folder with their include/ and lib/';
  return { reason: `${where}; ${hint}`, librariesOnly: true };
}

/** nvcc, and what it and the C++ compiler are told of the language and of folders with headers; for where there is no obstacle. */
export function cudaCompiler() {
  const nvcc = findNvcc();
  const folders = [toolkit(nvcc), librariesRoot()].filter(Boolean).map((folder) => join(folder, 'include'));
  return { nvcc, flags: ['-std=c++17', '-I.', ...folders.flatMap((folder) => ['-isystem', folder])] };
}

/**
 * Builds libcotangent_cuda.so, unless it is up to date.
 *
 * @param options.architectures  As CMAKE_CUDA_ARCHITECTURES, to look at what the compiler makes for some: a folder of its own, nothing beside
 *   the addon; where the full build is up to date, it serves. Default: sm_80, sm_90 and PTX, and the library goes beside the addon.
 * @param options.werror         Whether a compiler warning is an error. Default: true.
 * @returns `{ built: true, folder }` with the folder of the objects, or `{ built: false, reason }` where CUDA is left out.
 * @throws {SetupError} the build failed.
 */
export function buildCuda({ architectures, werror = true } = {}) {
  const obstacle = cudaObstacle();
  if (obstacle) return { built: false, reason: obstacle.reason };
  const [nvcc, cudaRoot] = [findNvcc(), librariesRoot()];
  const version = output(nvcc, ['--version']);
  const hash = contentHash(['native', 'CMakeLists.txt'], { nvcc, cudaRoot, werror, version });
  const full = 'build/cuda';
  const upToDate = (folder) =>
    readStamp(stampOf(folder))?.hash === hash &&
    existsSync(join(root, folder, builtLibrary)) &&
    (folder !== full || existsSync(join(root, library)));
  if (upToDate(full)) return { built: true, folder: full };
  const folder = architectures ? `${full}-${architectures.replaceAll(/[^\w-]+/g, '-')}` : full;
  if (upToDate(folder)) return { built: true, folder };
  announce(`CUDA backend -> ${folder === full ? library : join(folder, builtLibrary)}`);
  removeStamp(stampOf(folder));
  configureNative(folder, {
    COTANGENT_CUDA: 'ON',
    COTANGENT_WERROR: werror ? 'ON' : 'OFF',
    CMAKE_CUDA_COMPILER: nvcc,
    CMAKE_CUDA_COMPILER_LAUNCHER: `${process.execPath};${join(root, 'scripts/internal/nvcc.mjs')}`,
    ...(cudaRoot ? { COTANGENT_CUDA_ROOT: cudaRoot } : {}),
    ...(architectures ? { COTANGENT_CUDA_ARCHITECTURES: architectures } : {}),
  });
  buildNative(folder, 'cotangent_cuda');
  if (folder === full) place(join(folder, builtLibrary), library);
  writeStamp(stampOf(folder), { hash, options: {} });
  return { built: true, folder };
}

/** Builds libcotangent_cuda_emulated.so beside the addon, unless it is up to date: device 'cuda:emulated', for tests. */
export function buildCudaEmulation() {
  const tree = 'build/native-tests';
  const stampFile = join(root, tree, 'emulation.stamp.json');
  const hash = contentHash(['native', 'CMakeLists.txt'], {});
  if (readStamp(stampFile)?.hash === hash && existsSync(join(root, emulatedLibrary))) return;
  announce(`CUDA backend on host emulation -> ${emulatedLibrary}`);
  removeStamp(stampFile);
  configureNative(tree, { COTANGENT_TESTS: 'ON', COTANGENT_CUDA_EMULATION: 'ON' });
  buildNative(tree, 'cotangent_cuda_emulated');
  place(join(tree, 'native/backend/cuda/emulated/libcotangent_cuda_emulated.so'), emulatedLibrary);
  writeStamp(stampFile, { hash, options: {} });
}

function place(from, to) {
  mkdirSync(dirname(join(root, to)), { recursive: true });
  copyFileSync(join(root, from), join(root, to));
}
