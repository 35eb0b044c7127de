/** A list of floats of unknown length in one typed array that doubles. */
import { allocate } from '../../core/dtype.js';

export class GrowingFloats {
  private values: Float32Array | Float64Array;
  length = 0;

  constructor(private readonly dtype: 'float32' | 'float64') {
    this.values = allocate(dtype, 1024);
  }

  push(value: number): void {
    if (this.length === this.values.length) {
      const wider = allocate(this.dtype, 2 * this.length);
      wider.set(this.values);
      this.values = wider;
    }
    this.values[this.length++] = value;
  }

  /** The values, in memory of exactly their size; the list is empty afterwards. */
  take(): Float32Array | Float64Array {
    const taken = this.values.slice(0, this.length);
    this.length = 0;
    return taken;
  }
}

const decimal = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** A decimal number that is finite in `dtype`, or undefined. */
export function parseDecimal(text: string, dtype: 'float32' | 'float64'): number | undefined {
  if (!decimal.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(dtype === 'float32' ? Math.fround(value) : value) ? value : undefined;
}
