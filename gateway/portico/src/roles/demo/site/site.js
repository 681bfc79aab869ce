// The example shop's own script: its buttons speak through the widget, and the strip shows the journal.

for (const button of document.querySelectorAll("[data-say]")) {
  button.addEventListener("click", () => {
    window.portico?.open();
    window.portico?.sendMessage(button.dataset.say);
  });
}
document.querySelector("[data-open]")?.addEventListener("click", () => window.portico?.open());

const list = document.getElementById("journal");
const empty = document.getElementById("journal-empty");
const state = document.getElementById("journal-state");
const shown = new Map();
const MOST = 60;

function part(name, text, kind = "span") {
  const node = document.createElement(kind);
  node.className = name;
  node.textContent = text;
  return node;
}

function show(event) {
  empty.hidden = true;
  let item = shown.get(event.id);
  if (!item) {
    item = document.createElement("li");
    item.className = "new";
    shown.set(event.id, item);
    list.prepend(item);
    if (list.children.length > MOST) {
      const last = list.lastElementChild;
      shown.delete(last.dataset.id);
      last.remove();
    }
  }
  item.dataset.id = event.id;
  const first = document.createElement("div");
  first.className = "row";
  const time = part("", new Date(event.at).toLocaleTimeString([], { hour12: false }), "time");
  first.append(part("way", event.way === "in" ? `${event.installation} → bot` : `bot → ${event.installation}`), time);
  const text = part("what", event.text || event.kind, "p");
  const second = document.createElement("div");
  second.className = "row";
  second.append(part(`outcome ${event.outcome}`, event.outcome), part("id", event.id.slice(-8)));
  item.replaceChildren(first, text, second);
}

const source = new EventSource("/demo/journal");
source.addEventListener("open", () => { state.textContent = "live"; state.classList.add("on"); });
source.addEventListener("error", () => { state.textContent = "connecting"; state.classList.remove("on"); });
source.addEventListener("event", (message) => show(JSON.parse(message.data)));
