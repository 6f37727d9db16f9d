import { defineKind } from '../definition.ts';
import { requestAuthenticationSchema } from './schema.ts';
import { validateRequestAuthentication } from './validate.ts';

export const requestAuthenticationKind = defineKind({
  id: 'RequestAuthentication',
  kind: 'RequestAuthentication',
  apiVersions: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  plural: 'requestauthentications',
  shortNames: ['ra'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: requestAuthenticationSchema,
  validate: validateRequestAuthentication,
  columns: [],
});
