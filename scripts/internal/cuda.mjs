/** The CUDA backend, built by CMake where nvcc and the toolkit's libraries are; and the same sources on host emulation. */
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildNative, configureNative } from './addon.mjs';
import { announce, firstOnPath, output, root } from './process.mjs';
import { contentHash, readStamp, removeStamp, writeStamp } from './stamp.mjs';

const folder = 'build/cuda';
const library = 'build/Release/libcotangent_cuda.so';
const emulatedLibrary = 'build/Release/libcotangent_cuda_emulated.so';

function findNvcc() {
  const candidates = [process.env.CUDACXX, firstOnPath('nvcc'), '/usr/local/cuda/bin/nvcc'];
  return candidates.find((name) => name && output(name, ['--version']) !== undefined);
}

/** Where nvcc's own headers are, as it tells. */
function toolkitInclude(nvcc) {
  const told = output('sh', ['-c', `"${nvcc}" --dryrun -x cu -c /dev/null 2>&1`]) ?? '';
  const top = /^#\$ TOP=(.*)$/m.exec(told)?.[1]?.trim();
  return top && join(top, 'include');
}

/** Why the CUDA backend cannot be built here, or undefined. */
function obstacle(nvcc, cudaRoot) {
  if (!nvcc) return 'nvcc was not found (CUDACXX, the PATH, /usr/local/cuda)';
  const folders = [cudaRoot && join(cudaRoot, 'include'), toolkitInclude(nvcc)].filter(Boolean);
  const missing = ['cublas_v2.h', 'cusolverDn.h'].filter((name) => !folders.some((at) => existsSync(join(at, name))));
  if (missing.length === 0) return undefined;
  return `${missing.join(' and ')} not found in ${folders.join(' or ')}; name the folder that holds include/ and lib/ of cuBLAS and cuSOLVER: COTANGENT_CUDA_ROOT`;
}

/**
 * Builds libcotangent_cuda.so beside the addon, unless it is up to date.
 *
 * @param options.cudaRoot       Folder with include/ and lib/ of cuBLAS and cuSOLVER. Default: COTANGENT_CUDA_ROOT, else the toolkit's.
 * @param options.architectures  As CMAKE_CUDA_ARCHITECTURES. Default: sm_80, sm_90 and PTX.
 * @returns `{ built: true }`, or `{ built: false, reason }` where CUDA is left out.
 * @throws {SetupError} the build failed.
 */
export function buildCuda({ cudaRoot = process.env.COTANGENT_CUDA_ROOT, architectures } = {}) {
  const nvcc = findNvcc();
  const reason = obstacle(nvcc, cudaRoot);
  if (reason) return { built: false, reason };
  const stampFile = join(root, folder, 'cuda.stamp.json');
  const options = { nvcc, cudaRoot, architectures, version: output(nvcc, ['--version']) };
  const hash = contentHash(['native/backend', 'native/kernels', 'CMakeLists.txt'], options);
  if (readStamp(stampFile)?.hash === hash && existsSync(join(root, library))) return { built: true };
  announce(`CUDA backend -> ${library}`);
  removeStamp(stampFile);
  configureNative(folder, {
    COTANGENT_CUDA: 'ON',
    CMAKE_CUDA_COMPILER: nvcc,
    CMAKE_CUDA_COMPILER_LAUNCHER: `${process.execPath};${join(root, 'scripts/internal/nvcc.mjs')}`,
    ...(cudaRoot ? { COTANGENT_CUDA_ROOT: cudaRoot } : {}),
    ...(architectures ? { COTANGENT_CUDA_ARCHITECTURES: architectures } : {}),
  });
  buildNative(folder, 'cotangent_cuda');
  place(join(folder, 'native/backend/cuda/libcotangent_cuda.so'), library);
  writeStamp(stampFile, { hash, options });
  return { built: true };
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
