import { randomUUID } from "node:crypto";
import { startTestPlatform, type Person, type PlatformForm, type TestPlatform } from "../platform-fixture.js";

export function testConcurrentTransfers(form?: PlatformForm): void {
  // CI's form is short, and so is that of many processes on two cores: what each transfer does is the same.
  const many = form === "distributed" || process.env["CI"] === "true" ? 1_000 : 5_000;
  let platform: TestPlatform;
  let people: Person[];

  beforeAll(async () => {
    platform = await startTestPlatform(form);
    people = await Promise.all(Array.from({ length: 10 }, (_, index) => platform.register(`person-${index}`)));
    await Promise.all(people.map((person) => platform.deposit(person, "100000.00")));
  });

  afterAll(async () => {
    expect(await platform.stop()).toEqual([]);
  });

  const bookTransfer =
    "mutation ($input: BookTransferInput!) { bookTransfer(input: $input) { operation { id status rejection { code } } } }";

  interface Transferred {
    readonly bookTransfer: { readonly operation: { readonly id: string; readonly status: string } };
  }

  function transfer(from: Person, to: Person, amount: string, idempotencyKey: string = randomUUID()) {
    const input = {
      fromAccountId: from.wallet,
      toAccountId: to.wallet,
      amount: { amount, currency: "USD" },
      idempotencyKey,
      waitMs: 10_000,
    };
    return platform.graph<Transferred>(bookTransfer, { input }, from.token);
  }

  async function total(): Promise<bigint> {
    const query = "query ($id: ID!) { account(id: $id) { balance { available { amount } } } }";
    const amounts = await Promise.all(
      people.map((person) =>
        platform.must<{ account: { balance: { available: { amount: string } } } }>(
          query,
          { id: person.wallet },
          person.token,
        ),
      ),
    );
    return amounts.reduce((sum, { account }) => sum + BigInt(account.balance.available.amount.replace(".", "")), 0n);
  }

  /** `count` transfers over ten people, `width` at a time; the pairs follow from the index alone. */
  async function transferMany(count: number, width: number): Promise<Map<string, number>> {
    const statuses = new Map<string, number>();
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const index = next++;
        const from = people[index % 10]!;
        const to = people[(index * 7 + 3 + Math.floor(index / 10)) % 10]!;
        const answer = await transfer(
          from,
          from === to ? people[(index + 1) % 10]! : to,
          `${1 + (index % 9)}.${10 + (index % 90)}`,
        );
        const status = answer.data?.bookTransfer.operation.status ?? JSON.stringify(answer.errors);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
    return statuses;
  }

  it("completes 50 of 50 concurrent transfers between ten people, and no money appears or vanishes", async () => {
    const before = await total();
    expect([...(await transferMany(50, 50))]).toEqual([["COMPLETED", 50]]);
    expect(await total()).toBe(before);
  });

  it(`completes ${many} of ${many}`, async () => {
    const before = await total();
    expect([...(await transferMany(many, 100))]).toEqual([["COMPLETED", many]]);
    expect(await total()).toBe(before);
  }, 180_000);

  it("has one effect for 50 concurrent equal calls, and all of them name the same operation (IDEM-3)", async () => {
    const [from, to] = [people[0]!, people[1]!];
    const before = await total();
    const key = randomUUID();
    const answers = await Promise.all(Array.from({ length: 50 }, () => transfer(from, to, "1.00", key)));
    const operations = new Set(answers.map((answer) => answer.data?.bookTransfer.operation.id));
    expect(operations.size).toBe(1);
    expect(answers.every((answer) => answer.data?.bookTransfer.operation.status === "COMPLETED")).toBe(true);
    expect(await total()).toBe(before);
    const { account } = await platform.must<{
      account: { transactions: { edges: { node: { amount: { amount: string } } }[] } };
    }>(
      "query ($id: ID!) { account(id: $id) { transactions(first: 2) { edges { node { amount { amount } batchId } } } } }",
      { id: from.wallet },
      from.token,
    );
    expect(account.transactions.edges.filter((edge) => edge.node.amount.amount === "1.00")).toHaveLength(1);
  });
}
