// An input that fits a JSON Schema, to begin with. The schema is a worker's: nothing of it is trusted.

/**
 * @param {any} schema
 * @param {any} [root]
 * @param {number} [depth]
 * @returns {any}
 */
export function example(schema, root = schema, depth = 0) {
  if (typeof schema !== 'object' || schema === null || depth > 8) return null;
  for (const given of [schema.default, schema.examples?.[0], schema.const, schema.enum?.[0]]) {
    if (given !== undefined) return given;
  }
  if (typeof schema.$ref === 'string') return example(resolve(root, schema.$ref), root, depth + 1);
  const choice = [schema.anyOf, schema.oneOf, schema.allOf].find(Array.isArray);
  if (choice) return example(choice.find((it) => it?.type !== 'null') ?? choice[0], root, depth + 1);
  const type = Array.isArray(schema.type) ? schema.type.find((it) => it !== 'null') : schema.type;
  switch (type) {
    case 'object':
      return Object.fromEntries(
        Object.entries(schema.properties ?? {})
          .slice(0, 50)
          .map(([name, it]) => [name, example(it, root, depth + 1)]),
      );
    case 'array': {
      const items = schema.prefixItems ?? (schema.items ? [schema.items] : []);
      return items.slice(0, 50).map((it) => example(it, root, depth + 1));
    }
    case 'integer':
    case 'number':
      return Math.max(
        schema.minimum ?? 0,
        schema.exclusiveMinimum === undefined ? 0 : schema.exclusiveMinimum + 1,
      );
    case 'string':
      return '';
    case 'boolean':
      return false;
    default:
      return null;
  }
}

/**
 * @param {any} root
 * @param {string} reference
 */
function resolve(root, reference) {
  if (!reference.startsWith('#')) return undefined;
  const parts = reference.slice(1).split('/').filter(Boolean);
  return parts.reduce((at, part) => at?.[part.replaceAll('~1', '/').replaceAll('~0', '~')], root);
}
