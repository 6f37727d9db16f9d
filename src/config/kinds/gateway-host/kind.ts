import { defineKind, statusOf } from '../definition.ts';
import { ENROUTE_V1 } from '../shared/enroute-route.ts';
import { gatewayHostSchema } from './schema.ts';
import { validateGatewayHost } from './validate.ts';

export const gatewayHostKind = defineKind({
  id: 'GatewayHost',
  kind: 'GatewayHost',
  apiVersions: [ENROUTE_V1],
  plural: 'gatewayhosts',
  shortNames: ['gwhost', 'gwhosts'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: gatewayHostSchema,
  validate: validateGatewayHost,
  columns: [
    { name: 'FQDN', value: ({ spec }) => spec.virtualhost?.fqdn ?? '' },
    { name: 'TLS SECRET', value: ({ spec }) => spec.virtualhost?.tls?.secretName ?? '' },
    { name: 'STATUS', value: (object) => statusOf<Status>(object).currentStatus ?? '' },
    { name: 'STATUS DESCRIPTION', value: (object) => statusOf<Status>(object).description ?? '' },
  ],
});

interface Status {
  readonly currentStatus: string;
  readonly description: string;
}
