/** Sums of products over named axes. */
import { ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { commonDType } from '../tracing.js';
import { MAX_RANK } from '../types.js';
import { mul } from './elementwise.js';
import { sum } from './reductions.js';

/** A tensor whose axes have names (one letter each, distinct). */
interface Named {
  readonly value: Tensor;
  readonly axes: readonly string[];
}

interface Parsed {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

function parse(equation: string, count: number): Parsed {
  const fail = (expected: string, received: string, hint?: string): never => {
    throw new ShapeError('einsum', `Expected ${expected}, received ${received}`, hint === undefined ? {} : { hint });
  };
  const text = equation.replaceAll(' ', '');
  if (!/^[A-Za-z]*(,[A-Za-z]*)*(->[A-Za-z]*)?$/.test(text))
    fail('letters for axes, commas between operands and at most one ->', `'${equation}'`, "for example 'ij,jk->ik'");
  const [left, right] = text.split('->') as [string, string | undefined];
  const operands = left.split(',').map((letters) => [...letters]);
  if (operands.length !== count) fail(`as many operands as '${equation}' names (${operands.length})`, String(count));
  const all = operands.flat();
  // NumPy's default: the letters that occur once, in alphabetical order.
  const once = (): string[] => [...new Set(all)].filter((x) => all.indexOf(x) === all.lastIndexOf(x)).sort();
  const result = right === undefined ? once() : [...right];
  if (new Set(result).size !== result.length) fail('each letter at most once in the result', `'${equation}'`);
  const unknown = result.find((letter) => !all.includes(letter));
  if (unknown !== undefined) fail('letters of the operands in the result', `'${unknown}' in '${equation}'`);
  return { operands, result };
}

/** Length of each named axis. */
function measure(equation: string, operands: readonly (readonly string[])[], tensors: readonly Tensor[]) {
  const sizes = new Map<string, number>();
  operands.forEach((axes, k) => {
    const { type, shape } = tensors[k] as Tensor;
    if (axes.length !== shape.length)
      throw new ShapeError(
        'einsum',
        `Expected ${axes.length} axes for operand ${k} of '${equation}', received ${type}`,
      );
    axes.forEach((letter, axis) => {
      const dim = shape[axis] as number;
      const known = sizes.get(letter) ?? dim;
      if (known !== dim) {
        throw new ShapeError(
          'einsum',
          `Expected equal lengths for '${letter}' of '${equation}', received ${known} and ${dim}`,
        );
      }
      sizes.set(letter, dim);
    });
  });
  return sizes;
}

/** Axes that a letter repeats become one: their diagonal, by a gather over the positions i (1 + n). */
function withoutRepeats({ value, axes }: Named): Named {
  const letter = axes.find((x, k) => axes.indexOf(x) !== k);
  if (letter === undefined) return { value, axes };
  const [first, second] = [axes.indexOf(letter), axes.lastIndexOf(letter)];
  const rest = [...axes.keys()].filter((k) => k !== first && k !== second);
  const n = value.shape[first] as number;
  const shape = rest.map((k) => value.shape[k] as number);
  const lined = lax.reshape(lax.transpose(value, [first, second, ...rest]), [n * n, ...shape]);
  const kept = rest.map((k) => axes[k] as string);
  // Every (n + 1)-th of n² elements.
  const diagonal = lax.slice(lined, [0, ...shape.map(() => 0)], [n * n, ...shape], [n + 1, ...shape.map(() => 1)]);
  return withoutRepeats({ value: diagonal, axes: [letter, ...kept] });
}

/** Sums over the axes that neither `needed` nor the result has. */
function reduceTo({ value, axes }: Named, needed: ReadonlySet<string>): Named {
  const gone = [...axes.keys()].filter((k) => !needed.has(axes[k] as string));
  if (gone.length === 0) return { value, axes };
  return { value: sum(value, gone), axes: axes.filter((x) => needed.has(x)) };
}

const arranged = ({ value, axes }: Named, order: readonly string[]): Tensor =>
  lax.transpose(
    value,
    order.map((letter) => axes.indexOf(letter)),
  );

/**
 * Two operands into one that keeps the axes `needed`: shared kept axes are the batch, shared others are summed, the rest are rows and
 * columns of one matrix product.
 */
function contract(a: Named, b: Named, needed: ReadonlySet<string>): Named {
  const size = new Map<string, number>();
  for (const { value, axes } of [a, b]) axes.forEach((letter, k) => size.set(letter, value.shape[k] as number));
  const product = (letters: readonly string[]): number => letters.reduce((all, x) => all * (size.get(x) as number), 1);
  const dims = (letters: readonly string[]): number[] => letters.map((x) => size.get(x) as number);
  const [left, right] = [reduceTo(a, new Set([...needed, ...b.axes])), reduceTo(b, new Set([...needed, ...a.axes]))];
  const shared = left.axes.filter((x) => right.axes.includes(x));
  const batch = shared.filter((x) => needed.has(x));
  const inner = shared.filter((x) => !needed.has(x));
  const rows = left.axes.filter((x) => !shared.includes(x));
  const columns = right.axes.filter((x) => !shared.includes(x));
  const axes = [...batch, ...rows, ...columns];
  if (inner.length === 0 && (rows.length === 0 || columns.length === 0)) {
    // Nothing is summed and one of them has all axes: elementwise, without a product of thin matrices.
    const stretch = (x: Named): Tensor => {
      const order = axes.filter((letter) => x.axes.includes(letter));
      return lax.reshape(
        arranged(x, order),
        axes.map((letter) => (x.axes.includes(letter) ? (size.get(letter) as number) : 1)),
      );
    };
    return { value: mul(stretch(left), stretch(right)), axes };
  }
  const result = lax.matmul(
    lax.reshape(arranged(left, [...batch, ...rows, ...inner]), [product(batch), product(rows), product(inner)]),
    lax.reshape(arranged(right, [...batch, ...inner, ...columns]), [product(batch), product(inner), product(columns)]),
  );
  return { value: lax.reshape(result, dims(axes)), axes };
}

/** The letters that `others` and the result still need. */
function neededBy(others: readonly Named[], result: readonly string[]): Set<string> {
  return new Set([...result, ...others.flatMap(({ axes }) => axes)]);
}

/** Multiplications of a contraction, and elements of its result. */
function price(a: Named, b: Named, needed: ReadonlySet<string>, sizes: ReadonlyMap<string, number>) {
  const letters = new Set([...a.axes, ...b.axes]);
  let [work, size] = [1, 1];
  for (const letter of letters) {
    const dim = sizes.get(letter) as number;
    work *= dim;
    if (needed.has(letter)) size *= dim;
  }
  return { work, growth: size - a.value.size - b.value.size, rank: [...letters].filter((x) => needed.has(x)).length };
}

/**
 * Sum of products in Einstein's notation: `einsum('ij,jk->ik', a, b)` is the matrix product. Each operand's axes are named by letters; an
 * axis whose letter is not in the result is summed over; a letter repeated within an operand takes its diagonal. Without `->` the
 * result has the letters that occur once, in alphabetical order.
 *
 * Pairs of operands are contracted by matrix products, the cheapest pair first (greedily: fewest multiplications, then the smallest
 * result), which need not be the best order over all.
 * @param equation  letters, commas, at most one `->`; spaces are ignored. There is no ellipsis: use a letter for each axis.
 * @throws {ShapeError} the equation is malformed, names another number of operands or axes, or lengths disagree.
 *   {DTypeError} not one float dtype.
 * @see D. G. A. Smith, J. Gray, opt_einsum, Journal of Open Source Software 2018 (greedy order).
 * @example  einsum('bij,bjk->bik', a, b);  einsum('ii', a);  einsum('i,j->ij', x, y);
 */
export function einsum(equation: string, ...tensors: readonly Tensor[]): Tensor {
  const { operands, result } = parse(equation, tensors.length);
  commonDType('einsum', [...tensors]);
  const sizes = measure(equation, operands, tensors);
  if (result.length > MAX_RANK)
    throw new ShapeError('einsum', `Expected at most ${MAX_RANK} axes in the result, received ${result.length}`);
  let rest: Named[] = tensors.map((value, k) => withoutRepeats({ value, axes: operands[k] as readonly string[] }));
  while (rest.length > 1) {
    let best: { pair: [Named, Named]; others: Named[]; work: number; growth: number } | undefined;
    for (const [k, a] of rest.entries()) {
      for (const b of rest.slice(k + 1)) {
        const others = rest.filter((x) => x !== a && x !== b);
        const { work, growth, rank } = price(a, b, neededBy(others, result), sizes);
        const cheaper = !best || work < best.work || (work === best.work && growth < best.growth);
        if (rank <= MAX_RANK && cheaper) best = { pair: [a, b], others, work, growth };
      }
    }
    if (!best)
      throw new ShapeError('einsum', `Expected products of at most ${MAX_RANK} axes, received more in '${equation}'`);
    rest = [...best.others, contract(...best.pair, neededBy(best.others, result))];
  }
  return arranged(reduceTo(rest[0] as Named, new Set(result)), result);
}
