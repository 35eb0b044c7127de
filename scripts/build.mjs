/**
 * npm run build: the addon, the CUDA backend where nvcc is, and dist/.
 *
 *   --sanitize=address|thread   the addon and the native unit tests with that sanitizer (address: with undefined behaviour),
 *                               in a folder of their own; tells how to use them
 *   --no-cuda                   leave the CUDA backend out
 *   --blas=NAME[,NAME]          link the BLAS and LAPACK of these pkg-config modules; later builds keep the choice
 */
import { parseArgs } from 'node:util';
import { addonFile, buildAddon, buildFolder } from './internal/addon.mjs';
import { buildCuda } from './internal/cuda.mjs';
import { buildDist } from './internal/dist.mjs';
import { ensurePackages } from './internal/packages.mjs';
import { main, output, SetupError } from './internal/process.mjs';

const sanitizers = {
  address: { runtime: 'libasan.so', options: 'ASAN_OPTIONS=detect_leaks=0' }, // Node's own allocations at exit are no leaks of ours
  thread: { runtime: 'libtsan.so', options: 'TSAN_OPTIONS=ignore_noninstrumented_modules=1' },
};

function tellHowToUse(sanitize) {
  const { runtime, options } = sanitizers[sanitize];
  const library = output(process.env.CXX ?? 'c++', [`-print-file-name=${runtime}`])?.trim();
  const environment = `LD_PRELOAD=${library} ${options} COTANGENT_ADDON=${addonFile(sanitize)}`;
  console.log(`
Native unit tests:   ${options} ctest --test-dir ${buildFolder(sanitize)} --output-on-failure
Tests in Node:       ${environment} node node_modules/vitest/vitest.mjs run test/core/
One program:         ${environment} node dist/cli/main.js doctor`);
}

await main(() => {
  const { values } = parseArgs({
    options: {
      sanitize: { type: 'string' },
      blas: { type: 'string' },
      'no-cuda': { type: 'boolean', default: false },
    },
  });
  const { sanitize, blas, 'no-cuda': withoutCuda } = values;
  if (sanitize !== undefined && !Object.hasOwn(sanitizers, sanitize)) {
    throw new SetupError(`Expected --sanitize=address or --sanitize=thread, received --sanitize=${sanitize}.`);
  }
  ensurePackages();
  buildAddon({ blas, sanitize });
  buildDist();
  if (!withoutCuda && !sanitize) {
    const cuda = buildCuda();
    if (!cuda.built) console.log(`CUDA left out: ${cuda.reason}.`);
  }
  if (sanitize) tellHowToUse(sanitize);
});
