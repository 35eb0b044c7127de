/** Packages that only some readers need: loaded on first use, named when missing. */
import { DomainError } from '../../core/errors.js';

/** What `load` gives. @throws {DomainError} the package is not installed; the message names it. */
export async function optionalPackage<T>(op: string, name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw new DomainError(op, `Expected the package ${name} to be installed, received none`, {
      hint: `npm install ${name}`,
      details: { package: name },
      cause,
    });
  }
}
