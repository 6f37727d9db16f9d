// The page that people see. /quote shows what it costs to send twelve tons to Rotterdam.
import { ask, serve } from './service.mjs';

const RATING = 'http://freight-rating-server:8080/api/freight-rating';

serve('cargo-webapp', {
  '/': () => '<!doctype html><title>Cloud Cargo</title><h1>Cloud Cargo</h1><p><a href="/quote">A quote</a></p>\n',
  '/quote': async () => {
    const { port, tons, price } = await ask(`${RATING}?port=Rotterdam&tons=12`);
    return `<!doctype html><title>Cloud Cargo</title><p>${tons} tons to ${port}: ${price} EUR</p>\n`;
  },
});
