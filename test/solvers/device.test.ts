/** Solvers, training and a system on another device than their data: results live there and agree with the CPU's. */
import '../core/test-device.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import {
  adam,
  conjugateGradient,
  DeviceError,
  device,
  jit,
  matmul,
  minimise,
  nn,
  ones,
  proximalGradient,
  ReluNetwork,
  random,
  schedules,
  type Tensor,
  tensor,
  train,
  treeLeaves,
} from '../../lib/index.js';

// Read at the first launch: with hundreds of thousands of small kernels any delay would be a long one.
process.env.COTANGENT_TEST_DEVICE_DELAY_US = '0';
const first = device('cuda:0');
const diagonal = [1, 2, 4, 8];
const b = tensor([1, 1, 1, 1], { dtype: 'float64' });

/** Both are float64 sums of a few terms, cut differently by one thread and several. */
const DIGITS = 10;

async function expectNear(received: Tensor, expected: Tensor): Promise<void> {
  expect(received.device).toBe(first);
  const [got, want] = await Promise.all([received.data(), expected.data()]);
  expect(got).toHaveLength(want.length);
  want.forEach((value, k) => {
    expect(got[k]).toBeCloseTo(value, DIGITS);
  });
}

describe('the option device', () => {
  it('moves data there: conjugateGradient, proximalGradient, minimise', async () => {
    const apply = (v: Tensor): Tensor => v.mul(v.mul(0).add(1)).add(v);
    const solved = await conjugateGradient(apply, b);
    const there = await conjugateGradient(apply, b, { device: 'cuda' });
    expect(there.converged).toBe(true);
    await expectNear(there.x, solved.x);

    const smooth = (v: Tensor): Tensor => v.square().sum().mul(0.5);
    const soft = (v: Tensor, step: number): Tensor => v.sub(0.1 * step);
    const descended = await proximalGradient(smooth, soft, b, { stepSize: 0.5 });
    await expectNear((await proximalGradient(smooth, soft, b, { stepSize: 0.5, device: first })).x, descended.x);

    const problem = { initial: { p: b }, objective: ({ p }: { p: Tensor }) => p.sub(3).square().sum() };
    const minimised = await minimise(problem, { device: 'cuda:0' });
    await expectNear(minimised.x.p, (await minimise(problem)).x.p);
    expect(b.device.name).toBe('cpu');
  });

  it("is that of a schedule's counter", async () => {
    const step = tensor([0, 3, 7], { device: first, dtype: 'float64' });
    const rate = schedules.piecewise([2, 5], [1, 0.5, 0.25])(step) as Tensor;
    expect(rate.device).toBe(first);
    expect(await rate.array()).toEqual([1, 0.5, 0.25]);
  });

  it('defaults to where the data live, and refuses what its function captures elsewhere', async () => {
    const moved = b.to(first);
    const { x } = await conjugateGradient((v) => v.mul(2), moved);
    expect(x.device).toBe(first);
    const weights = tensor(diagonal, { dtype: 'float64' });
    await expect(conjugateGradient((v) => v.mul(weights), moved)).rejects.toThrow(
      '[jit] Expected captured tensors on cuda:0, received float64[4] on cpu',
    );
    await expect(conjugateGradient((v) => v, moved, { initial: b })).rejects.toBeInstanceOf(DeviceError);
    await expect(conjugateGradient((v) => v, b, { device: 'cuda:7' })).rejects.toBeInstanceOf(DeviceError);
  });

  it('trains there, batches being copied, and goes on there from a checkpoint', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cotangent-train-'));
    try {
      const x = Float32Array.from({ length: 40 }, (_, k) => Math.sin(k));
      const batches = function* () {
        for (let at = 0; at < 40; at += 8)
          yield { x: { data: x.slice(at, at + 8), shape: [4, 2], dtype: 'float32' as const } };
      };
      const run = (on: string, epochs: number, resume: boolean) =>
        train(
          {
            parameters: nn.heDense(random.key(1), 2, 2),
            loss: (p, batch: { x: Tensor }) => nn.dense(p, batch.x).sub(batch.x).square().mean(),
          },
          {
            optimizer: adam(0.05),
            batches,
            epochs,
            device: on,
            ...(resume && { checkpoint: { folder } }),
          },
        );
      const here = await run('cpu', 6, false);
      await run('cuda', 3, true);
      const there = await run('cuda', 6, true);
      expect(there.report.resumed?.step).toBe(15);
      for (const leaf of treeLeaves(there.parameters)) expect(leaf.device).toBe(first);
      expect(there.report.objective).toBeCloseTo(here.report.objective, 5);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it.each(['admm', 'coordinate-descent', 'sampled', 'gated'] as const)(
    'fits a relu network there: %s',
    async (method) => {
      const rows = 16;
      const x = Array.from({ length: rows }, (_, k) => [Math.sin(k), Math.cos(1.7 * k)]);
      const y = x.map(([u, v]) => Math.max(0, (u as number) - (v as number)));
      const common = {
        maxIterations: method === 'coordinate-descent' ? 5 : 200,
        tolerance: 1e-2,
        seed: 3,
        ...(method === 'gated' && { gates: 10 }),
        ...(method === 'sampled' && { directions: 20 }),
      };
      const here = await ReluNetwork.fit(x, y, { method, ...common } as Parameters<typeof ReluNetwork.fit>[2]);
      const there = await ReluNetwork.fit(x, y, { method, ...common, device: 'cuda' } as Parameters<
        typeof ReluNetwork.fit
      >[2]);
      expect(there.device).toBe(first);
      expect(there.report.objective).toBeCloseTo(here.report.objective, 3);
      const predicted = await there.predict(x);
      expect(predicted.device).toBe(first);
      expect(await there.score(x, y)).toBeCloseTo(await here.score(x, y), 2);
      const folder = await mkdtemp(join(tmpdir(), 'cotangent-relu-'));
      try {
        await there.save(folder);
        const loaded = await ReluNetwork.load(folder, { device: 'cuda:1' });
        expect(loaded.device.name).toBe('cuda:1');
        expect(await loaded.score(x, y)).toBeCloseTo(await there.score(x, y), 5);
        loaded.dispose();
      } finally {
        await rm(folder, { recursive: true });
      }
      there.dispose();
      here.dispose();
    },
  );
});

describe('worker threads', () => {
  it('share the devices that are open, each with tensors of its own', async () => {
    const source = `
      import { parentPort, workerData } from 'node:worker_threads';
      const { device, jit, ones } = await import(workerData);
      const step = jit((x) => x.matmul(x).mul(0.01));
      let x = ones([64, 64], { device: 'cuda' });
      for (let k = 0; k < 20; k++) x = step(x);
      parentPort.postMessage({ value: (await x.data())[0], name: x.device.name, handles: device('cuda').memory().handles });`;
    const library = new URL('../../dist/index.js', import.meta.url).href;
    const work = (): Promise<{ value: number; name: string; handles: number }> =>
      new Promise((resolve, reject) => {
        const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), {
          workerData: library,
        });
        worker.once('message', resolve);
        worker.once('error', reject);
      });
    const step = jit((x: Tensor) => matmul(x, x).mul(0.01));
    let expected: Tensor = ones([64, 64], { device: first });
    for (let k = 0; k < 20; k++) expected = step(expected);
    const [value] = await expected.data();
    for (const answer of await Promise.all([work(), work(), work()])) {
      expect(answer).toMatchObject({ value, name: 'cuda:0' });
      expect(answer.handles).toBeLessThanOrEqual(22);
    }
    // The end of a worker takes nothing of another's. (Handles are not counted: the collector takes those of the tests before.)
    expect((await expected.mul(1).data())[0]).toBe(value);
  });
});
