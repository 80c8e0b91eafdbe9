/* The picked answer, large: with a divider to compare it, and with hints to click, drag, colour and
   take away.

   From the server: { grey, picture, name, other: { picture, name }, text, base, edit, size, spots,
   reach } shows an answer, what to compare it with, and its hints; { palette: { x, y, colors:
   [{ color, probability }] } } are colours for a spot; { failed } ends the waiting. To the server, as
   the value: { spots, edit } with "input", { x, y } with "select", which asks for a palette. A spot
   is [x, y, colour, reach], in pixels of the photo. The event "compare" of the root shows the divider.

   People are faster than answers: what they did since stays, until the answer to it comes. `base`
   names the answers that the hints are on; others bring hints of their own. */
const root = element.querySelector(".stage");
const find = (name) => root.querySelector(`.${name}`);
const picture = find("picture");
const image = find("colour");
const left = find("left");
const range = find("divider").querySelector("input");
const free = find("free");
const reach = find("reach");
const LATE = 30000; // ms

let shown = {};
let spots = []; // { x, y, color, reach }; no colour yet: waits for one
let active = null; // the spot whose colours are in the panel
let before = []; // lists of spots, for Undo
let palette = null;
let edit = Date.now(); // which change of this page
let sent = 0; // when; 0: nothing is awaited
let timer = 0;
let comparing = false;
let withOther = false; // compared with the answer before, not with the grey photo
const marks = new Map();

const colored = () => spots.filter((spot) => spot.color);
const plain = () => colored().map((spot) => [spot.x, spot.y, spot.color, spot.reach]);
const isAt = (spot, place) => Boolean(place) && place.x === spot.x && place.y === spot.y;

const say = (text) => { find("said").textContent = text; };

const send = () => {
  clearTimeout(timer);
  edit += 1;
  sent = Date.now();
  say("Following the hints …");
  props.value = { spots: plain(), edit };
  trigger("input", {});
  render();
};

const ask = (spot) => {
  if (!spot || isAt(spot, palette)) return;
  props.value = { x: spot.x, y: spot.y };
  trigger("select", {});
};

const later = (act) => {
  clearTimeout(timer);
  timer = setTimeout(act, 350);
};

/* Undo brings back what was there before `act`. */
const change = (act) => {
  before.push(colored().map((spot) => ({ ...spot })));
  act();
  send();
};

const placed = (left, top) => {
  const inside = (share, side) => Math.max(0, Math.min(side - 1, Math.floor(share * side)));
  return { x: inside(left, shown.size[0]), y: inside(top, shown.size[1]) };
};

const add = (left, top) => {
  if (!shown.size) return null;
  spots = colored();
  active = { ...placed(left, top), color: null, reach: null };
  spots.push(active);
  ask(active);
  render();
  return active;
};

const choose = (spot, focus) => {
  active = spot;
  ask(spot);
  render();
  if (focus) marks.get(spot)?.focus();
};

const paint = (color) => change(() => { active.color = color; });

const remove = (spot) => {
  const was = spot.color;
  const take = () => {
    spots = spots.filter((other) => other !== spot);
    active = null;
  };
  if (was) change(take);
  else take();
  render();
};

const undo = () => {
  spots = before.pop() ?? [];
  active = null;
  send();
};

const move = (spot, place) => Object.assign(spot, place);

const moved = (spot) => {
  ask(spot);
  if (spot.color) send();
};

const startDrag = (event, spot) => {
  const mark = event.currentTarget;
  const start = [event.clientX, event.clientY];
  const list = colored().map((other) => ({ ...other }));
  let far = false;
  mark.setPointerCapture(event.pointerId);
  const drag = (to) => {
    far ||= Math.hypot(to.clientX - start[0], to.clientY - start[1]) > 4;
    if (!far) return;
    const box = image.getBoundingClientRect();
    move(spot, placed((to.clientX - box.left) / box.width, (to.clientY - box.top) / box.height));
    render();
  };
  const stop = () => {
    mark.removeEventListener("pointermove", drag);
    mark.removeEventListener("pointerup", stop);
    mark.removeEventListener("pointercancel", stop);
    active = spot;
    if (far) {
      before.push(list);
      moved(spot);
    } else ask(spot);
    render();
  };
  mark.addEventListener("pointermove", drag);
  mark.addEventListener("pointerup", stop);
  mark.addEventListener("pointercancel", stop);
};

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const press = (event, spot) => {
  if (event.key === "Delete" || event.key === "Backspace") {
    event.preventDefault();
    remove(spot);
    find("add").focus();
  }
  const way = ARROWS[event.key];
  if (!way) return;
  event.preventDefault();
  const step = event.shiftKey ? 0.05 : 0.01;
  const [width, height] = shown.size;
  if (active !== spot || !timer) before.push(colored().map((other) => ({ ...other })));
  active = spot;
  move(spot, placed((spot.x + 0.5) / width + step * way[0], (spot.y + 0.5) / height + step * way[1]));
  later(() => { timer = 0; moved(spot); });
  render();
};

const makeMark = (spot) => {
  const mark = document.createElement("button");
  mark.type = "button";
  mark.className = "spot";
  mark.addEventListener("pointerdown", (event) => startDrag(event, spot));
  mark.addEventListener("click", (event) => { if (!event.detail) choose(spot, true); });
  mark.addEventListener("keydown", (event) => press(event, spot));
  picture.append(mark);
  return mark;
};

