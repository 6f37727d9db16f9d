import { defineKind } from '../definition.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { tlsCertificateDelegationSchema } from './schema.ts';

export const tlsCertificateDelegationKind = defineKind({
  id: 'TLSCertificateDelegation',
  kind: 'TLSCertificateDelegation',
  apiVersions: [ENROUTE_V1],
  plural: 'tlscertificatedelegations',
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: tlsCertificateDelegationSchema,
  columns: [],
});
