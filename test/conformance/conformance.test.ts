/** Every primitive, on every case and dtype of the table, eager and under jit, against its float64 reference. */
import { describe, expect, it } from 'vitest';
import { jit, primitives, scope, type Tensor } from '../../lib/index.js';
import { rows } from '../cases/index.js';
import { firstDifference } from './compare.js';
import { dtypesOf, onTestedDevice, operandsOf, toTensor } from './operands.js';

describe('the table of cases', () => {
  it('has a row for every primitive', () => {
    const covered = new Set(rows.map((row) => row.primitive));
    expect([...primitives.keys()].filter((name) => !covered.has(name))).toEqual([]);
  });

  it('names only primitives', () => {
    expect(rows.map((row) => row.primitive).filter((name) => !primitives.has(name))).toEqual([]);
  });

  it('labels the cases of a row distinctly, and gives each a dtype', () => {
    for (const row of rows) {
      const labels = row.cases.flatMap((one) => dtypesOf(row, one).map((dtype) => `${one.label} ${dtype}`));
      expect(new Set(labels).size, row.primitive).toBe(labels.length);
      expect(
        row.cases.filter((one) => dtypesOf(row, one).length === 0),
        row.primitive,
      ).toEqual([]);
    }
  });
});

for (const row of rows) {
  describe(row.primitive, () => {
    for (const one of row.cases) {
      for (const dtype of dtypesOf(row, one)) {
        it(`${one.label}, ${dtype}`, () => {
          const operands = operandsOf(row, one, dtype);
          const expected = row.reference(operands, one.params);
          const budget = row.budget(operands, one.params, dtype);
          scope(() => {
            const inputs = operands.map(toTensor);
            const compiled = jit((...xs: Tensor[]) => row.apply(xs, one.params));
            const [eager, jitted] = onTestedDevice(inputs, () => [row.apply(inputs, one.params), compiled(...inputs)]);
            expect(eager).toHaveLength(expected.length);
            expected.forEach((reference, k) => {
              expect(firstDifference(eager[k] as Tensor, reference, budget), 'eager').toBeUndefined();
              expect(firstDifference(jitted[k] as Tensor, reference, budget), 'jit').toBeUndefined();
            });
          });
        });
      }
    }
  });
}
