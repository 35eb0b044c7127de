import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { bench } from '../../lib/cli/bench.js';
import type { Surroundings } from '../../lib/cli/terminal.js';
import { scratchFolder } from './helpers.js';

const folder = scratchFolder();

function surroundings(signal = new AbortController().signal): Surroundings {
  return { experiments: [], stdout: new PassThrough(), stderr: new PassThrough(), signal, debug: false };
}

function harness(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('bench', () => {
  it('passes its options on, and the exit code back', async () => {
    const expected = JSON.stringify(['--only', 'chain', '--device', 'cuda', '--json']);
    const check = harness(
      'check.mjs',
      `process.exit(JSON.stringify(process.argv.slice(2)) === '${expected}' ? 0 : 3);`,
    );
    expect(await bench({ only: 'chain', device: 'cuda', json: true }, surroundings(), check)).toBe(0);
    expect(await bench({}, surroundings(), check)).toBe(3);
    expect(await bench({ only: 'nothing' }, surroundings(), harness('two.mjs', 'process.exit(2);'))).toBe(2);
  });

  it('says where the benchmarks are when they are not here', async () => {
    await expect(bench({}, surroundings(), join(folder, 'none.mjs'))).rejects.toThrow(
      /\[bench\] Expected the benchmarks at .*none.mjs, received none. Hint: they are in the repository/,
    );
  });

  it('stops the harness on Ctrl-C', async () => {
    const controller = new AbortController();
    const waiting = bench({}, surroundings(controller.signal), harness('wait.mjs', 'setTimeout(() => {}, 60_000);'));
    setTimeout(() => controller.abort(), 300);
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });
});
