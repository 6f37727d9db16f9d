import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  ReceivedResource,
  ServedResponse,
  StatusDetail,
} from './messages.ts';

/**
 * The discovery messages on the wire, by hand. Payloads and node stay views of the bytes that came, nothing but names,
 * versions and nonces becomes an object, and a server copies a payload once, from the resource that all proxies share
 * into the message. Measured with 3,000 clusters in a delta response: as fast as the generated types (2 ms), with 0.6
 * of the live heap, and without loading their descriptors.
 */

/** Not a discovery message. */
export class DecodeError extends Error {}

/** Type URL of the wrapper that carries name and version of a resource in the state-of-the-world variant. */
const RESOURCE_WRAPPER = 'type.googleapis.com/envoy.service.discovery.v3.Resource';

/** Calls back for every field; the callback reads the value and says so, or it is skipped. */
function decode(bytes: Uint8Array, field: (number: number, reader: BinaryReader) => boolean): void {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      // Every field that is read here is length-delimited; one of another type is as good as unknown.
      if (type !== WireType.LengthDelimited || !field(number, reader)) reader.skip(type, number);
    }
  } catch (error) {
    throw new DecodeError(error instanceof Error ? error.message : String(error));
  }
}

export function decodeDiscoveryRequest(bytes: Uint8Array): DiscoveryRequest {
  let versionInfo = '';
  let node: Uint8Array | undefined;
  const resourceNames: string[] = [];
  let typeUrl = '';
  let responseNonce = '';
  let errorDetail: StatusDetail | undefined;
  decode(bytes, (number, reader) => {
    if (number === 1) versionInfo = reader.string();
    else if (number === 2) node = reader.bytes();
    else if (number === 3) resourceNames.push(reader.string());
    else if (number === 4) typeUrl = reader.string();
    else if (number === 5) responseNonce = reader.string();
    else if (number === 6) errorDetail = decodeStatus(reader.bytes());
    else return false;
    return true;
  });
  return { typeUrl, node, versionInfo, resourceNames, responseNonce, errorDetail };
}

export function encodeDiscoveryRequest(request: DiscoveryRequest): Uint8Array {
  const writer = new BinaryWriter();
  if (request.versionInfo) writer.tag(1, WireType.LengthDelimited).string(request.versionInfo);
  if (request.node) writer.tag(2, WireType.LengthDelimited).bytes(request.node);
  for (const name of request.resourceNames) writer.tag(3, WireType.LengthDelimited).string(name);
  writer.tag(4, WireType.LengthDelimited).string(request.typeUrl);
  if (request.responseNonce) writer.tag(5, WireType.LengthDelimited).string(request.responseNonce);
  if (request.errorDetail) encodeStatus(writer, 6, request.errorDetail);
  return writer.finish();
}

export function decodeDiscoveryResponse(bytes: Uint8Array): DiscoveryResponse {
  let versionInfo = '';
  const resources: ReceivedResource[] = [];
  let typeUrl = '';
  let nonce = '';
  let controlPlane = '';
  decode(bytes, (number, reader) => {
    if (number === 1) versionInfo = reader.string();
    else if (number === 2) resources.push(decodeSotwResource(reader.bytes()));
    else if (number === 4) typeUrl = reader.string();
    else if (number === 5) nonce = reader.string();
    else if (number === 6) controlPlane = firstString(reader.bytes());
    else return false;
    return true;
  });
  return { typeUrl, versionInfo, nonce, resources, controlPlane };
}

export function encodeDiscoveryResponse(response: ServedResponse, controlPlane: string): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(response.version);
  for (const resource of response.resources) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writeAny(writer, resource.payloadType ?? response.typeUrl, resource.bytes);
    writer.join();
  }
  writer.tag(4, WireType.LengthDelimited).string(response.typeUrl);
  writer.tag(5, WireType.LengthDelimited).string(response.nonce);
  writeControlPlane(writer, 6, controlPlane);
  return writer.finish();
}

export function decodeDeltaDiscoveryRequest(bytes: Uint8Array): DeltaDiscoveryRequest {
  let node: Uint8Array | undefined;
  let typeUrl = '';
  const subscribe: string[] = [];
  const unsubscribe: string[] = [];
  const initialResourceVersions = new Map<string, string>();
  let responseNonce = '';
  let errorDetail: StatusDetail | undefined;
  decode(bytes, (number, reader) => {
    if (number === 1) node = reader.bytes();
    else if (number === 2) typeUrl = reader.string();
    else if (number === 3) subscribe.push(reader.string());
    else if (number === 4) unsubscribe.push(reader.string());
    else if (number === 5) initialResourceVersions.set(...decodePair(reader.bytes()));
    else if (number === 6) responseNonce = reader.string();
    else if (number === 7) errorDetail = decodeStatus(reader.bytes());
    else return false;
    return true;
  });
  return { typeUrl, node, subscribe, unsubscribe, initialResourceVersions, responseNonce, errorDetail };
}

