(status) => {
  /* A page that was loaded again is empty: says how many photos it had before. Their number is in
     the storage of this browser tab, written whenever the page is left or hidden, because browsers
     of phones may drop a hidden page and load it again later. */
  const KEY = "cinn-hub-photos";
  const before = Number(sessionStorage.getItem(KEY));
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState !== "hidden") return;
    sessionStorage.setItem(KEY, document.querySelectorAll("#photos .cell").length);
  });
  if (!before) return status;
  const photos = before === 1 ? "your photo; add it" : `your ${before} photos; add them`;
  return `Reloading the page removed ${photos} again.`;
}
