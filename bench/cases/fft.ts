/** Fourier transforms of complex numbers along the last axis. Twin: fft.py. */
import { type Complex, fft, idle, jit, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { Data, PairedCase } from '../harness/types.js';

function transform(variant: string, size: string, shape: readonly number[], limit: number): PairedCase {
  return {
    kind: 'paired',
    name: 'fft',
    variant,
    size,
    parameters: { length: shape.at(-1) as number },
    callsPerRepetition: 1,
    peers: [{ name: 'torch', limit }],
    // The peer rounds to float32 after each of log2 n stages, we once: random errors of some units of the root mean square.
    tolerance: 2e-6,
    data(seed) {
      const generator = new Generator(seed);
      return { re: generator.normals([...shape]), im: generator.normals([...shape]) };
    },
    async start(_, { re, im }) {
      const load = (data: Data | undefined): Tensor => tensor((data as Data).values, { shape });
      const [a, b] = [load(re), load(im)];
      const forward = jit((re: Tensor, im: Tensor): Complex => fft({ re, im }));
      return {
        async run(repetitions) {
          for (let repetition = 0; repetition < repetitions; repetition++) {
            const y = forward(a, b);
            await idle();
            y.re.dispose();
            y.im.dispose();
          }
        },
        async result() {
          const y = forward(a, b);
          const [re, im] = await Promise.all([y.re.data(), y.im.data()]);
          y.re.dispose();
          y.im.dispose();
          return { re: re as Float32Array, im: im as Float32Array };
        },
      };
    },
  };
}

/** The limits are what the scalar library takes beside vectorised code, with some room: a regression is what they catch. */
export const fftCases = [
  transform('long', '2^20', [2 ** 20], 6),
  transform('batch', '1000 x 1024', [1000, 1024], 12),
  transform('prime', '10007', [10_007], 4),
];
