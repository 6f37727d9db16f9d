// The fortune teller: gRPC on HOST:PORT, as fortune.proto says.
import fs from 'node:fs';
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Server, ServerCredentials, status } from '@grpc/grpc-js';

const { HOST = '127.0.0.1', PORT = '50051' } = process.env;
const MOST = 100;
const GOOD = 1;
const BAD = 2;

const file = fs.readFileSync(new URL('fortune.pb', import.meta.url));
const types = createFileRegistry(fromBinary(FileDescriptorSetSchema, file));
const service = types.getService('build.stack.fortune.FortuneTeller');
const response = (name, fields) => create(types.getMessage(`build.stack.fortune.${name}`), fields);

const fortunes = [
  { text: 'A letter will find you.', mood: GOOD },
  { text: 'Somebody thinks of you with kindness.', mood: GOOD },
  { text: 'Mind the third step of the stairs.', mood: BAD },
  { text: 'What you have lost lies under the bed.', mood: GOOD },
  { text: 'It will rain on Thursday.', mood: BAD },
];

/** The same for the same person, `turn` fortunes on. */
function tell(userId, turn) {
  let sum = turn;
  for (const letter of userId) sum += letter.codePointAt(0);
  const fortune = response('Fortune', fortunes[sum % fortunes.length]);
  return response('PredictionResponse', { userId, fortune, fortuneCount: fortunes.length });
}

const methods = {
  predict({ request }, callback) {
    callback(null, tell(request.userId, 0));
  },
  addFortune({ request: { text, mood } }, callback) {
    if (text === '') {
      callback({ code: status.INVALID_ARGUMENT, details: 'a fortune needs a text' });
      return;
    }
    if (fortunes.length >= MOST) {
      callback({ code: status.RESOURCE_EXHAUSTED, details: `there are ${MOST} fortunes, which is enough` });
      return;
    }
    fortunes.push({ text, mood });
    callback(null, response('AddFortuneResponse', { fortuneCount: fortunes.length }));
  },
  predictMany(call) {
    const { userId, count } = call.request;
    for (let turn = 0; turn < Math.min(count, MOST); turn++) call.write(tell(userId, turn));
    call.end();
  },
};

const definition = Object.fromEntries(
  service.methods.map((method) => [
    method.localName,
    {
      path: `/${service.typeName}/${method.name}`,
      requestStream: false,
      responseStream: method.methodKind === 'server_streaming',
      requestDeserialize: (bytes) => fromBinary(method.input, bytes),
      requestSerialize: (message) => Buffer.from(toBinary(method.input, message)),
      responseDeserialize: (bytes) => fromBinary(method.output, bytes),
      responseSerialize: (message) => Buffer.from(toBinary(method.output, message)),
    },
  ]),
);

const server = new Server();
server.addService(definition, methods);
server.bindAsync(`${HOST}:${PORT}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(`fortune teller listens on ${HOST}:${port}`);
});
process.on('SIGTERM', () => server.tryShutdown(() => {}));
