import type { FieldFault } from "@florin/kernel";
import { parsePhoneNumberFromString, type CountryCode } from "libphonenumber-js";

/**
 * What people sign in with. Stored and compared in one form only, so that `Ada@Example.com ` and `ada@example.com` are one person:
 * email trimmed and lower-case, phone as E.164.
 */
const MAX_EMAIL_LENGTH = 254;
const MAX_PHONE_LENGTH = 32;
/** The form that browsers accept (HTML living standard), and at least one dot in the domain. */
const EMAIL =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

export function parseEmail(text: string): string | undefined {
  const email = text.trim().toLowerCase();
  return email.length <= MAX_EMAIL_LENGTH && EMAIL.test(email) ? email : undefined;
}

/** A number without a country prefix is read as one of `country`. */
export function parsePhone(text: string, country?: string): string | undefined {
  const trimmed = text.trim();
  if (trimmed.length > MAX_PHONE_LENGTH || !/^[+0-9 ().\-/]+$/.test(trimmed)) return undefined;
  const number = parsePhoneNumberFromString(trimmed, country as CountryCode | undefined);
  return number?.isValid() === true ? number.number : undefined;
}

/** Whatever was typed into a log-in form; undefined when nobody can have it. */
export function parseIdentifier(text: string): string | undefined {
  return text.includes("@") ? parseEmail(text) : parsePhone(text);
}

/** Both forms of a new user's identifiers; one fault for each that cannot be used, or one when there is none. */
export function parseIdentifiers(
  input: { readonly email?: string | null | undefined; readonly phone?: string | null | undefined },
  country: string | undefined,
  faults: FieldFault[],
): { readonly email: string | null; readonly phone: string | null } {
  const hasEmail = isGiven(input.email);
  const hasPhone = isGiven(input.phone);
  if (!hasEmail && !hasPhone)
    faults.push({ path: "input.email", code: "FIELD_REQUIRED", message: "Give an email or a phone number." });
  const email = hasEmail ? parseEmail(input.email ?? "") : undefined;
  const phone = hasPhone ? parsePhone(input.phone ?? "", country) : undefined;
  if (hasEmail && email === undefined)
    faults.push({ path: "input.email", code: "EMAIL_INVALID", message: "Not an email address. Check its spelling." });
  if (hasPhone && phone === undefined)
    faults.push({
      path: "input.phone",
      code: "PHONE_INVALID",
      message: "Not a phone number. Send it with its country prefix, such as +254712345678.",
    });
  return { email: email ?? null, phone: phone ?? null };
}

function isGiven(text: string | null | undefined): boolean {
  return text !== undefined && text !== null && text.trim() !== "";
}
