import { test } from 'node:test';
import { whyNoNamespaces } from '../../src/local/capture/mesh-network.ts';
import { referenceProgram, withoutReference } from '../support/reference.ts';
import { CASES } from './capture/cases.ts';
import { runCases, setUp, startPod, startServers, workloadEntries } from './capture/pods.ts';

/**
 * A real istiod drives our agent as the sidecar of a pod with a network namespace of its own, once with our proxy and
 * once with Envoy in its place. Everything in the pod is captured by our rules; the programs are curl and plain servers.
 */

const SERVERS = ['http:v1:9001', 'http:v2:9002', 'first:t1:7001', 'first:t2:7002', 'tls:a:8443', 'tls:b:8444'];

test('istiod drives a captured pod, with our proxy and with Envoy', async (t) => {
  const reason = withoutReference || (await whyNoNamespaces());
  if (reason) {
    t.skip(`istiod in a network namespace: ${reason}`);
    return;
  }
  const scene = await setUp(t);
  const { istiod, at } = scene;
  const servers = at(3);
  await startServers(t, scene, servers, SERVERS);
  const pods = { ours: at(1), envoy: at(2) };
  istiod.write('pods.yaml', workloadEntries(pods));
  await Promise.all([
    startPod(t, scene, { name: 'ours', address: pods.ours, mode: 'REDIRECT' }),
    startPod(t, scene, { name: 'envoy', address: pods.envoy, mode: 'REDIRECT', proxy: referenceProgram('envoy') }),
  ]);
  await runCases(t, scene, { cases: CASES, pods, servers });
});
