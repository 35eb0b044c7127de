/** Loops on asynchronous devices run ahead of their condition: what they compute is what one iteration after the other computes. */
import '../core/test-device.js';
import { describe, expect, it } from 'vitest';
import { expandCalls } from '../../lib/core/program.js';
import {
  AbortError,
  arange,
  cholesky,
  clock,
  cond,
  type Device,
  device,
  devices,
  dynamicSlice,
  dynamicUpdate,
  emit,
  eye,
  jit,
  jvp,
  logicalNot,
  matmul,
  ones,
  program,
  random,
  reciprocal,
  rsqrt,
  Stream,
  scan,
  sin,
  slice,
  sort,
  type Tensor,
  tensor,
  treeLeaves,
  vmap,
  whileLoop,
  zeros,
} from '../../lib/index.js';
import { AHEAD } from '../../lib/transforms/control/while-ahead.js';

type State = Record<string, Tensor>;
interface Loop {
  readonly condition: (x: State) => Tensor;
  readonly body: (x: State) => State;
  readonly init: State;
}

const asynchronous = devices()
  .filter(({ name, available }) => available && name !== 'cpu')
  .map(({ name }) => device(name));

const int = (value: number, on: Device): Tensor => tensor(value, { dtype: 'int32', device: on });
const f64 = (data: Parameters<typeof tensor>[0], on: Device): Tensor => tensor(data, { dtype: 'float64', device: on });

/** Bytes of every leaf, since NaN is not equal to itself and 0 is to -0. */
async function bitsOf(values: unknown): Promise<string[]> {
  const data = await Promise.all(treeLeaves(values).map((leaf) => (leaf as Tensor).data()));
  return data.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength).toString('hex'));
}

const run = ({ condition, body, init }: Loop): State =>
  jit((x: State) => whileLoop(condition as (x: unknown) => Tensor, body as (x: unknown) => State, x) as State)(init);

/** One Program for each condition and each body, asked one after the other. */
async function oneByOne({ condition, body, init }: Loop): Promise<{ result: State; iterations: number }> {
  const [test, step] = [jit(condition), jit(body)];
  let result = init;
  for (let iterations = 0; ; iterations++) {
    if ((await test(result).item()) === 0) return { result, iterations };
    result = step(result) as State;
  }
}

/** How often a loop of so many iterations looks at its flag. */
function looks(iterations: number): number {
  let count = 1;
  for (let at = 0; at < iterations; count++) at += Math.min(AHEAD, Math.max(1, at));
  return count;
}

async function readsOf(on: Device, f: () => unknown): Promise<number> {
  await on.idle();
  const before = on.statistics().reads;
  await bitsOf(f());
  await on.idle();
  return on.statistics().reads - before;
}

const counted =
  (limit: number) =>
  ({ k }: State): Tensor =>
    (k as Tensor).less(limit);
const next = (k: Tensor | undefined): Tensor => (k as Tensor).add(1);

