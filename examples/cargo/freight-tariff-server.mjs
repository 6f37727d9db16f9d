// /api/freight-tariff?port=P is the price of a ton to a port.
import { caller, serve } from './service.mjs';

const perTon = { Hamburg: 110, Rotterdam: 95, Singapore: 240 };

serve('freight-tariff-server', {
  '/api/freight-tariff': (request, { searchParams }) => {
    const port = searchParams.get('port') ?? 'Hamburg';
    return { port, perTon: perTon[port] ?? 300, askedBy: caller(request) };
  },
});
