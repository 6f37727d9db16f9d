import { createRequire } from 'node:module';

/** Istio's version of which the behaviour and the API are those here: what proxies and control planes call themselves. */
export const ISTIO_VERSION = '1.31.0';

/** Version of this package. */
export const PACKAGE_VERSION: string = createRequire(import.meta.url)('../../package.json').version;
