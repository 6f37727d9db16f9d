import fs from 'node:fs';
import path from 'node:path';
import { codeOf, messageOf, UserError } from '../base/errors.ts';
import { parseYaml } from '../config/yaml/parse.ts';

/** How a Kubernetes API server is reached. */
export interface ClusterAccess {
  readonly server: string;
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
  readonly token: string | undefined;
  readonly basic: string | undefined;
  readonly serverName: string | undefined;
  readonly insecure: boolean;
  /** Namespace of the context; `default` where it names none. */
  readonly namespace: string;
}

interface Named {
  readonly name?: string;
}

interface Cluster {
  readonly server?: string;
  readonly 'certificate-authority'?: string;
  readonly 'certificate-authority-data'?: string;
  readonly 'insecure-skip-tls-verify'?: boolean;
  readonly 'tls-server-name'?: string;
}

interface User {
  readonly 'client-certificate'?: string;
  readonly 'client-certificate-data'?: string;
  readonly 'client-key'?: string;
  readonly 'client-key-data'?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly username?: string;
  readonly password?: string;
  readonly exec?: { readonly command?: string };
  readonly 'auth-provider'?: object;
}

interface KubeConfig {
  readonly 'current-context'?: string;
  readonly clusters?: readonly (Named & { readonly cluster?: Cluster })[];
  readonly contexts?: readonly (Named & {
    readonly context?: { readonly cluster?: string; readonly user?: string; readonly namespace?: string };
  })[];
  readonly users?: readonly (Named & { readonly user?: User })[];
}

/** Reads a kubeconfig file and picks a context of it, the current one by default. Throws a UserError. */
export function readKubeconfig(file: string, contextName?: string): ClusterAccess {
  const config = parse(readFile(file).toString('utf8'), file);
  const name = contextName ?? config['current-context'];
  if (!name) throw new UserError(`${file}: there is no current-context; give one with --context`);
  const context = config.contexts?.find((c) => c.name === name)?.context;
  if (context === undefined) throw new UserError(`context "${name}" does not exist in ${file}`);
  const cluster = config.clusters?.find((c) => c.name === context.cluster)?.cluster;
  if (cluster?.server === undefined) throw new UserError(`${file}: the context ${name} names no cluster with a server`);
  const user = config.users?.find((u) => u.name === context.user)?.user ?? {};
  if (user.exec || user['auth-provider'])
    throw new UserError(
      `${file}: the user ${context.user} needs a program to log in, which is not supported; use a token`,
    );
  const data = (text: string | undefined, path_: string | undefined) =>
    text !== undefined
      ? Buffer.from(text, 'base64')
      : path_ !== undefined
        ? readFile(relativeTo(file, path_))
        : undefined;
  const tokenFile = user.tokenFile === undefined ? undefined : readFile(relativeTo(file, user.tokenFile)).toString();
  return {
    server: cluster.server,
    ca: data(cluster['certificate-authority-data'], cluster['certificate-authority']),
    cert: data(user['client-certificate-data'], user['client-certificate']),
    key: data(user['client-key-data'], user['client-key']),
    token: user.token ?? tokenFile?.trim(),
    basic: user.username === undefined ? undefined : `${user.username}:${user.password ?? ''}`,
    serverName: cluster['tls-server-name'],
    insecure: cluster['insecure-skip-tls-verify'] === true,
    namespace: context.namespace || 'default',
  };
}

function parse(text: string, file: string): KubeConfig {
  const { documents, problems } = parseYaml(text, file);
  if (problems[0]) throw new UserError(`${file}: ${problems[0].message}`);
  return (documents[0]?.value ?? {}) as KubeConfig;
}

function relativeTo(file: string, name: string): string {
  return path.resolve(path.dirname(file), name);
}

function readFile(file: string): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new UserError(codeOf(error) === 'ENOENT' ? `there is no file ${file}` : `${file}: ${messageOf(error)}`);
  }
}
