/** One call of 64 chained elementwise operations on 128 floats, issued and awaited alone. Twin: round-trip.py. */
import { jit } from 'cotangent';
import type { PairedCase } from '../harness/types.js';
import { chainArguments, chainData, chained } from './chain.js';

export const roundTrip: PairedCase = {
  kind: 'paired',
  name: 'round-trip',
  size: '64 operations on 128 floats, one call awaited',
  parameters: {},
  callsPerRepetition: 1,
  peers: [{ name: 'torch-eager', limit: 0.15 }],
  // As for `chain`.
  tolerance: 1e-5,
  data: chainData,
  async start(_, data) {
    const args = chainArguments(data);
    const call = jit(chained);
    return {
      async result() {
        using y = call(...args);
        return { y: (await y.data()) as Float32Array };
      },
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const y = call(...args);
          await y.data();
          y.dispose();
        }
      },
    };
  },
};
