/** NumPy's .npz files: .npy files in a zip archive, through yauzl and yazl. */
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import yazl from 'yazl';
import { CotangentError, DomainError } from '../core/errors.js';
import { type DataArray, dataArray } from './data-array.js';
import { fileFailure, malformed, type Source, sourceName } from './internal/source.js';
import { npyBytes, readNpy } from './npy.js';

const READ = 'readNpz';
const WRITE = 'writeNpz';

/**
 * Reads all arrays of an .npz file, by name without `.npy`; stored or deflated. Members are read and unpacked one by one, and their
 * checksums compared. dtypes as in `readNpy`.
 *
 * @param source  a path, or the file's content.
 * @throws {DomainError} no such file, not a zip archive, truncated or corrupt, a member that is not .npy or that `readNpy` refuses;
 *   `details.member` names it.
 */
export async function readNpz(source: Source): Promise<Map<string, DataArray>> {
  const arrays = new Map<string, DataArray>();
  let member: string | undefined;
  try {
    const options = { lazyEntries: true, autoClose: false };
    const zip =
      source instanceof Uint8Array
        ? await yauzl.fromBufferPromise(Buffer.from(source.buffer, source.byteOffset, source.byteLength), options)
        : await yauzl.openPromise(source instanceof URL ? fileURLToPath(source) : source, options);
    try {
      for await (const entry of zip.eachEntry()) {
        member = entry.fileName;
        if (!member.endsWith('.npy')) throw new DomainError(READ, `Expected .npy files alone, received ${member}`);
        if (arrays.has(member.slice(0, -4)))
          throw new DomainError(READ, 'Expected each member once, received it twice');
        const parts: Buffer[] = [];
        for await (const part of await zip.openReadStreamPromise(entry)) parts.push(part as Buffer);
        const content = Buffer.concat(parts);
        if (crc32(content) !== entry.crc32)
          throw new DomainError(READ, 'Expected the checksum of the archive, received another');
        arrays.set(member.slice(0, -4), await readNpy(content));
        member = undefined;
      }
    } finally {
      zip.close();
    }
    return arrays;
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (!(source instanceof Uint8Array) && ['ENOENT', 'EISDIR', 'EACCES'].includes(code ?? '')) {
      throw fileFailure(READ, 'readable', source, cause);
    }
    if (cause instanceof CotangentError && cause.code === 'ERR_OUT_OF_MEMORY') throw cause;
    const where = member === undefined ? sourceName(source) : `${member} of ${sourceName(source)}`;
    throw malformed(READ, source, `Expected an intact .npz archive at ${where}, received: ${message}`, {
      member,
      cause,
    });
  }
}

/**
 * Writes an .npz file that NumPy's `load` reads. It appears under its name only when it is complete.
 *
 * @param arrays  by name, which must not be empty, contain `/` or `\`, or be `..`.
 * @param options.compress  deflate. Default: false, as NumPy's `savez`.
 * @throws {DomainError} the file cannot be written, or a name that cannot be.  {ShapeError} data and shape disagree.
 */
export async function writeNpz(
  path: string,
  arrays: ReadonlyMap<string, DataArray> | Readonly<Record<string, DataArray>>,
  { compress = false }: { readonly compress?: boolean } = {},
): Promise<void> {
  const list = [...(arrays instanceof Map ? arrays : Object.entries(arrays))] as [string, DataArray][];
  const zip = new yazl.ZipFile();
  for (const [name, array] of list) {
    if (name === '' || name === '..' || /[/\\]/.test(name)) {
      throw malformed(WRITE, path, `Expected names without slashes, received ${JSON.stringify(name)}`);
    }
    dataArray(array.data, array.shape, array.dtype);
    // A fixed time: the same arrays make the same file.
    zip.addBuffer(npyBytes(array), `${name}.npy`, { compress, mtime: new Date(1980, 0, 1) });
  }
  zip.end();
  const draft = `${path}.${process.pid}.partial`;
  try {
    await pipeline(zip.outputStream, createWriteStream(draft));
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw fileFailure(WRITE, 'writable', path, cause);
  }
}
