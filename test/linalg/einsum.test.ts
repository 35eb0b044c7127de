import { describe, expect, it } from 'vitest';
import {
  diag,
  diagonal,
  einsum,
  jit,
  kron,
  ShapeError,
  type Tensor,
  tensor,
  tensordot,
  trace,
  zeros,
} from '../../lib/index.js';
import { expectClose, expectDerivatives, float64, normal } from './checks.js';

/** The definition: a loop over all values of all letters. */
function byDefinition(equation: string, tensors: readonly Tensor[]): number[] {
  const [left, right] = equation.split('->') as [string, string];
  const operands = left.split(',').map((part) => [...part]);
  const sizes = new Map<string, number>();
  operands.forEach((axes, k) => axes.forEach((letter, axis) => sizes.set(letter, tensors[k]?.shape[axis] as number)));
  const letters = [...sizes.keys()];
  const offset = (axes: readonly string[], at: ReadonlyMap<string, number>): number =>
    axes.reduce((position, letter) => position * (sizes.get(letter) as number) + (at.get(letter) as number), 0);
  const data = tensors.map((x) => x.dataSync());
  const size = [...right].reduce((total, letter) => total * (sizes.get(letter) as number), 1);
  const result = new Array<number>(size).fill(0);
  const at = new Map<string, number>();
  const walk = (k: number): void => {
    const letter = letters[k];
    if (letter === undefined) {
      const product = operands.reduce((total, axes, which) => total * (data[which]?.[offset(axes, at)] as number), 1);
      const position = offset([...right], at);
      result[position] = (result[position] as number) + product;
      return;
    }
    for (let value = 0; value < (sizes.get(letter) as number); value++) {
      at.set(letter, value);
      walk(k + 1);
    }
  };
  walk(0);
  return result;
}

const lengths: Readonly<Record<string, number>> = { a: 2, b: 3, c: 4, d: 2, i: 3, j: 4, k: 5, l: 2, z: 0 };
const operandsOf = (equation: string): Tensor[] =>
  (equation.split('->')[0] as string).split(',').map((part, k) =>
    normal(
      k + 1,
      [...part].map((letter) => lengths[letter] as number),
    ),
  );

describe('einsum', () => {
  it.each([
    'ij,jk->ik',
    'ij,kj->ki',
    'ij->ji',
    'ij->',
    'ij->i',
    'ii->',
    'ii->i',
    'iij->ji',
    'iii->i',
    'iji->j',
    'i,i->',
    'i,j->ij',
    'i,j->ji',
    'ij,ij->ij',
    'ij,ij->',
    'ij,i->ij',
    'bij,bjk->bik',
    'bij,jk->bik',
    'abij,abjk->abik',
    'bij,bkj->ikb',
    'ij,jk,kl->il',
    'ij,jk,kl,l->i',
    'i,ij,j->',
    'ik,jk,lk->ijl',
    'ab,cd->dbca',
    'ab,bc->c',
    ',ij->ij',
    ',->',
    'iz,zj->ij',
    'zi,zj->zij',
    'ii,ij->j',
    'abcd,cdij->abij',
  ])('%s', (equation) => {
    const operands = operandsOf(equation);
    const expected = byDefinition(equation, operands);
    const eager = einsum(equation, ...operands);
    expect(eager.shape).toEqual([...(equation.split('->')[1] as string)].map((letter) => lengths[letter]));
    expectClose(eager, expected, 1e-13);
    expectClose(jit((...xs: Tensor[]) => einsum(equation, ...xs))(...operands), expected, 1e-13);
  });

  it('sums over repeated letters when there is no arrow, and ignores spaces', () => {
    const [a, b] = [normal(1, [3, 4]), normal(2, [4, 5])];
    expectClose(einsum('kj, ji', a, b), einsum('kj,ji->ik', a, b), 0);
    expectClose(einsum('ii', normal(3, [3, 3])), trace(normal(3, [3, 3])), 0);
  });

  it('contracts a chain in the cheap order', () => {
    // Left to right this would make a 300 x 300 matrix times another: 27 million multiplications, and 90,000 elements.
    const [a, b, c] = [normal(4, [300, 1]), normal(5, [1, 300]), normal(6, [300, 1])];
    expectClose(einsum('ij,jk,kl->il', a, b, c), byDefinition('ij,jk,kl->il', [a, b, c]), 1e-11);
  });

  it.each(['ij,jk->ik', 'bij,bjk->kb', 'ii->i', 'iji->j', 'i,ij,j->'])('differentiates %s', (equation) => {
    const operands = operandsOf(equation);
    operands.forEach((operand, which) => {
      expectDerivatives((x) => einsum(equation, ...operands.map((y, k) => (k === which ? x : y))), operand);
    });
  });

  it.each([
    ['i->ii', [zeros([2])]],
    ['i->j', [zeros([2])]],
    ['i,j->ij', [zeros([2])]],
    ['ij->i', [zeros([2])]],
    ['ij,jk->ik', [zeros([2, 3]), zeros([4, 2])]],
    ['i...->i', [zeros([2, 2])]],
    ['i->i->i', [zeros([2])]],
  ])('refuses %s', (equation, operands) => {
    expect(() => einsum(equation, ...operands)).toThrow(ShapeError);
  });
});

