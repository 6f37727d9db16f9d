import {
  type MongoProxy,
  MongoProxySchema,
} from '../../../api/gen/envoy/extensions/filters/network/mongo_proxy/v3/mongo_proxy_pb.ts';
import type { ConfigErrors } from '../../config/errors.ts';
import { fraction } from '../../config/fraction.ts';
import { integerAt, shareAt } from '../../config/runtime-values.ts';
import { durationMs } from '../../config/values.ts';
import type { WorkerContext } from '../../context.ts';
import type { NetworkFilterDefinition } from '../../net/network-filter.ts';
import { StatLeases } from '../../observe/stat-leases.ts';
import { MongoFilter, NAME } from './filter.ts';
import { MongoCalls, MongoStats } from './stats.ts';

/** Those that are counted by themselves if no others are named. */
const COMMANDS: readonly string[] = ['delete', 'insert', 'update'];

/**
 * `envoy.filters.network.mongo_proxy`, which istiod puts before the TCP proxy of every port that speaks MongoDB: counts
 * messages of the protocol's older form (before OP_MSG), tells of them in a log and in metadata, and delays them.
 */
export const mongoProxy: NetworkFilterDefinition<MongoProxy> = {
  name: NAME,
  schema: MongoProxySchema,
  supported: {
    'envoy.extensions.filters.network.mongo_proxy.v3.MongoProxy': [
      'stat_prefix',
      'access_log',
      'delay',
      'emit_dynamic_metadata',
      'commands',
    ],
    'envoy.extensions.filters.common.fault.v3.FaultDelay': ['fixed_delay', 'percentage'],
    'envoy.type.v3.FractionalPercent': ['numerator', 'denominator'],
  },
  compile(proto, { worker, listener, openLog }, errors) {
    const { statPrefix, accessLog, delay, emitDynamicMetadata, commands } = proto;
    const prefix = `mongo.${statPrefix}.`;
    const leases = new StatLeases(worker.stats, prefix);
    const calls = new MongoCalls(worker.stats, prefix);
    const config = {
      stats: leases.acquire('', MongoStats),
      calls,
      commands: new Set(commands.length > 0 ? commands : COMMANDS),
      log: accessLog === '' ? undefined : openLog(accessLog),
      delayMs: delay && delayOf(delay, worker, errors.at('delay')),
      emitMetadata: emitDynamicMetadata,
      drain: listener.drain,
      drainsWhenUnhealthy: listener.drainsWhenUnhealthy,
    };
    return {
      terminal: false,
      create: (callbacks) => new MongoFilter(config, callbacks),
      dispose() {
        leases.release();
        calls.release();
      },
    };
  },
};

/** The delay of a message in milliseconds, or 0: drawn anew each time. */
function delayOf(
  { faultDelaySecifier: specifier, percentage }: NonNullable<MongoProxy['delay']>,
  { runtime, random }: WorkerContext,
  errors: ConfigErrors,
): () => number {
  const configuredMs = specifier.case === 'fixedDelay' ? Math.floor(durationMs(specifier.value, 0)) : 0;
  if (configuredMs <= 0) errors.add('fixed_delay', 'is needed, and must be more than 0');
  const configuredShare = percentage === undefined ? 0 : fraction(percentage);
  return () => {
    const share = shareAt(runtime, 'mongo.fault.fixed_delay.percent', configuredShare);
    if (share <= 0 || (share < 1 && random() >= share)) return 0;
    return integerAt(runtime, 'mongo.fault.fixed_delay.duration_ms', configuredMs);
  };
}
