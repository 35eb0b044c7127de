/** Convolution and pooling as the user calls them: PyTorch's results, what padding means, refusals, and the batching rules. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { bind } from '../../lib/core/tracing.js';
import * as ct from '../../lib/index.js';
import { Random, rows, seedOf, sizeOf } from '../cases/index.js';
import { operandsOf, toTensor } from '../conformance/operands.js';

interface Stored {
  readonly shape: number[];
  readonly values: number[];
}
interface OracleCase {
  readonly op: 'conv' | 'convTranspose' | 'maxPool' | 'avgPool';
  readonly options: Record<string, unknown>;
  readonly operands: Stored[];
  readonly result: Stored;
  readonly gradients: Stored[];
}

const oracles = JSON.parse(
  readFileSync(new URL('../oracles/convolution/cases.json', import.meta.url), 'utf8'),
) as OracleCase[];

const load = ({ shape, values }: Stored): ct.Tensor => ct.tensor(Float64Array.from(values), { shape });

function apply({ op, options }: OracleCase, operands: readonly ct.Tensor[]): ct.Tensor {
  const [x, w] = operands as [ct.Tensor, ct.Tensor];
  const { window, ...rest } = options;
  switch (op) {
    case 'conv':
      return ct.conv(x, w, rest);
    case 'convTranspose':
      return ct.convTranspose(x, w, rest);
    case 'maxPool':
      return ct.maxPool(x, window as number, rest);
    case 'avgPool':
      return ct.avgPool(x, window as number, rest);
  }
}

/** Both sides sum some hundred products of float64 in some order; the file keeps 15 digits. */
function expectStored(received: ct.Tensor, expected: Stored): void {
  expect(received.shape).toEqual(expected.shape);
  const values = received.dataSync();
  const scale = 1 + Math.max(0, ...expected.values.map(Math.abs));
  expected.values.forEach((value, k) => {
    expect(Math.abs((values[k] as number) - value)).toBeLessThanOrEqual(1e-13 * scale);
  });
}

describe("PyTorch's convolutions and pools", () => {
  it('covers every operation', () => {
    expect(new Set(oracles.map(({ op }) => op))).toEqual(new Set(['conv', 'convTranspose', 'maxPool', 'avgPool']));
  });

  oracles.forEach((one, k) => {
    const shapes = one.operands.map(({ shape }) => `[${shape}]`).join(' ');
    it(`${k}: ${one.op} ${shapes} ${JSON.stringify(one.options)}`, () => {
      ct.scope(() => {
        const operands = one.operands.map(load);
        expectStored(apply(one, operands), one.result);
        const loss = (...xs: ct.Tensor[]): ct.Tensor => ct.sum(apply(one, xs).square());
        const gradients = ct.grad(loss, { argnums: operands.map((_, n) => n) })(...operands) as unknown as ct.Tensor[];
        one.gradients.forEach((gradient, n) => {
          expectStored(gradients[n] as ct.Tensor, gradient);
        });
      });
    });
  });
});

