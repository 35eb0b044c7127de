/** Gradient steps of the perceptron: one Program a step, weights donated. */
import { idle, jit, mul, sub, type Tensor, valueAndGrad } from 'cotangent';
import type { DataSet, Runner } from '../../harness/types.js';
import { load, loadWeights, loss, readWeights, type Weights, weightNames } from './mlp.js';

export function trainer(data: DataSet, learningRate: number, checkedSteps: number): Runner {
  const x = load(data, 'x');
  const labels = load(data, 'labels');
  const step = jit(
    (weights: Weights, features: Tensor, targets: Tensor) => {
      const [value, gradients] = valueAndGrad(loss)(weights, features, targets);
      const next = (name: keyof Weights) => sub(weights[name], mul(gradients[name], learningRate));
      return { value, weights: { w1: next('w1'), b1: next('b1'), w2: next('w2'), b2: next('b2') } };
    },
    { donate: [0] },
  );
  let weights: Weights | undefined;
  const advance = (): Tensor => {
    const result = step(weights as Weights, x, labels);
    weights = result.weights;
    return result.value;
  };
  return {
    async begin() {
      for (const name of weightNames) weights?.[name].dispose();
      weights = loadWeights(data);
    },
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) advance().dispose();
      await idle();
    },
    async result() {
      for (let k = 1; k < checkedSteps; k++) advance().dispose();
      using value = advance();
      return { loss: (await value.data()) as Float32Array, ...(await readWeights(weights as Weights)) };
    },
  };
}
