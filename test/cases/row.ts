/** What a row of the table of cases says about one primitive. */
import type { DType, Shape, Tensor } from '../../lib/index.js';
import { type Expected, represent, sizeOf, type Values } from './array.js';
import type { Random } from './random.js';

/** Draws one element of an operand. */
export type Domain = (random: Random, dtype: DType) => number;

export interface OperandSpec {
  readonly shape: Shape;
  /** Fixed dtype; the row's by default. */
  readonly dtype?: DType;
  /** How elements are drawn; the row's domain by default. */
  readonly domain?: Domain;
  /** The elements themselves, instead of a domain. */
  readonly values?: readonly number[];
  /** Draws the whole operand at once, for matrices with a structure. */
  readonly generate?: (random: Random, shape: Shape) => Float64Array;
}

/** Static parameters, as the primitive takes them. */
export type Params = Readonly<Record<string, unknown>>;

export interface Case {
  readonly label: string;
  readonly operands: readonly OperandSpec[];
  readonly params: Params;
  /** dtypes that this case is for; all of the row's by default. */
  readonly dtypes?: readonly DType[];
  /** False where the derivative is not defined, or the case is too large to difference. */
  readonly differentiate: boolean;
  /** Whether fixed elements may be rotated, as the test of vmap does so that lanes differ. */
  readonly rotate: boolean;
}

/** How derivatives of a row are tested. */
export type Derivative =
  /** No derivative: its tangents are zero, or nothing comes out that could have one. */
  | { readonly kind: 'none' }
  | {
      /**
       * `smooth`: first and second derivatives against differences. `once`: piecewise linear, first derivatives only.
       * `distribution`: of random variables as their probability is held, not of one draw; checked by a test of its own.
       * `linear`: jointly in the active operands, so that the tangent is the operation itself on the tangents, exactly.
       */
      readonly kind: 'smooth' | 'once' | 'distribution' | 'linear';
      /** Positions of the operands to differentiate. */
      readonly active: readonly number[];
      /** Groups of operands in which the primitive is jointly linear: tested by its transpose. */
      readonly linear: readonly (readonly number[])[];
      /** False where only forward mode exists. */
      readonly reverse: boolean;
      /** False where only reverse mode exists. */
      readonly forward: boolean;
    };

export const noDerivative: Derivative = { kind: 'none' };
export const smooth = (
  active: readonly number[],
  groups: readonly (readonly number[])[] = [],
  { reverse = true, forward = true } = {},
): Derivative => ({ kind: 'smooth', active, linear: groups, reverse, forward });
export const once = (active: readonly number[]): Derivative => ({
  kind: 'once',
  active,
  linear: [],
  reverse: true,
  forward: true,
});
export const distribution = (active: readonly number[]): Derivative =>
  ({ ...once(active), kind: 'distribution' }) as Derivative;
/** Linear in `active` jointly, and in each of `groups`. */
export const linear = (active: readonly number[], groups: readonly (readonly number[])[] = []): Derivative => ({
  kind: 'linear',
  active,
  linear: [active, ...groups],
  reverse: true,
  forward: true,
});

export interface Row {
  readonly primitive: string;
  /** dtypes of the operands that do not fix theirs. */
  readonly dtypes: readonly DType[];
  /** What operands are drawn from that do not say themselves. */
  readonly domain: Domain;
  readonly cases: readonly Case[];
  /** The operation under test, in terms of the public API or of `bind`. */
  apply(operands: readonly Tensor[], params: Params): readonly Tensor[];
  /** What it must compute: plain float64, written for clarity. */
  reference(operands: readonly Values[], params: Params): Expected[];
  /** Allowed error in units of the result's epsilon times `scale`. */
  readonly budget: (operands: readonly Values[], params: Params, dtype: DType) => number;
  readonly derivative: Derivative;
  /** Floating-point operations of one application. */
  flops(operands: readonly OperandSpec[], params: Params): number;
}

export const floats: readonly DType[] = ['float32', 'float64'];
export const numbers: readonly DType[] = ['float32', 'float64', 'int32', 'uint32'];
export const signed: readonly DType[] = ['float32', 'float64', 'int32'];
export const everything: readonly DType[] = ['float32', 'float64', 'int32', 'uint32', 'bool'];

// Domains. The ones for derivatives keep away from kinks by more than the difference step.

export const range =
  (low: number, high: number): Domain =>
  (random) =>
    random.uniform(low, high);
/** Either sign, magnitude within [low, high). */
export const twoSided =
  (low: number, high: number): Domain =>
  (random) =>
    random.uniform(low, high) * (random.bits() & 1 ? 1 : -1);
export const integers =
  (low: number, high: number): Domain =>
  (random) =>
    random.integer(low, high);
export const bits: Domain = (random) => random.bits() & 1;
/** Whole numbers over the whole range of uint32: int32 reads them wrapped. */
export const words: Domain = (random) => random.bits();

/** Numbers of moderate size for any dtype, floats bounded away from 0. */
export const usual: Domain = (random, dtype) => {
  switch (dtype) {
    case 'int32':
      return random.integer(-9, 9);
    case 'uint32':
      return random.integer(0, 9);
    case 'bool':
      return random.bits() & 1;
    default:
      return random.uniform(0.1, 3) * (random.bits() & 1 ? 1 : -1);
  }
};

export interface CaseOptions {
  readonly params?: Params;
  readonly dtypes?: readonly DType[];
  readonly differentiate?: boolean;
  /** Default: true. */
  readonly rotate?: boolean;
}

/** Differences cost two evaluations a direction: enough at this size. */
const LARGEST_DIFFERENCED = 600;

/** A case; operands given by shape alone take the row's dtype and domain. */
export function example(label: string, operands: readonly (OperandSpec | Shape)[], options: CaseOptions = {}): Case {
  const specs = operands.map((operand) => ('shape' in operand ? operand : { shape: operand }));
  const small = specs.every((spec) => sizeOf(spec.shape) <= LARGEST_DIFFERENCED);
  return {
    label,
    operands: specs,
    params: options.params ?? {},
    differentiate: options.differentiate ?? small,
    rotate: options.rotate ?? true,
    ...(options.dtypes && { dtypes: options.dtypes }),
  };
}

/** The operands of a case as values, the same for the same seed. */
export function drawOperands(specs: readonly OperandSpec[], dtype: DType, domain: Domain, random: Random): Values[] {
  return specs.map((spec) => {
    const own = spec.dtype ?? dtype;
    const values = new Float64Array(sizeOf(spec.shape));
    const raw = spec.values ?? spec.generate?.(random, spec.shape);
    for (let k = 0; k < values.length; k++) {
      values[k] = represent(own, raw ? (raw[k] as number) : (spec.domain ?? domain)(random, own));
    }
    return { dtype: own, shape: spec.shape, values };
  });
}

/** Bytes that one application must move: each operand read and each result written once. */
export function bytesOf(arrays: readonly Values[]): number {
  const size = { float32: 4, float64: 8, int32: 4, uint32: 4, bool: 1 };
  return arrays.reduce((total, array) => total + sizeOf(array.shape) * size[array.dtype], 0);
}
