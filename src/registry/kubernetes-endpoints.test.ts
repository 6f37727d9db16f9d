import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServiceSpec } from '../config/kinds/service/schema.ts';
import type { ConfigObject } from '../config/object.ts';
import { endpointsOfSelected } from './kubernetes-endpoints.ts';
import type { Workload } from './workload.ts';

const workload = (addresses: readonly string[], kind: Workload['kind'] = 'Pod') =>
  ({ kind, name: 'web-1', namespace: 'shop', addresses, labels: {}, ports: new Map() }) as unknown as Workload;
const service = (spec: Partial<ServiceSpec>) =>
  ({ spec: { ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec } }) as ConfigObject<ServiceSpec>;

const [IPV4, IPV6] = ['100.64.0.3', 'fd69:7374:6800::3'];
const BOTH = [IPV4, IPV6];

test('a pod of both families is found by the families of the service', () => {
  const table: readonly (readonly [spec: Partial<ServiceSpec>, pod: readonly string[], found: readonly string[]])[] = [
    [{}, [IPV4], [IPV4]],
    [{}, BOTH, [IPV4]],
    [{}, [IPV6, IPV4], [IPV6]],
    [{ ipFamilyPolicy: 'SingleStack' }, BOTH, [IPV4]],
    [{ ipFamilyPolicy: 'PreferDualStack' }, BOTH, BOTH],
    [{ ipFamilyPolicy: 'PreferDualStack' }, [IPV4], [IPV4]],
    [{ ipFamilyPolicy: 'RequireDualStack' }, BOTH, BOTH],
    [{ ipFamilies: ['IPv6'] }, BOTH, [IPV6]],
    [{ ipFamilies: ['IPv6', 'IPv4'] }, BOTH, BOTH],
    [{ clusterIP: 'fd00::10' }, BOTH, [IPV6]],
    [{ clusterIP: 'None' }, BOTH, [IPV4]],
    [{ clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00::10'] }, BOTH, BOTH],
  ];
  for (const [spec, addresses, found] of table) {
    const endpoints = endpointsOfSelected(service(spec), workload(addresses));
    const seen = endpoints.map(({ address, extraAddresses, port }) => ({ all: [address, ...extraAddresses], port }));
    assert.deepEqual(seen, [{ all: found, port: 8080 }], JSON.stringify(spec));
  }
});

test('a family that the pod does not have, and a machine of any', () => {
  const [pod] = endpointsOfSelected(service({ ipFamilies: ['IPv6'] }), workload([IPV4]));
  assert.equal(pod!.address, IPV4);
  const [machine] = endpointsOfSelected(service({ ipFamilies: ['IPv6'] }), workload([IPV4], 'WorkloadEntry'));
  assert.equal(machine!.address, IPV4);
});
