/** Data at the door: what `fit` accepts, checked, and in the form that the solvers use. */
import { beside, ConcreteTensor, scope, tensor } from '../../core/concrete.js';
import type { Device } from '../../core/device.js';
import { isFloat } from '../../core/dtype.js';
import { DomainError, DTypeError, ShapeError } from '../../core/errors.js';
import { concatenate, ones } from '../../core/ops/arrays.js';
import { cast, isFinite } from '../../core/ops/elementwise.js';
import { all } from '../../core/ops/reductions.js';
import { type NestedArray, Tensor } from '../../core/tensor.js';

/** Numbers as a tensor, or as nested arrays. */
export type Matrix = Tensor | NestedArray;

export type Task = 'regression' | 'classification';

/**
 * Data [n, d] as a float tensor on a device.
 * @throws {ShapeError} not a matrix with rows and columns.  {DTypeError} not float.  {DomainError} NaN or infinity, with its place.
 */
export async function checkData(
  op: string,
  name: string,
  data: Matrix,
  device: Device,
  dtype?: 'float32' | 'float64',
): Promise<Tensor> {
  const given = data instanceof Tensor ? data : tensor(data, { device, ...(dtype && { dtype }) });
  if (!(given instanceof ConcreteTensor))
    throw new DTypeError(op, `Expected ${name} to be concrete, received a traced tensor`);
  if (!isFloat(given.dtype)) {
    throw new DTypeError(op, `Expected ${name} of dtype float32 or float64, received ${given.dtype}`, {
      hint: 'cast it first',
    });
  }
  if (given.rank !== 2 || given.size === 0) {
    throw new ShapeError(op, `Expected ${name} of shape [n, d] with n, d > 0, received ${given.type}`);
  }
  try {
    await checkFinite(op, name, given);
  } catch (error) {
    if (given !== data) given.dispose();
    throw error;
  }
  const here = given.device === device ? given : given.to(device);
  if (!dtype || here.dtype === dtype) return here;
  const converted = cast(here, dtype);
  if (here !== given) here.dispose();
  return converted;
}

async function checkFinite(op: string, name: string, values: Tensor): Promise<void> {
  const finite = scope(() => all(isFinite(values)));
  const ok = await finite.item();
  finite.dispose();
  if (ok) return;
  const data = await values.data();
  const at = data.findIndex((value) => !Number.isFinite(value));
  const columns = values.rank === 2 ? (values.shape[1] as number) : 1;
  const [row, column] = [Math.floor(at / columns), at % columns];
  throw new DomainError(op, `Expected finite ${name}, received ${data[at]} in row ${row}, column ${column}`, {
    hint: 'remove or impute such entries',
    details: { row, column },
  });
}

export interface Targets {
  /** [C, n], in the dtype of x: the values, or −1/+1 one-vs-rest. */
  readonly y: Tensor;
  /** Labels in ascending order for classification. Two classes share one output, negative for the first. */
  readonly classes: readonly number[];
}

/**
 * Targets for n rows.
 * @throws {ShapeError} not n of them.  {DomainError} labels that are not whole numbers, or fewer than two classes.
 */
export async function checkTargets(op: string, targets: Matrix, n: number, task: Task, x: Tensor): Promise<Targets> {
  const given = targets instanceof Tensor ? targets : tensor(targets);
  const columns = given.rank === 2 ? (given.shape[1] as number) : 1;
  const fits = (given.rank === 1 || given.rank === 2) && given.shape[0] === n && columns > 0;
  if (!fits)
    throw new ShapeError(
      op,
      `Expected y with one entry (or row) for each of the ${n} rows of x, received ${given.type}`,
    );
  if (task === 'regression') {
    const values = isFloat(given.dtype) ? given : cast(given, x.dtype);
    await checkFinite(op, 'y', values);
    const data = await values.data();
    const byOutput = Float64Array.from(data, (_, k) => data[(k % n) * columns + Math.floor(k / n)] as number);
    return {
      y: tensor(byOutput, {
        dtype: x.dtype === 'float64' ? 'float64' : 'float32',
        shape: [columns, n],
        device: x.device,
      }),
      classes: [],
    };
  }
  if (columns !== 1) throw new ShapeError(op, `Expected one label for each row, received y of ${given.type}`);
  const labels = await given.data();
  const wrong = labels.findIndex((label) => !Number.isInteger(label));
  if (wrong >= 0) {
    throw new DomainError(op, `Expected whole numbers as labels, received ${labels[wrong]} in row ${wrong}`, {
      hint: "for real-valued targets pass { task: 'regression' }",
      details: { row: wrong },
    });
  }
  const classes = [...new Set(labels)].sort((a, b) => a - b);
  if (classes.length < 2) throw new DomainError(op, `Expected at least two classes, received only label ${classes[0]}`);
  const positive = classes.length === 2 ? classes.slice(1) : classes;
  const signs = positive.flatMap((label) => Array.from(labels, (own) => (own === label ? 1 : -1)));
  const y = tensor(Float64Array.from(signs), { dtype: x.dtype, shape: [positive.length, n], device: x.device });
  return { y, classes };
}

/**
 * Targets [n, C] of a trained network, like its output weights in dtype and device: values, or −1/+1 for its classes.
 * @throws as `checkTargets`; {DomainError} a label that was not there in training.
 */
export async function targetsOf(
  op: string,
  targets: Matrix,
  n: number,
  like: Tensor,
  classes: readonly number[],
): Promise<Tensor> {
  const { dtype, device } = like;
  const outputs = like.shape[1] as number;
  const given = targets instanceof Tensor ? targets : tensor(targets);
  const columns = given.rank === 2 ? (given.shape[1] as number) : 1;
  const expected = classes.length > 0 ? 1 : outputs;
  if (given.rank > 2 || given.shape[0] !== n || columns !== expected) {
    throw new ShapeError(op, `Expected y with ${expected} for each of the ${n} rows of x, received ${given.type}`);
  }
  const values = await given.data();
  if (given !== targets) given.dispose();
  if (classes.length === 0) return tensor(Float64Array.from(values), { dtype, device, shape: [n, outputs] });
  const unknown = values.findIndex((label) => !classes.includes(label));
  if (unknown >= 0) {
    throw new DomainError(
      op,
      `Expected labels out of ${classes.join(', ')}, received ${values[unknown]} in row ${unknown}`,
      {
        details: { row: unknown },
      },
    );
  }
  const positive = classes.length === 2 ? classes.slice(1) : classes;
  const signs = Array.from(values).flatMap((label) => positive.map((own) => (own === label ? 1 : -1)));
  return tensor(Float64Array.from(signs), { dtype, device, shape: [n, outputs] });
}

/** x with a column of ones. */
export function withBias(x: Tensor): Tensor {
  return concatenate([x, beside(x, () => ones([x.shape[0] as number, 1], { dtype: x.dtype }))], 1);
}
