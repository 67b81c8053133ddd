// Light or dark, before the first paint. Without a choice, the system's.
try {
  const chosen = localStorage.getItem('procpool-theme');
  if (chosen === 'dark' || chosen === 'light') document.documentElement.dataset.theme = chosen;
} catch {
  // A browser that stores nothing follows the system.
}
