// The explorer: send an operation, read the answer, look up the schema. No dependencies, nothing from other hosts.
const element = (id) => document.getElementById(id);

element("query").value = sessionStorage.getItem("query") ?? "query Me {\n  me {\n    id\n    fullName\n  }\n}\n";
element("variables").value = sessionStorage.getItem("variables") ?? "{}";

async function send(body) {
  const headers = { "content-type": "application/json", accept: "application/graphql-response+json" };
  const token = element("token")
    .value.trim()
    .replace(/^Bearer /i, "");
  if (token !== "") headers.authorization = `Bearer ${token}`;
  const response = await fetch("/graphql", { method: "POST", headers, body: JSON.stringify(body) });
  return { status: response.status, answer: await response.json() };
}

async function run() {
  sessionStorage.setItem("query", element("query").value);
  sessionStorage.setItem("variables", element("variables").value);
  let variables;
  try {
    variables = JSON.parse(element("variables").value.trim() || "{}");
  } catch {
    element("status").value = "The variables are not JSON.";
    return;
  }
  const startedAt = performance.now();
  element("status").value = "…";
  try {
    const { status, answer } = await send({ query: element("query").value, variables });
    element("response").textContent = JSON.stringify(answer, null, 2);
    element("status").value = `${status} in ${Math.round(performance.now() - startedAt)} ms`;
  } catch (error) {
    element("status").value = `No answer: ${error.message}`;
  }
}

const typeFields = `name args { name type { ...T } } type { ...T } description`;
const schemaQuery = `{ __schema { types { kind name description fields { ${typeFields} } inputFields { name type { ...T } description } enumValues { name } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

function typeText(type) {
  if (type.kind === "NON_NULL") return `${typeText(type.ofType)}!`;
  if (type.kind === "LIST") return `[${typeText(type.ofType)}]`;
  return type.name;
}

function line(text, description) {
  const paragraph = document.createElement("p");
  paragraph.textContent = text;
  if (description) paragraph.append(Object.assign(document.createElement("small"), { textContent: description }));
  return paragraph;
}

function fieldText(field) {
  const given = (field.args ?? []).map((argument) => `${argument.name}: ${typeText(argument.type)}`).join(", ");
  return `${field.name}${given === "" ? "" : `(${given})`}: ${typeText(field.type)}`;
}

async function showSchema() {
  const { answer } = await send({ query: schemaQuery });
  if (!answer.data) {
    element("schema").textContent = "The schema is not shown here: introspection is switched off.";
    return;
  }
  const types = answer.data.__schema.types.filter((type) => !type.name.startsWith("__"));
  const first = ["Query", "Mutation", "Subscription"];
  types.sort((a, b) => first.indexOf(b.name) - first.indexOf(a.name) || a.name.localeCompare(b.name));
  for (const type of types) {
    const details = document.createElement("details");
    details.append(Object.assign(document.createElement("summary"), { textContent: type.name }));
    if (type.description) details.append(line("", type.description));
    for (const field of [...(type.fields ?? []), ...(type.inputFields ?? [])])
      details.append(line(fieldText(field), field.description));
    for (const value of type.enumValues ?? []) details.append(line(value.name));
    element("schema").append(details);
  }
}

function filterSchema() {
  const wanted = element("filter").value.toLowerCase();
  for (const details of element("schema").querySelectorAll("details"))
    details.hidden = wanted !== "" && !details.textContent.toLowerCase().includes(wanted);
}

element("run").addEventListener("click", run);
element("filter").addEventListener("input", filterSchema);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void run();
});
await showSchema();
