/**
 * Measures every item once in each run. The order turns by one from run to run, so that drift of the machine, and what the item before
 * left behind, meet all of them.
 */
export async function takeTurns<Item>(
  items: readonly Item[],
  runs: number,
  measure: (item: Item, run: number) => Promise<void>,
): Promise<void> {
  for (let run = 0; run < runs; run++) {
    for (let turn = 0; turn < items.length; turn++) {
      const item = items[(turn + run) % items.length];
      if (item !== undefined) await measure(item, run);
    }
  }
}
