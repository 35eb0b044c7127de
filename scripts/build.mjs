/**
 * npm run build: the addon, the CUDA backend where nvcc is, and dist/.
 *
 *   --sanitize=address|thread   the addon and the native unit tests with that sanitizer (address: with undefined behaviour),
 *                               in a folder of their own; tells how to use them
 *   --no-cuda                   leave the CUDA backend out
 *   --blas=NAME[,NAME]          link the BLAS and LAPACK of these pkg-config modules; later builds keep the choice
 */
import { parseArgs } from 'node:util';
import { buildAddon } from './internal/addon.mjs';
import { buildCuda } from './internal/cuda.mjs';
import { buildDist } from './internal/dist.mjs';
import { ensurePackages } from './internal/packages.mjs';
import { main, SetupError } from './internal/process.mjs';
import { howToUse, sanitizers } from './internal/sanitizers.mjs';

await main(() => {
  const { values } = parseArgs({
    options: {
      sanitize: { type: 'string' },
      blas: { type: 'string' },
      'no-cuda': { type: 'boolean', default: false },
    },
  });
  const { sanitize, blas, 'no-cuda': withoutCuda } = values;
  if (sanitize !== undefined && !sanitizers.includes(sanitize)) {
    throw new SetupError(`Expected --sanitize=address or --sanitize=thread, received --sanitize=${sanitize}.`);
  }
  ensurePackages();
  buildAddon({ blas, sanitize });
  buildDist();
  if (!withoutCuda && !sanitize) {
    const cuda = buildCuda();
    if (!cuda.built) console.log(`CUDA left out: ${cuda.reason}.`);
  }
  if (sanitize) console.log(howToUse(sanitize));
});
