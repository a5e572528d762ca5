import type { IncomingMessage, ServerResponse } from "node:http";
import { renderLinkPage } from "./link-html.js";
import { chooseAccounts, chooseInstitution, currentStep, goBack, leave, logIn, restart } from "./link-session.js";
import { pathOf, readBody } from "./incoming.js";
import type { LinkToken, SimulatorWorld } from "./world.js";

/**
 * GET shows where the person is, POST takes a step and sends the browser back to GET, so that reloading repeats nothing.
 * When the session is over and the application named a place to return to, the browser is sent there, without any token.
 */
export async function answerLinkPage(
  world: SimulatorWorld,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const pathname = pathOf(request);
  const link = world.linkTokenOfPage(pathname.slice("/link/".length));
  if (!link) {
    response.writeHead(404, headers(undefined)).end("<!doctype html><title>Not found</title><p>There is no such link.");
    return;
  }
  if (request.method === "GET" || request.method === "HEAD") return show(world, link, response, undefined);
  if (request.method !== "POST") {
    response.writeHead(405, { allow: "GET, POST" }).end();
    return;
  }
  const problem = takeStep(world, link, new URLSearchParams((await readBody(request)) ?? ""));
  if (problem !== undefined) return show(world, link, response, problem);
  const step = currentStep(world, link).kind;
  const isOver = step === "done" || step === "left";
  const next = isOver && link.completionRedirectUri !== null ? link.completionRedirectUri : pathname;
  response.writeHead(303, { ...headers(link), location: next }).end();
}

/** @returns what to tell the person when the step could not be taken */
function takeStep(world: SimulatorWorld, link: LinkToken, fields: URLSearchParams): string | undefined {
  switch (fields.get("action")) {
    case "institution":
      chooseInstitution(world, link, fields.get("institution_id") ?? "");
      return undefined;
    case "login":
      return logIn(world, link, fields.get("username") ?? "", fields.get("password") ?? "");
    case "accounts":
      return chooseAccounts(world, link, fields.getAll("account"));
    case "back":
      goBack(world, link);
      return undefined;
    case "exit":
      leave(world, link, fields.get("error_code") ?? undefined);
      return undefined;
    case "restart":
      restart(world, link);
      return undefined;
    default:
      return "That is not a step of this page.";
  }
}

function show(world: SimulatorWorld, link: LinkToken, response: ServerResponse, problem: string | undefined): void {
  const html = renderLinkPage({
    clientName: link.clientName,
    step: currentStep(world, link),
    isUpdate: link.update !== null,
    problem,
    returnTo: link.completionRedirectUri ?? undefined,
  });
  response.writeHead(problem === undefined ? 200 : 422, headers(link)).end(html);
}

/** Chromium holds a form's redirects to form-action as well, so the place to return to is named in it. */
function headers(link: LinkToken | undefined): Record<string, string> {
  const origin = link?.completionRedirectUri ? ` ${new URL(link.completionRedirectUri).origin}` : "";
  return {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": `default-src 'none'; style-src 'unsafe-inline'; form-action 'self'${origin}; base-uri 'none'; frame-ancestors 'none'`,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
  };
}
