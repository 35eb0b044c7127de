import { describe, expect, it } from 'vitest';
import {
  add,
  cholesky,
  choleskySolve,
  DomainError,
  DTypeError,
  grad,
  hvp,
  implicitDiff,
  jacobian,
  jit,
  jvp,
  matmul,
  mul,
  NumericalError,
  ShapeError,
  sin,
  sum,
  type Tensor,
  tensor,
  vmap,
  whileLoop,
  zeros,
} from '../../lib/index.js';

const f64 = (data: Parameters<typeof tensor>[0]) => tensor(data, { dtype: 'float64' });
const numbers = (t: Tensor) => Array.from(t.dataSync() as Float64Array);
const close = (received: Tensor, expected: readonly number[], tolerance = 1e-10) => {
  const values = numbers(received);
  expect(values.length).toBe(expected.length);
  values.forEach((value, k) => {
    const want = expected[k] as number;
    expect(Math.abs(value - want), `entry ${k}: ${value} against ${want}`).toBeLessThanOrEqual(
      tolerance * Math.max(1, Math.abs(want)),
    );
  });
};

const x0 = f64([
  [1, 2, 0.5],
  [0.3, -1, 1],
  [2, 0.1, -0.4],
  [-1, 1, 0.7],
]);
const y0 = f64([1, -1, 0.5, 2]);

/** Ridge regression by gradient descent, in a loop. */
const descend = (penalty: Tensor): Tensor =>
  whileLoop(
    ({ k }) => k.less(3000),
    ({ w, k }) => ({ w: w.sub(slope(w, penalty).mul(0.1)), k: k.add(1) }),
    { w: zeros([3], { dtype: 'float64' }), k: zeros([], { dtype: 'int32' }) },
  ).w;
const slope = (w: Tensor, penalty: Tensor): Tensor =>
  add(matmul(x0, matmul(x0, w).sub(y0), { transposeA: true }), mul(w, penalty));
/** The same in closed form: what it must agree with. */
const closed = (penalty: Tensor): Tensor => {
  const gram = matmul(x0, x0, { transposeA: true });
  const eye = f64([
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
  ]);
  return choleskySolve(cholesky(gram.add(eye.mul(penalty))), matmul(x0.transpose(), y0));
};

