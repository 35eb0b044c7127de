/** Singular value and eigenvalue decompositions of a large matrix, float64. Twin: decompositions.py. */
import { eigh, idle, jit, matmul, svd, type Tensor, tensor } from 'cotangent';
import { Generator } from '../harness/data.js';
import type { Data, DataSet, PairedCase } from '../harness/types.js';

type Results = Readonly<Record<string, Tensor>>;

/** What is compared: values, what the factors multiply to, and products of the vectors with themselves. */
const decompositionsOf = {
  svd: {
    decompose: jit((a: Tensor): Results => ({ ...svd(a) })),
    check: jit((a: Tensor): Results => {
      const { u, s, vt } = svd(a);
      return { values: s, product: matmul(u.mul(s), vt), gram: matmul(u, u, { transposeA: true }) };
    }),
  },
  eigh: {
    decompose: jit((a: Tensor): Results => ({ ...eigh(a) })),
    check: jit((a: Tensor): Results => {
      const { w, v } = eigh(a);
      return {
        values: w,
        product: matmul(v.mul(w), v, { transposeB: true }),
        gram: matmul(v, v, { transposeA: true }),
      };
    }),
  },
};

function symmetric({ values, shape }: Data): Data {
  const n = shape[0] as number;
  const at = (i: number, j: number) => values[i * n + j] as number;
  return { values: values.map((_, k) => (at(Math.floor(k / n), k % n) + at(k % n, Math.floor(k / n))) / 2), shape };
}

function decomposition(name: keyof typeof decompositionsOf, order: number): PairedCase {
  return {
    kind: 'paired',
    name: 'decompositions',
    variant: `${name}:${order}`,
    size: `${name} of ${order} x ${order}, float64`,
    parameters: { order, symmetric: name === 'eigh' ? 1 : 0 },
    callsPerRepetition: 1,
    peers: [{ name: 'torch', limit: 1.15 }],
    // Both are backward stable: a few eps |A| times a small power of the order, beside values of the size of |A|.
    tolerance: 1e-12,
    data(seed) {
      const { values, shape } = new Generator(seed).normals([order, order]);
      const a = { values: Float64Array.from(values), shape };
      return { a: name === 'eigh' ? symmetric(a) : a };
    },
    async start(_, data) {
      const { values, shape } = data.a as DataSet[string];
      const a = tensor(values, { shape });
      const { decompose, check } = decompositionsOf[name];
      return {
        async run(repetitions) {
          for (let repetition = 0; repetition < repetitions; repetition++) {
            for (const part of Object.values(decompose(a))) part.dispose();
          }
          await idle();
        },
        async result() {
          const read = Object.entries(check(a)).map(
            async ([key, part]) => [key, (await part.data()) as Float64Array] as const,
          );
          return Object.fromEntries(await Promise.all(read));
        },
      };
    },
  };
}

export const decompositions = [decomposition('svd', 512), decomposition('eigh', 512)];
