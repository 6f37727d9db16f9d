/** One segment, and any number of segments at the end: the operators of Envoy's URI templates that Istio offers. */
const ONE = '{*}';
const ANY = '{**}';

/** RFC 3986 pchar without `*`, which a template cannot have outside of its operators. */
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=]+$/;

/** What is wrong with a path of an AuthorizationPolicy, which may be a template such as `/v1/{*}/users/{**}`. */
export function checkPathTemplate(path: string): string | undefined {
  const isTemplate = path.includes(ONE) || path.includes(ANY);
  let anySeen = false;
  for (const segment of path.replace(/^\/+|\/+$/g, '').split('/')) {
    if (segment === ONE || segment === ANY) {
      if (anySeen) return `must have ${ANY} only as its last operator: ${path}`;
      anySeen = segment === ANY;
    } else if (/[{}]/.test(segment)) {
      return `must not have braces other than ${ONE} and ${ANY} as a whole segment: ${path}`;
    } else if (isTemplate && !LITERAL.test(segment)) {
      return `must not have ${JSON.stringify(segment)} beside ${ONE} or ${ANY}: ${path}`;
    }
  }
  return undefined;
}
