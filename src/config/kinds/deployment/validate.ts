import type { ConfigObject } from '../../object.ts';
import type { Report } from '../../report.ts';
import { validateController } from '../../validation/controllers.ts';
import type { DeploymentSpec } from './schema.ts';

/** What Kubernetes refuses in a Deployment, as far as it concerns the mesh. */
export function validateDeployment(object: ConfigObject<DeploymentSpec>, report: Report): void {
  validateController(object, report);
}
