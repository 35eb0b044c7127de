/** Tensors as text that a person can read. */
import type { TypedArray } from './dtype.js';
import type { TensorType } from './types.js';

const EDGE = 3;
const FULL = 1000;

function number(value: number, dtype: string): string {
  if (dtype === 'bool') return value ? 'true' : 'false';
  if (dtype === 'int32' || dtype === 'uint32' || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (value === 0) return '0';
  return size >= 1e5 || size < 1e-4 ? value.toExponential(4) : String(Number(value.toPrecision(6)));
}

/** Rows of aligned numbers, the middle of long axes left out. */
export function formatTensor(type: TensorType, data: TypedArray): string {
  const short = type.size > FULL;
  const kept = (dim: number): (number | undefined)[] =>
    short && dim > 2 * EDGE
      ? [...Array(EDGE).keys(), undefined, ...Array.from({ length: EDGE }, (_, k) => dim - EDGE + k)]
      : [...Array(dim).keys()];
  const texts: string[] = [];
  const collect = (axis: number, at: number, stride: number): void => {
    if (axis === type.rank) {
      texts.push(number(data[at] as number, type.dtype));
      return;
    }
    const dim = type.shape[axis] as number;
    for (const k of kept(dim)) if (k !== undefined) collect(axis + 1, at + (k * stride) / dim, stride / dim);
  };
  collect(0, 0, type.size);
  const width = type.rank === 0 ? 0 : Math.max(0, ...texts.map((text) => text.length));
  let next = 0;
  const build = (axis: number): string => {
    if (axis === type.rank) return (texts[next++] as string).padStart(width);
    const parts = kept(type.shape[axis] as number).map((k) => (k === undefined ? '...' : build(axis + 1)));
    const inner = axis === type.rank - 1 ? ', ' : `,${'\n'.repeat(type.rank - 1 - axis)}${' '.repeat(axis + 1)}`;
    return `[${parts.join(inner)}]`;
  };
  return `${build(0)}  ${type}`;
}
