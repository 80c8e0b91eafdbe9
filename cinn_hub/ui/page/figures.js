/* Rows of pictures to pick from, to star and to remove: photos, answers, favourites.

   The value: { layout, side, text, rows: [{ title, items: [{ key, image, name, words, caption, picked,
   star, near, mark, removable }] }], resume }. Cells are kept by key from one value to the next, so a picture
   that is on the page already is not asked for again, and focus stays where it was. Events:
   "select", "like", "near" and "delete", each with the item's key, and "resume" where the value asks
   for it. */
const root = element.querySelector(".figures");
const cells = new Map();

const make = (tag, className, parent) => {
  const node = document.createElement(tag);
  node.className = className;
  parent?.append(node);
  return node;
};

const button = (className, parent, act) => {
  const node = make("button", className, parent);
  node.type = "button";
  node.addEventListener("click", act);
  return node;
};

const makeCell = (key) => {
  const cell = { figure: make("figure", "cell") };
  cell.pick = button("pick", cell.figure, () => trigger("select", { key }));
  cell.mark = make("span", "mark", cell.pick);
  cell.caption = make("span", "caption", cell.pick);
  return cell;
};

const setPicture = (cell, item) => {
  const url = item.image?.url;
  if (!url) {
    cell.picture?.remove();
    cell.picture = null;
    return;
  }
  if (!cell.picture) {
    cell.picture = make("img", "");
    cell.picture.addEventListener("error", () => cell.figure.classList.add("gone"));
    cell.pick.prepend(cell.picture);
  }
  cell.picture.alt = item.name ?? "";
  if (cell.picture.getAttribute("src") !== url) {
    cell.figure.classList.remove("gone");
    cell.picture.src = url;
  }
};

const setSide = (cell, name, wanted, event, key) => {
  if (!wanted) {
    cell[name]?.remove();
    cell[name] = null;
    return null;
  }
  cell[name] ??= button(name, cell.figure, () => trigger(event, { key }));
  return cell[name];
};

const fill = (cell, item) => {
  setPicture(cell, item);
  cell.figure.classList.toggle("picked", Boolean(item.picked));
  cell.figure.classList.toggle("waiting", !item.image?.url);
  const label = [item.name, item.words].filter(Boolean).join(", ");
  cell.pick.setAttribute("aria-label", label);
  cell.pick.setAttribute("aria-pressed", String(Boolean(item.picked)));
  cell.pick.title = label;
  cell.caption.textContent = item.caption ?? "";
  cell.mark.textContent = item.mark ?? "";
  const star = setSide(cell, "star", typeof item.star === "boolean", "like", item.key);
  if (star) {
    star.textContent = item.star ? "★" : "☆";
    star.setAttribute("aria-pressed", String(item.star));
    star.setAttribute("aria-label", `Favourite: ${item.name}`);
  }
  const near = setSide(cell, "near", item.near, "near", item.key);
  if (near) {
    near.textContent = "≈";
    near.title = `More like ${item.name}`;
    near.setAttribute("aria-label", near.title);
  }
  const remove = setSide(cell, "remove", item.removable, "delete", item.key);
  if (remove) {
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${item.name}`);
  }
};

const arrange = (parent, nodes) => {
  const same = parent.childNodes.length === nodes.length &&
    nodes.every((node, i) => parent.childNodes[i] === node);
  if (!same) parent.replaceChildren(...nodes);
};

const render = () => {
  const value = props.value ?? {};
  root.className = `figures ${value.layout ?? ""}`;
  root.style.setProperty("--side", value.side ?? 4);
  const seen = new Set();
  const parts = [];
  if (value.text) {
    const text = make("p", "text");
    text.textContent = value.text;
    parts.push(text);
  }
  for (const [at, row] of (value.rows ?? []).entries()) {
    const line = root.querySelectorAll(".line")[at] ?? make("div", "line");
    const title = line.querySelector(".title") ?? make("p", "title", line);
    const items = line.querySelector(".items") ?? make("div", "items", line);
    title.textContent = row.title ?? "";
    title.hidden = !row.title;
    const nodes = row.items.map((item) => {
      seen.add(item.key);
      if (!cells.has(item.key)) cells.set(item.key, makeCell(item.key));
      fill(cells.get(item.key), item);
      return cells.get(item.key).figure;
    });
    arrange(items, nodes);
    parts.push(line);
  }
  arrange(root, parts);
  for (const key of cells.keys()) if (!seen.has(key)) cells.delete(key);
};

watch("value", () => {
  render();
  if (props.value?.resume) trigger("resume", {});
});
render();
