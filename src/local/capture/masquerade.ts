import fs from 'node:fs';
import { podPrefixOf } from '../../process/address-pool.ts';
import { bridgeName } from './names.ts';

/** Arguments of iptables for the rule by which pods of a mesh reach other machines in the name of this one. */
export function masqueradeRule(action: '-A' | '-D', slot: number): string[] {
  const from = `${podPrefixOf('netns', slot)}0.0/16`;
  return ['-w', '5', '-t', 'nat', action, 'POSTROUTING', '-s', from, '!', '-o', bridgeName(slot), '-j', 'MASQUERADE'];
}

/** Whether this machine hands packets on between its interfaces; we do not make it do so. */
export function forwards(): boolean {
  try {
    return fs.readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}
