/** Comparing a result with its reference, within the budget of its row. */
import type { Tensor } from '../../lib/index.js';
import { type Expected, epsilonOf, represent, smallestOf } from '../cases/index.js';

/**
 * The first element that is off, or undefined. Allowed: `budget` epsilons of the element's scale, and as many of the smallest
 * positive numbers, for results that underflow gradually. Infinities and NaN must agree.
 */
export function firstDifference(
  received: Pick<Tensor, 'dtype' | 'shape' | 'dataSync'>,
  expected: Expected,
  budget: number,
): string | undefined {
  if (received.dtype !== expected.dtype) return `dtype ${received.dtype} instead of ${expected.dtype}`;
  if (received.shape.join() !== expected.shape.join())
    return `shape [${received.shape}] instead of [${expected.shape}]`;
  const values = received.dataSync();
  const [epsilon, smallest] = [epsilonOf(expected.dtype), smallestOf(expected.dtype)];
  for (let k = 0; k < values.length; k++) {
    const got = values[k] as number;
    const want = represent(expected.dtype, expected.values[k] as number);
    if (Object.is(got, want) || got === want || (Number.isNaN(got) && Number.isNaN(want))) continue;
    const scale = expected.scale ? (expected.scale[k] as number) : Math.abs(want);
    // Rounding the reference to the dtype costs half a unit itself.
    const error = Math.abs(got - (expected.values[k] as number));
    if (error <= budget * (epsilon * scale + smallest)) continue;
    const units = error / (epsilon * scale);
    return `element ${k} is ${got} instead of ${want}, off by ${units.toPrecision(3)} units where ${budget.toPrecision(3)} are allowed`;
  }
  return undefined;
}
