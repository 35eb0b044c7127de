// Fits a two-layer ReLU network to a certified optimum on real digits, then asks for curvature: node examples/first-program.mjs
import { cast, hvp, loadDataset, matmul, ones, ReluNetwork, square, tensor } from 'cotangent';

const toTensor = ({ data, dtype, shape }) => tensor(data, { dtype, shape });
const { train, test } = await loadDataset('mnist-2v8', { stride: 3, perClass: 300 });
const [x, y] = [toTensor(train.x), toTensor(train.y)];

const model = await ReluNetwork.fit(x, y, { task: 'classification', patterns: 16 });
const { primal, lowerBound } = model.report.certificate;
console.log(`objective ${primal.toFixed(3)}, certainly not below ${lowerBound.toFixed(3)}`);
console.log(`test accuracy ${(await model.score(toTensor(test.x), toTensor(test.y))).toFixed(3)}`);

// Hessian of the logistic loss at w = 0 times a vector, without the Hessian.
const labels = cast(y, 'float32');
const logisticLoss = (w) => matmul(x, w).softplus().sub(matmul(x, w).mul(labels)).sum();
const product = hvp(logisticLoss)(ones([100]).mul(0), ones([100]));
console.log(`|Hv| = ${Math.sqrt(await square(product).sum().item()).toFixed(3)}`);
