/**
 * vmap against a loop, for every primitive on the small cases of the table: each lane of the batched result must be what the
 * float64 reference gives for that lane's operands, in all combinations of operands that carry the batch and that do not.
 */
import { describe, expect, it } from 'vitest';
import { type DType, jit, primitives, scope, type Tensor, vmap, zeros } from '../../lib/index.js';
import {
  type Case,
  drawOperands,
  Random,
  type Row,
  rows,
  seedOf,
  sizeOf,
  testedDevice,
  type Values,
} from '../cases/index.js';
import { firstDifference } from './compare.js';
import { dtypesOf, toTensor } from './operands.js';

const LANES = 3;
/** What is larger than this tests kernels rather than rules. */
const LARGEST = 1000;

/** Operands of one lane; fixed elements are rotated, so that lanes differ. */
function laneOperands(row: Row, one: Case, dtype: DType, lane: number): Values[] {
  const specs = one.operands.map((spec) =>
    spec.values ? { ...spec, values: spec.values.map((_, k, all) => all[(k + lane) % all.length] as number) } : spec,
  );
  return drawOperands(specs, dtype, row.domain, new Random(seedOf(`${row.primitive} ${one.label} ${dtype} ${lane}`)));
}

function stacked(lanes: readonly Values[]): Values {
  const [first] = lanes as [Values];
  return {
    dtype: first.dtype,
    shape: [lanes.length, ...first.shape],
    values: Float64Array.from(lanes.flatMap(({ values }) => [...values])),
  };
}

function laneOf(result: Tensor, lane: number): Pick<Tensor, 'dtype' | 'shape' | 'dataSync'> {
  const shape = result.shape.slice(1);
  const size = sizeOf(shape);
  return { dtype: result.dtype, shape, dataSync: () => result.dataSync().slice(lane * size, (lane + 1) * size) };
}

/** Every choice of operands that carry the batch, none of them included. */
function* choices(count: number): Generator<boolean[]> {
  for (let bits = 0; bits < 1 << count; bits++) yield Array.from({ length: count }, (_, k) => ((bits >> k) & 1) === 1);
}

const isSuitable = ({ operands, params, rotate }: Case): boolean =>
  rotate &&
  operands.every(({ shape }) => sizeOf(shape) <= LARGEST) &&
  sizeOf((params.shape as number[] | undefined) ?? []) <= LARGEST;

describe('vmap over the table of cases', () => {
  it('finds a batching rule for every primitive', () => {
    const without = [...primitives.values()].filter(({ batch, batchJoint }) => !batch && !batchJoint);
    expect(without.map(({ name }) => name)).toEqual([]);
  });
});

for (const row of rows) {
  describe(`vmap of ${row.primitive}`, () => {
    for (const one of row.cases.filter(isSuitable)) {
      for (const dtype of dtypesOf(row, one)) {
        it(`${one.label}, ${dtype}`, () => {
          const lanes = Array.from({ length: LANES }, (_, lane) => laneOperands(row, one, dtype, lane));
          for (const batched of choices(one.operands.length)) {
            // Lane 0 lends its operand to all where the operand does not carry the batch.
            const operandsOf = (lane: number) => batched.map((is, k) => lanes[is ? lane : 0]?.[k] as Values);
            scope(() => {
              const inputs = batched.map((is, k) =>
                toTensor(is ? stacked(lanes.map((lane) => lane[k] as Values)) : (lanes[0]?.[k] as Values)),
              );
              // The first argument makes a batch of it even where no operand carries one.
              const all = vmap((_: Tensor, ...xs: Tensor[]) => row.apply(xs, one.params), {
                inAxes: [0, ...batched.map((is) => (is ? 0 : null))],
              });
              const results = jit(all)(zeros([LANES], { device: testedDevice }), ...inputs);
              for (let lane = 0; lane < LANES; lane++) {
                const operands = operandsOf(lane);
                const budget = row.budget(operands, one.params, dtype);
                row.reference(operands, one.params).forEach((expected, k) => {
                  const difference = firstDifference(laneOf(results[k] as Tensor, lane), expected, budget);
                  expect(difference, `lane ${lane}, batched ${batched}`).toBeUndefined();
                });
              }
            });
          }
        });
      }
    }
  });
}