/** Loops by what is delicate about them. */
const loops: Record<string, (on: Device, iterations: number) => Loop> = {
  'a carry, a vector and a constant': (on, n) => {
    const a = f64([0.3, -0.2, 0.1], on);
    return {
      condition: counted(n),
      body: ({ k, x }) => ({
        k: next(k),
        x: sin(x as Tensor)
          .mul(a)
          .add((x as Tensor).mul(0.5)),
      }),
      init: { k: int(0, on), x: f64([1, 2, 3], on) },
    };
  },
  'NaN and infinity in every iteration too many': (on, n) => ({
    condition: ({ left }) => (left as Tensor).greater(0),
    body: ({ left, y, z }) => ({
      left: (left as Tensor).sub(1),
      y: (y as Tensor).add((left as Tensor).log()),
      z: (z as Tensor).add(reciprocal(left as Tensor)),
    }),
    init: { left: f64(n, on), y: f64(0, on), z: f64([0.5, -0], on) },
  }),
  'integers that overflow, bools, and carries that change places': (on, n) => ({
    condition: counted(n),
    body: ({ k, i, flag, a, b, held }) => ({
      k: next(k),
      i: (i as Tensor).mul(1_000_003),
      flag: logicalNot(flag as Tensor),
      a: b as Tensor,
      b: a as Tensor,
      held: held as Tensor,
    }),
    init: {
      k: int(0, on),
      i: int(7, on),
      flag: ones([3], { dtype: 'bool', device: on }),
      a: f64([1, 2], on),
      b: f64([3, -0], on),
      held: f64([5, 6], on),
    },
  }),
  'a history written in place, past its end in iterations too many': (on, n) => ({
    condition: counted(n),
    body: ({ k, history, last }) => {
      const at = (k as Tensor).reshape([1]);
      const value = dynamicSlice(history as Tensor, at, [1])
        .add((k as Tensor).cast('float64'))
        .add(last as Tensor);
      return { k: next(k), history: dynamicUpdate(history as Tensor, value, at), last: value.reshape([]) };
    },
    init: { k: int(0, on), history: ones([Math.max(1, n)], { dtype: 'float64', device: on }), last: f64(0, on) },
  }),
  'products, sums and a flag set by the body': (on, n) => {
    const a = random.normal(random.key(3, { device: on }), [6, 6]).mul(0.3);
    const b = random.normal(random.key(4, { device: on }), [6]);
    return {
      condition: ({ done }) => logicalNot(done as Tensor),
      body: ({ k, x }) => {
        const y = matmul(a, x as Tensor).add(b);
        const [z, size] = [y.mul(rsqrt(y.square().mean())), y.sum()];
        return { k: next(k), x: z, done: next(k).greaterEqual(n), size };
      },
      init: { k: int(0, on), x: b, done: int(n, on).lessEqual(0), size: tensor(0, { device: on }) },
    };
  },
  'random numbers by the count': (on, n) => ({
    condition: counted(n),
    body: ({ k, key, x }) => ({
      k: next(k),
      key: (key as Tensor).add(1),
      x: (x as Tensor).add(random.normal(key as Tensor, [5])),
    }),
    init: { k: int(0, on), key: random.key(9, { device: on }), x: zeros([5], { device: on }) },
  }),
};

describe.each(asynchronous)('on %s, a loop', (on) => {
  for (const [name, loop] of Object.entries(loops)) {
    it(`with ${name} ends with the bits of its iterations one by one`, async () => {
      for (const n of [0, 1, 2, 3, 5, 8, 11, 16, 29]) {
        const made = loop(on, n);
        const { result, iterations } = await oneByOne(made);
        expect(iterations).toBe(n);
        expect(await bitsOf(run(made)), `${n} iterations`).toEqual(await bitsOf(result));
      }
    });
  }

  it('reads its flag every 8 iterations, and not less often than it doubles their number', async () => {
    const made = (n: number) => (loops['a carry, a vector and a constant'] as (on: Device, n: number) => Loop)(on, n);
    for (const n of [0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 100]) {
      expect(await readsOf(on, () => run(made(n))), `${n} iterations`).toBe(looks(n));
    }
    expect([0, 1, 2, 3, 4, 8, 16, 100].map(looks)).toEqual([1, 2, 3, 4, 4, 5, 6, 17]);
  });

  it('inside loops and branches, mapped and differentiated, computes what it does on the CPU', async () => {
    const doubled = (x: Tensor): { x: Tensor; k: Tensor } =>
      whileLoop(
        (now) => now.x.less(100),
        (now) => ({ x: now.x.mul(2).add(0.5), k: now.k.add(1) }),
        { x, k: zeros([], { dtype: 'int32' }) },
      );
    const f = {
      scanned: (x: Tensor) => scan((c: Tensor, v: Tensor) => [c.add(v), doubled(c.add(v)).x] as const, x.sum(), x),
      nested: (x: Tensor) =>
        whileLoop(
          (now) => now.x.less(5000),
          (now) => ({ x: doubled(now.x.mul(0.1)).x.mul(now.n.add(7)), n: now.n.add(1) }),
          { x: x.sum(), n: zeros([], { dtype: 'float64' }) },
        ),
      branches: (x: Tensor) =>
        cond(
          x.sum().greater(0),
          (v: Tensor) => doubled(v.sum()).x,
          (v: Tensor) => v.sum(),
          x,
        ),
      lanes: (x: Tensor) => vmap(doubled)(x),
      tangent: (x: Tensor) => jvp((v: Tensor) => vmap(doubled)(v).x, [x], [x]),
    };
    const data = [0.25, 3, 120, -0, 1e-3].map(Math.abs);
    for (const [name, g] of Object.entries(f)) {
      const [ours, theirs] = [on, device('cpu')].map((where) => jit(g as (x: Tensor) => unknown)(f64(data, where)));
      expect(await bitsOf(ours), name).toEqual(await bitsOf(theirs));
    }
  });

  it('with a check waits for it as before, and one in an iteration too many fails nothing', async () => {
    const step = f64([1, 0, 0, 0], on).reshape([2, 2]);
    const shrink = jit((a: Tensor) =>
      whileLoop(
        ({ m }) => m.sum().greater(2.5),
        ({ m, s }) => ({ m: m.sub(step), s: s.add(cholesky(m.sub(step)).sum()) }),
        { m: a, s: zeros([], { dtype: 'float64' }) },
      ),
    );
    const start = (): Tensor => eye(2, { dtype: 'float64', device: on }).add(step.mul(3));
    expect(await shrink(start()).s.item()).toBeCloseTo(Math.sqrt(3) + Math.SQRT2 + 1 + 3, 12);
    // Three iterations, each with a condition and a check, and the condition that fails.
    expect(await readsOf(on, () => shrink(start()))).toBe(7);
  });

  it('without end is aborted', async () => {
    const stream = new Stream();
    const endless = stream.run(() =>
      whileLoop(
        (x: Tensor) => x.greater(0),
        (x: Tensor) => x.add(1),
        ones([], { device: on }),
      ),
    );
    const read = endless.item();
    await new Promise((resolve) => setTimeout(resolve, 20));
    stream.abort();
    await expect(read).rejects.toThrow(AbortError);
    await on.idle();
    expect(await ones([3], { device: on }).sum().item()).toBe(3);
  });
});

