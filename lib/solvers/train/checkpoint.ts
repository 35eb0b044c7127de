/** Checkpoints of a training: safetensors files that appear whole or not at all, with a checksum over their numbers. */
import { createHash } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tensor } from '../../core/concrete.js';
import { CotangentError, DomainError } from '../../core/errors.js';
import type { Tensor } from '../../core/tensor.js';
import type { DataArray } from '../../data/data-array.js';
import { fileFailure } from '../../data/internal/source.js';
import { readSafetensors, writeSafetensors } from '../../data/safetensors.js';

/** What is stored beside the tensors; plain JSON. */
export interface Progressed<N> {
  readonly step: number;
  readonly notes: N;
}

export interface Loaded<N> extends Progressed<N> {
  readonly path: string;
  readonly arrays: readonly DataArray[];
  /** Newer checkpoints that were refused, and why. */
  readonly refused: readonly string[];
}

const FORMAT = 'cotangent/train';
const pattern = /^step-(\d{12})\.safetensors$/;
const fileName = (step: number): string => `step-${String(step).padStart(12, '0')}.safetensors`;
const arrayName = (k: number): string => `leaf-${String(k).padStart(6, '0')}`;

/** SHA-256 over the notes and all numbers in order. */
function checksum(notes: string, arrays: readonly DataArray[]): string {
  const hash = createHash('sha256').update(notes);
  for (const { data } of arrays) hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  return hash.digest('hex');
}

async function stepsIn(op: string, folder: string): Promise<number[]> {
  try {
    const names = await readdir(folder);
    return names.flatMap((name) => (pattern.test(name) ? [Number(pattern.exec(name)?.[1])] : [])).sort((a, b) => b - a);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw fileFailure(op, 'readable', folder, cause);
  }
}

/** Makes the folder. @throws {DomainError} it cannot be made; or, unless `resume`, it holds checkpoints already. */
export async function openFolder(op: string, folder: string, resume: boolean): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
  } catch (cause) {
    throw fileFailure(op, 'writable', folder, cause);
  }
  const found = resume ? [] : await stepsIn(op, folder);
  if (found.length > 0) {
    throw new DomainError(op, `Expected a folder without checkpoints, received ${found.length} of them in ${folder}`, {
      hint: 'choose another folder, or continue with resume: true',
    });
  }
}

/**
 * Writes a checkpoint and removes all but the newest `keep`. The file appears under its name only when it is complete and flushed.
 * @throws {DomainError} it cannot be written.
 */
export async function saveCheckpoint(
  op: string,
  folder: string,
  { step, notes }: Progressed<unknown>,
  leaves: readonly Tensor[],
  keep: number,
): Promise<void> {
  const arrays = await Promise.all(
    leaves.map(async (leaf) => ({ data: await leaf.data(), shape: leaf.shape, dtype: leaf.dtype })),
  );
  const text = JSON.stringify({ step, notes });
  const named = Object.fromEntries(arrays.map((array, k) => [arrayName(k), array]));
  const metadata = { format: FORMAT, version: '1', notes: text, sha256: checksum(text, arrays) };
  await writeSafetensors(join(folder, fileName(step)), named, metadata);
  const old = (await stepsIn(op, folder)).slice(keep);
  await Promise.all(old.map((other) => rm(join(folder, fileName(other)), { force: true })));
}

/**
 * The newest intact checkpoint, or undefined when there is none at all.
 * @throws {DomainError} there are checkpoints, but every one of them is damaged.
 */
export async function loadCheckpoint<N>(op: string, folder: string): Promise<Loaded<N> | undefined> {
  const steps = await stepsIn(op, folder);
  const refused: string[] = [];
  for (const expected of steps) {
    const path = join(folder, fileName(expected));
    try {
      const { tensors, metadata } = await readSafetensors(path);
      const { notes: text = '', sha256 } = metadata;
      const arrays = [...tensors.keys()].sort().map((name) => tensors.get(name) as DataArray);
      if (metadata.format !== FORMAT || metadata.version !== '1' || checksum(text, arrays) !== sha256) {
        throw new DomainError(op, `Expected an intact checkpoint of version 1 at ${path}, received other contents`);
      }
      return { ...(JSON.parse(text) as Progressed<N>), path, arrays, refused };
    } catch (error) {
      // Only what a damaged file gives; a full memory or a bug must not look like one.
      if (!(error instanceof CotangentError) || error.code === 'ERR_OUT_OF_MEMORY') throw error;
      refused.push(`${path}: ${error.message}`);
    }
  }
  if (refused.length === 0) return undefined;
  throw new DomainError(op, `Expected an intact checkpoint in ${folder}, received ${refused.length} damaged ones`, {
    hint: 'remove them to start anew',
    details: { refused },
  });
}

/** The stored arrays as tensors. @throws {DomainError} they are not of the types of `like`. */
export function restoreLeaves(
  op: string,
  path: string,
  arrays: readonly DataArray[],
  like: readonly Tensor[],
): Tensor[] {
  const received = arrays.map(({ dtype, shape }) => `${dtype}[${shape.join(', ')}]`).join(', ');
  const expected = like.map((leaf) => String(leaf.type)).join(', ');
  if (received !== expected) {
    throw new DomainError(op, `Expected a checkpoint of ${expected} at ${path}, received ${received}`, {
      hint: 'it belongs to another model or optimiser',
    });
  }
  return arrays.map(({ data, dtype, shape }) => tensor(data, { dtype, shape }));
}
