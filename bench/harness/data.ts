/**
 * The data of a case: generated once, here, from a seed; written as raw little-endian files that both twins read, so that they have the
 * same bits without a generator in each language.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Data, DataSet, HostArray } from './types.js';

/** mulberry32: 32-bit state, uniform in [0, 1) with 32 bits. */
export class Generator {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  uniform(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** Standard normal, by Box and Muller's cosine branch. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A float32 array of the given shape, filled in row-major order. */
  array(shape: readonly number[], next: () => number): Data {
    const values = new Float32Array(shape.reduce((product, dim) => product * dim, 1));
    for (let i = 0; i < values.length; i++) values[i] = next();
    return { values, shape };
  }

  uniforms(shape: readonly number[], low = 0, high = 1): Data {
    return this.array(shape, () => low + (high - low) * this.uniform());
  }

  normals(shape: readonly number[], scale = 1): Data {
    return this.array(shape, () => scale * this.normal());
  }
}

export type FileType = 'float32' | 'float64' | 'int32' | 'uint8';

const arrayTypes = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint8: Uint8Array };

/** How an array travels between processes. */
export interface ArrayFile {
  readonly file: string;
  readonly dtype: FileType;
  readonly shape: readonly number[];
}

export type ArrayFiles = Readonly<Record<string, ArrayFile>>;

function fileType(values: HostArray): FileType {
  if (values instanceof Float32Array) return 'float32';
  if (values instanceof Float64Array) return 'float64';
  return values instanceof Int32Array ? 'int32' : 'uint8';
}

export async function writeArrays(arrays: DataSet, folder: string, prefix: string): Promise<ArrayFiles> {
  const files: Record<string, ArrayFile> = {};
  for (const [name, { values, shape }] of Object.entries(arrays)) {
    const file = join(folder, `${prefix}-${name}.bin`);
    await writeFile(file, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    files[name] = { file, dtype: fileType(values), shape };
  }
  return files;
}

export async function readArrays(files: ArrayFiles): Promise<DataSet> {
  const arrays: Record<string, Data> = {};
  for (const [name, { file, dtype, shape }] of Object.entries(files)) {
    const bytes = await readFile(file);
    // A copy, because a Buffer's offset need not be a multiple of an element's size.
    const { buffer } = Uint8Array.from(bytes);
    arrays[name] = { values: new arrayTypes[dtype](buffer), shape };
  }
  return arrays;
}
