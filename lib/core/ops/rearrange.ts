/** Reversing, splitting, repeating and shifting tensors, triangles, and writing at indices. */
import { beside } from '../concrete.js';
import { checkDType } from '../dtype.js';
import { DomainError, ShapeError } from '../errors.js';
import * as lax from '../primitives/lax.js';
import type { Tensor } from '../tensor.js';
import { placed } from '../tracing.js';
import { checkAxes, checkAxis, checkShape, showShape, TensorType } from '../types.js';
import { broadcastTo, type CreationOptions, concatenate, reshape, slice } from './arrays.js';
import { add, mul, where } from './elementwise.js';

/** The elements in reverse along axes (default: all). */
export function flip(x: Tensor, axes?: number | readonly number[]): Tensor {
  return lax.reverse(x, checkAxes('flip', axes, x.rank));
}

/** The part [start, limit) along an axis. */
function part(x: Tensor, axis: number, start: number, limit: number): Tensor {
  return slice(
    x,
    x.shape.map((_, k) => (k === axis ? start : 0)),
    x.shape.map((dim, k) => (k === axis ? limit : dim)),
  );
}

/**
 * Parts of `x` along an axis.
 * @param sections  number of equal parts, or the length of each.
 * @throws {ShapeError} the parts do not add up to the axis.
 */
export function split(x: Tensor, sections: number | readonly number[], axis = 0): Tensor[] {
  const along = checkAxis('split', axis, x.rank);
  const dim = x.shape[along] as number;
  const lengths =
    typeof sections === 'number'
      ? Array.from({ length: sections }, () => dim / sections)
      : checkShape('split', sections);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (lengths.length === 0 || lengths.some((length) => !Number.isInteger(length)) || total !== dim) {
    const wanted =
      typeof sections === 'number' ? `a number of parts that divides ${dim}` : `lengths that add up to ${dim}`;
    const received = typeof sections === 'number' ? String(sections) : showShape(sections);
    throw new ShapeError('split', `Expected ${wanted} for axis ${axis} of ${x.type}, received ${received}`);
  }
  let start = 0;
  return lengths.map((length) => {
    start += length;
    return part(x, along, start - length, start);
  });
}

/** `x` side by side, `counts[k]` times along axis k; counts for fewer axes are those of the last. */
export function tile(x: Tensor, counts: readonly number[]): Tensor {
  checkShape('tile', counts);
  const rank = Math.max(x.rank, counts.length);
  const dims = [...Array<number>(rank - x.rank).fill(1), ...x.shape];
  const times = [...Array<number>(rank - counts.length).fill(1), ...counts];
  // Twice the rank while it is stretched: merged runs of axes that are not repeated keep that within bounds.
  const from: number[] = [];
  const to: number[] = [];
  dims.forEach((dim, k) => {
    const count = times[k] as number;
    if (count !== 1) {
      from.push(1);
      to.push(count);
    }
    if (count === 1 && k > 0 && times[k - 1] === 1) {
      from.push((from.pop() as number) * dim);
      to.push((to.pop() as number) * dim);
    } else {
      from.push(dim);
      to.push(dim);
    }
  });
  const shape = dims.map((dim, k) => dim * (times[k] as number));
  return reshape(broadcastTo(reshape(x, from), to), shape);
}

/** Every element `count` times, one copy behind the other, along an axis. */
export function repeat(x: Tensor, count: number, axis = 0): Tensor {
  const at = checkAxis('repeat', axis, x.rank) + 1;
  checkShape('repeat', [count]);
  const [front, behind] = [x.shape.slice(0, at), x.shape.slice(at)];
  const stretched = broadcastTo(reshape(x, [...front, 1, ...behind]), [...front, count, ...behind]);
  return reshape(stretched, [...front.slice(0, -1), (front.at(-1) as number) * count, ...behind]);
}

/** Elements moved `shift` places forward along an axis; those that leave at the end come back at the start. */
export function roll(x: Tensor, shift: number, axis = 0): Tensor {
  const along = checkAxis('roll', axis, x.rank);
  if (!Number.isInteger(shift)) throw new DomainError('roll', `Expected a whole number of places, received ${shift}`);
  const dim = x.shape[along] as number;
  const cut = dim === 0 ? 0 : ((-shift % dim) + dim) % dim;
  return cut === 0 ? x : concatenate([part(x, along, cut, dim), part(x, along, 0, cut)], along);
}

function triangle(op: string, x: Tensor, keep: (rows: Tensor, columns: Tensor) => Tensor): Tensor {
  if (x.rank < 2) throw new ShapeError(op, `Expected matrices, received ${x.type}`);
  const index = TensorType.of('int32', x.shape.slice(-2));
  const mask = beside(x, () => keep(lax.iota(index, 0), lax.iota(index, 1)));
  return where(mask, x, x.dtype === 'bool' ? false : 0);
}

/** The lower triangles of matrices [.., m, n], zero elsewhere; `diagonal` counts diagonals above the main one. */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return triangle('tril', x, (rows, columns) => lax.greaterEqual(lax.add(rows, diagonal), columns));
}

/** The upper triangles of matrices [.., m, n], zero elsewhere; `diagonal` counts diagonals above the main one. */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return triangle('triu', x, (rows, columns) => lax.lessEqual(lax.add(rows, diagonal), columns));
}

/**
 * `count` numbers from `start` to `stop`, both included, at equal distances; [start] when there is one.
 * @param options.dtype  float32 or float64. Default: 'float32'.
 * @param options.device  Default: the default device.
 */
export function linspace(start: number, stop: number, count: number, options: CreationOptions = {}): Tensor {
  const { dtype = 'float32', device } = options;
  const type = TensorType.of(checkDType('linspace', dtype), checkShape('linspace', [count]));
  const fraction = lax.div(
    placed('linspace', device, () => lax.iota(type, 0)),
    Math.max(1, count - 1),
  );
  return add(mul(lax.sub(1, fraction), start), mul(fraction, count === 1 ? start : stop));
}

/**
 * `base` with `updates` written at `indices` (int32) along `axis`; of equal indices the last wins. Indices outside are dropped.
 * Shapes as in `scatterAdd`. Derivatives reach the updates that stayed.
 */
export function scatterSet(base: Tensor, indices: Tensor, updates: Tensor, axis = 0): Tensor {
  return lax.scatterSet(base, indices, updates, checkAxis('scatterSet', axis, base.rank));
}
