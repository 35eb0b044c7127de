/** `Device.time`: seconds by the device's own clock. */
import './test-device.js';
import { performance } from 'node:perf_hooks';
import { describe, expect, it } from 'vitest';
import { device, devices, full, jit, type Tensor, whileLoop } from '../../lib/index.js';

/** Chained products that no device gets done in no time; `rounds` of them. */
const work = jit(
  (x: Tensor, rounds: Tensor) =>
    whileLoop(
      ([, k]) => (k as Tensor).greater(0),
      ([y, k]) => [(y as Tensor).matmul(x).mul(0.01), (k as Tensor).sub(1)],
      [x, rounds] as Tensor[],
    )[0] as Tensor,
);

const emulated = devices().some(({ name, available }) => name === 'cuda:emulated' && available);
/** Name of a device, and how many rounds take it some milliseconds. */
const cases: [name: string, rounds: number][] = [
  ['cpu', 400],
  ['cuda:0', 20],
  ...(emulated ? [['cuda:emulated', 4] as [string, number]] : []),
];

describe.each(cases)('time on %s', (name, rounds) => {
  const on = device(name);
  const x = full([32, 32], 0.5, { device: on });
  const run = (times: number) => () => {
    work(x, full([], times, { device: on })).dispose();
  };

  it('is that of what was enqueued, awaited or not, and no more than passed', async () => {
    await on.time(run(1)); // compiles
    const started = performance.now();
    const seconds = await on.time(run(rounds));
    const passed = (performance.now() - started) / 1e3;
    expect(seconds).toBeGreaterThan(0);
    // Two clocks, and the last microseconds are rounded by either.
    expect(seconds).toBeLessThanOrEqual(passed + 1e-4);
  });

  it('grows with the work', async () => {
    await on.time(run(1));
    const measure = async (times: number): Promise<number> => {
      // The best of three: other work of the machine only adds.
      const seconds: number[] = [];
      for (let k = 0; k < 3; k++) seconds.push(await on.time(run(times)));
      return Math.min(...seconds);
    };
    expect(await measure(20 * rounds)).toBeGreaterThan(3 * (await measure(rounds)));
  });

  it('waits for an asynchronous function, and counts its pauses', async () => {
    const seconds = await on.time(async () => {
      await new Promise((resolve) => setTimeout(resolve, 50));
      run(1)();
    });
    expect(seconds).toBeGreaterThanOrEqual(0.045);
  });

  it('rejects with what the function throws, and measures again', async () => {
    const failing = on.time(() => {
      throw new RangeError('mine');
    });
    await expect(failing).rejects.toThrow(new RangeError('mine'));
    await expect(on.time(() => Promise.reject(new TypeError('late')))).rejects.toThrow(TypeError);
    expect(await on.time(() => {})).toBeGreaterThanOrEqual(0);
  });
});
