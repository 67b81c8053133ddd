// The part of preact and htm that the page uses. The module itself is vendored, and served as preact.js.

export function html(strings: TemplateStringsArray, ...values: any[]): any;
export function render(what: any, where: Element | null): void;
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((before: T) => T)) => void];
export function useRef<T>(initial: T): { current: T };
export function useEffect(effect: () => void | (() => void), about?: any[]): void;
