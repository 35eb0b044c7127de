/** Devices: where tensors live, what follows them, and what refuses to mix. The second kind of device is the test device. */
import './test-device.js';
import { afterEach, describe, expect, it } from 'vitest';
import {
  arange,
  avgPool,
  cholesky,
  cond,
  type Device,
  DeviceError,
  type DType,
  defaultDevice,
  device,
  devices,
  diag,
  disposeTree,
  eye,
  full,
  grad,
  hvp,
  idle,
  inverse,
  jacobian,
  jit,
  jvp,
  linspace,
  memory,
  nn,
  oneHot,
  ones,
  profile,
  random,
  Stream,
  scalar,
  scan,
  setDefaultDevice,
  statistics,
  type Tensor,
  TracingError,
  tensor,
  treeLeaves,
  tril,
  vjp,
  vmap,
  whileLoop,
  zeros,
  zerosLike,
} from '../../lib/index.js';

const [cpu, first, second] = ['cpu', 'cuda:0', 'cuda:1'].map(device) as [Device, Device, Device];

afterEach(() => setDefaultDevice('cpu'));

describe('device', () => {
  it('is one object by all its names, with a kind and a description', () => {
    expect(device('cpu')).toBe(cpu);
    expect(device('cuda')).toBe(first);
    expect(second).not.toBe(first);
    expect([cpu, first, second].map(({ name, kind }) => [name, kind])).toEqual([
      ['cpu', 'cpu'],
      ['cuda:0', 'cuda'],
      ['cuda:1', 'cuda'],
    ]);
    expect(cpu.describe()).toMatch(/^\d+ hardware threads, \S+ kernels, .*BLAS/i);
    expect(first.describe()).toBe('test device, one thread');
    expect(`${second}`).toBe('cuda:1');
  });

  it('refuses names that are none, and indices beyond the last', () => {
    for (const name of ['tpu', 'cuda:', 'cuda:x', 'cuda:01', 'cuda:-1', '', 'CPU']) {
      expect(() => device(name)).toThrow(DeviceError);
      expect(() => device(name)).toThrow(`[device] Expected device 'cpu', 'cuda', 'cuda:0', 'cuda:1', ... or`);
    }
    expect(() => device('cuda:2')).toThrow(
      "[device] Expected an index of one of 2 CUDA devices, received 'cuda:2'. Hint: devices are counted from 0",
    );
    expect(() => device(3 as unknown as string)).toThrow(DeviceError);
  });

  it('is listed, with the reason where it cannot be used', () => {
    const list = devices();
    expect(list.slice(0, 3)).toEqual(['cpu', 'cuda:0', 'cuda:1'].map((name) => ({ name, available: true })));
    const [emulated] = list.slice(3);
    expect(emulated?.name).toBe('cuda:emulated');
    if (!emulated?.available) expect(emulated?.reason).toMatch(/^Expected .+, received .+/);
  });

  it('has memory of its own, counted on its own', async () => {
    await Promise.all([cpu.idle(), first.idle()]);
    const before = [cpu, first, second].map((on) => on.memory());
    const x = ones([1000, 100], { device: 'cuda' });
    await x.data();
    const after = [cpu, first, second].map((on) => on.memory());
    const change = after.map(({ used, handles }, k) => [
      used - (before[k]?.used as number),
      handles - (before[k]?.handles as number),
    ]);
    expect(change[0]).toEqual([0, 0]);
    expect(change[1]?.[0]).toBeGreaterThanOrEqual(400_000);
    expect(change[1]?.[1]).toBe(1);
    expect(change[2]).toEqual([0, 0]);
    x.dispose();
    expect(first.memory().handles).toBe(before[1]?.handles);
    expect(first.memory().limit).toBe(Math.floor(2 ** 31 / 5) * 4);
    first.setMemoryLimit(1e6);
    expect(() => tensor(new Float32Array(1e6), { device: first })).toThrow('setMemoryLimit()');
    first.setMemoryLimit(2 ** 30);
    expect(cpu.memory().limit).not.toBe(2 ** 30);
  });

  it('is the default one when it is set, and what the figures without a device are of', async () => {
    expect(defaultDevice()).toBe(cpu);
    setDefaultDevice('cuda:1');
    const x = arange(10).add(1);
    expect(x.device).toBe(second);
    expect(await x.sum().item()).toBe(55);
    await idle();
    expect(memory()).toEqual(second.memory());
    expect(statistics()).toEqual(second.statistics());
    expect(() => setDefaultDevice('tpu')).toThrow(DeviceError);
    expect(defaultDevice()).toBe(second);
  });
});

