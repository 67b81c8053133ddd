// Shows the document of this server by Swagger UI. Where the server has tokens, the page asks for one first, which it holds
// in memory alone and sends to this server alone.
"use strict";

const element = (id) => document.getElementById(id);

function say(trouble) {
  element("trouble").textContent = trouble;
  element("trouble").hidden = !trouble;
}

/** Returns the document, or null if the server asks for a token, or for another one. */
async function load(token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const answer = await fetch("openapi.json", { headers, cache: "no-cache" });
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({ detail: `the server says ${answer.status}` }));
  if (answer.status !== 401) throw new Error(problem.detail);
  if (token) say(problem.detail);
  return null;
}

function show(spec, token) {
  element("token").hidden = true;
  element("api").textContent = "";
  const ui = SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    persistAuthorization: false,
    tryItOutEnabled: true,
    validatorUrl: null,
    onComplete: () => {
      if (token) ui.preauthorizeApiKey("bearer", token);
      document.documentElement.dataset.ready = "yes";
    },
  });
}

async function start(token) {
  say("");
  try {
    const spec = await load(token);
    if (spec) return show(spec, token);
    element("api").textContent = "";
    element("token").hidden = false;
    element("secret").focus();
  } catch (error) {
    element("api").textContent = "";
    say(`Failed to load the API of this server: ${error.message}`);
  }
}

element("token").addEventListener("submit", (event) => {
  event.preventDefault();
  start(element("secret").value.trim());
});
start();
