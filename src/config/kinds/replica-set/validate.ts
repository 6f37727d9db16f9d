import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateController } from '../../validation/controllers.ts';
import type { ReplicaSetSpec } from './schema.ts';

/** What Kubernetes refuses in a ReplicaSet, as far as it concerns the mesh. */
export function validateReplicaSet(object: ConfigObject<ReplicaSetSpec>, report: Report): void {
  validateController(object, report);
}
