import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateController } from '../../validation/controllers.ts';
import type { StatefulSetSpec } from './schema.ts';

/** What Kubernetes refuses in a StatefulSet, as far as it concerns the mesh. */
export function validateStatefulSet(object: ConfigObject<StatefulSetSpec>, report: Report): void {
  validateController(object, report);
}
