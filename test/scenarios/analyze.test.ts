import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { TestedMesh } from '../support/local-mesh.ts';
import { until } from '../support/reference.ts';

const MESH = `apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: minimal}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
`;

const SERVICES = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, command: [sleep, "1000000"]}]}
`;

const routeTo = (host: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http: [{route: [{destination: {host: ${host}}}]}]
`;

test('isthmus analyze on a running mesh, and on what it would become', { timeout: 200_000 }, async (t) => {
  const mesh = await TestedMesh.start(t, { 'mesh.yaml': MESH, 'services.yaml': SERVICES });
  const file = path.join(mesh.dir, 'route.yaml');
  /** What is printed, without the folder. */
  const analyze = async (...args: string[]) => {
    const { code, stdout, stderr } = await mesh.isthmus(['analyze', '-n', 'shop', ...args]);
    return { code, stdout: stdout.replaceAll(`${mesh.dir}/`, ''), stderr };
  };
  const missing = (line: string) =>
    `Error [IST0101] (VirtualService shop/web ${line}) Referenced host not found: "gone"\n`;

  assert.deepEqual(await analyze(), {
    code: 0,
    stdout: '\n',
    stderr: '\u2714 No validation issues found when analyzing namespace: shop.\n',
  });

  fs.writeFileSync(file, routeTo('gone'));
  const found = await until('the route is found wrong', async () => {
    const output = await analyze();
    return output.code === 0 ? undefined : output;
  });
  assert.deepEqual([found.code, found.stdout], [79, missing('route.yaml:6')]);

  // A file takes the place of what the mesh has of the same name.
  const fixed = path.join(path.dirname(mesh.dir), 'fixed.yaml');
  fs.writeFileSync(fixed, `# of later\n${routeTo('web')}`);
  assert.equal((await analyze(fixed)).code, 0);
  // Files alone do not know the service.
  assert.equal((await analyze('--use-kube=false', file)).code, 0);

  // What is refused is told; what is in force is still the last that was good.
  fs.writeFileSync(file, routeTo('web').replace('hosts:', 'hostz:'));
  const refused = await until('the file is refused', async () => {
    const output = await analyze();
    return output.stdout === found.stdout ? undefined : output;
  });
  assert.equal(refused.code, 79);
  assert.match(refused.stdout, /^Error \[(?:IST0106|ISTH0001)\] \(VirtualService shop\/web route\.yaml:5\) .*hostz/m);
});
