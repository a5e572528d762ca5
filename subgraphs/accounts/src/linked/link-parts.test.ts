import { asUuid, formatId } from "@florin/kernel";
import { clientUserIdOf } from "./link-parts.js";

const person = asUuid("0195f3c2-7c1e-7b1a-8f6e-2f1f4e9c0a11");

test("what Plaid is told of a person is always the same, another for everybody, and nothing of ours", () => {
  const key = new Uint8Array(32).fill(1);
  const told = clientUserIdOf(key, person);
  expect(told).toBe(clientUserIdOf(key, person));
  expect(told).not.toBe(clientUserIdOf(new Uint8Array(32).fill(2), person));
  expect(told).not.toBe(clientUserIdOf(key, asUuid("0195f3c2-7c1e-7b1a-8f6e-2f1f4e9c0a12")));
  for (const ours of [person, person.replaceAll("-", ""), formatId("user", person)]) expect(told).not.toContain(ours);
});