const drawMarks = () => {
  if (!shown.size) spots = [];
  for (const [spot, mark] of marks) {
    if (spots.includes(spot)) continue;
    mark.remove();
    marks.delete(spot);
  }
  spots.forEach((spot, at) => {
    if (!marks.has(spot)) marks.set(spot, makeMark(spot));
    const mark = marks.get(spot);
    mark.style.left = `${(100 * (spot.x + 0.5)) / shown.size[0]}%`;
    mark.style.top = `${(100 * (spot.y + 0.5)) / shown.size[1]}%`;
    mark.style.background = spot.color ?? "";
    mark.classList.toggle("active", spot === active);
    mark.classList.toggle("open", !spot.color);
    const color = spot.color ? `colour ${spot.color}` : "no colour chosen yet";
    mark.setAttribute("aria-label", `Hint ${at + 1}, ${color}; arrow keys move it`);
    mark.setAttribute("aria-pressed", String(spot === active));
  });
};

const swatch = ({ color, probability }) => {
  const button = document.createElement("button");
  const percent = Math.round(100 * probability);
  button.type = "button";
  button.className = "swatch";
  button.style.background = color;
  button.title = percent ? `${percent} %` : "below 1 %";
  button.setAttribute("aria-label", `${color}, ${button.title}`);
  button.addEventListener("click", () => paint(color));
  return button;
};

const drawPanel = () => {
  find("panel").hidden = !active;
  if (!active) return;
  const colors = isAt(active, palette) ? palette.colors : [];
  const key = JSON.stringify(colors);
  if (find("swatches").dataset.key !== key) {
    find("swatches").dataset.key = key;
    find("swatches").replaceChildren(...colors.map(swatch));
  }
  if (document.activeElement !== free) free.value = active.color ?? colors[0]?.color ?? "#aa3311";
  reach.value = active.reach ?? shown.reach ?? 30;
  reach.disabled = !active.color;
};

const setPicture = (node, url, name) => {
  node.alt = name ?? "";
  if (url && node.getAttribute("src") !== url) node.src = url;
};

const hinting = () => Boolean(document.querySelector("#tool-hints-button[aria-selected='true']"));

const drawPicture = () => {
  root.classList.toggle("empty", !shown.picture?.url);
  find("text").textContent = shown.text ?? "";
  setPicture(image, shown.picture?.url, shown.name);
  withOther &&= Boolean(shown.other?.picture?.url);
  const beside = withOther ? shown.other : { picture: shown.grey, name: "grey" };
  const divided = comparing && Boolean(beside.picture?.url);
  left.hidden = !divided;
  find("divider").hidden = !divided;
  setPicture(left, beside.picture?.url, beside.name);
  find("swap").textContent = shown.other ? `${beside.name} ⇄` : beside.name;
  find("swap").disabled = !shown.other;
  find("right-name").textContent = shown.name ?? "";
  document.querySelector("#compare")?.setAttribute("aria-pressed", String(comparing));
};

const render = () => {
  drawPicture();
  drawMarks();
  drawPanel();
  find("undo").disabled = !before.length;
  find("clear").disabled = !spots.length;
  find("add").disabled = !shown.size;
};

const adopt = (value) => {
  const other = value.base !== shown.base;
  const late = !other && sent && value.edit !== edit && Date.now() - sent < LATE;
  shown = value;
  if (value.edit === edit) {
    sent = 0;
    say("");
    return;
  }
  if (late) return;
  if (other) {
    before = [];
    palette = null;
  }
  active = null;
  sent = 0;
  say("");
  spots = (value.spots ?? []).map(([x, y, color, own]) => ({ x, y, color, reach: own }));
};

const receive = () => {
  const value = props.value ?? {};
  if (value.palette) palette = value.palette;
  else if (value.failed) {
    sent = 0;
    say("");
  } else if ("base" in value) adopt(value);
  else if ("picture" in value) shown = { ...shown, ...value }; // on the way to another answer
  else if ("x" in value || "edit" in value) return; // what this page has sent
  else adopt({ ...value, base: null, edit: 0 });
  render();
};

const divide = () => picture.style.setProperty("--at", `${range.value}%`);

root.addEventListener("compare", () => {
  comparing = !comparing;
  render();
});
range.addEventListener("input", divide);
find("swap").addEventListener("click", () => {
  withOther = !withOther;
  render();
});

image.addEventListener("load", () => {
  picture.style.setProperty("--aspect", image.naturalWidth / image.naturalHeight);
});
picture.addEventListener("dragstart", (event) => event.preventDefault()); // of the image
image.addEventListener("click", (event) => {
  if (!hinting()) return;
  const box = image.getBoundingClientRect();
  add((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
});
find("add").addEventListener("click", () => marks.get(add(0.5, 0.5))?.focus());
find("undo").addEventListener("click", undo);
find("clear").addEventListener("click", () => {
  active = null;
  change(() => { spots = []; });
});
find("neutral").addEventListener("click", () => paint("#808080"));
find("remove").addEventListener("click", () => remove(active));
free.addEventListener("change", () => paint(free.value));
reach.addEventListener("change", () => change(() => { active.reach = Number(reach.value); }));

watch("value", receive);
receive();
divide();
