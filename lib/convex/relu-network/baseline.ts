/** The non-convex baseline: the same network and objective, trained by back-propagation with SGD or Adam. */
import { tensor } from '../../core/concrete.js';
import { NumericalError } from '../../core/errors.js';
import { slice, take } from '../../core/ops/arrays.js';
import { add, mul, square } from '../../core/ops/elementwise.js';
import { bits, key, normal, split } from '../../core/ops/random.js';
import { sum } from '../../core/ops/reductions.js';
import type { Tensor } from '../../core/tensor.js';
import { batches } from '../../data/preparation.js';
import { adam, applyUpdates, sgd } from '../../solvers/optimizers.js';
import type { HistoryPoint, SolverOptions } from '../../solvers/options.js';
import type { Work } from '../../solvers/work.js';
import { valueAndGrad } from '../../transforms/differentiate.js';
import { jit } from '../../transforms/jit.js';
import { scan } from '../../transforms/loops.js';
import { adversary, type resolveAttack } from './attacks.js';
import { type LossName, totalLoss } from './losses.js';
import { forward, type NetworkParameters } from './network.js';
import { type Task, withBias } from './targets.js';

export interface BaselineSettings {
  readonly loss: LossName;
  readonly beta: number;
  readonly width: number;
  readonly epochs: number;
  readonly batchSize: number;
  readonly optimizer: 'sgd' | 'adam';
  readonly learningRate: number;
  readonly momentum: number;
  readonly seed: number;
  readonly task: Task;
  readonly bias: boolean;
  /** What moves the rows before each step. */
  readonly attack: ReturnType<typeof resolveAttack> | undefined;
  readonly onProgress: SolverOptions['onProgress'];
}

/**
 * Mini-batch training, one native Program an epoch, on the rows or on adversarial examples made of them in each step. Objectives that
 * are reported are those of the rows as they are.
 * @param x  [n, d], with the bias column if there is one.  @param y  targets [n, C].
 */
export async function trainBaseline(
  here: Work,
  x: Tensor,
  y: Tensor,
  settings: BaselineSettings,
): Promise<{ parameters: NetworkParameters; history: HistoryPoint[] }> {
  const { loss, beta, width, epochs, batchSize, seed, onProgress } = settings;
  const started = performance.now();
  const [n, d] = x.shape as [number, number];
  const { dtype } = x;
  const optimizer =
    settings.optimizer === 'adam'
      ? adam(settings.learningRate)
      : sgd(settings.learningRate, { momentum: settings.momentum });

  const penalty = (p: NetworkParameters): Tensor => mul(add(sum(square(p.hidden)), sum(square(p.output))), beta / 2);
  const objective = (p: NetworkParameters): Tensor => add(totalLoss(loss, forward(p, x), y), penalty(p));
  // Unbiased estimate of the objective divided by n, so that the learning rate does not depend on the number of rows.
  const batchLoss = (p: NetworkParameters, rows: Tensor, targets: Tensor): Tensor => {
    const fit = totalLoss(loss, forward(p, rows), targets);
    return add(mul(fit, 1 / (rows.shape[0] as number)), mul(penalty(p), 1 / n));
  };
  const { task, bias, attack } = settings;
  /** The adversary leaves the bias alone, and its answer counts as given: no derivative goes through it. */
  const moved = (p: NetworkParameters, rows: Tensor, targets: Tensor, from: Tensor): Tensor => {
    if (!attack) return rows;
    if (!bias) return adversary({ task, bias }, p, rows, targets, attack, from);
    const features = slice(rows, [0, 0], [rows.shape[0] as number, d - 1]);
    return withBias(adversary({ task, bias }, p, features, targets, attack, from));
  };
  type Carry = { parameters: NetworkParameters; state: ReturnType<typeof optimizer.init> };
  const epoch = jit(
    (carry: Carry, order: Tensor, keys: Tensor) =>
      scan(
        ({ parameters, state }: Carry, batch: { rows: Tensor; from: Tensor }) => {
          const targets = take(y, batch.rows);
          const rows = moved(parameters, take(x, batch.rows), targets, batch.from);
          const [value, gradients] = valueAndGrad(batchLoss)(parameters, rows, targets);
          const { updates, state: next } = optimizer.update(gradients, state as never, parameters);
          return [{ parameters: applyUpdates(parameters, updates), state: next }, value] as const;
        },
        carry,
        { rows: order, from: keys },
      )[0],
    { donate: [0] },
  );
  const evaluate = jit(objective);

  let carry: Carry = here.run(() => {
    const [hiddenKey, outputKey] = split(key(seed)) as [Tensor, Tensor];
    const parameters = {
      hidden: mul(normal(hiddenKey, [d, width], { dtype }), Math.sqrt(2 / d)),
      output: mul(normal(outputKey, [width, y.shape[1]], { dtype }), Math.sqrt(1 / width)),
    };
    return { parameters, state: optimizer.init(parameters) };
  });
  const history: HistoryPoint[] = [];
  const size = Math.min(batchSize, n);
  for (let k = 1; k <= epochs; k++) {
    // Whole batches only: a shorter one would be another Program for little.
    const order = batches(n, size, { seed: seed * 1_000_003 + k, dropLast: true });
    const flat = new Int32Array(order.length * size);
    order.forEach((rows, at) => {
      flat.set(rows, at * size);
    });
    const { next, value } = here.run(() => {
      const keys = bits(key((attack?.seed ?? 0) * 1_000_003 + k), [order.length, 2]);
      const after = epoch(carry, tensor(flat, { shape: [order.length, size] }), keys) as Carry;
      return { next: after, value: evaluate(after.parameters) };
    });
    carry = next;
    const current = await value.item();
    value.dispose();
    if (!Number.isFinite(current)) {
      throw new NumericalError(
        'ReluNetwork.fitSgd',
        `Expected a finite objective, received ${current} after epoch ${k}`,
        {
          hint: `lower the learning rate, which is ${settings.learningRate}`,
        },
      );
    }
    history.push({ iteration: k, time: (performance.now() - started) / 1000, objective: current });
    onProgress?.({ iteration: k, maxIterations: epochs, objective: current });
  }
  return { parameters: carry.parameters, history };
}
