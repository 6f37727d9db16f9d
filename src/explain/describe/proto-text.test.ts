import assert from 'node:assert/strict';
import { test } from 'node:test';
import { protoText } from './proto-text.ts';

test("parts of specs as istioctl prints them, in protobuf's text format", () => {
  const table: readonly [object, string][] = [
    [
      { delay: { percentage: { value: 100 }, fixedDelay: 7000 } },
      'delay:{fixed_delay:{seconds:7} percentage:{value:100}}',
    ],
    [
      { abort: { httpStatus: 500, percentage: { value: 0.1 } }, delay: { fixedDelay: 1500 } },
      'delay:{fixed_delay:{seconds:1 nanos:500000000}} abort:{http_status:500 percentage:{value:0.1}}',
    ],
    [{ abort: { grpcStatus: 'UNAVAILABLE' } }, 'abort:{grpc_status:"UNAVAILABLE"}'],
    [{ delay: { fixedDelay: 2 } }, 'delay:{fixed_delay:{nanos:2000000}}'],
    [
      { sourceLabels: { b: '2', a: '1' }, port: 27017, destinationSubnets: ['10.0.0.0/8', '10.1.0.0/16'] },
      'destination_subnets:"10.0.0.0/8" destination_subnets:"10.1.0.0/16" port:27017 source_labels:{key:"a" value:"1"} source_labels:{key:"b" value:"2"}',
    ],
    [{}, ''],
  ];
  for (const [message, expected] of table) assert.equal(protoText(message), expected);
});
