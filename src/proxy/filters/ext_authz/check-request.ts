import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Address, AddressSchema } from '../../../api/gen/envoy/config/core/v3/address_pb.ts';
import { type HeaderMap, HeaderMapSchema } from '../../../api/gen/envoy/config/core/v3/base_pb.ts';
import {
  type AttributeContext_HttpRequest,
  AttributeContext_HttpRequestSchema,
  type AttributeContext_Peer,
  AttributeContext_PeerSchema,
  AttributeContextSchema,
} from '../../../api/gen/envoy/service/auth/v3/attribute_context_pb.ts';
import { type CheckRequest, CheckRequestSchema } from '../../../api/gen/envoy/service/auth/v3/external_auth_pb.ts';
import { fromWireForm } from '../../../base/bytes.ts';
import type { Connection, SocketAddress } from '../../net/connection.ts';
import type { StreamInfo } from '../../observe/stream-info.ts';
import { type MetadataSource, valueAt } from '../../router/metadata-match.ts';
import type { CheckSubject } from './authorizer.ts';

/** What goes into a CheckRequest of the connection. */
export interface ConnectionContents {
  readonly includePeerCertificate: boolean;
  readonly includeTlsSession: boolean;
  readonly destinationLabels: Readonly<Record<string, string>>;
  /** Namespaces of dynamic metadata that the authorizer gets. */
  readonly metadata: readonly string[];
}

/** What goes into a CheckRequest besides the request itself. */
export interface CheckContents extends ConnectionContents {
  /** Headers as a list that keeps repeated ones apart. */
  readonly rawHeaders: boolean;
  /** Namespaces of the route's metadata that the authorizer gets. */
  readonly routeMetadata: readonly string[];
}

/** `envoy.service.auth.v3.CheckRequest` for a request. */
export function checkRequest(subject: CheckSubject, contents: CheckContents): CheckRequest {
  const { callbacks, extensions } = subject;
  const { connection, info, requestHeaders } = callbacks;
  const ends = connectionAttributes(connection, info, contents);
  ends.source.service = requestHeaders.get('x-envoy-downstream-service-cluster') ?? '';
  return create(CheckRequestSchema, {
    attributes: create(AttributeContextSchema, {
      ...ends,
      request: { time: timestampFromMs(info.startTime), http: httpRequest(subject, contents) },
      contextExtensions: { ...extensions },
      metadataContext: { filterMetadata: picked(info.dynamicMetadata, contents.metadata) },
      routeMetadataContext: { filterMetadata: picked(info.routeMetadata, contents.routeMetadata) },
    }),
  });
}

/** The same for a connection of which no request is known. */
export function connectionCheckRequest(
  connection: Connection,
  info: StreamInfo,
  contents: ConnectionContents,
): CheckRequest {
  const attributes = create(AttributeContextSchema, {
    ...connectionAttributes(connection, info, contents),
    metadataContext: { filterMetadata: picked(info.dynamicMetadata, contents.metadata) },
  });
  return create(CheckRequestSchema, { attributes });
}

function connectionAttributes(connection: Connection, info: StreamInfo, contents: ConnectionContents) {
  const { tls, requestedServerName, local } = connection;
  const from = tls?.peer && principalOf(tls.peer.uriSans, tls.peer.dnsSans, tls.peer.subject);
  const source = peer(info.remoteAddress, from);
  if (contents.includePeerCertificate) source.certificate = tls?.peer?.pem() ?? '';
  const destination = peer(local, tls && principalOf(tls.localUriSans, tls.localDnsSans, tls.localSubject));
  destination.labels = { ...contents.destinationLabels };
  const sni = requestedServerName || (tls?.sni ?? '');
  return { source, destination, tlsSession: contents.includeTlsSession ? { sni } : undefined };
}

function peer(address: SocketAddress, principal: string | undefined): AttributeContext_Peer {
  return create(AttributeContext_PeerSchema, { address: addressOf(address), principal: principal ?? '' });
}

function addressOf({ address, port, family }: SocketAddress): Address {
  if (family === 0) return create(AddressSchema, { address: { case: 'pipe', value: { path: address } } });
  const portSpecifier = { case: 'portValue' as const, value: port };
  return create(AddressSchema, { address: { case: 'socketAddress', value: { address, portSpecifier } } });
}

/** The first name of a certificate: of its URIs, else of its DNS names, else its subject. */
function principalOf(uris: readonly string[], names: readonly string[], subject: string): string {
  return uris[0] ?? names[0] ?? subject;
}

function picked(metadata: MetadataSource, namespaces: readonly string[]): Record<string, never> {
  const found: Record<string, unknown> = {};
  for (const name of namespaces) {
    const struct = metadata?.get(name);
    if (struct !== undefined) found[name] = struct;
  }
  return found as Record<string, never>;
}

/** Pseudo-headers in Envoy's order. */
const PSEUDO = [':authority', ':path', ':method', ':scheme'] as const;

function httpRequest(subject: CheckSubject, contents: CheckContents): AttributeContext_HttpRequest {
  const { callbacks, headers, body, packAsBytes, partial } = subject;
  const { info, requestHeaders: whole, connection } = callbacks;
  const http = create(AttributeContext_HttpRequestSchema, {
    id: String(connection.id),
    method: whole.method,
    path: fromWireForm(whole.path),
    host: fromWireForm(whole.authority),
    scheme: whole.scheme,
    size: BigInt(info.bytesReceived),
    protocol: info.protocol,
  });
  const all = PSEUDO.flatMap((name): [string, string][] => (headers.has(name) ? [[name, headers.get(name)!]] : []));
  for (let i = 0; i < headers.size; i++) all.push([headers.nameAt(i), headers.valueAt(i)]);
  if (body !== undefined) all.push(['x-envoy-auth-partial-body', String(partial)]);
  if (contents.rawHeaders) http.headerMap = headerMap(all);
  else {
    for (const [name, value] of all) {
      const before = Object.hasOwn(http.headers, name) ? `${http.headers[name]},` : '';
      http.headers[name] = before + fromWireForm(value);
    }
  }
  if (body === undefined) return http;
  if (packAsBytes) http.rawBody = body;
  else http.body = body.toString('utf8');
  return http;
}

function headerMap(headers: readonly (readonly [string, string])[]): HeaderMap {
  return create(HeaderMapSchema, {
    headers: headers.map(([key, value]) => ({ key, rawValue: Buffer.from(value, 'latin1') })),
  });
}

/** Texts under a key of the node's metadata. */
export function nodeLabels(metadata: Readonly<Record<string, unknown>>, key: string): Record<string, string> {
  const value = key === '' ? undefined : valueAt(metadata, [key]);
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