describe('tensors', () => {
  it('are made where the option says, or on the default device', async () => {
    const on = { device: 'cuda' };
    const made = {
      tensor: tensor([1, 2], on),
      scalar: scalar(3, 'float64', on),
      full: full([2], 7, on),
      zeros: zeros([2], on),
      ones: ones([2], { ...on, dtype: 'int32' }),
      arange: arange(4, { ...on, start: 1, step: 2 }),
      eye: eye(2, on),
      linspace: linspace(0, 1, 3, on),
      key: random.key(1, on),
      norm: nn.initNorm([2], on).scale,
    };
    for (const [name, value] of Object.entries(made)) expect(value.device, name).toBe(first);
    expect(await made.arange.array()).toEqual([1, 3, 5, 7]);
    expect(await made.eye.array()).toEqual([
      [1, 0],
      [0, 1],
    ]);
    expect(await made.linspace.array()).toEqual([0, 0.5, 1]);
    expect(tensor([1]).device).toBe(cpu);
    expect(() => tensor([1], { device: 'nowhere' })).toThrow(DeviceError);
  });

  it('keep the device of their operands, numbers and constants following', async () => {
    const x = tensor(
      [
        [4, 1],
        [1, 3],
      ],
      { dtype: 'float64', device: second },
    );
    const key = random.key(3, { device: second });
    const labels = tensor(Int32Array.of(1, 0), { device: second });
    const results: Record<string, Tensor> = {
      number: x.mul(2).add(1),
      compare: x.greater(2),
      zerosLike: zerosLike(x),
      tril: tril(x),
      diag: diag(x.reshape([4])),
      inverse: inverse(x),
      oneHot: oneHot(labels, 3),
      avgPool: avgPool(x.reshape([1, 1, 2, 2]), 2, { padding: 'same', countPadding: false }),
      gamma: random.gamma(key, 2, { shape: [3] }),
      permutation: random.permutation(key, 5),
      categorical: random.categorical(key, x),
      dense: nn.initDense(key, 2, 3).bias,
      attention: nn.scaledDotProductAttention(x, x, x, { causal: true }),
      scan: scan((c: Tensor) => [c.add(1), c] as const, x, undefined, { length: 2 })[1],
      loop: whileLoop(
        (c: Tensor) => c.sum().less(100),
        (c: Tensor) => c.mul(2),
        x,
      ),
      vmap: vmap((row: Tensor) => row.sum().add(1))(x),
    };
    for (const [name, value] of Object.entries(results)) expect(value.device, name).toBe(second);
    const there = x.to('cpu');
    const same: Record<string, Tensor> = {
      inverse: inverse(there),
      tril: tril(there),
      avgPool: avgPool(there.reshape([1, 1, 2, 2]), 2, { padding: 'same', countPadding: false }),
      permutation: random.permutation(random.key(3), 5),
      attention: nn.scaledDotProductAttention(there, there, there, { causal: true }),
      vmap: vmap((row: Tensor) => row.sum().add(1))(there),
    };
    for (const [name, value] of Object.entries(same)) {
      const [got, want] = [await results[name]?.data(), await value.data()];
      // One thread there, several here: sums may be cut differently.
      want.forEach((number, k) => expect(got?.[k], name).toBeCloseTo(number, 6));
    }
  });

  it('are differentiated where they live', async () => {
    const x = tensor([0.5, -1, 2], { dtype: 'float64', device: first });
    const f = (v: Tensor): Tensor => v.tanh().mul(v).sum();
    const [value, tangent] = jvp(f, [x], [zerosLike(x).add(1)]);
    const [, pullback] = vjp((v: Tensor) => [v.square(), v.cast('int32')] as const, x);
    const products = {
      value,
      tangent,
      grad: grad(f)(x),
      hvp: hvp(f)(x, zerosLike(x).add(1)),
      jacobian: jacobian((v: Tensor) => v.tanh())(x),
      pulled: pullback([x, tensor(Int32Array.of(0, 0, 0), { device: first })])[0] as Tensor,
      scale: grad((a: number, v: Tensor) => v.cast('float32').mul(a).sum())(2, x) as Tensor,
    };
    for (const [name, result] of Object.entries(products)) expect(result.device, name).toBe(first);
    const there = await grad(f)(x.to('cpu')).data();
    expect(Array.from(await products.grad.data())).toEqual(Array.from(there));
    expect(await products.scale.item()).toBe(1.5);
  });

  it('do not mix, and the error names both devices and the way out', () => {
    const [here, there] = [ones([3]), ones([3], { device: first })];
    const message =
      "[add] Expected tensors on one device, received float32[3] on cpu and float32[3] on cuda:0. Hint: move one of them: x.to('cpu').";
    expect(() => here.add(there)).toThrow(message);
    expect(() => here.add(there)).toThrow(DeviceError);
    expect(() => there.matmul(here)).toThrow(/on cuda:0 and .+ on cpu\. Hint: .*x\.to\('cuda:0'\)/);
    expect(() => jit((a: Tensor, b: Tensor) => a.add(b))(here, there)).toThrow('[jit] Expected tensors on one device');
    expect(() => grad((a: Tensor) => a.mul(there).sum())(here)).toThrow(DeviceError);
    expect(() => vmap((a: Tensor) => a.add(there.sum()))(here)).toThrow(DeviceError);
  });

  it.each<DType>(['float32', 'float64', 'int32', 'uint32', 'bool'])(
    'of %s are copied between all devices',
    async (dtype) => {
      const data = tensor(
        Float64Array.from({ length: 1000 }, (_, k) => (dtype === 'bool' ? k % 2 : k)),
        { dtype },
      );
      let x = data;
      for (const target of [first, second, cpu, second, first, cpu]) {
        const moved = x.to(target);
        expect(moved.device).toBe(target);
        x.dispose();
        x = moved;
      }
      expect(Array.from(await x.data())).toEqual(
        Array.from({ length: 1000 }, (_, k) => (dtype === 'bool' ? k % 2 : k)),
      );
      expect(await zeros([0, 3], { device: first }).to('cuda:1').array()).toEqual([]);
      expect(await scalar(5, 'float32', { device: first }).to(cpu).item()).toBe(5);
    },
  );

  it('are copied when they are computed, not before', async () => {
    const x = ones([64, 64], { device: first });
    let y: Tensor = x;
    for (let k = 0; k < 50; k++) y = y.matmul(x).mul(1 / 64);
    const moved = y.to('cuda:1').add(1).to('cpu');
    expect(Array.from(await moved.data()).every((value) => value === 2)).toBe(true);
  });

  it('copied to their own device get a handle of their own and no memory', async () => {
    const x = arange(1000, { device: first });
    await x.data();
    const before = first.memory().used;
    const y = x.to(first);
    expect(y).not.toBe(x);
    expect(first.memory().used).toBe(before);
    x.dispose();
    expect(await y.sum().item()).toBe(499_500);
    expect(() => x.to(cpu)).toThrow('[to] Expected a live tensor');
  });

  it('pass their failure on to their copies', async () => {
    const indefinite = tensor(Float32Array.of(1, 2, 2, 1), { shape: [2, 2], device: first });
    const bad = cholesky(indefinite);
    await expect(bad.to('cpu').data()).rejects.toMatchObject({ code: 'ERR_NUMERICAL', op: 'cholesky' });
  });

  it('have no device while their function is traced', () => {
    const device = (x: Tensor): Tensor => x.mul(x.device.name.length);
    expect(() => jit(device)(ones([2]))).toThrow(TracingError);
    expect(() => jit((x: Tensor) => x.to('cpu'))(ones([2]))).toThrow(
      '[to] Expected a concrete tensor, received a traced float32[2]. Hint: a traced function runs where its arguments live',
    );
    expect(() => jit((x: Tensor) => x.add(zeros([2], { device: 'cpu' })))(ones([2]))).toThrow(
      "[full] Expected no device inside a traced function, received 'cpu'",
    );
  });
});

