/** The network itself: parameters, forward pass, and how it comes out of a solution of a convex program. */

import { tensor } from '../../core/concrete.js';
import type { Device } from '../../core/device.js';
import { greaterEqual, mul, relu, where } from '../../core/ops/elementwise.js';
import { matmul } from '../../core/ops/linalg.js';
import type { Tensor } from '../../core/tensor.js';

/**
 * hidden [d, m] (column j is u_j), output [m, C] (row j is a_j). With gates g_j [d, m] the network is a gated one: its neurons are
 * 1[xᵀg_j ≥ 0] xᵀu_j instead of (xᵀu_j)₊.
 */
export type NetworkParameters = { hidden: Tensor; output: Tensor; gates?: Tensor };

/** f(x) = (X U)₊ A, [n, C], or with 1[X G ≥ 0] ∘ X U for the rectified product. */
export function forward({ hidden, output, gates }: NetworkParameters, x: Tensor): Tensor {
  const linear = matmul(x, hidden);
  return matmul(gates ? where(greaterEqual(matmul(x, gates), 0), linear, 0) : relu(linear), output);
}

/** One neuron of a network with C outputs. */
interface Neuron {
  readonly hidden: Float64Array;
  readonly output: Float64Array;
  readonly gate?: Float64Array | undefined;
}

/** A network without neurons is kept as one neuron of weight zero. */
function networkOf(
  neurons: readonly Neuron[],
  d: number,
  outputs: number,
  dtype: Tensor['dtype'],
  device: Device,
): NetworkParameters {
  const width = Math.max(1, neurons.length);
  const columns = (part: (neuron: Neuron) => Float64Array | undefined): Tensor => {
    const values = new Float64Array(d * width);
    neurons.forEach((neuron, j) => {
      part(neuron)?.forEach((value, k) => {
        values[k * width + j] = value;
      });
    });
    return tensor(values, { dtype, device, shape: [d, width] });
  };
  const output = new Float64Array(width * outputs);
  neurons.forEach((neuron, j) => {
    output.set(neuron.output, j * outputs);
  });
  return {
    hidden: columns((neuron) => neuron.hidden),
    output: tensor(output, { dtype, device, shape: [width, outputs] }),
    ...(neurons.some((neuron) => neuron.gate) && { gates: columns((neuron) => neuron.gate) }),
  };
}

/** The neuron (w/√‖w‖, ±√‖w‖) of a block of weights, which costs (β/2)(‖u‖² + a²) = β‖w‖. */
function neuronOf(weights: Float64Array, sign: number, output: number, outputs: number): Neuron | undefined {
  const root = Math.sqrt(Math.hypot(...weights));
  if (root === 0) return undefined;
  const a = new Float64Array(outputs);
  a[output] = sign * root;
  return { hidden: weights.map((w) => w / root), output: a };
}

const isPresent = <T>(value: T | undefined): value is T => value !== undefined;

/** The network of the blocks v_i (positive) and w_i (negative), [2, C, P, d]. */
export async function networkOfBlocks(v: Tensor, dtype: Tensor['dtype']): Promise<NetworkParameters> {
  const [, classes, patterns, d] = v.shape as [number, number, number, number];
  const blocks = await v.data();
  const neurons = Array.from({ length: 2 * classes * patterns }, (_, block) => {
    const weights = Float64Array.from(blocks.subarray(block * d, (block + 1) * d));
    const sign = block < classes * patterns ? 1 : -1;
    return neuronOf(weights, sign, Math.floor(block / patterns) % classes, classes);
  });
  return networkOf(neurons.filter(isPresent), d, classes, dtype, v.device);
}

/** The gated network of blocks v_i [C, P, d] with gates [P, d]. */
export async function gatedNetwork(v: Tensor, gates: Tensor, dtype: Tensor['dtype']): Promise<NetworkParameters> {
  const [classes, patterns, d] = v.shape as [number, number, number];
  const [blocks, directions] = await Promise.all([v.data(), gates.data()]);
  const gate = (i: number): Float64Array => Float64Array.from(directions.subarray(i * d, (i + 1) * d));
  const neurons = Array.from({ length: classes * patterns }, (_, block) => {
    const weights = Float64Array.from(blocks.subarray(block * d, (block + 1) * d));
    const neuron = neuronOf(weights, 1, Math.floor(block / patterns), classes);
    return neuron && { ...neuron, gate: gate(block % patterns) };
  });
  const network = networkOf(neurons.filter(isPresent), d, classes, dtype, v.device);
  // A network of no neurons is gated, too.
  return network.gates ? network : { ...network, gates: mul(network.hidden, 0) };
}

/** The network of output weights a [N, C] for fixed unit directions [N, d]: neurons (√‖a_j‖ u_j, a_j/√‖a_j‖). */
export async function networkOfDirections(
  a: Tensor,
  directions: Tensor,
  dtype: Tensor['dtype'],
): Promise<NetworkParameters> {
  const [count, outputs] = a.shape as [number, number];
  const d = directions.shape[1] as number;
  const [weights, units] = await Promise.all([a.data(), directions.data()]);
  const neurons = Array.from({ length: count }, (_, j): Neuron | undefined => {
    const own = Float64Array.from(weights.subarray(j * outputs, (j + 1) * outputs));
    const root = Math.sqrt(Math.hypot(...own));
    if (root === 0) return undefined;
    const unit = Float64Array.from(units.subarray(j * d, (j + 1) * d));
    return { hidden: unit.map((value) => value * root), output: own.map((value) => value / root) };
  });
  return networkOf(neurons.filter(isPresent), d, outputs, dtype, a.device);
}
