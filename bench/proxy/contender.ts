import path from 'node:path';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { type Workplace, which } from './machine.ts';
import type { Certificates, Hop } from './scenario.ts';

/** A proxy that is compared. */
export interface Contender {
  readonly name: string;
  /** The command line that runs one hop, with one worker. */
  command(hop: Hop, certificates: Certificates, place: Workplace): readonly [string, ...string[]];
}

const ROOT = path.join(import.meta.dirname, '..', '..');

/** Every proxy that there is on this machine; ours comes first. */
export function contenders(): { readonly found: Contender[]; readonly missing: string[] } {
  const { REFERENCE_BIN } = process.env;
  const envoy = REFERENCE_BIN ? path.join(REFERENCE_BIN, 'envoy') : which('envoy');
  const nginx = which('nginx');
  const haproxy = which('haproxy');
  const all: readonly (readonly [string, Contender | undefined])[] = [
    ['isthmus', isthmus],
    ['envoy', envoy === undefined ? undefined : envoyOf(envoy)],
    ['nginx', nginx === undefined ? undefined : nginxOf(nginx)],
    ['haproxy', haproxy === undefined ? undefined : haproxyOf(haproxy)],
  ];
  return {
    found: all.flatMap(([, contender]) => contender ?? []),
    missing: all.flatMap(([name, contender]) => (contender === undefined ? [name] : [])),
  };
}

const isthmus: Contender = {
  name: 'isthmus',
  command(hop, certificates, place) {
    const file = place.write(`isthmus-${hop.listen}.json`, envoyBootstrap(hop, certificates));
    return [process.execPath, path.join(ROOT, 'dist/cli/main.js'), 'proxy', '-c', file, '-l', 'warning'];
  },
};

function envoyOf(program: string): Contender {
  return {
    name: 'envoy',
    command(hop, certificates, place) {
      const file = place.write(`envoy-${hop.listen}.json`, envoyBootstrap(hop, certificates));
      return [program, '-c', file, '--concurrency', '1', '-l', 'warning', '--use-dynamic-base-id'];
    },
  };
}

function nginxOf(program: string): Contender {
  return {
    name: 'nginx',
    command(hop, { cert, key, root }, place) {
      const tls = hop.downstream === 'http1-tls';
      const server = [
        `listen 127.0.0.1:${hop.listen}${tls ? ' ssl' : ''}${hop.downstream === 'http2' ? ' http2' : ''}`,
        ...(tls ? [`ssl_certificate ${cert}`, `ssl_certificate_key ${key}`, 'ssl_protocols TLSv1.3'] : []),
        ...(hop.requireClient ? ['ssl_verify_client on', `ssl_client_certificate ${root}`, 'ssl_verify_depth 3'] : []),
      ];
      const proxy = [
        `proxy_pass ${hop.originate ? 'https' : 'http'}://behind`,
        'proxy_http_version 1.1',
        'proxy_set_header Connection ""',
        ...(hop.originate
          ? [
              `proxy_ssl_certificate ${cert}`,
              `proxy_ssl_certificate_key ${key}`,
              `proxy_ssl_trusted_certificate ${root}`,
              'proxy_ssl_verify on',
              'proxy_ssl_verify_depth 3',
              'proxy_ssl_name localhost',
              'proxy_ssl_protocols TLSv1.3',
            ]
          : []),
      ];
      const file = place.write(
        `nginx-${hop.listen}.conf`,
        `daemon off; master_process off; error_log stderr; pid ${place.folder}/nginx-${hop.listen}.pid;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${place.folder}; proxy_temp_path ${place.folder};
  fastcgi_temp_path ${place.folder}; uwsgi_temp_path ${place.folder}; scgi_temp_path ${place.folder};
  upstream behind { server 127.0.0.1:${hop.upstream}; keepalive 128; keepalive_requests 1000000000; }
  server { ${server.map((line) => `${line};`).join(' ')} location / { ${proxy.map((line) => `${line};`).join(' ')} } }
}
`,
      );
      return [program, '-c', file];
    },
  };
}

function haproxyOf(program: string): Contender {
  return {
    name: 'haproxy',
    command(hop, { cert, key, root }, place) {
      // HAProxy finds the key of CERT in CERT.key.
      const tls = `ssl crt ${cert} ca-file ${root} ssl-min-ver TLSv1.3`;
      const bind =
        hop.downstream === 'http1-tls'
          ? `${tls}${hop.requireClient ? ' verify required' : ''}`
          : hop.downstream === 'http2'
            ? 'proto h2'
            : '';
      if (key !== `${cert}.key`) throw new Error(`the key of ${cert} must be in ${cert}.key`);
      const file = place.write(
        `haproxy-${hop.listen}.cfg`,
        `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend front
  bind 127.0.0.1:${hop.listen} ${bind}
  default_backend behind
backend behind
  server one 127.0.0.1:${hop.upstream} ${hop.originate ? `${tls} verify required verifyhost localhost` : ''}
`,
      );
      return [program, '-db', '-f', file];
    },
  };
}
