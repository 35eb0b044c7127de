/** Rows of the elementwise primitives. Their public operations broadcast, so the cases do. */

import type { DType, Tensor, TensorLike } from '../../lib/index.js';
import * as ct from '../../lib/index.js';
import { atBroadcast, broadcastShape, build, type Expected, isFloat, represent, sizeOf, type Values } from './array.js';
import {
  bits,
  type Case,
  type Derivative,
  type Domain,
  everything,
  example,
  floats,
  linear,
  noDerivative,
  numbers,
  once,
  type Row,
  range,
  signed,
  smooth,
  twoSided,
  usual,
  words,
} from './row.js';

/** Floats where formulas have their branches: zeros, halves, denormals, ends of the range, not a number. */
const edges = [
  0,
  -0,
  1,
  -1,
  0.5,
  -0.5,
  1.5,
  2.5,
  -2.5,
  3.5,
  1e-30,
  -1e-30,
  1e-40,
  -1e-40,
  1e-8,
  -1e-8,
  17,
  -17,
  87,
  -87,
  100,
  -100,
  1e7,
  -1e7,
  1e30,
  -1e30,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];
const wholeEdges = [0, 1, -1, 2, -2, 2147483647, -2147483648, 65536, -65536];

/** A common operation over broadcast operands, element by element. */
function pointwise(f: (...xs: number[]) => number, result?: DType) {
  return (operands: readonly Values[]): Expected[] => {
    const shape = broadcastShape(operands.map((operand) => operand.shape));
    const dtype = result ?? (operands.at(-1) as Values).dtype;
    const integer = dtype === 'int32' || dtype === 'uint32';
    return [
      build(dtype, shape, (index) => {
        const y = f(...operands.map((operand) => atBroadcast(operand, index)));
        return integer ? represent(dtype, y) : y;
      }),
    ];
  };
}

const unaryShapes = [[], [0], [1], [7], [3, 5], [2, 1, 4], [100_003]];

interface UnaryOptions {
  readonly dtypes?: readonly DType[];
  readonly domain?: Domain;
  readonly derivative?: Derivative;
  readonly result?: DType;
  /** Units in the last place of the kernel; 0 where IEEE arithmetic is exact. */
  readonly ulps: number;
  readonly flops?: number;
  readonly edges?: readonly number[];
}

export function unary(
  primitive: string,
  operation: (x: Tensor) => Tensor,
  f: (x: number) => number,
  options: UnaryOptions,
): Row {
  const special = options.edges ?? edges;
  const integer = options.dtypes?.some((dtype) => dtype === 'int32' || dtype === 'uint32');
  const whole = options.dtypes?.filter((dtype) => dtype === 'int32' || dtype === 'uint32') ?? [];
  const cases: Case[] = unaryShapes.map((shape) => example(`[${shape}]`, [shape]));
  if (options.dtypes?.[0] !== 'bool') {
    cases.push(
      example('edges', [{ shape: [special.length], values: special }], { dtypes: floats, differentiate: false }),
    );
  }
  if (integer)
    cases.push(
      example('edges', [{ shape: [wholeEdges.length], values: wholeEdges }], { dtypes: whole, differentiate: false }),
    );
  return {
    primitive,
    dtypes: options.dtypes ?? floats,
    domain: options.domain ?? usual,
    cases,
    apply: ([x]) => [operation(x as Tensor)],
    reference: pointwise(f, options.result),
    budget: () => options.ulps,
    derivative: options.derivative ?? noDerivative,
    flops: ([x]) => sizeOf(x?.shape ?? []) * (options.flops ?? 1),
  };
}

const positive = range(0.3, 5);

function roundHalfToEven(x: number): number {
  const nearest = Math.round(x);
  const even = Math.abs(x % 1) === 0.5 && nearest % 2 !== 0 ? nearest - 1 : nearest;
  return even === 0 ? x * 0 : even;
}

