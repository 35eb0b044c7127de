/** Several environments in one process, and leaving with work in flight. These run the package as it is installed. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { ones } from '../../lib/index.js';

const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

interface Trained {
  readonly seed: number;
  readonly first: number;
  readonly last: number;
  readonly weights: readonly number[];
  readonly objective: number;
}

/** The message of a worker that then ends by itself. */
function train(seed: number): Promise<Trained> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(fixture('train.mjs'), { workerData: { seed, steps: 300 } });
    let message: Trained | undefined;
    worker.on('message', (value: Trained) => {
      message = value;
    });
    worker.on('error', reject);
    worker.on('exit', (code) =>
      message && code === 0 ? resolve(message) : reject(new Error(`the worker of seed ${seed} ended with ${code}`)),
    );
  });
}

describe('worker threads', () => {
  it('four train at once, with the results that each has alone', async () => {
    const together = await Promise.all([1, 2, 3, 4].map(train));
    for (const { first, last } of together) expect(last).toBeLessThan(first / 2);
    const alone = await train(3);
    expect(alone).toEqual(together[2]);
  });

  it.each(['endless-worker.mjs', 'busy-worker.mjs'])(
    'are terminated in the middle of their work, and the others go on: %s',
    async (file) => {
      for (let round = 0; round < 5; round++) {
        const worker = new Worker(fixture(file));
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        await new Promise((resolve) => setTimeout(resolve, 7 * round));
        const start = performance.now();
        await worker.terminate();
        expect(performance.now() - start).toBeLessThan(2000);
        expect(await ones([100]).sum().item()).toBe(100);
      }
    },
  );
});

describe('leaving with work in flight', () => {
  const leave = (how: string): Promise<{ code: number | null; signal: string | null; stderr: string }> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [fixture('endless.mjs'), how], { stdio: ['ignore', 'pipe', 'pipe'] });
      let stderr = '';
      child.stderr.on('data', (piece) => {
        stderr += piece;
      });
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ code, signal, stderr }));
    });

  it('by process.exit', async () => {
    expect(await leave('exit')).toEqual({ code: 7, signal: null, stderr: '' });
  });

  it('by an uncaught error', async () => {
    const { code, signal, stderr } = await leave('throw');
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('on purpose');
  });

  it('by aborting it: nothing is left that keeps the process', async () => {
    expect(await leave('abort')).toEqual({ code: 9, signal: null, stderr: '' });
  });
});
