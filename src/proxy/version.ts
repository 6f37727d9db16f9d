import { create } from '@bufbuild/protobuf';
import { type BuildVersion, BuildVersionSchema } from '../api/gen/envoy/config/core/v3/base_pb.ts';

/** The version that the admin interface and the node tell. */
export const VERSION = '0.1.0';

const [MAJOR, MINOR, PATCH] = VERSION.split('.').map(Number);
const REVISION = 'isthmus';
const BUILD = 'RELEASE';
const STATUS = 'Clean';

function tlsLibrary(): string {
  return `OpenSSL-${process.versions.openssl}`;
}

/** The version as one number, as `server.version` shows it. */
export function versionNumber(): number {
  return (MAJOR << 16) | (MINOR << 8) | PATCH;
}

/** Revision, version, state of the tree, kind of build and TLS library: scripts take it apart at the slashes. */
export function versionText(): string {
  return [REVISION, VERSION, STATUS, BUILD, tlsLibrary()].join('/');
}

/** The same as the node tells it. */
export function buildVersion(): BuildVersion {
  return create(BuildVersionSchema, {
    version: { majorNumber: MAJOR, minorNumber: MINOR, patch: PATCH },
    metadata: {
      'revision.sha': REVISION,
      'revision.status': STATUS,
      'build.type': BUILD,
      'ssl.version': tlsLibrary(),
    },
  });
}
