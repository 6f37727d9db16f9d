// Turns .proto files into TypeScript under src/api/gen (not committed): the Envoy v3 API that ships inside
// @grpc/grpc-js-xds, and the few Istio, OpenTelemetry and gRPC messages in src/api/proto. Also writes gen/files.ts,
// the table from message name to module that lets a program load only the types it meets.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { NEWER_CONSTRAINTS } from './newer-constraints.mjs';
import { NEWER_FIELDS } from './newer-fields.mjs';

const ROOT = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const DEPS = path.join(ROOT, 'node_modules/@grpc/grpc-js-xds/deps');
const STAGE = path.join(ROOT, 'node_modules/.cache/isthmus-protos');
const OUT = path.join(ROOT, 'src/api/gen');

// Options that only annotate the Envoy files; dropping them keeps their descriptors out of every proxy's memory.
const EXCLUDED = [
  'envoy.annotations',
  'udpa.annotations',
  'xds.annotations.v3',
  'validate.rules',
  'validate.required',
  'validate.disabled',
];
// One message that Envoy's http_tracer files mention and no npm package ships. Nobody configures OpenCensus any more.
const OPENCENSUS = `syntax = "proto3";
package opencensus.proto.trace.v1;
message TraceConfig {}
`;

const protoFiles = (dir) =>
  fs
    .readdirSync(dir, { recursive: true })
    .filter((f) => f.endsWith('.proto'))
    .map((f) => f.split(path.sep).join('/'));

