/** Running means of metrics over the batches of an epoch, weighted by rows. */

import { isFloat } from '../../core/dtype.js';
import { NumericalError, ShapeError } from '../../core/errors.js';
import { Tensor } from '../../core/tensor.js';
import { treeLeaves } from '../../core/tree.js';

export type Values = Record<string, number>;

/** What a checkpoint stores of it. */
export interface MeanState {
  readonly sums: Values;
  readonly weight: number;
}

export class Means {
  private readonly sums: Values;
  private weight: number;

  constructor(state: MeanState = { sums: {}, weight: 0 }) {
    this.sums = { ...state.sums };
    this.weight = state.weight;
  }

  add(values: Readonly<Values>, rows: number): void {
    for (const [name, value] of Object.entries(values)) this.sums[name] = (this.sums[name] ?? 0) + value * rows;
    this.weight += rows;
  }

  get isEmpty(): boolean {
    return this.weight === 0;
  }

  means(): Values {
    return Object.fromEntries(Object.entries(this.sums).map(([name, sum]) => [name, sum / this.weight]));
  }

  state(): MeanState {
    return { sums: { ...this.sums }, weight: this.weight };
  }
}

/** Rows of a batch: the length of its first leaf that has one, else 1. */
export function rowsOf(batch: unknown): number {
  return treeLeaves(batch).find((leaf) => leaf.rank > 0)?.shape[0] ?? 1;
}

/** @throws {ShapeError} a metric that is not a float scalar. */
export function checkMetrics(op: string, metrics: Readonly<Record<string, unknown>>): Record<string, Tensor> {
  for (const [name, value] of Object.entries(metrics)) {
    if (value instanceof Tensor && value.rank === 0 && isFloat(value.dtype)) continue;
    throw new ShapeError(
      op,
      `Expected metric '${name}' to be a float scalar, received ${value instanceof Tensor ? value.type : typeof value}`,
      {
        hint: "reduce it with mean(), and cast counts: x.cast('float32').mean()",
      },
    );
  }
  return metrics as Record<string, Tensor>;
}

/** The numbers behind scalars, which are disposed. @throws {NumericalError} `loss` is among them and not finite. */
export async function readMetrics(
  op: string,
  metrics: Readonly<Record<string, Tensor>>,
  place: string,
): Promise<Values> {
  const entries = await Promise.all(
    Object.entries(metrics).map(async ([name, value]) => [name, await value.item()] as const),
  );
  for (const value of Object.values(metrics)) value.dispose();
  const values = Object.fromEntries(entries);
  if (values.loss !== undefined && !Number.isFinite(values.loss)) {
    throw new NumericalError(op, `Expected a finite loss, received ${values.loss} at ${place}`, {
      hint: 'lower the learning rate, or clip gradients with clipByGlobalNorm()',
      details: { loss: values.loss },
    });
  }
  return values;
}
