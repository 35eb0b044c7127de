/**
 * npm's install step of the published package: builds the addon, and the CUDA backend where nvcc is, with the tools that are there. In the repository it does
 * nothing, since `npm run demo`, `npm test` and `npm run build` build what they need.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, SetupError } from './internal/process.mjs';

await main(async () => {
  if (existsSync(join(root, 'lib'))) return;
  // Loaded here only: in a fresh clone the packages that it uses are not there yet.
  const { buildAddon } = await import('./internal/addon.mjs');
  const { buildCuda } = await import('./internal/cuda.mjs');
  // Another compiler's new warning must not keep anybody from using the package.
  buildAddon({ werror: false, install: false });
  try {
    const cuda = buildCuda({ werror: false });
    if (!cuda.built) console.log(`CUDA left out: ${cuda.reason}.`);
  } catch (error) {
    // The package serves without: device('cuda') then says that the library is missing.
    if (!(error instanceof SetupError)) throw error;
    console.error(`CUDA left out, because it could not be built: ${error.message}`);
  }
});
