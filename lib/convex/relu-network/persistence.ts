/** A trained network in a folder: weights (safetensors) and a manifest (JSON). */

import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tensor } from '../../core/concrete.js';
import type { Device } from '../../core/device.js';
import { DomainError } from '../../core/errors.js';
import type { Tensor } from '../../core/tensor.js';
import { dataArray } from '../../data/data-array.js';
import { readSafetensors, writeSafetensors } from '../../data/safetensors.js';
import type { NetworkParameters } from './network.js';
import type { BaselineReport, ConvexReport } from './report.js';
import type { Task } from './targets.js';

const MANIFEST = 'model.json';
const WEIGHTS = 'weights.safetensors';
const VERSION = 2;

export interface Stored {
  readonly parameters: NetworkParameters;
  readonly task: Task;
  readonly bias: boolean;
  readonly classes: readonly number[];
  readonly report: ConvexReport | BaselineReport;
}

interface Manifest extends Omit<Stored, 'parameters'> {
  readonly format: 'cotangent/relu-network';
  readonly version: typeof VERSION;
}

/** The folder is made when missing. */
export async function saveNetwork(folder: string, { parameters, ...rest }: Stored): Promise<void> {
  await mkdir(folder, { recursive: true });
  const entries = Object.entries(parameters).map(
    async ([name, value]) => [name, dataArray(await value.data(), value.shape)] as const,
  );
  await writeSafetensors(join(folder, WEIGHTS), Object.fromEntries(await Promise.all(entries)));
  const manifest: Manifest = { format: 'cotangent/relu-network', version: VERSION, ...rest };
  // Complete or not there: the manifest appears last, under its name at once.
  const path = join(folder, MANIFEST);
  await writeFile(`${path}.part`, `${JSON.stringify(manifest, null, 2)}\n`);
  await rename(`${path}.part`, path);
}

/** @throws {DomainError} the folder holds no complete model of this kind. */
export async function loadNetwork(folder: string, device: Device): Promise<Stored> {
  const op = 'ReluNetwork.load';
  const path = join(folder, MANIFEST);
  let manifest: Manifest;
  try {
    manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  } catch (cause) {
    throw new DomainError(op, `Expected a model manifest at ${path}, received: ${(cause as Error).message}`, {
      cause,
    });
  }
  const { format, version, ...rest } = manifest;
  if (format !== 'cotangent/relu-network' || version !== VERSION) {
    throw new DomainError(op, `Expected a relu-network model of version ${VERSION}, received ${format} ${version}`);
  }
  const { tensors } = await readSafetensors(join(folder, WEIGHTS));
  const read = (name: string): Tensor => {
    const array = tensors.get(name);
    if (array?.shape.length !== 2) {
      throw new DomainError(op, `Expected a matrix '${name}' in ${WEIGHTS}, received ${array?.shape ?? 'none'}`);
    }
    return tensor(array.data, { shape: array.shape, device });
  };
  const parameters = {
    hidden: read('hidden'),
    output: read('output'),
    ...(tensors.has('gates') && { gates: read('gates') }),
  };
  return { parameters, ...rest };
}
