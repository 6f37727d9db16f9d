import { defineKind } from '../definition.ts';
import { istioOperatorSchema } from './schema.ts';
import { validateIstioOperator } from './validate.ts';

export const istioOperatorKind = defineKind({
  id: 'IstioOperator',
  kind: 'IstioOperator',
  apiVersions: ['install.istio.io/v1alpha1'],
  plural: 'istiooperators',
  shortNames: ['iop', 'io'],
  namespaced: true,
  layout: 'spec',
  unknownFields: 'error',
  schema: istioOperatorSchema,
  validate: validateIstioOperator,
  columns: [{ name: 'REVISION', value: (o) => o.spec.revision ?? '' }],
});
