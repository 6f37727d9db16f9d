import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { stubConnection } from '../../../../test/support/filter-callbacks.ts';
import { wireForm } from '../../../base/bytes.ts';
import { Headers } from '../../../wire/headers.ts';
import { StreamInfo } from '../stream-info.ts';
import { compileFormat } from './format.ts';

describe('operators that tell of headers', () => {
  const rendered = (format: string) => {
    const info = new StreamInfo(stubConnection(), 0, 0);
    info.requestHeaders = Headers.request('GET', wireForm('/ä?q=ü'), 'a.b', 'x-a', wireForm('é'));
    return compileFormat(format).render(info, '-');
  };
  test('Host is the authority, as an alternative too', () => {
    assert.equal(rendered('%REQ(Host)% %REQ(X-NONE?HOST)%'), 'a.b a.b');
  });
  test('what came in UTF-8 is read as such, once', () => {
    assert.equal(
      rendered('%REQ(X-A)% %REQ(X-NONE?X-A)% %REQ(:PATH)% %PATH(NQ)% %REQ_WITHOUT_QUERY(:PATH)% %QUERY_PARAM(q)%'),
      'é é /ä?q=ü /ä /ä ü',
    );
  });
});
