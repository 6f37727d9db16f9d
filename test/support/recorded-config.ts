import fs from 'node:fs';
import path from 'node:path';
import type { DescMessage, JsonObject } from '@bufbuild/protobuf';

/** A configuration that a test has started a proxy with, or sent to one. */
export interface RecordedConfig {
  /** Name of the test's file. */
  readonly test: string;
  /** Which of the two got it; undefined if both did. */
  readonly program?: 'envoy' | 'isthmus';
  /** Full name of the message. */
  readonly type: string;
  readonly config: JsonObject;
}

/** Appends a configuration to the file that TWIN_RECORD names, a line of JSON each, if it does. */
export function recordConfig(schema: DescMessage, config: JsonObject, program?: RecordedConfig['program']): void {
  const file = process.env.TWIN_RECORD;
  if (file === undefined) return;
  const test = path.basename(process.argv[1] ?? '');
  const record: RecordedConfig = { test, ...(program && { program }), type: schema.typeName, config };
  fs.appendFileSync(file, `${JSON.stringify(record)}\n`);
}
