/** From a fresh clone to a program that runs. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { addonFile, buildAddon } from './addon.mjs';
import { buildDist } from './dist.mjs';
import { ensurePackages } from './packages.mjs';
import { root } from './process.mjs';
import { ensureTools } from './tools.mjs';

/**
 * The system's tools, npm packages, the native addon and dist/, each made only when it is missing or out of date.
 *
 * @param options.install  Whether missing tools of the system may be installed. Default: true.
 * @throws {SetupError} a tool is missing, or a step failed.
 */
export function setup({ install = true } = {}) {
  if (!existsSync(join(root, addonFile()))) ensureTools({ install }); // before minutes go by
  ensurePackages();
  buildAddon({ install });
  buildDist();
}
