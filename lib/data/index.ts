/** Readers and data sets. */
export { type ArrayBatchesOptions, arrayBatches } from './array-batches.js';
export { type ArrowOptions, readArrow } from './arrow.js';
export { type CsvBlockOptions, type CsvOptions, type CsvTable, csvBlocks, readCsv } from './csv.js';
export { type DataArray, dataArray, type Split, takeRows } from './data-array.js';
export { type Dataset, type DatasetOptions, loadDataset, type NamedDataset, namedDatasets } from './dataset.js';
export { type IdxOptions, readIdx } from './idx.js';
export type { ColumnOptions } from './internal/columns.js';
export type { Source } from './internal/source.js';
export { type CsrMatrix, type LabelledArray, type LibsvmOptions, readLibsvm } from './libsvm.js';
export { npyBlocks, readNpy, writeNpy } from './npy.js';
export { readNpz, writeNpz } from './npz.js';
export { type ParquetOptions, parquetBlocks, readParquet } from './parquet.js';
export { batches, Standardizer, standardize, trainTestSplit } from './preparation.js';
export { HostRandom } from './random.js';
export { readSafetensors, type Safetensors, writeSafetensors } from './safetensors.js';
export { type RowBlock, type StreamBatchesOptions, streamBatches } from './shuffle.js';
