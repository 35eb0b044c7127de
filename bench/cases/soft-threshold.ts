/** sign(x) max(|x| - t, 0) of 10^7 floats. Twin: soft-threshold.py. */
import { abs, idle, jit, maximum, mul, sign, sub, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { DataSet, PairedCase } from '../harness/types.js';

const elements = 1e7;

export const softThreshold: PairedCase = {
  kind: 'paired',
  name: 'soft-threshold',
  size: '10^7 floats',
  parameters: { threshold: 0.5 },
  callsPerRepetition: 1,
  peers: [
    { name: 'torch-composed', limit: 0.06 },
    { name: 'torch-softshrink', limit: 0.3 },
    { name: 'torch-softshrink-out', limit: 1.4 },
    { name: 'copy', limit: 1.4, reproduces: ['y', 'x'] },
  ],
  // One rounding an element, the same on both sides: |x| - t.
  tolerance: 1e-7,
  data(seed) {
    return { x: new Generator(seed).normals([elements]) };
  },
  async start({ threshold = 0.5 }, data) {
    const x = tensor((data.x as DataSet[string]).values);
    const shrink = jit((v: Tensor) => mul(sign(v), maximum(sub(abs(v), threshold), 0)));
    return {
      async result() {
        using y = shrink(x);
        return { y: (await y.data()) as Float32Array };
      },
      // As on the peers' side, the result is computed but not copied to the caller's language.
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const y = shrink(x);
          await idle();
          y.dispose();
        }
      },
    };
  },
};
