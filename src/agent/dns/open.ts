import fs from 'node:fs/promises';
import path from 'node:path';
import { decodeNameTable, type NameTable } from '../../api/name-table.ts';
import { messageOf, UserError } from '../../base/errors.ts';
import { hostsFile, SYSTEM_HOSTS } from '../../proxy/cluster/dns/hosts-file.ts';
import { AdsClient } from '../../xds/client/ads-client.ts';
import { type ControlChannelOptions, openControlChannel } from '../control-channel.ts';
import { parseHostPort } from '../environment/values.ts';
import { NameLookup } from './lookup.ts';
import { parseResolvConf } from './resolv-conf.ts';
import { DnsServer } from './server.ts';

const NAME_TABLE = 'type.googleapis.com/istio.networking.nds.v1.NameTable';
const RESOLV_CONF = '/etc/resolv.conf';

/**
 * Answers DNS beside the proxy with the names that the control plane tells of (NDS), and asks the machine's own name
 * servers for all others. Returns how to end it.
 */
export async function openDns(options: ControlChannelOptions): Promise<() => void> {
  const { environment, network, paths, clock, logging } = options;
  const log = logging.scope('dns');
  const address = parseHostPort(environment.dnsAddress);
  if (address === undefined)
    throw new UserError(`DNS_PROXY_ADDR must be of the form host:port, not ${environment.dnsAddress}`);
  const own = environment.address ? { ...address, host: environment.address } : network.localhost(address.port);
  const at = address.host === 'localhost' ? own : address;
  const resolver = parseResolvConf(await fs.readFile(RESOLV_CONF, 'utf8').catch(() => ''));
  // A machine may have been told to ask us.
  const nameServers = resolver.nameServers.filter(({ host, port }) => host !== at.host || port !== at.port);
  const { inside } = network;
  // The pod's own. Programs that look into a file of hosts find the machine's, without asking us.
  const hosts = environment.sharesFiles ? path.join(paths.dir, SYSTEM_HOSTS) : undefined;
  let lookup = new NameLookup(new Map(), environment.podNamespace, resolver.search);
  const server = await DnsServer.listen({
    at,
    answer: async (query) => lookup.answer(query, hosts === undefined ? undefined : await hostsFile(hosts)),
    nameServers,
    timeoutMs: environment.dnsTimeoutMs,
    sockets: inside && { tcp: await inside.listenTcp(at.port), udp: await inside.listenUdp(at.port) },
  });
  log.info(`DNS is served at ${at.host}:${server.port}`);
  const { channel, node } = openControlChannel(options);
  const ads = new AdsClient({ transport: channel, node, clock, log, delta: false });
  ads.subscribe(NAME_TABLE, undefined, {
    onUpdate(resources, _removed, settle) {
      const [resource] = resources;
      if (resource === undefined) return settle([]);
      let table: NameTable;
      try {
        table = decodeNameTable(resource.bytes);
      } catch (error) {
        return settle([{ name: resource.name, reason: `not a name table: ${messageOf(error)}` }]);
      }
      lookup = new NameLookup(table, environment.podNamespace, resolver.search);
      log.debug(`${table.size} names`);
      settle([]);
    },
    onMissing() {},
  });
  return () => {
    ads.close();
    channel.close();
    server.close();
  };
}
