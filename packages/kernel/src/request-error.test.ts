import { assertInput, idempotencyKeyReused, notFound, RequestError, temporarilyUnavailable } from "./request-error.js";

test("all faults of an input are told at once, and none when there are none", () => {
  const fault = (path: string) => ({ path, code: "AMOUNT_SCALE", message: "Send no more digits." });
  expect(() => assertInput([])).not.toThrow();
  expect(() => assertInput([fault("input.a"), fault("input.b")])).toThrow(
    expect.objectContaining({
      code: "BAD_USER_INPUT",
      message: "input.a: Send no more digits. input.b: Send no more digits.",
      fields: [fault("input.a"), fault("input.b")],
    }),
  );
});

test.each([
  [notFound("account"), "NOT_FOUND", undefined],
  [idempotencyKeyReused(), "IDEMPOTENCY_KEY_REUSED", undefined],
  [temporarilyUnavailable(250), "TEMPORARILY_UNAVAILABLE", 250],
  [temporarilyUnavailable(9, "The queue is full. Wait."), "TEMPORARILY_UNAVAILABLE", 9],
])("%s says what to do", (error, code, retryAfterMs) => {
  expect(error).toBeInstanceOf(RequestError);
  expect(error).toMatchObject({ name: "RequestError", code, retryAfterMs, fields: [] });
  expect(error.message).toMatch(/\.$/);
});
