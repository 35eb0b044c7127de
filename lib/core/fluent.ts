/** The operations as methods of Tensor, for reading from left to right: `x.matmul(w).add(b)`. */
import type { DType } from './dtype.js';
import * as arrays from './ops/arrays.js';
import * as cumulative from './ops/cumulative.js';
import * as elementwise from './ops/elementwise.js';
import * as linalg from './ops/linalg.js';
import * as ordering from './ops/ordering.js';
import * as rearrange from './ops/rearrange.js';
import * as reductions from './ops/reductions.js';
import { Tensor } from './tensor.js';
import type { TensorLike } from './tracing.js';
import type { Shape } from './types.js';

declare module './tensor.js' {
  interface Tensor {
    add(other: TensorLike): Tensor;
    sub(other: TensorLike): Tensor;
    mul(other: TensorLike): Tensor;
    div(other: TensorLike): Tensor;
    pow(exponent: TensorLike): Tensor;
    neg(): Tensor;
    abs(): Tensor;
    exp(): Tensor;
    log(): Tensor;
    sqrt(): Tensor;
    square(): Tensor;
    tanh(): Tensor;
    sigmoid(): Tensor;
    softplus(): Tensor;
    relu(): Tensor;
    equal(other: TensorLike): Tensor;
    less(other: TensorLike): Tensor;
    lessEqual(other: TensorLike): Tensor;
    greater(other: TensorLike): Tensor;
    greaterEqual(other: TensorLike): Tensor;
    matmul(other: Tensor, flags?: { readonly transposeA?: boolean; readonly transposeB?: boolean }): Tensor;
    dot(other: Tensor): Tensor;
    sum(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    mean(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    max(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    min(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    prod(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    variance(axes?: reductions.ReductionAxes, options?: reductions.VarianceOptions): Tensor;
    std(axes?: reductions.ReductionAxes, options?: reductions.VarianceOptions): Tensor;
    norm(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    any(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    all(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    logSumExp(axes?: reductions.ReductionAxes, options?: reductions.ReduceOptions): Tensor;
    argMax(axis: number): Tensor;
    argMin(axis: number): Tensor;
    cumSum(axis?: number, options?: cumulative.CumulativeOptions): Tensor;
    cumProd(axis?: number, options?: cumulative.CumulativeOptions): Tensor;
    sort(axis?: number, options?: ordering.SortOptions): Tensor;
    argSort(axis?: number, options?: ordering.SortOptions): Tensor;
    flip(axes?: reductions.ReductionAxes): Tensor;
    reshape(shape: Shape): Tensor;
    transpose(perm?: readonly number[]): Tensor;
    cast(dtype: DType): Tensor;
  }
}

const methods = {
  ...pick(elementwise, [
    'add',
    'sub',
    'mul',
    'div',
    'pow',
    'neg',
    'abs',
    'exp',
    'log',
    'sqrt',
    'square',
    'tanh',
    'sigmoid',
    'softplus',
    'relu',
    'cast',
  ]),
  ...pick(elementwise, ['equal', 'less', 'lessEqual', 'greater', 'greaterEqual']),
  ...pick(linalg, ['matmul', 'dot']),
  ...pick(reductions, ['sum', 'mean', 'max', 'min', 'prod', 'variance', 'std', 'norm', 'any', 'all', 'logSumExp']),
  ...pick(reductions, ['argMax', 'argMin']),
  ...pick(cumulative, ['cumSum', 'cumProd']),
  ...pick(ordering, ['sort', 'argSort']),
  ...pick(rearrange, ['flip']),
  ...pick(arrays, ['reshape', 'transpose']),
};

function pick<M extends object, K extends keyof M>(module: M, names: readonly K[]): Pick<M, K> {
  return Object.fromEntries(names.map((name) => [name, module[name]])) as Pick<M, K>;
}

for (const [name, operation] of Object.entries(methods)) {
  const apply = operation as (...operands: unknown[]) => Tensor;
  Object.defineProperty(Tensor.prototype, name, {
    value(this: Tensor, ...rest: unknown[]) {
      return apply(this, ...rest);
    },
    configurable: true,
    writable: true,
  });
}
