/**
 * `@authenticated` and `@requiresScopes`, read from a schema and enforced.
 *
 * A field's requirement is the sum of its own directives, those of the type it stands on and those of the type it returns:
 * so a resolver with effects does not run for someone who may not see the result. Scopes are an OR of ANDs.
 * `@requiresScopes` implies a signed-in viewer. The gateway uses it to leave fields out of the plan; every subgraph uses it again
 * on its own resolvers, as the gateway's word is never enough.
 */
import type { Viewer } from "@florin/auth";
import { RequestError } from "@florin/kernel";
import {
  defaultFieldResolver,
  getNamedType,
  isObjectType,
  isInterfaceType,
  valueFromASTUntyped,
  type ConstDirectiveNode,
  type GraphQLSchema,
} from "graphql";

export interface Requirement {
  /** Every entry must be met; each is an OR of ANDs of scopes. */
  readonly scopes: readonly (readonly (readonly string[])[])[];
}

interface Directed {
  readonly astNode?: { readonly directives?: readonly ConstDirectiveNode[] | undefined } | undefined | null;
  readonly extensionASTNodes?:
    readonly { readonly directives?: readonly ConstDirectiveNode[] | undefined }[] | undefined;
}

function requirementOf(element: Directed): Requirement | undefined {
  const directives = [
    ...(element.astNode?.directives ?? []),
    ...(element.extensionASTNodes ?? []).flatMap((node) => node.directives ?? []),
  ];
  let requirement: Requirement | undefined;
  for (const directive of directives) {
    const name = directive.name.value.replace(/^federation__/, "");
    if (name === "authenticated") requirement ??= { scopes: [] };
    if (name !== "requiresScopes") continue;
    const argument = directive.arguments?.find((candidate) => candidate.name.value === "scopes");
    const scopes = argument === undefined ? [] : (valueFromASTUntyped(argument.value) as string[][]);
    requirement = { scopes: [...(requirement?.scopes ?? []), scopes] };
  }
  return requirement;
}

function merge(requirements: readonly (Requirement | undefined)[]): Requirement | undefined {
  const present = requirements.filter((requirement) => requirement !== undefined);
  return present.length === 0 ? undefined : { scopes: present.flatMap((requirement) => requirement.scopes) };
}

/** Requirements by `Type.field`; a field without an entry is open to everybody. */
export function findRequirements(schema: GraphQLSchema): ReadonlyMap<string, Requirement> {
  const found = new Map<string, Requirement>();
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    if (type.name.startsWith("__")) continue;
    const ofType = requirementOf(type);
    for (const field of Object.values(type.getFields())) {
      const requirement = merge([ofType, requirementOf(field), requirementOf(getNamedType(field.type))]);
      if (requirement !== undefined) found.set(`${type.name}.${field.name}`, requirement);
    }
  }
  return found;
}

/** The refusal, or undefined when the viewer may. */
export function findDenial(requirement: Requirement, viewer: Viewer | undefined): RequestError | undefined {
  if (viewer === undefined) return new RequestError("UNAUTHENTICATED", "Sign in first: send an access token.");
  const mayAll = requirement.scopes.every((anyOf) =>
    anyOf.some((allOf) => allOf.every((scope) => viewer.scopes.includes(scope))),
  );
  return mayAll ? undefined : new RequestError("FORBIDDEN", "Your access does not include this field.");
}

/** Wraps the resolver of every field that has a requirement. Call once, on a schema that is not yet in use. */
export function enforceRequirements(schema: GraphQLSchema): void {
  const requirements = findRequirements(schema);
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      const requirement = requirements.get(`${type.name}.${field.name}`);
      if (requirement === undefined) continue;
      const resolve = field.resolve ?? defaultFieldResolver;
      field.resolve = (source, args, context: { readonly viewer?: Viewer | undefined }, info) => {
        const denial = findDenial(requirement, context.viewer);
        if (denial !== undefined) throw denial;
        return resolve(source, args, context, info);
      };
    }
  }
}
