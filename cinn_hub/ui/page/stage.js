/* The picked answer, large: over the grey photo, with a slider from one to the other, or beside
   another answer. The value: { grey, picture, name, beside, beside_name, text }. */
const root = element.querySelector(".stage");
const pictures = root.querySelector(".pictures");
const slider = root.querySelector("input");
const find = (name) => root.querySelector(`.${name}`);

const setPicture = (node, picture, name) => {
  node.hidden = !picture?.url;
  node.alt = name ?? "";
  if (picture?.url && node.getAttribute("src") !== picture.url) node.src = picture.url;
};

for (const node of root.querySelectorAll("img")) {
  node.addEventListener("load", () => {
    node.parentElement.style.setProperty("--aspect", node.naturalWidth / node.naturalHeight);
  });
}

const divide = () => pictures.style.setProperty("--grey", `${slider.value}%`);

const render = () => {
  const value = props.value ?? {};
  const beside = value.beside?.url;
  root.classList.toggle("empty", !value.picture?.url);
  root.classList.toggle("two", Boolean(beside));
  setPicture(find("grey"), beside ? null : value.grey, "the photo in grey");
  setPicture(find("colour"), value.picture, value.name);
  setPicture(find("beside"), value.beside, value.beside_name);
  find("beside-name").textContent = beside ? value.beside_name : "";
  find("colour-name").textContent = beside ? value.name : "";
  find("divide").hidden = Boolean(beside) || !value.grey?.url;
  find("text").textContent = value.text ?? "";
};

slider.addEventListener("input", divide);
watch("value", render);
render();
divide();
