/**
 * Derivatives of every differentiable primitive, in float64, on the cases of the table.
 *
 * - jvp against central differences, and the derivative of a jvp along a second direction against differences of the jvp.
 * - Reverse against forward mode: <w, Jt> = <Jᵀw, t>, to rounding.
 * - The gradient of a weighted sum against differences of that sum, and its own jvp against differences of the gradient.
 * - Linear primitives: the tangent is the operation itself, and <Ax, y> = <x, Aᵀy>, to rounding.
 */
import { describe, expect, it } from 'vitest';
import {
  grad,
  jit,
  jvp,
  linearTranspose,
  mul,
  primitives,
  scope,
  sum,
  type Tensor,
  tensor,
  vjp,
} from '../../lib/index.js';
import { type Case, type Derivative, isFloat, Random, type Row, rows, seedOf, testedDevice } from '../cases/index.js';
import { operandsOf, toTensor } from './operands.js';

/**
 * Step of central differences. Truncation is h²/6 |f'''|, rounding eps |f| / h: with h = eps^(1/3) ~ 6e-6 both are near 1e-11
 * for functions whose values and derivatives are near 1.
 */
const STEP = 2 ** -17;
/** Leaves room for values and third derivatives up to a few hundred. */
const DIFFERENCE_TOLERANCE = 1e-8;
/** Identities that hold but for rounding: sums of at most some hundred terms. */
const IDENTITY_TOLERANCE = 1e-12;

type Active = Exclude<Derivative, { kind: 'none' }>;
type Vector = Float64Array[];

const random = (row: Row, one: Case, what: string): Random =>
  new Random(seedOf(`${row.primitive} ${one.label} ${what}`));

/** Directions that float32 holds exactly too, so that casts between the floats are exact on them. */
const directions = (like: readonly { shape: readonly number[]; length: number }[], source: Random): Vector =>
  like.map(({ length }) => Float64Array.from({ length }, () => Math.fround(source.uniform(-1, 1))));

const read = (tensors: readonly Tensor[]): Vector =>
  tensors.map((t) => Float64Array.from(t.dataSync() as Float64Array));

const dot = (a: Vector, b: Vector): number =>
  a.reduce(
    (total, x, k) => total + x.reduce((part, value, i) => part + value * ((b[k] as Float64Array)[i] as number), 0),
    0,
  );
const magnitude = (a: Vector, b: Vector): number =>
  dot(
    a.map((x) => x.map(Math.abs)),
    b.map((x) => x.map(Math.abs)),
  );
const largest = (...vectors: Vector[]): number =>
  vectors.flat().reduce((most, x) => x.reduce((m, value) => Math.max(m, Math.abs(value)), most), 0);

function expectClose(received: Vector, expected: Vector, tolerance: number, scale: number, what: string): void {
  expect(
    received.map((x) => x.length),
    what,
  ).toEqual(expected.map((x) => x.length));
  received.forEach((x, k) => {
    x.forEach((value, i) => {
      const want = (expected[k] as Float64Array)[i] as number;
      if (Math.abs(value - want) <= tolerance * scale) return;
      expect.fail(`${what}: element ${i} of result ${k} is ${value} instead of ${want} (scale ${scale})`);
    });
  });
}

/** One case of a row as a function of its active operands, float results only. */
class Problem {
  private readonly all: Tensor[];
  private readonly shapes: { shape: readonly number[]; length: number; dtype: Tensor['dtype'] }[];
  readonly point: Vector;

  constructor(
    private readonly row: Row,
    private readonly one: Case,
    private readonly active: readonly number[],
    /** Operands held at zero: those that are added to a linear function of the active ones. */
    zeroed: readonly number[] = [],
  ) {
    const operands = operandsOf(row, one, 'float64').map((operand, k) =>
      zeroed.includes(k) ? { ...operand, values: operand.values.map(() => 0) } : operand,
    );
    this.all = operands.map(toTensor);
    const moving = active.map((k) => operands[k]).filter((operand) => operand !== undefined);
    this.shapes = moving.map(({ shape, values, dtype }) => ({ shape, length: values.length, dtype }));
    this.point = moving.map(({ values }) => values);
  }

  readonly f = (...xs: Tensor[]): Tensor[] => {
    const operands = this.all.map((operand, k) => xs[this.active.indexOf(k)] ?? operand);
    return this.row.apply(operands, this.one.params).filter((result) => isFloat(result.dtype));
  };

  tensors(values: Vector): Tensor[] {
    return values.map((value, k) =>
      tensor(value, {
        shape: [...(this.shapes[k] as { shape: readonly number[] }).shape],
        device: testedDevice,
      }),
    );
  }

