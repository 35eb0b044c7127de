/** The core: tensors, the primitive table, and the operations over them. Importing it fills the table. */
import './primitives/elementwise.js';
import './primitives/special.js';
import './primitives/structural.js';
import './primitives/cumulative.js';
import './primitives/sorting.js';
import './primitives/along-axis.js';
import './primitives/random-gamma.js';
import './primitives/indexing.js';
import './primitives/linalg.js';
import './primitives/convolution.js';
import './primitives/pooling.js';
import './primitives/fft.js';
import './primitives/lu.js';
import './primitives/qr.js';
import './primitives/spectral.js';
import './primitives/svd.js';
import './primitives/random.js';
import './primitives/effects.js';
import './fluent.js';

export { scalar, scope, tensor } from './concrete.js';
export {
  Device,
  type DeviceKind,
  type DeviceLike,
  type DeviceState,
  defaultDevice,
  device,
  devices,
  type HardwareInfo,
  hardwareInfo,
  idle,
  type MemoryInfo,
  memory,
  type Statistics,
  setDefaultDevice,
  setMemoryLimit,
  setThreads,
  statistics,
} from './device.js';
export type { DType, TypedArray } from './dtype.js';
export type { EmitListener } from './environment.js';
export * from './errors.js';
export * from './ops/arrays.js';
export * from './ops/convolution.js';
export * from './ops/cumulative.js';
export * from './ops/einsum.js';
export * from './ops/elementwise.js';
export * from './ops/fft.js';
export * from './ops/least-squares.js';
export * from './ops/linalg.js';
export * from './ops/ordering.js';
export * from './ops/products.js';
export * as random from './ops/random.js';
export * from './ops/rearrange.js';
export * from './ops/reductions.js';
export * from './ops/solves.js';
export * from './ops/special.js';
export * from './ops/spectral.js';
export * from './ops/svd.js';
export {
  type BatchContext,
  type Batched,
  type JointContext,
  type JvpContext,
  type Params,
  type Primitive,
  type PrimitiveRules,
  primitives,
  type Tangent,
  type TransposeContext,
  type TransposeOperand,
} from './primitive.js';
export { type Profile, type ProfileEvent, type ProfileRow, profile } from './profile.js';
export { type Atom, type Equation, type Literal, Program, type Variable } from './program.js';
export { Stream } from './stream.js';
export { type NestedArray, Tensor } from './tensor.js';
export type { TensorLike } from './tracing.js';
export { disposeTree, mapTree, type Tensors, type Tree, treeLeaves } from './tree.js';
export { type Shape, TensorType } from './types.js';