describe('tensordot, kron, diagonals', () => {
  it('tensordot is einsum', () => {
    const [a, b] = [normal(7, [2, 3, 4]), normal(8, [4, 3, 5])];
    expectClose(tensordot(a, b, 1), einsum('abc,cde->abde', a, normal(8, [4, 3, 5])), 1e-13);
    expectClose(
      tensordot(a, b, [
        [1, 2],
        [1, 0],
      ]),
      einsum('abc,cbe->ae', a, b),
      1e-13,
    );
    expectClose(tensordot(a, b, [[-1], [0]]), tensordot(a, b, 1), 0);
    expectClose(tensordot(normal(9, [3]), normal(10, [2]), 0), einsum('a,b->ab', normal(9, [3]), normal(10, [2])), 0);
    expect(() => tensordot(a, b)).toThrow(ShapeError);
    expect(() => tensordot(a, b, 4)).toThrow(ShapeError);
    expect(() =>
      tensordot(a, b, [
        [1, 1],
        [1, 1],
      ]),
    ).toThrow(ShapeError);
  });

  it('kron has blocks a_ij b', () => {
    const a = tensor(Float64Array.of(1, 2, 3, 4), { shape: [2, 2] });
    const b = tensor(Float64Array.of(0, 5, 6), { shape: [1, 3] });
    expectClose(kron(a, b), [0, 5, 6, 0, 10, 12, 0, 15, 18, 0, 20, 24], 0);
    expect(() => kron(a, zeros([2], float64))).toThrow(ShapeError);
  });

  it.each([[[3, 3]], [[2, 4]], [[4, 2]], [[2, 3, 3]], [[0, 3]], [[1, 1]]])('diagonal and trace of [%s]', (shape) => {
    const x = normal(11, shape);
    const [m, n] = shape.slice(-2) as [number, number];
    const [count, k] = [x.size === 0 ? 1 : x.size / (m * n), Math.min(m, n)];
    const data = x.dataSync();
    const expected = Array.from({ length: count * k }, (_, at) => {
      const [which, i] = [Math.floor(at / k), at % k];
      return data[which * m * n + i * n + i] as number;
    });
    expectClose(diagonal(x), expected, 0);
    const sums = Array.from({ length: count }, (_, at) =>
      expected.slice(at * k, at * k + k).reduce((a, b) => a + b, 0),
    );
    expectClose(trace(x), sums, 1e-14);
    if (x.size > 0) expectDerivatives(diagonal, x);
  });

  it('diag undoes diagonal', () => {
    const x = normal(12, [2, 4]);
    expectClose(diagonal(diag(x)), x, 0);
    expectClose(trace(diag(x)), x.sum(-1), 1e-14);
    expect(() => diag(zeros([]))).toThrow(ShapeError);
    expect(() => trace(zeros([3]))).toThrow(ShapeError);
  });
});
