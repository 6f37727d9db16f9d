import crypto from 'node:crypto';
import type { Headers } from '../../wire/headers.ts';
import { type Connection, formatAddress, type SocketAddress } from '../net/connection.ts';
import type { StreamInfo } from '../observe/stream-info.ts';
import type { HcmConfig } from './config.ts';
import { forwardClientCert } from './forwarded-client-cert.ts';
import { EDGE_STEERING, HOP_BY_HOP, REQUEST_HEADERS, STEERING, survey, Trait } from './known-headers.ts';
import { forwardedAddress, forwardedClient } from './original-address.ts';
import { isReferer } from './referer.ts';

/** Removes what belongs to one connection, and what `Connection` names (RFC 9110 section 7.6.1). */
function removeHopByHop(headers: Headers, upgrade: boolean): void {
  const connection = headers.getJoined('connection');
  const te = headers.getJoined('te');
  let nominated: Set<string> | undefined;
  if (connection !== undefined && !upgrade) {
    for (const part of connection.split(',')) {
      const token = part.trim().toLowerCase();
      if (token === '' || token === 'close' || token === 'keep-alive') continue;
      (nominated ??= new Set()).add(token);
    }
  }
  headers.removeIf((name) => {
    if (upgrade && (name === 'connection' || name === 'upgrade')) return false;
    if (name === 'te' && te === '') return nominated?.has('te') ?? false;
    return HOP_BY_HOP.has(name) || (nominated?.has(name) ?? false);
  });
  if (te?.split(',').some((t) => t.trim().toLowerCase() === 'trailers')) headers.add('te', 'trailers');
}

/** Strips the port or the last dot of the authority where that is configured. */
export function normalizeHost(headers: Headers, config: HcmConfig, listenerPort: number): void {
  if (config.stripTrailingDot) headers.authority = headers.authority.replace(/\.(?=(:\d+)?$)/, '');
  if (config.stripAnyPort) headers.authority = headers.authority.replace(/:\d+$/, '');
  else if (config.stripMatchingPort && headers.method !== 'CONNECT' && headers.authority.endsWith(`:${listenerPort}`)) {
    headers.authority = headers.authority.slice(0, -`:${listenerPort}`.length);
  }
}

/**
 * Brings the headers of a request into the state in which filters see them: who the client is, what it may say, and
 * what this proxy adds (Envoy's `ConnectionManagerUtility::mutateRequestHeaders`).
 */
export function mutateRequestHeaders(
  headers: Headers,
  connection: Connection,
  info: StreamInfo,
  config: HcmConfig,
  internalOnly: readonly string[] | undefined,
  upgrade: boolean,
): number {
  for (const edit of config.earlyEdits) edit(headers, info);
  const traits = survey(headers, REQUEST_HEADERS);
  if (traits & Trait.Repeated) headers.joinRepeated(REQUEST_HEADERS);
  if (traits & Trait.HopByHop) removeHopByHop(headers, upgrade);
  if (traits & Trait.Referer && !isReferer(headers.get('referer')!)) headers.remove('referer');
  const peer = connection.remote;
  const secure = connection.tls !== undefined;
  let client = peer;
  /** Whether the address of the client is one that can be believed to be its own. */
  let single = false;
  const forwarded = headers.get('x-forwarded-for');
  if (config.appendForwardedPort && !headers.has('x-forwarded-port')) {
    headers.set('x-forwarded-port', String(connection.local.port));
  }
  if (config.useRemoteAddress) {
    const inner = config.trustedHops > 0 ? forwardedAddress(forwarded, config.trustedHops - 1) : undefined;
    if (inner !== undefined) client = inner;
    single = config.trustedHops === 0 && forwarded === undefined;
    if (!config.skipXffAppend) headers.append('x-forwarded-for', peerText(peer, config.node.localAddress));
    if (config.trustedHops === 0 || !headers.has('x-forwarded-proto')) {
      headers.set('x-forwarded-proto', secure ? 'https' : 'http');
    }
  } else {
    if (config.detectors.length === 0) {
      const found = forwardedClient(headers, config.trustedHops);
      client = found.address ?? client;
      single = found.trusted;
    }
    for (const detect of config.detectors) {
      const { address, trusted, appends, refusal } = detect(headers, peer);
      if (refusal > 0) return refusal;
      if (appends) headers.append('x-forwarded-for', peerText(peer, config.node.localAddress));
      if (address === undefined) continue;
      client = address;
      single = trusted;
      break;
    }
    if (!headers.has('x-forwarded-proto')) headers.add('x-forwarded-proto', secure ? 'https' : 'http');
  }
  if (config.schemeOverwrite !== '') {
    headers.scheme = config.schemeOverwrite;
    headers.set('x-forwarded-proto', config.schemeOverwrite);
  } else if (headers.scheme === '') {
    const proto = headers.get('x-forwarded-proto');
    headers.scheme = proto === 'http' || proto === 'https' ? proto : secure ? 'https' : 'http';
  } else if (headers.scheme !== 'http' && headers.scheme !== 'https') {
    headers.scheme = headers.scheme.toLowerCase();
  }
  info.schemeOfUpstream = config.schemeOfUpstream;
  info.remoteAddress = client === peer ? info.remoteAddress : client;

  const internal = single && !config.internalAddresses.empty && config.internalAddresses.contains(client.address);
  const edge = !internal && config.useRemoteAddress;
  info.internal = internal;
  if (internal) headers.set('x-envoy-internal', 'true');
  else {
    if (traits & Trait.Steering) headers.removeIf((name) => STEERING.has(name) || (edge && EDGE_STEERING.has(name)));
    for (const name of internalOnly ?? NOTHING) headers.remove(name);
    if (edge) headers.set('x-envoy-external-address', client.family === 0 ? formatAddress(client) : client.address);
  }
  if (config.userAgent) nameClient(headers, config);
  if (config.via !== '') appendVia(headers, config.via);
  setRequestId(headers, info, config, edge);
  forwardClientCert(headers, connection, config);
  return 0;
}

const NOTHING: readonly string[] = [];

/** A peer on this machine is called by the machine's address, which means something to whoever reads it elsewhere. */
function peerText(peer: SocketAddress, localAddress: string): string {
  if (peer.family === 0) return '';
  return peer.address === '127.0.0.1' || peer.address === '::1' ? localAddress : peer.address;
}

/** `add_user_agent`: says which proxy asks. */
function nameClient(headers: Headers, { node }: HcmConfig): void {
  headers.set('x-envoy-downstream-service-cluster', node.cluster);
  if (!headers.has('user-agent')) headers.add('user-agent', node.cluster);
  if (node.id !== '') headers.set('x-envoy-downstream-service-node', node.id);
}

/** Unlike other lists, Via is written with a space behind the comma. */
export function appendVia(headers: Headers, via: string): void {
  const before = headers.get('via');
  headers.set('via', before === undefined ? via : `${before}, ${via}`);
}

function setRequestId(headers: Headers, info: StreamInfo, config: HcmConfig, edge: boolean): void {
  let id = headers.get('x-request-id');
  if (config.generateRequestId && (!id || (edge && !config.preserveExternalRequestId))) {
    id = crypto.randomUUID();
    headers.set('x-request-id', id);
  }
  if (id !== undefined) info.requestId = id;
}
