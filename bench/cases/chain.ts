/** 64 chained elementwise operations on 128 floats, 100 calls in flight. Twin: chain.py. */
import { abs, add, jit, maximum, minimum, mul, neg, sub, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const elements = 128;
const rounds = 8;

/** 8 rounds of 8 operations; the twins spell the same. */
export function chained(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  let y = x;
  for (let round = 0; round < rounds; round++) {
    y = mul(y, scale);
    y = add(y, shift);
    y = maximum(y, 0);
    y = sub(y, 0.25);
    y = abs(y);
    y = mul(y, 0.75);
    y = minimum(y, scale);
    y = neg(y);
  }
  return y;
}

export function chainData(seed: number): DataSet {
  const generator = new Generator(seed);
  return {
    x: generator.uniforms([elements]),
    scale: generator.uniforms([elements], 0.5, 1.5),
    shift: generator.uniforms([elements], 0.5, 1),
  };
}

export function chainArguments(data: DataSet): [Tensor, Tensor, Tensor] {
  const load = (name: string) => tensor((data[name] as DataSet[string]).values);
  return [load('x'), load('scale'), load('shift')];
}

export const chain: PairedCase = {
  kind: 'paired',
  name: 'chain',
  size: '64 operations on 128 floats, 100 calls in flight',
  parameters: { inFlight: 100 },
  callsPerRepetition: 100,
  peers: [
    { name: 'torch-eager', limit: 0.05 },
    { name: 'torch-compile', limit: 0.5 },
  ],
  // 64 correctly rounded operations in the same order, which a compiler may contract into fused multiply-adds.
  tolerance: 1e-5,
  data: chainData,
  async start({ inFlight = 100 }, data) {
    const args = chainArguments(data);
    const call = jit(chained);
    return {
      async result() {
        using y = call(...args);
        return { y: (await y.data()) as Float32Array };
      },
      async run(repetitions) {
        const results: Tensor[] = new Array(inFlight);
        for (let repetition = 0; repetition < repetitions; repetition++) {
          for (let k = 0; k < inFlight; k++) results[k] = call(...args);
          await (results[inFlight - 1] as Tensor).data();
          for (const result of results) result.dispose();
        }
      },
    };
  },
};
