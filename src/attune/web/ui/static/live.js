// Keeps the page true: when the server tells of a change, the page is fetched again and what differs is replaced in
// place. Nothing moves under the pointer: rows that are there keep their place.
const MARKED_MS = 2000;
const PAUSE_MS = 300;
const connection = document.getElementById("connection");
const announce = document.getElementById("announce");
let waiting = null;
let paused = false;

function say(text) {
  connection.textContent = text;
  connection.hidden = !text;
}

function mark(element) {
  element.classList.add("changed");
  setTimeout(() => element.classList.remove("changed"), MARKED_MS);
}

// What holds a list stays: its rows are renewed one by one, and new ones come on top.
const isList = (element) => element.querySelector("[data-live-list]");

// Cells first, so that only what changed is marked; whole elements where their parts do not match.
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  const before = [...old.children];
  const after = [...fresh.children];
  if (old.tagName === "TR" && before.length === after.length) {
    before.forEach((cell, index) => {
      const bare = cell.cloneNode(true);
      bare.classList.remove("changed");
      if (!bare.isEqualNode(after[index]) && bare.textContent !== after[index].textContent) {
        cell.replaceWith(after[index]);
        mark(after[index]);
      }
    });
    return;
  }
  if (old.textContent !== fresh.textContent) {
    old.replaceWith(fresh);
    mark(fresh);
  }
}

async function refresh() {
  waiting = null;
  if (paused) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || answer.redirected) return;
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    globalThis.localTimes(next);
    for (const old of document.querySelectorAll("[data-live]")) {
      const fresh = next.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
      if (fresh && !(isList(old) && isList(fresh))) renew(old, document.adoptNode(fresh));
    }
    for (const list of document.querySelectorAll("[data-live-list]")) {
      const fresh = next.querySelector(`[data-live-list="${CSS.escape(list.dataset.liveList)}"]`);
      const known = new Set([...list.children].map((one) => one.dataset.live));
      const come = fresh ? [...fresh.children].filter((one) => !known.has(one.dataset.live)) : [];
      for (const one of come.reverse()) {
        const made = document.adoptNode(one);
        list.prepend(made);
        mark(made);
      }
    }
  } catch {
    // The stream says when the server is away; the next change fetches again.
  }
}

function soon() {
  waiting ??= setTimeout(refresh, PAUSE_MS);
}

function told(event) {
  const data = JSON.parse(event.data);
  if (event.type === "transition") announce.textContent = `${data.worker_name}: ${data.name} is now ${data.to}`;
  if (event.type === "execution" && data.status === "failed") announce.textContent = `execution ${data.id} failed`;
  if (event.type === "node") announce.textContent = `${data.name} is now ${data.status}`;
  soon();
}

// A busy fleet tells of executions many times a second: only the pages that show them hear of them.
const kinds = document.body.dataset.kinds.trim().split(/\s+/);
const stream = new EventSource(`/api/stream?${kinds.map((one) => `kinds=${one}`).join("&")}`);
stream.addEventListener("open", () => {
  if (!connection.hidden) soon();
  say("");
});
// What has changed between the page and its stream; executions have no position, so of them that is not known.
stream.addEventListener("hello", (event) => {
  if (event.lastEventId !== document.body.dataset.position || kinds.includes("execution")) soon();
});
stream.addEventListener("error", () => say("Not connected; trying again"));
for (const kind of [...kinds, "reset"]) stream.addEventListener(kind, told);
addEventListener("pagehide", () => stream.close());

const pause = document.getElementById("pause");
pause?.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
  if (!paused) soon();
});