function logistic(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/** Products of 32-bit integers pass 2^53: a whole number that does not fit stands for its low 32 bits. */
const product = (dtype: DType): ((x: number, y: number) => number) =>
  isFloat(dtype) ? (x, y) => x * y : (x, y) => Math.imul(x, y);

/** A row whose rule differs between floats and integers. */
function perDType(row: Row, rule: (dtype: DType) => (x: number, y: number) => number): Row {
  return {
    ...row,
    reference: (operands) => pointwise(rule((operands[0] as Values).dtype) as (...xs: number[]) => number)(operands),
  };
}

// The error of each transcendental kernel is stated with its formula: 2 units, 3 for quotients of them. One more covers the
// reference in float64.
const unaryRows: Row[] = [
  unary('neg', ct.neg, (x) => -x, { dtypes: signed, ulps: 0, derivative: linear([0]) }),
  unary('abs', ct.abs, Math.abs, { dtypes: signed, ulps: 0, derivative: once([0]) }),
  unary('sign', ct.sign, Math.sign, { dtypes: signed, ulps: 0 }),
  unary('exp', ct.exp, Math.exp, { ulps: 3, derivative: smooth([0]), flops: 20 }),
  unary('expm1', ct.expm1, Math.expm1, { ulps: 3, derivative: smooth([0]), flops: 24 }),
  unary('log', ct.log, Math.log, { ulps: 3, domain: positive, derivative: smooth([0]), flops: 20 }),
  unary('log1p', ct.log1p, Math.log1p, { ulps: 3, domain: range(-0.9, 5), derivative: smooth([0]), flops: 24 }),
  unary('sqrt', ct.sqrt, Math.sqrt, { ulps: 0.5, domain: positive, derivative: smooth([0]) }),
  // A square root and a division, each rounded once.
  unary('rsqrt', ct.rsqrt, (x) => 1 / Math.sqrt(x), { ulps: 2, domain: positive, derivative: smooth([0]), flops: 2 }),
  perDType(
    unary('square', ct.square, (x) => x * x, { dtypes: numbers, ulps: 0.5, derivative: smooth([0]) }),
    (dtype) => (x) => product(dtype)(x, x),
  ),
  unary('reciprocal', ct.reciprocal, (x) => 1 / x, { ulps: 0.5, domain: twoSided(0.3, 3), derivative: smooth([0]) }),
  unary('tanh', ct.tanh, Math.tanh, { ulps: 4, derivative: smooth([0]), flops: 28 }),
  unary('logistic', ct.sigmoid, logistic, { ulps: 4, derivative: smooth([0]), flops: 24 }),
  unary('softplus', ct.softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), {
    ulps: 4,
    derivative: smooth([0]),
    flops: 44,
  }),
  unary('sin', ct.sin, Math.sin, { ulps: 3, domain: range(-100, 100), derivative: smooth([0]), flops: 24 }),
  unary('cos', ct.cos, Math.cos, { ulps: 3, domain: range(-100, 100), derivative: smooth([0]), flops: 24 }),
  unary('floor', ct.floor, Math.floor, { ulps: 0, domain: range(-9, 9) }),
  unary('ceil', ct.ceil, Math.ceil, { ulps: 0, domain: range(-9, 9) }),
  unary('round', ct.round, roundHalfToEven, { ulps: 0, domain: range(-9, 9) }),
  unary('isFinite', ct.isFinite, (x) => Number(Number.isFinite(x)), { ulps: 0, result: 'bool' }),
  unary('not', ct.logicalNot, (x) => 1 - x, { dtypes: ['bool'], ulps: 0 }),
];

const pairShapes: readonly [number[], number[]][] = [
  [[], []],
  [[7], []],
  [[], [2, 3]],
  [[0], [0]],
  [[0, 3], [3]],
  [[1], [1]],
  [
    [5, 3],
    [5, 3],
  ],
  [
    [4, 1, 3],
    [2, 1],
  ],
  [[6], [5, 6]],
  [
    [1, 1],
    [3, 4],
  ],
  [[50_021], [50_021]],
];

/** Every pair of edge values. */
const crossed = (values: readonly number[]): [number[], number[]] => [
  values.flatMap((x) => values.map(() => x)),
  values.flatMap(() => values),
];
const pairEdges = [
  0,
  -0,
  1,
  -1,
  2,
  -2,
  3,
  -3,
  0.5,
  -0.5,
  1e-30,
  1e30,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  Number.NaN,
];

