/** RES-1. A REVIEW holds back until somebody looked and sends it again with the override; a LIMIT bounds one instruction. */
export const restrictionTypes = [
  "PREVENT_DEBITS",
  "PREVENT_CREDITS",
  "PREVENT_CLOSURE",
  "REVIEW_DEBITS",
  "REVIEW_CREDITS",
  "LIMIT_DEBITS",
  "LIMIT_CREDITS",
] as const;
export type RestrictionType = (typeof restrictionTypes)[number];
