import type { DataSource } from '../../api/gen/envoy/config/core/v3/base_pb.ts';
import type { ConfigErrors } from './errors.ts';
import { DataSourceError, loadData } from './load-data.ts';

/** Reads a DataSource when configuration is compiled; what is wrong goes to `errors`. */
export function readDataSource(source: DataSource | undefined, errors: ConfigErrors): Buffer | undefined {
  if (source === undefined) {
    errors.add('', 'is needed');
    return undefined;
  }
  try {
    return loadData(source).bytes;
  } catch (error) {
    if (!(error instanceof DataSourceError)) throw error;
    errors.add('', error.message);
    return undefined;
  }
}