interface BinaryOptions {
  readonly dtypes?: readonly DType[];
  readonly domains?: readonly [Domain, Domain];
  readonly derivative?: Derivative;
  readonly result?: DType;
  readonly ulps: number;
  readonly flops?: number;
}

export function binary(
  primitive: string,
  operation: (x: TensorLike, y: TensorLike) => Tensor,
  f: (x: number, y: number) => number,
  options: BinaryOptions,
): Row {
  const dtypes = options.dtypes ?? numbers;
  const whole = dtypes.filter((dtype) => dtype === 'int32' || dtype === 'uint32');
  const [left, right] = options.domains ?? [];
  const cases = pairShapes.map(([a, b]) =>
    example(`[${a}] [${b}]`, [
      { shape: a, ...(left && { domain: left }) },
      { shape: b, ...(right && { domain: right }) },
    ]),
  );
  const edgeCase = (values: readonly number[], only: readonly DType[]): Case => {
    const [x, y] = crossed(values);
    const shape = [x.length];
    return example(
      'edges',
      [
        { shape, values: x },
        { shape, values: y },
      ],
      { dtypes: only, differentiate: false },
    );
  };
  if (dtypes[0] !== 'bool') cases.push(edgeCase(pairEdges, floats));
  if (whole.length > 0) cases.push(edgeCase(wholeEdges, whole));
  return {
    primitive,
    dtypes,
    domain: usual,
    cases,
    apply: ([x, y]) => [operation(x as Tensor, y as Tensor)],
    reference: pointwise(f as (...xs: number[]) => number, options.result),
    budget: () => options.ulps,
    derivative: options.derivative ?? noDerivative,
    flops: (operands) => sizeOf(broadcastShape(operands.map((operand) => operand.shape))) * (options.flops ?? 1),
  };
}

/** C's pow: 1 to any power is 1, and so is -1 to an infinite one, where JavaScript says NaN. */
function power(x: number, y: number): number {
  if (x === 1 || (x === -1 && Math.abs(y) === Number.POSITIVE_INFINITY)) return 1;
  return x ** y;
}

const quotient =
  (dtype: DType) =>
  (x: number, y: number): number =>
    dtype === 'int32' || dtype === 'uint32' ? (y === 0 ? 0 : Math.trunc(x / y)) : x / y;

/** Distinct magnitudes for the operands, so that no pair is within a difference step of a tie. */
const quarters: Domain = (random, dtype) => (isFloat(dtype) ? random.integer(-20, 20) / 4 : usual(random, dtype));
const apart: readonly [Domain, Domain] = [
  quarters,
  (random, dtype) => quarters(random, dtype) + (isFloat(dtype) ? 0.125 : 0),
];