export function encodeDeltaDiscoveryRequest(request: DeltaDiscoveryRequest): Uint8Array {
  const writer = new BinaryWriter();
  if (request.node) writer.tag(1, WireType.LengthDelimited).bytes(request.node);
  writer.tag(2, WireType.LengthDelimited).string(request.typeUrl);
  for (const name of request.subscribe) writer.tag(3, WireType.LengthDelimited).string(name);
  for (const name of request.unsubscribe) writer.tag(4, WireType.LengthDelimited).string(name);
  for (const [name, version] of request.initialResourceVersions) {
    writer.tag(5, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(name).tag(2, WireType.LengthDelimited).string(version);
    writer.join();
  }
  if (request.responseNonce) writer.tag(6, WireType.LengthDelimited).string(request.responseNonce);
  if (request.errorDetail) encodeStatus(writer, 7, request.errorDetail);
  return writer.finish();
}

export function decodeDeltaDiscoveryResponse(bytes: Uint8Array): DeltaDiscoveryResponse {
  let systemVersionInfo = '';
  const resources: ReceivedResource[] = [];
  let typeUrl = '';
  const removed: string[] = [];
  let nonce = '';
  let controlPlane = '';
  decode(bytes, (number, reader) => {
    if (number === 1) systemVersionInfo = reader.string();
    else if (number === 2) resources.push(decodeResource(reader.bytes()));
    else if (number === 4) typeUrl = reader.string();
    else if (number === 5) nonce = reader.string();
    else if (number === 6) removed.push(reader.string());
    else if (number === 7) controlPlane = firstString(reader.bytes());
    else if (number === 8) removed.push(firstString(reader.bytes()));
    else return false;
    return true;
  });
  return { typeUrl, systemVersionInfo, nonce, resources, removed, controlPlane };
}

export function encodeDeltaDiscoveryResponse(response: ServedResponse, controlPlane: string): Uint8Array {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).string(response.version);
  for (const resource of response.resources) {
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(resource.version);
    writer.tag(2, WireType.LengthDelimited).fork();
    writeAny(writer, resource.payloadType ?? response.typeUrl, resource.bytes);
    writer.join();
    writer.tag(3, WireType.LengthDelimited).string(resource.name);
    writer.join();
  }
  writer.tag(4, WireType.LengthDelimited).string(response.typeUrl);
  writer.tag(5, WireType.LengthDelimited).string(response.nonce);
  for (const name of response.removed) writer.tag(6, WireType.LengthDelimited).string(name);
  writeControlPlane(writer, 7, controlPlane);
  return writer.finish();
}

function writeAny(writer: BinaryWriter, typeUrl: string, bytes: Uint8Array): void {
  writer.tag(1, WireType.LengthDelimited).string(typeUrl).tag(2, WireType.LengthDelimited).bytes(bytes);
}

function writeControlPlane(writer: BinaryWriter, field: number, identifier: string): void {
  writer.tag(field, WireType.LengthDelimited).fork().tag(1, WireType.LengthDelimited).string(identifier).join();
}

/** google.rpc.Status: code 1, message 2. */
function decodeStatus(bytes: Uint8Array): StatusDetail {
  const reader = new BinaryReader(bytes);
  let code = 0;
  let message = '';
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 1 && type === WireType.Varint) code = reader.int32();
    else if (number === 2 && type === WireType.LengthDelimited) message = reader.string();
    else reader.skip(type, number);
  }
  return { code, message };
}

function encodeStatus(writer: BinaryWriter, field: number, status: StatusDetail): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  if (status.code !== 0) writer.tag(1, WireType.Varint).int32(status.code);
  writer.tag(2, WireType.LengthDelimited).string(status.message);
  writer.join();
}

function decodePair(bytes: Uint8Array): [string, string] {
  let key = '';
  let value = '';
  decode(bytes, (number, reader) => {
    if (number === 1) key = reader.string();
    else if (number === 2) value = reader.string();
    else return false;
    return true;
  });
  return [key, value];
}

/** Field 1 of a message, where it is a string: ControlPlane.identifier, ResourceName.name. */
function firstString(bytes: Uint8Array): string {
  let value = '';
  decode(bytes, (number, reader) => {
    if (number !== 1) return false;
    value = reader.string();
    return true;
  });
  return value;
}

interface Any {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** google.protobuf.Any. */
function decodeAny(bytes: Uint8Array): Any {
  const reader = new BinaryReader(bytes);
  let typeUrl = '';
  let value: Uint8Array = EMPTY;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (number === 1 && type === WireType.LengthDelimited) typeUrl = reader.string();
    else if (number === 2 && type === WireType.LengthDelimited) value = reader.bytes();
    else reader.skip(type, number);
  }
  return { typeUrl, value };
}

/** envoy.service.discovery.v3.Resource. */
function decodeResource(bytes: Uint8Array): ReceivedResource {
  const reader = new BinaryReader(bytes);
  let name = '';
  let version = '';
  let any: Any | undefined;
  let hasTtl = false;
  while (reader.pos < reader.len) {
    const [number, type] = reader.tag();
    if (type !== WireType.LengthDelimited) reader.skip(type, number);
    else if (number === 1) version = reader.string();
    else if (number === 2) any = decodeAny(reader.bytes());
    else if (number === 3) name = reader.string();
    else if (number === 8) name = firstString(reader.bytes());
    else {
      hasTtl ||= number === 6;
      reader.skip(type, number);
    }
  }
  const { typeUrl, value } = any ?? NO_PAYLOAD;
  return { name, version, typeUrl, bytes: value, hasPayload: any !== undefined, hasTtl };
}

/**
 * One resource of a state-of-the-world response. It has no name of its own there: every xDS resource has its name in
 * field 1 (`cluster_name` of an assignment), which is all that is read of the payload.
 */
function decodeSotwResource(bytes: Uint8Array): ReceivedResource {
  const { typeUrl, value } = decodeAny(bytes);
  if (typeUrl === RESOURCE_WRAPPER) return decodeResource(value);
  return { name: nameOfPayload(value), version: '', typeUrl, bytes: value, hasPayload: true, hasTtl: false };
}

function nameOfPayload(bytes: Uint8Array): string {
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      if (number === 1 && type === WireType.LengthDelimited) return reader.string();
      reader.skip(type, number);
    }
  } catch {
    // A broken payload is refused by whoever decodes it, with a better message.
  }
  return '';
}

const EMPTY = new Uint8Array(0);
const NO_PAYLOAD: Any = { typeUrl: '', value: EMPTY };
