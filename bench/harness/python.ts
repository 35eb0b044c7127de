/** Finds the Python that has the pinned peers. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { benchFolder } from './paths.js';

/** The version that bench/requirements.txt pins for a package. */
export function pinnedVersion(requirements: string, name: string): string {
  for (const line of requirements.split('\n')) {
    const [left, right] = line.trim().split('==');
    if (left === name && right) return right;
  }
  throw new Error(`[bench] Expected a line ${name}==VERSION in bench/requirements.txt, received none.`);
}

/** Why torch in this Python cannot compute on a device; undefined when it can. */
export function whyNoTorch(python: string, device: string): string | undefined {
  const script = `import torch; torch.ones(2, device='${device}').sum().item()`;
  const probe = spawnSync(python, ['-c', script], { encoding: 'utf8' });
  if (probe.error) return probe.error.message;
  return probe.status === 0 ? undefined : (probe.stderr.trim().split('\n').pop() ?? `exit code ${probe.status}`);
}

/** COTANGENT_PYTHON alone when it is set; else bench/.venv, then python3. @throws {Error} none imports torch at the pinned version. */
export function findPython(): string {
  const pinned = pinnedVersion(readFileSync(join(benchFolder, 'requirements.txt'), 'utf8'), 'torch');
  const chosen = process.env.COTANGENT_PYTHON;
  const local = join(benchFolder, '.venv', 'bin', 'python');
  const candidates = chosen ? [chosen] : [...(existsSync(local) ? [local] : []), 'python3'];
  const reasons: string[] = [];
  for (const candidate of candidates) {
    const probe = spawnSync(candidate, ['-c', 'import numpy, torch; print(torch.__version__)'], { encoding: 'utf8' });
    const version = probe.stdout?.trim() ?? '';
    // A wheel's version carries its build after a plus sign: 2.13.0+cpu.
    if (probe.status === 0 && version.split('+')[0] === pinned) return candidate;
    const reason =
      probe.error?.message ?? (probe.status === 0 ? `torch ${version}` : probe.stderr.trim().split('\n').pop());
    reasons.push(`${candidate}: ${reason}`);
  }
  throw new Error(
    `[bench] Expected a Python with torch ${pinned}, received ${reasons.join('; ')}. ` +
      'Hint: make bench/.venv as bench/README.md says, or set COTANGENT_PYTHON.',
  );
}
