/** Systems and long calls on the CUDA backend, on host emulation: they agree with the CPU. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import {
  AbortError,
  DeviceError,
  device,
  devices,
  fft,
  grad,
  jit,
  matmul,
  minimise,
  ReluNetwork,
  random,
  setDefaultDevice,
  type Tensor,
  tensor,
  trace,
  whileLoop,
} from '../../lib/index.js';

const emulated = devices().find(({ name }) => name === 'cuda:emulated');
if (!emulated?.available) console.log(`skipped: cuda:emulated: ${emulated?.reason}`);

/** Data with a planted structure, the same on every device. */
async function planted() {
  const x = random.normal(random.key(1), [30, 3]);
  const y = matmul(x, random.normal(random.key(2), [3, 2]))
    .relu()
    .sum(1);
  return { x: await x.data(), y: await y.data() };
}

describe.skipIf(!emulated?.available)('on cuda:emulated', () => {
  const gpu = emulated?.available ? device('cuda:emulated') : device('cpu');
  afterAll(() => setDefaultDevice('cpu'));

  it('ReluNetwork finds the optimum that it finds on the CPU', async () => {
    const data = await planted();
    const solve = async (on: string) => {
      const x = tensor(data.x, { shape: [30, 3], device: on });
      const y = tensor(data.y, { device: on });
      const model = await ReluNetwork.fit(x, y, {
        beta: 0.1,
        patterns: 8,
        maxIterations: 60,
        seed: 3,
        tolerance: 1e-12,
      });
      return { report: model.report, predicted: await (await model.predict(x)).data() };
    };
    const [ours, theirs] = [await solve('cuda:emulated'), await solve('cpu')];
    expect(ours.report.objective / theirs.report.objective).toBeCloseTo(1, 3);
    // Sixty iterations of float32 in another order of sums.
    for (const [k, value] of ours.predicted.entries()) expect(value).toBeCloseTo(theirs.predicted[k] as number, 2);
  }, 120_000);

  it('a loop runs until its condition fails, and its result stays on the device', async () => {
    const root = jit((a: Tensor) =>
      whileLoop(
        (x: Tensor) => x.mul(x).sub(a).abs().greater(1e-6),
        (x: Tensor) => x.add(a.div(x)).mul(0.5),
        a,
      ),
    );
    const x = root(tensor(2, { dtype: 'float64', device: gpu }));
    expect(x.device).toBe(gpu);
    expect(await x.item()).toBeCloseTo(Math.SQRT2, 6);
  });

  it('minimise and derivatives agree with the CPU', async () => {
    const solve = async (on: string) => {
      const a = random.normal(random.key(5, { device: on }), [12, 4], { dtype: 'float64' });
      const b = random.normal(random.key(6, { device: on }), [12], { dtype: 'float64' });
      const loss = (w: Tensor): Tensor => matmul(a, w).sub(b).square().mean();
      const start = tensor([0, 0, 0, 0], { dtype: 'float64', device: on });
      const { x } = await minimise({ objective: loss, initial: start }, { method: 'lbfgs' });
      return { w: await x.array(), slope: await grad(loss)(start).array() };
    };
    const [ours, theirs] = [await solve('cuda:emulated'), await solve('cpu')];
    (ours.w as number[]).forEach((value, k) => {
      expect(value).toBeCloseTo((theirs.w as number[])[k] as number, 6);
    });
    (ours.slope as number[]).forEach((value, k) => {
      expect(value).toBeCloseTo((theirs.slope as number[])[k] as number, 12);
    });
  });

  it('a fit is aborted, and the device goes on', async () => {
    const data = await planted();
    const x = tensor(data.x, { shape: [30, 3], device: gpu });
    const y = tensor(data.y, { device: gpu });
    const controller = new AbortController();
    const fit = ReluNetwork.fit(x, y, {
      beta: 0.1,
      patterns: 8,
      maxIterations: 1e6,
      tolerance: 1e-12,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(fit).rejects.toBeInstanceOf(AbortError);
    await gpu.idle();
    expect(await trace(matmul(x.transpose(), x)).item()).toBeCloseTo(await x.square().sum().item(), 3);
  }, 60_000);

  it('a Fourier transform agrees with the CPU', async () => {
    const signal = Float64Array.from({ length: 60 }, (_, k) => Math.sin(k * k));
    const [ours, theirs] = await Promise.all(
      ['cuda:emulated', 'cpu'].map(async (on) => (await fft(tensor(signal, { device: on })).re.data()) as Float64Array),
    );
    ours?.forEach((value, k) => {
      expect(value).toBeCloseTo(theirs?.[k] as number, 10);
    });
  });
});

const library = fileURLToPath(new URL('../../build/Release/libcotangent_cuda.so', import.meta.url));
describe.skipIf(!existsSync(library) || devices().some(({ name, available }) => name === 'cuda' && available))(
  'the CUDA library on a machine without a GPU',
  () => {
    it('is loaded, and says what is missing', () => {
      const reason = /Expected (an NVIDIA driver|a CUDA device|a driver for CUDA)/;
      expect(() => device('cuda')).toThrow(DeviceError);
      expect(() => device('cuda')).toThrow(reason);
      expect(devices().find(({ name }) => name === 'cuda')?.reason).toMatch(reason);
    });
  },
);
