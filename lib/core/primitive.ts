/** The primitive table: everything that is known about an operation, in one entry. */
import { InternalError } from './errors.js';
import type { Program } from './program.js';
import type { Tensor } from './tensor.js';
import type { TensorType } from './types.js';

/** Static parameters of an equation: axes, permutations, sub-programs. */
export type Params = Readonly<Record<string, unknown>>;

/** A tangent or cotangent; null stands for zero. */
export type Tangent = Tensor | null;

/** What a jvp rule is given: everything about one equation, its results included. */
export interface JvpContext<P extends Params> {
  readonly inputs: readonly Tensor[];
  readonly tangents: readonly Tangent[];
  readonly outputs: readonly Tensor[];
  readonly params: P;
}

/** What a joint rule of a control primitive is given: it computes the results itself. */
export interface JointContext<P extends Params> {
  readonly inputs: readonly Tensor[];
  readonly tangents: readonly Tangent[];
  readonly params: P;
}

/** An operand of an equation being transposed: the linear ones are known by type only. */
export type TransposeOperand =
  | { readonly linear: true; readonly type: TensorType }
  | { readonly linear: false; readonly value: Tensor };

export interface TransposeContext<P extends Params> {
  readonly cotangents: readonly Tangent[];
  readonly operands: readonly TransposeOperand[];
  readonly params: P;
}

/** What a batching rule is given: operands that carry the batch as axis 0 where `batched`, and one lane's operand elsewhere. */
export interface BatchContext<P extends Params> {
  readonly inputs: readonly Tensor[];
  readonly batched: readonly boolean[];
  /** Length of the batch. */
  readonly size: number;
  /**
   * Lanes that count, bool [size]; null: all. The others hold values that no result depends on, and their failures are none.
   * Whatever runs under a mask runs only while some lane counts.
   */
  readonly mask: Tensor | null;
  readonly params: P;
}

/** Results of a joint batching rule: those that came out the same for all lanes need not carry the batch. */
export interface Batched {
  readonly outputs: Tensor[];
  readonly batched: boolean[];
}

export interface PrimitiveRules<P extends Params> {
  readonly name: string;
  /** Result types. Throws ShapeError or DTypeError. */
  infer(inputs: readonly TensorType[], params: P): TensorType[];
  /** Tangents of the results. Absent together with `jvpJoint`: the primitive has no derivative (its tangents are zero, or `underivable`). */
  jvp?(context: JvpContext<P>): Tangent[];
  /** Results and their tangents together, for primitives that run programs. */
  jvpJoint?(context: JointContext<P>): { outputs: Tensor[]; tangents: Tangent[] };
  /** Results, and the map from their cotangents to the inputs'; where absent it is derived from jvp and transpose. */
  vjp?(context: { inputs: readonly Tensor[]; active: readonly boolean[]; params: P }): {
    outputs: Tensor[];
    pullback(cotangents: readonly Tangent[]): Tangent[];
  };
  /** Cotangents of the linear operands (null elsewhere), for primitives that are linear in some operand. */
  transpose?(context: TransposeContext<P>): Tangent[];
  /** All lanes at once: every result with the batch as axis 0. */
  batch?(context: BatchContext<P>): Tensor[];
  /** The same, saying which results carry the batch: for primitives that run programs. */
  batchJoint?(context: BatchContext<P>): Batched;
  /** Why reverse mode cannot pass, for primitives with only a forward rule. */
  readonly forwardOnly?: string;
  /** Why forward mode cannot pass, for primitives with only a reverse rule. */
  readonly reverseOnly?: string;
  /** Why there is no derivative, for primitives that do depend on their operands: asking for one is an error, where zero would be wrong. */
  readonly underivable?: string;
  /** The Program whose equations run in the place of this one: such a primitive exists for the transforms, and has no kernel. */
  expand?(params: P): Program;
  /** The Program whose equations run in the place of this one on asynchronous devices; undefined: this one as it is. */
  expandAsynchronous?(params: P): Program | undefined;
  /** Name of the kernel that runs it, where it differs. */
  readonly kernel?: string;
  /** Must run even when no result is used. */
  readonly effect?: boolean;
  /** Numbers for the addon, in the order of the kernel table in docs/architecture.md. */
  encode?(params: P, name: (text: string) => number): number[];
  /** Programs inside the params, in the order of the kernel table. */
  subprograms?(params: P): Program[];
}

/** An entry of the table, with defaults filled in. Params are checked by `infer`, so the table may forget their type. */
export interface Primitive extends PrimitiveRules<Params> {
  readonly effect: boolean;
  readonly kernel: string;
  encode(params: Params, name: (text: string) => number): number[];
  subprograms(params: Params): Program[];
  /** Params for reading, and as part of cache keys; sub-programs excluded. */
  show(params: Params): string;
  readonly differentiable: boolean;
}

const table = new Map<string, Primitive>();

/** All primitives by name. */
export const primitives: ReadonlyMap<string, Primitive> = table;

const empty: readonly never[] = [];

const isHidden = (value: unknown): boolean =>
  typeof value === 'function' || (typeof value === 'object' && value !== null && 'equations' in value);

/** Adds an entry to the table. */
export function definePrimitive<P extends Params>(rules: PrimitiveRules<P>): Primitive {
  if (table.has(rules.name)) throw new InternalError(rules.name, 'Expected a primitive to be defined once');
  const primitive: Primitive = {
    ...(rules as unknown as PrimitiveRules<Params>),
    effect: rules.effect ?? false,
    kernel: rules.kernel ?? rules.name,
    differentiable: rules.jvp !== undefined || rules.jvpJoint !== undefined || rules.vjp !== undefined,
    encode: (params, name) => rules.encode?.(params as P, name) ?? [...empty],
    subprograms: (params) => rules.subprograms?.(params as P) ?? [...empty],
    show: (params) => {
      // Sub-programs are shown below the equation; what only transforms use (functions, further programs) is not shown.
      const subs = new Set<unknown>(rules.subprograms?.(params as P) ?? empty);
      const shown = Object.entries(params).filter(([, value]) => !subs.has(value) && !isHidden(value));
      return shown.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(' ');
    },
  };
  table.set(rules.name, primitive);
  return primitive;
}
