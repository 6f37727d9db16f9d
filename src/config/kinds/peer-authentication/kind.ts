import { defineKind } from '../definition.ts';
import { peerAuthenticationSchema } from './schema.ts';
import { validatePeerAuthentication } from './validate.ts';

export const peerAuthenticationKind = defineKind({
  id: 'PeerAuthentication',
  kind: 'PeerAuthentication',
  apiVersions: ['security.istio.io/v1', 'security.istio.io/v1beta1'],
  plural: 'peerauthentications',
  shortNames: ['pa'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: peerAuthenticationSchema,
  validate: validatePeerAuthentication,
  columns: [{ name: 'MODE', value: (o) => o.spec.mtls?.mode ?? '' }],
});
