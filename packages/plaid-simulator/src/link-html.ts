import { EXIT_ERRORS, type AccountChoice, type LinkStep } from "./link-session.js";
import type { SimInstitution } from "./institutions.js";
import { SEED_PASSWORD, SEED_USERS } from "./seed-users/index.js";

/**
 * The pages of hosted Link: plain HTML forms that work without a script. Every control has a label, a stable `name` and a
 * `data-testid`.
 */
export interface LinkPage {
  readonly clientName: string;
  readonly step: LinkStep;
  readonly isUpdate: boolean;
  /** What went wrong in the last step. */
  readonly problem?: string | undefined;
  /** Where the person goes on from here when it is over. */
  readonly returnTo?: string | undefined;
}

const STYLE = `
:root { color-scheme: light; --ink: #14213d; --soft: #5c677d; --line: #d8dee9; --act: #0b57d0; --bad: #a4161a; }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; background: #eef2f7;
  color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { width: min(28rem, 100%); background: #fff; border: 1px solid var(--line); border-radius: 16px; padding: 2rem;
  box-shadow: 0 12px 40px rgb(20 33 61 / 10%); }
h1 { margin: 0 0 .25rem; font-size: 1.35rem; line-height: 1.25; overflow-wrap: anywhere; }
p { margin: 0 0 1.25rem; color: var(--soft); }
form { margin: 0; }
label { display: block; margin-bottom: 1rem; font-weight: 600; }
input[type=text], input[type=password], select { width: 100%; margin-top: .35rem; padding: .7rem .8rem; font: inherit;
  border: 1px solid var(--line); border-radius: 10px; background: #fff; color: inherit; }
input:focus-visible, button:focus-visible, select:focus-visible, a:focus-visible { outline: 3px solid #9dc1ff; outline-offset: 1px; }
button, .button { display: block; width: 100%; padding: .8rem 1rem; font: inherit; font-weight: 600; border: 0; border-radius: 10px;
  cursor: pointer; background: var(--act); color: #fff; text-align: center; text-decoration: none; }
button.quiet { background: none; color: var(--soft); font-weight: 500; margin-top: .5rem; }
button.choice { display: flex; align-items: center; gap: .8rem; background: #fff; color: inherit; text-align: left;
  border: 1px solid var(--line); margin-bottom: .6rem; }
button.choice:hover { border-color: var(--act); }
.crest { width: 2.2rem; height: 2.2rem; border-radius: 50%; color: #fff; display: grid; place-items: center; flex: none; }
fieldset { border: 0; padding: 0; margin: 0 0 1.25rem; max-height: 22rem; overflow: auto; }
legend { font-weight: 600; padding: 0; margin-bottom: .5rem; }
.account { display: flex; gap: .75rem; align-items: center; padding: .6rem .1rem; margin: 0; border-top: 1px solid var(--line);
  font-weight: 500; }
.account span { overflow-wrap: anywhere; min-width: 0; max-height: 3rem; overflow: hidden; }
.account small { display: block; color: var(--soft); font-weight: 400; }
.problem { background: #fdecec; color: var(--bad); border-radius: 10px; padding: .7rem .9rem; }
details { margin-top: 1.25rem; color: var(--soft); font-size: .9rem; }
details ul { padding-left: 1.1rem; margin: .5rem 0; }
details label { margin: .75rem 0; }
footer { margin-top: 1.25rem; color: var(--soft); font-size: .8rem; text-align: center; }
`;