describe('jit', () => {
  it('compiles once for each device, from one trace each', async () => {
    let traces = 0;
    const f = jit((x: Tensor, scale: number) => {
      traces++;
      return x.mul(scale).add(arange(3)).sum();
    });
    for (let round = 0; round < 2; round++) {
      for (const on of [cpu, first, second]) {
        const result = f(ones([3], { device: on }), 2);
        expect(result.device).toBe(on);
        expect(await result.item()).toBe(9);
      }
    }
    expect(traces).toBe(3);
  });

  it('makes beside its arguments what its function makes without operands, eagerly or not', async () => {
    const f = (x: Tensor): Tensor =>
      x
        .mul(tensor([1, 2, 3]))
        .mul(scalar(2))
        .sum();
    const x = ones([3], { device: second });
    const flag = scalar(1, 'int32', { device: second }).greater(0);
    const results: Record<string, Tensor> = {
      jit: jit(f)(x),
      vmap: vmap((row: Tensor) => f(row))(x.reshape([1, 3])).sum(),
      vjp: vjp(f, x)[0],
      jvp: jvp(f, [x], [zerosLike(x)])[0],
      cond: cond(flag, f, (v: Tensor) => v.sum(), x),
      scan: scan((c: Tensor, row: Tensor) => [c.add(f(row)), c] as const, x.sum().mul(0), x.reshape([1, 3]))[0],
    };
    for (const [name, result] of Object.entries(results)) {
      expect(result.device, name).toBe(second);
      expect(await result.item(), name).toBe(12);
    }
    for (const derivative of [grad(f)(x), jacobian(f)(x), hvp((v: Tensor) => f(v.square()).mul(0.5))(x, x)]) {
      expect(derivative.device).toBe(second);
      expect(await derivative.array()).toEqual([2, 4, 6]);
    }
    // Outside nothing has changed, even after a function that throws.
    expect(() => jit((v: Tensor) => v.reshape([4]))(x)).toThrow();
    expect(tensor([1]).device).toBe(cpu);
  });

  it('runs where its captured tensors live when its arguments say nothing', async () => {
    const weights = ones([4], { device: second });
    const f = jit((scale: number) => weights.mul(scale).sum());
    for (const scale of [2, 3]) {
      const result = f(scale);
      expect(result.device).toBe(second);
      expect(await result.item()).toBe(4 * scale);
    }
    const nothing = jit(() => arange(3));
    expect(nothing().device).toBe(cpu);
    setDefaultDevice(first);
    expect(nothing().device).toBe(first);
  });

  it('refuses captured tensors that live elsewhere', () => {
    const weights = ones([3]);
    const f = jit((x: Tensor) => x.mul(weights));
    expect(() => f(ones([3], { device: first }))).toThrow(
      "[jit] Expected captured tensors on cuda:0, received float32[3] on cpu. Hint: move it there: x.to('cuda:0').",
    );
    expect(f(ones([3])).device).toBe(cpu);
  });

  it('takes over donated arguments, in flight or not', async () => {
    const step = jit((x: Tensor) => x.mul(0.5).add(1), { donate: [0] });
    let x: Tensor = zeros([2000], { device: first });
    for (let k = 0; k < 60; k++) x = step(x);
    const last = await x.data();
    expect(last.every((value) => value === 2)).toBe(true);
    await first.idle();
    // One buffer is used over and over, but for those in flight that somebody reads.
    const before = first.memory().peak;
    for (let k = 0; k < 200; k++) x = step(x);
    await x.data();
    expect(first.memory().peak).toBe(before);
    const [kept, other] = [zeros([5], { device: first }), jit((v: Tensor) => v.add(1), { donate: [0] })];
    const read = kept.data();
    const result = other(kept);
    expect(kept.disposed).toBe(true);
    expect(Array.from(await read)).toEqual([0, 0, 0, 0, 0]);
    expect(Array.from(await result.data())).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('streams', () => {
  it('queue on each device that they meet', async () => {
    using stream = new Stream();
    const results = stream.run(() => [cpu, first, second].map((on) => ones([10], { device: on }).sum()));
    expect(await Promise.all(results.map((x) => x.item()))).toEqual([10, 10, 10]);
    stream.abort();
    const late = stream.run(() => ones([2000, 2000], { device: second }).sum());
    await expect(late.data()).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  });

  it('are profiled on each device, kernels of an asynchronous one with their own time', async () => {
    const step = jit((a: Tensor) => a.matmul(a).tanh().sum());
    const [x, y] = [ones([100, 100]), ones([100, 100], { device: first })];
    const { events } = await profile(() => [step(x), step(y)]);
    for (const name of ['cpu', 'cuda:0']) {
      const own = events.filter((event) => event.device === name);
      // How far the rest is fused is the device's business.
      const kernels = own.map((event) => event.name.split(/[ [-]/, 1)[0]);
      expect(kernels[0]).toBe('matmul');
      expect(kernels.length).toBeGreaterThan(1);
      // The test device sleeps before every launch.
      if (name !== 'cpu') for (const { duration } of own) expect(duration).toBeGreaterThan(190);
    }
  });

  it('let go of everything', async () => {
    const before = [first, second].map((on) => on.memory().handles);
    const made = [first, second].map((on) => jit((x: Tensor) => [x.add(1), x.mul(2)])(ones([3], { device: on })));
    await Promise.all(treeLeaves(made).map((x) => x.data()));
    disposeTree(made);
    await Promise.all([first.idle(), second.idle()]);
    const extra = [first, second].map((on, k) => on.memory().handles - (before[k] as number));
    // The arguments above belong to nobody and wait for the collector.
    for (const count of extra) expect(count).toBeLessThanOrEqual(1);
  });
});