  direction(name: string): Vector {
    return directions(this.shapes, random(this.row, this.one, name));
  }

  /** A cotangent for each result. */
  weights(): { values: Vector; tensors: Tensor[] } {
    const results = this.f(...this.tensors(this.point));
    const values = directions(
      results.map(({ shape, size }) => ({ shape, length: size })),
      random(this.row, this.one, 'weights'),
    );
    const tensors = values.map((value, k) => {
      const { dtype, shape } = results[k] as Tensor;
      const array = dtype === 'float32' ? Float32Array.from(value) : value;
      return tensor(array, { shape: [...shape], device: testedDevice });
    });
    return { values, tensors };
  }

  shifted(direction: Vector, step: number): Tensor[] {
    return this.tensors(
      this.point.map((x, k) => x.map((value, i) => value + step * ((direction[k] as Float64Array)[i] as number))),
    );
  }

  /** Central difference of a function of the active operands. */
  difference(g: (...xs: Tensor[]) => Tensor[], direction: Vector): { derivative: Vector; size: number } {
    const [high, low] = [read(g(...this.shifted(direction, STEP))), read(g(...this.shifted(direction, -STEP)))];
    const derivative = high.map((x, k) =>
      x.map((value, i) => (value - ((low[k] as Float64Array)[i] as number)) / (2 * STEP)),
    );
    return { derivative, size: largest(high) };
  }
}

/** Float results of float operands: what could have a derivative. */
function covers(row: Row, one: Case): boolean {
  if (!one.differentiate || !row.dtypes.includes('float64') || (one.dtypes && !one.dtypes.includes('float64')))
    return false;
  return row.reference(operandsOf(row, one, 'float64'), one.params).some(({ dtype }) => isFloat(dtype));
}

function firstOrder(row: Row, one: Case, { active, kind }: Active): void {
  const problem = new Problem(row, one, active);
  const t = problem.direction('t');
  const derived = jit((...xs: Tensor[]) => jvp(problem.f, xs.slice(0, t.length), xs.slice(t.length))[1]);
  const tangent = read(derived(...problem.tensors(problem.point), ...problem.tensors(t)));
  if (kind === 'linear') {
    expectClose(
      tangent,
      read(problem.f(...problem.tensors(t))),
      IDENTITY_TOLERANCE,
      1 + largest(tangent),
      'tangent of a linear map',
    );
    return;
  }
  const { derivative, size } = problem.difference(jit(problem.f), t);
  expectClose(tangent, derivative, DIFFERENCE_TOLERANCE, 1 + size + largest(derivative), 'jvp');
}

function secondOrder(row: Row, one: Case, { active }: Active): void {
  const problem = new Problem(row, one, active);
  const [t, s] = [problem.direction('t'), problem.direction('s')];
  const moving = problem.tensors(t);
  const along = jit((...xs: Tensor[]) => jvp(problem.f, xs, moving)[1]);
  const twice = jit(
    (...xs: Tensor[]) => jvp((...ys: Tensor[]) => jvp(problem.f, ys, moving)[1], xs, problem.tensors(s))[1],
  );
  const { derivative, size } = problem.difference(along, s);
  expectClose(
    read(twice(...problem.tensors(problem.point))),
    derivative,
    DIFFERENCE_TOLERANCE,
    1 + size + largest(derivative),
    'jvp of jvp',
  );
}

function reverseMode(row: Row, one: Case, { active, kind, forward }: Active): void {
  const problem = new Problem(row, one, active);
  const weights = problem.weights();
  const t = problem.direction('t');
  const point = problem.tensors(problem.point);

  const [, pullback] = vjp(problem.f, ...point);
  const cotangents = read(pullback(weights.tensors));
  const pushed = forward
    ? read(jvp(problem.f, point, problem.tensors(t))[1])
    : problem.difference((...xs) => problem.f(...xs), t).derivative;
  const difference = dot(weights.values, pushed) - dot(cotangents, t);
  const scale = 1 + magnitude(weights.values, pushed) + magnitude(cotangents, t);
  if (forward)
    expect(Math.abs(difference), 'reverse against forward mode').toBeLessThanOrEqual(IDENTITY_TOLERANCE * scale);
  if (kind === 'distribution') return;
  if (weights.tensors.some((weight) => weight.dtype !== 'float64') || weights.tensors.length === 0) return;

  const weighted = (...xs: Tensor[]): Tensor =>
    problem
      .f(...xs)
      .map((y, k) => sum(mul(y, weights.tensors[k] as Tensor)))
      .reduce((total, part) => total.add(part));
  const gradient = jit(
    (...xs: Tensor[]) => grad(weighted, { argnums: xs.map((_, k) => k) })(...xs) as unknown as Tensor[],
  );
  expectClose(
    read(gradient(...point)),
    cotangents,
    IDENTITY_TOLERANCE,
    1 + largest(cotangents),
    'grad against the pullback',
  );
  const value = problem.difference(
    jit((...xs: Tensor[]) => [weighted(...xs)]),
    t,
  );
  const slope = Float64Array.of(dot(cotangents, t));
  expectClose([slope], value.derivative, DIFFERENCE_TOLERANCE, 1 + value.size + scale, 'gradient');
  if (kind !== 'smooth') return;

  const moving = problem.tensors(t);
  const product = jit((...xs: Tensor[]) => jvp((...ys: Tensor[]) => gradient(...ys), xs, moving)[1] as Tensor[]);
  const curvature = problem.difference(gradient, t);
  const bound = 1 + curvature.size + largest(curvature.derivative);
  expectClose(read(product(...point)), curvature.derivative, DIFFERENCE_TOLERANCE, bound, 'jvp of grad');
}

