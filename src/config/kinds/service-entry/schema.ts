import { array, enumOf, type Infer, object, required, string } from '../../schema/index.ts';
import { port } from '../shared/port.ts';
import { labelsSelector } from '../shared/selector.ts';
import { workload } from '../shared/workload.ts';

export const serviceEntrySchema = object({
  hosts: required(array(string())),
  addresses: array(string()),
  ports: array(port),
  location: enumOf('MESH_EXTERNAL', 'MESH_INTERNAL'),
  resolution: enumOf('NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'),
  endpoints: array(workload),
  workloadSelector: labelsSelector,
  exportTo: array(string()),
  subjectAltNames: array(string()),
});
export type ServiceEntrySpec = Infer<typeof serviceEntrySchema>;
