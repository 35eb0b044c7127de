/** The operands of a case, as values and as tensors. */
import { type DType, defaultDevice, setDefaultDevice, type Tensor, tensor } from '../../lib/index.js';
import { type Case, drawOperands, Random, type Row, seedOf, testedDevice, type Values } from '../cases/index.js';

const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  uint32: Uint32Array,
  bool: Uint8Array,
};

export function toTensor({ dtype, shape, values }: Values): Tensor {
  return tensor(arrays[dtype].from(values), { dtype, shape, device: testedDevice });
}

/** Runs `f`, which applies a row: what has no operands to follow goes to the default device, so that is the tested one then. */
export function onTestedDevice<T>(operands: readonly unknown[], f: () => T): T {
  if (operands.length > 0) return f();
  const usual = defaultDevice();
  setDefaultDevice(testedDevice);
  try {
    return f();
  } finally {
    setDefaultDevice(usual);
  }
}

/** The dtypes that a case of a row runs on. */
export function dtypesOf(row: Row, one: Case): readonly DType[] {
  return row.dtypes.filter((dtype) => !one.dtypes || one.dtypes.includes(dtype));
}

/** The same values for the same row, case and dtype, whatever else the table holds. */
export function operandsOf(row: Row, one: Case, dtype: DType): Values[] {
  return drawOperands(one.operands, dtype, row.domain, new Random(seedOf(`${row.primitive} ${one.label} ${dtype}`)));
}
