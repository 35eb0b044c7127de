/** The references are themselves checked, where others have published results; and every one of them runs. */
import { describe, expect, it } from 'vitest';
import { drawOperands, Random, rows, seedOf } from './index.js';
import { normalMagnitude, philox } from './random-numbers.js';

describe('references', () => {
  // The known answers that Salmon et al. distribute with Random123.
  it.each([
    [
      [0, 0, 0, 0],
      [0, 0],
      [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8],
    ],
    [Array(4).fill(0xffffffff), Array(2).fill(0xffffffff), [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]],
    [
      [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
      [0xa4093822, 0x299f31d0],
      [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
    ],
  ])('philox of %j', (counter, key, expected) => {
    expect(philox(counter, key)).toEqual(expected);
  });

  // Tabulated percentage points of the normal distribution.
  it.each([
    [0.025, 1.959963984540054],
    [0.25, 0.6744897501960817],
    [0.45, 0.12566134685507416],
    [0.099, 1.287270563107941],
    [1e-3, 3.090232306167813],
    [1e-10, 6.361340902404056],
    [1e-20, 9.262340089798409],
  ])('normal quantile of %d', (tail, expected) => {
    expect(Math.abs(normalMagnitude(tail, 0.5 - tail) / expected - 1)).toBeLessThan(1e-14);
  });

  it.each(rows.map((row, k) => [`${row.primitive} (${k})`, row] as const))(
    '%s has values of its own dtype',
    (_, row) => {
      for (const one of row.cases) {
        const dtype = row.dtypes.find((candidate) => !one.dtypes || one.dtypes.includes(candidate));
        const operands = drawOperands(one.operands, dtype ?? 'float64', row.domain, new Random(seedOf(one.label)));
        for (const { shape, values, scale } of row.reference(operands, one.params)) {
          expect(values.length, one.label).toBe(shape.reduce((size, dim) => size * dim, 1));
          if (scale) expect(scale.length, one.label).toBe(values.length);
        }
        expect(row.flops(one.operands, one.params), one.label).toBeGreaterThanOrEqual(0);
        expect(row.budget(operands, one.params, dtype ?? 'float64'), one.label).toBeGreaterThanOrEqual(0);
      }
    },
  );
});
