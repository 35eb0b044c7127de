/** What package.json says; it lies two folders up, from lib/cli as from dist/cli. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const packageRoot = fileURLToPath(new URL('../../', import.meta.url));

interface PackageInfo {
  readonly version: string;
  readonly engines: { readonly node: string };
}

export function packageInfo(): PackageInfo {
  return JSON.parse(readFileSync(`${packageRoot}package.json`, 'utf8')) as PackageInfo;
}
