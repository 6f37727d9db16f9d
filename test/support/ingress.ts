import fs from 'node:fs';
import path from 'node:path';
import { execute, type Output, type TestedMesh } from './local-mesh.ts';

/** Says which version it is, what it was sent, and at /count how many requests it has had. */
const BACKEND = `
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
const { HOST, PORT, VERSION, TLS_FOLDER } = process.env;
let count = 0;
const serve = (request, response) => {
  if (request.url === '/count') return response.end(String(count));
  count++;
  response.writeHead(200, { 'content-type': 'application/json', 'x-version': VERSION });
  response.end(JSON.stringify({ version: VERSION, path: request.url, headers: request.headers }));
};
const file = (name) => fs.readFileSync(process.env.ISTHMUS_POD_ROOT + TLS_FOLDER + '/' + name);
const server = TLS_FOLDER
  ? https.createServer({ key: file('tls.key'), cert: file('tls.crt') }, serve)
  : http.createServer(serve);
// A connection that the program closes for being idle may be one that a request is on its way on.
server.keepAliveTimeout = 120_000;
server.listen(Number(PORT), HOST);
process.on('SIGTERM', () => server.close());
`;

/** A Deployment of the backend, of one version. */
export const backend = (app: string, version: string) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${app}-${version}}
spec:
  selector: {matchLabels: {app: ${app}, version: ${version}}}
  template:
    metadata: {labels: {app: ${app}, version: ${version}}}
    spec:
      containers:
      - name: backend
        command: [node, backend.mjs]
        env: [{name: VERSION, value: ${version}}]
        ports: [{name: http, containerPort: 3000}]
        readinessProbe: {httpGet: {path: /count, port: http}}
---
`;

export const service = (app: string) => `
apiVersion: v1
kind: Service
metadata: {name: ${app}}
spec:
  selector: {app: ${app}}
  ports: [{name: http, port: 80, targetPort: 3000}]