describe('padding', () => {
  const ones = (shape: number[]): ct.Tensor => ct.ones(shape, { dtype: 'float64' });

  it("'same' keeps ceil(length / stride), the odd zero behind", () => {
    const x = ct.tensor([[[1, 2, 3, 4, 5, 6]]]);
    expect([...ct.conv(x, ones([1, 1, 2]).cast('float32'), { padding: 'same' }).dataSync()]).toEqual([
      3, 5, 7, 9, 11, 6,
    ]);
    for (const [length, stride, dilation] of [
      [7, 1, 1],
      [7, 2, 1],
      [8, 3, 2],
      [1, 2, 1],
    ] as const) {
      const y = ct.conv(ones([1, 1, length]), ones([1, 1, 3]), { padding: 'same', stride, dilation });
      expect(y.shape).toEqual([1, 1, Math.ceil(length / stride)]);
    }
  });

  it('takes sides apart, and crops', () => {
    const x = ct.tensor([[[1, 2, 3, 4]]]);
    const w = ct.tensor([[[1]]]);
    expect([...ct.conv(x, w, { padding: [[2, 0]] }).dataSync()]).toEqual([0, 0, 1, 2, 3, 4]);
    expect([...ct.conv(x, w, { padding: [[-1, -2]] }).dataSync()]).toEqual([2]);
  });

  it('of a mean counts as zeros, or not at all', () => {
    const x = ones([1, 1, 4, 4]);
    const counted = ct.avgPool(x, 3, { stride: 1, padding: 1 }).dataSync();
    expect(counted[0]).toBeCloseTo(4 / 9, 15);
    const covered = ct.avgPool(x, 3, { stride: 1, padding: 1, countPadding: false }).dataSync();
    expect(new Set(covered)).toEqual(new Set([1]));
  });

  it('of a maximum never wins', () => {
    const x = ct.tensor([[[-3, -2, -5]]]);
    expect([...ct.maxPool(x, 2, { stride: 1, padding: 1 }).dataSync()]).toEqual([-3, -2, -2, -5]);
  });
});

describe('pooling', () => {
  it('lets NaN through', () => {
    const x = ct.tensor([[[1, Number.NaN, 3, 4]]]);
    expect([...ct.maxPool(x, 2).dataSync()]).toEqual([Number.NaN, 4]);
    expect([...ct.avgPool(x, 2).dataSync()]).toEqual([Number.NaN, 3.5]);
  });

  it('gives the derivative of a tie to the first', () => {
    const g = ct.grad((x: ct.Tensor) => ct.sum(ct.maxPool(x, 3)))(ct.tensor([[[2, 2, 1, 0, 7, 7]]])) as ct.Tensor;
    expect([...g.dataSync()]).toEqual([1, 0, 0, 0, 1, 0]);
  });

  it('has second derivatives', () => {
    const x = ct.tensor([[[1, 2, 5, 3]]], { dtype: 'float64' });
    const cubes = (t: ct.Tensor): ct.Tensor => ct.sum(ct.maxPool(t, 2).pow(3));
    const product = ct.hvp(cubes)(x, ct.ones([1, 1, 4], { dtype: 'float64' })) as ct.Tensor;
    expect([...product.dataSync()]).toEqual([0, 12, 30, 0]);
  });

  it('pools over as many trailing axes as the window has', () => {
    const x = ct.arange(12).reshape([3, 4]);
    expect(ct.maxPool(x, [2]).shape).toEqual([3, 2]);
    expect([...ct.maxPool(x, [3, 4]).dataSync()]).toEqual([11]);
    expect([...ct.avgPool(x, [1, 2]).dataSync()]).toEqual([0.5, 2.5, 4.5, 6.5, 8.5, 10.5]);
  });
});

