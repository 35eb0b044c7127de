/** Rows of the Fourier transform, against its definition. */
import { type Expected, sizeOf, type Values } from './array.js';
import { applyPrimitive } from './movement.js';
import { example, floats, linear, type OperandSpec, type Params, type Row, usual } from './row.js';

/** exp(2πi m/n) for all m, with arguments of sine and cosine of at most π/4. */
function rootsOfUnity(n: number): { cos: Float64Array; sin: Float64Array } {
  const [cos, sin] = [new Float64Array(n), new Float64Array(n)];
  for (let m = 0; m < n; m++) {
    const turn = 8 * m; // eighths of a turn, times n
    const octant = Math.floor(turn / n);
    // To the nearest multiple of a quarter turn.
    const quarter = Math.floor((octant + 1) / 2);
    const angle = ((turn - 2 * quarter * n) / n) * (Math.PI / 4);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const turned = [
      [c, s],
      [-s, c],
      [-c, -s],
      [s, -c],
    ][quarter % 4] as [number, number];
    [cos[m], sin[m]] = turned;
  }
  return { cos, sin };
}

/** Terms are summed in blocks of about the square root of their number, whose roundings add up to less than those of one long sum. */
function dft(re: Float64Array, im: Float64Array, sign: number): [Float64Array, Float64Array] {
  const n = re.length;
  const { cos, sin } = rootsOfUnity(n);
  const block = Math.ceil(Math.sqrt(n));
  const [outRe, outIm] = [new Float64Array(n), new Float64Array(n)];
  for (let k = 0; k < n; k++) {
    let place = 0;
    for (let start = 0; start < n; start += block) {
      let [sumRe, sumIm] = [0, 0];
      for (let j = start; j < Math.min(n, start + block); j++) {
        const [c, s] = [cos[place] as number, sign * (sin[place] as number)];
        sumRe += (re[j] as number) * c - (im[j] as number) * s;
        sumIm += (re[j] as number) * s + (im[j] as number) * c;
        place += k;
        if (place >= n) place -= n;
      }
      outRe[k] = (outRe[k] as number) + sumRe;
      outIm[k] = (outIm[k] as number) + sumIm;
    }
  }
  return [outRe, outIm];
}

const length = ([x]: readonly { shape: readonly number[] }[]): number => x?.shape.at(-1) as number;

const shapes = [
  [1],
  [2],
  [3],
  [4],
  [5],
  [6],
  [7],
  [8],
  [9],
  [3, 1],
  [0, 4],
  [2, 0, 3],
  [12],
  [2, 10],
  [3, 14],
  [5, 15],
  [2, 3, 16],
  [22],
  [49],
  [2, 53],
  [97],
  [3, 100],
  [128],
  [121],
  [2, 147],
  [255],
  [257],
  [360],
  [16, 17],
  [70, 64],
  [3, 1000],
  [1009],
  [10007],
];
const directions = shapes.flatMap((shape) =>
  [false, true].map((inverse) => {
    const params = { inverse, scale: inverse ? 1 / (shape.at(-1) as number) : 1 };
    return example(`[${shape}]${inverse ? ' inverse' : ''}`, [shape, shape], { params });
  }),
);
const special: OperandSpec = { shape: [3, 4], values: [1, Number.NaN, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] };

const fftRow: Row = {
  primitive: 'fft',
  dtypes: floats,
  domain: usual,
  cases: [
    ...directions,
    example(
      'scaled',
      [
        [2, 6],
        [2, 6],
      ],
      { params: { inverse: false, scale: -0.375 } },
    ),
    // In both parts: what the real part of one element adds to an imaginary result may be 0 NaN, or nothing.
    example('NaN in one line', [special, special], { params: { inverse: false, scale: 1 }, differentiate: false }),
  ],
  apply: applyPrimitive('fft'),
  reference: ([x, y], params: Params): Expected[] => {
    const [re, im] = [x as Values, y as Values];
    const { inverse, scale } = params as { inverse: boolean; scale: number };
    const n = length([re]);
    const parts = [0, 1].map(() => new Float64Array(re.values.length));
    const size = new Float64Array(re.values.length);
    for (let at = 0; at < re.values.length; at += n) {
      const line = [re, im].map(({ values }) => values.slice(at, at + n)) as [Float64Array, Float64Array];
      const results = dft(...line, inverse ? 1 : -1);
      // Roundings are spread by the transform: they are in proportion to the length of the vector.
      const norm = Math.hypot(...line[0], ...line[1]);
      for (let k = 0; k < n; k++) {
        results.forEach((result, part) => {
          (parts[part] as Float64Array)[at + k] = scale * (result[k] as number);
        });
        size[at + k] = Math.abs(scale) * (norm + Math.abs(results[0][k] as number) + Math.abs(results[1][k] as number));
      }
    }
    return parts.map((values) => ({ ...re, values, scale: size }));
  },
  // float32 is computed in double and rounded once. In float64 each of log2 n stages rounds by about a unit, and so does the reference
  // for each fourth root of n.
  budget: (operands, _, dtype) =>
    dtype === 'float32' ? 1 : 4 + 2 * Math.log2(length(operands)) + length(operands) ** 0.25,
  derivative: linear([0, 1]),
  flops: (operands) => 5 * sizeOf(operands[0]?.shape ?? []) * Math.log2(length(operands)),
};

export const fftRows: readonly Row[] = [fftRow];
