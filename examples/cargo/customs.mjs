// /duty?port=P is what the customs of a port want. They have never heard of the mesh.
import { caller, serve } from './service.mjs';

serve('customs', {
  '/duty': (request, { searchParams }) => ({
    port: searchParams.get('port'),
    duty: 40,
    askedBy: caller(request),
  }),
});
