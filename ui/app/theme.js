/** Light, dark, or as the system has it. */
import { effect, signal, stored } from './component.js';

/** 'system', 'light' or 'dark': what was chosen. */
export const chosenTheme = stored('theme', 'system');
const dark = matchMedia('(prefers-color-scheme: dark)');
const systemIsDark = signal(dark.matches);
dark.addEventListener('change', (event) => { systemIsDark.value = event.matches; });

/** 'light' or 'dark': what is shown. */
export const theme = signal('light');
effect(() => {
  theme.value = chosenTheme.value === 'system' ? (systemIsDark.value ? 'dark' : 'light') : chosenTheme.value;
  document.documentElement.dataset.theme = chosenTheme.value;
});
