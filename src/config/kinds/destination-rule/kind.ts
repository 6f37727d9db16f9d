import { defineKind } from '../definition.ts';
import { destinationRuleSchema } from './schema.ts';
import { validateDestinationRule } from './validate.ts';

export const destinationRuleKind = defineKind({
  id: 'DestinationRule',
  kind: 'DestinationRule',
  apiVersions: ['networking.istio.io/v1', 'networking.istio.io/v1beta1', 'networking.istio.io/v1alpha3'],
  plural: 'destinationrules',
  shortNames: ['dr'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: destinationRuleSchema,
  validate: validateDestinationRule,
  columns: [{ name: 'HOST', value: (o) => o.spec.host }],
});
