/** A service runs for weeks: nothing grows. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { grad, idle, jit, memory, ones, ReluNetwork, random, scope, type Tensor, tensor } from '../../lib/index.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collections and a turn of the event loop, so that finalizers run. */
async function settle(): Promise<void> {
  await idle();
  for (let k = 0; k < 5; k++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const loss = (w: Tensor, x: Tensor, y: Tensor): Tensor => x.matmul(w).tanh().sub(y).square().sum();
const step = jit((w: Tensor, x: Tensor, y: Tensor) => w.sub(grad(loss)(w, x, y).mul(0.01)), { donate: [0] });

describe('memory', () => {
  it('10,000 jitted steps keep handles and bytes where they are', async () => {
    const [x, y] = [random.normal(random.key(1), [16, 8]), ones([16, 4])];
    let w = random.normal(random.key(2), [8, 4]);
    const train = async (count: number): Promise<void> => {
      for (let k = 0; k < count; k++) {
        w = step(w, x, y);
        if (k % 500 === 499) await idle();
      }
      await settle();
    };
    await train(1000);
    const before = { ...memory(), process: process.memoryUsage().rss };
    await train(10_000);
    const after = { ...memory(), process: process.memoryUsage().rss };
    expect(after.handles).toBe(before.handles);
    expect(after.used).toBe(before.used);
    // AddressSanitizer keeps what is freed, to catch its use.
    if (!process.env.ASAN_OPTIONS) expect(after.process - before.process).toBeLessThan(5 * 2 ** 20);
    expect(Number.isFinite(await w.sum().item())).toBe(true);
  });

  it('scope returns what it made, but for what it returns', async () => {
    await settle();
    const { handles } = memory();
    const kept = scope(() => {
      const parts = Array.from({ length: 20 }, (_, k) => ones([10]).mul(k));
      return { last: parts.at(-1) as Tensor };
    });
    expect(memory().handles).toBe(handles + 1);
    expect(await kept.last.sum().item()).toBe(190);
    kept.last.dispose();
  });

  it('a jitted function keeps its constants beyond the scope that it was traced in', async () => {
    const scaled = jit((x: Tensor) => x.mul(tensor([1, 2, 3])));
    for (let k = 0; k < 2; k++) {
      using y = scope(() => scaled(ones([3])));
      expect(await y.array()).toEqual([1, 2, 3]);
    }
  });

  it('a failing scope returns everything', async () => {
    await settle();
    const { handles } = memory();
    expect(() =>
      scope(() => {
        ones([10]).add(ones([11]));
      }),
    ).toThrowError(/broadcast/);
    expect(memory().handles).toBe(handles);
  });

  it('using disposes', async () => {
    await settle();
    const { handles } = memory();
    {
      using x = ones([10]);
      using total = x.sum();
      expect(await total.item()).toBe(10);
    }
    expect(memory().handles).toBe(handles);
  });

  it('forgotten tensors come back with the garbage', async () => {
    await settle();
    const { handles, used } = memory();
    await (async () => {
      for (let k = 0; k < 200; k++) tensor(new Float32Array(10_000)).add(k);
      await idle();
    })();
    expect(memory().handles).toBeGreaterThan(handles + 100);
    await settle();
    expect(memory().handles).toBeLessThan(handles + 20);
    expect(memory().used).toBeLessThan(used + 20 * 40_000);
  });

  it('reads keep a disposed value alive until they are served', async () => {
    const x = random.normal(random.key(5), [300, 300]);
    const product = x.matmul(x);
    const read = product.data();
    product.dispose();
    x.dispose();
    expect((await read).length).toBe(90_000);
  });
});

describe('a long call', () => {
  const [x, y] = [random.normal(random.key(8), [200, 6]), random.normal(random.key(9), [200])];

  it('leaves its result and nothing else', async () => {
    const model = await ReluNetwork.fit(x, y, { maxIterations: 50, patterns: 8 });
    model.dispose();
    await settle();
    const { handles } = memory();
    for (let k = 0; k < 5; k++) (await ReluNetwork.fit(x, y, { maxIterations: 50, patterns: 8 })).dispose();
    await settle();
    expect(memory().handles).toBe(handles);
  });

  it('leaves nothing when it is aborted, 1,000 times', async () => {
    await settle();
    const { handles, used } = memory();
    for (let k = 0; k < 1000; k++) {
      const controller = new AbortController();
      const fit = ReluNetwork.fit(x, y, {
        tolerance: 1e-12,
        maxIterations: 1e6,
        patterns: 8,
        signal: controller.signal,
      });
      // Some before they start to iterate, some in the middle of it.
      if (k % 10 === 0) await new Promise((resolve) => setTimeout(resolve, k % 7));
      controller.abort();
      await expect(fit).rejects.toMatchObject({ name: 'AbortError', op: 'ReluNetwork.fit' });
    }
    await settle();
    expect(memory().handles).toBeLessThanOrEqual(handles);
    expect(memory().used).toBeLessThanOrEqual(used);
  });
});
