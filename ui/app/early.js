// Before anything is drawn: the chosen colours, so that a dark page does not flash white.
try {
  document.documentElement.dataset.theme = JSON.parse(localStorage.getItem('coney.theme') ?? '"system"');
} catch {
  // As the system has it.
}