describe('implicitDiff', () => {
  const ways = {
    normalEquations: implicitDiff(descend, { root: slope }),
    conjugateGradient: implicitDiff(descend, { root: slope, linearSolve: 'conjugateGradient' }),
    fixedPoint: implicitDiff(descend, { fixedPoint: (w, penalty) => w.sub(slope(w, penalty).mul(0.1)) }),
    ownSolver: implicitDiff(descend, {
      root: slope,
      // Richardson's iteration, for a matrix with eigenvalues below 20.
      linearSolve: (apply, b) =>
        whileLoop(
          ({ k }) => k.less(3000),
          ({ x, k }) => ({ x: x.add(b.sub(apply(x)).mul(0.1)), k: k.add(1) }),
          { x: b, k: zeros([], { dtype: 'int32' }) },
        ).x,
    }),
  };

  for (const [name, ridge] of Object.entries(ways)) {
    it(`${name}: first and second derivatives in both modes, and batches`, () => {
      const penalty = f64(0.5);
      const score = (of: (p: Tensor) => Tensor) => (p: Tensor) => sin(of(p)).sum();
      close(ridge(penalty), numbers(closed(penalty)));
      close(jvp(ridge, [penalty], [f64(2)])[1], numbers(jvp(closed, [penalty], [f64(2)])[1]));
      close(grad(score(ridge))(penalty), numbers(grad(score(closed))(penalty)));
      close(hvp(score(ridge))(penalty, f64(1)), numbers(hvp(score(closed))(penalty, f64(1))), 1e-9);
      close(jit(grad(grad(score(ridge))))(penalty), numbers(grad(grad(score(closed)))(penalty)), 1e-9);
      const many = f64([0.2, 1, 5]);
      const expected = numbers(vmap(grad(score(closed)))(many));
      close(vmap(grad(score(ridge)))(many), expected);
      close(grad((p: Tensor) => sum(vmap(score(ridge))(p)))(many), expected);
    });
  }

  it('differentiates in values from outside, and through systems that are not symmetric', () => {
    // x = b + M x with a small M: x = (I - M)^-1 b.
    const m = f64([
      [0.1, 0.4],
      [-0.3, 0.2],
    ]);
    const solve = (matrix: Tensor, b: Tensor): Tensor =>
      implicitDiff(
        (right: Tensor) =>
          whileLoop(
            ({ k }) => k.less(200),
            ({ x, k }) => ({ x: add(right, matmul(matrix, x)), k: k.add(1) }),
            { x: right, k: zeros([], { dtype: 'int32' }) },
          ).x,
        { fixedPoint: (x, right) => add(right, matmul(matrix, x)) },
      )(b);
    const inverse = [0.8, 0.4, -0.3, 0.9].map((entry) => entry / (0.9 * 0.8 + 0.3 * 0.4));
    const b = f64([1, -2]);
    close(jacobian((right: Tensor) => solve(m, right))(b), inverse);
    close(jacobian((right: Tensor) => solve(m, right), { mode: 'reverse' })(b), inverse);
    // d sum(x) / dM = (I - M)^-T 1 x^T.
    const x = numbers(solve(m, b));
    const adjoint = [0, 1].map((j) => (inverse[j] as number) + (inverse[2 + j] as number));
    close(
      grad((matrix: Tensor) => sum(solve(matrix, b)))(m),
      adjoint.flatMap((a) => x.map((value) => a * value)),
    );
  });

  it('works on trees', () => {
    // x y = a and x - y = b.
    const root = implicitDiff(
      ({ a, b }: { a: Tensor; b: Tensor }) => {
        const half = b.mul(0.5);
        const x = half.add(half.square().add(a).sqrt());
        return { x, y: x.sub(b) };
      },
      { root: ({ x, y }, { a, b }) => ({ x: mul(x, y).sub(a), y: x.sub(y).sub(b) }) },
    );
    const at = { a: f64(6), b: f64(1) };
    const g = grad((p: typeof at) => root(p).x)(at);
    // x = 3, y = 2: dx = (da + x db) / (x + y).
    close(g.a, [0.2]);
    close(g.b, [0.6]);
  });

  it('fails where the condition does not determine the solution', async () => {
    const singular = implicitDiff((a: Tensor) => a.mul(1), {
      root: (x, a) =>
        x
          .sum()
          .sub(a.sum())
          .mul(f64([1, 1]))
          .add(mul(a, f64([1, -1]))),
      linearSolve: 'conjugateGradient',
    });
    await expect(jvp(singular, [f64([1, 2])], [f64([1, 0])])[1].data()).rejects.toThrow(NumericalError);
    await expect(jvp(singular, [f64([1, 2])], [f64([1, 0])])[1].data()).rejects.toThrow(/linear solve/);
  });

  it('says what is wrong with its arguments', () => {
    const solver = (a: Tensor) => a.mul(1);
    expect(() => implicitDiff(solver, {} as never)).toThrow(DomainError);
    expect(() => implicitDiff(solver, { root: (x) => x, linearSolve: 'lu' as never })).toThrow(/linearSolve/);
    const differentiated = (f: (a: Tensor) => Tensor) => () => grad((a: Tensor) => sum(f(a)))(f64([1, 2]));
    expect(differentiated(implicitDiff(solver, { root: (x) => x.sum() }))).toThrow(ShapeError);
    expect(differentiated(implicitDiff(solver, { root: (x) => [x] }))).toThrow(ShapeError);
    expect(
      differentiated((a) =>
        implicitDiff(() => zeros([2], { dtype: 'int32' }), { root: (x) => x })()
          .cast('float64')
          .mul(a),
      ),
    ).toThrow(DTypeError);
  });
});
