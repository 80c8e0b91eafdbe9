() => {
  /* What the page does by itself: pictures that are pasted go the way of those that are dropped; keys
     do what buttons do; the browser tab remembers that it had photos; the page says that it is in
     English, also where Gradio's own words are not. */
  const find = (query) => document.querySelector(query);
  const root = document.documentElement;
  const english = () => { if (root.lang !== "en") root.lang = "en"; };
  new MutationObserver(english).observe(root, { attributeFilter: ["lang"] });
  english();

  document.addEventListener("paste", (event) => {
    const field = find("#drop input[type=file]");
    const files = event.clipboardData?.files;
    if (!field || !files?.length) return;
    field.files = files;
    field.dispatchEvent(new Event("change", { bubbles: true }));
  });

  document.addEventListener("visibilitychange", () => {
    const photos = document.querySelectorAll("#photos .cell").length;
    try { sessionStorage.setItem("cinn-hub-photos", photos); } catch { /* it may store nothing */ }
  });

  const step = (place, by) => {
    const all = [...document.querySelectorAll(`${place} .pick`)];
    const at = all.findIndex((pick) => pick.getAttribute("aria-pressed") === "true");
    const next = all[at + by];
    next?.click();
    next?.scrollIntoView({ block: "nearest", inline: "nearest" });
  };
  const KEYS = {
    ArrowLeft: () => step("#answers", -1),
    ArrowRight: () => step("#answers", 1),
    ArrowUp: () => step("#photos", -1),
    ArrowDown: () => step("#photos", 1),
    s: () => find("#answers .picked .star")?.click(),
    c: () => find("#compare")?.click(),
    d: () => find("#save")?.click(),
    "?": () => find("#keys")?.togglePopover(),
  };
  const OWN = "input, textarea, select, .spot, .cm-editor, [role=tab], [role=listbox], [contenteditable]";
  document.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    const taken = event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.(OWN);
    if (!act || taken || !find("#photos-tab")?.checkVisibility()) return;
    event.preventDefault();
    act();
  });
}
