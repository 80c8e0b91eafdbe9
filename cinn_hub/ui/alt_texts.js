/* Gradio leaves the pictures of examples and of before/after sliders without a text for people who
   cannot see them. */
() => {
  const fileName = (picture) =>
    decodeURIComponent(new URL(picture.src).pathname.split("/").pop()).replace(/\.\w+$/, "");
  const describe = (picture) => {
    const slider = picture.closest(".image-slider, [id$=-compare]");
    if (!slider) return fileName(picture);
    const pictures = [...slider.querySelectorAll("img")];
    return pictures.indexOf(picture) === 0 ? "the photo in grey" : "the photo in colour";
  };
  const fill = () => {
    for (const picture of document.querySelectorAll("img:not([alt]), img[alt='']")) {
      if (picture.src.startsWith("http")) picture.alt = describe(picture);
    }
  };
  new MutationObserver(fill).observe(document.body, { childList: true, subtree: true });
  fill();
}
