/** What `isthmus ca` is made of: an authority without a service, for making certificates by hand. */
export { type Inspected, inspect } from '../ca/offline/inspect.ts';
export {
  LEAF_LAYOUTS,
  type LeafLayout,
  type Made,
  makeIntermediate,
  makeLeaf,
  makeRoot,
} from '../ca/offline/make.ts';
export { isDnsName, toSubjectAltNames } from '../ca/offline/names.ts';
export { KEY_TYPES, type KeyType } from '../ca/x509/keys.ts';
export { type NameAttribute, parseName } from '../ca/x509/names.ts';
