import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { isthmusProgram } from './local-mesh.ts';
import { until } from './reference.ts';

/** Says on port 9000 who it is, by its argument, and who asks, and as a machine says goodbye to the mesh; `/status/CODE` is what `/healthz` answers from then on. */
export const PROGRAM = `
import http from 'node:http';
let status = 200;
http.createServer((request, response) => {
  if (request.url === '/healthz') response.statusCode = status;
  if (request.url.startsWith('/status/')) status = Number(request.url.slice('/status/'.length));
  const peer = /URI=([^;,]*)/.exec(request.headers['x-forwarded-client-cert'] ?? '')?.[1];
  response.end(process.argv[2] + ' to ' + peer);
}).listen(9000, process.env.HOST);
let leaving = process.argv[2] !== 'machine';
if (!leaving) process.on('SIGTERM', async () => {
  if (leaving) return;
  leaving = true;
  const said = await fetch('http://web/').then((response) => response.text(), String);
  console.log('last words to ' + said);
  process.exit(3);
});
`;

/** A mesh with a group of machines, `legacy` in `vms`, and a service of its own. `program` is the file of {@link PROGRAM}. */
export const mesh = (program: string) => `
apiVersion: v1
kind: Namespace
metadata: {name: vms, labels: {istio-injection: enabled}}
---
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: legacy, namespace: vms}
spec:
  metadata: {labels: {app: legacy, version: v1}}
  template: {serviceAccount: legacy, ports: {http: 9000}}
  probe: {periodSeconds: 1, failureThreshold: 1, httpGet: {path: /healthz, port: 9000}}
---
apiVersion: v1
kind: Service
metadata: {name: legacy, namespace: vms}
spec:
  selector: {app: legacy}
  ports: [{name: http, port: 80, targetPort: 9000}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: vms}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 9000}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: vms}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, command: [node, ${program}, web], ports: [{containerPort: 9000}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: vms}
spec: {hosts: [db.example.com], ports: [{number: 5432, name: tcp, protocol: TCP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: installed, namespace: istio-system}
spec:
  profile: minimal
  components: {pilot: {k8s: {env: [{name: PILOT_WORKLOAD_ENTRY_GRACE_PERIOD, value: 1s}]}}}
`;

/** A command that makes a machine a member, until the test ends. */
export class Machine {
  readonly process: ChildProcess;
  readonly ended: Promise<unknown>;
  output = '';

  constructor(t: TestContext, args: readonly string[]) {
    const [node, main] = isthmusProgram();
    const child = spawn(node, [main, ...args], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (this.output += text));
    this.ended = new Promise((resolve) => child.once('close', resolve));
    t.after(() => this.end('SIGKILL'));
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    // With its program, as a machine is switched off.
    if (this.process.exitCode === null && this.process.signalCode === null) process.kill(-this.process.pid!, signal);
    await this.ended;
  }

  /** Waits for words in what it prints. */
  async says(words: RegExp): Promise<void> {
    await until(`${words}`, () => words.test(this.output)).catch((error) => assert.fail(`${error}\n${this.output}`));
  }
}
