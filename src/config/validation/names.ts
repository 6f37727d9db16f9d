const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const QUALIFIED_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;

/** RFC 1123 label in lower case: what Kubernetes asks of the names of namespaces and services. */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && LABEL.test(text);
}

/** RFC 1123 subdomain in lower case: what Kubernetes asks of the names of most objects. */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && SUBDOMAIN.test(text);
}

/** What is wrong with a key of `labels` or `annotations` (`example.com/name`), as a clause, or undefined. */
export function checkLabelKey(key: string): string | undefined {
  const slash = key.lastIndexOf('/');
  const prefix = slash === -1 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && !isDnsSubdomain(prefix.toLowerCase())) {
    return `has a key whose prefix ${JSON.stringify(prefix)} is not a DNS name`;
  }
  if (name.length === 0 || name.length > 63 || !QUALIFIED_NAME.test(name)) {
    return 'has a key that is not 1 to 63 letters, digits, -, _ or ., beginning and ending with a letter or digit';
  }
  return undefined;
}

/** What is wrong with the value of an object's label, as a clause, or undefined. */
export function checkLabelValue(value: string): string | undefined {
  return value.length > 63 ? 'must have at most 63 characters' : checkSelectedValue(value);
}

/** The same for a value that only selects: one that is too long for an object's label merely matches nothing. */
export function checkSelectedValue(value: string): string | undefined {
  if (value === '' || QUALIFIED_NAME.test(value)) return undefined;
  return 'must be letters, digits, -, _ or ., beginning and ending with a letter or digit';
}
