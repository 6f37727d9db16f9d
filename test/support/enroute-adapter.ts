import assert from 'node:assert/strict';
import { Adapters } from '../../src/adapters/adapters.ts';
import { formatMessage } from '../../src/config/message.ts';
import { readObjects } from '../../src/config/read.ts';
import { ObjectsSnapshot } from '../../src/config/store/objects.ts';

const AROUND = `
{apiVersion: apps/v1, kind: Deployment, metadata: {name: enroute, namespace: gw}, spec: {selector: {matchLabels: {app: enroute}}, template: {metadata: {labels: {app: enroute}}, spec: {containers: [{name: enroute, image: 'saarasio/enroute-gwi:v0.12'}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: https, port: 443}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: api}, spec: {selector: {app: api}, ports: [{name: http, port: 80}]}}
---
{apiVersion: v1, kind: Secret, metadata: {name: cert}, type: kubernetes.io/tls, stringData: {tls.crt: C, tls.key: K}}
---
{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: other}, type: kubernetes.io/tls, stringData: {tls.crt: C, tls.key: K}}
---
{apiVersion: v1, kind: Secret, metadata: {name: authority}, stringData: {ca.crt: A}}
---
`;

export interface Made {
  readonly list: (
    kind: 'Gateway' | 'VirtualService' | 'DestinationRule' | 'EnvoyFilter' | 'Secret' | 'AuthorizationPolicy',
  ) => {
    readonly at: string;
    readonly spec: Record<string, unknown>;
  }[];
  readonly warnings: readonly string[];
}

/** What is made of these objects of EnRoute's. Each is `KIND NAME [NAMESPACE]` and its spec. */
export function made(...objects: readonly (readonly [string, object])[]): Made {
  const documents = objects.map(([id, spec]) => {
    const [kind = '', name = '', namespace = 'default'] = id.split(' ');
    return JSON.stringify({ apiVersion: 'enroute.saaras.io/v1', kind, metadata: { name, namespace }, spec });
  });
  const { entries, problems } = readObjects(`${AROUND}${documents.join('\n---\n')}`, 'f.yaml');
  assert.deepEqual([...problems, ...entries.flatMap((e) => e.errors)].map(formatMessage), []);
  const written = ObjectsSnapshot.empty.next(new Map(entries.map((e) => [e.key!, e.object!])), [], []);
  const config = new Adapters().adapt(written, {});
  return {
    list: (kind) =>
      config
        .list(kind)
        .filter(({ metadata }) => metadata.name.includes('enroute'))
        .map(({ metadata, raw, spec }) => ({
          at: `${metadata.namespace}/${metadata.name}`,
          spec: (raw.spec ?? spec) as Record<string, unknown>,
        })),
    warnings: config.warnings.map(({ key, field, message }) => `${key} ${field} ${message}`),
  };
}

export const host = (routes: readonly object[], more: object = {}) => ({
  virtualhost: { fqdn: 'a.example', ...more },
  routes,
});
export const to = (name = 'web', more: object = {}) => ({ services: [{ name, port: 80, ...more }] });
export const httpFilter = (type: string, config: unknown) => ({
  name: 'f',
  type,
  httpFilterConfig: { config: textOf(config) },
});
export const routeFilter = (type: string, config: unknown) => ({
  name: 'f',
  type,
  routeFilterConfig: { config: textOf(config) },
});
const textOf = (config: unknown) => (typeof config === 'string' ? config : JSON.stringify(config));
export const prefix = (text: string) => ({ conditions: [{ prefix: text }] });

/** `PREFIX -> WHERE` for each rule of the only VirtualService. */
export function rules({ list }: Made): string[] {
  const [service] = list('VirtualService');
  const http = (service?.spec.http ?? []) as {
    match: { port?: number; uri: { prefix: string } }[];
    route?: { destination: { host: string; subset?: string }; weight: number }[];
    redirect?: object;
    directResponse?: { status: number; body?: { string: string } };
  }[];
  return http.map(({ match: [match], route, redirect, directResponse }) => {
    const port = match?.port === undefined ? '' : `:${match.port} `;
    const where =
      route?.map(({ destination, weight }) => `${destination.host.split('.')[0]}*${weight}`).join(' ') ??
      (redirect
        ? JSON.stringify(redirect)
        : `${directResponse?.status} ${directResponse?.body?.string.trim() ?? ''}`.trim());
    return `${port}${match?.uri.prefix} -> ${where}`;
  });
}

/** The values of the patches of the only EnvoyFilter that apply to something. */
export function patches(
  { list }: Made,
  applyTo: string,
): { match: Record<string, never>; value: Record<string, never> }[] {
  const all = (list('EnvoyFilter')[0]?.spec.configPatches ?? []) as {
    applyTo: string;
    match: Record<string, never>;
    patch: { value: Record<string, never> };
  }[];
  return all.filter((patch) => patch.applyTo === applyTo).map(({ match, patch }) => ({ match, value: patch.value }));
}
