/** Operations on 128 floats outside `jit`, 1,000 issued and one read at the end; time an operation. Twin: eager-op.py. */
import { add, mul, sub, type Tensor, tanh, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const elements = 128;
const rounds = 250;

/** 250 rounds of 4 operations; the twins spell the same. */
function iterate(x: Tensor, scale: Tensor): Tensor {
  let y = x;
  const replace = (next: Tensor): void => {
    if (y !== x) y.dispose();
    y = next;
  };
  for (let round = 0; round < rounds; round++) {
    replace(mul(y, scale));
    replace(add(y, x));
    replace(tanh(y));
    replace(sub(y, 0.25));
  }
  return y;
}

export const eagerOp: PairedCase = {
  kind: 'paired',
  name: 'eager-op',
  size: '1,000 operations on 128 floats, one read',
  parameters: { rounds },
  callsPerRepetition: 4 * rounds,
  peers: [{ name: 'torch-eager', limit: 1 }],
  // A contraction: errors of tanh (a few ulp) do not grow.
  tolerance: 1e-5,
  data(seed) {
    const generator = new Generator(seed);
    return { x: generator.uniforms([elements]), scale: generator.uniforms([elements], 0.2, 0.8) };
  },
  async start(_, data) {
    const load = (name: string): Tensor => tensor((data[name] as DataSet[string]).values);
    const [x, scale] = [load('x'), load('scale')];
    const once = async (): Promise<Float32Array> => {
      using y = iterate(x, scale);
      return (await y.data()) as Float32Array;
    };
    return {
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) await once();
      },
      async result() {
        return { y: await once() };
      },
    };
  },
};
