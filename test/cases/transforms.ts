/** Rows of the primitives that exist for the transforms: derivatives given by hand, recomputation, implicit functions. */

import type { Tensor } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { build, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import type { Random } from './random.js';
import { example, floats, type OperandSpec, type Row, range, smooth, usual } from './row.js';

const shapes = [[], [3], [2, 4], [0]];

/** x sin y of two operands of one shape. */
const product = (x: Tensor, y: Tensor): Tensor => x.mul(ct.sin(y));
const productReference = ([x, y]: readonly Values[]): Values[] => [
  { ...(x as Values), values: (x as Values).values.map((a, k) => a * Math.sin((y as Values).values[k] as number)) },
];
const pairs = shapes.map((shape) => example(`[${shape}]`, [shape, shape]));
const pairFlops = ([x]: readonly OperandSpec[]): number => 27 * (x?.shape ?? []).reduce((size, dim) => size * dim, 1);

const byVjp = ct.customVjp(product, {
  forward: (x, y) => [product(x, y), [x, y] as const],
  backward: ([x, y], cotangent) => [cotangent.mul(ct.sin(y)), cotangent.mul(x).mul(ct.cos(y))],
});

const customVjpRow: Row = {
  primitive: 'customVjp',
  dtypes: floats,
  domain: usual,
  cases: pairs,
  apply: ([x, y]) => [byVjp(x as Tensor, y as Tensor)],
  reference: productReference,
  budget: () => 3,
  derivative: smooth([0, 1], [], { forward: false }),
  flops: pairFlops,
};

const byJvp = ct.customJvp(product, ([x, y], [tx, ty]) => [
  product(x, y),
  tx.mul(ct.sin(y)).add(ty.mul(x).mul(ct.cos(y))),
]);

const customJvpRow: Row = {
  ...customVjpRow,
  primitive: 'customJvp',
  apply: ([x, y]) => [byJvp(x as Tensor, y as Tensor)],
  derivative: smooth([0, 1]),
};

const checkpointRow: Row = {
  ...customVjpRow,
  primitive: 'checkpoint',
  // y comes from outside.
  apply: ([x, y]) => [ct.checkpoint((a: Tensor) => product(a, y as Tensor))(x as Tensor)],
  derivative: smooth([0, 1]),
};

/** Newton's method for x^3 + x = a: 60 steps are more than enough from 0 for |a| <= 2. */
const NEWTON_STEPS = 60;
const cubicRoot = (a: Tensor): Tensor => {
  const [x] = ct.whileLoop(
    ([, k]) => ct.less(k as Tensor, NEWTON_STEPS),
    ([now, k]) => {
      const x = now as Tensor;
      const square = x.square();
      return [x.sub(square.mul(x).add(x).sub(a).div(square.mul(3).add(1))), (k as Tensor).add(1)];
    },
    [a.mul(0), 0] as Tensor[],
  );
  return x as Tensor;
};
const cubic = (x: Tensor, a: Tensor): Tensor => x.square().mul(x).add(x).sub(a);

const implicitDiffRow: Row = {
  primitive: 'implicitDiff',
  dtypes: floats,
  domain: range(-2, 2),
  cases: (['normalEquations', 'conjugateGradient'] as const).flatMap((linearSolve) =>
    [[], [1], [4], [2, 2]].map((shape) => example(`[${shape}], ${linearSolve}`, [shape], { params: { linearSolve } })),
  ),
  apply: ([a], { linearSolve }) => [
    ct.implicitDiff(cubicRoot, { root: cubic, linearSolve: linearSolve as 'normalEquations' })(a as Tensor),
  ],
  reference: ([a]) => {
    const values = (a as Values).values.map((target) => {
      let x = 0;
      for (let k = 0; k < NEWTON_STEPS; k++) x -= (x ** 3 + x - target) / (3 * x * x + 1);
      return x;
    });
    return [{ ...(a as Values), values, scale: values.map(() => 1) }];
  },
  // The residual of a point near the root is rounded to some units of |a| <= 2, and divided by a slope of at least 1.
  budget: () => 6,
  derivative: smooth([0]),
  flops: ([a]) => 8 * NEWTON_STEPS * (a?.shape ?? []).reduce((size, dim) => size * dim, 1),
};

/** Diagonally dominant, so that condition numbers are below 3. */
const dominant = (random: Random, [n = 0]: readonly number[]): Float64Array =>
  Float64Array.from({ length: n * n }, (_, k) => (k % (n + 1) === 0 ? 4 : random.uniform(-1, 1) / n));

const system = (n: number, columns: number) =>
  example(`[${n}, ${n}], ${columns} columns`, [{ shape: [n, n], generate: dominant }, [n, columns]]);

const linearSolveRow: Row = {
  primitive: 'linearSolve',
  dtypes: floats,
  domain: usual,
  cases: [system(1, 1), system(3, 1), system(4, 3)],
  apply: ([a, b], params) => {
    const solveBy = (of: (m: Tensor) => Tensor) =>
      ct.program((m: Tensor, right: Tensor) => {
        const matrix = of(m);
        const square = matrix.transpose().matmul(matrix);
        return ct.choleskySolve(ct.cholesky(square), matrix.transpose().matmul(right));
      })(a as Tensor, b as Tensor);
    const apply = ct.program((m: Tensor, v: Tensor) => m.matmul(v))(a as Tensor, b as Tensor);
    const applyTranspose = ct.program((m: Tensor, v: Tensor) => m.transpose().matmul(v))(a as Tensor, b as Tensor);
    const [solve, solveTranspose] = [solveBy((m) => m), solveBy((m) => m.transpose())];
    const programs = { apply, applyTranspose, solve, solveTranspose };
    return applyPrimitive('linearSolve')([a as Tensor, b as Tensor], { ...params, constants: 1, ...programs });
  },
  reference: ([a, b]) => {
    const [matrix, right] = [a as Values, b as Values];
    const [n, columns] = right.shape as [number, number];
    const x = Array.from(right.values);
    const m = Array.from(matrix.values);
    // Gaussian elimination; a dominant diagonal needs no pivots.
    for (let k = 0; k < n; k++) {
      for (let i = 0; i < n; i++) {
        if (i === k) continue;
        const factor = (m[i * n + k] as number) / (m[k * n + k] as number);
        for (let j = 0; j < n; j++) m[i * n + j] = (m[i * n + j] as number) - factor * (m[k * n + j] as number);
        for (let j = 0; j < columns; j++) {
          x[i * columns + j] = (x[i * columns + j] as number) - factor * (x[k * columns + j] as number);
        }
      }
    }
    const solution = build(right.dtype, right.shape, ([i, j]) => {
      const row = i as number;
      return (x[row * columns + (j as number)] as number) / (m[row * n + row] as number);
    });
    return [{ ...solution, scale: solution.values.map(() => 1) }];
  },
  // Cholesky of A^T A with condition below 9, on numbers below 16.
  budget: ([, b]) => 30 * ((b as Values).shape[0] as number),
  derivative: smooth([0, 1], [[1]]),
  flops: ([a, b]) => 4 * (a?.shape[0] ?? 0) ** 2 * ((a?.shape[0] ?? 0) + (b?.shape[1] ?? 0)),
};

export const transformRows: readonly Row[] = [
  customVjpRow,
  customJvpRow,
  checkpointRow,
  implicitDiffRow,
  linearSolveRow,
];