describe('refusals', () => {
  const x = ct.zeros([2, 3, 5, 5]);
  const refused: [string, () => unknown, typeof ct.ShapeError | typeof ct.DTypeError, RegExp][] = [
    [
      'channels',
      () => ct.conv(x, ct.zeros([4, 2, 3, 3])),
      ct.ShapeError,
      /\[conv\] Expected channels .*received .*Hint/s,
    ],
    ['outputs', () => ct.conv(x, ct.zeros([4, 1, 3, 3]), { groups: 3 }), ct.ShapeError, /groups divide/],
    ['rank', () => ct.conv(x, ct.zeros([4, 3, 3])), ct.ShapeError, /spatial axes/],
    ['size', () => ct.conv(x, ct.zeros([4, 3, 7, 3])), ct.ShapeError, /fits into the padded axes/],
    [
      'stride',
      () => ct.conv(x, ct.zeros([4, 3, 3, 3]), { stride: 0 }),
      ct.ShapeError,
      /a stride of whole numbers >= 1/,
    ],
    ['dilation', () => ct.conv(x, ct.zeros([4, 3, 3, 3]), { dilation: [1, 1, 1] }), ct.ShapeError, /a dilation/],
    ['padding', () => ct.conv(x, ct.zeros([4, 3, 3, 3]), { padding: [1] }), ct.ShapeError, /Expected padding/],
    ['groups', () => ct.conv(x, ct.zeros([4, 3, 3, 3]), { groups: 0 }), ct.ShapeError, /whole number of groups/],
    ['dtypes', () => ct.conv(x, ct.zeros([4, 3, 3, 3], { dtype: 'float64' })), ct.DTypeError, /one dtype/],
    ['integers', () => ct.maxPool(x.cast('int32'), 2), ct.DTypeError, /float32 or float64/],
    ['a window too large', () => ct.maxPool(x, 6), ct.ShapeError, /fits/],
    ['a window of padding', () => ct.avgPool(x, 2, { padding: 2 }), ct.ShapeError, /cover an element/],
    [
      'output padding',
      () => ct.convTranspose(x, ct.zeros([3, 4, 2, 2]), { outputPadding: 1 }),
      ct.ShapeError,
      /below the stride/,
    ],
  ];
  for (const [what, call, kind, message] of refused) {
    it(`says what is wrong with ${what}`, () => {
      expect(call).toThrow(kind);
      expect(call).toThrow(message);
    });
  }
});

/** Every batching rule against a loop over the lanes, for every choice of operands that carry the batch. */
describe('batching rules', () => {
  const lanes = 3;
  const names = ['conv', 'convInputGradient', 'convWeightGradient', 'maxPool', 'poolGather', 'poolScatter'];
  for (const row of rows.filter(({ primitive }) => names.includes(primitive))) {
    const primitive = ct.primitives.get(row.primitive) as ct.Primitive;
    const small = row.cases.filter((one) =>
      one.operands.every(({ shape }) => sizeOf(shape) > 0 && sizeOf(shape) <= 600),
    );
    for (const one of small) {
      const { shape: _, ...params } = one.params;
      const choices = [...Array(2 ** one.operands.length).keys()].slice(1);
      it(`${row.primitive}, ${one.label}`, () => {
        for (const choice of choices) {
          ct.scope(() => {
            const batched = one.operands.map((_, k) => ((choice >> k) & 1) === 1);
            const draws = Array.from({ length: lanes }, (_, lane) => {
              const random = new Random(seedOf(`${row.primitive} ${one.label} lane ${lane}`));
              return operandsOf(row, one, 'float64').map((operand) => ({
                ...operand,
                values: operand.dtype === 'int32' ? operand.values : operand.values.map(() => random.uniform(-2, 2)),
              }));
            });
            const operand = (lane: number, k: number): ct.Tensor =>
              toTensor((draws[batched[k] ? lane : 0] as (typeof draws)[0])[k] as never);
            const inputs = one.operands.map((_, k) =>
              batched[k] ? ct.stack(Array.from({ length: lanes }, (__, lane) => operand(lane, k))) : operand(0, k),
            );
            const together = primitive.batch?.({ inputs, batched, size: lanes, mask: null, params }) as ct.Tensor[];
            for (let lane = 0; lane < lanes; lane++) {
              const alone = bind(
                primitive,
                one.operands.map((_, k) => operand(lane, k)),
                params,
              );
              alone.forEach((expected, n) => {
                const received = ct.take(together[n] as ct.Tensor, ct.tensor(Int32Array.of(lane)), 0);
                expect(received.shape).toEqual([1, ...expected.shape]);
                const [got, want] = [received.dataSync(), expected.dataSync()];
                // The order of at most some hundred terms below 4 may differ.
                want.forEach((value, k) => {
                  if (got[k] !== value) expect(Math.abs((got[k] as number) - value)).toBeLessThanOrEqual(1e-12);
                });
              });
            }
          });
        }
      });
    }
  }
});
