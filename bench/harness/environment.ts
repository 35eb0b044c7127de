/** What the results file says about the machine and the commit. */
import { spawnSync } from 'node:child_process';
import { arch, cpus, loadavg, totalmem, type } from 'node:os';
import { rootFolder } from './paths.js';

export interface Environment {
  readonly cpu: string;
  readonly cores: number;
  readonly memory_gib: number;
  readonly system: string;
  /** The load average of the last minute. */
  readonly load: number;
  /** The commit, with a plus sign when the tree differs from it; null outside a repository. */
  readonly commit: string | null;
}

function git(...args: string[]): string | undefined {
  const result = spawnSync('git', args, { cwd: rootFolder, encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

export function environment(): Environment {
  const commit = git('rev-parse', '--short=12', 'HEAD');
  const changed = git('status', '--porcelain', '--untracked-files=no');
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memory_gib: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    system: `${type()} ${arch()}`,
    load: Math.round((loadavg()[0] as number) * 100) / 100,
    commit: commit === undefined ? null : commit + (changed ? '+' : ''),
  };
}
