/** `cotangent bench`: hands over to the harness in the repository's bench folder. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AbortError, DeviceError } from '../core/errors.js';
import { packageRoot } from './package-info.js';
import type { Surroundings } from './terminal.js';

/**
 * Runs the harness in a process of its own, so that what is loaded here does not disturb the timing.
 *
 * @returns the harness's exit code: 0, 1 for a case that failed or a device that cannot be used, 2 for an unknown case.
 * @throws {DeviceError} there is no harness: an installed package comes without.  {AbortError} after Ctrl-C.
 */
export async function bench(
  options: { readonly only?: string; readonly device?: string; readonly json?: boolean },
  { signal }: Surroundings,
  harness = join(packageRoot, 'bench', 'run.mjs'),
): Promise<number> {
  if (!existsSync(harness)) {
    throw new DeviceError('bench', `Expected the benchmarks at ${harness}, received none`, {
      hint: 'they are in the repository, not in the npm package: clone it and run `npm run bench` there',
    });
  }
  const { only, device, json } = options;
  const args = [
    ...(only === undefined ? [] : ['--only', only]),
    ...(device === undefined ? [] : ['--device', device]),
    ...(json ? ['--json'] : []),
  ];
  const child = spawn(process.execPath, [harness, ...args], { stdio: 'inherit' });
  const stop = () => child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (signal.aborted) throw new AbortError('bench', 'Expected the benchmarks to end, received an interrupt');
    return code ?? 1;
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