---
`;

const INSTALLATION = `
apiVersion: install.istio.io/v1alpha1
kind: IstioOperator
metadata: {name: mesh}
spec: {profile: default}
---
`;

/** Files of a mesh with an ingress gateway, and what is given; \`backend.mjs\` lies beside them. */
export const meshFiles = (...yaml: string[]): Record<string, string> => ({
  'backend.mjs': BACKEND,
  'mesh.yaml': [INSTALLATION, ...yaml].join(''),
});

export interface Server {
  readonly port: number;
  readonly protocol: string;
  readonly name: string;
  readonly hosts: readonly string[];
  readonly tls?: Readonly<Record<string, unknown>>;
}

/** A Gateway of the mesh's ingress gateway. */
export const gateway = (name: string, ...servers: Server[]): string =>
  `${JSON.stringify({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'Gateway',
    metadata: { name },
    spec: {
      selector: { istio: 'ingressgateway' },
      servers: servers.map(({ port: number, protocol, name: portName, hosts, tls }) => ({
        port: { number, name: portName, protocol },
        hosts,
        ...(tls ? { tls } : {}),
      })),
    },
  })}\n---\n`;

/** A VirtualService of one host on a gateway. */
export const virtualService = (name: string, host: string, gatewayName: string, rules: object): string =>
  `${JSON.stringify({
    apiVersion: 'networking.istio.io/v1alpha3',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: [host], gateways: [gatewayName], ...rules },
  })}\n---\n`;

/** Everything of a host to one service. */
export const routeTo = (host: string) => ({ http: [{ route: [{ destination: { host } }] }] });

/** A Secret in the namespace of the gateways, of files. */
export const secret = (name: string, files: Readonly<Record<string, string>>, type = 'Opaque'): string =>
  `${JSON.stringify({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, namespace: 'istio-system' },
    type,
    data: Object.fromEntries(Object.entries(files).map(([key, file]) => [key, fs.readFileSync(file, 'base64')])),
  })}\n---\n`;

/** A Secret of the type for key and certificate. */
export const tlsSecret = (name: string, pair: KeyPairFiles): string =>
  secret(name, { 'tls.crt': pair.cert, 'tls.key': pair.key }, 'kubernetes.io/tls');

export interface KeyPairFiles {
  readonly cert: string;
  readonly key: string;
  /** The root that it is good under. */
  readonly ca: string;
}

/** Applies, waits until it is in force, and fails with what was said unless it is. */
export async function apply(mesh: TestedMesh, ...yaml: string[]): Promise<string> {
  const { code, stdout, stderr } = await mesh.isthmus(['apply', '--wait', '-f', '-'], yaml.join(''));
  if (code !== 0) throw new Error(`apply: ${code}\n${stdout}${stderr}`);
  return stdout;
}

async function checked(what: string, run: Promise<Output>): Promise<void> {
  const { code, stdout, stderr } = await run;
  if (code !== 0) throw new Error(`${what}: ${code}\n${stdout}${stderr}`);
}

/** An authority that `isthmus ca` makes, and certificates of it. */
export class IsthmusCa {
  readonly #mesh: TestedMesh;
  readonly #dir: string;

  private constructor(mesh: TestedMesh, dir: string) {
    this.#mesh = mesh;
    this.#dir = dir;
  }

  static async create(mesh: TestedMesh, dir: string): Promise<IsthmusCa> {
    await checked('isthmus ca root', mesh.isthmus(['ca', 'root', '--dir', dir]));
    return new IsthmusCa(mesh, dir);
  }

  get root(): string {
    return path.join(this.#dir, 'root-cert.pem');
  }

  async issue(name: string, ...args: string[]): Promise<KeyPairFiles> {
    const dir = path.join(this.#dir, name.replaceAll('*', 'any'));
    await checked(
      'isthmus ca issue',
      this.#mesh.isthmus(['ca', 'issue', name, '--ca', this.#dir, '--dir', dir, '--force', ...args]),
    );
    return { cert: path.join(dir, 'tls.crt'), key: path.join(dir, 'tls.key'), ca: path.join(dir, 'ca.crt') };
  }
}

/** The same by hand, with openssl. */
export class OpensslCa {
  readonly #dir: string;
  #count = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async create(dir: string): Promise<OpensslCa> {
    fs.mkdirSync(dir, { recursive: true });
    const ca = new OpensslCa(dir);
    await ca.#run('req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Example -keyout ca.key -out ca.crt');
    return ca;
  }

  get root(): string {
    return path.join(this.#dir, 'ca.crt');
  }

  async issue(name: string): Promise<KeyPairFiles> {
    const base = `${name.replaceAll('*', 'any')}-${++this.#count}`;
    fs.writeFileSync(path.join(this.#dir, `${base}.ext`), `subjectAltName=DNS:${name}\n`);
    await this.#run(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${base}.key -out ${base}.csr`);
    await this.#run(
      `x509 -req -days 30 -CA ca.crt -CAkey ca.key -CAcreateserial -extfile ${base}.ext -in ${base}.csr -out ${base}.crt`,
    );
    const file = (extension: string) => path.join(this.#dir, `${base}.${extension}`);
    return { cert: file('crt'), key: file('key'), ca: this.root };
  }

  #run(command: string): Promise<void> {
    return checked(`openssl ${command}`, execute('openssl', command.split(' '), { cwd: this.#dir }));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
  /** Exit code of curl; 0 if there was an answer. */
  readonly code: number | string;
  readonly error: string;
}

/** One request by curl. */
export async function curl(mesh: TestedMesh, ...args: string[]): Promise<Answer> {
  const { code, stdout, stderr } = await mesh.curl(['-i', ...args]);
  const end = stdout.indexOf('\r\n\r\n');
  const headers = end === -1 ? stdout : stdout.slice(0, end);
  const status = Number(/^HTTP\/\S+ (\d+)/.exec(headers)?.[1] ?? 0);
  return { status, headers, body: end === -1 ? '' : stdout.slice(end + 4), code, error: stderr };
}

/** Arguments of curl for a host that the gateway serves on a port, by its name. */
export function byName(mesh: TestedMesh, port: number, host: string, url = '/'): string[] {
  const [address = '', published = ''] = mesh.gateway(port).split(':');
  const scheme = port === 443 ? 'https' : 'http';
  return ['--resolve', `${host}:${published}:${address}`, `${scheme}://${host}:${published}${url}`];
}
