/** The npm packages: installed when node_modules does not hold what package-lock.json names. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { announce, root, run } from './process.mjs';

/** Whether every package of the lock file is installed in its version; npm records what it installed in a hidden lock file. */
function packagesAreCurrent() {
  const installedFile = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages;
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '' || entry.optional) return true; // optional ones depend on the platform
    return installed[path]?.version === entry.version && existsSync(join(root, path));
  });
}

/** No package of ours needs its install scripts; without them nothing is downloaded on the side. */
const options = ['--ignore-scripts', '--include=dev', '--no-audit', '--no-fund'];

export function ensurePackages() {
  const locked = existsSync(join(root, 'package-lock.json'));
  if (locked && packagesAreCurrent()) return;
  if (!locked && existsSync(join(root, 'node_modules/.package-lock.json'))) return;
  const command = locked ? 'ci' : 'install';
  announce(`npm ${command}`);
  run(process.platform === 'win32' ? 'npm.cmd' : 'npm', [command, ...options]);
}
