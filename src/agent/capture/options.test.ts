import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CAPTURE_DEFAULTS, captureOptionsOf, outsideCaptureOptions } from './options.ts';

test('annotations of a pod', () => {
  const traffic = (values: Record<string, string>) =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [`traffic.sidecar.istio.io/${name}`, value]));
  assert.deepEqual(captureOptionsOf({}), CAPTURE_DEFAULTS);
  assert.deepEqual(
    captureOptionsOf(
      traffic({
        includeInboundPorts: '80, 443',
        excludeInboundPorts: '9000,15020',
        includeOutboundPorts: '5432',
        excludeOutboundPorts: '22,',
        includeOutboundIPRanges: '10.0.0.0/8,fd00::/8',
        excludeOutboundIPRanges: '10.1.2.3/32',
        excludeInterfaces: 'eth1',
      }),
    ),
    {
      ...CAPTURE_DEFAULTS,
      includeInboundPorts: [80, 443],
      excludeInboundPorts: [15090, 15021, 15020, 9000],
      includeOutboundPorts: [5432],
      excludeOutboundPorts: [22],
      includeOutboundRanges: ['10.0.0.0/8', 'fd00::/8'],
      excludeOutboundRanges: ['10.1.2.3/32'],
      excludeInterfaces: ['eth1'],
    },
  );
  assert.deepEqual(captureOptionsOf(traffic({ includeInboundPorts: '' })).includeInboundPorts, []);
  for (const [name, value, words] of [
    ['includeInboundPorts', '80,http', 'has "http", which is no port from 1 to 65535'],
    ['excludeOutboundPorts', '65536', 'has "65536", which is no port from 1 to 65535'],
    ['excludeOutboundIPRanges', '10.0.0.0', 'has "10.0.0.0", which is no range such as 10.0.0.0/8'],
    ['includeOutboundIPRanges', '10.0.0.0/33', 'has "10.0.0.0/33", which is no range such as 10.0.0.0/8'],
    [
      'includeOutboundIPRanges',
      '10.0.0.0/8 -j ACCEPT',
      'has "10.0.0.0/8 -j ACCEPT", which is no range such as 10.0.0.0/8',
    ],
    ['excludeInterfaces', 'eth0\n-A', 'has "eth0\\n-A", which is no name of an interface'],
  ] as const)
    assert.throws(() => captureOptionsOf(traffic({ [name]: value })), {
      message: `the annotation traffic.sidecar.istio.io/${name} ${words}`,
    });
});

test('what cannot be had is refused, not left out', () => {
  for (const [annotation, value, words] of [
    ['sidecar.istio.io/interceptionMode', 'tproxy', /has "tproxy", which is none of REDIRECT, TPROXY, NONE$/],
    ['traffic.sidecar.istio.io/kubevirtInterfaces', 'net1', /has no effect here/],
    ['istio.io/reroute-virtual-interfaces', 'net1', /has no effect here/],
  ] as const)
    assert.throws(() => captureOptionsOf({ [annotation]: value }), { name: 'UserError', message: words });
});

test('a sidecar in another network: what goes out has options, what comes in has none', () => {
  const out = { 'traffic.sidecar.istio.io/excludeOutboundPorts': '22' };
  assert.deepEqual(outsideCaptureOptions(out, '127.64.0.0/16'), {
    ...CAPTURE_DEFAULTS,
    excludeOutboundPorts: [22],
    proxyUids: [],
    proxyGids: [],
    includeInboundPorts: [],
    loopbackRanges: ['127.64.0.0/16'],
    dns: { port: 15053, servers: '*' },
  });
  assert.throws(() => outsideCaptureOptions({}, '127.64.0.0/16', 'TPROXY'), {
    name: 'UserError',
    message: 'interceptionMode TPROXY cannot be had without root: the sidecar is in another network',
  });
  for (const name of ['includeInboundPorts', 'excludeInboundPorts', 'excludeInterfaces'])
    assert.throws(() => outsideCaptureOptions({ [`traffic.sidecar.istio.io/${name}`]: '80' }, '127.64.0.0/16'), {
      name: 'UserError',
      message: `the annotation traffic.sidecar.istio.io/${name} cannot be had without root: the sidecar is in another network`,
    });
});
