import { test } from 'node:test';
import { whyNoNamespaces } from '../../src/local/capture/mesh-network.ts';
import { referenceProgram, withoutReference } from '../support/reference.ts';
import { TPROXY_CASES } from './capture/cases-tproxy.ts';
import { runCases, setUp, startPod, startServers, workloadEntries } from './capture/pods.ts';

/** The same under TPROXY, where the programs of a pod see the addresses of those who call them. */

const SERVERS = ['http:v1:9001', 'first:t1:7001', 'first:t2:7002'];

test('istiod drives a pod captured by TPROXY, with our proxy and with Envoy', async (t) => {
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
    startPod(t, scene, { name: 'ours', address: pods.ours, mode: 'TPROXY' }),
    startPod(t, scene, { name: 'envoy', address: pods.envoy, mode: 'TPROXY', proxy: referenceProgram('envoy') }),
  ]);
  await runCases(t, scene, { cases: TPROXY_CASES, pods, servers });
});
