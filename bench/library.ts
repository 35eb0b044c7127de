/** The parts of the compiled package that the bench uses and that `cotangent` does not export; the only file that knows where they are. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type * as Figure from '../dist/cli/figure.js';
import type * as Admm from '../dist/convex/relu-network/admm.js';
import { rootFolder } from './harness/paths.js';

// By address: from its source and compiled, this file lies at two depths.
function load(path: string): Promise<unknown> {
  return import(pathToFileURL(join(rootFolder, 'dist', path)).href);
}

export async function admm(): Promise<typeof Admm> {
  return (await load('convex/relu-network/admm.js')) as typeof Admm;
}

export async function figure(): Promise<typeof Figure> {
  return (await load('cli/figure.js')) as typeof Figure;
}
