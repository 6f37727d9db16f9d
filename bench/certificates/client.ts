// Asks a CSR service for certificates as so many workloads, each with a certificate of its own that proves who it is:
//   node bench/certificates/client.ts ADDRESS FOLDER WORKLOADS REQUESTS
// FOLDER has roots.pem, and for each workload N.crt, N.key and N.csr. Prints one line of JSON.
import fs from 'node:fs';
import path from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import grpc from '@grpc/grpc-js';
import {
  IstioCertificateRequestSchema,
  IstioCertificateResponseSchema,
} from '../../src/api/gen/istio/v1/auth/ca_pb.ts';

const METHOD = '/istio.v1.auth.IstioCertificateService/CreateCertificate';
const SERVER_NAME = 'istiod.istio-system.svc';

const [address = '', folder = '', workloads = '1', requests = '1'] = process.argv.slice(2);
const read = (name: string) => fs.readFileSync(path.join(folder, name));
const roots = read('roots.pem');

const callers = Array.from({ length: Number(workloads) }, (_, i) => {
  const credentials = grpc.credentials.createSsl(roots, read(`${i}.key`), read(`${i}.crt`));
  const client = new grpc.Client(address, credentials, { 'grpc.ssl_target_name_override': SERVER_NAME });
  const message = create(IstioCertificateRequestSchema, { csr: String(read(`${i}.csr`)), validityDuration: 86_400n });
  const request = Buffer.from(toBinary(IstioCertificateRequestSchema, message));
  return () =>
    new Promise<void>((resolve, reject) =>
      client.makeUnaryRequest<Buffer, Buffer>(
        METHOD,
        (bytes) => bytes,
        (bytes) => bytes,
        request,
        new grpc.Metadata(),
        (error, response) => {
          if (error || !response) reject(error ?? new Error('no answer'));
          else if (fromBinary(IstioCertificateResponseSchema, response).certChain.length < 2)
            reject(new Error('no chain'));
          else resolve();
        },
      ),
    );
});

// One of each first: connections are open before time counts.
await Promise.all(callers.map((ask) => ask()));
const began = process.hrtime.bigint();
let left = Number(requests);
await Promise.all(
  callers.map(async (ask) => {
    while (left-- > 0) await ask();
  }),
);
const seconds = Number(process.hrtime.bigint() - began) / 1e9;
process.stdout.write(`${JSON.stringify({ requests: Number(requests), seconds })}\n`);
process.exit(0);
