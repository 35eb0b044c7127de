/** Random programs: fused against operation by operation, differentiated against differences, forward against reverse. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { grad, jit, jvp, mul, scope, sum, type Tensor, tensor, vjp } from '../../lib/index.js';
import { apply, inputsOf, type Recipe, recipes } from './random-programs.js';

const RUNS = { numRuns: 150 };

const read = (tensors: readonly Tensor[]): number[][] => tensors.map((x) => Array.from(x.dataSync()));

/** Fixed weights, so that every element counts and none cancels another. */
const weighted = (values: readonly Tensor[]): Tensor =>
  values
    .map((value) =>
      sum(
        mul(
          value,
          tensor(
            Float64Array.from({ length: value.size }, (_, k) => Math.cos(1 + k)),
            { shape: value.shape },
          ),
        ),
      ),
    )
    .reduce((total, part) => total.add(part));

/** Directions for each input. */
const directions = (inputs: readonly Tensor[]): Float64Array[] =>
  inputs.map((x, at) => Float64Array.from({ length: x.size }, (_, k) => Math.sin(3 * k + at + 1)));

const like = (inputs: readonly Tensor[], data: readonly Float64Array[]): Tensor[] =>
  inputs.map((x, k) => tensor(data[k] as Float64Array, { shape: x.shape }));

describe('random programs', () => {
  it('compute the same fused as one operation at a time', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        scope(() => {
          const inputs = inputsOf(recipe);
          const eager = read(apply(recipe, inputs));
          const fused = read(jit((...xs: Tensor[]) => apply(recipe, xs))(...inputs) as Tensor[]);
          // Every operation rounds alike in both; products may be cut differently.
          expect(fused.length).toBe(eager.length);
          fused.forEach((values, k) => {
            values.forEach((value, i) => {
              const want = (eager[k] as number[])[i] as number;
              expect(Math.abs(value - want)).toBeLessThanOrEqual(1e-12 * (1 + Math.abs(want)));
            });
          });
        });
      }),
      RUNS,
    );
  });

  /** Derivative along the directions, by central differences; undefined where a kink is near: two steps disagree. */
  const differences = (
    recipe: Recipe,
    inputs: readonly Tensor[],
    along: readonly Float64Array[],
  ): number | undefined => {
    const f = jit((...xs: Tensor[]) => weighted(apply(recipe, xs)));
    const at = (t: number): number => {
      const moved = inputs.map((x, k) => x.dataSync().map((v, i) => v + t * ((along[k] as Float64Array)[i] as number)));
      return (f(...like(inputs, moved as Float64Array[])) as Tensor).itemSync();
    };
    const slope = (h: number): number => (at(h) - at(-h)) / (2 * h);
    const [near, nearer] = [slope(2 ** -14), slope(2 ** -17)];
    // Truncation falls by 64 from one step to the other: what is left is a kink in between.
    return Math.abs(near - nearer) <= 1e-5 * (1 + Math.abs(nearer)) ? nearer : undefined;
  };

  it('have gradients that agree with differences, and modes that agree with each other', () => {
    let compared = 0;
    fc.assert(
      fc.property(recipes, (recipe) => {
        scope(() => {
          const inputs = inputsOf(recipe);
          const along = directions(inputs);
          const f = (...xs: Tensor[]): Tensor => weighted(apply(recipe, xs));
          const argnums = inputs.map((_, k) => k);
          const gradients = read(jit(grad(f, { argnums }))(...inputs) as unknown as Tensor[]);
          const slope = gradients.reduce(
            (total, g, k) =>
              total + g.reduce((part, value, i) => part + value * ((along[k] as Float64Array)[i] as number), 0),
            0,
          );
          const [, forward] = jvp(f, inputs as [Tensor], like(inputs, along) as [Tensor]) as [Tensor, Tensor];
          expect(Math.abs(forward.itemSync() - slope)).toBeLessThanOrEqual(1e-10 * (1 + Math.abs(slope)));
          const numeric = differences(recipe, inputs, along);
          if (numeric === undefined) return;
          compared++;
          // eps^(2/3) of differences, times the size of values and third derivatives.
          expect(Math.abs(numeric - slope)).toBeLessThanOrEqual(2e-5 * (1 + Math.abs(slope)));
        });
      }),
      RUNS,
    );
    expect(compared).toBeGreaterThan(RUNS.numRuns / 2);
  });

  it('have second derivatives that are symmetric', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        scope(() => {
          const inputs = inputsOf(recipe);
          const f = (...xs: Tensor[]): Tensor => weighted(apply(recipe, xs));
          const argnums = inputs.map((_, k) => k);
          const gradient = (...xs: Tensor[]): Tensor[] => grad(f, { argnums })(...xs) as unknown as Tensor[];
          const [v, w] = [
            directions(inputs),
            inputs.map((x) => Float64Array.from({ length: x.size }, (_, k) => Math.cos(2 * k))),
          ] as [Float64Array[], Float64Array[]];
          const product = (along: Float64Array[]): number[][] =>
            read(
              (
                jvp(gradient, inputs as [Tensor], like(inputs, along) as [Tensor]) as unknown as [Tensor[], Tensor[]]
              )[1],
            );
          const dot = (a: number[][], b: Float64Array[]): number =>
            a.reduce(
              (total, x, k) =>
                total + x.reduce((part, value, i) => part + value * ((b[k] as Float64Array)[i] as number), 0),
              0,
            );
          const [left, right] = [dot(product(v), w), dot(product(w), v)];
          expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-9 * (1 + Math.abs(left)));
        });
      }),
      RUNS,
    );
  });

  it('pull back as vjp what jvp pushes forward', () => {
    fc.assert(
      fc.property(recipes, (recipe) => {
        scope(() => {
          const inputs = inputsOf(recipe);
          const along = directions(inputs);
          const f = (...xs: Tensor[]): Tensor[] => apply(recipe, xs);
          const [, tangents] = jvp(f, inputs as [Tensor], like(inputs, along) as [Tensor]) as unknown as [
            Tensor[],
            Tensor[],
          ];
          const cotangents = tangents.map((t) =>
            tensor(
              Float64Array.from({ length: t.size }, (_, k) => Math.cos(5 * k)),
              { shape: t.shape },
            ),
          );
          const [, pull] = vjp(f, ...(inputs as [Tensor])) as unknown as [Tensor[], (ct: Tensor[]) => Tensor[]];
          const pulled = pull(cotangents);
          const total = (a: readonly Tensor[], b: readonly Tensor[]): number =>
            read(a).reduce((sumOf, x, k) => {
              const y = (b[k] as Tensor).dataSync();
              return sumOf + x.reduce((part, value, i) => part + value * (y[i] as number), 0);
            }, 0);
          const [left, right] = [total(tangents, cotangents), total(pulled, like(inputs, along))];
          expect(Math.abs(left - right)).toBeLessThanOrEqual(1e-10 * (1 + Math.abs(left)));
        });
      }),
      RUNS,
    );
  });
});
