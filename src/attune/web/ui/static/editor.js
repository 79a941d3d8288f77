// Edits a definition: says while one types what is wrong with it, tries it on a node, and saves only what was seen.
const form = document.getElementById("editor");
const text = document.getElementById("definition");
const result = document.getElementById("result");
const outcome = document.getElementById("outcome");
const csrf = document.querySelector('meta[name="csrf"]').content;
const ref = form.dataset.ref;

function definition() {
  try {
    return JSON.parse(text.value);
  } catch (error) {
    result.className = "result bad";
    result.textContent = `! Not JSON yet: ${error.message}`;
    return null;
  }
}

async function ask(method, path, body, headers = {}) {
  const answer = await fetch(path, {
    method,
    credentials: "same-origin",
    headers: { "Content-Type": "application/json", "X-CSRF-Token": csrf, ...headers },
    body: JSON.stringify(body),
  });
  const data = answer.status === 204 ? {} : await answer.json();
  return { ok: answer.ok, status: answer.status, data, etag: answer.headers.get("ETag") };
}

function sentences(problem) {
  const errors = (problem.errors ?? []).map((one) => `${one.field}: expected ${one.expected}, got ${one.got}`);
  return errors.length ? errors : [problem.hint ? `${problem.detail}; try: ${problem.hint}` : problem.detail];
}

function list(target, tone, lines) {
  const made = document.createElement("ul");
  for (const line of lines) {
    const item = document.createElement("li");
    item.textContent = line;
    made.append(item);
  }
  made.className = tone;
  target.replaceChildren(made);
}

let timer = null;
async function validate() {
  const body = definition();
  if (!body) return;
  const answer = await ask("POST", "/api/runtimes/validate", { ref, ...body });
  result.className = answer.ok ? "result good" : "result bad";
  if (!answer.ok) list(result, "bad", sentences(answer.data).map((one) => `! ${one}`));
  else if (answer.data.warnings.length) list(result, "doubt", answer.data.warnings.map((one) => `? ${one}`));
  else result.textContent = "✓ Well-formed";
}
text.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(validate, 300);
});

async function during(button, work) {
  const body = definition();
  if (!body) return;
  button.disabled = true;
  outcome.textContent = "Asking…";
  try {
    await work(body);
  } catch (error) {
    outcome.textContent = `Not done: ${error.message}`;
  } finally {
    button.disabled = false;
  }
}

document.getElementById("dry-run").addEventListener("click", (event) =>
  during(event.target, async (body) => {
    const worker = Number(document.getElementById("node").value);
    const answer = await ask("POST", "/api/runtimes/check", { worker, definition: { ref, ...body } });
    if (!answer.ok) return list(outcome, "bad", sentences(answer.data));
    const verdict = answer.data.verdict;
    list(outcome, "", [`${verdict.status}${verdict.version ? ` ${verdict.version}` : ""}${verdict.path ? ` at ${verdict.path}` : ""}: ${verdict.reason}`]);
    if (verdict.evidence?.output) {
      const printed = document.createElement("pre");
      printed.textContent = `$ ${verdict.evidence.command.join(" ")}\n${verdict.evidence.output}`;
      outcome.append(printed);
    }
  }),
);

document.getElementById("preview").addEventListener("click", (event) =>
  during(event.target, async (body) => {
    const answer = await ask("POST", "/api/runtimes/preview", { definition: { ref, ...body } });
    if (!answer.ok) return list(outcome, "bad", sentences(answer.data));
    const { counts, nodes, live, touches } = answer.data;
    const lines = Object.entries(counts)
      .filter(([, count]) => count)
      .map(([effect, count]) => {
        const names = nodes.filter((one) => one.effect === effect).map((one) => one.node_name);
        return `${count} ${effect}: ${names.slice(0, 10).join(", ")}${names.length > 10 ? " …" : ""}`;
      });
    const users = [...touches.actions, ...touches.sensors];
    if (users.length) lines.push(`used by ${users.slice(0, 10).join(", ")}`);
    list(outcome, "", lines.length ? lines : [`none of ${live} live nodes was asked`]);
  }),
);

form.addEventListener("submit", (event) => {
  event.preventDefault();
  during(document.getElementById("save"), async (body) => {
    const answer = await ask("PUT", `/api/runtimes/${encodeURIComponent(ref)}`, body, { "If-Match": form.dataset.etag });
    if (!answer.ok) return list(outcome, "bad", sentences(answer.data));
    form.dataset.etag = answer.etag;
    list(outcome, "good", ["Saved. Nodes take it over when they start or are told to reload."]);
  });
});
