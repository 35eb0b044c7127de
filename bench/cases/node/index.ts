/** The cases that jax-js (WebAssembly on Node, one thread) can run, beside it: the same data and the same work. */
import type { DataSet, PairedCase, Runner } from '../../harness/types.js';
import { eagerOp } from '../eager-op.js';
import { weightNames } from '../internal/mlp.js';
import { matmulCases } from '../matmul.js';
import { mlpHvp } from '../mlp-hvp.js';
import { mlpStep } from '../mlp-step.js';
import { softThreshold } from '../soft-threshold.js';
import { softmaxXent } from '../softmax-xent.js';

type Jax = typeof import('@jax-js/jax');
type Array = InstanceType<Jax['Array']>;

/** Ours over jax-js's time may be at most this. */
const limit = 0.3;

/** Operations consume their operands; `ref` is another reference. */
function beside(
  ours: PairedCase,
  startPeer: (
    jax: Jax,
    load: (name: string) => Array,
    parameters: Readonly<Record<string, number>>,
    data: DataSet,
  ) => Runner,
): PairedCase {
  return {
    ...ours,
    name: `node/${ours.name}`,
    peers: [{ name: 'jax-js', limit }],
    async startPeer(parameters, data) {
      const jax = await import('@jax-js/jax');
      await jax.init('wasm');
      jax.defaultDevice('wasm');
      const load = (name: string): Array => {
        const { values, shape } = data[name] as DataSet[string];
        return jax.numpy.array(values as Float32Array<ArrayBuffer>).reshape([...shape]);
      };
      return startPeer(jax, load, parameters, data);
    },
  };
}

const read = async (x: Array): Promise<Float32Array> => (await x.data()) as Float32Array;

const nodeSoftThreshold = beside(softThreshold, ({ jit, numpy: np }, load, { threshold = 0.5 }) => {
  const x = load('x');
  const shrink = jit((v: Array) => np.sign(v.ref).mul(np.maximum(np.absolute(v).sub(threshold), 0)));
  return {
    result: async () => ({ y: await read(shrink(x.ref)) }),
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const y = shrink(x.ref);
        await y.blockUntilReady();
        y.dispose();
      }
    },
  };
});

const nodeMatmul = matmulCases.slice(0, 2).map((ours) =>
  beside(ours, ({ jit, numpy: np }, load) => {
    const [a, b] = [load('a'), load('b')];
    const product = jit((x: Array, y: Array) => np.matmul(x, y));
    return {
      result: async () => ({ c: await read(product(a.ref, b.ref)) }),
      async run(repetitions) {
        for (let repetition = 0; repetition < repetitions; repetition++) {
          const c = product(a.ref, b.ref);
          await c.blockUntilReady();
          c.dispose();
        }
      },
    };
  }),
);

const nodeEagerOp = beside(eagerOp, ({ numpy: np }, load, { rounds = 250 }) => {
  const [x, scale] = [load('x'), load('scale')];
  const once = async (): Promise<Float32Array> => {
    let y = x.ref;
    for (let round = 0; round < rounds; round++) {
      y = y.mul(scale.ref);
      y = y.add(x.ref);
      y = np.tanh(y);
      y = y.sub(0.25);
    }
    return read(y);
  };
  return {
    result: async () => ({ y: await once() }),
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) await once();
    },
  };
});

const nodeSoftmaxXent = beside(softmaxXent, ({ jit, nn, numpy: np, valueAndGrad }, load) => {
  const [logits, labels] = [load('logits'), load('labels')];
  const [rows, classes] = logits.shape as [number, number];
  const targets = nn.oneHot(labels, classes);
  const evaluate = jit(
    valueAndGrad((z: Array, t: Array) => np.sum(nn.logSoftmax(z).mul(t)).mul(-1 / rows)),
  ) as unknown as (z: Array, t: Array) => [Array, Array];
  return {
    async result() {
      const [value, gradient] = evaluate(logits.ref, targets.ref);
      return { value: await read(value), gradient: await read(gradient) };
    },
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const results = evaluate(logits.ref, targets.ref);
        await Promise.all(results.map((value) => value.blockUntilReady()));
        for (const value of results) value.dispose();
      }
    },
  };
});

/** The perceptron's loss on jax-js. */
function perceptron({ nn, numpy: np }: Jax) {
  return ([w1, b1, w2, b2]: Array[], x: Array, targets: Array): Array => {
    const hidden = nn.relu(np.matmul(x, w1 as Array).add(b1 as Array));
    const logits = np.matmul(hidden, w2 as Array).add(b2 as Array);
    return np.sum(nn.logSoftmax(logits).mul(targets)).mul(-1 / (targets.shape[0] as number));
  };
}

const nodeMlpStep = beside(mlpStep, (jax, load, { learningRate = 0.05, checkedSteps = 5 }) => {
  const loss = perceptron(jax);
  const x = load('x');
  const targets = jax.nn.oneHot(load('labels'), load('b2').shape[0] as number);
  const step = jax.jit((weights: Array[], features: Array, labels: Array) => {
    const [value, gradients] = jax.valueAndGrad(loss)(
      weights.map((w) => w.ref),
      features,
      labels,
    ) as unknown as [Array, Array[]];
    return [value, weights.map((w, k) => w.sub((gradients[k] as Array).mul(learningRate)))] as [Array, Array[]];
  }) as unknown as (weights: Array[], x: Array, t: Array) => [Array, Array[]];
  let weights: Array[] = [];
  const advance = (): Array => {
    const [value, next] = step(weights, x.ref, targets.ref);
    weights = next;
    return value;
  };
  return {
    async begin() {
      for (const w of weights) w.dispose();
      weights = weightNames.map(load);
    },
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) advance().dispose();
      await Promise.all(weights.map((w) => w.blockUntilReady()));
    },
    async result() {
      for (let k = 1; k < checkedSteps; k++) advance().dispose();
      const results: Record<string, Float32Array> = { loss: await read(advance()) };
      for (const [k, name] of weightNames.entries()) results[name] = await read((weights[k] as Array).ref);
      return results;
    },
  };
});

const nodeMlpHvp = beside(mlpHvp, (jax, load) => {
  const loss = perceptron(jax);
  const x = load('x');
  const targets = jax.nn.oneHot(load('labels'), load('b2').shape[0] as number);
  const [weights, direction] = [weightNames.map(load), weightNames.map((name) => load(`d${name}`))];
  const product = jax.jit((w: Array[], v: Array[], features: Array, labels: Array) => {
    const gradient = jax.grad((at: Array[]) => loss(at, features.ref, labels.ref));
    return jax.jvp(gradient as never, [w] as never, [v] as never)[1];
  }) as unknown as (w: Array[], v: Array[], x: Array, t: Array) => Array[];
  const apply = (): Array[] =>
    product(
      weights.map((w) => w.ref),
      direction.map((v) => v.ref),
      x.ref,
      targets.ref,
    );
  return {
    async result() {
      const values = apply();
      const results: Record<string, Float32Array> = {};
      for (const [k, name] of weightNames.entries()) results[name] = await read(values[k] as Array);
      return results;
    },
    async run(repetitions) {
      for (let repetition = 0; repetition < repetitions; repetition++) {
        const values = apply();
        await Promise.all(values.map((value) => value.blockUntilReady()));
        for (const value of values) value.dispose();
      }
    },
  };
});

export const nodeCases: readonly PairedCase[] = [
  nodeEagerOp,
  ...nodeMatmul,
  nodeSoftThreshold,
  nodeSoftmaxXent,
  nodeMlpStep,
  nodeMlpHvp,
];