export function renderLinkPage(page: LinkPage): string {
  const { title, body } = contents(page);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main data-testid="link-${page.step.kind}">
<h1>${escape(title)}</h1>
${page.problem === undefined ? "" : `<p class="problem" role="alert" data-testid="problem">${escape(page.problem)}</p>`}
${body}
<footer>Simulated institutions: no real bank is asked anything.</footer>
</main>
</body>
</html>
`;
}

function contents(page: LinkPage): { readonly title: string; readonly body: string } {
  const { step, clientName } = page;
  switch (step.kind) {
    case "expired":
      return { title: "This link has expired", body: `<p>Go back to ${escape(clientName)} and start again.</p>` };
    case "done":
      return {
        title: page.isUpdate ? "Your connection is up to date" : "Your accounts are linked",
        body: `<p>You can close this window.</p>${returnLink(page)}`,
      };
    case "left":
      return {
        title: "Nothing was linked",
        body: `<p>You left before the end.</p>${form("restart", `<button data-testid="restart">Start again</button>`)}`,
      };
    case "institution":
      return {
        title: `Link an account with ${clientName}`,
        body: `<p>Choose your institution.</p>${step.institutions.map(institutionButton).join("")}${exits()}`,
      };
    case "login":
      return { title: `Log in to ${step.institution.name}`, body: loginForm(page, step.userName) };
    case "accounts":
      return { title: `Choose accounts at ${step.institution.name}`, body: accountsForm(page, step.accounts) };
  }
}

function institutionButton(institution: SimInstitution): string {
  const { institutionId, name, primaryColor } = institution;
  return form(
    "institution",
    `<button class="choice" name="institution_id" value="${escape(institutionId)}" data-testid="institution-${escape(institutionId)}">` +
      `<span class="crest" style="background:${escape(primaryColor)}" aria-hidden="true">${escape(name.slice(0, 1))}</span>` +
      `${escape(name)}</button>`,
  );
}

function loginForm(page: LinkPage, userName: string | null): string {
  const name = userName === null ? "" : ` value="${escape(userName)}"`;
  return `<p>${escape(page.clientName)} never sees your password.</p>${form(
    "login",
    `<label>User name<input type="text" name="username" data-testid="username" autocomplete="off" required${name}></label>` +
      `<label>Password<input type="password" name="password" data-testid="password" autocomplete="off" required></label>` +
      `<button data-testid="submit-login">Continue</button>`,
  )}${page.isUpdate ? "" : form("back", `<button class="quiet" data-testid="back">Choose another institution</button>`)}${exits()}${logins()}`;
}

function logins(): string {
  const rows = SEED_USERS.map((it) => `<li><code>${escape(it.userName)}</code>: ${escape(it.description)}</li>`);
  return `<details><summary>Who can log in here</summary><ul>${rows.join("")}</ul>
Everybody's password is <code>${escape(SEED_PASSWORD)}</code>.</details>`;
}

function accountsForm(page: LinkPage, accounts: readonly AccountChoice[]): string {
  const rows = accounts.map(
    (it) =>
      `<label class="account"><input type="checkbox" name="account" value="${escape(it.key)}" ` +
      `data-testid="account-${escape(it.key)}"${it.isChosen ? " checked" : ""}>` +
      `<span>${escape(it.name || "(no name)")}<small>${escape(it.kind)}${it.mask === null ? "" : ` •••• ${escape(it.mask)}`}</small></span></label>`,
  );
  return `<p>${escape(page.clientName)} will see what you choose and nothing else.</p>${form(
    "accounts",
    `<fieldset><legend>Accounts</legend>${rows.join("")}</fieldset>` +
      `<button data-testid="submit-accounts">Share these accounts</button>`,
  )}${exits()}`;
}

function exits(): string {
  const codes = EXIT_ERRORS.map((it) => `<option value="${it}">${it}</option>`).join("");
  return `${form("exit", `<button class="quiet" data-testid="exit">Leave without linking</button>`)}
<details><summary>For testers</summary>${form(
    "exit",
    `<label>Leave with this error<select name="error_code" data-testid="error-code">${codes}</select></label>` +
      `<button class="quiet" data-testid="exit-with-error">Leave with the error</button>`,
  )}</details>`;
}

function form(action: string, inside: string): string {
  return `<form method="post"><input type="hidden" name="action" value="${action}">${inside}</form>`;
}

function returnLink({ returnTo, clientName }: LinkPage): string {
  if (returnTo === undefined) return "";
  return `<a class="button" data-testid="return" href="${escape(returnTo)}">Back to ${escape(clientName)}</a>`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (it) => `&#${it.charCodeAt(0)};`);
}
