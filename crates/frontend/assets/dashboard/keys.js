// The keys that work everywhere on the page, but not in fields.

/** @param {{find: () => void, help: () => void, close: () => void}} to */
export function listen(to) {
  const press = (event) => {
    const isField = event.target instanceof HTMLElement && event.target.matches('input, textarea, select');
    if (isField || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { '/': to.find, '?': to.help, Escape: to.close }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  addEventListener('keydown', press);
  return () => removeEventListener('keydown', press);
}
