// Opens what a cell links to beside the matrix instead of leaving it. Esc closes it and gives the focus back.
const dialog = document.createElement("dialog");
dialog.className = "panel";
dialog.setAttribute("aria-label", "Evidence");
const close = document.createElement("button");
close.type = "button";
close.className = "quiet close";
close.textContent = "Close";
close.addEventListener("click", () => dialog.close());
const body = document.createElement("div");
dialog.append(close, body);
document.body.append(dialog);
let opener = null;
dialog.addEventListener("close", () => opener?.focus());

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-panel]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  event.preventDefault();
  const address = new URL(link.href);
  try {
    const answer = await fetch(address.pathname, { credentials: "same-origin" });
    const found = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = found.getElementById(decodeURIComponent(address.hash.slice(1)));
    if (!answer.ok || !part) throw new Error("nothing there");
    const more = document.createElement("p");
    const whole = document.createElement("a");
    whole.href = link.href;
    whole.textContent = "All about this node";
    more.append(whole);
    body.replaceChildren(document.adoptNode(part), more);
    opener = link;
    dialog.showModal();
  } catch {
    location.href = link.href;
  }
});