/** The copy of protoc-gen-validate that ships with the files is older than this option of theirs. */
function withIgnoreEmpty(text) {
  return text.replaceAll(/^message (?!FieldRules)\w+Rules \{/gm, '$&\n  optional bool ignore_empty = 9000;');
}

function stage() {
  fs.rmSync(STAGE, { recursive: true, force: true });
  fs.mkdirSync(STAGE, { recursive: true });
  const put = (name, text) => {
    const file = path.join(STAGE, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, text);
  };
  for (const dep of ['envoy-api', 'googleapis', 'protoc-gen-validate', 'xds']) {
    for (const name of protoFiles(path.join(DEPS, dep))) {
      if (/^(java|tests)\//.test(name)) continue;
      const text = fs.readFileSync(path.join(DEPS, dep, name), 'utf8');
      put(name, name === 'validate/validate.proto' ? withIgnoreEmpty(text) : text);
    }
  }
  for (const [name, line, fields] of NEWER_FIELDS) {
    const text = fs.readFileSync(path.join(STAGE, name), 'utf8');
    const at = text.indexOf(`\n${line}`);
    if (at < 0) throw new Error(`${name} has no line ${JSON.stringify(line)}`);
    const behind = at + 1 + line.length;
    const end = line.endsWith('{') ? text.indexOf(`\n${/^ */.exec(line)[0]}}`, behind) : text.length;
    // A newer package has the fields itself.
    const missing = fields.filter((field) => !text.slice(behind, end).includes(field));
    put(name, [text.slice(0, behind), ...missing.map((field) => `  ${field}`), text.slice(behind + 1)].join('\n'));
  }
  put('opencensus/proto/trace/v1/trace_config.proto', OPENCENSUS);
  for (const name of protoFiles(path.join(ROOT, 'src/api/proto'))) {
    put(name, fs.readFileSync(path.join(ROOT, 'src/api/proto', name), 'utf8'));
  }
}

/** The files to generate: all of Envoy's v3 API that a mesh can meet, and our own; their imports follow. */
function wanted() {
  const skip =
    /^envoy\/(annotations|service\/(trace|metrics|accesslog\/v2|tap|event_reporting|load_stats|status|extension)|data\/(tap|dns)|extensions\/(quic|watchdog|geoip_providers|filters\/udp)|config\/(trace\/v3\/(opencensus|trace)|retry|filter))/;
  return [
    ...protoFiles(STAGE).filter((f) => /^envoy\/.*(\/v3\/|^envoy\/type\/)/.test(f) && !skip.test(f)),
    'udpa/type/v1/typed_struct.proto',
    'xds/type/v3/typed_struct.proto',
    ...protoFiles(path.join(ROOT, 'src/api/proto')),
  ].sort();
}

function generate(files) {
  fs.rmSync(OUT, { recursive: true, force: true });
  const bin = path.join(ROOT, 'node_modules/.bin');
  const template = {
    version: 'v2',
    inputs: [{ directory: STAGE, paths: files.map((f) => path.join(STAGE, f)), exclude_types: EXCLUDED }],
    plugins: [
      {
        local: path.join(bin, 'protoc-gen-es'),
        out: OUT,
        opt: ['target=ts', 'import_extension=ts', 'erasable_syntax=true'],
        include_imports: true,
        strategy: 'all',
      },
    ],
  };
  const file = path.join(STAGE, 'buf.gen.json');
  fs.writeFileSync(path.join(STAGE, 'buf.yaml'), 'version: v2\n');
  fs.writeFileSync(file, JSON.stringify(template));
  execFileSync(path.join(bin, 'buf'), ['generate', '--template', file], {
    cwd: STAGE,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH}` },
  });
}

/** Message name -> [module, exported schema], from the comments that protoc-gen-es writes above each schema. */
function writeIndex() {
  const rows = [];
  for (const name of fs.readdirSync(OUT, { recursive: true }).sort()) {
    if (!name.endsWith('_pb.ts')) continue;
    const text = fs.readFileSync(path.join(OUT, name), 'utf8');
    for (const m of text.matchAll(/Describes the message ([\w.]+)\.[^*]*\*[\s\S]*?export const (\w+): /g)) {
      rows.push(`  '${m[1]}': ['${name.split(path.sep).join('/').slice(0, -3)}', '${m[2]}'],`);
    }
  }
  rows.sort();
  fs.writeFileSync(
    path.join(OUT, 'files.ts'),
    `/** Message type name -> [module beside this file, without extension; name of its schema]. */\nexport const files: Record<string, readonly [string, string]> = {\n${rows.join('\n')}\n};\n`,
  );
  return rows.length;
}

/** Every rule that the API sets for its fields (protoc-gen-validate), by message. */
function writeConstraints(files) {
  const image = path.join(STAGE, 'image.json');
  const paths = files.filter((file) => /^envoy\/(config|type|extensions)\//.test(file));
  execFileSync(
    path.join(ROOT, 'node_modules/.bin/buf'),
    ['build', ...paths.flatMap((file) => ['--path', file]), '-o', image],
    { cwd: STAGE, stdio: 'inherit' },
  );
  const rows = [];
  const visit = (message, prefix) => {
    const name = `${prefix}.${message.name}`;
    for (const nested of message.nestedType ?? []) visit(nested, name);
    if (message.options?.['[validate.disabled]']) return;
    const fields = Object.fromEntries(
      (message.field ?? []).flatMap((field) => {
        const newer = NEWER_CONSTRAINTS[`${name}.${field.name}`];
        const rules = newer === undefined ? field.options?.['[validate.rules]'] : newer;
        return rules ? [[field.name, withNumbers(rules)]] : [];
      }),
    );
    const oneofs = (message.oneofDecl ?? []).filter((oneof) => oneof.options?.['[validate.required]']);
    if (Object.keys(fields).length + oneofs.length === 0) return;
    rows.push(`  '${name}': ${JSON.stringify(JSON.stringify({ oneofs: oneofs.map((oneof) => oneof.name), fields }))},`);
  };
  for (const { name, package: prefix, messageType = [] } of JSON.parse(fs.readFileSync(image, 'utf8')).file) {
    if (paths.includes(name)) for (const message of messageType) visit(message, prefix);
  }
  fs.writeFileSync(
    path.join(OUT, 'constraints.ts'),
    `/** Message type name -> JSON of the rules of its fields and of the oneofs that it needs. */\nexport const constraints: Record<string, string> = {\n${rows.sort().join('\n')}\n};\n`,
  );
  return rows.length;
}

/** JSON has 64-bit numbers as text, and durations as seconds with a letter. */
function withNumbers(rules) {
  return JSON.parse(JSON.stringify(rules), (key, value) =>
    typeof value === 'string' && key !== 'pattern' && /^-?\d+(\.\d+)?s?$/.test(value)
      ? Number.parseFloat(value)
      : value,
  );
}

stage();
const files = wanted();
generate(files);
console.log(`${writeConstraints(files)} messages with constraints`);
console.log(`${files.length} proto files wanted, ${writeIndex()} messages described`);
