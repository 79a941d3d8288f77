// What every page has: the switch between light and dark, a key, and times in the viewer's zone.
const root = document.documentElement;
const dark = () => (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

const button = (id) => document.getElementById(id);
const keys = button("keys");

button("theme")?.addEventListener("click", () => {
  root.dataset.theme = dark() ? "light" : "dark";
  document.cookie = `attune_theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`;
});
button("help")?.addEventListener("click", () => keys.showModal());
for (const id of ["theme", "help"]) button(id)?.removeAttribute("hidden");

let before = "";
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
  const to = before === "g" && keys?.querySelector(`a[data-key="${CSS.escape(event.key)}"]`);
  before = event.key;
  if (to) to.click();
  else if (event.key === "/" && button("filter")) button("filter").focus();
  else if (event.key === "?" && keys) keys.open ? keys.close() : keys.showModal();
  else if (event.key === "t") button("theme")?.click();
  else return;
  before = "";
  event.preventDefault();
});

const two = (number) => String(number).padStart(2, "0");

globalThis.localTimes = (within) => {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    const zone = at.toLocaleTimeString("en", { timeZoneName: "short" }).split(" ").pop();
    const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
    time.title = time.dateTime;
    time.textContent = `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())} ${zone}`;
  }
};
globalThis.localTimes(document);
