/**
 * A graph of transactions and what orders them, kept in flat arrays so that millions of edges fit: gathered first, then frozen into
 * adjacency by source. Components are found by Tarjan's algorithm without recursion; a cycle is shown as its shortest path back.
 */
export const WW = 1;
export const WR = 2;
export const RW = 4;
export const RT = 8;
export const ALL = WW | WR | RW | RT;
export type EdgeType = typeof WW | typeof WR | typeof RW | typeof RT;

export interface Edge {
  readonly from: number;
  readonly to: number;
  readonly type: number;
}

export class DependencyGraph {
  readonly #nodes: number;
  #from = new Int32Array(1024);
  #to = new Int32Array(1024);
  #type = new Uint8Array(1024);
  #count = 0;

  constructor(nodes: number) {
    this.#nodes = nodes;
  }

  add(from: number, to: number, type: EdgeType): void {
    if (from === to) return;
    if (this.#count === this.#from.length) this.#grow();
    this.#from[this.#count] = from;
    this.#to[this.#count] = to;
    this.#type[this.#count++] = type;
  }

  freeze(): FrozenGraph {
    const starts = new Int32Array(this.#nodes + 1);
    for (let edge = 0; edge < this.#count; edge++) starts[this.#from[edge]! + 1]!++;
    for (let node = 0; node < this.#nodes; node++) starts[node + 1]! += starts[node]!;
    const next = starts.slice(0, this.#nodes);
    const targets = new Int32Array(this.#count);
    const types = new Uint8Array(this.#count);
    for (let edge = 0; edge < this.#count; edge++) {
      const at = next[this.#from[edge]!]!++;
      targets[at] = this.#to[edge]!;
      types[at] = this.#type[edge]!;
    }
    return new FrozenGraph(starts, targets, types);
  }

  #grow(): void {
    const twice = <A extends Int32Array | Uint8Array>(array: A, bigger: A): A => {
      bigger.set(array);
      return bigger;
    };
    const size = this.#count * 2;
    this.#from = twice(this.#from, new Int32Array(size));
    this.#to = twice(this.#to, new Int32Array(size));
    this.#type = twice(this.#type, new Uint8Array(size));
  }
}

export class FrozenGraph {
  readonly #starts: Int32Array;
  readonly #targets: Int32Array;
  readonly #types: Uint8Array;

  constructor(starts: Int32Array, targets: Int32Array, types: Uint8Array) {
    this.#starts = starts;
    this.#targets = targets;
    this.#types = types;
  }

  get edges(): number {
    return this.#targets.length;
  }

  /** Strongly connected components of two nodes and more: where the cycles are, and all of them. */
  components(): number[][] {
    const nodes = this.#starts.length - 1;
    const order = new Int32Array(nodes).fill(-1);
    const low = new Int32Array(nodes);
    const isOnStack = new Uint8Array(nodes);
    const nextEdge = this.#starts.slice(0, nodes);
    const stack: number[] = [];
    const path: number[] = [];
    const found: number[][] = [];
    let seen = 0;
    const enter = (node: number): void => {
      order[node] = low[node] = seen++;
      stack.push(node);
      isOnStack[node] = 1;
      path.push(node);
    };
    for (let root = 0; root < nodes; root++) {
      if (order[root] !== -1) continue;
      enter(root);
      for (let node = path.at(-1); node !== undefined; node = path.at(-1)) {
        const edge = nextEdge[node]!;
        if (edge < this.#starts[node + 1]!) {
          nextEdge[node] = edge + 1;
          const target = this.#targets[edge]!;
          if (order[target] === -1) enter(target);
          else if (isOnStack[target] === 1) low[node] = Math.min(low[node]!, order[target]!);
          continue;
        }
        path.pop();
        const parent = path.at(-1);
        if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[node]!);
        if (low[node] !== order[node]) continue;
        const component: number[] = [];
        for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
          isOnStack[member] = 0;
          component.push(member);
          if (member === node) break;
        }
        if (component.length > 1) found.push(component);
      }
    }
    return found;
  }

  /** The edges of these types that stay within the component. */
  *edgesWithin(component: ReadonlySet<number>, mask: number): Generator<Edge> {
    for (const from of component)
      for (let edge = this.#starts[from]!; edge < this.#starts[from + 1]!; edge++)
        if ((this.#types[edge]! & mask) !== 0 && component.has(this.#targets[edge]!))
          yield { from, to: this.#targets[edge]!, type: this.#types[edge]! };
  }

  /** The shortest way from one node to another over edges of these types within the component; undefined when there is none. */
  pathWithin(component: ReadonlySet<number>, start: number, goal: number, mask: number): Edge[] | undefined {
    const cameBy = new Map<number, Edge | undefined>([[start, undefined]]);
    const queue = [start];
    for (let at = 0; at < queue.length && !cameBy.has(goal); at++) {
      const from = queue[at]!;
      for (let edge = this.#starts[from]!; edge < this.#starts[from + 1]!; edge++) {
        const to = this.#targets[edge]!;
        if ((this.#types[edge]! & mask) === 0 || cameBy.has(to) || !component.has(to)) continue;
        cameBy.set(to, { from, to, type: this.#types[edge]! });
        queue.push(to);
      }
    }
    if (!cameBy.has(goal)) return undefined;
    const path: Edge[] = [];
    for (let edge = cameBy.get(goal); edge !== undefined; edge = cameBy.get(edge.from)) path.unshift(edge);
    return path;
  }
}