function transposed(row: Row, one: Case, { active, kind }: Active, group: readonly number[]): void {
  const others = kind === 'linear' ? active.filter((k) => !group.includes(k)) : [];
  const problem = new Problem(row, one, group, others);
  const weights = problem.weights();
  const x = problem.direction('x');
  const apply = (xs: Tensor[]): Tensor[] => problem.f(...xs);
  const images = read(apply(problem.tensors(x)));
  const adjoint = jit((...ys: Tensor[]) => linearTranspose(apply, problem.tensors(x))(ys) as Tensor[]);
  const pulled = read(adjoint(...weights.tensors));
  const scale = 1 + magnitude(images, weights.values) + magnitude(x, pulled);
  const difference = dot(images, weights.values) - dot(x, pulled);
  expect(Math.abs(difference), '<Ax, y> - <x, Aᵀy>').toBeLessThanOrEqual(IDENTITY_TOLERANCE * scale);
}

function zeroTangents(row: Row, one: Case): void {
  const active = operandsOf(row, one, 'float64').flatMap(({ dtype }, k) => (dtype === 'float64' ? [k] : []));
  const problem = new Problem(row, one, active);
  const point = problem.tensors(problem.point);
  const [, tangents] = jvp(problem.f, point, problem.tensors(problem.direction('t')));
  expect(largest(read(tangents as Tensor[])), 'tangent').toBe(0);
}

describe('the table of derivatives', () => {
  it('tests every primitive that claims a derivative', () => {
    const tested = new Set(rows.filter((row) => row.derivative.kind !== 'none').map((row) => row.primitive));
    const claimed = [...primitives.values()]
      .filter((primitive) => primitive.differentiable)
      .map((primitive) => primitive.name);
    expect(claimed.filter((name) => !tested.has(name))).toEqual([]);
    expect([...tested].filter((name) => !claimed.includes(name))).toEqual([]);
  });

  it('transposes every primitive that claims a transpose, on some case', () => {
    const tested = new Set(
      rows.flatMap(({ derivative, primitive }) =>
        derivative.kind !== 'none' && derivative.linear.length > 0 ? [primitive] : [],
      ),
    );
    const claimed = [...primitives.values()]
      .filter((primitive) => primitive.transpose)
      .map((primitive) => primitive.name);
    expect(claimed.filter((name) => !tested.has(name))).toEqual([]);
  });

  it('has a case to differentiate in every row that claims a derivative', () => {
    const idle = rows.filter((row) => row.derivative.kind !== 'none' && !row.cases.some((one) => covers(row, one)));
    expect(idle.map((row) => row.primitive)).toEqual([]);
  });
});

for (const row of rows) {
  const { derivative } = row;
  const cases = row.cases.filter((one) => covers(row, one));
  if (cases.length === 0) continue;
  describe(row.primitive, () => {
    for (const one of cases) {
      if (derivative.kind === 'none') {
        it(`${one.label}: no tangent`, () => scope(() => zeroTangents(row, one)));
        continue;
      }
      if (derivative.forward && derivative.kind !== 'distribution')
        it(`${one.label}: forward`, () => scope(() => firstOrder(row, one, derivative)));
      if (derivative.kind === 'smooth' && derivative.forward)
        it(`${one.label}: second order`, () => scope(() => secondOrder(row, one, derivative)));
      if (derivative.reverse) it(`${one.label}: reverse`, () => scope(() => reverseMode(row, one, derivative)));
      for (const group of derivative.linear) {
        it(`${one.label}: transpose in operand ${group.join(' and ')}`, () =>
          scope(() => transposed(row, one, derivative, group)));
      }
    }
  });
}
