// Light, dark, or as the system has it; remembered by the browser.
const NAME = "omni-theme";
const THEMES = ["system", "light", "dark"];
const current = () => localStorage.getItem(NAME) ?? "system";

export const themeName = () => `Theme: ${current()}`;

export function useTheme() {
  if (current() === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = current();
}

export function nextTheme() {
  localStorage.setItem(NAME, THEMES[(THEMES.indexOf(current()) + 1) % THEMES.length]);
  useTheme();
}
