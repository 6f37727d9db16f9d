// /api/freight-rating?port=P&tons=T is the price of a freight: the tariff of the port, and the duty that customs want.
import { ask, caller, serve } from './service.mjs';

serve('freight-rating-server', {
  '/api/freight-rating': async (request, { searchParams }) => {
    const port = searchParams.get('port') ?? 'Hamburg';
    const tons = Number(searchParams.get('tons') ?? 1);
    const query = new URLSearchParams({ port });
    const [tariff, customs] = await Promise.all([
      ask(`http://freight-tariff-server:8080/api/freight-tariff?${query}`),
      ask(`http://customs:8080/duty?${query}`),
    ]);
    const price = tons * tariff.perTon + customs.duty;
    return {
      port,
      tons,
      price,
      askedBy: caller(request),
      tariffServerWasAskedBy: tariff.askedBy,
      customsWereAskedBy: customs.askedBy,
    };
  },
});