const binaryRows: Row[] = [
  binary('add', ct.add, (x, y) => x + y, { ulps: 0.5, derivative: linear([0, 1], [[0], [1]]) }),
  binary('sub', ct.sub, (x, y) => x - y, { ulps: 0.5, derivative: linear([0, 1], [[0], [1]]) }),
  perDType(
    binary('mul', ct.mul, (x, y) => x * y, { ulps: 0.5, derivative: smooth([0, 1], [[0], [1]]) }),
    product,
  ),
  perDType(
    binary('div', ct.div, (x, y) => x / y, { ulps: 0.5, derivative: smooth([0, 1], [[0]]) }),
    quotient,
  ),
  binary('pow', ct.pow, power, {
    dtypes: floats,
    domains: [range(0.2, 3), range(-3, 3)],
    ulps: 4,
    derivative: smooth([0, 1]),
    flops: 60,
  }),
  binary('max', ct.maximum, Math.max, { ulps: 0, domains: apart, derivative: once([0, 1]) }),
  binary('min', ct.minimum, Math.min, { ulps: 0, domains: apart, derivative: once([0, 1]) }),
  binary('eq', ct.equal, (x, y) => Number(x === y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('ne', ct.notEqual, (x, y) => Number(x !== y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('lt', ct.less, (x, y) => Number(x < y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('le', ct.lessEqual, (x, y) => Number(x <= y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('gt', ct.greater, (x, y) => Number(x > y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('ge', ct.greaterEqual, (x, y) => Number(x >= y), { dtypes: everything, ulps: 0, result: 'bool' }),
  binary('and', ct.logicalAnd, (x, y) => x & y, { dtypes: ['bool'], ulps: 0 }),
  binary('or', ct.logicalOr, (x, y) => x | y, { dtypes: ['bool'], ulps: 0 }),
];

const condition = (shape: readonly number[]) => ({ shape, dtype: 'bool' as const, domain: bits });

const selectRow: Row = {
  primitive: 'select',
  dtypes: everything,
  domain: usual,
  cases: [
    example('scalars', [condition([]), [], []]),
    example('scalar condition', [condition([]), [5], [5]]),
    example('scalar branch', [condition([4, 3]), [], [4, 3]]),
    example('only the condition has a shape', [condition([4, 3]), [], []]),
    example('broadcast', [condition([3, 1]), [4], [2, 1, 1]]),
    example('empty', [condition([0, 2]), [2], []]),
    example('large', [condition([40_009]), [40_009], [40_009]]),
  ],
  apply: ([c, x, y]) => [ct.where(c as Tensor, x as Tensor, y as Tensor)],
  reference: pointwise((c, x, y) => (c ? (x as number) : (y as number))),
  budget: () => 0,
  derivative: linear([1, 2], [[1], [2]]),
  flops: () => 0,
};

/** C's conversions with saturation: what the kernel table says about `cast`. */
function convert(to: DType, x: number): number {
  switch (to) {
    case 'bool':
      return Number(x !== 0);
    case 'int32':
    case 'uint32': {
      const [low, high] = to === 'int32' ? [-(2 ** 31), 2 ** 31 - 1] : [0, 2 ** 32 - 1];
      return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), low), high);
    }
    default:
      return represent(to, x);
  }
}

const castEdges = [...edges, 2147483646.5, 2147483648, -2147483649, 4294967295, 4294967296, -0.9, 0.9, 16777217];

const castRow: Row = {
  primitive: 'cast',
  dtypes: everything,
  domain: usual,
  cases: everything.flatMap((to) => {
    const params = { dtype: to };
    const target = (dtypes: readonly DType[]): DType[] => dtypes.filter((dtype) => dtype !== to);
    const isFloatTarget = to === 'float32' || to === 'float64';
    return [
      example(`to ${to} [3, 5]`, [[3, 5]], { params, dtypes: target(everything), differentiate: isFloatTarget }),
      example(`to ${to} []`, [[]], { params, dtypes: target(everything), differentiate: false }),
      example(`to ${to} [0]`, [[0]], { params, dtypes: target(everything), differentiate: false }),
      example(`to ${to} [10007]`, [[10_007]], { params, dtypes: target(everything), differentiate: false }),
      example(`to ${to} edges`, [{ shape: [castEdges.length], values: castEdges }], {
        params,
        dtypes: target(floats),
        differentiate: false,
      }),
      example(`to ${to} words`, [{ shape: [1001], domain: words }], {
        params,
        dtypes: target(['int32', 'uint32']),
        differentiate: false,
      }),
    ];
  }),
  apply: ([x], { dtype }) => [ct.cast(x as Tensor, dtype as DType)],
  // Floats saturate, integers wrap into each other; what a float cannot hold is rounded.
  reference: ([x], params) => {
    const { values, dtype: from, shape } = x as Values;
    const to = params.dtype as DType;
    const wraps = !isFloat(from) && (to === 'int32' || to === 'uint32');
    return [{ dtype: to, shape, values: values.map((value) => (wraps ? represent(to, value) : convert(to, value))) }];
  },
  budget: () => 0,
  derivative: linear([0]),
  flops: () => 0,
};

export const elementwiseRows: readonly Row[] = [...unaryRows, ...binaryRows, selectRow, castRow];
