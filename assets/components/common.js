// What both components share. transformer/ui/components.py sends it in front of each of them, as one script:
// Streamlit hands a component over as a single file, and there is no build step.

/** Text only ever enters the page as text, never as markup. */
function make(tag, className = "", parent = null, text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  parent?.append(element);
  return element;
}

/** "light" or "dark", read off the page's real background, so that a switch in the menu is followed. */
function themeOf(host) {
  const background = getComputedStyle(host).backgroundColor;
  const [r, g, b] = (background.match(/[\d.]+/g) ?? [255, 255, 255]).map(Number);
  return 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
}
