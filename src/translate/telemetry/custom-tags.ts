import type { MessageInitShape } from '@bufbuild/protobuf';
import type { CustomTagSchema } from '../../api/gen/envoy/type/tracing/v3/custom_tag_pb.ts';
import type { CustomTag } from '../../config/kinds/telemetry/schema.ts';
import { CANONICAL_NAME_LABEL, CANONICAL_REVISION_LABEL } from '../../registry/labels.ts';
import type { ProxyView } from '../proxy-view.ts';

type Tag = MessageInitShape<typeof CustomTagSchema> & object;

/** Tags of spans that say which workload a proxy stands for, and what policies that are only tried would have done. */
export function istioTags({ labels, node }: ProxyView): Tag[] {
  return [
    literal('istio.canonical_revision', labels[CANONICAL_REVISION_LABEL] || 'latest'),
    literal('istio.canonical_service', labels[CANONICAL_NAME_LABEL] || 'unknown'),
    literal('istio.mesh_id', node.meshId || 'unknown'),
    literal('istio.namespace', node.namespace || 'default'),
    literal('istio.cluster_id', node.clusterId || 'unknown'),
    ...DRY_RUN_TAGS,
  ];
}

function literal(tag: string, value: string): Tag {
  return { tag, type: { case: 'literal', value: { value } } };
}

const DRY_RUN_TAGS: readonly Tag[] = (['allow', 'deny'] as const).flatMap((action) =>
  [['name', 'shadow_effective_policy_id'] as const, ['result', 'shadow_engine_result'] as const].map(([name, key]) => ({
    tag: `istio.authorization.dry_run.${action}_policy.${name}`,
    type: {
      case: 'metadata' as const,
      value: {
        kind: { kind: { case: 'request' as const, value: {} } },
        metadataKey: {
          key: 'envoy.filters.http.rbac',
          path: [{ segment: { case: 'key' as const, value: `istio_dry_run_${action}_${key}` } }],
        },
      },
    },
  })),
);

/** Tags that people define, in Telemetry or ProxyConfig. */
export function customTags(tags: Readonly<Record<string, CustomTag>> | undefined): Tag[] {
  return Object.entries(tags ?? {}).flatMap(([tag, { literal: fixed, environment, header, formatter }]): Tag[] => {
    if (fixed !== undefined) return [literal(tag, fixed.value ?? '')];
    if (environment !== undefined) {
      const { name = '', defaultValue = '' } = environment;
      return [{ tag, type: { case: 'environment', value: { name, defaultValue } } }];
    }
    if (formatter !== undefined) return [{ tag, type: { case: 'value', value: formatter.value ?? '' } }];
    if (header === undefined) return [];
    const { name = '', defaultValue = '' } = header;
    return [{ tag, type: { case: 'requestHeader', value: { name, defaultValue } } }];
  });
}

/** Order of tags: by their names. */
export function byTag(a: Tag, b: Tag): number {
  return a.tag! < b.tag! ? -1 : a.tag! > b.tag! ? 1 : 0;
}
