import https from 'node:https';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import type { TLSSocket } from 'node:tls';
import { ownAddress } from './local-mesh.ts';
import { PeerMaker } from './peers.ts';

const HOST = 'www.googleapis.com';

const BOOK = {
  authors: ['William Shakespeare'],
  publishedDate: '2002-01-01',
  printType: 'BOOK',
  pageCount: 64,
  publisher: 'Courier',
  language: 'en',
  industryIdentifiers: [
    { type: 'ISBN_10', identifier: '0486424618' },
    { type: 'ISBN_13', identifier: '9780486424613' },
  ],
};

/** What stands for the service outside that details can ask: HTTPS with a certificate for its name. */
export interface GoogleBooks {
  readonly address: string;
  readonly port: number;
  /** File with the authority of its certificate. */
  readonly root: string;
  /** Name and path that were asked for, each time. */
  readonly served: string[];
}

export async function startGoogleBooks(t: { after(fn: () => void): void }, folder: string): Promise<GoogleBooks> {
  const peers = new PeerMaker(folder);
  const authority = await peers.root('books');
  const served: string[] = [];
  const server = https.createServer(await peers.leaf(authority, { dnsNames: [HOST] }), (request, response) => {
    served.push(`${(request.socket as TLSSocket).servername || 'nobody'} ${request.url}`);
    response.end(JSON.stringify({ items: [{ volumeInfo: BOOK }] }));
  });
  const address = ownAddress();
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  t.after(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { address, port, root: path.join(authority, 'root-cert.pem'), served };
}

/** Nothing leaves the namespace but for services that the mesh knows. */
export const REGISTRY_ONLY = `
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata:
  name: default
spec:
  outboundTrafficPolicy:
    mode: REGISTRY_ONLY
---`;

/** The service outside, and TLS for programs that ask it in plaintext. */
export const googleapis = ({ address, port, root }: GoogleBooks) => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata:
  name: googleapis
spec:
  hosts:
  - ${HOST}
  ports:
  - number: 80
    name: http
    protocol: HTTP
    targetPort: ${port}
  - number: 443
    name: https
    protocol: HTTPS
    targetPort: ${port}
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints:
  - address: ${address}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: originate-tls-for-googleapis
spec:
  host: ${HOST}
  trafficPolicy:
    portLevelSettings:
    - port:
        number: 80
      tls:
        mode: SIMPLE
        caCertificates: ${root}
---`;

/** A version of details that asks the service outside. */
export const externalDetails = (version: string, env: Readonly<Record<string, string>>) => `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: details-${version}
spec:
  selector:
    matchLabels: {app: details, version: ${version}}
  template:
    metadata:
      labels: {app: details, version: ${version}}
    spec:
      serviceAccountName: bookinfo-details
      containers:
      - name: details
        command: [node, details.mjs]
        env:
        - {name: ENABLE_EXTERNAL_BOOK_SERVICE, value: "true"}
${Object.entries(env)
  .map(([name, value]) => `        - {name: ${name}, value: "${value}"}`)
  .join('\n')}
        ports:
        - containerPort: 9080
        readinessProbe:
          httpGet: {path: /health, port: 9080}
---`;
