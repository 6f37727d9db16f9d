import type { Command } from 'commander';
import { UserError } from '../../base/errors.ts';
import type { MeshStatus } from '../../config/control/mesh-api.ts';
import type { KindId } from '../../config/kinds/index.ts';
import { kindById } from '../../config/kinds/index.ts';
import type { ConfigObject } from '../../config/object.ts';
import type { MeshObjects, Pod } from '../../explain/describe/subject.ts';
import type { Streams } from '../command.ts';
import { failWithUsage } from '../command.ts';
import { connect } from '../kubectl/flags.ts';
import { fetchResources } from '../kubectl/objects.ts';
import {
  addProxyFlags,
  adminAddress,
  askAdmin,
  MeshClient,
  type ProxyFlags,
  selectProxies,
  warnOfClusterFlags,
} from '../mesh-client.ts';
import { ConfigDump } from '../proxy-config/config-dump.ts';
import { portFlag } from '../proxy-config/source.ts';
import { factsOf } from './proxy-facts.ts';

interface Flags extends ProxyFlags {
  readonly ignoreUnmeshed?: boolean;
  readonly proxyAdminPort?: number;
}

/** `isthmus x describe`: what istioctl's command of that name does, of the local mesh. */
export function define(command: Command, streams: Streams): void {
  command.aliases(['des']).description('Describe resource and related Istio configuration');
  const subcommand = (
    name: string,
    alias: string,
    what: string,
    action: (name: string, flags: Flags) => Promise<string[]>,
  ) => {
    const sub = command
      .command(name)
      .aliases([alias])
      .argument('[name]')
      .usage(`<${name}>[.<namespace>] [flags]`)
      .summary(`Describe ${what}s and their Istio configuration`)
      .description(
        `Analyzes ${what}s with the DestinationRules and VirtualServices that have to do with them, and what their proxies run with.`,
      )
      .option('--ignoreUnmeshed', 'Suppress warnings for unmeshed pods')
      .option('--proxy-admin-port <port>', "port of the proxy's admin interface (default: the mesh's)", portFlag);
    addProxyFlags(sub).action(async (target: string | undefined, flags: Flags) => {
      warnOfClusterFlags(sub, streams);
      if (target === undefined) failWithUsage(sub, streams, `expecting ${what} name`);
      else for (const line of await action(target, flags)) streams.stdout.write(`${line}\n`);
    });
  };
  subcommand('pod', 'po', 'pod', async (target, flags) => {
    const { namespace, name } = parseTarget(target, flags);
    const { mesh, ask } = await gather(flags);
    const { explainPod } = await import('../../explain/describe/index.ts');
    const pod = mesh.pods.find(({ object }) => isNamed(object, namespace, name));
    if (pod === undefined) throw new UserError(`pods ${JSON.stringify(name)} not found`);
    return explainPod(pod, mesh, ask, {
      namespace: flags.namespace || 'default',
      ignoreUnmeshed: flags.ignoreUnmeshed === true,
    });
  });
  subcommand('service', 'svc', 'service', async (target, flags) => {
    const { namespace, name } = parseTarget(target, flags);
    const { mesh, ask } = await gather(flags);
    const { explainService } = await import('../../explain/describe/index.ts');
    const service = mesh.services.find((object) => isNamed(object, namespace, name));
    if (service === undefined) throw new UserError(`services ${JSON.stringify(name)} not found`);
    return explainService(service, mesh, ask, {
      namespace: flags.namespace || 'default',
      ignoreUnmeshed: flags.ignoreUnmeshed === true,
    });
  });
}

/** `NAME` or `NAME.NAMESPACE`. */
function parseTarget(target: string, { namespace }: Flags): { readonly namespace: string; readonly name: string } {
  const dot = target.lastIndexOf('.');
  if (dot <= 0) return { name: target, namespace: namespace || 'default' };
  return { name: target.slice(0, dot), namespace: target.slice(dot + 1) };
}

function isNamed({ metadata }: ConfigObject, namespace: string, name: string): boolean {
  return metadata.namespace === namespace && metadata.name === name;
}

/** All objects that a description can be about, and how to ask proxies. */
async function gather(flags: Flags) {
  const { client } = await connect(flags);
  const controlPlane = await MeshClient.connect(process.env, flags.mesh);
  const [status, { proxies }, meshConfig] = await Promise.all([
    client.status(),
    client.proxies(),
    controlPlane.debug('mesh'),
  ]);
  const { rootNamespace } = JSON.parse(meshConfig) as { readonly rootNamespace: string };
  const list = async <K extends KindId>(id: K) => {
    const definition = kindById(id)!;
    const query = { definition, apiVersion: definition.apiVersions[0], namespace: undefined, name: undefined };
    const resources = await fetchResources(client, query);
    return resources.sort((a, b) => a.createdAt - b.createdAt);
  };
  const objects = async <K extends KindId>(id: K) => (await list(id)).map(({ object }) => object as never);
  const mesh: MeshObjects = {
    pods: (await list('Pod')).map((pod): Pod => {
      const { namespace, name } = pod;
      const { phase = 'Pending' } = pod.json.status as { readonly phase?: string };
      return { object: pod.object as Pod['object'], phase, containers: containersOf(status, namespace, name) };
    }),
    services: await objects('Service'),
    virtualServices: await objects('VirtualService'),
    destinationRules: await objects('DestinationRule'),
    gateways: await objects('Gateway'),
    peerAuthentications: await objects('PeerAuthentication'),
    rootNamespace,
    urls: status.urls,
  };
  const ask = async ({ object }: Pod) => {
    const { namespace, name } = object.metadata;
    const [proxy] = selectProxies(proxies, `${name}.${namespace}`, undefined);
    return factsOf(new ConfigDump(await askAdmin(adminAddress(proxy!, flags.proxyAdminPort), 'config_dump')));
  };
  return { mesh, ask };
}

/** The programs of a pod and its proxy, where it has started. */
function containersOf({ pods }: MeshStatus, namespace: string, name: string): Pod['containers'] {
  const pod = pods.find((candidate) => candidate.namespace === namespace && candidate.name === name);
  return (pod?.containers ?? []).filter(({ init }) => !init).map(({ name: own, ready }) => ({ name: own, ready }));
}