describe('a Program for an asynchronous device', () => {
  const runsAhead = (loop: (x: Tensor) => unknown, x: Tensor): boolean =>
    expandCalls(program(loop)(x), true).toString().includes('ahead=8');
  const first = (x: Tensor): Tensor => slice(x.reshape([x.size]), [0], [1]).reshape([]);
  const below = (x: Tensor): Tensor => first(x).less(1);
  const until =
    (body: (x: Tensor) => Tensor, condition = below) =>
    (x: Tensor): Tensor =>
      whileLoop(condition, body, x);

  it('runs ahead where iterations are short', () => {
    expect(
      runsAhead(
        until((x) => x.mul(2)),
        zeros([1000]),
      ),
    ).toBe(true);
    expect(
      runsAhead(
        until((x) => x.mul(2)),
        zeros([1_000_000]),
      ),
    ).toBe(true);
    expect(
      runsAhead(
        until((x) => matmul(x, x)),
        zeros([128, 128]),
      ),
    ).toBe(true);
    expect(expandCalls(program(until((x) => x.mul(2)))(zeros([3]))).toString()).not.toContain('ahead');
  });

  it('does not where they are long, wait anyway, or are not known to be short', () => {
    const long: Record<string, [(x: Tensor) => Tensor, Tensor]> = {
      'many bytes': [(x) => x.mul(2), zeros([10_000_000])],
      'a captured matrix of many bytes': [(x) => matmul(zeros([4000, 4000]), x), zeros([4000])],
      'a product': [(x) => matmul(x, x), zeros([300, 300])],
      'many kernels': [
        (x) => Array.from({ length: 17 }).reduce((v: Tensor) => v.cast('float32').sum().add(x), x),
        ones([3]),
      ],
      'a decomposition': [(x) => cholesky(x), eye(3)],
      'a sort': [(x) => sort(x), ones([3])],
      'the time': [(x) => x.add(clock(x).cast('float32')), ones([3])],
      'a loop': [until((x) => x.mul(2)), ones([3])],
    };
    // The loop inside does.
    for (const [name, [body, x]] of Object.entries(long)) expect(runsAhead(until(body), x), name).toBe(false);
    const sums = until(
      (x) => x.mul(2),
      (x) => x.sum().less(1),
    );
    expect(runsAhead(sums, ones([3])), 'a condition whose bits depend on its kernel').toBe(false);
  });

  it('reports in an iteration that counts', () => {
    const text = expandCalls(
      program(
        until((x) => {
          emit('progress', { x: first(x) });
          return x.add(arange(3));
        }),
      )(zeros([3])),
      true,
    ).toString();
    expect(text).toMatch(/emit\[tag="progress" names=\["x"\] conditional=true\] \w+ \w+\n/);
  });
});
