/** Trees: tensors inside arrays and plain objects, as arguments and results of traced functions. */

import { DomainError } from './errors.js';
import { Tensor } from './tensor.js';

/** A tensor or number, or arrays and plain objects of them, nested at will. */
export type Tree = Tensor | number | boolean | null | undefined | readonly Tree[] | { readonly [key: string]: Tree };

/** The same tree with a Tensor in the place of each number. */
export type Tensors<T> = T extends Tensor
  ? T
  : T extends number | boolean
    ? Tensor
    : T extends null | undefined
      ? T
      : T extends readonly unknown[] | object
        ? { -readonly [K in keyof T]: Tensors<T[K]> }
        : never;

/** Where the leaves of a tree sit; compared by its text. */
export interface TreeShape {
  readonly text: string;
  readonly leaves: number;
  build(leaves: readonly unknown[]): unknown;
}

interface Node {
  text: string;
  count: number;
  build(leaves: readonly unknown[], at: number): unknown;
}

const leaf: Node = { text: '*', count: 1, build: (leaves, at) => leaves[at] };

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}

function describe(op: string, path: string, value: unknown, leaves: (Tensor | number | boolean)[]): Node {
  if (value instanceof Tensor || typeof value === 'number' || typeof value === 'boolean') {
    leaves.push(value);
    return leaf;
  }
  if (value === null || value === undefined) return { text: String(value), count: 0, build: () => value };
  if (Array.isArray(value)) {
    const nodes = value.map((child, k) => describe(op, `${path}[${k}]`, child, leaves));
    return {
      text: `[${nodes.map((node) => node.text).join()}]`,
      count: nodes.reduce((total, node) => total + node.count, 0),
      build: (all, at) => {
        let offset = at;
        return nodes.map((node) => {
          const built = node.build(all, offset);
          offset += node.count;
          return built;
        });
      },
    };
  }
  if (typeof value === 'object' && isPlainObject(value)) {
    const entries = Object.keys(value).map(
      (key) => [key, describe(op, path ? `${path}.${key}` : key, value[key], leaves)] as const,
    );
    return {
      text: `{${entries.map(([key, node]) => `${JSON.stringify(key)}:${node.text}`).join()}}`,
      count: entries.reduce((total, [, node]) => total + node.count, 0),
      build: (all, at) => {
        let offset = at;
        const built: Record<string, unknown> = {};
        for (const [key, node] of entries) {
          built[key] = node.build(all, offset);
          offset += node.count;
        }
        return built;
      },
    };
  }
  const received = typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value;
  throw new DomainError(
    op,
    `Expected tensors, numbers, or arrays and plain objects of them, received ${received} at ${path || 'the root'}`,
  );
}

/** Leaves of a tree in order, and its shape. @throws {DomainError} something in it is neither a leaf nor a container. */
export function flatten(op: string, tree: unknown): { leaves: (Tensor | number | boolean)[]; shape: TreeShape } {
  const leaves: (Tensor | number | boolean)[] = [];
  const node = describe(op, '', tree, leaves);
  return { leaves, shape: { text: node.text, leaves: node.count, build: (all) => node.build(all, 0) } };
}

/** The tree with `f` applied to each leaf. */
export function mapTree<T>(tree: T, f: (leaf: Tensor, index: number) => Tensor): T {
  const { leaves, shape } = flatten('mapTree', tree);
  return shape.build(leaves.map((value, k) => f(value as Tensor, k))) as T;
}

/** The tensors in a tree, in order. */
export function treeLeaves(tree: unknown): Tensor[] {
  return flatten('treeLeaves', tree).leaves.filter((value): value is Tensor => value instanceof Tensor);
}

/** Disposes every tensor in a tree. */
export function disposeTree(tree: unknown): void {
  for (const tensor of treeLeaves(tree)) tensor.dispose();
}
